//! Kinds that the services of the fleet decide on, written as OCM's own clients write them:
//! finalizers, the status of a cluster by an agent of others, decisions of other schedulers.

use crate::stage::{CLUSTERS, PLACEMENTS, Stage, Watching, version};
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const OCM: &str = "/apis/cluster.open-cluster-management.io";
const HOLD: &str = "example.com/hold";

/// An object of every kind that registration and placement decide on, kept by a finalizer.
fn kept() -> Vec<(String, Value)> {
    let named = |name: &str, more: Value| {
        let mut object = json!({"metadata": {"name": name, "finalizers": [HOLD]}});
        object.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        object
    };
    let of = |path: &str| format!("{OCM}/{path}");
    vec![
        (of("v1/managedclusters"), named("c1", json!({"spec": {"hubAcceptsClient": true}}))),
        (of("v1beta2/managedclustersets"), named("s", json!({"spec": {}}))),
        (
            of("v1beta2/namespaces/t/managedclustersetbindings"),
            named("s", json!({"spec": {"clusterSet": "s"}})),
        ),
        (of("v1beta1/namespaces/t/placements"), named("p", json!({"spec": {}}))),
        (of("v1alpha1/namespaces/c1/addonplacementscores"), named("d", json!({}))),
    ]
}

fn freed() -> Value {
    json!({"metadata": {"finalizers": null}})
}

/// Asks until the answer has this code.
async fn until(stage: &Stage, path: &str, code: u16) {
    let asked = async || (stage.get(path).await.code == code).then_some(());
    eventually(&format!("\"{path}\" is {code}"), asked).await.unwrap();
}

#[tokio::test]
async fn gw074_what_the_fleet_decides_on_waits_for_its_finalizers_too() {
    let stage = Stage::new().await;
    for (path, object) in kept() {
        let made = stage.post(&path, object.clone()).await.ok();
        let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
        let going = stage.delete(&path, Value::Null).await.ok();
        let meta = |object: &Value, field: &str| object["metadata"][field].clone();
        assert!(meta(&going, "deletionTimestamp").is_string(), "{path}: {going}");
        assert_eq!(meta(&going, "deletionGracePeriodSeconds"), 0, "{path}");
        assert!(meta(&going, "generation").as_i64() > meta(&made, "generation").as_i64(), "{path}");
        let again = stage.delete(&path, Value::Null).await.ok();
        assert_eq!(meta(&again, "generation"), meta(&going, "generation"), "{path}");
        let labelled = json!({"metadata": {"labels": {"a": "b"}}});
        let labelled = stage.patch(&path, labelled).await.ok();
        assert_eq!(meta(&labelled, "deletionTimestamp"), meta(&going, "deletionTimestamp"));
        let late = json!({"metadata": {"finalizers": [HOLD, "example.com/late"]}});
        let late = stage.patch(&path, late).await;
        assert_eq!(late.refused(), (422, "Invalid"), "{path}");
        let cause = &late.body["details"]["causes"][0];
        assert_eq!(cause["field"], "metadata.finalizers");
        let words = "Forbidden: no new finalizers can be added if the object is being deleted, \
                     found new finalizers \"example.com/late\"";
        assert_eq!(cause["message"], words);
    }
    for (path, object) in kept() {
        let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
        assert_eq!(stage.patch(&path, freed()).await.code, 200, "{path}");
        assert_eq!(stage.get(&path).await.code, 404, "{path}");
    }
}

#[tokio::test]
async fn gw031_a_cluster_that_waits_is_told_as_changed_and_then_as_deleted() {
    let stage = Stage::new().await;
    let (_, object) = kept().remove(0);
    let made = stage.post(CLUSTERS, object).await.ok();
    let watch = format!("{CLUSTERS}?watch=true&resourceVersion={}", version(&made));
    let mut watch = Watching::of(stage.send("GET", &watch, &[], Value::Null).await);
    let path = format!("{CLUSTERS}/c1");
    stage.delete(&path, Value::Null).await.ok();
    let (what, _, going) = watch.event().await;
    assert_eq!(what, "MODIFIED");
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    stage.patch(&path, freed()).await.ok();
    let (what, name, _) = watch.event().await;
    assert_eq!((what.as_str(), name.as_str()), ("DELETED", "c1"));
    assert_eq!(stage.post(CLUSTERS, json!({"metadata": {"name": "c1"}})).await.code, 201);
}

