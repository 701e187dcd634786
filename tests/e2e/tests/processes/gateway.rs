//! SIGKILL of the gateway in the middle of writes through it: what was acknowledged is there once,
//! and what was not is there once or not at all.

use crate::say;
use fleetlog_e2e_tests::{Face, Fleetlog, History, commits, programs, send, until_well};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::subject;
use futures::future::join_all;
use kube::Client;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many clients write at once, each so often: a thousand writes and some.
const CLIENTS: usize = 32;
const EACH: usize = 33;
/// After so many acknowledged writes it dies.
const DEATHS: [usize; 3] = [200, 500, 800];
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// What one client was told.
#[derive(Default)]
struct Told {
    /// The uid of each object that it made by a name, where it was told.
    named: BTreeMap<String, Option<String>>,
    /// Marks of objects whose name was chance: acknowledged, or not known.
    marked: BTreeMap<String, bool>,
    /// Keys that it patched into its own object, and that were acknowledged.
    patched: BTreeSet<String>,
    /// How often it patched, answered or not.
    patches: usize,
}

/// Sends until there is an answer that says what became of it; `first` is whether that is the
/// first one that was sent.
async fn answered(client: &Client, method: &str, path: &str, body: &Value) -> (u16, Value, bool) {
    let (mut found, mut first, mut tries) = (None, true, 0_u32);
    until_well("the gateway answers", async || {
        tries += 1;
        first = tries == 1;
        let (code, body) = send(client, method, path, body).await?;
        // It is not ready, or does not know.
        anyhow::ensure!(!matches!(code, 429 | 503 | 504), "{code}: {body}");
        found = Some((code, body));
        Ok(())
    })
    .await
    .unwrap();
    let (code, body) = found.unwrap();
    (code, body, first)
}

async fn make_named(client: &Client, name: &str, told: &mut Told) {
    let object = json!({"metadata": {"name": name}, "data": {"k": name}});
    let (code, body, first) = answered(client, "POST", MAPS, &object).await;
    match code {
        201 => {
            let uid = body["metadata"]["uid"].as_str().unwrap().to_owned();
            told.named.insert(name.to_owned(), Some(uid));
        }
        // What had no answer was done after all.
        409 if !first => {
            assert_eq!(body["reason"], "AlreadyExists");
            told.named.insert(name.to_owned(), None);
        }
        _ => panic!("{name}: {code} {body}"),
    }
}

/// One try: another would be another object.
async fn make_by_chance(client: &Client, mark: &str, told: &mut Told) {
    let metadata = json!({"generateName": "chance-", "labels": {"mark": mark}});
    let object = json!({"metadata": metadata});
    let code = send(client, "POST", MAPS, &object).await.map_or(0, |(code, _)| code);
    assert!(matches!(code, 0 | 201 | 429 | 503 | 504), "{mark}: {code}");
    told.marked.insert(mark.to_owned(), code == 201);
}

async fn patch_own(client: &Client, own: &str, key: String, told: &mut Told) {
    let patch = json!({"data": {&key: "set"}});
    told.patches += 1;
    match send(client, "PATCH", &format!("{MAPS}/{own}"), &patch).await {
        Ok((200, body)) => {
            assert_eq!(body["data"][&key], "set");
            told.patched.insert(key);
        }
        Ok((429 | 503 | 504, _)) | Err(_) => {}
        Ok((code, body)) => panic!("{key}: {code} {body}"),
    }
}

async fn write(face: &Face, client: usize, done: &AtomicUsize) -> Told {
    let (mut told, wire) = (Told::default(), face.client().unwrap());
    let own = format!("own-{client}");
    make_named(&wire, &own, &mut told).await;
    for number in 0..EACH {
        let id = format!("{client}-{number}");
        match number % 3 {
            0 => make_named(&wire, &format!("named-{id}"), &mut told).await,
            1 => make_by_chance(&wire, &id, &mut told).await,
            _ => patch_own(&wire, &own, format!("k-{id}"), &mut told).await,
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    told
}

/// Kills it each time that so much is written.
async fn die(face: &Face, done: &AtomicUsize) {
    for after in DEATHS {
        until_well(&format!("{after} are written"), async || {
            let now = done.load(Ordering::Relaxed);
            anyhow::ensure!(now >= after, "{now} are");
            Ok(())
        })
        .await
        .unwrap();
        face.kill_and_start_again().await.unwrap();
        say(&format!("gateway: killed after {after} writes"));
    }
}

/// Each object by its name, and how many carry each mark.
fn sorted(list: &Value) -> (BTreeMap<String, Value>, BTreeMap<String, usize>) {
    let (mut objects, mut marks) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
    for object in list["items"].as_array().unwrap() {
        let metadata = &object["metadata"];
        objects.insert(metadata["name"].as_str().unwrap().to_owned(), object.clone());
        if let Some(mark) = metadata["labels"]["mark"].as_str() {
            *marks.entry(mark.to_owned()).or_default() += 1;
        }
    }
    (objects, marks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw110_a_gateway_that_is_killed_in_the_middle_of_writes_loses_and_doubles_none() {
    let whole = Fleetlog::start(programs!()).await.unwrap();
    let face = Face::start(&whole, programs!()).await.unwrap();
    let done = AtomicUsize::new(0);
    let clients = join_all((0..CLIENTS).map(|client| write(&face, client, &done)));
    let (told, ()) = tokio::join!(clients, die(&face, &done));
    face.ready().await.unwrap();
    let (code, list) = send(&face.client().unwrap(), "GET", MAPS, &Value::Null).await.unwrap();
    assert_eq!(code, 200);
    let (objects, marks) = sorted(&list);
    // How often the log changed each of them.
    let operator = whole.hub().operator().await.unwrap();
    let mut changes = BTreeMap::<String, usize>::new();
    for commit in commits(&operator, &subject::events(), Position::START).await.unwrap() {
        let of = &commit.aggregate;
        if of.service == Service::Core && of.scope.as_deref() == Some("default") {
            *changes.entry(of.name.clone()).or_default() += 1;
        }
    }
    let mut unknown = 0;
    for (client, told) in told.iter().enumerate() {
        for (name, uid) in &told.named {
            let object = objects.get(name).unwrap_or_else(|| panic!("{name} is lost"));
            assert_eq!(object["data"]["k"], *name);
            if let Some(uid) = uid {
                assert_eq!(object["metadata"]["uid"], *uid, "{name} was made twice");
            }
            if name.starts_with("named-") {
                assert_eq!(changes[name], 1, "{name}");
            }
        }
        for (mark, acknowledged) in &told.marked {
            let count = marks.get(mark).copied().unwrap_or_default();
            assert!(count == 1 || (count == 0 && !acknowledged), "{mark} is there {count} times");
            unknown += usize::from(!acknowledged);
        }
        let own = format!("own-{client}");
        let data = objects[&own]["data"].as_object().unwrap();
        for key in &told.patched {
            assert!(data.contains_key(key), "{key} is lost");
        }
        let patches = changes[&own] - 1;
        assert!(patches >= told.patched.len() && patches <= told.patches, "{own}: {patches}");
        assert_eq!(data.len() - 1, patches, "{own}: each patch is one change");
        unknown += told.patches - told.patched.len();
    }
    say(&format!("gateway: {unknown} writes had no answer"));
    History::of(&whole).await.unwrap().audit().await.unwrap();
    whole.verify().unwrap();
}
