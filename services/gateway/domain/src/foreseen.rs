//! What a write that is only tried would come to (spec/gateway 5.1, 5.8): the answer says what the
//! hub would say of the object, as one of a write that is done does.

use crate::kinds::Kind;
use fleetlog_kernel::Timestamp;
use serde_json::{Value, json};

/// The object that a write would make of `current`, or anew; a new one would have this uid.
#[must_use]
pub fn foreseen(
    kind: Kind,
    current: Option<&Value>,
    mut object: Value,
    (uid, at): (&str, Timestamp),
) -> Value {
    leave_empties(&mut object["metadata"]);
    if kind.is_built_in() {
        leave_empties(&mut object);
    }
    let metadata = &mut object["metadata"];
    let Some(current) = current else {
        metadata["uid"] = json!(uid);
        metadata["creationTimestamp"] = json!(fleetlog_rules::time(at));
        if !kind.is_built_in() {
            metadata["generation"] = json!(1);
        }
        return object;
    };
    if let Some(generation) = current["metadata"]["generation"].as_i64()
        && said(current) != said(&object)
    {
        object["metadata"]["generation"] = json!(generation + 1);
    }
    object
}

/// Whether a write would change nothing: all but the version is as it was.
#[must_use]
pub fn is_unchanged(current: &Value, desired: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
            metadata.retain(|_, value| !value.is_null());
        }
        object
    };
    bare(current) == bare(desired)
}

/// What an object says beside its metadata and its status.
fn said(object: &Value) -> Value {
    let mut said = object.clone();
    let around = ["apiVersion", "kind", "metadata", "status"];
    if let Some(fields) = said.as_object_mut() {
        fields.retain(|name, _| !around.contains(&name.as_str()));
    }
    said
}

/// In metadata, and in Kubernetes' own kinds, an empty list or map is none.
fn leave_empties(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, value| name == "rules" || !is_empty(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;

    const NEW: (&str, Timestamp) = ("u", Timestamp::of_seconds(0));

    #[test]
    fn gw057_what_is_only_tried_is_told_as_what_is_done() {
        let kind = find("cluster.open-cluster-management.io", "v1beta1", "placements").unwrap();
        let new = json!({"metadata": {"name": "p"}, "spec": {"numberOfClusters": 1}});
        let made = foreseen(kind, None, new, NEW);
        assert_eq!(
            (&made["metadata"]["uid"], &made["metadata"]["generation"]),
            (&json!("u"), &json!(1))
        );
        assert_eq!(made["metadata"]["creationTimestamp"], "1970-01-01T00:00:00Z");
        let generation = |change: fn(&mut Value)| {
            let mut after = made.clone();
            change(&mut after);
            foreseen(kind, Some(&made), after, NEW)["metadata"]["generation"].clone()
        };
        assert_eq!(generation(|o| o["spec"]["numberOfClusters"] = json!(2)), 2);
        assert_eq!(generation(|o| o["metadata"]["labels"] = json!({"a": "b"})), 1);
        assert_eq!(generation(|o| o["status"] = json!({})), 1);
    }

    #[test]
    fn empty_lists_and_maps_of_kinds_of_kubernetes_are_none() {
        let kind = find("", "v1", "configmaps").unwrap();
        let object = json!({"metadata": {"name": "m", "finalizers": []}, "data": {}});
        let made = foreseen(kind, Some(&json!({"metadata": {}})), object, NEW);
        assert_eq!(made, json!({"metadata": {"name": "m"}}));
    }
}
