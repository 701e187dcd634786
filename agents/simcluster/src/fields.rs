//! Paths of fields, sets of them, and lists whose items have keys: the ground of server-side
//! apply and of strategic merge. Knows no managers and no objects.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The steps from the root to a field, each as `fieldsV1` writes it: `f:spec`, `k:{"name":"a"}`,
/// `v:"x"`.
pub(crate) type Path = Vec<String>;
/// A set of leaves.
pub(crate) type Fields = BTreeSet<Path>;

/// Metadata that nobody manages: the server sets it or it names the object.
const SERVER_SET: &[&str] = &[
    "name",
    "namespace",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// The keys by which the items of a list are told apart; `None` when the list is one value.
pub(crate) fn list_keys(field: &str, items: &[Value]) -> Option<&'static [&'static str]> {
    let has = |key: &str| items.iter().all(|item| item.get(key).is_some());
    let keys: &'static [&'static str] = match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets" => &["name"],
        "ports" if has("containerPort") => &["containerPort", "protocol"],
        "ports" if has("port") => &["port", "protocol"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "conditions" => &["type"],
        "ownerReferences" => &["uid"],
        "hostAliases" => &["ip"],
        _ => return None,
    };
    let [first, ..] = keys else { return None };
    let mut seen = BTreeSet::new();
    (has(first) && items.iter().all(|item| seen.insert(item_key(keys, item)))).then_some(keys)
}

/// An item's key as `fieldsV1` writes it.
pub(crate) fn item_key(keys: &[&str], item: &Value) -> String {
    let mut map = Map::new();
    for key in keys {
        let fallback = || if *key == "protocol" { json!("TCP") } else { Value::Null };
        map.insert((*key).to_owned(), item.get(key).cloned().unwrap_or_else(fallback));
    }
    format!("k:{}", Value::Object(map))
}

/// The leaves of an object that somebody can manage.
pub(crate) fn leaves(object: &Value) -> Fields {
    let mut out = Fields::new();
    let members = object.as_object().into_iter().flatten();
    for (key, value) in members.filter(|(key, _)| !["apiVersion", "kind"].contains(&key.as_str())) {
        if key != "metadata" {
            walk(key, value, &mut vec![format!("f:{key}")], &mut out);
            continue;
        }
        let members = value.as_object().into_iter().flatten();
        for (key, value) in members.filter(|(key, _)| !SERVER_SET.contains(&key.as_str())) {
            let mut path = vec!["f:metadata".to_owned(), format!("f:{key}")];
            walk(key, value, &mut path, &mut out);
        }
    }
    out
}

fn walk(field: &str, value: &Value, path: &mut Path, out: &mut Fields) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                path.push(format!("f:{key}"));
                walk(key, value, path, out);
                path.pop();
            }
        }
        Value::Array(items) if field == "finalizers" => {
            for item in items {
                path.push(format!("v:{item}"));
                out.insert(path.clone());
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => match list_keys(field, items) {
            Some(keys) => {
                for item in items {
                    path.push(item_key(keys, item));
                    walk("", item, path, out);
                    path.pop();
                }
            }
            None => {
                out.insert(path.clone());
            }
        },
        _ => {
            out.insert(path.clone());
        }
    }
}

/// The value at a path.
pub(crate) fn find<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    let mut field = "";
    path.iter().try_fold(object, |value, step| {
        if let Some(key) = step.strip_prefix("f:") {
            field = key;
            return value.get(key);
        }
        let items = value.as_array()?;
        items.get(position(field, items, step)?)
    })
}

/// Where in a list the item of this step lies.
fn position(field: &str, items: &[Value], step: &str) -> Option<usize> {
    if let Some(wanted) = step.strip_prefix("v:") {
        return serde_json::from_str::<Value>(wanted)
            .ok()
            .and_then(|wanted| items.iter().position(|item| *item == wanted));
    }
    let keys = list_keys(field, items)?;
    items.iter().position(|item| item_key(keys, item) == step)
}

/// Removes what lies at a path, and what is empty without it. The key of a list's item stays
/// until nothing else of the item is left.
pub(crate) fn remove(object: &mut Value, path: &[String]) {
    remove_below(object, "", path);
}

