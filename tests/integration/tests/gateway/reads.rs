//! Discovery, objects, lists and their forms.

use crate::stage::{CLUSTERS, PLACEMENTS, Stage, read, request, version};
use fleetlog_gateway::Caller;
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json";

#[tokio::test]
async fn gw001_discovery_is_aggregated_for_those_who_ask() {
    let stage = Stage::new().await;
    for path in ["/api", "/apis"] {
        let found = stage.get_as(path, AGGREGATED).await;
        assert_eq!(found.body["kind"], "APIGroupDiscoveryList", "{path}");
        let content_type = found.headers["content-type"].to_str().unwrap();
        assert!(content_type.ends_with(";v=v2;as=APIGroupDiscoveryList"), "{content_type}");
    }
    let plain = stage.get("/apis/cluster.open-cluster-management.io/v1").await.ok();
    assert_eq!(plain["kind"], "APIResourceList");
    assert_eq!(stage.get("/version").await.ok()["minor"], "36");
}

#[tokio::test]
async fn gw003_what_is_known_by_its_tag_is_not_sent_again() {
    let stage = Stage::new().await;
    for path in ["/api", "/apis"] {
        let found = stage.get_as(path, AGGREGATED).await;
        let tag = found.headers["etag"].to_str().unwrap();
        let headers = [("accept", AGGREGATED), ("if-none-match", tag)];
        let again = read(stage.send("GET", path, &headers, Value::Null).await).await;
        assert_eq!((again.code, again.body), (304, json!("")));
    }
}

#[tokio::test]
async fn gw008_of_an_unknown_group_nothing_is_found() {
    let stage = Stage::new().await;
    let missing = stage.get("/apis/apps/v1/deployments").await;
    assert_eq!(missing.refused(), (404, "NotFound"));
}

#[tokio::test]
async fn gw009_pages_are_of_one_moment_whatever_changes_meanwhile() {
    let stage = Stage::new().await;
    for name in ["a", "b", "c"] {
        stage.cluster(name).await;
    }
    let first = stage.get(&format!("{CLUSTERS}?limit=2")).await.ok();
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    stage.patch(&format!("{CLUSTERS}/c"), json!({"metadata": {"labels": {"x": "y"}}})).await.ok();
    stage.cluster("d").await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let rest = stage.get(&format!("{CLUSTERS}?limit=2&continue={token}")).await.ok();
    assert_eq!(names(&rest), ["c"]);
    assert_eq!(rest["items"][0]["metadata"]["labels"].get("x"), None);
    assert_eq!(version(&rest), version(&first));
    assert_eq!(rest["metadata"].get("continue"), None);
}

#[tokio::test]
async fn gw012_a_list_can_be_had_not_older_or_exactly_of_a_version() {
    let stage = Stage::new().await;
    stage.cluster("a").await;
    let before = stage.get(CLUSTERS).await.ok();
    stage.cluster("b").await;
    let at = |how: &str| {
        format!("{CLUSTERS}?resourceVersion={}&resourceVersionMatch={how}", version(&before))
    };
    assert_eq!(names(&stage.get(&at("NotOlderThan")).await.ok()), ["a", "b"]);
    let exact = stage.get(&at("Exact")).await.ok();
    assert_eq!((names(&exact), version(&exact)), (vec!["a"], version(&before)));
}

#[tokio::test]
async fn gw113_a_list_of_a_version_is_the_same_at_a_gateway_that_began_later() {
    let stage = Stage::new().await;
    stage.cluster("a").await;
    let before = stage.get(CLUSTERS).await.ok();
    stage.cluster("b").await;
    let path =
        format!("{CLUSTERS}?resourceVersion={}&resourceVersionMatch=Exact", version(&before));
    let later = stage.another().await;
    let who = Caller::known("alice", &["system:masters"]);
    let asked = request("GET", &path, &[], Value::Null);
    let past = read(later.answer(&who, &asked).await).await.ok();
    assert_eq!(past["items"], before["items"]);
    assert_eq!(version(&past), version(&before));
}

