//! Tables as kubectl prints them, and objects reduced to their metadata (spec/gateway 1.1, 3.5).

use crate::form::Include;
use crate::kinds::Kind;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::Column;
use fleetlog_messages::common::Time;
use fleetlog_objects::{age::human, column::computed, json_path};
use serde_json::{Value, json};

const AGE: [Column; 1] =
    [Column { name: "Age", kind: "date", json_path: ".metadata.creationTimestamp", priority: 0 }];

/// Types of columns that Kubernetes does not have.
const COMPUTED: [&str; 6] = ["count", "reference", "duration", "list", "accounts", "approval"];

fn columns(kind: Kind) -> &'static [Column] {
    if kind.0.columns.is_empty() { &AGE } else { kind.0.columns }
}

/// A table of objects; `heads` says whether it describes its columns.
#[must_use]
pub fn of<'a>(
    kind: Kind,
    objects: impl IntoIterator<Item = &'a Value>,
    (version, include): (&str, Include),
    heads: bool,
    now: Timestamp,
) -> Value {
    let columns = columns(kind);
    let row = |object: &Value| {
        let cells = cells(object, columns, now);
        match include {
            Include::None => json!({ "cells": cells, "object": null }),
            Include::Metadata => json!({ "cells": cells, "object": partial(object) }),
            Include::Object => json!({ "cells": cells, "object": object }),
        }
    };
    let rows: Vec<Value> = objects.into_iter().map(row).collect();
    let definitions = if heads { definitions(kind, columns) } else { Value::Null };
    json!({
        "kind": "Table", "apiVersion": version, "metadata": {},
        "columnDefinitions": definitions, "rows": rows,
    })
}

/// Whether the name stands before all columns; some kinds have it among them.
fn is_named(columns: &[Column]) -> bool {
    columns.iter().all(|column| column.name != "Name")
}

