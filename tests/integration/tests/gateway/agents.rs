//! What OCM's own agents and add-on managers send, request by request, and what they get.

use crate::stage::{Answered, Stage, WORKS, Watching, version};
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const CLEANUP: &str = "cluster.open-cluster-management.io/manifest-work-cleanup";

fn work(name: &str) -> Value {
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"a": "1"}});
    json!({"metadata": {"name": name}, "spec": {"workload": {"manifests": [manifest]}}})
}

/// Metadata as a patch of OCM's names the object that it read.
fn read(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]})
}

/// A condition that moved at a second of an hour.
fn condition(kind: &str, generation: i64, second: u32) -> Value {
    json!({"type": kind, "status": "True", "reason": "Said", "message": "",
        "observedGeneration": generation,
        "lastTransitionTime": format!("2026-01-01T00:00:{second:02}Z")})
}

/// The status of a work of one manifest.
fn status(generation: i64) -> Value {
    let meta = json!({"ordinal": 0, "group": "", "version": "v1", "kind": "ConfigMap",
        "resource": "configmaps", "name": "w", "namespace": "default"});
    let value = json!({"name": "a", "fieldValue": {"type": "Integer", "integer": 3}});
    json!({
        "conditions": [condition("Applied", generation, 7), condition("Available", generation, 8)],
        "resourceStatus": {"manifests": [{
            "resourceMeta": meta, "conditions": [condition("Applied", generation, 9)],
            "statusFeedback": {"values": [value]},
        }]},
    })
}

/// Patches as the agent of `c1` does.
async fn patch(stage: &Stage, path: &str, body: Value) -> Answered {
    let agent = "system:open-cluster-management:c1:agent";
    let groups = ["system:open-cluster-management:c1"];
    stage.ask((agent, &groups), ("PATCH", path), body).await
}

/// A hub with the cluster `c1`, whose agent may do with its works what OCM's may.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let role = json!({"metadata": {"name": "agents"}, "rules": [
        {"apiGroups": ["work.open-cluster-management.io"], "verbs": ["get", "list", "watch",
            "update", "patch"], "resources": ["manifestworks", "manifestworks/status"]},
        {"apiGroups": ["addon.open-cluster-management.io"], "verbs": ["get", "list", "watch",
            "update", "patch"], "resources": ["managedclusteraddons",
            "managedclusteraddons/status"]},
    ]});
    stage.post(path, role).await.ok();
    let binding = json!({
        "metadata": {"name": "agents"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "agents"},
        "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io",
            "name": "system:open-cluster-management:c1"}],
    });
    stage.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding).await.ok();
    stage
}

#[tokio::test]
async fn gw100_a_work_agent_speaks_from_the_first_watch_to_the_end() {
    let stage = stage().await;
    let path = format!("{WORKS}/w");
    let mut watching =
        Watching::of(stage.send("GET", &format!("{WORKS}?watch=true"), &[], Value::Null).await);
    stage.post(WORKS, work("w")).await.ok();
    let (told, name, seen) = watching.event().await;
    assert_eq!((told.as_str(), name.as_str()), ("ADDED", "w"));

    // Its finalizer is there from the birth: a patch that adds it changes nothing.
    let mut metadata = read(&seen);
    metadata["finalizers"] = json!([CLEANUP]);
    let held = patch(&stage, &path, json!({"metadata": metadata})).await.ok();
    assert_eq!(version(&held), version(&seen));

    let body = json!({"metadata": read(&seen), "status": status(1)});
    let written = patch(&stage, &format!("{path}/status"), body.clone()).await.ok();
    assert_eq!(written["status"], status(1), "whole, with the times of the writer");
    assert_eq!(written["metadata"]["generation"], 1);
    let (told, _, seen) = watching.event().await;
    assert_eq!((told.as_str(), &seen["status"]), ("MODIFIED", &status(1)));
    let stale = patch(&stage, &format!("{path}/status"), body).await;
    assert_eq!(stale.refused(), (409, "Conflict"));

    let marked = stage.delete(&path, Value::Null).await.ok();
    assert_eq!(marked["metadata"]["generation"], 2);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    let (_, _, seen) = watching.event().await;
    assert!(seen["metadata"]["deletionTimestamp"].is_string(), "{seen}");
    let mut leaving = status(1);
    leaving["conditions"].as_array_mut().unwrap().push(condition("Deleting", 2, 10));
    let body = json!({"metadata": read(&seen), "status": leaving});
    patch(&stage, &format!("{path}/status"), body).await.ok();
    let (_, _, seen) = watching.event().await;
    let mut metadata = read(&seen);
    metadata["finalizers"] = Value::Null;
    let last = patch(&stage, &path, json!({"metadata": metadata})).await.ok();
    assert_eq!(last["metadata"]["name"], "w");
    let (told, name, _) = watching.event().await;
    assert_eq!((told.as_str(), name.as_str()), ("DELETED", "w"));
    assert_eq!(stage.get(&path).await.refused(), (404, "NotFound"));
}

