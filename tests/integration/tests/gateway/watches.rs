//! Watches: where they begin, what they tell, how they end and go on.

use crate::stage::{CLUSTERS, PLACEMENTS, Stage, Watching, request, version};
use fleetlog_gateway::Caller;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

const STREAMING: &str =
    "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
const MARK: &str = "k8s.io/initial-events-end";

async fn watch(stage: &Stage, path: &str) -> Watching {
    Watching::of(stage.send("GET", path, &[], Value::Null).await)
}

#[tokio::test]
async fn gw024_an_empty_list_is_marked_at_once() {
    let stage = Stage::new().await;
    let mut watching = watch(&stage, &format!("{PLACEMENTS}?{STREAMING}")).await;
    let (what, _, object) = watching.event().await;
    assert_eq!(
        (what.as_str(), &object["metadata"]["annotations"][MARK]),
        ("BOOKMARK", &json!("true"))
    );
    assert_eq!(object["kind"], "Placement");
}

#[tokio::test]
async fn gw025_what_there_is_then_a_mark_then_what_changes() {
    let stage = Stage::new().await;
    for number in 0..20 {
        let object = json!({"metadata": {"name": format!("p{number}")}, "spec": {}});
        stage.post(PLACEMENTS, object).await.ok();
    }
    let mut watching = watch(&stage, &format!("{PLACEMENTS}?{STREAMING}")).await;
    for _ in 0..20 {
        assert_eq!(watching.event().await.0, "ADDED");
    }
    let (what, _, mark) = watching.event().await;
    assert_eq!(
        (what.as_str(), &mark["metadata"]["annotations"][MARK]),
        ("BOOKMARK", &json!("true"))
    );
    let path = format!("{PLACEMENTS}/p3");
    stage.patch(&path, json!({"metadata": {"labels": {"a": "b"}}})).await.ok();
    let mut last = 0;
    loop {
        let (what, name, object) = watching.event().await;
        let now: u64 = version(&object).parse().unwrap();
        assert!(now >= last, "versions never decrease");
        last = now;
        assert_eq!(what, "MODIFIED");
        if name == "p3" && object["metadata"]["labels"]["a"] == "b" {
            break;
        }
    }
}

#[tokio::test]
async fn gw027_a_watch_tells_all_after_its_version_and_gw029_what_its_selector_begins_to_match() {
    let stage = Stage::new().await;
    let list = stage.get(CLUSTERS).await.ok();
    for label in ["x", "y"] {
        let object = json!({"metadata": {"name": format!("c-{label}"), "labels": {"l": label}}});
        stage.post(CLUSTERS, object).await.ok();
    }
    let path =
        format!("{CLUSTERS}?watch=true&labelSelector=l%3Dx&resourceVersion={}", version(&list));
    let mut watching = watch(&stage, &path).await;
    assert_eq!(watching.event().await.1, "c-x");
    let label = |value: &str| json!({"metadata": {"labels": {"l": value}}});
    stage.patch(&format!("{CLUSTERS}/c-y"), label("x")).await.ok();
    let mut told = vec![];
    while told.last().is_none_or(|(what, _)| what != "DELETED") {
        let (what, name, object) = watching.event().await;
        if name == "c-y" {
            told.push((what, object["metadata"]["labels"]["l"].clone()));
            if told.len() == 1 {
                stage.patch(&format!("{CLUSTERS}/c-y"), label("z")).await.ok();
            }
        }
    }
    assert_eq!(told[0], ("ADDED".to_owned(), json!("x")));
    assert_eq!(told.last().unwrap().1, json!("x"), "as it was when it matched");
}

