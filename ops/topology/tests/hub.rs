//! The data folder and the start of a hub on a real server: what is made, reused, and refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::Client;
use fleetlog_kernel::{Service, Timestamp};
use fleetlog_tools::nats::server_info;
use fleetlog_tools::{NatsConfig, NatsServer, nats_server, quiet};
use fleetlog_topology::accounts::Account;
use fleetlog_topology::apply::{Site, connect, settle};
use fleetlog_topology::folder::{find, keep_profile, read_credentials};
use fleetlog_topology::hub::{HubConfig, start, start_in};
use fleetlog_topology::plan::{Action, Cost, Kind};
use fleetlog_topology::server::Sync;
use fleetlog_topology::{Folder, HubRefusal, Profile, RunningHub, followers};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

const AT: Timestamp = Timestamp::of_seconds(1_700_000_000);

async fn operator(hub: &RunningHub) -> Client {
    connect(hub.url(), &hub.identity().operator().unwrap()).await.unwrap()
}

async fn apply(client: &Client) -> Result<(), HubRefusal> {
    settle(client, Profile::Dev).await
}

async fn verify(client: &Client) -> Result<(), HubRefusal> {
    fleetlog_topology::apply::verify(client, Profile::Dev).await
}

async fn ask(client: &Client, subject: &str, body: Value) -> Value {
    let answer = client.request(subject.to_owned(), body.to_string().into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

fn hub_json(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("hub.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_first_start_makes_everything_and_a_restart_reuses_it() {
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    let (id, url) = (hub.identity().hub_id(), hub.url().to_owned());
    let admin = fs::read_to_string(dir.path().join("creds/admin.creds")).unwrap();
    let said = hub_json(dir.path());
    assert_eq!(said["hubId"], json!(id.to_string()));
    assert_eq!(said["dataVersion"], 1);
    assert_eq!(said["natsUrl"], json!(url));
    assert_eq!(said["pid"], std::process::id());
    let blob = connect(&url, &hub.identity().operator().unwrap()).await.unwrap();
    let info = ask(&blob, "$JS.API.STREAM.INFO.EVENTS", json!({})).await;
    hub.stop();
    assert_eq!(hub_json(dir.path())["natsUrl"], Value::Null);

    let hub = start_in(dir.path(), AT).await.unwrap();
    assert_eq!(hub.identity().hub_id(), id);
    assert_eq!(fs::read_to_string(dir.path().join("creds/admin.creds")).unwrap(), admin);
    let again = ask(&operator(&hub).await, "$JS.API.STREAM.INFO.EVENTS", json!({})).await;
    assert_eq!(again["created"], info["created"]);
    verify(&operator(&hub).await).await.unwrap();
}

#[tokio::test]
async fn a_folder_of_a_build_that_knew_fewer_services_gets_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    start_in(dir.path(), AT).await.unwrap().stop();
    let file = dir.path().join("creds/identity.json");
    let mut kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let role = kept["roles"].as_object_mut().unwrap().remove("addon");
    assert!(role.is_some());
    fs::write(&file, kept.to_string()).unwrap();
    fs::remove_file(dir.path().join("creds/services/addon.creds")).unwrap();

    let later = Timestamp::of_seconds(AT.seconds() + 1);
    let hub = start_in(dir.path(), later).await.unwrap();
    for service in Service::ALL {
        let credentials = hub.identity().service(service).unwrap();
        connect(hub.url(), &credentials).await.unwrap();
    }
    let file = dir.path().join("creds/services/addon.creds");
    assert_eq!(read_credentials(&file).unwrap().name().as_deref(), Some("addon"));
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_can_be_read_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _folder = Folder::open(dir.path(), AT).unwrap();
    for file in ["identity.json", "operator.creds", "admin.creds", "services/work.creds"] {
        let mode = fs::metadata(dir.path().join("creds").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}

#[tokio::test]
async fn others_find_a_running_hub_by_its_folder_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(find(dir.path()).unwrap_err().code(), "HUB0007");
    let hub = start_in(dir.path(), AT).await.unwrap();
    let found = find(dir.path()).unwrap();
    assert_eq!(found.nats_url.as_deref(), Some(hub.url()));
    let admin = read_credentials(&dir.path().join("creds/admin.creds")).unwrap();
    assert_eq!(admin.name().as_deref(), Some("admin"));
    connect(hub.url(), &admin).await.unwrap();
    drop(hub);
    assert_eq!(find(dir.path()).unwrap_err().code(), "HUB0007");
}

#[tokio::test]
async fn a_changed_field_is_named_and_nothing_is_mended_silently() {
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    let client = operator(&hub).await;
    let info = ask(&client, "$JS.API.STREAM.INFO.STATUS", json!({})).await;
    let mut config = info["config"].clone();
    config["max_msgs_per_subject"] = json!(7);
    let updated = ask(&client, "$JS.API.STREAM.UPDATE.STATUS", config).await;
    assert_eq!(updated.get("error"), None, "{updated}");
    for refused in [verify(&client).await.unwrap_err(), apply(&client).await.unwrap_err()] {
        assert_eq!(refused.code(), "HUB0004");
        let text = refused.to_string();
        assert!(text.contains("\"STATUS\""), "{text}");
        assert!(text.contains("\"max_msgs_per_subject\" is 7 instead of 1"), "{text}");
    }
}

#[tokio::test]
async fn a_log_whose_events_could_run_out_is_refused_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    let client = operator(&hub).await;
    let info = ask(&client, "$JS.API.STREAM.INFO.EVENTS", json!({})).await;
    let mut config = info["config"].clone();
    config["allow_msg_ttl"] = json!(true);
    ask(&client, "$JS.API.STREAM.UPDATE.EVENTS", config).await;
    hub.stop();
    let refused = start_in(dir.path(), AT).await.unwrap_err();
    assert!(refused.to_string().contains("\"allow_msg_ttl\""), "{refused}");
}

#[tokio::test]
async fn a_changed_queue_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    let client = operator(&hub).await;
    let info = ask(&client, "$JS.API.CONSUMER.INFO.CMD.cmd-work", json!({})).await;
    let mut config = info["config"].clone();
    config["max_ack_pending"] = json!(3);
    let body = json!({ "stream_name": "CMD", "config": config });
    ask(&client, "$JS.API.CONSUMER.CREATE.CMD.cmd-work.fl.cmd.work.>", body).await;
    let text = verify(&client).await.unwrap_err().to_string();
    assert!(text.contains("\"cmd-work\"") && text.contains("\"max_ack_pending\" is 3"), "{text}");
}

#[tokio::test]
async fn a_missing_stream_fails_verification_and_is_made_by_apply() {
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    let client = operator(&hub).await;
    ask(&client, "$JS.API.STREAM.DELETE.LEASE", json!({})).await;
    assert!(verify(&client).await.unwrap_err().to_string().contains("\"LEASE\""));
    apply(&client).await.unwrap();
    verify(&client).await.unwrap();
}

#[test]
fn a_folder_in_use_is_refused_with_the_process_that_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let held = Folder::open(dir.path(), AT).unwrap();
    let refused = Folder::open(dir.path(), AT).unwrap_err();
    assert_eq!(refused.code(), "HUB0001");
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    drop(held);
    Folder::open(dir.path(), AT).unwrap();
}

