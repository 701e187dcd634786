//! What is decided about one ClusterManagementAddOn.

use super::{after, check, check_leaving, check_name, check_size, check_version};
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
    InstallPlanned, InstallRevisited, InstallTarget, WriteDefinitionStatus,
    definition_event::Event,
};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_rules::finalizers::{self, Left};
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
    let current = definition.object();
    let moved = current.is_some_and(|current| current.spec != apply.object.spec);
    check_leaving(apply, definition.is_deleting(), moved, &asked.name)?;
    check_lifecycle(&given)?;
    let spec = apply.object.spec.as_ref().ok_or(Refusal::Incomplete { missing: "spec" })?;
    check_spec(spec)?;
    let before = current.and_then(|current| current.metadata.as_ref());
    let birth = Birth { namespace: None, name: asked.name.clone(), uid: asked.uid.clone(), at };
    let mut meta = after(apply, &given, before, &birth, moved);
    finalizers::keep(before, &mut meta, DEFINITION_FINALIZER);
    if let Some(before) = before
        && finalizers::write(before, &meta)? == Left::Goes
    {
        return Ok(vec![Event::Deleted(DefinitionDeleted {})]);
    }
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
    let (at, generation) = (Some(fleetlog_rules::time(at)), definition.generation() + 1);
    let requested = DefinitionDeletionRequested { by: by.to_owned(), at, generation };
    let requested = Event::DeletionRequested(requested);
    let marked = definition.clone().evolved(&requested);
    let left = if add_ons == 0 { let_go(&marked) } else { vec![] };
    Ok([requested].into_iter().chain(left).collect())
}

/// Its add-ons are gone: so is it, unless others hold it by finalizers.
fn let_go(definition: &Definition) -> Vec<Event> {
    let object = definition.object().cloned();
    let mut left = object.map(|object| ClusterManagementAddOn { status: None, ..object });
    let meta = left.as_mut().and_then(|definition| definition.metadata.as_mut());
    match meta.and_then(|meta| finalizers::release(meta, DEFINITION_FINALIZER)) {
        Some(Left::Goes) => vec![Event::Deleted(DefinitionDeleted {})],
        Some(Left::Stays) => vec![Event::Specified(DefinitionSpecified { definition: left })],
        None => vec![],
    }
}

/// The status whole, as a manager of add-ons writes it.
pub(super) fn write_status(
    definition: &Definition,
    asked: &OfDefinition,
    write: &WriteDefinitionStatus,
) -> Decision {
    let name = asked.name.clone();
    let Some(object) = definition.object() else { return Err(Refusal::NotFound { object: name }) };
    check_version(&write.resource_version, name, Some(definition.state().changed))?;
    check_size(write)?;
    if object.status == write.status {
        return Ok(vec![]);
    }
    Ok(vec![Event::Progressed(DefinitionProgressed { status: write.status.clone() })])
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
        return if add_ons == 0 { let_go(definition) } else { vec![] };
    }
    let none = ClusterManagementAddOnStatus::default();
    if object.status.as_ref().unwrap_or(&none) == status {
        return vec![];
    }
    vec![Event::Progressed(DefinitionProgressed { status: Some(status.clone()) })]
}
