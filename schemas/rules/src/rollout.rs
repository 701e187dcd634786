//! How a change reaches the clusters that a placement decided on, a few at a time: one pure
//! function of the strategy, the decision groups, how far each cluster is, and the time. Carrying
//! it out, and looking again when it says so, is the caller's.

mod strategy;

pub use strategy::{Kind, Mandatory, Size, Strategy, StrategyError};

use fleetlog_kernel::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A decision group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name; empty for clusters that no group of the placement names.
    pub name: String,
    /// Its index; a name may have several.
    pub index: u32,
    /// Its clusters.
    pub clusters: BTreeSet<String>,
}

/// How far a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It has not got the change.
    ToApply,
    /// It is at it.
    Progressing,
    /// It is done.
    Succeeded,
    /// It could not.
    Failed,
    /// It took too long, and that was told before.
    TimeOut,
    /// It is none of this rollout's business.
    Skip,
}

/// What is known of a cluster that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How far it is.
    pub status: Status,
    /// Since when; now, when not known.
    pub since: Option<Timestamp>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// The clusters that the rollout is at: first those that are at it, by name, then those that
    /// start, `ToApply`, in the order in which they do.
    pub to_rollout: Vec<(String, Status)>,
    /// Those whose deadline is over.
    pub timed_out: Vec<String>,
    /// Those that were told and are decided on no more.
    pub removed: Vec<String>,
    /// Whether more failed than may: nothing starts.
    pub breached: bool,
    /// When time alone changes the answer.
    pub recheck_after: Option<Duration>,
}

impl Rollout {
    /// The clusters that get the change now.
    pub fn starts(&self) -> impl Iterator<Item = &str> {
        let starts = self.to_rollout.iter().filter(|(_, status)| *status == Status::ToApply);
        starts.map(|(cluster, _)| cluster.as_str())
    }
}

/// Where a cluster stands in the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It waits for its turn.
    Waits,
    /// It takes a slot, until a time at most.
    Takes(Status, Option<Timestamp>),
    /// Its time is over; `true` when that is new.
    Over(bool),
    /// Nothing is left to do.
    Done,
}

impl Place {
    const fn failed(self) -> bool {
        matches!(self, Self::Over(_) | Self::Takes(Status::Failed, _))
    }

    const fn unfinished(self) -> bool {
        matches!(self, Self::Waits | Self::Takes(..)) && !self.failed()
    }
}

/// What is to be done now, as OCM's RolloutStrategy has it; groups in the order of their index.
#[must_use]
pub fn plan(
    strategy: &Strategy,
    groups: &[Group],
    standings: &BTreeMap<String, Standing>,
    now: Timestamp,
) -> Rollout {
    let mut ordered: Vec<&Group> = groups.iter().collect();
    ordered.sort_by_key(|group| group.index);
    let mut places = BTreeMap::new();
    for cluster in ordered.iter().flat_map(|group| &group.clusters) {
        let place = place(strategy, standings.get(cluster), now);
        places.insert(cluster.as_str(), place);
    }
    let (starts, breached) = match strategy.kind {
        Kind::All => (waiting(&places, places.keys().copied()), false),
        Kind::Progressive => progressive(strategy, &ordered, &places),
        Kind::ProgressivePerGroup => per_group(strategy, &ordered, &places),
    };
    let mut rollout = Rollout { breached, ..Rollout::default() };
    let mut until: Option<Timestamp> = None;
    for (cluster, place) in &places {
        match place {
            Place::Takes(status, end) => {
                rollout.to_rollout.push(((*cluster).to_owned(), *status));
                until = until.into_iter().chain(*end).min();
            }
            Place::Over(true) => rollout.timed_out.push((*cluster).to_owned()),
            Place::Waits | Place::Over(false) | Place::Done => {}
        }
    }
    let starts = starts.into_iter().map(|cluster| (cluster.to_owned(), Status::ToApply));
    rollout.to_rollout.extend(starts);
    let gone = standings.keys().filter(|cluster| !places.contains_key(cluster.as_str()));
    rollout.removed = gone.cloned().collect();
    rollout.recheck_after = until.map(|until| until.since(now));
    rollout
}

