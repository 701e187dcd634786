//! Finalizers, owners and their dependents, the end of namespaces.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::{Value, json};

use fleetlog_simcluster::SimCluster;

use super::{cluster, refusal, typed, until};

fn maps(cluster: &SimCluster) -> Api<ConfigMap> {
    Api::default_namespaced(cluster.client())
}

async fn make(cluster: &SimCluster, name: &str, meta: Value) -> ConfigMap {
    let mut meta = meta;
    meta["name"] = name.into();
    let map = typed(json!({"metadata": meta}));
    maps(cluster).create(&PostParams::default(), &map).await.expect("made")
}

fn owned_by(owner: &ConfigMap) -> Value {
    json!({"ownerReferences": [{
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid(),
    }]})
}

fn gone(name: &'static str) -> impl Fn(&SimCluster) -> bool {
    move |cluster| cluster.object("configmaps", "default", name).is_none()
}

#[tokio::test(start_paused = true)]
async fn an_object_with_finalizers_stays_until_they_are_gone() {
    let cluster = cluster();
    let api = maps(&cluster);
    make(&cluster, "a", json!({"finalizers": ["example.com/hold"]})).await;
    let waiting = api.delete("a", &DeleteParams::default()).await.expect("deleted").left();
    assert!(waiting.is_some_and(|map| map.metadata.deletion_timestamp.is_some()));
    let more = Patch::Merge(json!({"metadata": {"finalizers": ["example.com/hold", "b.io/x"]}}));
    let refused = refusal(api.patch("a", &PatchParams::default(), &more).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("Invalid", 422));
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("a", &PatchParams::default(), &none).await.expect("released");
    assert!(api.get_opt("a").await.expect("asked").is_none());
}

#[tokio::test(start_paused = true)]
async fn dependents_of_a_deleted_owner_are_collected_down_to_the_last() {
    let cluster = cluster();
    let owner = make(&cluster, "owner", json!({})).await;
    let child = make(&cluster, "child", owned_by(&owner)).await;
    make(&cluster, "grandchild", owned_by(&child)).await;
    make(&cluster, "stranger", json!({})).await;
    maps(&cluster).delete("owner", &DeleteParams::default()).await.expect("deleted");
    assert!(!gone("child")(&cluster), "collection takes its time");
    until(&cluster, "the grandchild is gone", gone("grandchild")).await;
    assert!(gone("child")(&cluster));
    assert!(!gone("stranger")(&cluster));
}

#[tokio::test(start_paused = true)]
async fn a_dependent_of_two_owners_lives_as_long_as_one_of_them() {
    let cluster = cluster();
    let (one, two) =
        (make(&cluster, "one", json!({})).await, make(&cluster, "two", json!({})).await);
    let mut owners = owned_by(&one);
    let second = owned_by(&two)["ownerReferences"][0].clone();
    owners["ownerReferences"].as_array_mut().expect("a list").push(second);
    make(&cluster, "child", owners).await;
    let references = |cluster: &SimCluster| {
        let child = cluster.object("configmaps", "default", "child").unwrap_or_default();
        child.pointer("/metadata/ownerReferences").and_then(Value::as_array).map(Vec::len)
    };
    maps(&cluster).delete("one", &DeleteParams::default()).await.expect("deleted");
    until(&cluster, "one owner is left", |cluster| references(cluster) == Some(1)).await;
    maps(&cluster).delete("two", &DeleteParams::default()).await.expect("deleted");
    until(&cluster, "the child is gone", gone("child")).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_owner_never_was_is_collected() {
    let cluster = cluster();
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "no-such"});
    make(&cluster, "orphan", json!({"ownerReferences": [owner]})).await;
    until(&cluster, "the object is gone", gone("orphan")).await;
}

#[tokio::test(start_paused = true)]
async fn a_foreground_owner_goes_after_its_dependents_and_an_orphaning_one_leaves_them() {
    let cluster = cluster();
    let owner = make(&cluster, "owner", json!({})).await;
    let mut held = owned_by(&owner);
    held["finalizers"] = json!(["example.com/hold"]);
    make(&cluster, "child", held).await;
    let api = maps(&cluster);
    api.delete("owner", &DeleteParams::foreground()).await.expect("deleted");
    until(&cluster, "the child is being deleted", |cluster| {
        let child = cluster.object("configmaps", "default", "child").unwrap_or_default();
        child.pointer("/metadata/deletionTimestamp").is_some()
    })
    .await;
    assert!(!gone("owner")(&cluster), "it waits for its dependent");
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("child", &PatchParams::default(), &none).await.expect("released");
    until(&cluster, "the owner is gone", gone("owner")).await;

    let owner = make(&cluster, "owner", json!({})).await;
    make(&cluster, "child", owned_by(&owner)).await;
    api.delete("owner", &DeleteParams::orphan()).await.expect("deleted");
    let child = api.get("child").await.expect("it stays");
    assert!(child.owner_references().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_precondition_that_fails_deletes_nothing() {
    let cluster = cluster();
    make(&cluster, "a", json!({})).await;
    let other = Preconditions { uid: Some("another".into()), resource_version: None };
    let params = DeleteParams::default().preconditions(other);
    let refused = refusal(maps(&cluster).delete("a", &params).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("Conflict", 409));
    assert!(!gone("a")(&cluster));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_its_content_along_and_refuses_more_meanwhile() {
    let cluster = cluster();
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let shop: Namespace = typed(json!({"metadata": {"name": "shop"}}));
    namespaces.create(&PostParams::default(), &shop).await.expect("made");
    let inside: Api<ConfigMap> = Api::namespaced(cluster.client(), "shop");
    let held = json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]}});
    inside.create(&PostParams::default(), &typed(held)).await.expect("made");
    namespaces.delete("shop", &DeleteParams::default()).await.expect("deleted");
    let phase = namespaces.get("shop").await.expect("it is still there");
    assert_eq!(phase.status.and_then(|s| s.phase).as_deref(), Some("Terminating"));
    let late = typed(json!({"metadata": {"name": "late"}}));
    let refused = refusal(inside.create(&PostParams::default(), &late).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("Forbidden", 403));
    until(&cluster, "the account is gone", |cluster| {
        cluster.object("serviceaccounts", "shop", "default").is_none()
    })
    .await;
    assert!(namespaces.get_opt("shop").await.expect("asked").is_some(), "a finalizer holds it");
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    inside.patch("a", &PatchParams::default(), &none).await.expect("released");
    until(&cluster, "the namespace is gone", |cluster| {
        cluster.object("namespaces", "", "shop").is_none()
    })
    .await;
    namespaces.create(&PostParams::default(), &shop).await.expect("the name is free again");
    let kept = refusal(namespaces.delete("kube-system", &DeleteParams::default()).await);
    assert_eq!(kept.reason, "Forbidden");
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_deleted_by_its_selector() {
    let cluster = cluster();
    make(&cluster, "a", json!({"labels": {"app": "x"}})).await;
    make(&cluster, "b", json!({"labels": {"app": "y"}})).await;
    let chosen = ListParams::default().labels("app=x");
    maps(&cluster).delete_collection(&DeleteParams::default(), &chosen).await.expect("deleted");
    assert!(gone("a")(&cluster) && !gone("b")(&cluster));
}
