//! Watches: raw ones, `kube`'s watcher in both modes, bookmarks, expiry, what selectors hide.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;

use fleetlog_simcluster::{Options, SimCluster};

use super::{cluster, typed};

fn map(name: &str, label: &str) -> ConfigMap {
    typed(json!({"metadata": {"name": name, "labels": {"app": label}}}))
}

/// What a watch event says, in short.
fn said(event: WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(map) => format!("+{}", map.name_any()),
        WatchEvent::Modified(map) => format!("~{}", map.name_any()),
        WatchEvent::Deleted(map) => format!("-{}", map.name_any()),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        WatchEvent::Error(status) => format!("error {}", status.code),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_changes_from_where_it_starts() {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    let first = maps.create(&PostParams::default(), &map("a", "x")).await.expect("made");
    let from = first.resource_version().expect("it has one");
    let mut next = maps.create(&PostParams::default(), &map("b", "x")).await.expect("made");
    next.labels_mut().insert("more".into(), "y".into());
    maps.replace("b", &PostParams::default(), &next).await.expect("replaced");
    maps.delete("a", &Default::default()).await.expect("deleted");
    let watch = maps.watch(&WatchParams::default().timeout(5), &from).await.expect("watched");
    let events: Vec<String> = watch.map_ok(said).try_collect().await.expect("it ends well");
    assert_eq!(events, ["+b", "~b", "-a", "bookmark"]);
}

#[tokio::test(start_paused = true)]
async fn entering_a_selection_is_an_addition_and_leaving_it_a_deletion() {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    let params = WatchParams::default().labels("app=x").timeout(5).disable_bookmarks();
    let mut it = maps.create(&PostParams::default(), &map("a", "y")).await.expect("made");
    let from = it.resource_version().expect("it has one");
    for label in ["x", "y"] {
        it.labels_mut().insert("app".into(), label.into());
        it = maps.replace("a", &PostParams::default(), &it).await.expect("replaced");
    }
    let watch = maps.watch(&params, &from).await.expect("watched");
    let events: Vec<String> = watch.map_ok(said).try_collect().await.expect("it ends well");
    assert_eq!(events, ["+a", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_is_expired() {
    let cluster = SimCluster::new(Options { history: 4, ..Options::default() });
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    for number in 0..8 {
        let made = map(&format!("m{number}"), "x");
        maps.create(&PostParams::default(), &made).await.expect("made");
    }
    let watch = maps.watch(&WatchParams::default(), "1").await.expect("watched");
    let events: Vec<String> = watch.map_ok(said).try_collect().await.expect("it ends");
    assert_eq!(events, ["error 410"]);
}

async fn follows(config: watcher::Config) {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    maps.create(&PostParams::default(), &map("a", "x")).await.expect("made");
    let mut events = watcher(maps.clone(), config).boxed();
    let mut names = Vec::new();
    while names.last().is_none_or(|last| last != "done") {
        names.push(match events.next().await.expect("it goes on").expect("it goes well") {
            Event::Init => "init".to_owned(),
            Event::InitApply(map) => map.name_any(),
            Event::InitDone => "done".to_owned(),
            other => panic!("too early: {other:?}"),
        });
    }
    assert_eq!(names, ["init", "a", "done"]);
    tokio::time::advance(std::time::Duration::from_secs(3_600)).await;
    maps.create(&PostParams::default(), &map("b", "x")).await.expect("made");
    maps.delete("a", &Default::default()).await.expect("deleted");
    let applied = events.next().await.expect("it goes on").expect("it goes well");
    assert!(matches!(&applied, Event::Apply(map) if map.name_any() == "b"), "{applied:?}");
    let deleted = events.next().await.expect("it goes on").expect("it goes well");
    assert!(matches!(&deleted, Event::Delete(map) if map.name_any() == "a"), "{deleted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_lists_follows_over_an_idle_hour() {
    follows(watcher::Config::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_with_streaming_lists_follows_over_an_idle_hour() {
    follows(watcher::Config::default().streaming_lists()).await;
}
