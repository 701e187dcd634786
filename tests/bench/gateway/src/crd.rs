//! The kind of clusters as a Kubernetes API takes it: a custom resource with the schema and the
//! columns of the project's own descriptors.

use crate::clusters::{GROUP, PLURAL};
use anyhow::{Context as _, Result};
use fleetlog_messages::{KINDS, SCHEMA};
use serde_json::{Map, Value, json};

/// The definition. Its status is written like everything else, so that the baseline can be given
/// the very objects that a hub answered.
///
/// # Errors
/// Descriptors that lack it.
pub fn definition() -> Result<Value> {
    let kind = KINDS.iter().find(|kind| (kind.group, kind.plural) == (GROUP, PLURAL));
    let kind = kind.context("clusters are not described")?;
    let schemas: Value = serde_json::from_str(SCHEMA)?;
    let mut schema = whole(&schemas["definitions"], &schemas["definitions"][kind.message]);
    schema["properties"]["metadata"] = json!({ "type": "object" });
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("x-kubernetes-group-version-kind");
    }
    let columns = kind.columns.iter().map(
        |column| json!({ "name": column.name, "type": column.kind, "jsonPath": column.json_path }),
    );
    Ok(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{PLURAL}.{GROUP}"),
            // Kubernetes asks this of groups that are its own.
            "annotations": { "api-approved.kubernetes.io": "unapproved, for a measurement" },
        },
        "spec": {
            "group": kind.group, "scope": "Cluster",
            "names": {
                "plural": kind.plural, "singular": kind.singular, "kind": kind.kind,
                "listKind": format!("{}List", kind.kind),
            },
            "versions": [{
                "name": kind.version, "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema },
                "additionalPrinterColumns": columns.collect::<Vec<_>>(),
            }],
        },
    }))
}

/// A schema with everything that it refers to in its place.
fn whole(definitions: &Value, schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut all = Map::new();
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("allOf", Value::Array(parts)) => {
                        parts.iter().for_each(|part| add(&mut all, whole(definitions, part)));
                    }
                    ("$ref", Value::String(to)) => {
                        let to = to.rsplit('/').next().unwrap_or_default();
                        add(&mut all, whole(definitions, &definitions[to]));
                    }
                    _ => drop(all.insert(name.clone(), whole(definitions, value))),
                }
            }
            Value::Object(all)
        }
        Value::Array(items) => items.iter().map(|item| whole(definitions, item)).collect(),
        other => other.clone(),
    }
}

fn add(all: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(name, value)| {
            all.entry(name).or_insert(value);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_refers_to_elsewhere() {
        let text = definition().unwrap().to_string();
        assert!(!text.contains("$ref") && !text.contains("allOf"), "{text}");
        assert!(text.contains("managedClusterClientConfigs"));
    }
}
