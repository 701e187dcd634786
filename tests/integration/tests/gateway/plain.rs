//! Plain objects of Kubernetes: namespaces, secrets, settings, roles.

use crate::stage::{PLACEMENTS, Stage, Watching, version};
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const NAMESPACES: &str = "/api/v1/namespaces";
const SECRETS: &str = "/api/v1/namespaces/t/secrets";
const MAPS: &str = "/api/v1/namespaces/t/configmaps";

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

/// Asks until the answer has this code.
async fn until(stage: &Stage, path: &str, code: u16) {
    let asked = async || (stage.get(path).await.code == code).then_some(());
    eventually(&format!("\"{path}\" is {code}"), asked).await.unwrap();
}

#[tokio::test]
async fn what_clients_must_know_of_the_hub_is_put_right_at_a_start() {
    let stage = Stage::new().await;
    let path = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    stage.patch(path, json!({"data": {"kubeconfig": "of a hub that was"}})).await.ok();
    let _other = stage.another().await;
    let info = stage.get(path).await.ok();
    let text = info["data"]["kubeconfig"].as_str().unwrap();
    assert!(text.contains("https://hub.example:6443"), "{text}");
}

#[tokio::test]
async fn what_every_hub_has_is_there_from_the_start() {
    let stage = Stage::new().await;
    for name in ["default", "kube-system", "kube-public", "open-cluster-management"] {
        let found = stage.get(&format!("{NAMESPACES}/{name}")).await.ok();
        assert_eq!(found["status"]["phase"], "Active");
        assert_eq!(found["metadata"]["labels"]["kubernetes.io/metadata.name"], name);
    }
    let info = stage.get("/api/v1/namespaces/kube-public/configmaps/cluster-info").await.ok();
    assert!(info["data"]["kubeconfig"].as_str().unwrap().contains("https://hub.example:6443"));
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    stage.get(&format!("{roles}/open-cluster-management:bootstrap")).await.ok();
    // A second gateway finds all of it and makes nothing anew.
    let before = stage.get(NAMESPACES).await.ok();
    stage.another().await;
    assert_eq!(stage.get(NAMESPACES).await.ok()["items"], before["items"]);
}

/// What `kubectl apply` keeps of what it sent.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[tokio::test]
async fn a_secret_is_read_back_and_is_nowhere_in_the_clear() {
    let stage = Stage::new().await;
    let object = json!({
        "metadata": {"name": "s", "annotations": {APPLIED: "{\"stringData\":\"geheim\"}"}},
        "data": {"a": "Z2VoZWlt"}, "stringData": {"b": "geheim"},
    });
    let made = stage.post(SECRETS, object).await.ok();
    assert_eq!(made["data"], json!({"a": "Z2VoZWlt", "b": "Z2VoZWlt"}));
    assert_eq!((&made["type"], made.get("stringData")), (&json!("Opaque"), None));
    let found = stage.get(&format!("{SECRETS}/s")).await.ok();
    assert_eq!(found["data"], made["data"]);
    assert_eq!(found["metadata"]["annotations"][APPLIED], "{\"stringData\":\"geheim\"}");
    for stream in ["EVENTS", "CMD", "RESULT"] {
        for text in ["Z2VoZWlt", "geheim"] {
            assert!(!stage.holds(stream, text).await, "{stream} has \"{text}\"");
        }
    }
    assert!(stage.holds("EVENTS", "kubernetes.io/metadata.name").await);
    assert_eq!(stage.count("KEYS").await, 1);
    // What is equal is not written, and metadata alone does not seal anew.
    let same = stage.put(&format!("{SECRETS}/s"), found.clone()).await.ok();
    assert_eq!(version(&same), version(&found));
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let labelled = stage.patch(&format!("{SECRETS}/s"), labels).await.ok();
    assert_eq!((&labelled["data"], stage.count("KEYS").await), (&found["data"], 1));
    stage.patch(&format!("{SECRETS}/s"), json!({"data": {"b": null}})).await.ok();
    assert_eq!(stage.count("KEYS").await, 2);
    stage.delete(&format!("{SECRETS}/s"), Value::Null).await.ok();
    let none = async || (stage.count("KEYS").await == 0).then_some(());
    eventually("the keys are destroyed", none).await.unwrap();
    // The log has it still, and nobody can read what it said.
    let list = format!("{SECRETS}?resourceVersion={}&resourceVersionMatch=Exact", version(&found));
    let past = stage.another().await;
    let request = crate::stage::request("GET", &list, &[], Value::Null);
    let who = fleetlog_gateway::Caller::known("alice", &["system:masters"]);
    let past = crate::stage::read(past.answer(&who, &request).await).await.ok();
    assert_eq!(past["items"][0]["metadata"]["name"], "s");
    assert_eq!(past["items"][0].get("data"), None);
}

