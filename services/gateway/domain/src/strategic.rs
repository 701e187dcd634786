//! Strategic merge patches of the kinds that Kubernetes has built in (spec/gateway 5.4): maps
//! merge, a null removes, lists replace but for those below, and keys that begin with `$` direct.

use serde_json::{Map, Value};

/// Lists that merge by a key of their items, by the field that holds them.
const KEYED: [(&str, &str); 3] =
    [("ownerReferences", "uid"), ("secrets", "name"), ("conditions", "type")];
/// Lists that merge as sets.
const SETS: [&str; 1] = ["finalizers"];
/// What says how a map or an item of a list is meant: `replace`, `delete` or `merge`.
const PATCH: &str = "$patch";
/// Which fields of a map stay.
const RETAIN: &str = "$retainKeys";
/// Which texts leave a set, by its name.
const DELETE: &str = "$deleteFromPrimitiveList/";
/// The order of a list, by its name; lists keep the order of what is there.
const ORDER: &str = "$setElementOrder/";

/// Lays a patch over a value.
pub(crate) fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(fields) = value.as_object_mut() else { return };
    match patch.get(PATCH).and_then(Value::as_str) {
        Some("replace") => *fields = Map::new(),
        Some("delete") => {
            *fields = Map::new();
            return;
        }
        _ => {}
    }
    if let Some(Value::Array(retained)) = patch.get(RETAIN) {
        fields.retain(|name, _| retained.iter().any(|kept| kept == name));
    }
    for (name, given) in patch.iter().filter(|(name, _)| name.starts_with(DELETE)) {
        let list = fields.get_mut(&name[DELETE.len()..]).and_then(Value::as_array_mut);
        let gone = given.as_array().cloned().unwrap_or_default();
        list.into_iter().for_each(|list| list.retain(|item| !gone.contains(item)));
    }
    let directs = |name: &str| {
        name == PATCH || name == RETAIN || name.starts_with(DELETE) || name.starts_with(ORDER)
    };
    for (name, given) in patch.iter().filter(|(name, _)| !directs(name)) {
        if given.is_null() {
            fields.remove(name);
            continue;
        }
        let there = fields.entry(name.clone()).or_insert(Value::Null);
        match (given, KEYED.iter().find(|(field, _)| field == name)) {
            (Value::Array(items), Some((_, key))) => keyed(there, items, key),
            (Value::Array(items), None) if SETS.contains(&name.as_str()) => set(there, items),
            (Value::Array(_), None) => *there = given.clone(),
            _ => merge(there, given),
        }
    }
}

fn keyed(there: &mut Value, items: &[Value], key: &str) {
    let mut list = there.as_array().cloned().unwrap_or_default();
    if items.iter().any(|item| item[PATCH] == "replace") {
        list.clear();
    }
    for item in items {
        let found = list.iter().position(|old| !item[key].is_null() && old[key] == item[key]);
        match (item[PATCH].as_str(), found) {
            (Some("replace"), _) => {}
            (Some("delete"), Some(at)) => drop(list.remove(at)),
            (Some("delete"), None) => {}
            (_, Some(at)) => merge(&mut list[at], item),
            (_, None) => {
                let mut new = Value::Object(Map::new());
                merge(&mut new, item);
                list.push(new);
            }
        }
    }
    *there = Value::Array(list);
}

fn set(there: &mut Value, items: &[Value]) {
    let mut list = there.as_array().cloned().unwrap_or_default();
    for item in items {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
    *there = Value::Array(list);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(value: Value, patch: Value) -> Value {
        let mut value = value;
        merge(&mut value, &patch);
        value
    }

    #[test]
    fn gw054_maps_merge_and_a_null_removes() {
        let secret = json!({"data": {"a": "x", "b": "y"}, "type": "Opaque"});
        let patch = json!({"data": {"a": null, "c": "z"}});
        let wanted = json!({"data": {"b": "y", "c": "z"}, "type": "Opaque"});
        assert_eq!(merged(secret, patch), wanted);
    }

    #[test]
    fn lists_replace_but_for_keyed_ones_and_sets() {
        let role = json!({"rules": [1, 2], "metadata": {"finalizers": ["a/b"]}});
        let patch = json!({"rules": [3], "metadata": {"finalizers": ["c/d"]}});
        let wanted = json!({"rules": [3], "metadata": {"finalizers": ["a/b", "c/d"]}});
        assert_eq!(merged(role, patch), wanted);
        let owned = json!({"ownerReferences": [{"uid": "1", "name": "x"}, {"uid": "2"}]});
        let patch = json!({"ownerReferences": [
            {"uid": "1", "name": "y"}, {"uid": "2", "$patch": "delete"}, {"uid": "3"},
        ]});
        let wanted = json!({"ownerReferences": [{"uid": "1", "name": "y"}, {"uid": "3"}]});
        assert_eq!(merged(owned, patch), wanted);
    }

    #[test]
    fn keys_that_begin_with_a_dollar_direct_and_are_not_kept() {
        let value = json!({"data": {"a": "x"}, "metadata": {"finalizers": ["a/b", "c/d"]}});
        let patch = json!({
            "data": {"$patch": "replace", "b": "y"},
            "metadata": {
                "$deleteFromPrimitiveList/finalizers": ["a/b"],
                "$setElementOrder/finalizers": ["c/d"],
            },
        });
        let wanted = json!({"data": {"b": "y"}, "metadata": {"finalizers": ["c/d"]}});
        assert_eq!(merged(value, patch), wanted);
        let kept = merged(json!({"a": 1, "b": 2}), json!({"$retainKeys": ["b"], "b": 3}));
        assert_eq!(kept, json!({"b": 3}));
    }
}
