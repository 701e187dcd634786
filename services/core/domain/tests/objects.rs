//! Plain objects, command by command, on a world without a log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod stage;

use fleetlog_core_domain::command::Values;
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