#[tokio::test]
async fn values_that_are_no_base64_are_refused() {
    let stage = Stage::new().await;
    let object = json!({"metadata": {"name": "s"}, "data": {"a": "geheim!"}});
    let refused = stage.post(SECRETS, object).await;
    assert_eq!(refused.refused(), (400, "BadRequest"));
    assert!(!refused.body.to_string().contains("geheim"), "{refused:?}");
}

#[tokio::test]
async fn gw043_an_absent_namespace_takes_nothing_and_gw044_names_are_of_the_kind() {
    let stage = Stage::new().await;
    let absent = stage.post("/api/v1/namespaces/nowhere/configmaps", named("m")).await;
    assert_eq!(absent.refused(), (404, "NotFound"));
    assert_eq!(absent.body["message"], "namespaces \"nowhere\" not found");
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/t/roles";
    let role = json!({"metadata": {"name": "open-cluster-management:x"}, "rules": []});
    assert_eq!(stage.post(roles, role).await.code, 201);
    let wrong = stage.post(roles, named("a/b")).await;
    assert_eq!(wrong.refused(), (422, "Invalid"));
    assert_eq!(stage.post(NAMESPACES, named(&"x".repeat(64))).await.refused(), (422, "Invalid"));
}

#[tokio::test]
async fn gw046_a_plain_object_is_put_without_a_version_and_a_role_into_being() {
    let stage = Stage::new().await;
    stage.post(MAPS, json!({"metadata": {"name": "m"}, "data": {"a": "1"}})).await.ok();
    let put = json!({"metadata": {"name": "m"}, "data": {"a": "2"}});
    let put = stage.put(&format!("{MAPS}/m"), put).await.ok();
    assert_eq!(put["data"]["a"], "2");
    assert_eq!(put["metadata"].get("generation"), None);
    assert_eq!(stage.put(&format!("{MAPS}/other"), named("other")).await.code, 404);
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/r";
    let object = json!({"metadata": {"name": "r"}, "rules": []});
    assert_eq!(stage.put(role, object).await.code, 201);
}

#[tokio::test]
async fn gw062_the_role_of_a_binding_stays_and_settings_may_be_fixed() {
    let stage = Stage::new().await;
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/t/rolebindings";
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "a"}});
    stage.post(bindings, binding).await.ok();
    let other = json!({"roleRef": {"name": "other"}});
    let refused = stage.patch(&format!("{bindings}/b"), other).await;
    assert_eq!(refused.refused(), (422, "Invalid"));
    let cause = &refused.body["details"]["causes"][0];
    assert_eq!(cause["field"], "COR0014");
    let fixed = json!({"metadata": {"name": "m"}, "data": {"a": "1"}, "immutable": true});
    stage.post(MAPS, fixed).await.ok();
    let changed = stage.patch(&format!("{MAPS}/m"), json!({"data": {"a": "2"}})).await;
    assert_eq!(changed.refused(), (422, "Invalid"));
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(stage.patch(&format!("{MAPS}/m"), label).await.code, 200);
}

/// A map of settings that waits for a finalizer, deleted: as it was made, and as it is left.
async fn going(stage: &Stage) -> (Value, Value) {
    let held = json!({"metadata": {"name": "m", "finalizers": ["example.com/hold"]}});
    let made = stage.post(MAPS, held).await.ok();
    let going = stage.delete(&format!("{MAPS}/m"), Value::Null).await.ok();
    (made, going)
}