#[test]
fn a_folder_of_a_newer_release_is_refused_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"{"hubId":"x","dataVersion":99,"novel":true}"#;
    fs::write(dir.path().join("hub.json"), text).unwrap();
    let refused = Folder::open(dir.path(), AT).unwrap_err();
    assert_eq!(refused.code(), "HUB0002");
    assert!(refused.to_string().contains("99"), "{refused}");
    assert_eq!(fs::read_to_string(dir.path().join("hub.json")).unwrap(), text);
    assert!(!dir.path().join("creds").exists());
}

#[test]
fn a_damaged_identity_is_refused_and_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    drop(Folder::open(dir.path(), AT).unwrap());
    let file = dir.path().join("creds/identity.json");
    fs::write(&file, "{ half").unwrap();
    assert_eq!(Folder::open(dir.path(), AT).unwrap_err().code(), "HUB0003");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{ half");
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_too_old_is_refused_and_the_folder_is_free_again() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("nats-server-old");
    fs::write(&old, "#!/bin/sh\necho 'nats-server: v2.10.29'\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = Folder::open(&dir.path().join("data"), AT).unwrap();
    let refused = start(folder, &HubConfig::standalone(old)).await.unwrap_err();
    assert_eq!(refused.code(), "TOOL0002");
    assert!(refused.to_string().contains("2.10.29"), "{refused}");
    Folder::open(&dir.path().join("data"), AT).unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_refused() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let binary = nats_server(&quiet).unwrap();
    let config =
        HubConfig { port: Some(port), sync: Sync::Always, ..HubConfig::standalone(binary) };
    let refused = start(Folder::open(dir.path(), AT).unwrap(), &config).await.unwrap_err();
    assert_eq!(refused.code(), "TOOL0004");
    assert!(refused.to_string().contains(&port.to_string()), "{refused}");
}

#[tokio::test]
async fn a_server_left_by_a_killed_hub_is_stopped_first_and_a_stranger_is_not() {
    let (dir, strange) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let binary: PathBuf = nats_server(&quiet).unwrap();
    let open =
        |dir: &Path| NatsServer::start(&NatsConfig::open(binary.clone(), dir.into())).unwrap();
    let (left, stranger) = (open(&dir.path().join("left")), open(strange.path()));
    drop(Folder::open(dir.path(), AT).unwrap());
    let told = |server: &NatsServer, id: &str| {
        let mut file = hub_json(dir.path());
        file["natsUrl"] = json!(server.url());
        file["natsPid"] = json!(server.pid());
        file["natsServerId"] = json!(id);
        fs::write(dir.path().join("hub.json"), file.to_string()).unwrap();
    };
    told(&stranger, "an id of an earlier server");
    drop(start_in(dir.path(), AT).await.unwrap());
    assert!(server_info(stranger.url()).is_some());
    told(&left, &left.info().server_id);
    drop(start_in(dir.path(), AT).await.unwrap());
    assert_eq!(server_info(left.url()), None);
}

/// The hub's topology as the command sees it beside a running hub.
async fn site(hub: &RunningHub, profile: Profile) -> Site<'_> {
    Site::of_folder(hub.url(), profile, hub.dir(), hub.identity()).await.unwrap()
}

