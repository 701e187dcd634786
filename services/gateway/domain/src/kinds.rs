//! What is served: each kind with its verbs and subresources, from the descriptors of its messages.

use fleetlog_messages::{KINDS, KindInfo};
use serde_json::Value;
use std::sync::OnceLock;

/// The document of all schemas, as generated from the protos.
pub(crate) fn schemas() -> &'static Value {
    static SCHEMAS: OnceLock<Value> = OnceLock::new();
    SCHEMAS.get_or_init(|| serde_json::from_str(fleetlog_messages::SCHEMA).unwrap_or_default())
}

/// A served kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub &'static KindInfo);

/// What can be done with a kind that users write.
const WRITTEN: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// What can be done with one that the hub derives.
const DERIVED: [&str; 3] = ["get", "list", "watch"];
/// Kinds that no user writes.
const OF_THE_HUB: [&str; 1] = ["PlacementDecision"];

impl Kind {
    /// The verbs of its objects, in the order of discovery.
    #[must_use]
    pub fn verbs(self) -> &'static [&'static str] {
        if self.is_written() { &WRITTEN } else { &DERIVED }
    }

    /// Whether users write it.
    #[must_use]
    pub fn is_written(self) -> bool {
        !OF_THE_HUB.contains(&self.0.kind)
    }

    /// Whether it has the subresource `status`.
    #[must_use]
    pub fn has_status(self) -> bool {
        self.schema()["properties"].get("status").is_some()
    }

    /// Whether users write its status: scores have nothing else.
    #[must_use]
    pub fn is_status_written(self) -> bool {
        self.0.kind == "AddOnPlacementScore"
    }

    /// The verbs of the subresource `status`.
    #[must_use]
    pub fn status_verbs(self) -> &'static [&'static str] {
        if self.is_status_written() { &["get", "patch", "update"] } else { &["get"] }
    }

    /// Its schema among the generated ones.
    pub(crate) fn schema(self) -> &'static Value {
        &schemas()["definitions"][self.0.message]
    }

    /// `managedclusters.cluster.open-cluster-management.io`: what errors call it.
    #[must_use]
    pub fn qualified(self) -> String {
        format!("{}.{}", self.0.plural, self.0.group)
    }
}

/// Every kind that is served, in the order of the protos.
pub fn served() -> impl Iterator<Item = Kind> {
    KINDS.iter().filter(|info| info.service.is_some()).map(|info| Kind(info))
}

/// The kind of a resource in a path.
#[must_use]
pub fn find(group: &str, version: &str, plural: &str) -> Option<Kind> {
    served().find(|kind| (kind.0.group, kind.0.version, kind.0.plural) == (group, version, plural))
}
