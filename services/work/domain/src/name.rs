//! Names of works, replica sets and placements as keys, and the names that a replica set gives to
//! its works. Says nothing of subjects: those are the messages'.

use fleetlog_kernel::{Digest, Service};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::FanOutTarget;
use std::fmt;

/// The kind token of a ManifestWork.
pub const WORK: &str = "manifestwork";
/// The kind token of a ManifestWorkReplicaSet.
pub const REPLICA_SET: &str = "replicaset";
/// The finalizer of a work: it stays until its agent has removed what it made (spec 1.1).
pub const WORK_FINALIZER: &str = "cluster.open-cluster-management.io/manifest-work-cleanup";
/// The finalizer of a replica set (spec 1.13).
pub const SET_FINALIZER: &str = "work.open-cluster-management.io/manifest-work-cleanup";
/// The label of a work that names its replica set, `<ns>.<name>` (spec 1.13).
pub const SET_LABEL: &str = "work.open-cluster-management.io/manifestworkreplicaset";
/// The label of a work that names the placement which chose its cluster (spec 1.13).
pub const PLACEMENT_LABEL: &str = "work.open-cluster-management.io/placementname";
/// The longest value of a label.
pub const MAX_LABEL: usize = 63;

/// What Kubernetes draws name suffixes from: no vowels, so no words.
const SUFFIX: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A ManifestWork: its cluster (its namespace) and its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkKey {
    /// The cluster.
    pub cluster: String,
    /// `metadata.name`.
    pub name: String,
}

/// A ManifestWorkReplicaSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetKey {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// A Placement.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacementKey {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// One work of a replica set: the placement that asks for it, and the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The placement's name, in the replica set's namespace.
    pub placement: String,
    /// The cluster.
    pub cluster: String,
}

impl WorkKey {
    /// A key.
    #[must_use]
    pub fn new(cluster: impl Into<String>, name: impl Into<String>) -> Self {
        Self { cluster: cluster.into(), name: name.into() }
    }

    /// The key of a ManifestWork's aggregate; `None` for others.
    #[must_use]
    pub fn of(id: &AggregateId) -> Option<Self> {
        let scope = id.scope.as_ref().filter(|_| id.service == Service::Work && id.kind == WORK)?;
        Some(Self::new(scope, &id.name))
    }

    /// The aggregate.
    #[must_use]
    pub fn aggregate(&self) -> AggregateId {
        AggregateId::namespaced(Service::Work, WORK, &self.cluster, &self.name)
    }
}

impl SetKey {
    /// A key.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of a replica set's aggregate; `None` for others.
    #[must_use]
    pub fn of(id: &AggregateId) -> Option<Self> {
        let ours = id.service == Service::Work && id.kind == REPLICA_SET;
        let scope = id.scope.as_ref().filter(|_| ours)?;
        Some(Self::new(scope, &id.name))
    }

    /// Reads `<ns>/<name>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_once('/').map(|(namespace, name)| Self::new(namespace, name))
    }

    /// The aggregate.
    #[must_use]
    pub fn aggregate(&self) -> AggregateId {
        AggregateId::namespaced(Service::Work, REPLICA_SET, &self.namespace, &self.name)
    }

    /// `<ns>.<name>`, the value of [`SET_LABEL`]; a work cannot carry more than [`MAX_LABEL`].
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    /// The placement of that name in the set's namespace.
    #[must_use]
    pub fn placement(&self, name: &str) -> PlacementKey {
        PlacementKey::new(&self.namespace, name)
    }

    /// The work that this set makes for a target: the set's name and five characters that differ
    /// by namespace, name and placement. The same target has the same name for ever.
    #[must_use]
    pub fn work(&self, target: &Target) -> WorkKey {
        let mut digest = Digest::default();
        for part in [&self.namespace, &self.name, &target.placement] {
            digest.part(part.as_bytes());
        }
        let hash = digest.finish();
        let letters = hash.as_bytes().iter().take(5).map(|b| usize::from(*b) % SUFFIX.len());
        let suffix: String = letters.map(|i| char::from(SUFFIX[i])).collect();
        let base: String = self.name.chars().take(57).collect();
        let base = base.trim_end_matches(['-', '.']);
        WorkKey::new(&target.cluster, format!("{base}-{suffix}"))
    }
}

impl PlacementKey {
    /// A key.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl Target {
    /// A target.
    #[must_use]
    pub fn new(placement: impl Into<String>, cluster: impl Into<String>) -> Self {
        Self { placement: placement.into(), cluster: cluster.into() }
    }

    /// Reads `<placement>/<cluster>`, as the state keeps it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_once('/').map(|(placement, cluster)| Self::new(placement, cluster))
    }

    /// As a plan has it.
    #[must_use]
    pub fn message(&self) -> FanOutTarget {
        FanOutTarget { placement: self.placement.clone(), cluster: self.cluster.clone() }
    }
}

impl From<&FanOutTarget> for Target {
    fn from(message: &FanOutTarget) -> Self {
        Self::new(&message.placement, &message.cluster)
    }
}

macro_rules! with_slash {
    ($($type:ident: $first:ident, $second:ident;)*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.$first, self.$second)
            }
        }
    )*};
}

with_slash! {
    WorkKey: cluster, name;
    SetKey: namespace, name;
    PlacementKey: namespace, name;
    Target: placement, cluster;
}
