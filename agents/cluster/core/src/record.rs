//! The record of a work in its member cluster, an `AppliedManifestWork`: which hub's work it is and
//! what was made for it, by uid (spec: ownership). Also the definitions of our kinds there.

use crate::kind::{ObjectKey, Resource, WatchKey};
use serde_json::{Value, json};

/// The watch that covers the records.
#[must_use]
pub fn watch() -> WatchKey {
    WatchKey {
        group: "work.open-cluster-management.io".into(),
        version: "v1".into(),
        resource: "appliedmanifestworks".into(),
        namespace: String::new(),
    }
}

const GENERATION: &str = "fleetlog.io/generation";
/// What is about to be made, until the status says what was made: saves a write for a new work.
const INTENDS: &str = "fleetlog.io/intends";
/// The longest such list, in bytes; a longer one is written into the status beforehand.
const INTENDS_MOST: usize = 64 * 1024;

/// One object that was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Made {
    /// Which.
    pub resource: Resource,
    /// Its uid when it was made or last seen; empty for what is about to be made.
    pub uid: String,
}

/// What is recorded of one work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The record's own uid: what the objects name as their owner.
    pub uid: String,
    /// `metadata.name`.
    pub name: String,
    /// The work.
    pub work: String,
    /// The newest generation of the work that was begun; 0 when unknown.
    pub generation: i64,
    /// What was made, sorted.
    pub made: Vec<Made>,
}

impl Record {
    /// `metadata.name` of the record of a work.
    #[must_use]
    pub fn name(hub_hash: &str, work: &str) -> String {
        format!("{hub_hash}-{work}")
    }

    /// Where the record of a work is.
    #[must_use]
    pub fn resource(hub_hash: &str, work: &str) -> Resource {
        let WatchKey { group, version, resource, namespace } = watch();
        let name = Self::name(hub_hash, work);
        Resource { key: ObjectKey { group, resource, namespace, name }, version }
    }

    /// Reads one; `None` when it belongs to another hub.
    #[must_use]
    pub fn of(object: &Value, hub_hash: &str) -> Option<Self> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str);
        if text("/spec/hubHash")? != hub_hash {
            return None;
        }
        let annotations = object.pointer("/metadata/annotations");
        let generation = annotations.and_then(|a| a.get(GENERATION)).and_then(Value::as_str);
        let made = object.pointer("/status/appliedResources").and_then(Value::as_array).cloned();
        let intends = || {
            let intends = annotations?.get(INTENDS)?.as_str()?;
            serde_json::from_str::<Vec<Value>>(intends).ok()
        };
        let made = made.or_else(intends).unwrap_or_default();
        let mut made: Vec<Made> = made.iter().map(made_of).collect();
        made.sort();
        Some(Self {
            uid: text("/metadata/uid")?.to_owned(),
            name: text("/metadata/name")?.to_owned(),
            work: text("/spec/manifestWorkName")?.to_owned(),
            generation: generation.and_then(|g| g.parse().ok()).unwrap_or(0),
            made,
        })
    }

    /// What is applied to make it, or to note a newer generation; a new one also names what is
    /// about to be made.
    #[must_use]
    pub fn body(
        hub_hash: &str,
        agent_id: &str,
        work: &str,
        generation: i64,
        intends: &[Made],
    ) -> Value {
        let mut body = json!({
            "apiVersion": "work.open-cluster-management.io/v1",
            "kind": "AppliedManifestWork",
            "metadata": {
                "name": Self::name(hub_hash, work),
                "annotations": { GENERATION: generation.to_string() },
            },
            "spec": { "hubHash": hub_hash, "agentID": agent_id, "manifestWorkName": work },
        });
        let intends = Value::from(intends.iter().map(listed).collect::<Vec<_>>()).to_string();
        if intends.len() > 2 && intends.len() <= INTENDS_MOST {
            body["metadata"]["annotations"][INTENDS] = Value::from(intends);
        }
        body
    }

    /// Its status, to be written whole.
    #[must_use]
    pub fn status(made: &[Made]) -> Value {
        let made: Vec<Value> = made.iter().map(listed).collect();
        json!({ "status": { "appliedResources": made } })
    }

    /// The owner reference that its objects carry.
    #[must_use]
    pub fn owner(hub_hash: &str, work: &str, uid: &str) -> Value {
        json!({
            "apiVersion": "work.open-cluster-management.io/v1",
            "kind": "AppliedManifestWork",
            "name": Self::name(hub_hash, work),
            "uid": uid,
        })
    }
}

fn listed(Made { resource: Resource { key, version }, uid }: &Made) -> Value {
    json!({
        "group": key.group, "resource": key.resource, "namespace": key.namespace,
        "name": key.name, "version": version, "uid": uid,
    })
}

fn made_of(value: &Value) -> Made {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = ObjectKey {
        group: text("group"),
        resource: text("resource"),
        namespace: text("namespace"),
        name: text("name"),
    };
    Made { resource: Resource { key, version: text("version") }, uid: text("uid") }
}

/// The definition of `AppliedManifestWork`.
#[must_use]
pub fn applied_manifest_work_crd() -> Value {
    definition(
        "work.open-cluster-management.io",
        "v1",
        ("AppliedManifestWork", "appliedmanifestworks", "appliedmanifestwork"),
        &json!({ "status": {} }),
    )
}

/// The definition of `ClusterClaim`.
#[must_use]
pub fn cluster_claim_crd() -> Value {
    definition(
        "cluster.open-cluster-management.io",
        "v1alpha1",
        ("ClusterClaim", "clusterclaims", "clusterclaim"),
        &json!({}),
    )
}

fn definition(group: &str, version: &str, names: (&str, &str, &str), sub: &Value) -> Value {
    let (kind, plural, singular) = names;
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let schema = json!({
        "type": "object",
        "properties": { "spec": open, "status": open },
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {
                "kind": kind, "plural": plural, "singular": singular,
                "listKind": format!("{kind}List"),
            },
            "versions": [{
                "name": version, "served": true, "storage": true, "subresources": sub,
                "schema": { "openAPIV3Schema": schema },
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_what_it_wrote() {
        let resource = Resource {
            key: ObjectKey { resource: "secrets".into(), name: "a".into(), ..Default::default() },
            version: "v1".into(),
        };
        let made = vec![Made { resource, uid: "u1".into() }];
        let mut object = Record::body("hub", "agent", "shop", 7, &[]);
        object["metadata"]["uid"] = json!("r1");
        object["status"] = Record::status(&made)["status"].clone();
        let read = Record::of(&object, "hub").unwrap();
        assert_eq!((read.generation, read.work.as_str(), read.made), (7, "shop", made));
        assert_eq!(Record::of(&object, "other"), None);
    }

    #[test]
    fn what_is_about_to_be_made_counts_until_the_status_says_what_was_made() {
        let key = ObjectKey { resource: "secrets".into(), name: "a".into(), ..Default::default() };
        let intends =
            [Made { resource: Resource { key, version: "v1".into() }, uid: String::new() }];
        let mut object = Record::body("hub", "agent", "shop", 7, &intends);
        object["metadata"]["uid"] = json!("r1");
        assert_eq!(Record::of(&object, "hub").unwrap().made, intends);
        object["status"] = Record::status(&[])["status"].clone();
        assert_eq!(Record::of(&object, "hub").unwrap().made, []);
    }
}
