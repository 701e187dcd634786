//! Definitions of kinds: those of the hub are there, whoever writes them; and what tools for tests
//! do with them before they begin.

use crate::stage::{CLUSTERS, Stage, read, request, version};
use fleetlog_gateway::Caller;
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CLUSTERS_OF: &str = "managedclusters.cluster.open-cluster-management.io";

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let all = object["status"]["conditions"].as_array().unwrap();
    all.iter().find(|condition| condition["type"] == kind).unwrap()
}

/// What a file would say: another description, and a webhook for conversions.
fn of_a_file(found: &Value) -> Value {
    let mut spec = found["spec"].clone();
    spec["versions"][0]["schema"]["openAPIV3Schema"]["description"] = json!("from a file");
    spec["conversion"] = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/convert"},
    }});
    let name = &found["metadata"]["name"];
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "creationTimestamp": null}, "spec": spec,
        "status": {"conditions": null, "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": null},
    })
}

#[tokio::test]
async fn every_kind_of_the_hub_has_an_established_definition() {
    let stage = Stage::new().await;
    let list = stage.get(DEFINITIONS).await.ok();
    let all = list["items"].as_array().unwrap();
    assert_eq!(all.len(), 12);
    for definition in all {
        let name = definition["metadata"]["name"].as_str().unwrap();
        for (kind, reason) in
            [("NamesAccepted", "NoConflicts"), ("Established", "InitialNamesAccepted")]
        {
            let condition = condition(definition, kind);
            assert_eq!(condition["status"], "True", "{name}");
            assert_eq!(condition["reason"], reason, "{name}");
        }
        let spec = &definition["spec"];
        assert_eq!(definition["status"]["acceptedNames"], spec["names"], "{name}");
        let versions = spec["versions"].as_array().unwrap();
        let stored = versions.iter().filter(|version| version["storage"] == true);
        let stored: Vec<&Value> = stored.map(|version| &version["name"]).collect();
        assert_eq!(definition["status"]["storedVersions"], json!(stored), "{name}");
    }
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let table = stage.get_as(&format!("{DEFINITIONS}/{CLUSTERS_OF}"), table).await.ok();
    assert_eq!(table["columnDefinitions"][1]["name"], "Created At");
    let created = table["rows"][0]["cells"][1].as_str().unwrap();
    assert!(created.starts_with("20") && created.ends_with('Z'), "{created}");
}

#[tokio::test]
async fn definitions_are_put_as_tools_for_tests_put_them_and_the_kinds_go_on() {
    let stage = Stage::new().await;
    let all = stage.get(DEFINITIONS).await.ok()["items"].clone();
    for found in all.as_array().unwrap() {
        let path = format!("{DEFINITIONS}/{}", found["metadata"]["name"].as_str().unwrap());
        let mut file = of_a_file(found);
        assert_eq!(stage.put(&path, file.clone()).await.code, 422, "it was read as no version");
        let existing = stage.get(&path).await.ok();
        file["metadata"]["resourceVersion"] = json!(version(&existing));
        let put = stage.put(&path, file.clone()).await.ok();
        assert_eq!(put["spec"], file["spec"]);
        assert_eq!(put["metadata"]["generation"], 2);
        assert_eq!(put["status"], existing["status"]);
        let (spec, group) = (&file["spec"], file["spec"]["group"].as_str().unwrap());
        for version in spec["versions"].as_array().unwrap() {
            let path = format!("/apis/{group}/{}", version["name"].as_str().unwrap());
            let served = stage.get(&path).await.ok();
            let served = served["resources"].as_array().unwrap();
            let plural = &spec["names"]["plural"];
            assert!(served.iter().any(|resource| &resource["name"] == plural), "{path}");
        }
    }
    stage.cluster("c1").await;
}

#[tokio::test]
async fn a_definition_that_is_deleted_takes_nothing_along_and_is_back_at_the_next_start() {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let path = format!("{DEFINITIONS}/{CLUSTERS_OF}");
    let found = stage.get(&path).await.ok();
    stage.delete(&path, Value::Null).await.ok();
    assert_eq!(stage.get(&path).await.code, 404);
    stage.get(&format!("{CLUSTERS}/c1")).await.ok();
    stage.cluster("c2").await;
    let made = stage.post(DEFINITIONS, of_a_file(&found)).await;
    assert_eq!(made.code, 201);
    let made = made.ok();
    assert_eq!(condition(&made, "Established")["status"], "True");
    let other = stage.another().await;
    let seen = |path: &str| {
        let (other, request) = (other.clone(), request("GET", path, &[], Value::Null));
        let who = Caller::known("alice", &["system:masters"]);
        async move { read(other.answer(&who, &request).await).await }
    };
    assert_eq!(seen(&path).await.ok()["spec"], made["spec"], "what somebody made is his");
    stage.delete(&path, Value::Null).await.ok();
    let third = stage.another().await;
    let who = Caller::known("alice", &["system:masters"]);
    let request = request("GET", &path, &[], Value::Null);
    let back = read(third.answer(&who, &request).await).await.ok();
    assert_eq!(back["spec"], found["spec"]);
}

#[tokio::test]
async fn of_kinds_of_users_the_names_are_accepted_and_nothing_is_served() {
    let stage = Stage::new().await;
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        },
    });
    let made = stage.post(DEFINITIONS, definition.clone()).await.ok();
    assert_eq!(condition(&made, "NamesAccepted")["status"], "True");
    assert_eq!(condition(&made, "Established")["status"], "False");
    assert_eq!(made["status"]["acceptedNames"]["listKind"], "WidgetList");
    assert_eq!(stage.get("/apis/example.com/v1").await.code, 404);
    let mut misnamed = definition;
    misnamed["metadata"]["name"] = json!("gadgets.example.com");
    assert_eq!(stage.post(DEFINITIONS, misnamed).await.code, 422);
}

#[tokio::test]
async fn a_namespace_is_finalized_through_its_own_path() {
    let stage = Stage::new().await;
    let namespaces = "/api/v1/namespaces";
    let waits = |object: &Value| object["spec"]["finalizers"].clone();
    let given =
        |finalizers: Value| json!({"metadata": {"name": "n"}, "spec": {"finalizers": finalizers}});
    let path = format!("{namespaces}/n/finalize");
    assert_eq!(stage.put(&path, given(json!([]))).await.code, 404);
    let made = stage.post(namespaces, json!({"metadata": {"name": "n"}})).await.ok();
    let put = stage.put(&path, given(json!(["a/b", "kubernetes"]))).await.ok();
    assert_eq!(waits(&put), json!(["kubernetes", "a/b"]));
    let mut stale = given(json!([]));
    stale["metadata"]["resourceVersion"] = json!(version(&made));
    assert_eq!(stage.put(&path, stale).await.refused(), (409, "Conflict"));
    assert_eq!(stage.put(&path, given(json!(["odd"]))).await.code, 422);
    let dry = stage.put(&format!("{path}?dryRun=All"), given(json!([]))).await.ok();
    assert_eq!(version(&dry), version(&put));
    stage.delete(&format!("{namespaces}/n"), Value::Null).await.ok();
    // Until the hub has seen that it is empty, it waits for that too.
    let left = stage.put(&path, given(json!([]))).await.ok();
    assert_eq!(left["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(stage.get(&format!("{namespaces}/n")).await.code, 404);
}