#[tokio::test]
async fn a_cluster_on_its_way_out_is_chosen_no_more_and_keeps_its_rights_until_it_is_gone() {
    let stage = Stage::new().await;
    for (path, object) in kept().into_iter().take(1) {
        stage.post(&path, object).await.ok();
    }
    stage.cluster("c2").await;
    let bindings = format!("{OCM}/v1beta2/namespaces/t/managedclustersetbindings");
    let binding = json!({"metadata": {"name": "default"}, "spec": {"clusterSet": "default"}});
    stage.post(&bindings, binding).await.ok();
    let tolerant = json!({"metadata": {"name": "p"},
        "spec": {"tolerations": [{"operator": "Exists"}]}});
    stage.post(PLACEMENTS, tolerant).await.ok();
    let chosen = async |count: u64| {
        let placement = format!("{PLACEMENTS}/p");
        let asked = async || {
            let found = stage.get(&placement).await.ok();
            (found["status"]["numberOfSelectedClusters"] == count).then_some(())
        };
        eventually(&format!("{count} clusters are chosen"), asked).await.unwrap();
    };
    chosen(2).await;
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/\
                open-cluster-management:managedcluster:c1";
    until(&stage, role, 200).await;
    let path = format!("{CLUSTERS}/c1");
    stage.delete(&path, Value::Null).await.ok();
    chosen(1).await;
    assert_eq!(stage.get(role).await.code, 200);
    stage.patch(&path, freed()).await.ok();
    until(&stage, role, 404).await;
}

#[tokio::test]
async fn gw078_a_namespace_waits_for_the_finalizers_of_a_placement() {
    let stage = Stage::new().await;
    let object = json!({"metadata": {"name": "p", "finalizers": [HOLD]}, "spec": {}});
    stage.post(PLACEMENTS, object).await.ok();
    let (namespace, path) = ("/api/v1/namespaces/t", format!("{PLACEMENTS}/p"));
    stage.delete(namespace, Value::Null).await.ok();
    let marked = async || {
        let found = stage.get(&path).await.ok();
        found["metadata"]["deletionTimestamp"].is_string().then_some(())
    };
    eventually("the placement is on its way out", marked).await.unwrap();
    assert_eq!(stage.get(namespace).await.code, 200);
    stage.patch(&path, freed()).await.ok();
    until(&stage, namespace, 404).await;
}

/// The status that an agent of OCM writes first, beside what the hub says.
fn status(found: &Value, available: &str) -> Value {
    let mut conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|c| c["type"] == "HubAcceptedManagedCluster");
    for (kind, status) in
        [("ManagedClusterJoined", "True"), ("ManagedClusterConditionAvailable", available)]
    {
        conditions.push(json!({"type": kind, "status": status, "reason": "Agent", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}));
    }
    json!({"conditions": conditions, "capacity": {"cpu": "4"}, "version": {"kubernetes": "v1.36.0"},
        "clusterClaims": [{"name": "zone", "value": "a"}]})
}

#[tokio::test]
async fn gw051_a_patch_of_the_status_is_judged_by_uid_and_version() {
    let stage = Stage::new().await;
    let found = stage.cluster("c1").await;
    let (cluster, path) = (format!("{CLUSTERS}/c1"), format!("{CLUSTERS}/c1/status"));
    let patch = |uid: Option<&str>, version: Option<&str>, status: Value| {
        json!({"metadata": {"uid": uid, "resourceVersion": version, "labels": {"a": "b"}},
            "spec": {"leaseDurationSeconds": 1}, "status": status})
    };
    let uid = found["metadata"]["uid"].as_str().unwrap();
    let stands = stage.get(&cluster).await.ok();
    let well = status(&stands, "True");
    let after = stage.patch(&path, patch(Some(uid), Some(version(&stands)), well.clone())).await;
    let after = after.ok();
    assert_eq!(after["status"], well, "the whole status, word for word");
    assert_eq!(after["spec"]["leaseDurationSeconds"], 60, "only the status is written here");
    assert_eq!(after["metadata"]["labels"].get("a"), None);
    assert_eq!(after["spec"].get("taints"), None, "it is within reach");
    // What read another version, or another incarnation, is refused.
    let ill = status(&after, "False");
    let stale = stage.patch(&path, patch(Some(uid), Some(version(&stands)), ill.clone())).await;
    assert_eq!(stale.refused(), (409, "Conflict"));
    let other = stage.patch(&path, patch(Some("other"), None, ill.clone())).await;
    assert_eq!(other.refused(), (422, "Invalid"));
    // The same again is not written.
    let same = stage.patch(&path, patch(None, None, well)).await.ok();
    assert_eq!(version(&same), version(&after));
    let put = json!({"apiVersion": after["apiVersion"], "kind": after["kind"],
        "metadata": {"name": "c1", "resourceVersion": version(&after)}, "status": ill});
    let ill = stage.put(&path, put).await.ok();
    let taints = ill["spec"]["taints"].as_array().unwrap();
    assert_eq!(taints.len(), 1, "{taints:?}");
    assert_eq!(taints[0]["key"], "cluster.open-cluster-management.io/unavailable");
    assert_eq!(ill["metadata"]["uid"], uid);
}

