//! Every event of the log by its type, for those who follow all of it. A service reads its own
//! kinds and needs none of this.

use crate::envelope::Recorded;
use crate::upcast::{Newer, newer};
use crate::{addon, common, core, placement, registration, registration_v2, work};
use fleetlog_kernel::Position;
use prost::Message as _;

/// One event, by what it happened to; of the newest version that this release knows.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "the protos decide the sizes")]
pub enum Happened {
    /// To a ManagedCluster.
    Cluster(registration::cluster_event::Event),
    /// To a ManagedClusterSet.
    ClusterSet(registration::cluster_set_event::Event),
    /// To a ManagedClusterSetBinding.
    Binding(registration_v2::binding_event::Event),
    /// To a Placement.
    Placement(placement::placement_event::Event),
    /// To a PlacementDecision of another scheduler.
    Decision(placement::decision_event::Event),
    /// To an AddOnPlacementScore.
    Score(placement::score_event::Event),
    /// To a ManifestWork.
    Work(work::work_event::Event),
    /// To a ManifestWorkReplicaSet.
    ReplicaSet(work::replica_set_event::Event),
    /// To a ClusterManagementAddOn.
    Definition(addon::definition_event::Event),
    /// To a ManagedClusterAddOn.
    AddOn(addon::add_on_event::Event),
    /// To an AddOnTemplate.
    Template(addon::template_event::Event),
    /// To a plain object; the kind is the aggregate's.
    Object(core::object_event::Event),
    /// To what a service makes of the log.
    Projection(common::projection_event::Event),
}

/// Why a commit cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untold {
    /// A later release wrote it: update, and go on from its position.
    Newer(Newer),
    /// It is damaged.
    Damaged {
        /// Where it lies.
        position: Position,
        /// What is wrong with it.
        reason: String,
    },
}

impl std::fmt::Display for Untold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newer(newer) => newer.fmt(f),
            Self::Damaged { position, reason } => {
                write!(f, "the commit at position {position} cannot be read: {reason}")
            }
        }
    }
}

impl std::error::Error for Untold {}

/// The events of a commit, in order.
///
/// # Errors
/// The first that cannot be read; a later release's by name.
pub fn happened(commit: &Recorded) -> Result<Vec<Happened>, Untold> {
    if let Some(newer) = newer(commit) {
        return Err(Untold::Newer(newer));
    }
    let schema = commit.header.schema.as_str();
    let damaged = |reason: String| Untold::Damaged { position: commit.position, reason };
    let each = commit.events.iter().map(|event| read(schema, event).map_err(damaged));
    each.collect()
}

fn read(schema: &str, bytes: &[u8]) -> Result<Happened, String> {
    macro_rules! event {
        ($message:ty, $case:expr) => {{
            let read = <$message>::decode(bytes).map_err(|error| error.to_string())?;
            read.event.map($case)
        }};
    }
    let told = match schema {
        "fleetlog.common.v1.ProjectionEvent" => {
            event!(common::ProjectionEvent, Happened::Projection)
        }
        "fleetlog.registration.v1.ClusterEvent" => {
            event!(registration::ClusterEvent, Happened::Cluster)
        }
        "fleetlog.registration.v1.ClusterSetEvent" => {
            event!(registration::ClusterSetEvent, Happened::ClusterSet)
        }
        "fleetlog.registration.v2.BindingEvent" => {
            event!(registration_v2::BindingEvent, Happened::Binding)
        }
        "fleetlog.placement.v1.PlacementEvent" => {
            event!(placement::PlacementEvent, Happened::Placement)
        }
        "fleetlog.placement.v1.DecisionEvent" => {
            event!(placement::DecisionEvent, Happened::Decision)
        }
        "fleetlog.placement.v1.ScoreEvent" => event!(placement::ScoreEvent, Happened::Score),
        "fleetlog.work.v1.WorkEvent" => event!(work::WorkEvent, Happened::Work),
        "fleetlog.work.v1.ReplicaSetEvent" => event!(work::ReplicaSetEvent, Happened::ReplicaSet),
        "fleetlog.addon.v1.DefinitionEvent" => event!(addon::DefinitionEvent, Happened::Definition),
        "fleetlog.addon.v1.AddOnEvent" => event!(addon::AddOnEvent, Happened::AddOn),
        "fleetlog.addon.v1.TemplateEvent" => event!(addon::TemplateEvent, Happened::Template),
        "fleetlog.core.v1.ObjectEvent" => event!(core::ObjectEvent, Happened::Object),
        _ => return Err(format!("\"{schema}\" is no schema of events")),
    };
    told.ok_or_else(|| format!("an event of {schema} is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EVENTS;
    use crate::upcast::EventSchema;

    #[test]
    fn every_newest_schema_is_told_and_no_other() {
        for schema in EVENTS {
            let newest = EventSchema::newest(schema.family) == Some(schema);
            let said = read(schema.name, b"").unwrap_err();
            assert_eq!(said.ends_with("is empty"), newest, "{said}");
        }
    }
}
