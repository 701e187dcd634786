//! An answer without what no two servers have in common: times, uids, versions, generated names;
//! and where two of them differ.

use crate::both::Raw;
use serde_json::{Map, Value, json};

/// The answer as it is compared.
pub fn plain(raw: &Raw, is_watch: bool) -> Value {
    let header = |name: &str| {
        let all = raw.headers.get_all(name).iter();
        all.map(|value| value.to_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let kind = header("content-type").first().cloned().unwrap_or_default();
    let text = String::from_utf8_lossy(&raw.body);
    let read = |text: &str| match serde_json::from_str(text) {
        Ok(value) => bare(value),
        Err(_) if kind == "application/yaml" => {
            bare(fleetlog_objects::yaml(text).unwrap().remove(0))
        }
        Err(_) => json!(text.trim()),
    };
    let body = match is_watch && raw.code == 200 {
        true => text.lines().map(read).collect(),
        false => read(&text),
    };
    json!({
        "code": raw.code, "type": kind.split(';').next(), "warnings": header("warning"),
        "body": body,
    })
}

/// A document without what differs anyway.
pub fn bare(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(fields(map)),
        Value::Array(items) => items.into_iter().map(bare).collect(),
        Value::String(text) => json!(bare_text(&text)),
        other => other,
    }
}

fn fields(mut map: Map<String, Value>) -> Map<String, Value> {
    map.remove("managedFields");
    map.remove("storageVersionHash");
    // What is empty there says nothing.
    map.retain(|key, value| match key.as_str() {
        "details" => *value != json!({}),
        "continue" => *value != json!(""),
        _ => true,
    });
    for field in ["resources", "verbs", "shortNames", "groups"] {
        if let Some(Value::Array(items)) = map.get_mut(field) {
            items.sort_by_cached_key(|item| item["name"].to_string() + &item.to_string());
        }
    }
    if map.get("creationTimestamp").is_some_and(Value::is_null) {
        map.remove("creationTimestamp");
    }
    if map.get("generateName").is_some() && map.get("name").is_some() {
        map.insert("name".to_owned(), json!("<generated>"));
    }
    for field in ["resourceVersion", "continue", "auditID"] {
        if let Some(value) = map.get_mut(field).filter(|value| **value != json!("")) {
            *value = json!("<opaque>");
        }
    }
    if map.get("columnDefinitions").is_some() {
        ages(&mut map);
    }
    map.into_iter()
        .map(|(key, value)| match (key.as_str(), &value) {
            ("message", Value::String(text)) => (key, json!(numbers(&bare_text(text)))),
            _ => (key, bare(value)),
        })
        .collect()
}

/// Takes the ages out of a table.
fn ages(table: &mut Map<String, Value>) {
    let columns = table["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let dated: Vec<usize> = (0..columns.len())
        .filter(|at| columns[*at]["type"] == "date" || columns[*at]["name"] == "Age")
        .collect();
    for row in table.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        for at in &dated {
            row["cells"][*at] = json!("<age>");
        }
        // Later tables of a watch describe no columns.
        let cells = row["cells"].as_array_mut().into_iter().flatten();
        cells.filter(|cell| is_age(cell)).for_each(|cell| *cell = json!("<age>"));
    }
}

/// `5s`, or `2m10s`.
fn is_age(cell: &Value) -> bool {
    let text = cell.as_str().unwrap_or_default();
    let is_part = |c: char| c.is_ascii_digit() || "smhdy".contains(c);
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(is_part)
}

/// Times and uids as what they are.
fn bare_text(text: &str) -> String {
    let is_time = text.len() >= 20 && text.is_ascii() && text[4..].starts_with('-');
    if is_time && text[10..].starts_with('T') && text.ends_with('Z') {
        return "<time>".to_owned();
    }
    let mut out = text.to_owned();
    let mut at = 0;
    while at + 36 <= out.len() {
        if out.get(at..at + 36).is_some_and(is_uid) {
            out.replace_range(at..at + 36, "<uid>");
        }
        at += 1;
    }
    out
}

fn is_uid(text: &str) -> bool {
    text.char_indices().all(|(at, c)| match at {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    })
}

/// A sentence without its long numbers: they are versions.
fn numbers(text: &str) -> String {
    let (mut out, mut run) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() >= 3 { "#" } else { &run });
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// One place where two answers differ; in its path items have no numbers.
#[derive(Clone, Debug)]
pub struct Difference {
    pub path: String,
    pub kube: Option<Value>,
    pub gateway: Option<Value>,
}

/// Everything that differs.
pub fn differences(kube: &Value, gateway: &Value) -> Vec<Difference> {
    let mut found = vec![];
    compare(Some(kube), Some(gateway), "", &mut found);
    found
}

fn compare(kube: Option<&Value>, ours: Option<&Value>, path: &str, found: &mut Vec<Difference>) {
    let step = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (kube, ours) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                compare(a.get(key), b.get(key), &step(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                compare(a.get(at), b.get(at), &format!("{path}[]"), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => {
            found.push(Difference { path: path.to_owned(), kube: a.cloned(), gateway: b.cloned() })
        }
    }
}