#[tokio::test]
async fn gw051_a_patch_of_a_works_status_is_judged_by_uid_and_version() {
    let stage = stage().await;
    let made = stage.post(WORKS, work("w")).await.ok();
    let path = format!("{WORKS}/w/status");
    let with = |metadata: Value| json!({"metadata": metadata, "status": status(1)});
    let other = with(json!({"uid": "other"}));
    assert_eq!(patch(&stage, &path, other).await.refused(), (422, "Invalid"));
    let both = with(json!({"uid": "other", "resourceVersion": "1"}));
    assert_eq!(patch(&stage, &path, both).await.refused(), (409, "Conflict"));
    let written = patch(&stage, &path, with(read(&made))).await.ok();
    assert_ne!(version(&written), version(&made));
    // The same again, and a write of the object, change nothing of it.
    let again = patch(&stage, &path, with(read(&written))).await.ok();
    assert_eq!(version(&again), version(&written));
    let label = json!({"metadata": {"labels": {"a": "b"}}, "status": {"conditions": []}});
    let labelled = stage.patch(&format!("{WORKS}/w"), label).await.ok();
    assert_eq!(labelled["status"], status(1));
    assert_eq!(labelled["metadata"]["generation"], 1);
    let part = json!({"metadata": {"labels": {"a": "c"}}, "spec": null,
        "status": {"conditions": null, "resourceStatus": null}});
    let emptied = patch(&stage, &path, part).await.ok();
    assert_eq!(emptied["metadata"]["labels"]["a"], "b");
    assert_eq!(emptied["spec"], made["spec"]);
    assert_eq!(emptied["status"].get("resourceStatus"), None, "{emptied}");
}

#[tokio::test]
async fn gw074_a_work_waits_for_whoever_holds_it() {
    let stage = stage().await;
    let path = format!("{WORKS}/w");
    let mut object = work("w");
    object["metadata"]["finalizers"] = json!(["example.com/mine"]);
    stage.post(WORKS, object).await.ok();
    stage.delete(&path, Value::Null).await.ok();
    let again = stage.delete(&path, Value::Null).await.ok();
    assert_eq!(again["metadata"]["generation"], 2);
    let late = json!({"metadata": {"finalizers": ["example.com/mine", "example.com/late"]}});
    let late = patch(&stage, &path, late).await;
    assert_eq!(late.refused(), (422, "Invalid"));
    let words = "no new finalizers can be added if the object is being deleted, found new \
        finalizers \"example.com/late\"";
    assert!(late.body["message"].as_str().unwrap().ends_with(words), "{late:?}");
    let spec = json!({"spec": {"deleteOption": {"propagationPolicy": "Orphan"}}});
    assert_eq!(stage.patch(&path, spec).await.refused(), (422, "Invalid"));
    // The agent is done; the other one is not.
    let mine = json!({"metadata": {"finalizers": ["example.com/mine"]}});
    let left = patch(&stage, &path, mine).await.ok();
    assert_eq!(left["metadata"]["finalizers"], json!(["example.com/mine"]));
    assert_eq!(stage.post(WORKS, work("w")).await.refused(), (409, "AlreadyExists"));
    let none = json!({"metadata": {"finalizers": []}});
    stage.patch(&path, none).await.ok();
    assert_eq!(stage.get(&path).await.refused(), (404, "NotFound"));
}

const ADDONS: &str = "/apis/addon.open-cluster-management.io/v1alpha1";
const INSTALLED: &str =
    "/apis/addon.open-cluster-management.io/v1alpha1/namespaces/c1/managedclusteraddons";

/// The status and the reason of a condition.
fn said(object: &Value, kind: &str) -> Option<String> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    Some(format!("{} {}", found["status"].as_str()?, found["reason"].as_str()?))
}

/// The add-on `x`, which others run, installed on `c1`; as the service sees it.
async fn installed(stage: &Stage) -> Value {
    let definition = json!({"metadata": {"name": "x"}, "spec": {}});
    stage.post(&format!("{ADDONS}/clustermanagementaddons"), definition).await.ok();
    stage.post(INSTALLED, json!({"metadata": {"name": "x"}})).await.ok();
    let seen = async || {
        let object = stage.get(&format!("{INSTALLED}/x")).await.ok();
        said(&object, "Available").map(|_| object)
    };
    eventually("the service says how it is", seen).await.unwrap()
}

