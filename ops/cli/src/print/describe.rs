//! One object for people: what it is, what is wanted, how it is, its conditions, its last events.

use crate::print::objects::{age, name_of, namespace_of};
use crate::print::table::Rows;
use fleetlog_kernel::Timestamp;
use fleetlog_objects::to_yaml;
use serde_json::{Map, Value};

/// The text of one object; `events` are lines of its log.
#[must_use]
pub fn describe(object: &Value, events: &[String], now: Timestamp) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        let name = if name.is_empty() { String::new() } else { format!("{name}:") };
        text.push_str(format!("{name:<14}{value}").trim_end());
        text.push('\n');
    };
    let word = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    field("Name", name_of(object));
    if let Some(namespace) = namespace_of(object) {
        field("Namespace", namespace);
    }
    field("API Version", word("/apiVersion"));
    field("Kind", word("/kind"));
    pairs("Labels", object.pointer("/metadata/labels"), &mut field);
    pairs("Annotations", object.pointer("/metadata/annotations"), &mut field);
    let created = word("/metadata/creationTimestamp");
    field("Created", &format!("{created} ({} ago)", age(created, now)));
    if let Some(deleted) = object.pointer("/metadata/deletionTimestamp").and_then(Value::as_str) {
        field("Deleting", &format!("since {deleted}"));
    }
    if let Some(generation) = object.pointer("/metadata/generation") {
        field("Generation", &generation.to_string());
    }
    block("Spec", object.get("spec"), &mut text);
    let mut status = object.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
    let conditions = status.remove("conditions");
    block("Status", Some(&Value::Object(status)), &mut text);
    if let Some(Value::Array(conditions)) = &conditions {
        text.push_str("Conditions:\n");
        text.push_str(&indented(&table_of(conditions, now)));
    }
    text.push_str(if events.is_empty() { "Events:       none\n" } else { "Events:\n" });
    text.push_str(&indented(&events.join("\n")));
    text
}

fn pairs(name: &str, map: Option<&Value>, field: &mut impl FnMut(&str, &str)) {
    let empty = Map::new();
    let map = map.and_then(Value::as_object).unwrap_or(&empty);
    if map.is_empty() {
        field(name, "none");
    }
    for (index, (key, value)) in map.iter().enumerate() {
        let pair = format!("{key}={}", value.as_str().unwrap_or_default());
        field(if index == 0 { name } else { "" }, &pair);
    }
}

fn block(name: &str, value: Option<&Value>, text: &mut String) {
    let Some(value) = value.filter(|v| v.as_object().is_some_and(|map| !map.is_empty())) else {
        return;
    };
    text.push_str(&format!("{name}:\n{}", indented(&to_yaml(value))));
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn table_of(conditions: &[Value], now: Timestamp) -> String {
    let mut rows = Rows::new(["type", "status", "since", "reason", "message"]);
    for condition in conditions {
        let word = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        let since = age(&word("lastTransitionTime"), now);
        rows.push(vec![word("type"), word("status"), since, word("reason"), word("message")]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_told_with_its_conditions_and_events() {
        let object = json!({
            "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
            "metadata": {"name": "c1", "labels": {"a": "1", "b": "2"}, "generation": 2,
                "creationTimestamp": "2026-03-01T09:00:00Z"},
            "spec": {"hubAcceptsClient": true},
            "status": {"conditions": [{"type": "Joined", "status": "True", "reason": "Came",
                "message": "", "lastTransitionTime": "2026-03-01T09:00:10Z"}]},
        });
        let now = Timestamp::of_seconds(1_772_355_600 + 60);
        let text = describe(&object, &["7  c1 joins".to_owned()], now);
        assert_eq!(
            text,
            "Name:         c1\n\
             API Version:  cluster.open-cluster-management.io/v1\n\
             Kind:         ManagedCluster\n\
             Labels:       a=1\n              b=2\n\
             Annotations:  none\n\
             Created:      2026-03-01T09:00:00Z (60s ago)\n\
             Generation:   2\n\
             Spec:\n  hubAcceptsClient: true\n\
             Conditions:\n  TYPE     STATUS   SINCE   REASON   MESSAGE\n  \
             Joined   True     50s     Came\n\
             Events:\n  7  c1 joins\n"
        );
    }
}
