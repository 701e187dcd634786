//! The hub's own kinds as definitions that a Kubernetes API takes, out of the same descriptors
//! that the gateway serves them by.

use fleetlog_messages::{KINDS, KindInfo, SCHEMA};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const OURS: &str = "open-cluster-management.io";

/// One definition for each kind, with all its versions.
pub fn all() -> Vec<Value> {
    let schemas: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut kinds: BTreeMap<String, Vec<&KindInfo>> = BTreeMap::new();
    for info in KINDS.iter().filter(|info| info.service.is_some() && info.group.contains(OURS)) {
        kinds.entry(info.in_group(info.plural)).or_default().push(info);
    }
    kinds.iter().map(|(name, infos)| definition(name, infos, &schemas["definitions"])).collect()
}

fn definition(name: &str, infos: &[&KindInfo], schemas: &Value) -> Value {
    let info = infos[0];
    let versions: Vec<Value> =
        infos.iter().enumerate().map(|(at, info)| version(info, at == 0, schemas)).collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": name },
        "spec": {
            "group": info.group, "versions": versions,
            "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
            "names": {
                "plural": info.plural, "singular": info.singular, "kind": info.kind,
                "listKind": format!("{}List", info.kind), "shortNames": info.short_names,
            },
        },
    })
}

fn version(info: &KindInfo, stored: bool, schemas: &Value) -> Value {
    let mut schema = whole(&schemas[info.message], schemas);
    schema["properties"]["metadata"] = json!({ "type": "object" });
    let has_status = schema["properties"].get("status").is_some();
    let column = |column: &fleetlog_messages::Column| {
        let (name, path) = (column.name, column.json_path);
        json!({ "name": name, "type": column.kind, "jsonPath": path })
    };
    let columns: Vec<Value> = info.columns.iter().map(column).collect();
    let mut version = json!({
        "name": info.version, "served": true, "storage": stored,
        "schema": { "openAPIV3Schema": schema },
        "subresources": if has_status { json!({ "status": {} }) } else { json!({}) },
    });
    if !columns.is_empty() {
        version["additionalPrinterColumns"] = json!(columns);
    }
    version
}

/// A schema with all that it refers to in it, in the structural form.
fn whole(schema: &Value, all: &Value) -> Value {
    let Some(given) = schema.as_object() else { return schema.clone() };
    let mut made = Map::new();
    if let Some(reference) = given.get("allOf").and_then(|all| all[0]["$ref"].as_str()) {
        let name = reference.rsplit('/').next().unwrap();
        made = whole(&all[name], all).as_object().unwrap().clone();
    }
    for (key, value) in given {
        let value = match key.as_str() {
            "allOf" | "x-kubernetes-group-version-kind" => continue,
            "properties" => {
                let fields = value.as_object().unwrap().iter();
                fields.map(|(name, field)| (name.clone(), whole(field, all))).collect()
            }
            "items" | "additionalProperties" => whole(value, all),
            _ => value.clone(),
        };
        made.insert(key.clone(), value);
    }
    if made.get("x-kubernetes-embedded-resource") == Some(&json!(true)) {
        made.insert("type".to_owned(), json!("object"));
    }
    if keys_may_be_absent(&made) {
        // Kubernetes knows items by fields that each of them has.
        made.retain(|key, _| !key.starts_with("x-kubernetes-list"));
    }
    Value::Object(made)
}

fn keys_may_be_absent(list: &Map<String, Value>) -> bool {
    let Some(keys) = list.get("x-kubernetes-list-map-keys").and_then(Value::as_array) else {
        return false;
    };
    let item = &list["items"];
    let required = item["required"].as_array().cloned().unwrap_or_default();
    let has = |key: &Value| {
        let field = &item["properties"][key.as_str().unwrap_or_default()];
        required.contains(key) || field.get("default").is_some()
    };
    !keys.iter().all(has)
}
