//! What is decided about one ClusterManagementAddOn.

use super::{after, check, check_name, keep_finalizer};
use crate::command::{Apply, Chosen, OfDefinition};
use crate::config::{self, Config};
use crate::names::{DEFINITION_FINALIZER, LIFECYCLE, MANUAL, PLACEMENTS, PlacementKey};
use crate::plan::Difference;
use crate::refusal::Refusal;
use crate::state::Definition;
use crate::turns::{self, Stage};
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::addon::{
    ClusterManagementAddOn, ClusterManagementAddOnSpec, ClusterManagementAddOnStatus, ConfigTurn,
    DefinitionDeleted, DefinitionDeletionRequested, DefinitionProgressed, DefinitionSpecified,
    InstallPlanned, InstallRevisited, InstallTarget, definition_event::Event,
};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_rules::metadata::Birth;
use fleetlog_rules::rollout::Strategy;
use std::collections::{BTreeMap, BTreeSet};

type Decision = Result<Vec<Event>, Refusal>;

pub(super) fn apply(
    definition: &Definition,
    asked: &OfDefinition,
    apply: &Apply<ClusterManagementAddOn>,
    at: Timestamp,
) -> Decision {
    check_name(&asked.name)?;
    let given = apply.object.metadata.clone().unwrap_or_default();
    let stands = definition.object().map(|_| definition.state().changed);
    check(apply, &given, ("", &asked.name), stands)?;
    if definition.is_deleting() {
        return Err(Refusal::BeingDeleted { object: asked.name.clone() });
    }
    check_lifecycle(&given)?;
    let spec = apply.object.spec.as_ref().ok_or(Refusal::Incomplete { missing: "spec" })?;
    check_spec(spec)?;
    let current = definition.object();
    let moved = current.is_some_and(|current| current.spec != apply.object.spec);
    let before = current.and_then(|current| current.metadata.as_ref());
    let birth = Birth { namespace: None, name: asked.name.clone(), uid: asked.uid.clone(), at };
    let mut meta = after(apply, &given, before, &birth, moved);
    keep_finalizer(&mut meta, DEFINITION_FINALIZER);
    if before == Some(&meta) && !moved {
        return Ok(vec![]);
    }
    let definition =
        ClusterManagementAddOn { metadata: Some(meta), status: None, ..apply.object.clone() };
    Ok(vec![Event::Specified(DefinitionSpecified { definition: Some(definition) })])
}

fn check_lifecycle(given: &ObjectMeta) -> Result<(), Refusal> {
    match given.annotations.get(LIFECYCLE).map(String::as_str) {
        None | Some("" | "addon-manager") => Ok(()),
        Some(other) => Err(Refusal::Lifecycle { lifecycle: other.to_owned() }),
    }
}

fn check_spec(spec: &ClusterManagementAddOnSpec) -> Result<(), Refusal> {
    config::check_definition(spec)?;
    let Some(strategy) = &spec.install_strategy else { return Ok(()) };
    if strategy.placements.is_empty() && strategy.r#type() == PLACEMENTS {
        return Err(Refusal::NoPlacements);
    }
    if !matches!(strategy.r#type(), "" | MANUAL | PLACEMENTS) {
        return Err(Refusal::Incomplete { missing: "spec.installStrategy.type" });
    }
    strategy.placements.iter().try_for_each(|placement| {
        let read = Strategy::of(placement.rollout_strategy.as_ref());
        read.map(drop).map_err(|error| Refusal::Rollout {
            placement: format!("{}/{}", placement.namespace(), placement.name()),
            reason: error.to_string(),
        })
    })
}

pub(super) fn delete(
    definition: &Definition,
    asked: &OfDefinition,
    by: &str,
    add_ons: usize,
    at: Timestamp,
) -> Decision {
    if definition.object().is_none() {
        return Err(Refusal::NotFound { object: asked.name.clone() });
    }
    if definition.is_deleting() {
        return Ok(vec![]);
    }
    let at = Some(fleetlog_rules::time(at));
    let requested = DefinitionDeletionRequested { by: by.to_owned(), at };
    let gone = (add_ons == 0).then_some(Event::Deleted(DefinitionDeleted {}));
    Ok([Event::DeletionRequested(requested)].into_iter().chain(gone).collect())
}

pub(super) fn plan(
    definition: &Definition,
    chosen: &BTreeMap<PlacementKey, Chosen>,
    difference: Difference,
    stages: &[Stage],
    at: Timestamp,
) -> Vec<Event> {
    if definition.object().is_none() || definition.is_deleting() {
        return vec![];
    }
    let (difference, due) = (difference.chunk(), turns::due(stages, at));
    if difference.is_empty() && due.is_empty() {
        return vec![];
    }
    let turn = |(config, clusters): (Config, BTreeSet<String>)| ConfigTurn {
        template: config.template,
        spec_hash: config.hash,
        clusters: clusters.into_iter().collect(),
    };
    let target = |(cluster, placement)| InstallTarget { cluster, placement };
    let newest = chosen.values().map(|chosen| chosen.position).max().unwrap_or(Position::START);
    vec![Event::InstallPlanned(InstallPlanned {
        plan: definition.state().plan + 1,
        generation: definition.generation(),
        install: difference.install.into_iter().map(target).collect(),
        remove: difference.remove.into_iter().collect(),
        decision: newest.0,
        turns: due.turns.into_iter().map(turn).collect(),
        timed_out: due.timed_out.into_iter().collect(),
        at: (!stages.is_empty()).then(|| fleetlog_rules::time(at)),
    })]
}

pub(super) fn revisit(definition: &Definition, after: &str, through: Option<&str>) -> Vec<Event> {
    let through = through.filter(|_| definition.object().is_some());
    let (after, through) = (after.to_owned(), through.map(str::to_owned));
    let part = through.map(|through| Event::Revisited(InstallRevisited { after, through }));
    part.into_iter().collect()
}

pub(super) fn summarize(
    definition: &Definition,
    add_ons: usize,
    status: &ClusterManagementAddOnStatus,
) -> Vec<Event> {
    let Some(object) = definition.object() else { return vec![] };
    if definition.is_deleting() {
        let gone = (add_ons == 0).then_some(Event::Deleted(DefinitionDeleted {}));
        return gone.into_iter().collect();
    }
    let none = ClusterManagementAddOnStatus::default();
    if object.status.as_ref().unwrap_or(&none) == status {
        return vec![];
    }
    vec![Event::Progressed(DefinitionProgressed { status: Some(status.clone()) })]
}