async fn altered(client: &Client, stream: &str, setting: &str, value: Value) {
    let info = ask(client, &format!("$JS.API.STREAM.INFO.{stream}"), json!({})).await;
    let mut config = info["config"].clone();
    config[setting] = value;
    let updated = ask(client, &format!("$JS.API.STREAM.UPDATE.{stream}"), config).await;
    assert_eq!(updated.get("error"), None, "{updated}");
}

async fn held(client: &Client, stream: &str) -> Value {
    let info = ask(client, &format!("$JS.API.STREAM.INFO.{stream}"), json!({})).await;
    info["state"]["messages"].clone()
}

#[tokio::test]
async fn drift_is_planned_field_by_field_and_mended_by_apply_without_losing_data_unasked() {
    const DAY: u64 = 86_400_000_000_000;
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    let client = operator(&hub).await;
    let site = site(&hub, Profile::Dev).await;
    assert_eq!(site.plan().await.unwrap().changes, [], "a fresh hub needs nothing");
    assert_eq!(site.apply(&[]).await.unwrap().done, []);

    altered(&client, "DLQ", "max_age", json!(DAY)).await;
    ask(&client, "$JS.API.CONSUMER.DELETE.CMD.cmd-work", json!({})).await;
    let plan = site.plan().await.unwrap();
    let told: Vec<String> =
        plan.changes.iter().map(|change| HubRefusal::differs(change).to_string()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("\"max_age\" is 86400000000000 instead of"), "{told:?}");
    assert!(told[1].contains("\"cmd-work\"") && told[1].contains("missing"), "{told:?}");
    assert_eq!(site.apply(&[]).await.unwrap().done.len(), 2);
    assert_eq!(site.plan().await.unwrap().changes, [], "applied once, it needs nothing");
    verify(&client).await.unwrap();

    // A dead letter lies in a stream whose limits were widened and whose storage was changed.
    let work = connect(hub.url(), &hub.identity().service(Service::Work).unwrap()).await.unwrap();
    ask(&work, "fl.dlq.work.x", json!({})).await;
    altered(&client, "DLQ", "max_age", json!(900 * DAY)).await;
    let refused = site.apply(&[]).await.unwrap_err();
    assert_eq!(refused[0].code(), "HUB0013");
    assert!(refused[0].advice().contains("--yes-lose-data DLQ"), "{}", refused[0]);
    assert_eq!(held(&client, "DLQ").await, json!(1), "nothing was done");
    site.apply(&["DLQ".to_owned()]).await.unwrap();
    assert_eq!(held(&client, "DLQ").await, json!(1), "it was younger than the limit");

    ask(&client, "$JS.API.STREAM.DELETE.DLQ", json!({})).await;
    let config = json!({ "name": "DLQ", "subjects": ["fl.dlq.>"], "storage": "memory" });
    ask(&client, "$JS.API.STREAM.CREATE.DLQ", config).await;
    ask(&work, "fl.dlq.work.x", json!({})).await;
    assert_eq!(site.apply(&[]).await.unwrap_err()[0].code(), "HUB0013");
    site.apply(&["DLQ".to_owned()]).await.unwrap();
    assert_eq!(held(&client, "DLQ").await, json!(0), "it was made anew, as was agreed");

    altered(&client, "EVENTS", "allow_msg_ttl", json!(true)).await;
    let refused = site.apply(&["EVENTS".to_owned()]).await.unwrap_err();
    assert_eq!(refused[0].code(), "HUB0014");
}

