//! What may be asked, parsed: what a decision needs beyond its own history rides along. Nothing is
//! decided here.

use crate::names::{AddOnKey, PlacementKey};
use crate::turns::Stage;
use fleetlog_kernel::{Position, Uid};
use fleetlog_messages::addon::{
    AddOnTemplate, ClusterManagementAddOn, ClusterManagementAddOnStatus, ManagedClusterAddOn,
    ManagedClusterAddOnStatus, WriteAddOnStatus, WriteDefinitionStatus,
};
use fleetlog_messages::common::OwnerReference;
use fleetlog_rules::metadata::Change;
use std::collections::{BTreeMap, BTreeSet};

/// Create or change an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply<T> {
    /// The object as given; its status and what the hub sets are ignored.
    pub object: T,
    /// The `metadata.resourceVersion` that it must stand at; empty takes any.
    pub resource_version: String,
    /// What happens to labels and annotations that are not given.
    pub change: Change,
}

/// A command on a ClusterManagementAddOn.
#[derive(Clone, Debug, PartialEq)]
pub struct OfDefinition {
    /// Its name.
    pub name: String,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// What is asked.
    pub command: DefinitionCommand,
}

/// What may be asked of a ClusterManagementAddOn.
#[derive(Clone, Debug, PartialEq)]
pub enum DefinitionCommand {
    /// Create or change it, by a user.
    Apply(Box<Apply<ClusterManagementAddOn>>),
    /// Remove it and its add-ons, by a user.
    Delete {
        /// Who says so.
        by: String,
        /// How many add-ons it has.
        add_ons: usize,
    },
    /// Follow the decisions of its placements.
    Plan {
        /// What each of its placements decided; those without a decision are missing.
        chosen: BTreeMap<PlacementKey, Chosen>,
        /// The placement of each add-on that a plan installed and nobody removes.
        installed: BTreeMap<String, String>,
        /// Clusters whose add-on is gone although the last plan has it.
        lost: BTreeSet<String>,
        /// The placements whose clusters take turns.
        stages: Vec<Stage>,
    },
    /// See to the next part of its add-ons.
    Revisit {
        /// The last cluster of the part before.
        after: String,
        /// The last cluster of the next part; `None` when no add-on is left.
        through: Option<String>,
    },
    /// Its status, as somebody who may writes it.
    WriteStatus(Box<WriteDefinitionStatus>),
    /// Take over what its add-ons make of its status; gone with the last of them when it is on its
    /// way out.
    Summarize {
        /// How many add-ons it has.
        add_ons: usize,
        /// The status, whose times are those of the decision.
        status: Box<ClusterManagementAddOnStatus>,
    },
}

/// What a placement decided, as far as its clusters belong to the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The clusters.
    pub clusters: BTreeSet<String>,
    /// Where the decision lies in EVENTS.
    pub position: Position,
}

/// A command on a ManagedClusterAddOn.
#[derive(Clone, Debug, PartialEq)]
pub struct OfAddOn {
    /// Which one.
    pub key: AddOnKey,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// Whether its cluster belongs to the fleet.
    pub cluster: Member,
    /// Its definition.
    pub definition: Defined,
    /// Whether the add-on has a work.
    pub work: Work,
    /// What is asked.
    pub command: AddOnCommand,
}

/// Whether the cluster of an add-on belongs to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// It does: its agent acts on what is decided.
    Known,
    /// It does not, or no more: nobody will act.
    Unknown,
}

/// The definition of an add-on, as far as the add-on depends on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Defined {
    /// There is none.
    Missing,
    /// It is on its way out.
    Leaving,
    /// There is one; add-ons name it as their owner.
    Here(Box<OwnerReference>),
}

/// Whether an add-on has a work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It has, perhaps one on its way out.
    Here,
    /// It has none.
    None,
}

/// What may be asked of a ManagedClusterAddOn.
#[derive(Clone, Debug, PartialEq)]
pub enum AddOnCommand {
    /// Create or change it, by a user.
    Apply(Box<Apply<ManagedClusterAddOn>>),
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
    /// Create it, by a plan of its definition.
    Install {
        /// The placement that chose the cluster.
        placement: String,
        /// The EVENTS sequence of its decision.
        decision: u64,
        /// Whether the newest plan still has it.
        planned: Planned,
    },
    /// Remove it, by a plan or with its definition.
    Uninstall {
        /// Who says so.
        by: String,
        /// Whether the newest plan still has it.
        planned: Planned,
    },
    /// Take over what its work and its cluster make of its status; gone with its work when it is on
    /// its way out.
    Assess(Box<ManagedClusterAddOnStatus>),
    /// Its status, as somebody who may writes it.
    WriteStatus(Box<WriteAddOnStatus>),
}

/// Whether the newest plan of the definition asks for the add-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// It does.
    Still,
    /// It does not, or the definition is gone.
    NoMore,
}

/// A command on an AddOnTemplate.
#[derive(Clone, Debug, PartialEq)]
pub struct OfTemplate {
    /// Its name.
    pub name: String,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// What is asked.
    pub command: TemplateCommand,
}

/// What may be asked of an AddOnTemplate.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateCommand {
    /// Create or change it, by a user.
    Apply(Box<Apply<AddOnTemplate>>),
    /// Remove it, by a user; what runs stays.
    Delete {
        /// Who says so.
        by: String,
    },
}
