//! What is decided about one ManifestWorkReplicaSet.

use super::{check_metadata, check_version, check_workload, next_generation, now};
use crate::command::{Apply, Chosen, OfSet};
use crate::conditions;
use crate::fanout;
use crate::metadata::{self, Metadata};
use crate::name::{SET_FINALIZER, SetKey, Target};
use crate::refusal::Refusal;
use crate::state::ReplicaSet;
use crate::summary::{self, Tally};
use fleetlog_kernel::{Position, Timestamp, dns_label, dns_subdomain};
use fleetlog_messages::common::Condition;
use fleetlog_messages::work::{
    FanOutPlanned, ManifestWorkReplicaSet, ManifestWorkReplicaSetSpec, ReplicaSetDeleted,
    ReplicaSetDeletionRequested, ReplicaSetSpecified, ReplicaSetSummarized,
    replica_set_event::Event,
};
use fleetlog_rules::finalizers::{self, Left};
use fleetlog_rules::rollout::Strategy;
use std::collections::{BTreeMap, BTreeSet};

type Decision = Result<Vec<Event>, Refusal>;

/// The policy of a set that waits for its works.
const FOREGROUND: &str = "Foreground";

pub(super) fn apply(
    set: &ReplicaSet,
    asked: &OfSet,
    apply: &Apply<ManifestWorkReplicaSet>,
    at: Timestamp,
) -> Decision {
    let key = &asked.key;
    dns_label(&key.namespace)?;
    dns_subdomain(&key.name)?;
    let given = apply.object.metadata.clone().unwrap_or_default();
    check_metadata(&given, (&key.namespace, &key.name))?;
    check_version(&apply.resource_version, set.object().map(|_| set.state().changed), key)?;
    let moved = set.object().map(|object| &object.spec) != Some(&apply.object.spec)
        || set.bundle() != apply.bundle.as_ref();
    if set.is_deleting() && (apply.metadata == Metadata::Add || moved) {
        return Err(Refusal::BeingDeleted { object: key.to_string() });
    }
    let spec = apply.object.spec.as_ref().ok_or(Refusal::Incomplete { missing: "spec" })?;
    check_placements(spec)?;
    let template = spec.manifest_work_template.as_ref();
    check_workload(template, apply.bundle.as_ref(), "spec.manifestWorkTemplate")?;
    let mut after = ManifestWorkReplicaSet { status: None, ..apply.object.clone() };
    after.metadata = Some(match set.object() {
        None => {
            let name = (key.namespace.as_str(), key.name.as_str());
            metadata::born(&given, name, &asked.uid, at, SET_FINALIZER)
        }
        Some(current) => {
            let before = current.metadata.clone().unwrap_or_default();
            let mut meta = metadata::applied(&before, &given, apply.metadata);
            finalizers::keep(Some(&before), &mut meta, SET_FINALIZER);
            if finalizers::write(&before, &meta)? == Left::Goes {
                return Ok(vec![Event::Deleted(ReplicaSetDeleted {})]);
            }
            if !moved && meta == before {
                return Ok(vec![]);
            }
            if moved {
                next_generation(&mut meta);
            }
            meta
        }
    });
    let (replica_set, bundle) = (Some(after), apply.bundle.clone());
    Ok(vec![Event::Specified(ReplicaSetSpecified { replica_set, bundle })])
}

fn check_placements(spec: &ManifestWorkReplicaSetSpec) -> Result<(), Refusal> {
    if spec.placement_refs.is_empty() {
        return Err(Refusal::NoPlacements);
    }
    for placement in &spec.placement_refs {
        dns_subdomain(placement.name())?;
        Strategy::of(placement.rollout_strategy.as_ref()).map_err(|error| {
            let (placement, reason) = (placement.name().to_owned(), error.to_string());
            Refusal::BadRollout { placement, reason }
        })?;
    }
    Ok(())
}

