//! Dry runs: whoever decides is asked, answers as it would, and nothing comes of it.

use crate::stage::{Answered, PLACEMENTS, Stage, WORKS};
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const BINDINGS: &str =
    "/apis/cluster.open-cluster-management.io/v1beta2/namespaces/t/managedclustersetbindings";
const MAPS: &str = "/api/v1/namespaces/t/configmaps";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/t/leases";
const SECRETS: &str = "/api/v1/namespaces/t/secrets";

/// How often everything is found as it was before it counts as settled.
const LOOKS: usize = 20;

/// How much lies in every stream that a write could reach.
async fn stored(stage: &Stage) -> Vec<usize> {
    let mut all = vec![];
    for stream in
        ["EVENTS", "CMD", "DO", "RESULT", "DLQ", "BLOBS", "KEYS", "WORK", "LEASE", "KEVENTS"]
    {
        all.push(stage.count(stream).await);
    }
    all
}

/// A hub with one cluster, which its sets have counted: they take their time.
async fn counted() -> Stage {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let sets = "/apis/cluster.open-cluster-management.io/v1beta2/managedclustersets";
    for set in ["default", "global"] {
        let counts = async || {
            let found = stage.get(&format!("{sets}/{set}")).await;
            found.body.to_string().contains("1 ManagedClusters selected").then_some(())
        };
        eventually("its cluster is counted", counts).await.unwrap();
    }
    stage
}

/// The same once what was done before has led to all that follows from it.
async fn settled(stage: &Stage) -> Vec<usize> {
    let (mut last, mut same) = (vec![], 0);
    let look = async || {
        let now = stored(stage).await;
        same = if now == last { same + 1 } else { 0 };
        last.clone_from(&now);
        (same >= LOOKS).then_some(now)
    };
    eventually("nothing follows any more", look).await.unwrap()
}

async fn send(stage: &Stage, (method, path, body): &(&str, String, Value)) -> Answered {
    match *method {
        "POST" => stage.post(path, body.clone()).await,
        "PATCH" => stage.patch(path, body.clone()).await,
        "PUT" => stage.put(path, body.clone()).await,
        _ => stage.delete(path, body.clone()).await,
    }
}

fn works(manifests: Value) -> Value {
    json!({"metadata": {"name": "w"}, "spec": {"workload": {"manifests": manifests}}})
}

#[tokio::test]
async fn gw057_a_dry_run_is_refused_by_who_decides_as_the_write_would_be() {
    let stage = counted().await;
    let map = json!({"metadata": {"name": "m"}, "data": {"a": "1"}, "immutable": true});
    stage.post(MAPS, map).await.ok();
    let twice = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    let labelled = json!({"metadata": {"name": "p", "labels": {"a": "no good!"}}, "spec": {}});
    let addon =
        "/apis/addon.open-cluster-management.io/v1alpha1/namespaces/c1/managedclusteraddons";
    let values = json!({"a": "QUFB".repeat(60_000)});
    let refused = [
        (
            "REG",
            ("POST", BINDINGS, json!({"metadata": {"name": "x"}, "spec": {"clusterSet": "y"}})),
        ),
        ("PLC", ("POST", PLACEMENTS, labelled)),
        ("WRK", ("POST", WORKS, works(json!([twice, twice])))),
        ("ADD", ("POST", addon, json!({"metadata": {"name": "x", "labels": {"a": "no good!"}}}))),
        ("COR", ("PATCH", &format!("{MAPS}/m"), json!({"data": {"a": "2"}}))),
        ("COR", ("DELETE", "/api/v1/namespaces/default", Value::Null)),
        ("COR", ("POST", SECRETS, json!({"metadata": {"name": "s"}, "data": values}))),
    ];
    for (whose, (method, path, body)) in refused {
        let before = settled(&stage).await;
        let tried = send(&stage, &(method, format!("{path}?dryRun=All"), body.clone())).await;
        assert_eq!(stored(&stage).await, before, "{method} {path}");
        let done = send(&stage, &(method, path.to_owned(), body)).await;
        assert!((400..500).contains(&done.code), "{done:?}");
        assert!(done.body.to_string().contains(whose), "{done:?}");
        assert_eq!((tried.code, tried.body), (done.code, done.body), "{method} {path}");
    }
}

#[tokio::test]
async fn gw057_a_dry_run_that_is_good_hands_nothing_over_and_seals_nothing() {
    let stage = counted().await;
    let manifest = |n: usize| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("m{n}")}, "data": {"a": "x".repeat(40_000)}})
    };
    let large: Vec<Value> = (0..50).map(manifest).collect();
    let good = [
        (
            "POST",
            format!("{PLACEMENTS}?dryRun=All"),
            json!({"metadata": {"name": "p"}, "spec": {}}),
        ),
        ("POST", format!("{WORKS}?dryRun=All"), works(large.into())),
        (
            "POST",
            format!("{SECRETS}?dryRun=All"),
            json!({"metadata": {"name": "s"},
            "data": {"a": "Z2VoZWlt"}}),
        ),
        ("POST", format!("{MAPS}?dryRun=All"), json!({"metadata": {"name": "m"}})),
        ("POST", format!("{LEASES}?dryRun=All"), json!({"metadata": {"name": "l"}})),
        ("DELETE", format!("{LEASES}/there?dryRun=All"), Value::Null),
        (
            "PUT",
            "/api/v1/namespaces/t/finalize?dryRun=All".to_owned(),
            json!({"metadata": {"name": "t"},
            "spec": {"finalizers": ["kubernetes"]}}),
        ),
        ("DELETE", "/api/v1/namespaces/t?dryRun=All".to_owned(), Value::Null),
    ];
    stage.post(LEASES, json!({"metadata": {"name": "there"}})).await.ok();
    let before = settled(&stage).await;
    for one in &good {
        send(&stage, one).await.ok();
    }
    assert_eq!(stored(&stage).await, before);
    for stream in ["EVENTS", "CMD", "RESULT", "DLQ"] {
        assert!(!stage.holds(stream, "Z2VoZWlt").await, "{stream}");
    }
    assert_eq!(stage.get(&format!("{SECRETS}/s")).await.code, 404);
}

#[tokio::test]
async fn gw057_a_dry_run_of_a_write_at_an_old_version_is_a_conflict() {
    let stage = Stage::new().await;
    let made = stage.post(PLACEMENTS, json!({"metadata": {"name": "p"}, "spec": {}})).await.ok();
    let path = format!("{PLACEMENTS}/p");
    stage.patch(&path, json!({"spec": {"numberOfClusters": 1}})).await.ok();
    let mut old = made;
    old["spec"]["numberOfClusters"] = json!(2);
    let put = stage.put(&format!("{path}?dryRun=All"), old).await;
    assert_eq!(put.refused(), (409, "Conflict"));
}
