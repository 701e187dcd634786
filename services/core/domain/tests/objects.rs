//! Plain objects, command by command, on a world without a log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod stage;

use fleetlog_core_domain::Refusal;
use fleetlog_core_domain::command::{Command, Values};
use fleetlog_core_domain::object::text;
use fleetlog_messages::core::Sealed;
use serde_json::{Value, json};
use stage::{Stage, id, map, namespace};

#[test]
fn an_object_is_born_with_what_the_hub_says_of_it() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    let given = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
        "metadata": {
            "name": "m", "namespace": "n", "uid": "mine", "generation": 7, "generateName": "m-",
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
    });
    stage.apply(&given).unwrap();
    let made = stage.object("configmap", "n", "m").unwrap();
    assert_ne!(text(&made, "/metadata/uid"), "mine");
    assert!(!text(&made, "/metadata/creationTimestamp").is_empty());
    assert_eq!(made["metadata"].get("generation"), None, "Kubernetes' own kinds count none");
    assert_eq!(made["metadata"].get("deletionTimestamp"), None);
    assert_eq!(made["metadata"]["generateName"], "m-");
    let space = stage.object("namespace", "", "n").unwrap();
    assert_eq!(space["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(space["status"]["phase"], "Active");
}

#[test]
fn a_kind_of_the_fleet_counts_the_changes_of_its_spec() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    let config = |label: &str, value: &str| {
        json!({
            "apiVersion": "addon.open-cluster-management.io/v1alpha1",
            "kind": "AddOnDeploymentConfig",
            "metadata": {"name": "d", "namespace": "n", "labels": {"l": label}},
            "spec": {"customizedVariables": [{"name": "a", "value": value}]},
        })
    };
    let generation = |stage: &Stage| {
        let object = stage.object("addondeploymentconfig", "n", "d").unwrap();
        object["metadata"]["generation"].as_i64().unwrap()
    };
    let mut seen = vec![];
    for (label, value) in [("a", "1"), ("b", "1"), ("b", "2")] {
        stage.apply(&config(label, value)).unwrap();
        seen.push(generation(&stage));
    }
    assert_eq!(seen, [1, 1, 2]);
}

#[test]
fn what_is_equal_is_not_written() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    assert_eq!(stage.apply(&map("n", "m", "1")).unwrap(), 1);
    assert_eq!(stage.apply(&map("n", "m", "1")).unwrap(), 0);
    assert_eq!(stage.apply(&map("n", "m", "2")).unwrap(), 1);
    assert_eq!(stage.apply(&namespace("n")).unwrap(), 0);
}

#[test]
fn an_object_stands_where_its_writer_believes_or_is_refused() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    let code = |stage: &mut Stage, version: &str, value: &str| {
        stage.apply_at(&map("n", "m", value), version, Values::Kept).map_err(|why| why.code())
    };
    assert_eq!(code(&mut stage, "16384", "1").unwrap_err(), "COR0002");
    code(&mut stage, "0", "1").unwrap();
    assert_eq!(code(&mut stage, "0", "1").unwrap_err(), "COR0003");
    let stands =
        stage.world.object(&id("configmap", "n", "m")).unwrap().changed().resource_version(0);
    code(&mut stage, &stands, "2").unwrap();
    assert_eq!(code(&mut stage, &stands, "3").unwrap_err(), "COR0004");
}