#[tokio::test]
async fn gw032_a_deletion_comes_before_the_next_incarnation() {
    let stage = Stage::new().await;
    let object = json!({"metadata": {"name": "p"}, "spec": {}});
    let first = stage.post(PLACEMENTS, object.clone()).await.ok();
    let path = format!("{PLACEMENTS}?watch=true&resourceVersion={}", version(&first));
    let mut watching = watch(&stage, &path).await;
    stage.delete(&format!("{PLACEMENTS}/p"), Value::Null).await.ok();
    let second = stage.post(PLACEMENTS, object).await.ok();
    let mut gone = false;
    loop {
        let (what, _, object) = watching.event().await;
        match what.as_str() {
            "DELETED" => {
                assert_eq!(object["metadata"]["uid"], first["metadata"]["uid"]);
                gone = true;
            }
            "ADDED" => {
                assert!(gone);
                assert_eq!(object["metadata"]["uid"], second["metadata"]["uid"]);
                break;
            }
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn gw030_a_quiet_watch_is_bookmarked() {
    let stage = Stage::new().await;
    let query = "watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dnobody";
    let mut watching = watch(&stage, &format!("{CLUSTERS}?{query}")).await;
    let (what, _, object) = watching.event().await;
    assert_eq!((what.as_str(), object["metadata"].get("annotations")), ("BOOKMARK", None));
}

#[tokio::test(start_paused = true)]
async fn gw034_a_watch_ends_when_it_said() {
    let stage = Stage::new().await;
    let query = "watch=true&timeoutSeconds=5&fieldSelector=metadata.name%3Dnobody";
    let mut watching = watch(&stage, &format!("{CLUSTERS}?{query}")).await;
    assert_eq!(watching.next().await, None);
}

#[tokio::test]
async fn gw038_a_watch_ends_with_its_gateway_and_goes_on_where_it_was_at_another() {
    let stage = Stage::new().await;
    for name in ["a", "b", "c"] {
        stage.cluster(name).await;
    }
    let seen = stage.get(CLUSTERS).await.ok();
    stage.patch(&format!("{CLUSTERS}/a"), json!({"metadata": {"labels": {"x": "y"}}})).await.ok();
    stage.delete(&format!("{CLUSTERS}/b"), Value::Null).await.ok();
    stage.cluster("d").await;
    let gateway = stage.another().await;
    let path = format!("{CLUSTERS}?watch=true&resourceVersion={}", version(&seen));
    let who = Caller::known("alice", &["system:masters"]);
    let response = gateway.answer(&who, &request("GET", &path, &[], Value::Null)).await;
    let mut watching = Watching::of(response);
    let mut told = vec![];
    while !["a", "b", "d"].iter().all(|name| told.iter().any(|(_, of)| of == name)) {
        let (what, name, _) = watching.event().await;
        told.push((what, name));
    }
    assert!(told.contains(&("MODIFIED".to_owned(), "a".to_owned())), "{told:?}");
    assert!(told.contains(&("ADDED".to_owned(), "d".to_owned())), "{told:?}");
    assert!(told.contains(&("DELETED".to_owned(), "b".to_owned())), "{told:?}");
    assert!(!told.iter().any(|(_, name)| name == "c"), "{told:?}");
    stage.stop();
    while watching.next().await.is_some() {}
}

#[tokio::test]
async fn gw038_nobody_lists_anew_because_a_gateway_is_on_its_way_out() {
    let stage = Stage::new().await;
    let path = format!("{CLUSTERS}?{STREAMING}");
    let mut watching = watch(&stage, &path).await;
    let began = Instant::now();
    stage.stop();
    // Clients ask again after this, and do not after a watch that ends at once.
    let late = stage.get(&path).await;
    assert_eq!(late.refused(), (429, "TooManyRequests"));
    assert_eq!(late.headers["retry-after"], "1");
    while watching.next().await.is_some() {}
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn gw035_a_watched_table_describes_its_columns_once() {
    let stage = Stage::new().await;
    stage.cluster("a").await;
    stage.cluster("b").await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let response = stage.send("GET", &format!("{CLUSTERS}?watch=true"), &accept, Value::Null).await;
    let mut watching = Watching::of(response);
    let (first, second) = (watching.next().await.unwrap(), watching.next().await.unwrap());
    assert!(first["object"]["columnDefinitions"].is_array());
    assert!(second["object"]["columnDefinitions"].is_null());
    assert_eq!(second["object"]["rows"][0]["cells"][0], "b");
}

#[tokio::test]
async fn no_lifetime_of_a_watch_is_too_long() {
    let stage = Stage::new().await;
    stage.cluster("a").await;
    let path = format!("{CLUSTERS}?watch=1&timeoutSeconds={}", u64::MAX);
    assert_eq!(watch(&stage, &path).await.event().await.1, "a");
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_the_future_ends_with_an_error() {
    let stage = Stage::new().await;
    let mut watching =
        watch(&stage, &format!("{CLUSTERS}?watch=true&resourceVersion=99999999999")).await;
    let event = watching.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(504)));
    assert_eq!(watching.next().await, None);
}
