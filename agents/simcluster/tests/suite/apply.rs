//! Server-side apply: managers, removal of what is no longer wanted, conflicts and force.

use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{all, cluster, objects, refusal, typed};

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

async fn apply(api: &Api<DynamicObject>, manager: &str, value: &Value) -> DynamicObject {
    let name = value.pointer("/metadata/name").and_then(Value::as_str).expect("it has a name");
    let params = PatchParams::apply(manager);
    api.patch(name, &params, &Patch::Apply(value)).await.expect("applied")
}

#[tokio::test(start_paused = true)]
async fn an_apply_creates_then_changes_then_changes_nothing() {
    let cluster = cluster();
    let maps = objects(&cluster, "v1", "ConfigMap", "configmaps");
    let made = apply(&maps, "agent", &map(json!({"x": "1", "y": "1"}))).await;
    let same = apply(&maps, "agent", &map(json!({"x": "1", "y": "1"}))).await;
    assert_eq!(made.resource_version(), same.resource_version());
    let other = apply(&maps, "agent", &map(json!({"x": "2"}))).await;
    assert_eq!(other.data["data"], json!({"x": "2"}), "what is no longer wanted is gone");
    assert_eq!(other.uid(), made.uid());
    let entry = &other.managed_fields()[0];
    assert_eq!(entry.manager.as_deref(), Some("agent"));
    assert_eq!(entry.operation.as_deref(), Some("Apply"));
    let fields = serde_json::to_value(&entry.fields_v1).expect("fields are JSON");
    assert_eq!(fields, json!({"f:data": {"f:x": {}}}));
}

#[tokio::test(start_paused = true)]
async fn what_another_manager_wants_differently_is_a_conflict_until_forced() {
    let cluster = cluster();
    let maps = objects(&cluster, "v1", "ConfigMap", "configmaps");
    apply(&maps, "first", &map(json!({"x": "1", "y": "1"}))).await;
    apply(&maps, "second", &map(json!({"y": "1", "z": "1"}))).await;
    let wanted = map(json!({"x": "2"}));
    let params = PatchParams::apply("second");
    let refused = refusal(maps.patch("a", &params, &Patch::Apply(&wanted)).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("Conflict", 409));
    assert!(refused.message.contains("conflict with \"first\""), "{}", refused.message);
    let causes = refused.details.map(|details| details.causes).unwrap_or_default();
    assert_eq!(causes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), [".data.x"]);
    let forced = maps.patch("a", &params.force(), &Patch::Apply(&wanted)).await.expect("forced");
    assert_eq!(forced.data["data"], json!({"x": "2", "y": "1"}), "y stays: first wants it too");
    let after = apply(&maps, "first", &map(json!({"y": "2"}))).await;
    assert_eq!(after.data["data"], json!({"x": "2", "y": "2"}), "x belongs to second now");
}

#[tokio::test(start_paused = true)]
async fn a_plain_update_takes_fields_and_an_apply_conflicts_with_it() {
    let cluster = cluster();
    let maps = objects(&cluster, "v1", "ConfigMap", "configmaps");
    apply(&maps, "agent", &map(json!({"x": "1"}))).await;
    let edit = PatchParams { field_manager: Some("kubectl-edit".into()), ..Default::default() };
    let change = Patch::Merge(json!({"data": {"x": "edited"}}));
    maps.patch("a", &edit, &change).await.expect("edited");
    let wanted = map(json!({"x": "1"}));
    let params = PatchParams::apply("agent");
    let refused = refusal(maps.patch("a", &params, &Patch::Apply(&wanted)).await);
    assert!(refused.message.contains("kubectl-edit"), "{}", refused.message);
    let back = maps.patch("a", &params.force(), &Patch::Apply(&wanted)).await.expect("forced");
    assert_eq!(back.data["data"], json!({"x": "1"}));
    assert_eq!(back.managed_fields().len(), 1, "the editor manages nothing any more");
}

#[tokio::test(start_paused = true)]
async fn lists_with_keys_are_merged_item_by_item() {
    let cluster = cluster();
    let sets = objects(&cluster, "apps/v1", "Deployment", "deployments");
    let deployment = |containers: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}, "creationTimestamp": null},
                    "spec": {"containers": containers},
                },
            },
        })
    };
    let two = json!([{"name": "web", "image": "w:1"}, {"name": "side", "image": "s:1"}]);
    apply(&sets, "agent", &deployment(two)).await;
    let env = json!([{"name": "web", "env": [{"name": "LEVEL", "value": "debug"}]}]);
    let patch = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"containers": env}}},
    });
    apply(&sets, "tuner", &patch).await;
    let one = deployment(json!([{"name": "web", "image": "w:2"}]));
    let last = apply(&sets, "agent", &one).await;
    let expected = json!([
        {"name": "web", "image": "w:2", "env": [{"name": "LEVEL", "value": "debug"}]},
    ]);
    assert_eq!(last.data["spec"]["template"]["spec"]["containers"], expected);
    let time = last.data.pointer("/spec/template/metadata/creationTimestamp");
    assert_eq!(time, None, "a typed server drops null");
}

#[tokio::test(start_paused = true)]
async fn an_apply_to_the_status_speaks_for_the_status_only() {
    let cluster = cluster();
    let nodes = all(&cluster, "v1", "Node", "nodes");
    let status = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "east-node-1"},
        "spec": {"unschedulable": true}, "status": {"phase": "Running"},
    });
    let params = PatchParams::apply("agent");
    let patched = nodes.patch_status("east-node-1", &params, &Patch::Apply(&status)).await;
    let patched = patched.expect("applied");
    assert_eq!(patched.data.pointer("/status/phase"), Some(&json!("Running")));
    assert_eq!(patched.data.pointer("/spec/unschedulable"), None);
    assert!(patched.data.pointer("/status/capacity/cpu").is_some());
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_says_too_little_is_refused() {
    let cluster = cluster();
    let maps = objects(&cluster, "v1", "ConfigMap", "configmaps");
    let params = PatchParams::apply("agent");
    let nameless = json!({"metadata": {"name": "a"}, "data": {}});
    let refused = refusal(maps.patch("a", &params, &Patch::Apply(nameless)).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("BadRequest", 400));
    let foreign = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    assert_eq!(refusal(maps.patch("a", &params, &Patch::Apply(foreign)).await).code, 400);
    let outcome = maps.patch("none", &PatchParams::default(), &Patch::Merge(json!({}))).await;
    assert!(refusal(outcome).is_not_found());
    let made = typed(json!({"metadata": {"name": "a", "resourceVersion": "1"}}));
    assert_eq!(refusal(maps.create(&PostParams::default(), &made).await).code, 400);
}
