//! OpenAPI v3 documents, one for each group and version, from the same descriptors as the objects
//! (spec/gateway 2.3): what `kubectl explain` prints and `kubectl apply` asks before it writes.

use crate::kinds::{Kind, schemas, versions};
use fleetlog_kernel::ContentHash;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The place of a kind under `/openapi/v3/`.
fn place(kind: Kind) -> String {
    match kind.0.group {
        "" => format!("api/{}", kind.0.version),
        _ => format!("apis/{}", kind.0.api_version()),
    }
}

/// The places under `/openapi/v3/`: `api/<version>` and `apis/<group>/<version>`.
#[must_use]
pub fn paths() -> Vec<String> {
    let all: BTreeSet<String> = versions().map(place).collect();
    all.into_iter().collect()
}

/// What answers `/openapi/v3`.
#[must_use]
pub fn index() -> Value {
    let place = |path: &String| {
        let hash = document(path).map(|(_, hash)| hash).unwrap_or_default();
        let url = format!("/openapi/v3/{path}?hash={hash}");
        (path.clone(), json!({ "serverRelativeURL": url }))
    };
    let places: Map<String, Value> = paths().iter().map(place).collect();
    json!({ "paths": places })
}

/// The document of a place, with its hash; `None` when nothing is served there.
#[must_use]
pub fn document(path: &str) -> Option<(Value, String)> {
    let kinds: Vec<Kind> = versions().filter(|kind| place(*kind) == path).collect();
    if kinds.is_empty() {
        return None;
    }
    let (mut paths, mut names) = (Map::new(), BTreeSet::new());
    for kind in &kinds {
        described(*kind, &mut paths);
        reach(kind.0.message, &mut names);
    }
    let mut components: Map<String, Value> = names.iter().map(component).collect();
    for kind in &kinds {
        if let Some(schema) = components.get_mut(kind.0.message) {
            schema["x-kubernetes-group-version-kind"] = json!([gvk(*kind)]);
        }
    }
    let document = json!({
        "openapi": "3.0.0",
        "info": { "title": "Fleetlog", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "schemas": components },
    });
    let hash = ContentHash::of(document.to_string().as_bytes()).to_string();
    Some((document, hash))
}

fn gvk(kind: Kind) -> Value {
    json!({ "group": kind.0.group, "version": kind.0.version, "kind": kind.0.kind })
}

/// The names of all definitions that one refers to, itself included.
fn reach(name: &str, found: &mut BTreeSet<String>) {
    if !found.insert(name.to_owned()) {
        return;
    }
    let Some(definition) = schemas()["definitions"].get(name) else { return };
    let mut open = vec![definition];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(other) = map.get("$ref").and_then(Value::as_str) {
                    reach(other.rsplit('/').next().unwrap_or_default(), found);
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

/// A definition as a component: what it refers to lies elsewhere in this form.
fn component(name: &String) -> (String, Value) {
    let definition = schemas()["definitions"].get(name).cloned().unwrap_or_default();
    (name.clone(), moved(definition))
}

fn moved(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(text)) => {
                    let text = text.replace("#/definitions/", "#/components/schemas/");
                    (key, json!(text))
                }
                _ => (key, moved(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(moved).collect(),
        other => other,
    }
}

/// The operations of a kind's collection and of its objects.
fn described(kind: Kind, paths: &mut Map<String, Value>) {
    let info = kind.0;
    let base = format!("/{}", place(kind));
    let collection = match info.namespaced {
        true => format!("{base}/namespaces/{{namespace}}/{}", info.plural),
        false => format!("{base}/{}", info.plural),
    };
    let writing = ["dryRun", "fieldManager", "fieldValidation"];
    if kind.is_review() {
        let post = json!({ "post": operation(kind, "post", &writing) });
        paths.insert(collection, post);
        return;
    }
    if info.namespaced {
        let all = json!({ "get": operation(kind, "list", &[]) });
        paths.insert(format!("{base}/{}", info.plural), all);
    }
    let mut all = json!({ "get": operation(kind, "list", &[]) });
    let mut one = json!({ "get": operation(kind, "get", &[]) });
    all["post"] = operation(kind, "post", &writing);
    all["delete"] = operation(kind, "deletecollection", &["dryRun"]);
    one["put"] = operation(kind, "put", &writing);
    one["delete"] = operation(kind, "delete", &["dryRun", "propagationPolicy"]);
    let patching = ["dryRun", "fieldManager", "fieldValidation", "force"];
    one["patch"] = operation(kind, "patch", &patching);
    let any = json!({ "schema": { "type": "object" } });
    one["patch"]["requestBody"] = json!({ "content": {
        "application/json-patch+json": any, "application/merge-patch+json": any,
    } });
    if kind.is_built_in() {
        let content = &mut one["patch"]["requestBody"]["content"];
        content["application/strategic-merge-patch+json"] = any;
    }
    paths.insert(format!("{collection}/{{name}}"), one);
    paths.insert(collection, all);
}

fn operation(kind: Kind, action: &str, parameters: &[&str]) -> Value {
    let parameter = |name: &&str| {
        let of = if *name == "force" { "boolean" } else { "string" };
        json!({ "name": name, "in": "query", "schema": { "type": of, "uniqueItems": true } })
    };
    let parameters: Vec<Value> = parameters.iter().map(parameter).collect();
    let schema = json!({ "$ref": format!("#/components/schemas/{}", kind.0.message) });
    json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind),
        "parameters": parameters,
        "responses": { "200": {
            "description": "OK", "content": { "application/json": { "schema": schema } },
        } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gw005_each_place_of_the_index_is_there_and_its_patches_say_how_fields_are_judged() {
        let index = index();
        for path in paths() {
            let (document, hash) = document(&path).unwrap();
            let url = index["paths"][&path]["serverRelativeURL"].as_str().unwrap();
            assert!(url.ends_with(&hash), "{url}");
            let patches: Vec<&Value> = document["paths"]
                .as_object()
                .unwrap()
                .values()
                .filter_map(|p| p.get("patch"))
                .collect();
            for patch in patches {
                let named = patch["parameters"].as_array().unwrap().iter();
                let named: Vec<&str> = named.map(|p| p["name"].as_str().unwrap()).collect();
                assert!(named.contains(&"fieldValidation"), "{path}");
            }
        }
        assert_eq!(document("apis/apps/v1"), None);
    }

    #[test]
    fn nothing_refers_to_what_is_not_there() {
        for path in paths() {
            let (document, _) = document(&path).unwrap();
            let text = document.to_string();
            for part in text.split("#/components/schemas/").skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(document["components"]["schemas"].get(name).is_some(), "{path}: {name}");
            }
            assert!(!text.contains("#/definitions/"));
        }
    }
}