#[tokio::test]
async fn gw051_who_runs_an_add_on_writes_how_it_is() {
    let stage = stage().await;
    let seen = installed(&stage).await;
    assert_eq!(said(&seen, "Available").as_deref(), Some("Unknown WorkNotFound"));
    let path = format!("{INSTALLED}/x/status");
    let mut status = seen["status"].clone();
    let conditions = status["conditions"].as_array_mut().unwrap();
    conditions.retain(|condition| condition["type"] != "Available");
    conditions.push(condition("Available", 1, 7));
    conditions.push(condition("ClusterCertificateRotated", 1, 8));
    status["registrations"] = json!([{"signerName": "kubernetes.io/kube-apiserver-client",
        "subject": {"user": "u", "groups": ["g"]}}]);
    status["healthCheck"] = json!({"mode": "Lease"});
    let body = json!({"metadata": read(&seen), "status": status});
    patch(&stage, &path, body.clone()).await.ok();
    assert_eq!(patch(&stage, &path, body).await.refused(), (409, "Conflict"));
    // A condition that the service knows better is put right, the others stay.
    let seen = stage.get(&format!("{INSTALLED}/x")).await.ok();
    let mut status = seen["status"].clone();
    status["supportedConfigs"] = json!([{"group": "g", "resource": "r"}]);
    let body = json!({"metadata": read(&seen), "status": status});
    patch(&stage, &path, body).await.ok();
    let right = async || {
        let object = stage.get(&format!("{INSTALLED}/x")).await.ok();
        object["status"].get("supportedConfigs").is_none().then_some(object)
    };
    let seen = eventually("what the service knows is put right", right).await.unwrap();
    assert_eq!(said(&seen, "Available").as_deref(), Some("True Said"));
    assert_eq!(said(&seen, "ClusterCertificateRotated").as_deref(), Some("True Said"));
    assert_eq!(said(&seen, "Progressing").as_deref(), Some("False ConfigurationUnsupported"));
    assert_eq!(seen["status"]["registrations"][0]["subject"]["groups"], json!(["g"]));
    assert_eq!(seen["status"]["healthCheck"]["mode"], "Lease");

    let definition = format!("{ADDONS}/clustermanagementaddons/x");
    let before = stage.get(&definition).await.ok();
    let mut metadata = read(&before);
    metadata["uid"] = json!("other");
    metadata["resourceVersion"] = Value::Null;
    let progressions = json!([{"namespace": "t", "name": "p"}]);
    let status = json!({"installProgressions": progressions});
    let body = json!({"metadata": metadata, "status": status});
    let part = format!("{definition}/status");
    assert_eq!(stage.patch(&part, body).await.refused(), (422, "Invalid"));
    let body = json!({"metadata": read(&before), "status": status});
    stage.patch(&part, body).await.ok();
    let right = async || {
        let object = stage.get(&definition).await.ok();
        object["status"].get("installProgressions").is_none().then_some(object)
    };
    eventually("nothing is installed by a placement", right).await.unwrap();
}

#[tokio::test]
async fn gw074_an_add_on_its_definition_and_its_template_wait_for_whoever_holds_them() {
    let stage = stage().await;
    installed(&stage).await;
    let template = json!({"metadata": {"name": "x"}, "spec": {"addonName": "x", "agentSpec": {
        "workload": {"manifests": [{"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "m", "namespace": "d"}}]}}}});
    stage.post(&format!("{ADDONS}/addontemplates"), template).await.ok();
    let held = json!({"metadata": {"finalizers": ["example.com/mine"]}});
    let all = [
        format!("{INSTALLED}/x"),
        format!("{ADDONS}/clustermanagementaddons/x"),
        format!("{ADDONS}/addontemplates/x"),
    ];
    for path in &all {
        let object = stage.patch(path, held.clone()).await.ok();
        let finalizers = object["metadata"]["finalizers"].as_array().unwrap();
        assert!(finalizers.contains(&json!("example.com/mine")), "{object}");
        let marked = stage.delete(path, Value::Null).await.ok();
        let generation = |object: &Value| object["metadata"]["generation"].as_i64().unwrap();
        assert_eq!(generation(&marked), generation(&object) + 1, "{marked}");
        let late = json!({"metadata": {"finalizers": ["example.com/late"]}});
        assert_eq!(stage.patch(path, late).await.refused(), (422, "Invalid"), "{path}");
    }
    for path in &all {
        let alone = async || {
            let object = stage.get(path).await.ok();
            (object["metadata"]["finalizers"] == held["metadata"]["finalizers"]).then_some(())
        };
        eventually("nobody else holds it", alone).await.unwrap();
        let none = json!({"metadata": {"finalizers": null}});
        stage.patch(path, none).await.ok();
        assert_eq!(stage.get(path).await.refused(), (404, "NotFound"), "{path}");
    }
}

#[tokio::test]
async fn gw074_a_replica_set_waits_for_whoever_holds_it() {
    let stage = stage().await;
    let sets = "/apis/work.open-cluster-management.io/v1alpha1/namespaces/t/\
        manifestworkreplicasets";
    let template = work("w")["spec"].clone();
    let set = json!({"metadata": {"name": "s", "finalizers": ["example.com/mine"]},
        "spec": {"placementRefs": [{"name": "p"}], "manifestWorkTemplate": template}});
    stage.post(sets, set).await.ok();
    let path = format!("{sets}/s");
    let refused = stage.patch(&format!("{path}/status"), json!({"status": {}})).await;
    assert_eq!(refused.code, 405, "its status is the service's");
    let marked = stage.delete(&path, Value::Null).await.ok();
    assert_eq!(marked["metadata"]["finalizers"], json!(["example.com/mine"]));
    let none = json!({"metadata": {"finalizers": null}});
    stage.patch(&path, none).await.ok();
    assert_eq!(stage.get(&path).await.refused(), (404, "NotFound"));
}
