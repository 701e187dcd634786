//! What is served: each kind with its verbs and subresources, from the descriptors of its messages.

use crate::passing::Passing;
use crate::reviews::GROUPS;
use fleetlog_kernel::Service;
use fleetlog_messages::{KINDS, KindInfo, OTHER_VERSIONS};
use fleetlog_objects::in_version;
use serde_json::Value;
use std::borrow::Cow;
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
/// With namespaces, of which none goes along with others.
const ONE_BY_ONE: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];
/// With one that is a question.
const ASKED: [&str; 1] = ["create"];
/// Kinds of the fleet whose status is written as a part.
const WRITTEN_STATUS: [&str; 5] = [
    "ManagedCluster",
    "PlacementDecision",
    "ManifestWork",
    "ManagedClusterAddOn",
    "ClusterManagementAddOn",
];

/// The part of a namespace by which its spec waits for others.
pub const FINALIZE: &str = "finalize";

/// A part of an object with a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// `status`, say.
    pub name: &'static str,
    /// What can be done with it, in the order of discovery.
    pub verbs: &'static [&'static str],
    /// Group, version and kind of what it takes, if that is not the object itself.
    pub of: Option<(&'static str, &'static str, &'static str)>,
}

impl Kind {
    /// The verbs of its objects, in the order of discovery.
    #[must_use]
    pub fn verbs(self) -> &'static [&'static str] {
        match () {
            () if self.is_review() => &ASKED,
            () if self.is_namespace() => &ONE_BY_ONE,
            () => &WRITTEN,
        }
    }

    /// Whether it is a question, of which nothing is kept.
    #[must_use]
    pub fn is_review(self) -> bool {
        self.0.service.is_none() && GROUPS.contains(&self.0.group)
    }

    /// Whether it is where objects lie.
    #[must_use]
    pub fn is_namespace(self) -> bool {
        self.0.group.is_empty() && self.0.kind == "Namespace"
    }

    /// Whether it is a plain object of Kubernetes, which no service of the fleet decides on.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self.0.service == Some(Service::Core)
    }

    /// Whether Kubernetes has it built in: such kinds are updated without a version too, and take
    /// strategic merge patches.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        (self.is_plain() || Passing::of(self).is_some())
            && !self.0.group.contains("open-cluster-management")
            && self.0.group != "apiextensions.k8s.io"
    }

    /// Whether an update must name the version that it read.
    #[must_use]
    pub fn needs_version(self) -> bool {
        !self.is_built_in() || Passing::of(self) == Some(Passing::Lease)
    }

    /// Whether a PUT makes it where there is none.
    #[must_use]
    pub fn is_put_into_being(self) -> bool {
        self.0.group == "rbac.authorization.k8s.io" || Passing::of(self).is_some()
    }

    /// Whether it has the subresource `status`.
    #[must_use]
    pub fn has_status(self) -> bool {
        !self.is_review() && self.schema()["properties"].get("status").is_some()
    }

    /// Whether its status is written: by users, or by agents and managers that speak Kubernetes.
    #[must_use]
    pub fn is_status_written(self) -> bool {
        self.is_status_alone()
            || WRITTEN_STATUS.contains(&self.0.kind)
            || (self.is_plain() && self.0.kind != "CertificateSigningRequest")
    }

    /// Whether it has nothing but its status, which every write of it is about.
    #[must_use]
    pub fn is_status_alone(self) -> bool {
        self.0.kind == "AddOnPlacementScore"
    }

    /// Its parts.
    #[must_use]
    pub fn parts(self) -> Vec<Part> {
        let verbs: &[&str] =
            if self.is_status_written() { &["get", "patch", "update"] } else { &["get"] };
        let status = self.has_status().then_some(Part { name: "status", verbs, of: None });
        let other = match (self.0.group, self.0.kind) {
            ("", "Namespace") => Some(Part { name: FINALIZE, verbs: &["update"], of: None }),
            ("", "ServiceAccount") => {
                let of = Some(("authentication.k8s.io", "v1", "TokenRequest"));
                Some(Part { name: "token", verbs: &ASKED, of })
            }
            _ => None,
        };
        status.into_iter().chain(other).collect()
    }

    /// The kind in the version that its objects are kept in: what the view and the services know.
    #[must_use]
    pub fn kept(self) -> Self {
        Self(self.0.kept())
    }

    /// An object of any version of the kind, as this version says it.
    #[must_use]
    pub fn said(self, object: &Value) -> Cow<'_, Value> {
        in_version(self.0, object)
    }

    /// Its schema among the generated ones.
    pub(crate) fn schema(self) -> &'static Value {
        &schemas()["definitions"][self.0.message]
    }

    /// `managedclusters.cluster.open-cluster-management.io`: what errors call it.
    #[must_use]
    pub fn qualified(self) -> String {
        self.0.in_group(self.0.plural)
    }
}

/// Every kind that is served, in the version that it is kept in and in the order of the protos.
pub fn served() -> impl Iterator<Item = Kind> {
    let is_served =
        |kind: &Kind| kind.0.service.is_some() || kind.is_review() || Passing::of(*kind).is_some();
    KINDS.iter().map(|info| Kind(info)).filter(is_served)
}

/// Every version of every kind that is served.
pub fn versions() -> impl Iterator<Item = Kind> {
    served().chain(OTHER_VERSIONS.iter().map(|info| Kind(info)))
}

/// The kind of a resource in a path.
#[must_use]
pub fn find(group: &str, version: &str, plural: &str) -> Option<Kind> {
    versions()
        .find(|kind| (kind.0.group, kind.0.version, kind.0.plural) == (group, version, plural))
}
