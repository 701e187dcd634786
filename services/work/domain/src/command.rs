//! What may be asked, parsed: whom it is about, and what a decision needs beyond its own history
//! rides along. Nothing is decided here.

use crate::metadata::Metadata;
use crate::name::{SetKey, Target, WorkKey};
use crate::summary::Tally;
use fleetlog_kernel::{Position, Uid};
use fleetlog_messages::work::{
    Bundle, ManifestWork, ManifestWorkReplicaSet, ReportWork, WriteWorkStatus,
};
use fleetlog_rules::rollout::{Group, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whether the cluster of a work belongs to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// It does: its agent acts on what is decided.
    Known,
    /// It does not, or no more: nobody will act.
    Unknown,
}

/// Whether a plan of the replica set still asks for the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// It does.
    Still,
    /// It was overtaken by another plan, or the set is gone.
    NoMore,
}

/// Create or change an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply<T> {
    /// The object as given; its status and what the hub sets are ignored.
    pub object: T,
    /// Its manifests, by hash.
    pub bundle: Option<Bundle>,
    /// The `metadata.resourceVersion` that it must stand at; empty takes any.
    pub resource_version: String,
    /// What happens to labels and annotations that are not given.
    pub metadata: Metadata,
}

/// A command on one ManifestWork.
#[derive(Clone, Debug, PartialEq)]
pub struct OfWork {
    /// Which one.
    pub key: WorkKey,
    /// Whether its cluster belongs to the fleet.
    pub cluster: Member,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// What is asked.
    pub command: WorkCommand,
}

/// What may be asked of a ManifestWork.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkCommand {
    /// Create or change it, by a user.
    Apply(Box<Apply<ManifestWork>>),
    /// Remove it, by a user.
    Delete {
        /// Who says so.
        by: String,
    },
    /// Remove it because its cluster is gone, if that is still so.
    Abandon {
        /// Who says so.
        by: String,
    },
    /// Create or change it, by a replica set's plan or for an add-on.
    Deliver(Box<Deliver>),
    /// Remove it, by a replica set's plan or with its add-on.
    Withdraw(Owner),
    /// Its agent says how far it is.
    Report(Box<ReportWork>),
    /// Somebody who may writes its status.
    WriteStatus(Box<WriteWorkStatus>),
}

/// Who keeps a work in a user's stead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A replica set, `<ns>/<name>`.
    ReplicaSet(String),
    /// An add-on, `<cluster>/<name>`.
    AddOn(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReplicaSet(name) => write!(f, "replicaset:{name}"),
            Self::AddOn(name) => write!(f, "addon:{name}"),
        }
    }
}

/// One work of a replica set's plan, or of an add-on.
#[derive(Clone, Debug, PartialEq)]
pub struct Deliver {
    /// Labels and spec, without manifests.
    pub work: ManifestWork,
    /// Its manifests, by hash.
    pub bundle: Option<Bundle>,
    /// For whom.
    pub owner: Owner,
    /// The placement that chose the cluster.
    pub placement: String,
    /// The EVENTS sequence of its decision.
    pub decision: u64,
    /// Whether the newest plan still has it.
    pub planned: Planned,
}

/// A command on one ManifestWorkReplicaSet.
#[derive(Clone, Debug, PartialEq)]
pub struct OfSet {
    /// Which one.
    pub key: SetKey,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// What is asked.
    pub command: SetCommand,
}

/// What may be asked of a ManifestWorkReplicaSet.
#[derive(Clone, Debug, PartialEq)]
pub enum SetCommand {
    /// Create or change it, by a user.
    Apply(Box<Apply<ManifestWorkReplicaSet>>),
    /// Remove it and its works, by a user.
    Delete {
        /// Who says so.
        by: String,
        /// How many works it has.
        works: usize,
    },
    /// Follow the decisions of its placements.
    Plan {
        /// What each of its placements decided; those without a decision are missing.
        chosen: BTreeMap<String, Chosen>,
        /// Works that are gone although the last plan has them.
        lost: BTreeSet<Target>,
    },
    /// Sum up what its works report.
    Summarize(Tally),
}

/// What a placement decided, as far as its clusters belong to the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The clusters.
    pub clusters: BTreeSet<String>,
    /// Where the decision lies in EVENTS.
    pub position: Position,
    /// Where clusters take turns: the clusters by decision group.
    pub groups: Vec<Group>,
    /// Where clusters take turns: how far those are that have the current template.
    pub standings: BTreeMap<String, Standing>,
}