fn remove_below(value: &mut Value, field: &str, path: &[String]) {
    let [step, rest @ ..] = path else { return };
    if let Some(key) = step.strip_prefix("f:") {
        let Some(map) = value.as_object_mut() else { return };
        if let (Some(child), false) = (map.get_mut(key), rest.is_empty()) {
            remove_below(child, key, rest);
            if !is_empty(child) {
                return;
            }
        }
        map.remove(key);
        return;
    }
    let Some(items) = value.as_array_mut() else { return };
    let Some(at) = position(field, items, step) else { return };
    let keys = list_keys(field, items).unwrap_or_default();
    let is_key = |key: &str| keys.contains(&key);
    if let ([only], Some(item)) = (rest, items.get(at))
        && is_key(only.trim_start_matches("f:"))
        && item.as_object().is_some_and(|map| map.keys().any(|key| !is_key(key)))
    {
        return;
    }
    if let Some(item) = items.get_mut(at).filter(|_| !rest.is_empty()) {
        remove_below(item, "", rest);
        let left = item.as_object().is_some_and(|map| map.keys().any(|key| key != "protocol"));
        if left {
            return;
        }
    }
    items.remove(at);
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Lays `patch` over `live`: maps member by member, lists with keys item by item, anything else
/// as a whole. With [`Nulls::Remove`] a null takes a member away.
pub(crate) fn overlay(live: &mut Value, field: &str, patch: &Value, nulls: Nulls) {
    match (live, patch) {
        (Value::Object(live), Value::Object(patch)) => overlay_map(live, patch, nulls),
        (Value::Array(live), Value::Array(patch)) => overlay_list(live, field, patch, nulls),
        (live, patch) => *live = patch.clone(),
    }
}

/// What a null in a patch means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    Keep,
    Remove,
}

fn overlay_map(live: &mut Map<String, Value>, patch: &Map<String, Value>, nulls: Nulls) {
    for (key, value) in patch {
        match (value, live.get_mut(key)) {
            (Value::Null, _) if nulls == Nulls::Remove => {
                live.remove(key);
            }
            (value, Some(live)) => overlay(live, key, value, nulls),
            (value, None) => {
                live.insert(key.clone(), value.clone());
            }
        }
    }
}

fn overlay_list(live: &mut Vec<Value>, field: &str, patch: &[Value], nulls: Nulls) {
    if field == "finalizers" {
        let missing: Vec<Value> = patch.iter().filter(|p| !live.contains(p)).cloned().collect();
        live.extend(missing);
        return;
    }
    let plain: Vec<Value> = patch.iter().filter(|p| p.get("$patch").is_none()).cloned().collect();
    let (Some(keys), Some(_)) = (list_keys(field, &plain), list_keys(field, live)) else {
        *live = patch.to_vec();
        return;
    };
    for item in patch {
        let at = live.iter().position(|l| item_key(keys, l) == item_key(keys, item));
        match at {
            Some(at) if item.get("$patch").is_some_and(|p| p == "delete") => {
                live.remove(at);
            }
            Some(at) => {
                if let Some(live) = live.get_mut(at) {
                    overlay(live, "", item, nulls);
                }
            }
            None if item.get("$patch").is_some() => {}
            None => live.push(item.clone()),
        }
    }
}

/// A set as the JSON of `fieldsV1`.
pub(crate) fn to_v1(fields: &Fields) -> Value {
    let mut root = json!({});
    for path in fields {
        let mut at = &mut root;
        for step in path {
            let map = match at {
                Value::Object(map) => map,
                _ => break,
            };
            at = map.entry(step.clone()).or_insert_with(|| json!({}));
        }
    }
    root
}

/// The set that `fieldsV1` describes.
pub(crate) fn of_v1(value: &Value) -> Fields {
    fn collect(value: &Value, path: &mut Path, out: &mut Fields) {
        let steps = value.as_object().into_iter().flatten().filter(|(key, _)| *key != ".");
        let mut leaf = true;
        for (step, below) in steps {
            leaf = false;
            path.push(step.clone());
            collect(below, path, out);
            path.pop();
        }
        if leaf && !path.is_empty() {
            out.insert(path.clone());
        }
    }
    let mut out = Fields::new();
    collect(value, &mut vec![], &mut out);
    out
}
