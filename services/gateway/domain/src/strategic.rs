//! Strategic merge patches of the kinds that Kubernetes has built in (spec/gateway 5.4): maps
//! merge, a null removes, lists replace but for those below, and keys that begin with `$` direct.

use serde_json::{Map, Value};

/// Lists that merge by a key of their items, by the field that holds them.
const KEYED: [(&str, &str); 3] =
    [("ownerReferences", "uid"), ("secrets", "name"), ("conditions", "type")];
/// Lists that merge as sets.
const SETS: [&str; 1] = ["finalizers"];
/// What says how a map or an item of a list is meant: `replace` or `delete`.
const PATCH: &str = "$patch";
/// Which fields of a map stay.
const RETAIN: &str = "$retainKeys";
/// Which texts leave a set, by its name.
const DELETE: &str = "$deleteFromPrimitiveList/";
/// In which order a list is to be, by its name.
const ORDER: &str = "$setElementOrder/";

type Fields = Map<String, Value>;

/// Lays a patch over a value.
///
/// # Errors
/// What of the patch has no meaning.
pub(crate) fn merge(value: &mut Value, patch: &Value) -> Result<(), String> {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return Ok(());
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(fields) = value.as_object_mut() else { return Ok(()) };
    match patch.get(PATCH) {
        None => {}
        Some(Value::String(how)) if how == "replace" => {
            *fields = undirected(patch);
            return Ok(());
        }
        Some(Value::String(how)) if how == "delete" => {
            *fields = Map::new();
            return Ok(());
        }
        Some(other) => return Err(format!("{PATCH} is \"replace\" or \"delete\", not {other}")),
    }
    retain(fields, patch)?;
    leave(fields, patch);
    for (name, given) in patch.iter().filter(|(name, _)| !directs(name)) {
        field(fields, name, given, patch.get(&format!("{ORDER}{name}")))?;
    }
    let orders = patch.iter().filter_map(|(name, order)| Some((name.strip_prefix(ORDER)?, order)));
    for (name, order) in orders.filter(|(name, _)| !patch.contains_key(*name)) {
        if let (Some(Value::Array(list)), Some(order)) = (fields.get_mut(name), order.as_array()) {
            *list = ordered(list.clone(), order, &list.clone(), key_of(name));
        }
    }
    Ok(())
}

fn directs(name: &str) -> bool {
    name == PATCH || name == RETAIN || name.starts_with(DELETE) || name.starts_with(ORDER)
}

/// Takes out what is not to stay; what the patch sets must be among what stays.
fn retain(fields: &mut Fields, patch: &Fields) -> Result<(), String> {
    let Some(retained) = patch.get(RETAIN) else { return Ok(()) };
    let Some(retained) = retained.as_array() else { return Err(format!("{RETAIN} is a list")) };
    let stays = |name: &String| retained.iter().any(|kept| kept == name);
    let strange = patch.iter().find(|(name, v)| !directs(name) && !v.is_null() && !stays(name));
    if let Some((name, _)) = strange {
        return Err(format!("\"{name}\" is set and not among {RETAIN}"));
    }
    fields.retain(|name, _| stays(name));
    Ok(())
}

/// Takes texts out of sets.
fn leave(fields: &mut Fields, patch: &Fields) {
    for (name, given) in patch {
        let Some(name) = name.strip_prefix(DELETE) else { continue };
        let list = fields.get_mut(name).and_then(Value::as_array_mut);
        let gone = given.as_array().cloned().unwrap_or_default();
        list.into_iter().for_each(|list| list.retain(|item| !gone.contains(item)));
    }
}

fn field(
    fields: &mut Fields,
    name: &str,
    given: &Value,
    order: Option<&Value>,
) -> Result<(), String> {
    if given.is_null() {
        fields.remove(name);
        return Ok(());
    }
    let merges = key_of(name).is_some() || SETS.contains(&name);
    match (fields.get_mut(name), given) {
        (Some(there @ Value::Object(_)), Value::Object(_)) => merge(there, given)?,
        (Some(Value::Array(there)), Value::Array(items)) if merges => {
            let before = there.clone();
            match key_of(name) {
                Some(key) => keyed(there, items, key)?,
                None => set(there, items),
            }
            let order = order.and_then(Value::as_array).unwrap_or(items);
            *there = ordered(std::mem::take(there), order, &before, key_of(name));
        }
        (_, given) => match undirected_value(given) {
            Some(new) => drop(fields.insert(name.to_owned(), new)),
            None => drop(fields.remove(name)),
        },
    }
    Ok(())
}

