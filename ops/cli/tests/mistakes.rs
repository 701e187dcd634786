//! Every mistake gets a code, a sentence and an advice; nothing is half done, and the hub goes on.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use support::{Dev, fleetlog};

const GOOD: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSet
metadata: {name: half}
spec: {}
---
";

/// A document that is wrong, and what the message has to name.
const WRONG: &[(&str, &str)] = &[
    ("a: [1, 2", ""),
    ("just a text", ""),
    ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}", "Deployment"),
    (
        "apiVersion: cluster.open-cluster-management.io/v1beta1\nkind: Placement\n\
         metadata: {name: p, namespace: team}\nspec: {numberOfCluster: 2}",
        "spec.numberOfCluster",
    ),
    (
        "apiVersion: cluster.open-cluster-management.io/v1beta1\nkind: Placement\n\
         metadata: {name: p, namespace: team}\nspec: {numberOfClusters: many}",
        "spec.numberOfClusters",
    ),
    (
        "apiVersion: cluster.open-cluster-management.io/v1beta2\nkind: ManagedClusterSet\n\
         metadata: {name: Not_A_Name}",
        "Not_A_Name",
    ),
    (
        "apiVersion: work.open-cluster-management.io/v1\nkind: ManifestWork\n\
         metadata: {name: empty, namespace: cluster1}\nspec: {workload: {manifests: []}}",
        "manifest",
    ),
];

#[test]
fn wrong_documents_are_refused_whole() {
    let dev = Dev::start(0);
    for (document, names) in WRONG {
        let said = dev.feed(&["apply", "-f", "-"], &format!("{GOOD}{document}\n")).refused();
        assert!(said.contains(names), "\"{names}\" is not named in: {said}");
        let sets = dev.run(&["get", "managedclustersets", "-o", "name"]).ok();
        assert!(!sets.contains("half"), "{document} was half applied");
    }
}

#[test]
fn a_command_over_its_bound_is_refused_with_its_size() {
    let dev = Dev::start(0);
    let text = "x".repeat(300 * 1024);
    let large = format!(
        "apiVersion: cluster.open-cluster-management.io/v1beta2\nkind: ManagedClusterSet\n\
         metadata: {{name: large, annotations: {{note: {text}}}}}\nspec: {{}}\n"
    );
    let said = dev.feed(&["apply", "-f", "-"], &large).refused();
    assert!(said.contains("262144") || said.contains("256 KiB"), "{said}");
}

#[test]
fn a_placement_without_a_bound_set_says_so_and_goes_on() {
    let dev = Dev::start(0);
    let placement = "
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: alone, namespace: unbound}
spec: {clusterSets: [nowhere]}
";
    dev.feed(&["apply", "-f", "-"], placement).ok();
    let unsatisfied = "--for=condition=PlacementSatisfied=False";
    dev.run(&["wait", "placement/alone", "-n", "unbound", unsatisfied]).ok();
}

#[test]
fn a_hub_that_is_not_there_is_said_to_be_missing() {
    let empty = tempfile::tempdir().unwrap();
    let dir = empty.path().to_str().unwrap();
    assert!(fleetlog(&["get", "mcl", "--data", dir]).refused().contains(dir));
    fleetlog(&["get", "mcl"]).refused();
    fleetlog(&["apply", "-f", "/nowhere.yaml", "--data", dir]).refused();
}

#[test]
fn a_folder_in_use_and_one_of_a_later_version_are_refused() {
    let dev = Dev::start(0);
    let dir = dev.dir().to_str().unwrap();
    let said = fleetlog(&["dev", "--clusters", "0", "--data", dir]).refused();
    assert!(said.contains(dir), "{said}");
    dev.run(&["get", "mcl"]).ok();

    let later = tempfile::tempdir().unwrap();
    let file = later.path().join("hub.json");
    std::fs::write(&file, r#"{"hubId": "x", "dataVersion": 99}"#).unwrap();
    let said = fleetlog(&["dev", "--data", later.path().to_str().unwrap()]).refused();
    assert!(said.contains("99"), "{said}");
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let said = fleetlog(&["dev", "--port", &port, "--clusters", "0", "--data", dir]).refused();
    assert!(said.contains(&port), "{said}");
}

#[test]
fn what_is_not_there_and_what_is_no_kind_is_named() {
    let dev = Dev::start(0);
    assert!(dev.run(&["get", "mcl", "nobody"]).refused().contains("nobody"));
    assert!(dev.run(&["get", "managedclutsers"]).refused().contains("managedclusters"));
    assert!(dev.run(&["delete", "mcl", "nobody"]).refused().contains("nobody"));
    assert!(dev.run(&["get", "mcl", "-l", "a b c"]).refused().contains("a b c"));
    let waited = dev.run(&["wait", "mcl/nobody", "--for=condition=X", "--timeout", "1s"]);
    assert!(waited.refused().contains("nobody"));
    dev.run(&["accept", "nobody"]).refused();
    assert_eq!(dev.run(&["get"]).code, 2);
}
