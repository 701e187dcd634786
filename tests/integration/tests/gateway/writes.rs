//! Creating, changing and deleting, and what is refused.

use crate::stage::{CLUSTERS, PLACEMENTS, Stage, WORKS, read, version};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn placement(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"numberOfClusters": 1}})
}

fn work(name: &str) -> Value {
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"a": "1"}, "odd": [1.5]});
    json!({"metadata": {"name": name}, "spec": {"workload": {"manifests": [manifest]}}})
}

#[tokio::test]
async fn gw040_a_name_is_generated_and_gw042_system_fields_are_the_hubs() {
    let stage = Stage::new().await;
    let given = json!({
        "metadata": {"generateName": "p-", "uid": "mine", "generation": 7,
            "creationTimestamp": "2001-01-01T00:00:00Z"},
        "spec": {}, "status": {"numberOfSelectedClusters": 5},
    });
    let answered = stage.post(PLACEMENTS, given).await;
    assert_eq!(answered.code, 201);
    let made = answered.ok();
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("p-") && name.len() == 7, "{name}");
    assert_ne!(made["metadata"]["uid"], "mine");
    assert_eq!(made["metadata"]["generation"], 1);
    assert!(made["metadata"]["creationTimestamp"].as_str().unwrap() > "2020");
    assert_ne!(made["status"]["numberOfSelectedClusters"], json!(5));
}

#[tokio::test]
async fn gw041_of_any_kind_there_is_one_of_a_name() {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let cluster = "cluster.open-cluster-management.io";
    let addon = "addon.open-cluster-management.io/v1alpha1";
    let template = json!({"addonName": "x", "agentSpec": {"workload": {"manifests": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "d"}},
    ]}}});
    let kinds = [
        (format!("/apis/{cluster}/v1beta2/managedclustersets"), json!({"metadata": {"name": "s"}})),
        (
            format!("/apis/{cluster}/v1beta2/namespaces/t/managedclustersetbindings"),
            json!({"metadata": {"name": "s"}, "spec": {"clusterSet": "s"}}),
        ),
        (PLACEMENTS.to_owned(), placement("p")),
        (WORKS.to_owned(), work("w")),
        (
            format!("/apis/{addon}/clustermanagementaddons"),
            json!({"metadata": {"name": "x"}, "spec": {}}),
        ),
        (
            format!("/apis/{addon}/addontemplates"),
            json!({"metadata": {"name": "x"}, "spec": template}),
        ),
        (
            format!("/apis/{addon}/namespaces/c1/managedclusteraddons"),
            json!({"metadata": {"name": "x"}}),
        ),
    ];
    for (path, object) in kinds {
        stage.post(&path, object.clone()).await.ok();
        let again = stage.post(&path, object).await;
        assert_eq!(again.refused(), (409, "AlreadyExists"), "{path}");
    }
    let many = join_all((0..8).map(|_| stage.post(PLACEMENTS, placement("at-once")))).await;
    let created = many.iter().filter(|answered| answered.code == 201).count();
    assert_eq!(created, 1, "of eight at once, one");
}

