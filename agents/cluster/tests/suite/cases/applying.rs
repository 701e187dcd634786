//! What an agent does to its cluster, and what it leaves alone.

use crate::hub::until;
use crate::member::Member;
use crate::stage::{
    Stage, at, boutique, config_map, fed_back, is_well, manifests, namespace, says, strategy,
    well_known,
};
use fleetlog_messages::work::{
    DeleteOption, ManifestWorkSpec, ServerSideApplyConfig, UpdateStrategy,
};
use serde_json::json;

const SHOP: &str = "/api/v1/namespaces/shop";

pub async fn the_story_is_applied_and_fed_back(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let objects = boutique();
    assert_eq!(objects.len(), 35);
    stage.hub.want_with("boutique", &objects, well_known()).await;
    let report = stage.hub.report("boutique", |report| is_well(report, 1)).await;
    assert_eq!(manifests(&report).len(), 35);
    let all = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(stage.api.count(all).await, 12);
    let names: Vec<String> = objects
        .iter()
        .filter(|object| object["kind"] == "Deployment")
        .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    // Where no controller runs, somebody has to play it.
    let ready = json!({ "status": {
        "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
        "availableReplicas": 1,
    }});
    for name in &names {
        stage.api.merge(&format!("{all}/{name}/status"), ready.clone()).await;
    }
    let is_ready =
        |report: &_| names.iter().all(|name| fed_back(report, name, "ReadyReplicas") == Some(1));
    let report = stage.hub.report("boutique", is_ready).await;
    assert!(is_well(&report, 1));
}

pub async fn custom_objects_follow_their_definition(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget",
                "listKind": "WidgetList" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object",
                    "properties": { "spec": open } } } }],
        },
    });
    let widget = json!({ "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": { "name": "w", "namespace": "shop" }, "spec": { "size": 1 } });
    stage.hub.want("a", &[widget, namespace("shop"), definition]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    let path = "/apis/example.com/v1/namespaces/shop/widgets/w";
    assert_eq!(stage.api.get(path).await.unwrap()["spec"]["size"], 1);
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    assert!(stage.api.get(path).await.is_none());
}

pub async fn a_changed_work_is_applied_and_what_it_dropped_goes(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let first = [namespace("shop"), config_map("x", "1"), config_map("y", "1")];
    stage.hub.want("a", &first).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.api.create(&format!("{SHOP}/configmaps"), config_map("theirs", "1")).await;
    stage.hub.want("a", &[namespace("shop"), config_map("y", "2")]).await;
    let report = stage.hub.report("a", |report| is_well(report, 2)).await;
    assert_eq!(manifests(&report).len(), 2);
    assert_eq!(stage.api.get(&at("y")).await.unwrap()["data"]["key"], "2");
    assert!(stage.api.get(&at("x")).await.is_none(), "what was dropped is gone");
    assert!(stage.api.get(&at("theirs")).await.is_some(), "what is not ours stays");
}

pub async fn a_removed_work_leaves_nothing_behind(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.hub.want("a", &[namespace("shop"), config_map("x", "1")]).await;
    stage.hub.want("keep", &[namespace("shop"), config_map("y", "1")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.hub.report("keep", |report| is_well(report, 1)).await;
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    assert!(stage.api.get(&at("x")).await.is_none());
    assert!(stage.api.get(&at("y")).await.is_some());
    let records = "/apis/work.open-cluster-management.io/v1/appliedmanifestworks";
    assert_eq!(stage.api.count(records).await, 1);
}

pub async fn an_orphaned_object_stays(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let option =
        DeleteOption { propagation_policy: Some("Orphan".into()), ..DeleteOption::default() };
    let spec = ManifestWorkSpec { delete_option: Some(option), ..ManifestWorkSpec::default() };
    stage.hub.want_with("a", &[namespace("shop"), config_map("x", "1")], spec).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    let object = stage.api.get(&at("x")).await.unwrap();
    assert_eq!(object["metadata"].get("ownerReferences"), None);
}

pub async fn what_others_manage_is_not_taken_unless_forced(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.api.create("/api/v1/namespaces", namespace("shop")).await;
    let theirs = format!("{SHOP}/configmaps?fieldManager=somebody");
    stage.api.create(&theirs, config_map("x", "theirs")).await;
    let apply = |force| UpdateStrategy {
        r#type: Some("ServerSideApply".into()),
        server_side_apply: Some(ServerSideApplyConfig {
            force: Some(force),
            ..ServerSideApplyConfig::default()
        }),
    };
    let both = [config_map("x", "ours"), config_map("y", "ours")];
    stage.hub.want_with("a", &both, strategy(apply(false))).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let condition = &manifests(&report)[0].conditions[0];
    assert!(condition.message.as_ref().unwrap().contains("conflict"), "{condition:?}");
    assert_eq!(stage.api.get(&at("x")).await.unwrap()["data"]["key"], "theirs");
    assert!(stage.api.get(&at("y")).await.is_some(), "one conflict blocks no other object");
    stage.hub.want_with("a", &both, strategy(apply(true))).await;
    stage.hub.report("a", |report| is_well(report, 2)).await;
    assert_eq!(stage.api.get(&at("x")).await.unwrap()["data"]["key"], "ours");
}

pub async fn an_object_of_two_works_stays_with_the_second(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    for work in ["a", "b"] {
        stage.hub.want(work, &[namespace("shop"), config_map("x", "1")]).await;
        stage.hub.report(work, |report| is_well(report, 1)).await;
    }
    let owners = async || {
        let object = stage.api.get(&at("x")).await.unwrap();
        object["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len)
    };
    until("both works own it", async || owners().await == 2).await;
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    assert_eq!(owners().await, 1);
    stage.hub.remove("b").await;
    stage.hub.report("b", |report| report.gone).await;
    assert!(stage.api.get(&at("x")).await.is_none());
}

pub async fn what_somebody_made_anew_is_not_deleted(member: Box<dyn Member>) {
    let mut stage = Stage::connected(member).await;
    stage.hub.want("a", &[namespace("shop"), config_map("x", "1"), config_map("y", "1")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.crash();
    stage.api.delete(&at("x")).await;
    stage.api.create(&format!("{SHOP}/configmaps"), config_map("x", "theirs")).await;
    let without = [namespace("shop"), config_map("y", "1")];
    stage.hub.note("a", &without, ManifestWorkSpec::default()).await;
    stage.restart();
    stage.hub.report("a", |report| is_well(report, 2)).await;
    assert_eq!(stage.api.get(&at("x")).await.unwrap()["data"]["key"], "theirs");
}

pub async fn a_manifest_that_cannot_be_applied_is_told_and_blocks_no_other(
    member: Box<dyn Member>,
) {
    let stage = Stage::connected(member).await;
    let unknown = json!({ "apiVersion": "example.com/v1", "kind": "Gadget",
        "metadata": { "name": "g", "namespace": "shop" } });
    stage.hub.want("a", &[namespace("shop"), unknown, config_map("x", "1")]).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let message = manifests(&report)[1].conditions[0].message.clone().unwrap();
    assert!(message.contains("example.com/v1 Gadget"), "{message}");
    assert!(stage.api.get(&at("x")).await.is_some());
}