fn key_of(field: &str) -> Option<&'static str> {
    KEYED.iter().find(|(name, _)| *name == field).map(|(_, key)| *key)
}

/// A value of a patch where there is nothing yet: without nulls, and nothing where it directs.
fn undirected_value(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(PATCH) => None,
        Value::Object(map) => Some(Value::Object(undirected(map))),
        Value::Array(items) => Some(items.iter().filter_map(undirected_value).collect()),
        other => Some(other.clone()),
    }
}

fn undirected(map: &Fields) -> Fields {
    let plain = map.iter().filter(|(name, value)| !directs(name) && !value.is_null());
    let plain = plain.filter_map(|(name, value)| Some((name.clone(), undirected_value(value)?)));
    plain.collect()
}

fn keyed(list: &mut Vec<Value>, items: &[Value], key: &str) -> Result<(), String> {
    let replaces = items.iter().any(|item| item[PATCH] == "replace");
    if replaces {
        *list = items.iter().filter(|item| item.get(PATCH).is_none()).cloned().collect();
        return Ok(());
    }
    for item in items {
        if item[key].is_null() {
            return Err(format!("an item has no \"{key}\""));
        }
        let found = list.iter().position(|old| old[key] == item[key]);
        match (item.get(PATCH), found) {
            (None, Some(at)) => merge(&mut list[at], item)?,
            (None, None) => list.extend(undirected_value(item)),
            (Some(Value::String(how)), _) if how == "delete" => {
                list.retain(|old| old[key] != item[key]);
            }
            (Some(other), _) => return Err(format!("{PATCH} of an item cannot be {other}")),
        }
    }
    Ok(())
}

fn set(list: &mut Vec<Value>, items: &[Value]) {
    let all = list.drain(..).chain(items.iter().cloned()).collect::<Vec<_>>();
    for item in all {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

/// What the patch names in the patch's order, what it does not in the order that was; one of the
/// latter goes before one of the former where it did so before.
fn ordered(merged: Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) -> Vec<Value> {
    let same = |a: &Value, b: &Value| key.map_or(a == b, |key| a[key] == b[key]);
    let place = |all: &[Value], item: &Value| all.iter().position(|other| same(other, item));
    let (mut named, others): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    let mut all = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let (Some(next), Some(other)) = (named.peek(), others.peek()) {
        let goes_first = match (place(before, other), place(before, next)) {
            (Some(other), Some(next)) => other < next,
            _ => false,
        };
        all.extend(if goes_first { others.next() } else { named.next() });
    }
    all.extend(named.chain(others));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(value: Value, patch: Value) -> Value {
        let mut value = value;
        merge(&mut value, &patch).unwrap();
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
        let wanted = json!({"rules": [3], "metadata": {"finalizers": ["c/d", "a/b"]}});
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

    #[test]
    fn what_the_patch_names_stands_in_its_order_and_the_rest_where_it_was() {
        let value = json!({"finalizers": ["a", "b", "c"]});
        let after = |patch: Value| merged(value.clone(), patch)["finalizers"].clone();
        assert_eq!(after(json!({"finalizers": ["c", "a"]})), json!(["b", "c", "a"]));
        assert_eq!(after(json!({"finalizers": ["d", "b"]})), json!(["d", "a", "b", "c"]));
        let order = json!({"$setElementOrder/finalizers": ["c", "b"]});
        assert_eq!(after(order), json!(["a", "c", "b"]));
    }

    #[test]
    fn directives_without_a_meaning_are_refused() {
        let refused = |patch: Value| merge(&mut json!({"secrets": []}), &patch).is_err();
        assert!(refused(json!({"$patch": "merge"})));
        assert!(refused(json!({"$retainKeys": ["a"], "b": 1})));
        assert!(refused(json!({"secrets": [{"namespace": "no name"}]})));
        assert!(refused(json!({"secrets": [{"name": "a", "$patch": "merge"}]})));
    }

    #[test]
    fn a_map_that_replaces_holds_what_the_patch_says() {
        let value = json!({"data": {"a": "1"}, "labels": {"a": "1"}});
        let patch = json!({"data": {"$patch": "replace", "b": "2", "c": null},
            "labels": {"$patch": "delete", "d": "4"}, "new": {"$patch": "delete"}});
        assert_eq!(merged(value, patch), json!({"data": {"b": "2"}, "labels": {}}));
    }
}
