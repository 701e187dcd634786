//! What the door lets in, what it fills in, and what it says when it does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use fleetlog_messages::placement::Placement;
use fleetlog_messages::registration::ManagedCluster;
use fleetlog_messages::work::ManifestWork;
use fleetlog_objects::{
    Admitted, Loss, ReadError, Refusal, Schemas, admit, canonical, merge, merge_patch, read,
    strip_served, to_yaml, write, yaml,
};
use serde_json::{Value, json};

const PLACEMENT: &str = r"
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: p, namespace: default}
spec:
  clusterSets: []
  numberOfClusters: 2
  predicates:
  - requiredClusterSelector:
      labelSelector: {matchLabels: {region: east}}
  prioritizerPolicy:
    configurations:
    - scoreCoordinate: {builtIn: Steady}
  tolerations:
  - {key: a, operator: null}
";

fn placement() -> Value {
    yaml(PLACEMENT).unwrap().remove(0)
}

fn refused(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut value = placement();
    change(&mut value);
    admit(value).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_let_in_has_its_defaults_and_no_nulls() {
    let Admitted { info, object } = admit(placement()).unwrap();
    assert_eq!(info.kind, "Placement");
    let at = |pointer| object.pointer(pointer);
    assert_eq!(at("/spec/sortBy"), Some(&json!("ClusterName")));
    assert_eq!(at("/spec/scoreRateLimit"), Some(&json!("1m")));
    assert_eq!(at("/spec/prioritizerPolicy/mode"), Some(&json!("Additive")));
    let first = at("/spec/prioritizerPolicy/configurations/0").unwrap();
    assert_eq!(
        *first,
        json!({"scoreCoordinate": {"type": "BuiltIn", "builtIn": "Steady"}, "weight": 1})
    );
    assert_eq!(at("/spec/tolerations/0"), Some(&json!({"key": "a", "operator": "Equal"})));
    let (typed, losses) = read::<Placement>(object.clone()).unwrap();
    assert_eq!(losses, []);
    assert_eq!(write(&typed), object);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    assert_eq!(
        refused(|p| p["spec"]["numberOfCluster"] = json!(2)),
        ["unknown field \"spec.numberOfCluster\""]
    );
    assert_eq!(
        refused(|p| p["spec"]["numberOfClusters"] = json!("two")),
        ["\"spec.numberOfClusters\" is a text, not a whole number"]
    );
    assert_eq!(
        refused(|p| p["spec"]["sortBy"] = json!("Luck")),
        ["\"spec.sortBy\" is \"Luck\": one of \"ClusterName\", \"Score\" is allowed"]
    );
    assert_eq!(
        refused(|p| p["spec"]["scoreRateLimit"] = json!("soon")),
        ["\"spec.scoreRateLimit\" is \"soon\": it must match ^[0-9]+[hms]$"]
    );
    assert_eq!(
        refused(|p| p["spec"]["prioritizerPolicy"]["configurations"][0]["weight"] = json!(11)),
        ["\"spec.prioritizerPolicy.configurations[0].weight\" is 11: at most 10"]
    );
    assert_eq!(
        refused(|p| {
            p.as_object_mut().unwrap().remove("spec");
        }),
        ["\"spec\" is missing"]
    );
    assert_eq!(
        refused(|p| p["metadata"]["name"] = json!("Big_Name")),
        ["\"metadata.name\": \"Big_Name\" is not a valid name: a DNS-1123 subdomain has \
          lower-case letters, digits, '-' and '.', and starts and ends with a letter or digit"]
    );
    assert_eq!(refused(|p| p["kind"] = json!("Placemen")).len(), 1);
    assert_eq!(refused(|p| *p = json!([1])), ["the document is a list, not an object"]);
    assert_eq!(refused(|p| p["kind"] = json!(null)), ["\"kind\" is missing"]);
}

#[test]
fn a_slip_gets_the_word_that_was_meant() {
    let advice = |value: Value| admit(value).unwrap_err()[0].advice();
    let mut slip = placement();
    slip["spec"]["numberOfCluster"] = json!(2);
    assert_eq!(advice(slip), "did you mean \"numberOfClusters\"?");
    let mut slip = placement();
    slip["apiVersion"] = json!("cluster.open-cluster-management.io/v1");
    assert_eq!(
        advice(slip),
        "did you mean \"Placement of cluster.open-cluster-management.io/v1beta1\"?"
    );
}

#[test]
fn manifests_are_whole_objects_and_kept_as_given() {
    let work = |manifests: Value| {
        json!({
            "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork",
            "metadata": {"name": "w", "namespace": "c1"},
            "spec": {"workload": {"manifests": manifests}},
        })
    };
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
        "data": null, "big": u64::MAX, "half": 0.5, "empty": {}, "none": []});
    let Admitted { object, .. } = admit(work(json!([map]))).unwrap();
    let (typed, losses) = read::<ManifestWork>(object).unwrap();
    assert_eq!(losses, []);
    assert_eq!(write(&typed).pointer("/spec/workload/manifests/0"), Some(&map));
    let refused = admit(work(json!([{"kind": "ConfigMap"}, 7]))).unwrap_err();
    let words: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "\"spec.workload.manifests[0].apiVersion\" is missing",
            "\"spec.workload.manifests[0].metadata.name\" is missing",
            "\"spec.workload.manifests[1]\" is a number, not an object",
        ]
    );
}

