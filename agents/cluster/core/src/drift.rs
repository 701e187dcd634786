//! Whether an object is as we applied it, told from the object alone, so that it also holds after
//! a restart: it has all that we want, and our manager holds nothing that we no longer want.

use serde_json::{Map, Value};

/// Whether applying `wanted` as `manager` would change nothing of `live`.
#[must_use]
pub fn is_settled(wanted: &Value, live: &Value, manager: &str) -> bool {
    let managed = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let ours = managed.into_iter().flatten().find(|entry| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let (who, how) = (text("manager"), text("operation"));
        who == manager && how == "Apply" && text("subresource").is_empty()
    });
    let Some(Value::Object(fields)) = ours.and_then(|entry| entry.get("fieldsV1")) else {
        return false;
    };
    holds(live, wanted) && wants(wanted, fields)
}

/// Whether `live` has everything that `wanted` says. What is null or empty may be left out.
fn holds(live: &Value, wanted: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(key, want)| {
            is_server_set(key, want)
                || match live.get(key) {
                    Some(have) => holds(have, want),
                    None => is_empty(want),
                }
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().all(|w| live.iter().any(|l| holds(l, w)))
        }
        (wanted, live) => wanted == live || (is_empty(wanted) && is_empty(live)),
    }
}

/// What a manifest may carry but never decides.
fn is_server_set(key: &str, want: &Value) -> bool {
    key == "status" || (key == "creationTimestamp" && want.is_null())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Whether each field of a `fieldsV1` tree stands in `wanted`.
fn wants(wanted: &Value, fields: &Map<String, Value>) -> bool {
    fields.iter().all(|(step, below)| {
        let at = match step.split_once(':') {
            Some(("f", name)) => wanted.get(name),
            Some(("k", keys)) => item_of(wanted, keys),
            Some(("v", value)) => member_of(wanted, value),
            _ => return true,
        };
        match (at, below) {
            (None, _) => is_identity(step),
            (Some(at), Value::Object(below)) => wants(at, below),
            (Some(_), _) => true,
        }
    })
}

/// Fields of list items that make up a defaulted key, and so need not be wanted by name.
fn is_identity(step: &str) -> bool {
    matches!(step, "f:protocol")
}

fn item_of<'a>(list: &'a Value, keys: &str) -> Option<&'a Value> {
    let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
    list.as_array()?
        .iter()
        .find(|item| keys.iter().all(|(key, value)| item.get(key).is_none_or(|have| have == value)))
}

fn member_of<'a>(list: &'a Value, value: &str) -> Option<&'a Value> {
    let value: Value = serde_json::from_str(value).ok()?;
    list.as_array()?.iter().find(|member| **member == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(object: Value, fields: Value) -> Value {
        let mut live = object;
        live["metadata"]["managedFields"] = json!([
            { "manager": "m", "operation": "Apply", "fieldsV1": fields },
        ]);
        live
    }

    #[test]
    fn defaults_of_the_server_are_no_drift() {
        let wanted = json!({"spec": {"ports": [{"port": 80}]}, "data": {}, "status": {"x": 1}});
        let have = json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "type": "A"}});
        let fields = json!({"f:spec": {"f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}},
        }}});
        assert!(is_settled(&wanted, &live(have, fields), "m"));
    }

    #[test]
    fn a_field_that_is_no_longer_wanted_is_drift() {
        let have = json!({"data": {"a": "1", "b": "2"}});
        let fields = json!({"f:data": {"f:a": {}, "f:b": {}}});
        assert!(!is_settled(&json!({"data": {"a": "1"}}), &live(have.clone(), fields), "m"));
        let fields = json!({"f:data": {"f:a": {}}});
        assert!(is_settled(&json!({"data": {"a": "1"}}), &live(have.clone(), fields.clone()), "m"));
        assert!(!is_settled(&json!({"data": {"a": "1"}}), &live(have, fields), "other"));
    }

    #[test]
    fn a_changed_value_and_a_missing_item_are_drift() {
        let fields = json!({});
        let settled = |wanted, have| is_settled(&wanted, &live(have, fields.clone()), "m");
        assert!(!settled(json!({"a": 1}), json!({"a": 2})));
        assert!(!settled(json!({"l": [1, 2]}), json!({"l": [1]})));
    }
}