#[tokio::test]
async fn gw045_of_two_puts_at_one_version_one_is_a_conflict() {
    let stage = Stage::new().await;
    let made = stage.post(PLACEMENTS, placement("p")).await.ok();
    let path = format!("{PLACEMENTS}/p");
    let mut other = made.clone();
    other["spec"]["numberOfClusters"] = json!(2);
    let mut third = made.clone();
    third["spec"]["numberOfClusters"] = json!(3);
    let current = stage.get(&path).await.ok();
    for object in [&mut other, &mut third] {
        object["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
    }
    let (a, b) = futures::join!(stage.put(&path, other), stage.put(&path, third));
    let codes = BTreeSet::from([a.code, b.code]);
    assert_eq!(codes, BTreeSet::from([200, 409]));
    let refused = if a.code == 409 { a } else { b };
    let words = "Operation cannot be fulfilled on placements.cluster.open-cluster-management.io \
        \"p\": the object has been modified; please apply your changes to the latest version and \
        try again";
    assert_eq!(refused.body["message"], words);
    let absent = stage.put(&format!("{PLACEMENTS}/q"), placement("q")).await;
    assert_eq!(absent.refused(), (404, "NotFound"));
}

#[tokio::test]
async fn gw047_the_generation_moves_with_the_spec_and_what_is_equal_is_not_written() {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let path = format!("{CLUSTERS}/c1");
    let before = stage.get(&path).await.ok();
    let same = stage.put(&path, before.clone()).await.ok();
    assert_eq!(version(&same), version(&before));
    let mut labelled = before.clone();
    labelled["metadata"]["labels"]["x"] = json!("y");
    let labelled = stage.put(&path, labelled).await.ok();
    assert_eq!(labelled["metadata"]["generation"], before["metadata"]["generation"]);
    assert_ne!(version(&labelled), version(&before));
    let spec = json!({"spec": {"leaseDurationSeconds": 30}});
    let changed = stage.patch(&path, spec).await.ok();
    let generation = |object: &Value| object["metadata"]["generation"].as_i64().unwrap();
    assert_eq!(generation(&changed), generation(&before) + 1);
    assert_eq!(changed["metadata"]["labels"]["x"], "y");
}

#[tokio::test]
async fn gw050_a_merge_patch_accepts_a_cluster() {
    let stage = Stage::new().await;
    stage.post(CLUSTERS, json!({"metadata": {"name": "c1"}})).await.ok();
    let path = format!("{CLUSTERS}/c1");
    let patch = json!({"spec": {"hubAcceptsClient": true}});
    let accepted = stage.patch(&path, patch).await.ok();
    assert_eq!(accepted["spec"]["hubAcceptsClient"], true);
    let conditions = accepted["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["type"] == "HubAcceptedManagedCluster"));
    let removed = stage.patch(&path, json!({"metadata": {"labels": null}, "x": 1})).await;
    assert_eq!(removed.headers["warning"], "299 - \"unknown field \\\"x\\\"\"");
    assert_eq!(removed.code, 200);
}

#[tokio::test]
async fn gw057_a_dry_run_checks_all_and_writes_nothing() {
    let stage = Stage::new().await;
    let end = version(&stage.get(PLACEMENTS).await.ok()).to_owned();
    let made = stage.post(&format!("{PLACEMENTS}?dryRun=All"), placement("p")).await;
    assert_eq!((made.code, &made.body["spec"]["numberOfClusters"]), (201, &json!(1)));
    let wrong = json!({"metadata": {"name": "p"}, "spec": {"numberOfClusters": "x"}});
    assert_eq!(stage.post(&format!("{PLACEMENTS}?dryRun=All"), wrong).await.code, 422);
    assert_eq!(version(&stage.get(PLACEMENTS).await.ok()), end);
    stage.post(PLACEMENTS, placement("p")).await.ok();
    let path = format!("{PLACEMENTS}/p?dryRun=All");
    let patched = stage.patch(&path, json!({"spec": {"numberOfClusters": 9}})).await.ok();
    assert_eq!(patched["spec"]["numberOfClusters"], 9);
    stage.delete(&path, Value::Null).await.ok();
    // kubectl says it in the body.
    let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]});
    stage.delete(&format!("{PLACEMENTS}/p"), body.clone()).await.ok();
    stage.delete(PLACEMENTS, body).await.ok();
    let orphan = json!({"propagationPolicy": "Orphan"});
    assert_eq!(stage.delete(&format!("{PLACEMENTS}/p"), orphan).await.code, 422);
    let there = stage.get(&format!("{PLACEMENTS}/p")).await.ok();
    assert_eq!(there["spec"]["numberOfClusters"], 1);
}

#[tokio::test]
async fn gw059_manifests_come_back_as_they_were_given() {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let given = work("w");
    let made = stage.post(WORKS, given.clone()).await.ok();
    assert_eq!(made["spec"]["workload"], given["spec"]["workload"]);
    let again = stage.get(&format!("{WORKS}/w")).await.ok();
    assert_eq!(again["spec"]["workload"], given["spec"]["workload"]);
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    let labelled = stage.patch(&format!("{WORKS}/w"), patch).await.ok();
    assert_eq!(labelled["spec"]["workload"], given["spec"]["workload"]);
}

