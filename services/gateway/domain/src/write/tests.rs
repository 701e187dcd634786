//! What bodies become, refused or taken.

use super::*;
use crate::foreseen::is_unchanged;
use crate::kinds::find;
use proptest::prelude::*;

fn cluster() -> Kind {
    find("cluster.open-cluster-management.io", "v1", "managedclusters").unwrap()
}

fn placement() -> Kind {
    find("cluster.open-cluster-management.io", "v1beta1", "placements").unwrap()
}

fn post(kind: Kind, namespace: Option<&str>, object: Value) -> Result<Checked, Status> {
    created(kind, namespace, (object, vec![]), Unknown::Warn)
}

#[test]
fn gw040_a_generated_name_is_its_base_and_five_letters() {
    let mut object = json!({"metadata": {"generateName": "c1-"}});
    assert!(named(&mut object, &[0, 1, 27, 255, 26]));
    assert_eq!(object["metadata"]["name"], "c1-bcbq9");
    assert_eq!(object["metadata"]["generateName"], "c1-");
    let mut long = json!({"metadata": {"generateName": "x".repeat(80)}});
    assert!(named(&mut long, &[0; 5]));
    assert_eq!(long["metadata"]["name"].as_str().unwrap().len(), 63);
    assert!(!named(&mut json!({"metadata": {"name": "a", "generateName": "b"}}), &[0; 5]));
}

#[test]
fn gw042_a_status_that_comes_with_a_new_object_is_dropped() {
    let object = json!({"metadata": {"name": "c1"}, "spec": {}, "status": {"conditions": []}});
    let made = post(cluster(), None, object).unwrap().object;
    assert_eq!(made.get("status"), None);
    assert_eq!(made["kind"], "ManagedCluster");
}

#[test]
fn gw060_defaults_are_filled_in() {
    let object = json!({"metadata": {"name": "c1"}, "spec": {}});
    let made = post(cluster(), None, object).unwrap().object;
    assert_eq!(made["spec"]["leaseDurationSeconds"], json!(60));
}

#[test]
fn gw043_a_body_and_its_url_name_one_namespace() {
    let object = |ns: &str| json!({"metadata": {"name": "p", "namespace": ns}, "spec": {}});
    assert_eq!(post(placement(), Some("a"), object("b")).unwrap_err().code, 400);
    assert!(post(placement(), Some("a"), object("a")).is_ok());
    assert_eq!(post(cluster(), None, object("a")).unwrap_err().code, 400);
    let made = post(placement(), Some("a"), json!({"metadata": {"name": "p"}, "spec": {}}));
    assert_eq!(made.unwrap().object["metadata"]["namespace"], "a");
}

#[test]
fn gw044_names_that_none_may_have_are_422_at_their_field() {
    for name in ["UPPER", "a..b", &"x".repeat(254)] {
        let refused = post(cluster(), None, json!({"metadata": {"name": name}})).unwrap_err();
        assert_eq!((refused.code, refused.causes[0].field.as_str()), (422, "metadata.name"));
    }
}