#[test]
fn what_no_object_may_be_is_refused_by_its_code() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut object = map("n", "m", "1");
        change(&mut object);
        object
    };
    let wrong = [
        ("COR0005", with(&|o| o["metadata"]["namespace"] = json!("nowhere"))),
        ("COR0008", with(&|o| o["data"] = json!([1]))),
        ("COR0008", with(&|o| o["foo"] = json!(1))),
        ("COR0009", with(&|o| o["metadata"]["name"] = json!("A"))),
        ("COR0010", with(&|o| o["metadata"]["labels"] = json!({"a b": "c"}))),
        ("COR0011", with(&|o| o["metadata"]["annotations"] = json!({"a": "x".repeat(300_000)}))),
        ("COR0012", with(&|o| o["metadata"]["finalizers"] = json!(["hold"]))),
        ("COR0018", with(&|o| o["data"]["a"] = json!("x".repeat(1_000_000)))),
    ];
    for (code, object) in wrong {
        let refused = stage.apply(&object).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(!refused.advice().is_empty());
    }
    let secret = |field: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"},
            field: {"a": "eA=="},
        })
    };
    assert_eq!(stage.apply(&secret("data")).unwrap_err().code(), "COR0016");
    assert_eq!(stage.apply(&secret("sealed")).unwrap_err().code(), "COR0008");
    assert_eq!(stage.delete("namespace", "", "default").unwrap_err().code(), "COR0002");
    stage.apply(&namespace("default")).unwrap();
    assert_eq!(stage.delete("namespace", "", "default").unwrap_err().code(), "COR0015");
}

#[test]
fn every_key_of_a_secret_is_destroyed_with_it_and_none_before() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"},
    });
    let sealed = |key: &str| {
        let (key, body, names) = (key.to_owned(), vec![1], vec!["a".to_owned()]);
        Values::New(Some(Sealed { key, body, names }))
    };
    for key in ["one", "two"] {
        stage.apply_at(&secret, "", sealed(key)).unwrap();
        assert_eq!(stage.world.noticed().keys, None);
    }
    let mut labelled = secret.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    stage.apply_at(&labelled, "", Values::Kept).unwrap();
    let plain = stage.world.object(&id("secret", "n", "s")).unwrap();
    assert_eq!(plain.sealed().unwrap().key, "two", "what is kept is kept");
    stage.delete("secret", "n", "s").unwrap();
    let (whose, keys) = stage.world.noticed().keys.clone().unwrap();
    assert_eq!((whose, keys), (id("secret", "n", "s"), vec!["one".to_owned(), "two".to_owned()]));
}

#[test]
fn a_namespace_takes_along_what_lies_in_it_also_of_others() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    stage.apply(&map("n", "m", "1")).unwrap();
    stage.others("placement", "n", "p", true);
    stage.delete("namespace", "", "n").unwrap();
    let doomed: Vec<String> =
        stage.world.noticed().doomed.iter().map(ToString::to_string).collect();
    assert_eq!(doomed, ["placement/n/p", "configmap/n/m"]);
    assert_eq!(stage.empty("n"), 1, "it says what is left");
    let told = stage.object("namespace", "", "n").unwrap().to_string();
    assert!(told.contains("configmaps has 1 resource instances"), "{told}");
    assert_eq!(stage.empty("n"), 0, "and says it once");
    stage.delete("configmap", "n", "m").unwrap();
    assert_eq!(stage.world.noticed().emptier.as_deref(), Some("n"));
    assert_eq!(stage.apply(&map("n", "late", "1")).unwrap_err().code(), "COR0006");
    // What comes in although it goes, by another service, goes too.
    stage.others("placement", "n", "q", true);
    assert_eq!(stage.world.noticed().doomed.len(), 1);
    for name in ["p", "q"] {
        stage.others("placement", "n", name, false);
    }
    stage.empty("n");
    assert_eq!(stage.object("namespace", "", "n"), None);
    assert_eq!(stage.world.rows(), []);
}

fn definition(group: &str, plural: &str, kind: &str, versions: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "names": {"plural": plural, "kind": kind}, "versions": versions},
    })
}

fn condition(object: &Value, kind: &str) -> Value {
    let all = object["status"]["conditions"].as_array().unwrap();
    all.iter().find(|condition| condition["type"] == kind).unwrap().clone()
}

