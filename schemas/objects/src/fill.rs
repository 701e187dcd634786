//! Fills defaults in: where a field with a default is absent, and inside what was filled in. And
//! puts back what writing must not leave out: lists that have to be present.

use crate::schema::{Schema, Shape};
use serde_json::Value;

impl Schema<'_> {
    /// Fills in every default of what stands in `value`.
    pub fn fill(self, value: &mut Value) {
        match (self.shape(), value) {
            (Shape::Object { fields, .. }, Value::Object(map)) => {
                for (name, node) in fields {
                    if let Some(default) = &node.default
                        && !map.contains_key(name)
                    {
                        map.insert(name.clone(), default.clone());
                    }
                    if let Some(value) = map.get_mut(name) {
                        self.at(node).fill(value);
                    }
                }
            }
            (Shape::Map(entry), Value::Object(map)) => {
                map.values_mut().for_each(|value| self.at(entry).fill(value));
            }
            (Shape::List { item, .. }, Value::Array(items)) => {
                items.iter_mut().for_each(|value| self.at(item).fill(value));
            }
            _ => {}
        }
    }

    /// Puts an empty list where one is required and none stands.
    pub(crate) fn fill_required_lists(self, value: &mut Value) {
        match (self.shape(), value) {
            (Shape::Object { fields, required, .. }, Value::Object(map)) => {
                for (name, node) in fields {
                    let schema = self.at(node);
                    let is_list = matches!(schema.shape(), Shape::List { .. });
                    if is_list && required.contains(name) && !map.contains_key(name) {
                        map.insert(name.clone(), Value::Array(vec![]));
                    } else if let Some(value) = map.get_mut(name) {
                        schema.fill_required_lists(value);
                    }
                }
            }
            (Shape::List { item, .. }, Value::Array(items)) => {
                items.iter_mut().for_each(|value| self.at(item).fill_required_lists(value));
            }
            _ => {}
        }
    }
}
