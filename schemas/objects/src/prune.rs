//! Prunes a value to what its schema knows: nulls count as absent, unknown fields come out by path.

use crate::near::nearest;
use crate::path::Path;
use crate::refusal::Refusal;
use crate::schema::{Schema, Shape};
use serde_json::Value;

impl Schema<'_> {
    /// Takes nulls and unknown fields out of `value`; tells the unknown ones.
    pub fn prune(self, value: &mut Value) -> Vec<Refusal> {
        let mut unknown = vec![];
        prune(self, value, Path::Root, &mut unknown);
        unknown
    }
}

fn prune(schema: Schema<'_>, value: &mut Value, path: Path<'_>, unknown: &mut Vec<Refusal>) {
    match (schema.shape(), value) {
        (Shape::Object { fields, open, .. }, Value::Object(map)) => {
            map.retain(|key, value| {
                let known = *open || fields.contains_key(key);
                if !known {
                    let near = nearest(key, fields.keys().map(String::as_str));
                    let path = path.key(key).to_string();
                    unknown.push(Refusal::UnknownField { path, near: near.map(str::to_owned) });
                }
                known && (!value.is_null() || !fields.contains_key(key))
            });
            for (key, value) in map {
                if let Some(node) = fields.get(key) {
                    prune(schema.at(node), value, path.key(key), unknown);
                }
            }
        }
        (Shape::Map(entry), Value::Object(map)) => {
            map.retain(|_, value| !value.is_null());
            for (key, value) in map {
                prune(schema.at(entry), value, path.key(key), unknown);
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            for (index, value) in items.iter_mut().enumerate() {
                prune(schema.at(item), value, path.index(index), unknown);
            }
        }
        _ => {}
    }
}