#[test]
fn a_list_known_by_a_key_has_each_key_once() {
    let condition = json!({"type": "A", "status": "True", "reason": "R", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let cluster = |conditions: Value| {
        json!({"apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
            "metadata": {"name": "c1"}, "status": {"conditions": conditions}})
    };
    assert!(admit(cluster(json!([condition]))).is_ok());
    let twice = admit(cluster(json!([condition, condition]))).unwrap_err();
    assert!(matches!(&twice[0], Refusal::Invalid { path, .. } if path == "status.conditions[1]"));
    let mut bad = condition;
    bad["lastTransitionTime"] = json!("yesterday");
    let late = admit(cluster(json!([bad]))).unwrap_err();
    assert!(late[0].to_string().ends_with("it must be an RFC 3339 time"));
}

#[test]
fn what_the_hub_wrote_does_not_come_back() {
    let mut served = placement();
    served["status"] = json!({"numberOfSelectedClusters": 2});
    served["metadata"]["uid"] = json!("u");
    served["metadata"]["resourceVersion"] = json!("7");
    served["metadata"]["labels"] = json!({"a": "b"});
    strip_served(&mut served);
    let mut expected = placement();
    expected["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(served, expected);
}

#[test]
fn reading_tells_what_it_would_lose() {
    let mut value = placement();
    value["spec"]["predicates"][0]["requiredClusterSelector"]["claimSelecto"] = json!({});
    let (typed, losses) = read::<Placement>(value).unwrap();
    let path = "spec.predicates[0].requiredClusterSelector.claimSelecto";
    assert_eq!(losses, [Loss::Unknown(path.to_owned())]);
    assert_eq!(typed.empties, ["/spec/clusterSets"]);
    let mut value = placement();
    value["spec"]["numberOfClusters"] = json!(3_000_000_000_u64);
    let error = read::<Placement>(value).unwrap_err();
    assert!(error.to_string().starts_with("spec.numberOfClusters: "), "{error}");
    let error = read::<ManagedCluster>(placement()).unwrap_err();
    assert!(matches!(error, ReadError::OtherKind { field: "apiVersion", .. }));
}

#[test]
fn a_required_list_is_written_even_when_it_is_empty() {
    let decision = fleetlog_messages::placement::PlacementDecision {
        status: Some(fleetlog_messages::placement::PlacementDecisionStatus::default()),
        ..Default::default()
    };
    assert_eq!(write(&decision)["status"], json!({"decisions": []}));
}

#[test]
fn lists_with_keys_are_merged_item_by_item() {
    let schema = Schemas::built_in().get("fleetlog.registration.v1.ManagedCluster").unwrap();
    let conditions = json!([{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]);
    let mut current = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x"]},
        "status": {"conditions": conditions}, "spec": {"taints": [{"key": "a"}]}});
    let given = json!({"metadata": {"labels": {"a": "3", "b": null}, "finalizers": ["y", "x"]},
        "status": {"conditions": [{"type": "B", "status": "False"}, {"type": "C"}]},
        "spec": {"taints": [{"key": "b"}]}});
    merge(schema, &mut current, &given);
    assert_eq!(
        current,
        json!({"metadata": {"labels": {"a": "3"}, "finalizers": ["x", "y"]},
        "status": {"conditions": [{"type": "A", "status": "True"},
            {"type": "B", "status": "False"}, {"type": "C"}]},
        "spec": {"taints": [{"key": "b"}]}})
    );
    merge_patch(&mut current, &json!({"status": null}));
    assert!(current.get("status").is_none());
}

#[test]
fn one_value_has_one_canonical_text() {
    let value = json!({"b": [1, 2.5, null], "a": {"d": "\u{e9}", "c": true}});
    let text = "{\"a\":{\"c\":true,\"d\":\"\u{e9}\"},\"b\":[1,2.5,null]}";
    assert_eq!(String::from_utf8(canonical(&value)).unwrap(), text);
    assert_eq!(yaml(&to_yaml(&value)).unwrap(), [value]);
}