#[tokio::test]
async fn gw074_what_has_finalizers_waits_for_them() {
    let stage = Stage::new().await;
    let path = format!("{MAPS}/m");
    let (_, going) = going(&stage).await;
    assert_eq!(going["kind"], "ConfigMap");
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let again = stage.delete(&path, Value::Null).await.ok();
    assert_eq!(version(&again), version(&going));
    assert_eq!(stage.post(MAPS, named("m")).await.refused(), (409, "AlreadyExists"));
    let late = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/late"]}});
    assert_eq!(stage.patch(&path, late).await.refused(), (422, "Invalid"));
}

#[tokio::test]
async fn gw052_what_is_going_is_gone_with_its_last_finalizer() {
    let stage = Stage::new().await;
    let path = format!("{MAPS}/m");
    going(&stage).await;
    let last = stage.patch(&path, json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(last.code, 200, "{last:?}");
    assert_eq!(stage.get(&path).await.code, 404);
}

#[tokio::test]
async fn gw031_a_deletion_that_waits_is_told_as_a_change_first() {
    let stage = Stage::new().await;
    let (made, _) = going(&stage).await;
    let watch = format!("{MAPS}?watch=true&resourceVersion={}", version(&made));
    let mut watch = Watching::of(stage.send("GET", &watch, &[], Value::Null).await);
    let none = json!({"metadata": {"finalizers": null}});
    stage.patch(&format!("{MAPS}/m"), none).await.ok();
    let (what, _, object) = watch.event().await;
    assert_eq!(what, "MODIFIED");
    assert!(object["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(watch.event().await.0, "DELETED");
}

#[tokio::test]
async fn gw078_a_namespace_is_emptied_before_it_goes() {
    let stage = Stage::new().await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    stage.post(MAPS, held).await.ok();
    stage.post(MAPS, named("free")).await.ok();
    stage.post(PLACEMENTS, json!({"metadata": {"name": "p"}, "spec": {}})).await.ok();
    let going = stage.delete(&format!("{NAMESPACES}/t"), Value::Null).await.ok();
    assert_eq!(
        (&going["kind"], &going["status"]["phase"]),
        (&json!("Namespace"), &json!("Terminating"))
    );
    until(&stage, &format!("{MAPS}/free"), 404).await;
    until(&stage, &format!("{PLACEMENTS}/p"), 404).await;
    let refused = stage.post(MAPS, named("late")).await;
    assert_eq!(refused.refused(), (403, "Forbidden"));
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let refused = stage.post(PLACEMENTS, json!({"metadata": {"name": "q"}, "spec": {}})).await;
    assert_eq!(refused.refused(), (403, "Forbidden"));
    let waits = async || {
        let found = stage.get(&format!("{NAMESPACES}/t")).await.ok();
        let all = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is = |kind: &str| all.iter().any(|c| c["type"] == kind && c["status"] == "True");
        let both = is("NamespaceFinalizersRemaining") && is("NamespaceContentRemaining");
        both.then_some(all)
    };
    let told = eventually("the namespace says what it waits for", waits).await.unwrap();
    let told = Value::from(told).to_string();
    assert!(told.contains("example.com/hold in 1 resource instances"), "{told}");
    stage.patch(&format!("{MAPS}/held"), json!({"metadata": {"finalizers": null}})).await.ok();
    until(&stage, &format!("{NAMESPACES}/t"), 404).await;
    assert_eq!(stage.post(NAMESPACES, named("t")).await.code, 201);
    let protected = stage.delete(&format!("{NAMESPACES}/kube-system"), Value::Null).await;
    assert_eq!(protected.refused(), (403, "Forbidden"));
}

#[tokio::test]
async fn the_status_of_a_namespace_is_a_part_of_it_and_no_kind_in_it() {
    let stage = Stage::new().await;
    let path = format!("{NAMESPACES}/kube-public/status");
    assert_eq!(stage.get(&path).await.ok()["status"]["phase"], "Active");
    let told = json!({"type": "Told", "status": "True", "reason": "R", "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let patch = json!({"metadata": {"labels": {"a": "b"}}, "status": {"conditions": [told]}});
    let after = stage.patch(&path, patch).await.ok();
    assert_eq!(after["status"]["conditions"][0]["type"], "Told");
    assert_eq!(after["status"]["phase"], "Active");
    assert_eq!(after["metadata"]["labels"].get("a"), None, "only the status is written here");
}

#[tokio::test]
async fn gw078_an_empty_namespace_goes_at_once() {
    let stage = Stage::new().await;
    stage.delete(&format!("{NAMESPACES}/t"), Value::Null).await.ok();
    until(&stage, &format!("{NAMESPACES}/t"), 404).await;
}

#[tokio::test]
async fn gw054_a_strategic_patch_of_a_secret_merges_its_values() {
    let stage = Stage::new().await;
    let object = json!({"metadata": {"name": "s"}, "data": {"a": "eA==", "b": "eA=="}});
    stage.post(SECRETS, object).await.ok();
    let kind = "application/strategic-merge-patch+json";
    let patch = json!({"data": {"a": null, "c": "eQ=="}});
    let headers = [("content-type", kind)];
    let answered = stage.send("PATCH", &format!("{SECRETS}/s"), &headers, patch).await;
    let answered = crate::stage::read(answered).await.ok();
    assert_eq!(answered["data"], json!({"b": "eA==", "c": "eQ=="}));
    let cluster = format!("{}/x", crate::stage::CLUSTERS);
    stage.cluster("x").await;
    let refused = stage.send("PATCH", &cluster, &headers, json!({})).await;
    assert_eq!(refused.status(), 415);
}

#[tokio::test]
async fn gw020_plain_kinds_have_the_columns_of_kubernetes() {
    let stage = Stage::new().await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let row = async |path: &str, name: &str| -> Value {
        let table = stage.get_as(path, accept).await.ok();
        let rows = table["rows"].as_array().unwrap().clone();
        rows.into_iter().map(|row| row["cells"].clone()).find(|cells| cells[0] == name).unwrap()
    };
    let object = json!({"metadata": {"name": "s"}, "data": {"a": "eA==", "b": "eA=="}});
    stage.post(SECRETS, object).await.ok();
    assert_eq!(row(SECRETS, "s").await.as_array().unwrap()[1..3], [json!("Opaque"), json!(2)]);
    assert_eq!(row(NAMESPACES, "t").await[1], "Active");
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let born = stage.get(&format!("{roles}/cluster-admin")).await.ok();
    assert_eq!(row(roles, "cluster-admin").await[1], born["metadata"]["creationTimestamp"]);
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    assert_eq!(row(bindings, "cluster-admin").await[1], "ClusterRole/cluster-admin");
}

#[tokio::test]
async fn gw016_plain_kinds_are_selected_by_their_fields() {
    let stage = Stage::new().await;
    let of = |name: &str, kind: &str| json!({"metadata": {"name": name}, "type": kind});
    stage.post(SECRETS, of("a", "Opaque")).await.ok();
    stage.post(SECRETS, of("b", "example.com/x")).await.ok();
    let found = stage.get(&format!("{SECRETS}?fieldSelector=type%3Dexample.com/x")).await.ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let active = stage.get(&format!("{NAMESPACES}?fieldSelector=status.phase%3DActive")).await.ok();
    assert_eq!(active["items"].as_array().unwrap().len(), 6);
    assert_eq!(stage.get(&format!("{MAPS}?fieldSelector=type%3Dx")).await.code, 400);
}

#[tokio::test]
async fn gw040_a_request_for_a_certificate_is_of_who_sends_it() {
    let stage = Stage::new().await;
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let object = json!({
        "metadata": {"generateName": "c1-"},
        "spec": {"request": "eA==", "signerName": "example.com/x", "usages": ["client auth"],
            "username": "somebody", "groups": ["system:masters"]},
        "status": {"certificate": "eA=="},
    });
    let made = stage.post(path, object).await.ok();
    let name = made["metadata"]["name"].as_str().unwrap();
    assert_eq!((name.len(), &made["metadata"]["generateName"]), (8, &json!("c1-")));
    assert_eq!(made["spec"]["username"], "alice");
    assert_eq!(made["spec"]["groups"], json!(["system:masters", "system:authenticated"]));
    assert_eq!(made.get("status"), None);
    // What was asked for stays, whatever is sent later.
    let change = json!({"spec": {"username": "x"}, "metadata": {"labels": {"a": "b"}}});
    let changed = stage.patch(&format!("{path}/{name}"), change).await.ok();
    assert_eq!(
        (&changed["spec"], &changed["metadata"]["labels"]["a"]),
        (&made["spec"], &json!("b"))
    );
}