/// The same with its columns and `metadata`, as JSON that is written row by row.
#[must_use]
pub fn text<'a>(
    kind: Kind,
    objects: impl IntoIterator<Item = &'a Value>,
    (version, include): (&str, Include),
    metadata: &Value,
    now: Timestamp,
) -> Vec<u8> {
    let columns = columns(kind);
    let mut text = vec![];
    let mut put = |parts: &[&str], value: &Value| {
        parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
        // A value in memory can always be written there.
        let _ = serde_json::to_writer(&mut text, value);
    };
    put(&[r#"{"kind":"Table","apiVersion":"#], &json!(version));
    put(&[r#","metadata":"#], metadata);
    put(&[r#","columnDefinitions":"#], &definitions(kind, columns));
    let (mut begin, mut close) = (r#","rows":["#, "");
    for object in objects {
        put(&[close, begin, r#"{"cells":"#], &Value::Array(cells(object, columns, now)));
        (begin, close) = (",", "}");
        match include {
            Include::None => put(&[r#","object":"#], &Value::Null),
            Include::Metadata => {
                put(&[r#","object":"#, PARTIAL], &object["metadata"]);
                close = "}}";
            }
            Include::Object => put(&[r#","object":"#], object),
        }
    }
    let none = if close.is_empty() { begin } else { "" };
    [close, none, "]}"].iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
    text
}

/// How an object begins of which there is nothing but its metadata.
const PARTIAL: &str =
    r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#;

fn cells(object: &Value, columns: &[Column], now: Timestamp) -> Vec<Value> {
    // A bookmark has none.
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let name = is_named(columns).then(|| json!(name));
    let cells = columns.iter().map(|column| cell(object, column, now));
    name.into_iter().chain(cells).collect()
}

fn definitions(of: Kind, columns: &[Column]) -> Value {
    let name = json!({
        "name": "Name", "type": "string", "format": "name", "priority": 0,
        "description": "Name must be unique within a namespace.",
    });
    let others = columns.iter().map(|Column { name, kind, json_path, priority }| {
        let description =
            format!("Custom resource definition column (in JSONPath format): {json_path}");
        // As Kubernetes has it: what is computed is shown in columns of text.
        let kind = match *kind {
            "date" if of.is_built_in() => "string",
            // A moment, where others show an age.
            "string" if *name == "Created At" => "date",
            computed if COMPUTED.contains(&computed) => "string",
            plain => plain,
        };
        json!({
            "name": name, "type": kind, "format": "", "priority": priority,
            "description": description,
        })
    });
    is_named(columns).then_some(name).into_iter().chain(others).collect()
}

/// The first value that the path finds, in the column's type; null where there is none.
fn cell(object: &Value, column: &Column, now: Timestamp) -> Value {
    let (kind, path) = (column.kind, column.json_path);
    if kind == "count" {
        return json!(json_path::count(object, path));
    }
    if let Some(computed) = computed(object, kind, path) {
        return json!(computed);
    }
    let Some(found) = json_path::find(object, path).into_iter().next() else { return Value::Null };
    match (kind, found) {
        ("date", Value::String(text)) => json!(age(text, now)),
        ("string", Value::String(_)) | ("boolean", Value::Bool(_)) => found.clone(),
        ("string", Value::Number(_) | Value::Bool(_)) => json!(found.to_string()),
        ("integer", Value::Number(number)) if !number.is_f64() => found.clone(),
        ("number", Value::Number(_)) => found.clone(),
        _ => Value::Null,
    }
}

fn age(text: &str, now: Timestamp) -> String {
    match serde_json::from_value::<Time>(json!(text)) {
        Ok(time) => human(now.seconds() - fleetlog_rules::moment(&time).seconds()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// An object's metadata alone.
#[must_use]
pub fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;

    fn object() -> Value {
        json!({
            "metadata": {"name": "c1", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {
                "hubAcceptsClient": true,
                "managedClusterClientConfigs": [{"url": "https://a"}, {"url": "https://b"}],
            },
            "status": {"conditions": [{"type": "ManagedClusterJoined", "status": "True"}]},
        })
    }

    fn table(include: Include) -> Value {
        let kind = find("cluster.open-cluster-management.io", "v1", "managedclusters").unwrap();
        let how = ("meta.k8s.io/v1", include);
        of(kind, [&object()], how, true, Timestamp::of_seconds(300))
    }

    #[test]
    fn gw018_a_table_has_the_kinds_columns_and_what_is_to_be_included() {
        let heads = table(Include::Metadata)["columnDefinitions"].clone();
        let heads: Vec<&str> =
            heads.as_array().unwrap().iter().map(|head| head["name"].as_str().unwrap()).collect();
        let wanted = ["Name", "Hub Accepted", "Managed Cluster URLs", "Joined", "Available", "Age"];
        assert_eq!(heads, wanted);
        let row = table(Include::Metadata)["rows"][0].clone();
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(row["object"].get("spec"), None);
        assert_eq!(table(Include::Object)["rows"][0]["object"], object());
        assert_eq!(table(Include::None)["rows"][0]["object"], Value::Null);
    }

    #[test]
    fn a_table_is_the_same_written_row_by_row() {
        let kind = find("cluster.open-cluster-management.io", "v1", "managedclusters").unwrap();
        let (now, one) = (Timestamp::of_seconds(300), object());
        for include in [Include::None, Include::Metadata, Include::Object] {
            for count in 0..3 {
                let objects = || std::iter::repeat_n(&one, count);
                let how = ("meta.k8s.io/v1", include);
                let mut wanted = of(kind, objects(), how, true, now);
                wanted["metadata"] = json!({"resourceVersion": "7"});
                let text = text(kind, objects(), how, &wanted["metadata"], now);
                assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), wanted);
            }
        }
    }

    #[test]
    fn gw019_a_cell_shows_the_first_that_its_path_finds() {
        let cells = table(Include::None)["rows"][0]["cells"].clone();
        assert_eq!(cells, json!(["c1", true, "https://a", "True", null, "5m"]));
    }

    #[test]
    fn gw020_kinds_without_columns_show_their_age() {
        let kind = find("work.open-cluster-management.io", "v1", "manifestworks").unwrap();
        let how = ("meta.k8s.io/v1", Include::None);
        let table = of(kind, [&object()], how, true, Timestamp::of_seconds(60));
        assert_eq!(table["rows"][0]["cells"], json!(["c1", "60s"]));
        assert_eq!(table["columnDefinitions"][1]["name"], "Age");
    }
}