#[tokio::test]
async fn before_the_first_commit_there_is_nothing() {
    let stage = Stage::new().await;
    stage.cluster("a").await;
    let path = format!("{CLUSTERS}?resourceVersion=1&resourceVersionMatch=Exact");
    assert_eq!(names(&stage.get(&path).await.ok()), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn gw013_a_version_that_is_not_there_yet_is_504_with_its_cause() {
    let stage = Stage::new().await;
    let far = stage.get(&format!("{CLUSTERS}?resourceVersion=99999999999")).await;
    assert_eq!(far.refused(), (504, "Timeout"));
    assert_eq!(far.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn gw015_labels_and_gw016_fields_select() {
    let stage = Stage::new().await;
    for (name, labels) in [("a", json!({"a": "b"})), ("c", json!({"a": "c"})), ("n", json!({}))] {
        let object = json!({"metadata": {"name": name, "labels": labels}});
        stage.post(CLUSTERS, object).await.ok();
    }
    for (selector, wanted) in [
        ("a%3Db", vec!["a"]),
        ("a%20%3D%20b", vec!["a"]),
        ("a!%3Db", vec!["c", "n"]),
        ("a%20in%20(b,c)", vec!["a", "c"]),
        ("!a", vec!["n"]),
    ] {
        let found = stage.get(&format!("{CLUSTERS}?labelSelector={selector}")).await.ok();
        assert_eq!(names(&found), wanted, "{selector}");
    }
    let one = stage.get(&format!("{CLUSTERS}?fieldSelector=metadata.name%3Dc")).await.ok();
    assert_eq!(names(&one), ["c"]);
    let refused = stage.get(&format!("{CLUSTERS}?fieldSelector=spec.foo%3Dx")).await;
    assert_eq!(refused.body["message"], "field label not supported: spec.foo");
}

#[tokio::test]
async fn gw021_metadata_alone_and_what_cannot_be_had() {
    let stage = Stage::new().await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let empty = stage.get_as(PLACEMENTS, accept).await.ok();
    assert_eq!(
        (&empty["items"], &empty["kind"]),
        (&json!([]), &json!("PartialObjectMetadataList"))
    );
    stage.cluster("a").await;
    let found = stage.get_as(CLUSTERS, accept).await.ok();
    assert_eq!(found["items"][0].get("spec"), None);
    assert_eq!(found["items"][0]["metadata"]["name"], "a");
    assert_eq!(stage.get_as(CLUSTERS, "application/cbor").await.code, 406);
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let table = stage.get_as(CLUSTERS, accept).await.ok();
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
    let yaml = stage.get_as(&format!("{CLUSTERS}/a"), "application/yaml").await.body;
    assert!(yaml.as_str().unwrap().contains("name: a"));
}

#[tokio::test]
async fn gw023_what_one_gateway_wrote_another_shows() {
    let stage = Stage::new().await;
    let other = stage.another().await;
    let who = Caller::known("alice", &["system:masters"]);
    for name in ["a", "b", "c"] {
        stage.cluster(name).await;
        let asked = request("GET", &format!("{CLUSTERS}/{name}"), &[], Value::Null);
        assert_eq!(read(other.answer(&who, &asked).await).await.code, 200, "{name}");
    }
}

#[tokio::test]
async fn gw082_who_is_not_known_may_see_health_and_version_alone() {
    let stage = Stage::new().await;
    let ask = async |who: Caller, path: &str| {
        read(stage.gateway.answer(&who, &request("GET", path, &[], Value::Null)).await).await
    };
    for path in ["/version", "/healthz", "/livez", "/readyz"] {
        assert_eq!(ask(Caller::anonymous(), path).await.code, 200, "{path}");
    }
    let bad = request("GET", "/version", &[("authorization", "Bearer x")], Value::Null);
    let bad = read(stage.gateway.answer(&Caller::anonymous(), &bad).await).await;
    assert_eq!(bad.refused(), (401, "Unauthorized"), "a bad token is never nobody");
    for path in ["/apis", "/openapi/v3", CLUSTERS] {
        let refused = ask(Caller::anonymous(), path).await;
        assert_eq!(refused.refused(), (403, "Forbidden"), "{path}");
        let words = refused.body["message"].as_str().unwrap();
        assert!(words.contains("User \"system:anonymous\" cannot"), "{words}");
    }
    let known = Caller::known("bob", &[]);
    assert_eq!(ask(known.clone(), "/apis").await.code, 200);
    assert_eq!(ask(known, CLUSTERS).await.refused(), (403, "Forbidden"));
}