pub(super) fn delete(
    set: &ReplicaSet,
    asked: &OfSet,
    by: &str,
    works: usize,
    at: Timestamp,
) -> Decision {
    if set.object().is_none() {
        return Err(Refusal::NotFound { object: asked.key.to_string() });
    }
    if set.is_deleting() {
        return Ok(vec![]);
    }
    let (by, at, generation) = (by.to_owned(), now(at), set.generation() + 1);
    let requested = ReplicaSetDeletionRequested { by, at, generation };
    let requested = Event::DeletionRequested(requested);
    // More works than one commit may withdraw are withdrawn by plans, which need the set.
    let gone = works == 0 || (!waits(set) && works <= fanout::CHUNK);
    let left = if gone { let_go(&set.clone().evolved(&requested)) } else { vec![] };
    Ok([requested].into_iter().chain(left).collect())
}

/// It waits for nothing of its own any more: it goes, or waits for those who hold it by finalizers.
fn let_go(set: &ReplicaSet) -> Vec<Event> {
    let object = set.object().cloned();
    let mut left = object.map(|object| ManifestWorkReplicaSet { status: None, ..object });
    let meta = left.as_mut().and_then(|set| set.metadata.as_mut());
    match meta.and_then(|meta| finalizers::release(meta, SET_FINALIZER)) {
        Some(Left::Goes) => vec![Event::Deleted(ReplicaSetDeleted {})],
        Some(Left::Stays) => {
            let bundle = set.bundle().cloned();
            vec![Event::Specified(ReplicaSetSpecified { replica_set: left, bundle })]
        }
        None => vec![],
    }
}

/// Whether a set stays until its works are gone.
fn waits(set: &ReplicaSet) -> bool {
    set.spec().is_some_and(|spec| spec.cascade_deletion_policy() == FOREGROUND)
}

pub(super) fn plan(
    set: &ReplicaSet,
    key: &SetKey,
    chosen: &BTreeMap<String, Chosen>,
    lost: &BTreeSet<Target>,
    at: Timestamp,
) -> Vec<Event> {
    if set.object().is_none() {
        return vec![];
    }
    let difference = fanout::difference(key, set, chosen, lost, Some(at)).chunk();
    let conditions = match set.is_deleting() {
        true => vec![],
        false => moved(set, fanout::conditions(key, set, chosen, &difference), at),
    };
    if difference.is_empty() && conditions.is_empty() {
        let gone = set.is_deleting() && !waits(set);
        return if gone { let_go(set) } else { vec![] };
    }
    let messages = |targets: &[Target]| targets.iter().map(Target::message).collect();
    let newest = chosen.values().map(|chosen| chosen.position).max().unwrap_or(Position::START);
    vec![Event::FanOutPlanned(FanOutPlanned {
        plan: set.state().plan + 1,
        generation: set.generation(),
        deliver: messages(&difference.deliver),
        withdraw: messages(&difference.withdraw),
        decision: newest.0,
        conditions,
    })]
}

/// The conditions that say something else than what is served.
fn moved(set: &ReplicaSet, conditions: Vec<Condition>, at: Timestamp) -> Vec<Condition> {
    let served = set.object().and_then(|object| object.status.as_ref());
    let served = served.map_or(&[][..], |status| &status.conditions);
    let kept = |mut condition: Condition| {
        let old = conditions::find(served, condition.r#type());
        let moved = conditions::Moved::WithStatus;
        conditions::keep_transition(old, &mut condition, moved, &metadata::time(at));
        (old != Some(&condition)).then_some(condition)
    };
    conditions.into_iter().filter_map(kept).collect()
}

pub(super) fn summarize(
    set: &ReplicaSet,
    key: &SetKey,
    tally: &Tally,
    at: Timestamp,
) -> Vec<Event> {
    let Some(object) = set.object() else { return vec![] };
    if set.is_deleting() {
        return if tally.works == 0 { let_go(set) } else { vec![] };
    }
    let status = summary::status(key, set, tally, at);
    if object.status.as_ref() == Some(&status) {
        return vec![];
    }
    vec![Event::Summarized(ReplicaSetSummarized { status: Some(status) })]
}
