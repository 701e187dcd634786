//! One function per command, refusals first.

use crate::admit;
use crate::command::{Apply, PlacementKey};
use crate::names::{kind, reason};
use crate::plan::{Flaw, Order, Plan};
use crate::refusal::Refusal;
use crate::schedule::{Choice, Schedule};
use crate::state::Placement;
use fleetlog_kernel::{Position, Timestamp, Uid, dns_label, dns_subdomain};
use fleetlog_messages::common::{Condition, ObjectMeta};
use fleetlog_messages::placement::{
    self as message, PageDiscarded, PlacementDecided, PlacementDeleted, PlacementDeletionRequested,
    PlacementJudged, PlacementSpecified, placement_event::Event,
};
use fleetlog_rules::condition::{self, Say, Status};
use fleetlog_rules::finalizers::{self, Left, Wish};
use fleetlog_rules::metadata::{self, Birth};
use fleetlog_rules::time;
use std::collections::BTreeSet;

type Decision = Result<Vec<Event>, Refusal>;

pub(crate) fn apply(placement: &Placement, apply: &Apply, at: Timestamp) -> Decision {
    let given = apply.object.metadata.clone().unwrap_or_default();
    check(placement, apply, &given)?;
    let spec = admit::spec(&apply.object)?;
    if let Err(Flaw::TooCostly(refusal)) = Plan::of(&spec) {
        return Err(refusal);
    }
    let current = placement.object();
    let known = current.and_then(|c| c.metadata.as_ref());
    let meta = after(apply, &given, known, at);
    let left = known.map_or(Ok(Left::Stays), |known| finalizers::write(known, &meta));
    if left.map_err(Refusal::Late)? == Left::Goes {
        return Ok(vec![Event::Deleted(PlacementDeleted { by: apply.by.clone() })]);
    }
    let mut after = message::Placement {
        metadata: Some(meta),
        spec: Some(spec),
        status: None,
        empties: apply.object.empties.clone(),
    };
    if let Some(current) = current {
        if current.spec != after.spec {
            metadata::next_generation(after.metadata.get_or_insert_default());
        }
        let same = current.metadata == after.metadata && current.empties == after.empties;
        if same && current.spec == after.spec {
            return Ok(vec![]);
        }
    }
    Ok(vec![Event::Specified(PlacementSpecified { placement: Some(after) })])
}

/// Refuses what no placement may have, and a command that comes too late.
fn check(placement: &Placement, apply: &Apply, given: &ObjectMeta) -> Result<(), Refusal> {
    let target = &apply.target;
    dns_subdomain(&target.name).map_err(Refusal::Name)?;
    dns_label(&target.namespace).map_err(Refusal::Name)?;
    let other = |given: &str, target: &str| !given.is_empty() && given != target;
    if other(given.name(), &target.name) || other(given.namespace(), &target.namespace) {
        let given = PlacementKey::new(given.namespace(), given.name()).to_string();
        return Err(Refusal::OtherName { given, target: target.to_string() });
    }
    metadata::check(given).map_err(Refusal::Label)?;
    let stands = placement.position();
    match apply.expected {
        Some(expected) if expected != stands.unwrap_or_default() => Err(Refusal::Conflict {
            name: target.to_string(),
            expected: expected.resource_version(0),
            actual: stands.unwrap_or_default().resource_version(0),
        }),
        _ => Ok(()),
    }
}

fn after(
    apply: &Apply,
    given: &ObjectMeta,
    current: Option<&ObjectMeta>,
    at: Timestamp,
) -> ObjectMeta {
    match current {
        Some(current) => metadata::changed(current, given, apply.change),
        None => {
            let PlacementKey { namespace, name } = apply.target.clone();
            let birth = Birth { namespace: Some(namespace), name, uid: apply.uid.clone(), at };
            metadata::born(given, &birth)
        }
    }
}

pub(crate) fn delete(
    placement: &Placement,
    target: &PlacementKey,
    by: &str,
    at: Timestamp,
) -> Decision {
    let absent = || Refusal::NotFound { name: target.to_string() };
    let object = placement.object().ok_or_else(absent)?;
    let (meta, by) = (object.metadata.as_ref(), by.to_owned());
    Ok(match meta.map_or(Wish::Granted, finalizers::wish) {
        Wish::Granted => vec![Event::Deleted(PlacementDeleted { by })],
        Wish::Waits => {
            let at = Some(time(at));
            vec![Event::DeletionRequested(PlacementDeletionRequested { by, at })]
        }
        Wish::Repeated => vec![],
    })
}

/// An equal page under another uid; the same again is none.
pub(crate) fn discard(
    placement: &Placement,
    (page, uid): (&str, &Uid),
    by: &str,
    at: Timestamp,
) -> Vec<Event> {
    let remade = placement.0.remade.get(page);
    if remade.is_some_and(|remade| remade.uid == uid.as_str()) {
        return vec![];
    }
    let (by, page, at) = (by.to_owned(), page.to_owned(), Some(time(at)));
    vec![Event::PageDiscarded(PageDiscarded { by, page, uid: uid.to_string(), at })]
}

