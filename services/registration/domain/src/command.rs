//! What may be asked, parsed: preconditions are positions, identities are there, and what a
//! decision needs beyond its own history rides along.

use fleetlog_kernel::{Position, Uid};
use fleetlog_messages::registration::{
    ClusterFacts, ManagedCluster, ManagedClusterSet, ManagedClusterSetBinding, ManagedClusterStatus,
};
use fleetlog_rules::metadata::Change;
use std::collections::BTreeMap;

/// Create or change an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply<T> {
    /// The object as given; its status and what the hub sets are ignored.
    pub object: T,
    /// The name that the command is about (and the namespace, for bindings).
    pub target: Target,
    /// The position that the object must stand at; `None` takes any.
    pub expected: Option<Position>,
    /// What happens to labels and annotations that are not given.
    pub change: Change,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// Who says so.
    pub by: String,
}

/// Whom a command is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A command on a cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterCommand {
    /// Create or change it.
    Apply(Box<Apply<ManagedCluster>>),
    /// Take it in.
    Accept {
        /// Who says so.
        by: String,
    },
    /// Refuse it, or take the acceptance back.
    Deny {
        /// Who says so.
        by: String,
    },
    /// Remove it from the fleet.
    Delete {
        /// Who says so.
        by: String,
    },
    /// An agent asks to be its agent.
    RequestJoin {
        /// The cluster's name.
        name: String,
        /// The agent's public key.
        public_key: String,
        /// Labels wished for a cluster that does not exist yet.
        labels: BTreeMap<String, String>,
        /// The uid, if this creates it.
        uid: Uid,
    },
    /// Its agent tells facts.
    Report(ClusterFacts),
    /// An agent of others writes its status.
    WriteStatus {
        /// The whole status.
        status: Box<ManagedClusterStatus>,
        /// The position that the cluster must stand at; `None` takes any.
        expected: Option<Position>,
    },
    /// A first beat, or the first after an expiry.
    NoteBeat,
    /// Its lease ran out.
    NoteLeaseExpiry,
}

/// A command on a set.
#[derive(Clone, Debug, PartialEq)]
pub enum SetCommand {
    /// Create or change it.
    Apply {
        /// What is wanted.
        apply: Box<Apply<ManagedClusterSet>>,
    },
    /// Remove it; its clusters stay.
    Delete {
        /// Who says so.
        by: String,
    },
    /// Its members changed.
    Count {
        /// How many clusters it selects now.
        clusters: u64,
    },
}

/// A command on a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum BindingCommand {
    /// Create or change it.
    Apply {
        /// What is wanted.
        apply: Box<Apply<ManagedClusterSetBinding>>,
        /// Whether the set of its name exists.
        exists: bool,
    },
    /// Remove it.
    Delete {
        /// Who says so.
        by: String,
    },
    /// Whether the set of its name exists changed.
    NoteBound {
        /// Whether it exists.
        exists: bool,
    },
}
