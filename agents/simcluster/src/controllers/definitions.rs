//! Definitions of custom kinds: whether their names are free, when they are served, and their end,
//! which takes their objects along.

use serde_json::{Value, json};

use super::DEFINITIONS;
use crate::kinds::Kind;
use crate::state::{Change, Key, State, What};
use crate::stored::{member_mut, take};

impl State {
    pub(super) fn noticed_definition(&mut self, change: &Change) {
        if change.what == What::Deleted {
            self.undefine(&change.key.name);
        } else {
            self.define(&change.key, change.new.to_value());
        }
    }

    fn define(&mut self, key: &Key, mut value: Value) {
        let Some(kind) = Kind::of_definition(&value) else { return };
        let free = !self.kinds().any(|other| {
            other.group == kind.group && other.kind == kind.kind && other.plural != kind.plural
        });
        let conditions = self.conditions(free, &kind.kind);
        if free {
            self.serve(kind);
        }
        if is_established(&value) || (!free && value.pointer("/status/conditions").is_some()) {
            return;
        }
        let versions = value.pointer("/spec/versions").and_then(Value::as_array);
        let is_stored = |version: &&Value| version.get("storage") == Some(&Value::Bool(true));
        let stored = versions.into_iter().flatten().filter(is_stored);
        let stored: Vec<Value> =
            stored.filter_map(|version| version.get("name").cloned()).collect();
        let status = json!({
            "acceptedNames": value.pointer("/spec/names").cloned().unwrap_or_default(),
            "storedVersions": stored,
            "conditions": conditions,
        });
        take(&mut value, "status");
        *member_mut(&mut value, "status") = status.as_object().cloned().unwrap_or_default();
        self.set_status(key, value);
    }

    fn conditions(&self, free: bool, kind: &str) -> [Value; 2] {
        let now = self.clock.text();
        let condition = |kind: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": if free { "True" } else { "False" }, "reason": reason,
                "message": message, "lastTransitionTime": now,
            })
        };
        if free {
            let established = "the initial names have been accepted";
            [
                condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                condition("Established", "InitialNamesAccepted", established),
            ]
        } else {
            let taken = format!("\"{kind}\" is already in use");
            [
                condition("NamesAccepted", "KindConflict", &taken),
                condition("Established", "NotAccepted", "not all names are accepted"),
            ]
        }
    }

    /// A definition that is gone takes its objects along, and frees its names for others.
    fn undefine(&mut self, name: &str) {
        let Some(kind) = self.kind_of(name).filter(|kind| kind.custom) else { return };
        let keys: Vec<Key> = self.list(&kind, None).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.remove(&key);
        }
        self.stop_serving(name);
        let Some(definitions) = self.kind_of(DEFINITIONS) else { return };
        let waiting: Vec<(Key, Value)> = self
            .list(&definitions, None)
            .map(|(key, stored)| (key.clone(), stored.to_value()))
            .filter(|(_, value)| !is_established(value))
            .collect();
        for (key, value) in waiting {
            self.define(&key, value);
        }
    }
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|c| c["type"] == "Established" && c["status"] == "True")
}
