//! Changes laid over objects: RFC 7396 merge patches, and the merge of apply, where lists with keys
//! are merged item by item.

use crate::schema::{Keys, Schema, Shape};
use serde_json::Value;

/// Lays an RFC 7396 merge patch over a value: maps are merged, null removes, the rest replaces.
pub fn merge_patch(value: &mut Value, patch: &Value) {
    json_patch::merge(value, patch);
}

/// Lays `given` over `current` as its schema says: maps are merged, null removes, lists with keys
/// are merged item by item (new items at the end), sets are joined, everything else is replaced.
pub fn merge(schema: Schema<'_>, current: &mut Value, given: &Value) {
    match (schema.shape(), current, given) {
        (Shape::Object { fields, .. }, Value::Object(map), Value::Object(given)) => {
            for (key, value) in given {
                let node = fields.get(key).map(|node| schema.at(node));
                lay(node, map, key, value);
            }
        }
        (Shape::Map(entry), Value::Object(map), Value::Object(given)) => {
            for (key, value) in given {
                lay(Some(schema.at(entry)), map, key, value);
            }
        }
        (
            Shape::List { item, keys: Keys::Map(names) },
            Value::Array(items),
            Value::Array(given),
        ) => {
            for value in given {
                let same = |item: &&mut Value| names.iter().all(|n| item.get(n) == value.get(n));
                match items.iter_mut().find(same) {
                    Some(found) => merge(schema.at(item), found, value),
                    None => items.push(value.clone()),
                }
            }
        }
        (Shape::List { keys: Keys::Set, .. }, Value::Array(items), Value::Array(given)) => {
            for value in given {
                if !items.contains(value) {
                    items.push(value.clone());
                }
            }
        }
        (Shape::Any, current @ Value::Object(_), given @ Value::Object(_)) => {
            merge_patch(current, given);
        }
        (_, current, given) => current.clone_from(given),
    }
}

fn lay(
    schema: Option<Schema<'_>>,
    map: &mut serde_json::Map<String, Value>,
    key: &str,
    value: &Value,
) {
    match (schema, map.get_mut(key)) {
        _ if value.is_null() => {
            map.remove(key);
        }
        (Some(schema), Some(current)) => merge(schema, current, value),
        _ => {
            map.insert(key.to_owned(), value.clone());
        }
    }
}