/// The difference between the decision and the schedule; nothing when there is none. A placement
/// that is gone or going, or that another scheduler decides on, is left alone.
pub(crate) fn schedule(
    placement: &Placement,
    schedule: &Schedule,
    inputs: Position,
    at: Timestamp,
) -> Vec<Event> {
    if placement.is_left_alone() {
        return vec![];
    }
    let at = at.whole_seconds();
    let mut decided = match schedule {
        Schedule::Chosen(choice) => chosen(placement, choice, at),
        Schedule::Flawed { kept, .. } | Schedule::Broken { kept, .. } => left(placement, kept),
    };
    if let Some(decided) = &mut decided {
        decided.inputs = inputs.0;
        decided.generation = placement.generation();
        decided.at = Some(time(at));
    }
    let conditions = conditions(placement, schedule, at);
    let judged = (conditions != placement.conditions()).then(|| {
        let generation = placement.generation();
        Event::Judged(PlacementJudged { conditions, generation, inputs: inputs.0 })
    });
    decided.map(Event::Decided).into_iter().chain(judged).collect()
}

/// The next revision, if the choice is another one; a first choice always is. Scores are part of
/// it where they are shown: with each change of the clusters, and alone as often as they may.
fn chosen(placement: &Placement, choice: &Choice, at: Timestamp) -> Option<PlacementDecided> {
    let before = &placement.0.decided;
    let moved = |cluster: &&message::DecidedCluster| {
        let place = |c: &message::DecidedCluster| (c.group_index, c.group.clone());
        before.get(&cluster.cluster).is_none_or(|known| place(known) != place(cluster))
    };
    let rescored = |cluster: &&message::DecidedCluster| {
        before.get(&cluster.cluster).is_none_or(|known| known.score != cluster.score)
    };
    let gone = before.keys().filter(|name| !choice.decision.contains_key(*name));
    let removed: Vec<_> = gone.cloned().collect();
    let first = placement.0.revision == 0;
    let moves = first || !removed.is_empty() || choice.decision.values().any(|c| moved(&c));
    let order = placement.order();
    let shows = match order {
        Order::Name => false,
        Order::Score(every) => {
            moves || placement.scores_shown().is_none_or(|shown| at >= shown.plus(every))
        }
    };
    let added = choice.decision.values().filter(|c| moved(c) || (shows && rescored(c)));
    let added: Vec<_> = added.cloned().collect();
    (moves || !added.is_empty()).then(|| PlacementDecided {
        revision: placement.0.revision + 1,
        added,
        removed,
        dropped: choice.dropped.clone(),
        unmet: choice.unmet,
        rebalanced: choice.rebalanced,
        warnings: choice.warnings.clone(),
        ..PlacementDecided::default()
    })
}

/// The next revision of a flawed placement: only clusters that left the fleet or its reach go.
fn left(placement: &Placement, kept: &[String]) -> Option<PlacementDecided> {
    let kept: BTreeSet<&String> = kept.iter().collect();
    let gone = placement.0.decided.keys().filter(|name| !kept.contains(name));
    let removed: Vec<_> = gone.cloned().collect();
    (!removed.is_empty()).then(|| PlacementDecided {
        revision: placement.0.revision + 1,
        removed,
        ..PlacementDecided::default()
    })
}

/// The conditions after the schedule. A flawed placement stays as satisfied as its last good
/// decision was, unless that has no cluster left.
fn conditions(placement: &Placement, schedule: &Schedule, at: Timestamp) -> Vec<Condition> {
    let mut conditions = placement.conditions().to_vec();
    let mut say = |kind, status, reason, message: &str| {
        condition::set(&mut conditions, Say { kind, status, reason, message }, at);
    };
    match schedule {
        Schedule::Chosen(Choice { satisfied, .. }) => {
            say(kind::SATISFIED, satisfied.status, satisfied.reason, &satisfied.message);
            let message = "Placement configurations check pass";
            say(kind::MISCONFIGURED, Status::False, reason::CONFIGURED, message);
        }
        Schedule::Flawed { kept, message } => {
            if kept.is_empty() {
                let none = "No ManagedCluster matches any of the cluster predicate";
                say(kind::SATISFIED, Status::False, reason::NO_MATCH, none);
            }
            say(kind::MISCONFIGURED, Status::True, reason::MISCONFIGURED, message);
        }
        Schedule::Broken { message, .. } => {
            say(kind::SATISFIED, Status::False, reason::NOT_ALL_SCHEDULED, message);
            let message = "Placement configurations check pass";
            say(kind::MISCONFIGURED, Status::False, reason::CONFIGURED, message);
        }
    }
    conditions
}
