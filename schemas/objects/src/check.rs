//! Checks a value against its schema: types, required fields, enums, patterns, bounds, lengths,
//! and what must be unique in a list. Prune first: what is unknown is not looked at here.

use crate::path::Path;
use crate::refusal::{Refusal, name_of};
use crate::schema::{Form, Keys, Node, Schema, Shape};
use fleetlog_messages::common::Time;
use fleetlog_messages::wire::canonical;
use serde_json::Value;
use std::collections::BTreeSet;

/// How much of a value is repeated in a sentence.
const SHOWN: usize = 64;

impl Schema<'_> {
    /// Everything that is wrong with `value`.
    #[must_use]
    pub fn check(self, value: &Value) -> Vec<Refusal> {
        let mut wrong = vec![];
        check(self, value, Path::Root, &mut wrong);
        wrong
    }
}

fn check(schema: Schema<'_>, value: &Value, path: Path<'_>, wrong: &mut Vec<Refusal>) {
    if let Some(wanted) = other_type(schema.shape(), value) {
        let path = path.to_string();
        wrong.push(Refusal::WrongType { path, wanted, found: name_of(value) });
        return;
    }
    for node in schema.nodes() {
        if let Some(rule) = broken(node, value) {
            wrong.push(invalid(path, value, rule));
        }
        if node.embedded {
            embedded(value, path, wrong);
        }
    }
    match (schema.shape(), value) {
        (Shape::Object { fields, required, .. }, Value::Object(map)) => {
            for name in required.iter().filter(|name| !map.contains_key(*name)) {
                wrong.push(Refusal::Missing { path: path.key(name).to_string() });
            }
            for (name, value) in map {
                if let Some(node) = fields.get(name) {
                    check(schema.at(node), value, path.key(name), wrong);
                }
            }
        }
        (Shape::Map(entry), Value::Object(map)) => {
            for (name, value) in map {
                check(schema.at(entry), value, path.key(name), wrong);
            }
        }
        (Shape::List { item, keys }, Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                check(schema.at(item), value, path.index(index), wrong);
            }
            unique(keys, items, path, wrong);
        }
        _ => {}
    }
}

/// What is wanted, when the value is something else.
fn other_type(shape: &Shape, value: &Value) -> Option<&'static str> {
    let (fits, wanted) = match shape {
        Shape::Any | Shape::Refer(_) => (true, "a value"),
        Shape::Object { .. } | Shape::Map(_) => (value.is_object(), "a map"),
        Shape::List { .. } => (value.is_array(), "a list"),
        Shape::Text(_) => (value.is_string(), "a text"),
        Shape::Integer => (value.is_i64(), "a whole number"),
        Shape::Number => (value.is_number(), "a number"),
        Shape::Boolean => (value.is_boolean(), "a boolean"),
        Shape::IntOrString => (value.is_i64() || value.is_string(), "a whole number or a text"),
    };
    (!fits).then_some(wanted)
}

/// The first rule of this place that the value breaks.
fn broken(node: &Node, value: &Value) -> Option<String> {
    if !node.one_of.is_empty() && !node.one_of.contains(value) {
        let allowed: Vec<String> = node.one_of.iter().map(ToString::to_string).collect();
        return Some(format!("one of {} is allowed", allowed.join(", ")));
    }
    if let (Some(pattern), Some(text)) = (&node.pattern, value.as_str())
        && !pattern.is_match(text)
    {
        return Some(format!("it must match {}", pattern.as_str()));
    }
    if let Some(number) = value.as_f64() {
        match (node.least, node.most) {
            (Some(least), _) if number < least => return Some(format!("at least {least}")),
            (_, Some(most)) if number > most => return Some(format!("at most {most}")),
            _ => {}
        }
    }
    form(node, value).or_else(|| length(node, value))
}

fn form(node: &Node, value: &Value) -> Option<String> {
    let (Shape::Text(form), Some(text)) = (&node.shape, value.as_str()) else { return None };
    match form {
        Form::Plain => None,
        Form::Time => Time::parse(text).is_none().then(|| "it must be an RFC 3339 time".to_owned()),
        Form::Base64 => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
            let body = text.trim_end_matches('=');
            let fits = text.len().is_multiple_of(4) && text.len() - body.len() <= 2;
            (!fits || !body.chars().all(plain)).then(|| "it must be base64".to_owned())
        }
    }
}

fn length(node: &Node, value: &Value) -> Option<String> {
    let (length, unit) = match value {
        Value::String(text) => (text.chars().count(), "characters"),
        Value::Array(items) => (items.len(), "items"),
        Value::Object(map) => (map.len(), "entries"),
        _ => return None,
    };
    let length = length as u64;
    match (node.shortest, node.longest) {
        (Some(least), _) if length < least => Some(format!("at least {least} {unit}")),
        (_, Some(most)) if length > most => Some(format!("at most {most} {unit}")),
        _ => None,
    }
}

/// A whole object of any kind: apiVersion, kind and a name.
fn embedded(value: &Value, path: Path<'_>, wrong: &mut Vec<Refusal>) {
    let Some(object) = value.as_object() else {
        let path = path.to_string();
        wrong.push(Refusal::WrongType { path, wanted: "an object", found: name_of(value) });
        return;
    };
    let empty = |value: Option<&Value>| value.and_then(Value::as_str).is_none_or(str::is_empty);
    for name in ["apiVersion", "kind"] {
        if empty(object.get(name)) {
            wrong.push(Refusal::Missing { path: path.key(name).to_string() });
        }
    }
    if empty(value.pointer("/metadata/name")) {
        let metadata = path.key("metadata");
        wrong.push(Refusal::Missing { path: metadata.key("name").to_string() });
    }
}

fn unique(keys: &Keys, items: &[Value], path: Path<'_>, wrong: &mut Vec<Refusal>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity = match keys {
            Keys::Atomic => return,
            Keys::Set => canonical(item),
            Keys::Map(names) => {
                let of = |name: &String| item.get(name).cloned().unwrap_or_default();
                canonical(&names.iter().map(of).collect())
            }
        };
        if !seen.insert(identity) {
            wrong.push(invalid(path.index(index), item, "it stands twice in the list".to_owned()));
        }
    }
}

fn invalid(path: Path<'_>, value: &Value, rule: String) -> Refusal {
    let text = value.to_string();
    let found = match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    };
    Refusal::Invalid { path: path.to_string(), found, rule }
}