fn place(strategy: &Strategy, standing: Option<&Standing>, now: Timestamp) -> Place {
    let Some(Standing { status, since }) = standing else { return Place::Waits };
    let since = since.unwrap_or(now);
    match status {
        Status::ToApply => Place::Waits,
        Status::Skip => Place::Done,
        Status::TimeOut => Place::Over(false),
        Status::Succeeded => {
            let end = since.plus(strategy.min_success_time);
            let soaks = strategy.kind != Kind::All && now < end;
            if soaks { Place::Takes(*status, Some(end)) } else { Place::Done }
        }
        Status::Progressing | Status::Failed => {
            let end = strategy.progress_deadline.map(|deadline| since.plus(deadline));
            let over = end.is_some_and(|end| now >= end);
            if over { Place::Over(true) } else { Place::Takes(*status, end) }
        }
    }
}

type Places<'a> = BTreeMap<&'a str, Place>;
/// Who starts, and whether too many failed.
type Starts<'a> = (Vec<&'a str>, bool);

fn waiting<'a>(places: &Places<'a>, of: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    of.filter(|cluster| places.get(cluster) == Some(&Place::Waits)).collect()
}

fn members(group: &Group) -> impl Iterator<Item = &str> {
    group.clusters.iter().map(String::as_str)
}

/// The places of a group's clusters that are as asked.
fn count(places: &Places<'_>, group: &Group, asked: fn(Place) -> bool) -> usize {
    members(group).filter(|cluster| places.get(cluster).copied().is_some_and(asked)).count()
}

/// A mandatory group that holds up the others: none of its clusters may fail.
fn mandatory<'a>(
    strategy: &Strategy,
    groups: &[&'a Group],
    places: &Places<'a>,
) -> Result<Vec<&'a Group>, Starts<'a>> {
    let (first, rest): (Vec<&Group>, Vec<&Group>) =
        groups.iter().copied().partition(|group| strategy.is_mandatory(group));
    for group in first {
        if count(places, group, Place::failed) > 0 {
            return Err((vec![], true));
        }
        if count(places, group, Place::unfinished) > 0 {
            return Err((waiting(places, members(group)), false));
        }
    }
    Ok(rest)
}

fn progressive<'a>(strategy: &Strategy, groups: &[&'a Group], places: &Places<'a>) -> Starts<'a> {
    let rest = match mandatory(strategy, groups, places) {
        Ok(rest) => rest,
        Err(held) => return held,
    };
    let failures = places.values().filter(|place| place.failed()).count();
    if failures > strategy.max_failures.of(places.len()).unwrap_or(0) {
        return (vec![], true);
    }
    let clusters: BTreeSet<&str> = rest.iter().flat_map(|group| members(group)).collect();
    let slots = strategy.max_concurrency.and_then(|size| size.of(clusters.len()));
    let slots = slots.unwrap_or(clusters.len());
    let taken = places.values().filter(|place| matches!(place, Place::Takes(..))).count();
    let mut starts = waiting(places, clusters.into_iter());
    starts.truncate(slots.saturating_sub(taken));
    (starts, false)
}

fn per_group<'a>(strategy: &Strategy, groups: &[&'a Group], places: &Places<'a>) -> Starts<'a> {
    let rest = match mandatory(strategy, groups, places) {
        Ok(rest) => rest,
        Err(held) => return held,
    };
    for group in rest {
        let most = strategy.max_failures.of(group.clusters.len()).unwrap_or(0);
        if count(places, group, Place::failed) > most {
            return (vec![], true);
        }
        if count(places, group, Place::unfinished) > 0 {
            return (waiting(places, members(group)), false);
        }
    }
    (vec![], false)
}