fn there() -> Value {
    json!({
        "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
        "metadata": {"name": "c1", "uid": "u", "resourceVersion": "16384", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"hubAcceptsClient": false, "leaseDurationSeconds": 60},
        "status": {"conditions": [{"type": "A", "status": "True", "reason": "A",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    })
}

fn put(change: impl FnOnce(&mut Value), how: (Way, bool)) -> Result<Checked, Status> {
    let mut object = there();
    change(&mut object);
    updated(cluster(), &there(), (object, vec![]), Unknown::Warn, how)
}

#[test]
fn gw064_the_kinds_of_kubernetes_are_taken_in_its_binary_form() {
    let taken = |group, version, plural| Taken::of(find(group, version, plural).unwrap());
    assert_eq!(taken("", "v1", "secrets"), Taken::Binary);
    let definitions = taken("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    assert_eq!(definitions, Taken::Binary);
    assert_eq!(Taken::of(cluster()), Taken::Text);
}

#[test]
fn gw064_what_a_signing_request_asks_for_stays() {
    let spec = json!({
        "request": "eA==", "signerName": "example.com/s", "usages": ["client auth"],
        "username": "u", "groups": ["g"],
    });
    let current = json!({ "metadata": { "name": "r" }, "spec": spec });
    let given = json!({ "metadata": { "name": "r", "labels": { "a": "b" } }, "spec": {
        "request": "eQ==", "signerName": "example.com/s", "usages": ["client auth"],
    } });
    let kind = find("certificates.k8s.io", "v1", "certificatesigningrequests").unwrap();
    let how = (Way::Put, false);
    let after = updated(kind, &current, (given, vec![]), Unknown::Strict, how).unwrap().object;
    assert_eq!((&after["spec"], &after["metadata"]["labels"]["a"]), (&spec, &json!("b")));
}

#[test]
fn gw045_a_stale_version_or_another_incarnation_is_a_conflict() {
    let main = (Way::Put, false);
    let stale = put(|o| o["metadata"]["resourceVersion"] = json!("1"), main).unwrap_err();
    assert_eq!((stale.code, stale.reason), (409, "Conflict"));
    let other = |o: &mut Value| o["metadata"]["uid"] = json!("v");
    assert_eq!(put(other, main).unwrap_err().code, 409);
    let immutable = put(other, (Way::Patch, false)).unwrap_err();
    assert_eq!((immutable.code, immutable.causes[0].field.as_str()), (422, "metadata.uid"));
    assert_eq!(put(|o| o["metadata"]["name"] = json!("c2"), main).unwrap_err().code, 400);
}

#[test]
fn gw046_a_put_names_the_version_that_it_read() {
    let none =
        |o: &mut Value| drop(o["metadata"].as_object_mut().unwrap().remove("resourceVersion"));
    assert_eq!(put(none, (Way::Put, false)).unwrap_err().code, 422);
    assert!(put(none, (Way::Patch, false)).is_ok());
}

#[test]
fn gw048_a_status_write_changes_nothing_else() {
    let part = put(change, (Way::Put, true)).unwrap().object;
    assert_eq!(part["spec"], there()["spec"]);
    assert_eq!(part["metadata"].get("labels"), None);
    assert_eq!(part["status"], json!({"capacity": {"cpu": "4"}}));
    let emptied = put(|o| drop(o.as_object_mut().unwrap().remove("status")), (Way::Put, true));
    assert_eq!(emptied.unwrap().object.get("status"), None);
}

fn change(object: &mut Value) {
    object["spec"]["hubAcceptsClient"] = json!(true);
    object["metadata"]["labels"] = json!({"a": "b"});
    object["status"] = json!({"capacity": {"cpu": "4"}});
}

#[test]
fn gw049_a_write_of_the_object_keeps_its_status() {
    let main = put(change, (Way::Put, false)).unwrap().object;
    assert_eq!(
        (&main["spec"]["hubAcceptsClient"], &main["status"]),
        (&json!(true), &there()["status"])
    );
}

#[test]
fn gw047_an_identical_put_is_told_from_one_that_changes() {
    let same = put(|_| (), (Way::Put, false)).unwrap().object;
    assert!(is_unchanged(&there(), &same));
    let other = put(|o| o["metadata"]["labels"] = json!({"a": "b"}), (Way::Put, false));
    assert!(!is_unchanged(&there(), &other.unwrap().object));
}

#[test]
fn gw058_unknown_fields_are_refused_or_warned_of_and_never_kept() {
    let with = |unknown| {
        let object = json!({"metadata": {"name": "c1"}, "spec": {"foo": 1}});
        created(cluster(), None, (object, vec!["spec.x".to_owned()]), unknown)
    };
    let refused = with(Unknown::Strict).unwrap_err();
    assert_eq!(refused.code, 400);
    let words = "ManagedCluster in version \"v1\" cannot be handled as a ManagedCluster: \
        strict decoding error: unknown field \"spec.foo\", duplicate field \"spec.x\"";
    assert_eq!(refused.message, words);
    let warned = with(Unknown::Warn).unwrap();
    assert_eq!(warned.warnings.len(), 2);
    assert_eq!(warned.object["spec"].get("foo"), None);
    assert_eq!(with(Unknown::Ignore).unwrap().warnings.len(), 0);
}

#[test]
fn gw059_manifests_are_kept_as_they_are() {
    let kind = find("work.open-cluster-management.io", "v1", "manifestworks").unwrap();
    let manifest =
        json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "m"}, "foo": [1]});
    let object =
        json!({"metadata": {"name": "w"}, "spec": {"workload": {"manifests": [manifest]}}});
    let made = created(kind, Some("c1"), (object, vec![]), Unknown::Strict).unwrap().object;
    assert_eq!(made["spec"]["workload"]["manifests"][0], manifest);
}

#[test]
fn bodies_are_json_or_yaml() {
    assert_eq!(body(b"{\"a\":1}", "application/json", Taken::Text).unwrap().0, json!({"a": 1}));
    assert_eq!(body(b"a: 1", "application/yaml", Taken::Text).unwrap().0, json!({"a": 1}));
    assert_eq!(body(b"{\"a\":1,\"a\":2}", "", Taken::Text).unwrap().1, ["a"]);
    assert_eq!(body(b"a: 1\n---\nb: 1", "application/yaml", Taken::Text).unwrap_err().code, 400);
    assert_eq!(
        body(b"{}", "application/vnd.kubernetes.protobuf", Taken::Text).unwrap_err().code,
        415
    );
    assert_eq!(body(&[0xff], "", Taken::Text).unwrap_err().code, 400);
    assert_eq!(body("[".repeat(1_000).as_bytes(), "", Taken::Text).unwrap_err().code, 400);
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(text in "\\PC{0,80}") {
        let _ = body(text.as_bytes(), "application/yaml", Taken::Binary);
        if let Ok(read) = body(text.as_bytes(), "", Taken::Text) {
            let _ = created(cluster(), None, read, Unknown::Warn);
        }
    }
}