#[test]
fn a_definition_of_a_kind_of_the_hub_is_established_at_once() {
    let mut stage = Stage::default();
    let group = "cluster.open-cluster-management.io";
    let given = |stores: &str| {
        let version = json!([{"name": stores, "served": true, "storage": true}]);
        definition(group, "managedclusters", "ManagedCluster", &version)
    };
    stage.apply(&given("v1")).unwrap();
    let name = format!("managedclusters.{group}");
    let made = stage.object("crd", "", &name).unwrap();
    for (kind, reason) in
        [("NamesAccepted", "NoConflicts"), ("Established", "InitialNamesAccepted")]
    {
        let condition = condition(&made, kind);
        assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!(reason)));
    }
    let names = &made["status"]["acceptedNames"];
    let wanted = json!({
        "plural": "managedclusters", "kind": "ManagedCluster", "singular": "managedcluster",
        "listKind": "ManagedClusterList",
    });
    assert_eq!(names, &wanted);
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(made["spec"], given("v1")["spec"], "it is kept as it was sent");
    assert_eq!(stage.apply(&given("v1")).unwrap(), 0);
    stage.apply(&given("v2")).unwrap();
    let changed = stage.object("crd", "", &name).unwrap();
    assert_eq!(changed["status"]["storedVersions"], json!(["v1", "v2"]));
    assert_eq!(condition(&changed, "Established"), condition(&made, "Established"));
    assert_eq!(changed["metadata"]["generation"], 2);
}

#[test]
fn of_a_definition_of_another_kind_the_names_are_accepted() {
    let mut stage = Stage::default();
    stage.apply(&definition("example.com", "widgets", "Widget", &json!("odd"))).unwrap();
    let made = stage.object("crd", "", "widgets.example.com").unwrap();
    assert_eq!(condition(&made, "NamesAccepted")["status"], "True");
    assert_eq!(condition(&made, "Established")["reason"], "NotServed");
    let mut misnamed = definition("example.com", "widgets", "Widget", &json!([]));
    misnamed["metadata"]["name"] = json!("gadgets.example.com");
    assert!(stage.apply(&misnamed).is_err());
}

/// Has a namespace wait for these alone.
fn finalize(stage: &mut Stage, name: &str, finalizers: &[&str]) -> Result<usize, Refusal> {
    let left = stage.world.left(name);
    let finalizers = finalizers.iter().map(|text| (*text).to_owned()).collect();
    let command = Command::Finalize { finalizers, expected: String::new(), left };
    stage.command(id("namespace", "", name), command)
}

#[test]
fn a_namespace_that_is_finalized_keeps_what_lies_in_it_from_being_left_behind() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    stage.apply(&map("n", "m", "1")).unwrap();
    let waits = |stage: &Stage| stage.object("namespace", "", "n").unwrap()["spec"].clone();
    finalize(&mut stage, "n", &[]).unwrap();
    assert_eq!(waits(&stage)["finalizers"], json!(["kubernetes"]), "the hub waits too");
    finalize(&mut stage, "n", &["a/b"]).unwrap();
    assert_eq!(waits(&stage)["finalizers"], json!(["kubernetes", "a/b"]));
    assert!(finalize(&mut stage, "n", &["no finalizer"]).is_err());
    stage.delete("namespace", "", "n").unwrap();
    finalize(&mut stage, "n", &[]).unwrap();
    assert_eq!(waits(&stage)["finalizers"], json!(["kubernetes"]));
    stage.delete("configmap", "n", "m").unwrap();
    stage.empty("n");
    assert_eq!(stage.object("namespace", "", "n"), None);
}

#[test]
fn a_namespace_waits_for_the_finalizers_of_others_after_it_is_empty() {
    let mut stage = Stage::default();
    stage.apply(&namespace("n")).unwrap();
    finalize(&mut stage, "n", &["kubernetes", "a/b"]).unwrap();
    stage.delete("namespace", "", "n").unwrap();
    stage.empty("n");
    let left = stage.object("namespace", "", "n").unwrap();
    assert_eq!(left["spec"]["finalizers"], json!(["a/b"]));
    assert_eq!(left["status"]["phase"], "Terminating");
    assert!(finalize(&mut stage, "n", &["a/b", "c/d"]).is_err(), "it takes no new one");
    finalize(&mut stage, "n", &[]).unwrap();
    assert_eq!(stage.object("namespace", "", "n"), None);
}