#[tokio::test]
async fn a_profile_is_kept_and_an_account_that_says_less_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    assert_eq!(hub_json(dir.path())["profile"], json!("dev"));
    let three = site(&hub, Profile::Ha).await;
    let refused = three.apply(&[]).await.unwrap_err();
    assert_eq!(refused[0].code(), "HUB0005", "one server cannot hold three replicas");

    let single = site(&hub, Profile::Single).await;
    let applied = single.apply(&[]).await.unwrap();
    keep_profile(dir.path(), Profile::Single).unwrap();
    let left = single.plan().await.unwrap().changes;
    assert_eq!(applied.waiting.changes, left, "it tells what waits for a start");
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].key.kind, left[0].action), (Kind::Server, Action::Restart));
    hub.stop();
    let hub = start_in(dir.path(), AT).await.unwrap();
    assert_eq!(hub_json(dir.path())["profile"], json!("single"));
    let single = site(&hub, Profile::Single).await;
    assert_eq!(single.plan().await.unwrap().changes, [], "the start did the rest");

    // The server keeps an account as an earlier release signed it.
    let key = hub.identity().account(Account::Users).0.to_owned();
    let file = dir.path().join(format!("nats/jwt/{key}.jwt"));
    let claims = json!({ "nats": { "type": "account", "version": 2 } }).to_string();
    let body = data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes());
    fs::write(&file, format!("e30.{body}.x")).unwrap();
    let plan = single.plan().await.unwrap();
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    assert_eq!(
        (change.key.to_string().as_str(), change.action),
        ("account \"USERS\"", Action::Restart)
    );
    let right = "signing_keys[user].template.pub.allow[fl.cmd.*.{{name()}}.>]";
    assert!(change.fields.iter().any(|field| field.name == right), "{change:?}");
}