#[tokio::test]
async fn the_status_of_a_cluster_that_is_not_taken_in_is_not_written() {
    let stage = Stage::new().await;
    let found = stage.post(CLUSTERS, json!({"metadata": {"name": "c1"}})).await.ok();
    let patch = json!({"status": status(&found, "True")});
    let refused = stage.patch(&format!("{CLUSTERS}/c1/status"), patch).await;
    assert_eq!(refused.refused(), (422, "Invalid"));
    let cause = &refused.body["details"]["causes"][0];
    assert_eq!((&cause["reason"], &cause["field"]), (&json!("Refusal"), &json!("REG0008")));
}

/// The pages of namespace `t`.
fn decisions() -> String {
    format!("{OCM}/v1beta1/namespaces/t/placementdecisions")
}

/// A placement that has chosen `c1`, and its page.
async fn decided(stage: &Stage) -> Value {
    stage.cluster("c1").await;
    let bindings = format!("{OCM}/v1beta2/namespaces/t/managedclustersetbindings");
    let binding = json!({"metadata": {"name": "default"}, "spec": {"clusterSet": "default"}});
    stage.post(&bindings, binding).await.ok();
    let tolerant = json!({"metadata": {"name": "p"},
        "spec": {"tolerations": [{"operator": "Exists"}]}});
    stage.post(PLACEMENTS, tolerant).await.ok();
    let path = format!("{}/p-decision-1", decisions());
    let asked = async || {
        let found = stage.get(&path).await;
        (found.body["status"]["decisions"][0]["clusterName"] == "c1").then_some(found.body)
    };
    eventually("a cluster is chosen", asked).await.unwrap()
}

#[tokio::test]
async fn gw079_a_decision_that_is_deleted_by_hand_comes_back() {
    let stage = Stage::new().await;
    let before = decided(&stage).await;
    let path = format!("{}/p-decision-1", decisions());
    let watch = format!("{}?watch=true&resourceVersion={}", decisions(), version(&before));
    let mut watch = Watching::of(stage.send("GET", &watch, &[], Value::Null).await);
    let gone = stage.delete(&path, Value::Null).await.ok();
    assert_eq!(
        (&gone["status"], &gone["details"]["uid"]),
        (&json!("Success"), &before["metadata"]["uid"])
    );
    assert_eq!((watch.event().await.0, watch.event().await.0), ("DELETED".into(), "ADDED".into()));
    let after = stage.get(&path).await.ok();
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["status"], before["status"]);
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    // Nobody else writes it.
    let edit = json!({"status": {"decisions": []}});
    let refused = stage.patch(&format!("{path}/status"), edit).await;
    assert_eq!(refused.refused(), (422, "Invalid"));
    assert_eq!(refused.body["details"]["causes"][0]["field"], "PLC0017");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(stage.patch(&path, label).await.refused(), (422, "Invalid"));
}

#[tokio::test]
async fn gw080_decisions_of_others_are_kept_and_left_alone() {
    let stage = Stage::new().await;
    decided(&stage).await;
    let label = "cluster.open-cluster-management.io/placement";
    let page = json!({"metadata": {"name": "mine", "labels": {label: "p"}},
        "status": {"decisions": [{"clusterName": "dropped", "reason": ""}]}});
    let made = stage.post(&decisions(), page).await.ok();
    assert_eq!(made.get("status"), None, "it is written apart");
    let (path, part) = (format!("{}/mine", decisions()), format!("{}/mine/status", decisions()));
    let uid = &made["metadata"]["uid"];
    let chosen = json!({"decisions": [{"clusterName": "elsewhere", "reason": "r"}]});
    let patch = json!({"metadata": {"uid": uid, "resourceVersion": version(&made)},
        "status": chosen});
    let written = stage.patch(&part, patch.clone()).await.ok();
    assert_eq!(written["status"], chosen);
    assert_eq!(stage.patch(&part, patch).await.refused(), (409, "Conflict"));
    // A change of the placement's own decision leaves it alone, and both are found by label.
    stage.cluster("c2").await;
    let list = format!("{}?labelSelector={label}%3Dp", decisions());
    let asked = async || {
        let found = stage.get(&list).await.ok();
        let items = found["items"].as_array().cloned().unwrap_or_default();
        let own = items.iter().find(|item| item["metadata"]["name"] == "p-decision-1")?;
        (own["status"]["decisions"].as_array()?.len() == 2).then_some(items)
    };
    let items = eventually("both clusters are chosen", asked).await.unwrap();
    let mine = items.iter().find(|item| item["metadata"]["name"] == "mine").unwrap();
    assert_eq!((items.len(), &mine["status"]), (2, &chosen));
    assert_eq!(version(mine), version(&written));
    // The names of pages to come are not given away.
    let taken = json!({"metadata": {"name": "p-decision-2"}});
    assert_eq!(stage.post(&decisions(), taken).await.refused(), (422, "Invalid"));
    let gone = stage.delete(&path, Value::Null).await.ok();
    assert_eq!(gone["status"], "Success");
    assert_eq!(stage.get(&path).await.code, 404);
}