#[tokio::test]
async fn gw073_what_is_deleted_is_gone() {
    let stage = Stage::new().await;
    let first = stage.post(PLACEMENTS, placement("p")).await.ok();
    let path = format!("{PLACEMENTS}/p");
    let right = json!({"preconditions": {"uid": first["metadata"]["uid"]}});
    let gone = stage.delete(&path, right).await.ok();
    assert_eq!(
        (&gone["status"], &gone["details"]["kind"]),
        (&json!("Success"), &json!("placements"))
    );
    assert_eq!(gone["details"]["uid"], first["metadata"]["uid"]);
    assert_eq!(stage.get(&path).await.refused(), (404, "NotFound"));
    assert_eq!(stage.delete(&path, Value::Null).await.refused(), (404, "NotFound"));
    let second = stage.post(PLACEMENTS, placement("p")).await.ok();
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
}

#[tokio::test]
async fn gw075_another_incarnation_is_spared() {
    let stage = Stage::new().await;
    stage.post(PLACEMENTS, placement("p")).await.ok();
    let path = format!("{PLACEMENTS}/p");
    let wrong = json!({"preconditions": {"uid": "other"}});
    assert_eq!(stage.delete(&path, wrong).await.refused(), (409, "Conflict"));
    assert_eq!(stage.get(&path).await.code, 200);
}

#[tokio::test]
async fn gw077_a_collection_is_deleted_by_selector() {
    let stage = Stage::new().await;
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut object = placement(name);
        object["metadata"]["labels"] = json!({"l": label});
        stage.post(PLACEMENTS, object).await.ok();
    }
    let gone = stage.delete(&format!("{PLACEMENTS}?labelSelector=l%3Dx"), Value::Null).await.ok();
    assert_eq!(gone["items"].as_array().unwrap().len(), 2);
    let left = stage.get(PLACEMENTS).await.ok();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(left["items"][0]["metadata"]["name"], "b");
}

#[tokio::test]
async fn gw111_a_deciders_refusal_is_told_with_its_code_and_advice() {
    let stage = Stage::new().await;
    let path = "/apis/cluster.open-cluster-management.io/v1beta2/namespaces/t/\
                managedclustersetbindings";
    let object = json!({"metadata": {"name": "x"}, "spec": {"clusterSet": "y"}});
    let refused = stage.post(path, object).await;
    assert_eq!(refused.refused(), (422, "Invalid"), "{refused:?}");
    let cause = &refused.body["details"]["causes"][0];
    assert!(cause["field"].as_str().unwrap().starts_with("REG"), "{cause}");
    assert!(!cause["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_patch_and_a_status_that_the_hub_writes_alone_is_refused() {
    let stage = Stage::new().await;
    stage.post(PLACEMENTS, placement("p")).await.ok();
    let headers = [("content-type", "application/strategic-merge-patch+json")];
    let path = format!("{PLACEMENTS}/p");
    let strategic = read(stage.send("PATCH", &path, &headers, json!({})).await).await;
    assert_eq!(strategic.refused(), (415, "UnsupportedMediaType"));
    assert_eq!(stage.patch(&format!("{path}/status"), json!({})).await.code, 405);
}

#[tokio::test]
async fn what_lies_in_all_namespaces_is_not_deleted_together() {
    let stage = Stage::new().await;
    let all = "/apis/work.open-cluster-management.io/v1/manifestworks";
    assert_eq!(stage.delete(all, Value::Null).await.code, 405);
    let odd = "/apis/cluster.open-cluster-management.io/v1/namespaces/t/managedclusters";
    assert_eq!(stage.get(odd).await.code, 404);
}

#[tokio::test]
async fn gw067_ocm_kinds_are_not_taken_as_protobuf() {
    let stage = Stage::new().await;
    let headers = [("content-type", "application/vnd.kubernetes.protobuf")];
    let protobuf = read(stage.send("POST", PLACEMENTS, &headers, json!({})).await).await;
    assert_eq!(protobuf.code, 415);
}

#[tokio::test]
async fn gw056_an_absent_object_cannot_be_patched() {
    let stage = Stage::new().await;
    let absent = stage.patch(&format!("{CLUSTERS}/c9"), json!({"spec": {}})).await;
    assert_eq!(absent.refused(), (404, "NotFound"));
}
