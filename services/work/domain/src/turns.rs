//! Clusters that take turns: how far each is by its work (spec 1.13), and whose turn it is by the
//! rollout strategy of the placement that chose it. Whose turn comes with time alone is told, so
//! that somebody looks again.

use crate::command::Chosen;
use crate::conditions::find;
use crate::name::Target;
use crate::state::{ReplicaSet, Work};
use crate::summary::has_template;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::{Condition, Time};
use fleetlog_rules::rollout::{self, Kind, Rollout, Standing, Status, Strategy};
use std::collections::{BTreeMap, BTreeSet};

/// How far a cluster is that was given the current template. Until its work says so of itself, it
/// is at it, for no time yet.
#[must_use]
pub fn standing(work: Option<&Work>) -> Standing {
    let begun = Standing { status: Status::Progressing, since: None };
    let Some(work) = work.filter(|work| !work.is_deleting()) else { return begun };
    let status = work.object().and_then(|object| object.status.as_ref());
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    let current = |condition: &&Condition| {
        condition.observed_generation.is_none_or(|seen| seen >= work.generation())
    };
    let said = |kind| find(conditions, kind).filter(current);
    let (Some(applied), Some(progressing)) = (said("Applied"), said("Progressing")) else {
        return begun;
    };
    let degraded = find(conditions, "Degraded");
    let stale = degraded.is_some_and(|degraded| !current(&degraded));
    if applied.status() != "True" || stale || work.state().reported_generation < work.generation() {
        return begun;
    }
    let failed = degraded.is_some_and(|degraded| degraded.status() == "True");
    let status = match progressing.status() {
        "False" => Status::Succeeded,
        "True" if failed => Status::Failed,
        _ => Status::Progressing,
    };
    let moment = |time: Option<&Time>| {
        let time = time?;
        let nanos = i128::from(time.nanos);
        Some(Timestamp::of_nanos(i128::from(time.seconds) * 1_000_000_000 + nanos))
    };
    // The condition may be older than what it now speaks of.
    let moved = moment(progressing.last_transition_time.as_ref());
    Standing { status, since: moved.max(moment(work.state().spoke_at.as_ref())) }
}

/// Whether it may be another cluster's turn now that one got from here to there: one that is done
/// leaves its place, one that recovers no longer holds up the others.
#[must_use]
pub fn makes_room(from: Standing, to: Standing) -> bool {
    from.status != to.status && (to.status == Status::Succeeded || from.status == Status::Failed)
}

/// Who gets the template now, by placement; those that give it to all at once are left out.
#[must_use]
pub fn starts(
    set: &ReplicaSet,
    chosen: &BTreeMap<String, Chosen>,
    now: Option<Timestamp>,
) -> BTreeMap<String, BTreeSet<String>> {
    let turns = staged(set, chosen).map(|(name, strategy, chosen)| {
        let rollout = now.map(|now| plan(&strategy, chosen, now)).unwrap_or_default();
        (name.to_owned(), rollout.starts().map(str::to_owned).collect())
    });
    turns.collect()
}

/// When time alone may change whose turn it is, after `now`.
#[must_use]
pub fn recheck(
    set: &ReplicaSet,
    chosen: &BTreeMap<String, Chosen>,
    now: Timestamp,
) -> Option<Timestamp> {
    let turns = staged(set, chosen);
    let after =
        turns.filter_map(|(_, strategy, chosen)| plan(&strategy, chosen, now).recheck_after);
    after.min().map(|by| now.plus(by))
}

fn plan(strategy: &Strategy, chosen: &Chosen, now: Timestamp) -> Rollout {
    rollout::plan(strategy, &chosen.groups, &chosen.standings, now)
}

fn staged<'a>(
    set: &'a ReplicaSet,
    chosen: &'a BTreeMap<String, Chosen>,
) -> impl Iterator<Item = (&'a str, Strategy, &'a Chosen)> {
    chosen.iter().filter_map(|(name, chosen)| {
        let strategy = set.strategy(name);
        (strategy.kind != Kind::All).then_some((name.as_str(), strategy, chosen))
    })
}

/// How far the clusters are that were given the current template. What a work says of an older one
/// counts for nothing.
#[must_use]
pub fn standings<'a>(
    set: &ReplicaSet,
    placement: &str,
    clusters: &BTreeSet<String>,
    work: impl Fn(&Target) -> Option<&'a Work>,
) -> BTreeMap<String, Standing> {
    let targets = clusters.iter().map(|cluster| Target::new(placement, cluster));
    let current = targets.filter(|target| set.has_current(target));
    let known = |target: &Target| work(target).filter(|work| has_template(work, set));
    current.map(|target| (target.cluster.clone(), standing(known(&target)))).collect()
}
