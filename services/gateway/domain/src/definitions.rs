//! The definitions of the hub's own kinds, as Kubernetes has them for kinds that are not built in
//! (spec/gateway 1.8): clients look them up to see whether this is a hub. What is served does not
//! depend on them.

use crate::kinds::{Kind, schemas, served, versions};
use fleetlog_kernel::ContentHash;
use fleetlog_objects::canonical;
use serde_json::{Map, Value, json};

/// What a definition was made as: by it one is known that nobody has changed since.
const MADE_AS: &str = "fleetlog.io/made-as";
/// Types that a column of a definition may have.
const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
/// How deep a schema may refer to others.
const DEEPEST: usize = 32;

/// The definition of each kind that Kubernetes does not have itself.
#[must_use]
pub fn definitions() -> Vec<Value> {
    let own = |kind: &Kind| kind.0.group.ends_with("open-cluster-management.io");
    served().filter(own).map(definition).collect()
}

/// Whether a definition stands as an earlier release made it, which this one makes otherwise.
#[must_use]
pub fn is_outdated(found: &Value, made: &Value) -> bool {
    let as_of = |definition: &Value| {
        definition["metadata"]["annotations"][MADE_AS].as_str().map(str::to_owned)
    };
    let untouched = as_of(found).filter(|hash| *hash == hash_of(&found["spec"]));
    untouched.is_some() && untouched != as_of(made)
}

fn hash_of(spec: &Value) -> String {
    ContentHash::of(&canonical(spec)).to_string()
}

fn definition(kept: Kind) -> Value {
    let info = kept.0;
    let mut names = json!({
        "plural": info.plural, "singular": info.singular, "kind": info.kind,
        "listKind": format!("{}List", info.kind),
    });
    if !info.short_names.is_empty() {
        names["shortNames"] = json!(info.short_names);
    }
    let all: Vec<Value> =
        versions().filter(|kind| kind.kept() == kept).map(|kind| version(kind, kept)).collect();
    let spec = json!({
        "group": info.group, "names": names, "versions": all,
        "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
        "conversion": { "strategy": "None" },
    });
    let annotations = json!({ MADE_AS: hash_of(&spec) });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": kept.qualified(), "annotations": annotations }, "spec": spec,
    })
}

fn version(kind: Kind, kept: Kind) -> Value {
    let mut version = json!({
        "name": kind.0.version, "served": true, "storage": kind == kept,
        "schema": { "openAPIV3Schema": schema(kind) },
    });
    if kind.has_status() {
        version["subresources"] = json!({ "status": {} });
    }
    let columns = kind.0.columns.iter();
    let columns = columns.filter(|c| TYPES.contains(&c.kind) && c.json_path.starts_with('.'));
    let columns: Vec<Value> = columns
        .map(|column| {
            json!({ "name": column.name, "type": column.kind, "jsonPath": column.json_path })
        })
        .collect();
    if !columns.is_empty() {
        version["additionalPrinterColumns"] = json!(columns);
    }
    version
}

/// The schema of a kind without references, its metadata left to Kubernetes.
fn schema(kind: Kind) -> Value {
    let mut schema = whole(kind.schema(), DEEPEST);
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("x-kubernetes-group-version-kind");
    }
    schema["properties"]["metadata"] = json!({ "type": "object" });
    schema
}

/// A schema with what it refers to in place of the references.
fn whole(schema: &Value, depth: usize) -> Value {
    let Some(fields) = schema.as_object().filter(|_| depth > 0) else {
        return json!({ "x-kubernetes-preserve-unknown-fields": true });
    };
    let mut found = Map::new();
    if let Some(name) = schema.pointer("/allOf/0/$ref").or_else(|| fields.get("$ref")) {
        let name = name.as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        if let Value::Object(referred) = whole(&schemas()["definitions"][name], depth - 1) {
            found.extend(referred);
        }
    }
    for (key, value) in fields.iter().filter(|(key, _)| !["$ref", "allOf"].contains(&key.as_str()))
    {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(all)) => {
                all.iter().map(|(name, each)| (name.clone(), whole(each, depth - 1))).collect()
            }
            ("items", each) | ("additionalProperties", each @ Value::Object(_)) => {
                whole(each, depth - 1)
            }
            (_, value) => value.clone(),
        };
        found.insert(key.clone(), value);
    }
    if found.contains_key("x-kubernetes-embedded-resource") {
        found.insert("type".to_owned(), json!("object"));
    }
    Value::Object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that a command may hold.
    const LARGEST: usize = 256 * 1_024;

    fn each(schema: &Value, see: &mut impl FnMut(&Value)) {
        see(schema);
        let fields = schema["properties"].as_object().into_iter().flatten().map(|(_, each)| each);
        let parts = [&schema["items"], &schema["additionalProperties"]];
        for part in fields.chain(parts.into_iter().filter(|part| part.is_object())) {
            each(part, see);
        }
    }

    #[test]
    fn there_is_one_of_each_kind_and_each_fits_a_command() {
        let all = definitions();
        assert_eq!(all.len(), 12);
        for definition in &all {
            let (name, spec) = (&definition["metadata"]["name"], &definition["spec"]);
            let size = definition.to_string().len();
            println!("{name} {size}");
            assert!(size < LARGEST / 2, "{name} has {size} bytes");
            let storage = spec["versions"].as_array().unwrap().iter();
            assert_eq!(storage.filter(|version| version["storage"] == true).count(), 1, "{name}");
            assert!(fleetlog_objects::admit(definition.clone()).is_ok(), "{name}");
        }
        let of = |name: &str| all.iter().find(|d| d["spec"]["names"]["kind"] == name).unwrap();
        let addons = &of("ManagedClusterAddOn")["spec"];
        assert_eq!(addons["versions"].as_array().unwrap().len(), 2);
        assert_eq!(addons["scope"], "Namespaced");
        let templates = &of("AddOnTemplate")["spec"]["versions"];
        assert_eq!(templates[0].get("subresources"), None);
        let clusters = &of("ManagedCluster")["spec"]["versions"][0];
        assert_eq!(clusters["subresources"], json!({ "status": {} }));
        let path = &clusters["additionalPrinterColumns"][0]["jsonPath"];
        assert_eq!(path, ".spec.hubAcceptsClient");
        let lease = "/schema/openAPIV3Schema/properties/spec/properties/leaseDurationSeconds";
        assert_eq!(clusters.pointer(lease).unwrap()["default"], 60);
    }

    #[test]
    fn one_is_renewed_that_nobody_has_changed() {
        let made = definitions().remove(0);
        assert!(!is_outdated(&made, &made));
        let mut older = made.clone();
        older["spec"]["names"]["shortNames"] = json!(["older"]);
        assert!(!is_outdated(&older, &made), "somebody has changed it");
        older["metadata"]["annotations"][MADE_AS] = json!(hash_of(&older["spec"]));
        assert!(is_outdated(&older, &made));
        older["metadata"]["annotations"] = Value::Null;
        assert!(!is_outdated(&older, &made), "somebody has made it");
    }

    #[test]
    fn schemas_are_structural() {
        for definition in definitions() {
            let name = definition["metadata"]["name"].clone();
            for version in definition["spec"]["versions"].as_array().unwrap() {
                each(&version["schema"]["openAPIV3Schema"], &mut |schema| {
                    let free =
                        ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"];
                    let typed = schema["type"].is_string()
                        || free.iter().any(|free| schema.get(*free).is_some());
                    assert!(typed, "{name}: {schema}");
                    assert!(schema.get("$ref").is_none() && schema.get("allOf").is_none());
                });
            }
        }
    }
}
