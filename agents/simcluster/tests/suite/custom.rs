//! Custom kinds: served as soon as they are defined, gone with their definition.

use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use fleetlog_simcluster::SimCluster;

use super::{all, cluster, objects, refusal, typed};

fn definitions(cluster: &SimCluster) -> Api<DynamicObject> {
    let version = "apiextensions.k8s.io/v1";
    all(cluster, version, "CustomResourceDefinition", "customresourcedefinitions")
}

fn widgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
            "versions": [
                {"name": "v1alpha1", "served": true, "storage": false},
                {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}},
                {"name": "v2", "served": false, "storage": false},
            ],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn a_defined_kind_is_served_at_once_and_gone_with_its_definition() {
    let cluster = cluster();
    let things = objects(&cluster, "example.com/v1", "Widget", "widgets");
    assert!(refusal(things.list(&ListParams::default()).await).is_not_found());
    let params = PatchParams::apply("agent");
    let defined = definitions(&cluster);
    let name = "widgets.example.com";
    defined.patch(name, &params, &Patch::Apply(widgets())).await.expect("defined");
    let now = defined.get(name).await.expect("it is there");
    let established = now.data.pointer("/status/conditions/1/type");
    assert_eq!(established, Some(&json!("Established")));
    assert_eq!(now.data.pointer("/status/storedVersions"), Some(&json!(["v1"])));

    let one = json!({"metadata": {"name": "w"}, "spec": {"deep": {"unknown": [1, {"a": null}]}}});
    let made = things.create(&PostParams::default(), &typed(one.clone())).await.expect("made");
    assert_eq!(made.data["spec"], one["spec"], "custom content is kept as it is");
    assert_eq!(made.meta().generation, Some(1));
    let older = objects(&cluster, "example.com/v1alpha1", "Widget", "widgets");
    let seen = older.get("w").await.expect("all served versions show it");
    assert_eq!(seen.types.map(|t| t.api_version).as_deref(), Some("example.com/v1alpha1"));
    let newer = objects(&cluster, "example.com/v2", "Widget", "widgets");
    assert!(refusal(newer.get("w").await).is_not_found());

    defined.delete(name, &DeleteParams::default()).await.expect("deleted");
    assert!(refusal(things.list(&ListParams::default()).await).is_not_found());
    assert!(cluster.object("widgets.example.com", "default", "w").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_custom_object_is_a_subresource() {
    let cluster = cluster();
    let params = PatchParams::apply("agent");
    let defined = definitions(&cluster);
    defined.patch("widgets.example.com", &params, &Patch::Apply(widgets())).await.expect("defined");
    let things = objects(&cluster, "example.com/v1", "Widget", "widgets");
    let one = json!({"metadata": {"name": "w"}, "spec": {"size": 1}, "status": {"size": 9}});
    let made = things.create(&PostParams::default(), &typed(one)).await.expect("made");
    assert_eq!(made.data.get("status"), None);
    let status = Patch::Merge(json!({"status": {"size": 1}}));
    let set = things.patch_status("w", &PatchParams::default(), &status).await.expect("set");
    assert_eq!(set.data.pointer("/status/size"), Some(&json!(1)));
    let strategic = Patch::Strategic(json!({"spec": {"size": 2}}));
    let refused = refusal(things.patch("w", &PatchParams::default(), &strategic).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("UnsupportedMediaType", 415));
    let mut blind = set.clone();
    blind.meta_mut().resource_version = None;
    let refused = refusal(things.replace("w", &PostParams::default(), &blind).await);
    assert_eq!(refused.reason, "Invalid", "a custom object is never replaced blindly");
    assert_eq!(set.name_any(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_contradicts_itself_is_refused_with_its_causes() {
    let cluster = cluster();
    let mut wrong = widgets();
    wrong["metadata"]["name"] = "gadgets.example.com".into();
    wrong["spec"]["scope"] = "Everywhere".into();
    let params = PatchParams::apply("agent");
    let (definitions, wrong) = (definitions(&cluster), Patch::Apply(wrong));
    let refused = refusal(definitions.patch("gadgets.example.com", &params, &wrong).await);
    let causes = refused.details.map(|details| details.causes).unwrap_or_default();
    let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
    assert_eq!(fields, ["spec.scope", "metadata.name"]);
}
