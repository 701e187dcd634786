//! What the member does not take, or does not let go: it is told in its words, and stops nothing.

use crate::hub::until;
use crate::member::Member;
use crate::stage::{Stage, is_well, manifests, says};
use fleetlog_messages::work::ReportWork;
use serde_json::{Value, json};

/// What is said of one manifest's application.
fn said(report: &ReportWork, at: usize) -> String {
    manifests(report)[at].conditions[0].message.clone().unwrap_or_default()
}

/// What is said of a work by one of its own conditions.
fn told(report: &ReportWork, kind: &str) -> String {
    let conditions = report.status.clone().unwrap_or_default().conditions;
    let found = conditions.into_iter().find(|c| c.r#type.as_deref() == Some(kind));
    found.and_then(|condition| condition.message).unwrap_or_default()
}

pub async fn a_manifest_that_the_server_rejects_is_told_in_its_words(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let mut bad = stage.config_map("x", "1");
    bad["metadata"]["name"] = json!("Not_A_Name");
    stage.hub.want("a", &[stage.namespace(), bad, stage.config_map("y", "1")]).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let words = said(&report, 1);
    assert!(words.contains("ConfigMap \"Not_A_Name\" is invalid: metadata.name"), "{words}");
    assert!(stage.api.get(&stage.at("y")).await.is_some());
    stage.hub.want("a", &[stage.namespace(), stage.config_map("y", "1")]).await;
    stage.hub.report("a", |report| is_well(report, 2)).await;
}

pub async fn a_namespace_that_is_terminating_holds_up_only_what_is_in_it(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.api.create("/api/v1/namespaces", stage.namespace()).await;
    let mut held = stage.config_map("held", "1");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    stage.api.create(&stage.at(""), held).await;
    stage.api.delete(&format!("/api/v1/namespaces/{}", stage.shop)).await;
    let mut elsewhere = stage.config_map(&stage.shop, "1");
    elsewhere["metadata"]["namespace"] = json!("default");
    stage.hub.want("a", &[stage.config_map("x", "1"), elsewhere.clone()]).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let words = said(&report, 0);
    assert!(words.contains("because it is being terminated"), "{words}");
    let path = format!("/api/v1/namespaces/default/configmaps/{}", stage.shop);
    assert!(stage.api.get(&path).await.is_some(), "what lies elsewhere is applied");
    // Once it is gone, it is made anew with what belongs into it.
    let free = json!({ "metadata": { "finalizers": null } });
    stage.api.merge(&stage.at("held"), free).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1"), elsewhere]).await;
    stage.hub.report("a", |report| is_well(report, 2)).await;
    assert!(stage.api.get(&stage.at("x")).await.is_some());
}

pub async fn what_keeps_a_removed_work_is_named(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let all = [stage.namespace(), stage.config_map("x", "1"), stage.config_map("y", "1")];
    stage.hub.want("a", &all).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    let hold = json!({ "metadata": { "finalizers": ["example.com/hold"] } });
    stage.api.merge(&stage.at("x"), hold).await;
    // First it is dropped, then the whole work goes.
    stage.hub.want("a", &[stage.namespace(), stage.config_map("y", "1")]).await;
    let names_it = |words: &str| {
        words.contains(&format!("configmaps {}/x", stage.shop))
            && words.contains("waits for its finalizers \"example.com/hold\"")
    };
    let dropped = |report: &ReportWork| names_it(&told(report, "Applied"));
    stage.hub.report("a", |report| is_well(report, 2) && dropped(report)).await;
    stage.hub.remove("a").await;
    stage.hub.report("a", |report| names_it(&told(report, "Deleting"))).await;
    assert!(stage.api.get(&stage.at("y")).await.is_none(), "it holds up no other");
    stage.api.merge(&stage.at("x"), json!({ "metadata": { "finalizers": null } })).await;
    stage.hub.report("a", |report| report.gone).await;
    until("the record is gone", async || stage.records().await == 0).await;
}

pub async fn a_definition_that_is_never_established_holds_up_only_its_own(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let group = format!("{}.example.com", stage.shop);
    let definition = |plural: &str| -> Value {
        let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": { "kind": "Widget", "plural": plural, "singular": plural,
                    "listKind": "WidgetList" },
                "versions": [{ "name": "v1", "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": { "type": "object",
                        "properties": { "spec": open } } } }],
            },
        })
    };
    stage.hub.want("first", &[definition("widgets")]).await;
    stage.hub.report("first", |report| is_well(report, 1)).await;
    // Another one of the same kind: its name is taken.
    let manifests = [definition("gadgets"), stage.namespace(), stage.config_map("x", "1")];
    stage.hub.want("a", &manifests).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let words = said(&report, 0);
    assert!(words.contains("is not established") && words.contains("already in use"), "{words}");
    assert!(stage.api.get(&stage.at("x")).await.is_some());
    // When the name is free again, it is taken up.
    stage.hub.remove("first").await;
    stage.hub.report("first", |report| report.gone).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
}

pub async fn an_object_of_somebody_else_keeps_its_owner(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.api.create("/api/v1/namespaces", stage.namespace()).await;
    let owner = stage.api.create(&stage.at(""), stage.config_map("owner", "1")).await;
    let mut theirs = stage.config_map("x", "theirs");
    theirs["metadata"]["ownerReferences"] = json!([{ "apiVersion": "v1", "kind": "ConfigMap",
        "name": "owner", "uid": owner["metadata"]["uid"] }]);
    stage.api.create(&format!("{}?fieldManager=somebody", stage.at("")), theirs).await;
    stage.hub.want("a", &[stage.config_map("x", "ours")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    let object = stage.api.get(&stage.at("x")).await.unwrap();
    let owners = object["metadata"]["ownerReferences"].as_array().unwrap();
    let kinds: Vec<&Value> = owners.iter().map(|owner| &owner["kind"]).collect();
    assert_eq!((kinds.len(), &object["data"]["key"]), (2, &json!("ours")));
    assert!(kinds.contains(&&json!("ConfigMap")), "{kinds:?}");
}
