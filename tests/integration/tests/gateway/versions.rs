//! Kinds that are served in several versions: each is a view of one object.

use crate::stage::{Stage, Watching, version};
use serde_json::{Value, json};

const GROUP: &str = "addon.open-cluster-management.io";
const OLDER: &str = "/apis/addon.open-cluster-management.io/v1alpha1";
const NEWER: &str = "/apis/addon.open-cluster-management.io/v1beta1";
const INSTALL_NAMESPACE: &str = "addon.open-cluster-management.io/v1alpha1-install-namespace";
const RUNS_IN: &str = "open-cluster-management-agent-addon";

async fn watch(stage: &Stage, path: &str, from: &str) -> Watching {
    let path = format!("{path}?watch=true&resourceVersion={from}");
    Watching::of(stage.send("GET", &path, &[], Value::Null).await)
}

/// What a watch tells once it tells of a label.
async fn labelled(watching: &mut Watching, label: &str) -> Value {
    loop {
        let (_, _, object) = watching.event().await;
        if object["metadata"]["labels"]["l"] == label {
            return object;
        }
    }
}

#[tokio::test]
async fn gw063_an_add_on_is_the_same_in_both_versions() {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let definition = json!({"metadata": {"name": "a"}, "spec": {
        "addOnConfiguration": {"crName": "old"},
        "supportedConfigs": [{"group": GROUP, "resource": "addontemplates"}],
    }});
    let definitions = |version: &str| format!("{version}/clustermanagementaddons");
    let made = stage.post(&definitions(OLDER), definition).await.ok();
    let newer = format!("{}/a", definitions(NEWER));
    let seen = stage.get(&newer).await.ok();
    assert_eq!(seen["apiVersion"], "addon.open-cluster-management.io/v1beta1");
    let none = "__reserved_no_default__";
    let wanted = json!([{"group": GROUP, "resource": "addontemplates", "name": none}]);
    assert_eq!(seen["spec"]["defaultConfigs"], wanted);
    assert_eq!(seen["metadata"]["uid"], made["metadata"]["uid"]);
    let same = stage.put(&newer, seen.clone()).await.ok();
    assert_eq!(version(&same), version(&seen), "what is written back as it was changes nothing");
    let mut old = watch(&stage, &definitions(OLDER), version(&seen)).await;
    let mut new = watch(&stage, &definitions(NEWER), version(&seen)).await;
    let patch = json!({"metadata": {"labels": {"l": "x"}}, "spec": {"defaultConfigs": null}});
    let patched = stage.patch(&newer, patch).await.ok();
    assert_eq!(patched["spec"].get("defaultConfigs"), None);
    let (old, new) = (labelled(&mut old, "x").await, labelled(&mut new, "x").await);
    assert_eq!((version(&old), version(&new)), (version(&patched), version(&patched)));
    assert_eq!(old["apiVersion"], "addon.open-cluster-management.io/v1alpha1");
    assert_eq!(new["apiVersion"], "addon.open-cluster-management.io/v1beta1");
    assert_eq!(old["spec"]["addOnConfiguration"], json!({"crName": "old"}));
    assert_eq!(old["spec"].get("supportedConfigs"), None);

    let add_ons = |version: &str| format!("{version}/namespaces/c1/managedclusteraddons");
    let add_on = json!({"metadata": {"name": "a"}});
    let made = stage.post(&add_ons(NEWER), add_on).await.ok();
    assert_eq!((&made["kind"], &made["spec"]), (&json!("ManagedClusterAddOn"), &json!({})));
    let named = json!({"metadata": {"annotations": {INSTALL_NAMESPACE: RUNS_IN}}});
    stage.patch(&format!("{}/a", add_ons(NEWER)), named).await.ok();
    let older = stage.get(&format!("{}/a", add_ons(OLDER))).await.ok();
    assert_eq!(older["spec"]["installNamespace"], RUNS_IN);
    assert_eq!(older["metadata"]["annotations"].get(INSTALL_NAMESPACE), None);
    let list = stage.get(&add_ons(NEWER)).await.ok();
    assert_eq!(list["apiVersion"], "addon.open-cluster-management.io/v1beta1");
    assert_eq!(list["items"][0]["metadata"]["annotations"][INSTALL_NAMESPACE], RUNS_IN);
    stage.delete(&format!("{}/a", add_ons(NEWER)), Value::Null).await.ok();
    let gone = stage.get(&format!("{}/a", add_ons(OLDER))).await;
    assert!(gone.code == 404 || !gone.body["metadata"]["deletionTimestamp"].is_null());
}

#[tokio::test]
async fn gw063_each_version_has_its_own_columns_fields_and_explanation() {
    let stage = Stage::new().await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let heads = async |path: String| {
        let body = stage.get_as(&path, table).await.ok();
        let heads = body["columnDefinitions"].as_array().unwrap().iter();
        heads.map(|head| head["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(heads(format!("{NEWER}/clustermanagementaddons")).await, ["Name", "Display Name"]);
    assert!(heads(format!("{OLDER}/clustermanagementaddons")).await.len() > 2);
    let strange = json!({"metadata": {"name": "a"}, "spec": {"supportedConfigs": []}});
    let path = format!("{NEWER}/clustermanagementaddons?fieldValidation=Strict");
    let refused = stage.post(&path, strange).await;
    assert_eq!(refused.code, 400, "{refused:?}");
    assert!(refused.body["message"].as_str().unwrap().contains("spec.supportedConfigs"));
    for (place, field) in [("v1beta1", "defaultConfigs"), ("v1alpha1", "supportedConfigs")] {
        let path = format!("/openapi/v3/apis/addon.open-cluster-management.io/{place}");
        let schemas = stage.get(&path).await.ok()["components"]["schemas"].clone();
        let has = |schema: &Value| schema["properties"].get(field).is_some();
        assert!(schemas.as_object().unwrap().values().any(has), "{place}");
    }
}

#[tokio::test]
async fn gw063_plain_configurations_are_kept_once() {
    let stage = Stage::new().await;
    let configs = |version: &str| format!("{version}/namespaces/t/addondeploymentconfigs");
    let config = json!({"metadata": {"name": "c"}, "spec": {"agentInstallNamespace": "n"}});
    let made = stage.post(&configs(NEWER), config.clone()).await.ok();
    let again = stage.post(&configs(OLDER), config).await;
    assert_eq!(again.refused(), (409, "AlreadyExists"));
    let mut older = stage.get(&format!("{}/c", configs(OLDER))).await.ok();
    assert_eq!(version(&older), version(&made));
    older["spec"]["registries"] = json!([{"mirror": "m"}]);
    let put = stage.put(&format!("{}/c", configs(OLDER)), older).await.ok();
    let newer = stage.get(&format!("{}/c", configs(NEWER))).await.ok();
    assert_eq!(version(&newer), version(&put));
    assert_eq!(newer["spec"], put["spec"]);
    let stale = stage.put(&format!("{}/c", configs(NEWER)), made).await;
    assert_eq!(stale.refused(), (409, "Conflict"));
    let deleted = stage.delete(&configs(NEWER), Value::Null).await.ok();
    assert_eq!(deleted["items"][0]["apiVersion"], newer["apiVersion"]);
}
