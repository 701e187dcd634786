//! The gateway among its services: before they answer, without them, under load.

use crate::stage::{
    CLUSTERS, PLACEMENTS, Stage, Watching, begun, memory, read, request, serve, version,
};
use fleetlog_chassis::Tasks;
use fleetlog_gateway::{Caller, Gateway};
use futures::future::join_all;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MAPS: &str = "/api/v1/namespaces/t/configmaps";

fn alice() -> Caller {
    Caller::known("alice", &["system:masters"])
}

async fn code(gateway: &Gateway, path: &str) -> u16 {
    let request = request("GET", path, &[], Value::Null);
    gateway.answer(&alice(), &request).await.status().as_u16()
}

#[tokio::test]
async fn gw007_while_the_view_is_read_in_it_lives_and_is_not_ready() {
    let (broker, tasks) = (memory(), Tasks::default());
    let gateway = begun(&broker, &tasks, 16);
    assert_eq!((code(&gateway, "/livez").await, code(&gateway, "/readyz").await), (200, 500));
    assert_eq!(code(&gateway, CLUSTERS).await, 503);
    serve(&broker, &tasks).await;
    gateway.ready().await;
    assert_eq!((code(&gateway, "/readyz").await, code(&gateway, CLUSTERS).await), (200, 200));
    tasks.abort();
}

#[tokio::test]
async fn gw022_large_answers_are_compressed_for_those_who_take_it() {
    let stage = Stage::new().await;
    let text = "x".repeat(60 * 1_024);
    for name in ["a", "b", "c"] {
        let object = json!({"metadata": {"name": name}, "data": {"a": text}});
        stage.post(MAPS, object).await.ok();
    }
    let takes = [("accept-encoding", "gzip, deflate")];
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let response = stage.send("GET", path, headers, Value::Null).await;
        let packed = response.headers().get("content-encoding").is_some();
        (packed, response.into_body().collect().await.unwrap().to_bytes())
    };
    let (packed, small) = get(&format!("{MAPS}/a"), &takes).await;
    assert!(!packed && small.len() > 60 * 1_024);
    let (plain, whole) = get(MAPS, &[]).await;
    let (packed, small) = get(MAPS, &takes).await;
    assert!(packed && !plain && small.len() < whole.len() / 10);
    assert_eq!(small[..2], [0x1f, 0x8b], "RFC 1952");
}

#[tokio::test]
async fn gw033_pages_that_one_commit_changed_all_arrive_after_a_cut() {
    let stage = Stage::new().await;
    join_all((0..201).map(|number| {
        let object = json!({"metadata": {"name": format!("c{number}")},
            "spec": {"hubAcceptsClient": true}});
        async { stage.post(CLUSTERS, object).await.ok() }
    }))
    .await;
    let bindings = "/apis/cluster.open-cluster-management.io/v1beta2/namespaces/t/\
                    managedclustersetbindings";
    let binding = json!({"metadata": {"name": "default"}, "spec": {"clusterSet": "default"}});
    stage.post(bindings, binding).await.ok();
    let before = stage.get(PLACEMENTS).await.ok();
    let pages = "/apis/cluster.open-cluster-management.io/v1beta1/namespaces/t/placementdecisions";
    let after = async |version: &str| {
        let path = format!("{pages}?watch=true&resourceVersion={version}");
        Watching::of(stage.send("GET", &path, &[], Value::Null).await)
    };
    let mut watch = after(version(&before)).await;
    let tolerant = json!({"metadata": {"name": "p"},
        "spec": {"tolerations": [{"operator": "Exists"}]}});
    stage.post(PLACEMENTS, tolerant).await.ok();
    let (_, first, object) = watch.event().await;
    drop(watch);
    let mut watch = after(version(&object)).await;
    let (second, third) = (watch.event().await.1, watch.event().await.1);
    let all = BTreeSet::from([first, second, third]);
    assert_eq!(all.len(), 3, "{all:?}");
}

#[tokio::test]
async fn gw109_of_500_writers_of_one_object_none_loses_its_change() {
    let stage = Stage::new().await;
    stage.post(MAPS, json!({"metadata": {"name": "m"}})).await.ok();
    let path = format!("{MAPS}/m");
    let patch = async |number: usize| {
        let body = json!({"data": {(format!("k{number}")): "x"}});
        loop {
            let answered = stage.patch(&path, body.clone()).await;
            match answered.code {
                200 => return version(&answered.ok()).to_owned(),
                409 => {}
                _ => panic!("{answered:?}"),
            }
        }
    };
    let versions: BTreeSet<String> = join_all((0..500).map(patch)).await.into_iter().collect();
    assert_eq!(versions.len(), 500, "each change has a version of its own");
    let data = stage.get(&path).await.ok()["data"].clone();
    assert_eq!(data.as_object().unwrap().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn gw110_a_service_that_does_not_answer_is_told_as_a_timeout() {
    let stage = Stage::new().await;
    stage.end_services();
    let begun = tokio::time::Instant::now();
    let object = json!({"metadata": {"name": "c1"}});
    let late = stage.post(CLUSTERS, object.clone()).await;
    assert_eq!(late.refused(), (504, "Timeout"), "{late:?}");
    assert!(begun.elapsed().as_secs() <= 34);
    // What was sent is decided once the service is back, and no second time.
    let tasks = Tasks::default();
    serve(&stage.broker, &tasks).await;
    let again = stage.another().await;
    let headers = [("content-type", "application/json")];
    let retry = request("POST", CLUSTERS, &headers, object);
    let retried = read(again.answer(&alice(), &retry).await).await;
    assert_eq!(retried.refused(), (409, "AlreadyExists"), "{retried:?}");
    tasks.abort();
}

#[tokio::test]
async fn gw112_who_comes_when_all_places_are_taken_is_told_to_come_again() {
    let stage = Stage::new().await;
    let gateway = begun(&stage.broker, &stage.tasks, 1);
    gateway.ready().await;
    let (alice, headers) = (alice(), [("content-type", "application/json")]);
    let requests: Vec<_> = (0..8)
        .map(|n| request("POST", MAPS, &headers, json!({"metadata": {"name": format!("m{n}")}})))
        .collect();
    let asked = requests.iter().map(|request| gateway.answer(&alice, request));
    let answers = join_all(asked).await;
    let refused = answers.iter().find(|answer| answer.status() == 429).unwrap();
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(answers.iter().any(|answer| answer.status() == 201));
    assert_eq!(code(&gateway, CLUSTERS).await, 200);
}