/// The mirror, as topology's own user in READERS is told.
async fn mirror(hub: &RunningHub) -> Value {
    let auditor = connect(hub.url(), &hub.identity().auditor().unwrap()).await.unwrap();
    ask(&auditor, "$JS.API.STREAM.INFO.AUDIT", json!({})).await
}

#[tokio::test]
async fn the_mirror_of_followers_is_part_of_the_plan_and_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    let site = site(&hub, Profile::Dev).await;
    let told = async || {
        let changes = site.plan().await.unwrap().changes;
        assert!(changes.iter().all(|change| change.cost == Cost::Nothing), "{changes:?}");
        let told = changes.iter().map(|change| (change.key.to_string(), change.action));
        told.collect::<Vec<_>>()
    };
    let audit = |action| vec![("stream \"AUDIT\"".to_owned(), action)];
    followers::create(dir.path(), hub.url(), "all", &["fl.ev.>".to_owned()], AT).await.unwrap();
    assert_eq!(told().await, [], "it was made with the first follower");

    let work = connect(hub.url(), &hub.identity().service(Service::Work).unwrap()).await.unwrap();
    ask(&work, "fl.ev.work.x.y", json!({})).await;
    let holds = async |messages: u64| {
        let held = async {
            while mirror(&hub).await["state"]["messages"] != json!(messages) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), held).await.unwrap();
    };
    holds(1).await;
    let auditor = connect(hub.url(), &hub.identity().auditor().unwrap()).await.unwrap();
    altered(&auditor, "AUDIT", "max_age", json!(1_000_000_000)).await;
    assert_eq!(told().await, audit(Action::Replace), "what it forgot comes with a new one only");
    let made = mirror(&hub).await["created"].clone();
    assert_eq!(site.apply(&[]).await.unwrap().done.len(), 1);
    assert_ne!(mirror(&hub).await["created"], made);
    assert_eq!(told().await, []);
    holds(1).await;

    ask(&auditor, "$JS.API.STREAM.DELETE.AUDIT", json!({})).await;
    assert_eq!(told().await, audit(Action::Make));
    site.apply(&[]).await.unwrap();
    holds(1).await;

    followers::delete(dir.path(), hub.url(), "all", AT).await.unwrap();
    assert_eq!(told().await, audit(Action::Remove), "nobody follows any more");
    site.apply(&[]).await.unwrap();
    assert_eq!(mirror(&hub).await["error"]["err_code"], json!(10_059));
    assert_eq!(told().await, []);
}

#[tokio::test]
async fn the_mirror_is_watched_over_one_connection_and_missed_when_it_is_gone() {
    const LOOKS: usize = 5;
    let dir = tempfile::tempdir().unwrap();
    let hub = start_in(dir.path(), AT).await.unwrap();
    followers::create(dir.path(), hub.url(), "all", &["fl.ev.>".to_owned()], AT).await.unwrap();
    // The server numbers its connections.
    let number = async || operator(&hub).await.server_info().client_id;
    let (looks, gone) = (Semaphore::new(0), Semaphore::new(0));
    let watching = hub.watch_mirror(Duration::from_millis(1), |mirror| {
        let is_gone = mirror.is_some_and(|mirror| mirror.heard.is_none());
        if is_gone { &gone } else { &looks }.add_permits(usize::from(mirror.is_some()));
    });
    let looked = async {
        looks.acquire_many(1).await.unwrap().forget();
        let before = number().await;
        looks.acquire_many(LOOKS as u32).await.unwrap().forget();
        assert_eq!(number().await - before, 1, "that of this question alone");
        let auditor = connect(hub.url(), &hub.identity().auditor().unwrap()).await.unwrap();
        ask(&auditor, "$JS.API.STREAM.DELETE.AUDIT", json!({})).await;
        gone.forget_permits(usize::MAX);
        gone.acquire().await.unwrap().forget();
    };
    tokio::select! {
        biased;
        never = watching => match never {},
        () = looked => {}
    }
    let alarm = hub_json(dir.path())["mirrorAlarm"].to_string();
    assert!(alarm.contains("HUB0034"), "one that is gone is an alarm: {alarm}");
}
