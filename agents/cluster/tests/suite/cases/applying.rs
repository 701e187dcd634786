//! What an agent does to its cluster, and what it leaves alone.

use crate::hub::until;
use crate::member::Member;
use crate::stage::{Stage, boutique, fed_back, is_well, manifests, says, strategy, well_known};
use fleetlog_messages::work::{
    DeleteOption, ManifestWorkSpec, ServerSideApplyConfig, UpdateStrategy,
};
use serde_json::json;

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
    let group = format!("{}.example.com", stage.shop);
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("widgets.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget",
                "listKind": "WidgetList" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object",
                    "properties": { "spec": open } } } }],
        },
    });
    let widget = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget",
        "metadata": { "name": "w", "namespace": stage.shop }, "spec": { "size": 1 } });
    stage.hub.want("a", &[widget, stage.namespace(), definition]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    let path = format!("/apis/{group}/v1/namespaces/{}/widgets/w", stage.shop);
    assert_eq!(stage.api.get(&path).await.unwrap()["spec"]["size"], 1);
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    assert!(stage.api.get(&path).await.is_none());
}

pub async fn a_changed_work_is_applied_and_what_it_dropped_goes(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let first = [stage.namespace(), stage.config_map("x", "1"), stage.config_map("y", "1")];
    stage.hub.want("a", &first).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.api.create(&stage.at(""), stage.config_map("theirs", "1")).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("y", "2")]).await;
    let report = stage.hub.report("a", |report| is_well(report, 2)).await;
    assert_eq!(manifests(&report).len(), 2);
    assert_eq!(stage.api.get(&stage.at("y")).await.unwrap()["data"]["key"], "2");
    assert!(stage.api.get(&stage.at("x")).await.is_none(), "what was dropped is gone");
    assert!(stage.api.get(&stage.at("theirs")).await.is_some(), "what is not ours stays");
}

pub async fn a_removed_work_leaves_nothing_behind(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    stage.hub.want("keep", &[stage.namespace(), stage.config_map("y", "1")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.hub.report("keep", |report| is_well(report, 1)).await;
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    assert!(stage.api.get(&stage.at("x")).await.is_none());
    assert!(stage.api.get(&stage.at("y")).await.is_some());
    assert_eq!(stage.records().await, 1);
}

pub async fn an_orphaned_object_stays(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let option =
        DeleteOption { propagation_policy: Some("Orphan".into()), ..DeleteOption::default() };
    let spec = ManifestWorkSpec { delete_option: Some(option), ..ManifestWorkSpec::default() };
    stage.hub.want_with("a", &[stage.namespace(), stage.config_map("x", "1")], spec).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    let object = stage.api.get(&stage.at("x")).await.unwrap();
    assert_eq!(object["metadata"].get("ownerReferences"), None);
}

pub async fn what_others_manage_is_not_taken_unless_forced(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.api.create("/api/v1/namespaces", stage.namespace()).await;
    let theirs = format!("{}?fieldManager=somebody", stage.at(""));
    stage.api.create(&theirs, stage.config_map("x", "theirs")).await;
    let apply = |force| UpdateStrategy {
        r#type: Some("ServerSideApply".into()),
        server_side_apply: Some(ServerSideApplyConfig {
            force: Some(force),
            ..ServerSideApplyConfig::default()
        }),
    };
    let both = [stage.config_map("x", "ours"), stage.config_map("y", "ours")];
    stage.hub.want_with("a", &both, strategy(apply(false))).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let condition = &manifests(&report)[0].conditions[0];
    assert!(condition.message.as_ref().unwrap().contains("conflict"), "{condition:?}");
    assert_eq!(stage.api.get(&stage.at("x")).await.unwrap()["data"]["key"], "theirs");
    assert!(stage.api.get(&stage.at("y")).await.is_some(), "one conflict blocks no other object");
    stage.hub.want_with("a", &both, strategy(apply(true))).await;
    stage.hub.report("a", |report| is_well(report, 2)).await;
    assert_eq!(stage.api.get(&stage.at("x")).await.unwrap()["data"]["key"], "ours");
}

pub async fn an_object_of_two_works_stays_with_the_second(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    for work in ["a", "b"] {
        stage.hub.want(work, &[stage.namespace(), stage.config_map("x", "1")]).await;
        stage.hub.report(work, |report| is_well(report, 1)).await;
    }
    let owners = async || {
        let object = stage.api.get(&stage.at("x")).await.unwrap();
        object["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len)
    };
    until("both works own it", async || owners().await == 2).await;
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| report.gone).await;
    assert_eq!(owners().await, 1);
    stage.hub.remove("b").await;
    stage.hub.report("b", |report| report.gone).await;
    assert!(stage.api.get(&stage.at("x")).await.is_none());
}

pub async fn what_somebody_made_anew_is_not_deleted(member: Box<dyn Member>) {
    let mut stage = Stage::connected(member).await;
    stage
        .hub
        .want("a", &[stage.namespace(), stage.config_map("x", "1"), stage.config_map("y", "1")])
        .await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.crash();
    stage.api.delete(&stage.at("x")).await;
    stage.api.create(&stage.at(""), stage.config_map("x", "theirs")).await;
    let without = [stage.namespace(), stage.config_map("y", "1")];
    stage.hub.note("a", &without, ManifestWorkSpec::default()).await;
    stage.restart();
    stage.hub.report("a", |report| is_well(report, 2)).await;
    assert_eq!(stage.api.get(&stage.at("x")).await.unwrap()["data"]["key"], "theirs");
}

pub async fn a_manifest_that_cannot_be_applied_is_told_and_blocks_no_other(
    member: Box<dyn Member>,
) {
    let stage = Stage::connected(member).await;
    let unknown = json!({ "apiVersion": "example.com/v1", "kind": "Gadget",
        "metadata": { "name": "g", "namespace": stage.shop } });
    stage.hub.want("a", &[stage.namespace(), unknown, stage.config_map("x", "1")]).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let message = manifests(&report)[1].conditions[0].message.clone().unwrap();
    assert!(message.contains("example.com/v1 Gadget"), "{message}");
    assert!(stage.api.get(&stage.at("x")).await.is_some());
}
