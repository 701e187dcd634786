//! What an agent keeps, over drift, restarts and a hub that is away.

use crate::hub::until;
use crate::member::Member;
use crate::stage::{Stage, is_well};
use fleetlog_agent_core::Record;
use fleetlog_messages::work::ManifestWorkSpec;
use nkeys::KeyPair;
use serde_json::json;

fn record(stage: &Stage, work: &str) -> String {
    let name = Record::name(&stage.hub.hash(), work);
    format!("/apis/work.open-cluster-management.io/v1/appliedmanifestworks/{name}")
}

pub async fn a_record_names_what_was_made(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.hub.want("a", &[stage.config_map("x", "1"), stage.namespace()]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    let record = stage.api.get(&record(&stage, "a")).await.unwrap();
    assert_eq!(record["spec"]["hubHash"], stage.hub.hash());
    assert_eq!(record["spec"]["manifestWorkName"], "a");
    let object = stage.api.get(&stage.at("x")).await.unwrap();
    let made = record["status"]["appliedResources"].as_array().unwrap();
    let names: Vec<_> = made.iter().map(|made| (&made["resource"], &made["name"])).collect();
    assert_eq!(
        names,
        [(&json!("configmaps"), &json!("x")), (&json!("namespaces"), &json!(stage.shop))]
    );
    assert_eq!(made[0]["uid"], object["metadata"]["uid"]);
    let owner = &object["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], record["metadata"]["uid"]);
}

pub async fn a_restart_resumes_where_it_stopped(member: Box<dyn Member>) {
    let mut stage = Stage::connected(member).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    stage.hub.want("b", &[stage.namespace(), stage.config_map("y", "1")]).await;
    for work in ["a", "b"] {
        stage.hub.report(work, |report| is_well(report, 1)).await;
    }
    let before = stage.api.get(&stage.at("y")).await.unwrap();
    stage.crash();
    // While it is away one work goes, and nobody ever hears of it again.
    stage.hub.drop_silently("a");
    stage.hub.note("c", &[stage.config_map("z", "1")], ManifestWorkSpec::default()).await;
    stage.restart();
    stage.hub.report("a", |report| report.gone).await;
    stage.hub.report("c", |report| is_well(report, 1)).await;
    assert!(
        stage.api.get(&stage.at("x")).await.is_none()
            && stage.api.get(&record(&stage, "a")).await.is_none()
    );
    let after = stage.api.get(&stage.at("y")).await.unwrap();
    assert_eq!(before, after, "what was as wanted is not written again");
}

pub async fn drift_is_repaired(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage
        .hub
        .want("a", &[stage.namespace(), stage.config_map("x", "1"), stage.config_map("y", "1")])
        .await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.api.merge(&stage.at("x"), json!({ "data": { "key": "edited", "more": "theirs" } })).await;
    stage.api.delete(&stage.at("y")).await;
    let value = async |name: &str| {
        let object = stage.api.get(&stage.at(name)).await.unwrap_or_default();
        object["data"].clone()
    };
    until("the edit is undone", async || value("x").await["key"] == "1").await;
    until("the object is back", async || value("y").await["key"] == "1").await;
    assert_eq!(value("x").await["more"], "theirs", "what we do not want is not ours to remove");
}

pub async fn what_is_not_signed_or_older_is_ignored(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let old = stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "old")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "new")]).await;
    stage.hub.report("a", |report| is_well(report, 2)).await;
    stage.hub.publish(&old).await;
    let mut forged = old.clone();
    forged.generation = 1_000_000;
    stage.hub.publish_signed_by(&KeyPair::new_account(), &forged).await;
    // What comes after both shows that both were passed over.
    stage.hub.want("after", &[stage.config_map("y", "1")]).await;
    stage.hub.report("after", |report| is_well(report, 1)).await;
    assert_eq!(stage.api.get(&stage.at("x")).await.unwrap()["data"]["key"], "new");
}

pub async fn nothing_is_removed_because_the_hub_is_away(member: Box<dyn Member>) {
    let mut stage = Stage::connected(member).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.gate.close();
    stage.hub.drop_silently("a");
    stage.restart();
    tokio::time::timeout(stage.times.long, stage.agent.connected()).await.unwrap_err();
    assert!(stage.api.get(&stage.at("x")).await.is_some());
    stage.gate.open();
    stage.hub.report("a", |report| report.gone).await;
    assert!(stage.api.get(&stage.at("x")).await.is_none());
}
