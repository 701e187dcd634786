//! Clusters that take turns: how far each is with what it should have (spec 2.5), and whose turn it
//! is by the rollout strategy of the placement that chose it. Whose turn comes with time alone is
//! told, so that somebody looks again.

use crate::config::Config;
use crate::health::{self, Progress};
use crate::names::kind;
use crate::plan::CHUNK;
use crate::state::{AddOn, Given, moment};
use fleetlog_kernel::Timestamp;
use fleetlog_messages::addon::SeenWork;
use fleetlog_rules::condition;
use fleetlog_rules::rollout::{self, Group, Kind, Rollout, Standing, Status, Strategy};
use std::collections::{BTreeMap, BTreeSet};

/// Whether an add-on may have what its template says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It may: its clusters take no turns, or it is its turn.
    Come,
    /// Others are first. Until then it keeps what it has.
    Waits(Option<Config>),
}

/// The clusters of a placement that take turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// How they do.
    pub strategy: Strategy,
    /// The decision groups.
    pub groups: Vec<Group>,
    /// What each should have; a cluster whose template does not exist is missing.
    pub wanted: BTreeMap<String, Config>,
    /// How far those are that got it, and who is none of the rollout's business.
    pub standings: BTreeMap<String, Standing>,
}

/// What turns a plan gives and takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Who gets what.
    pub turns: BTreeMap<Config, BTreeSet<String>>,
    /// Who took too long.
    pub timed_out: BTreeSet<String>,
}

impl Due {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.timed_out.is_empty()
    }

    /// How many clusters get or lose their turn.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timed_out.len() + self.turns.values().map(BTreeSet::len).sum::<usize>()
    }

    fn give(&mut self, cluster: &str, config: Config) {
        if self.len() < CHUNK {
            self.turns.entry(config).or_default().insert(cluster.to_owned());
        }
    }
}

/// Whether clusters take turns by a strategy, or are at least watched.
#[must_use]
pub const fn is_staged(strategy: &Strategy) -> bool {
    !matches!(strategy.kind, Kind::All) || strategy.progress_deadline.is_some()
}

/// Whose turn it is now, and whose time is over: as much as one plan takes.
#[must_use]
pub fn due(stages: &[Stage], now: Timestamp) -> Due {
    let mut due = Due::default();
    for stage in stages {
        let rollout = plan(stage, now);
        let room = CHUNK.saturating_sub(due.len());
        due.timed_out.extend(rollout.timed_out.iter().take(room).cloned());
        for cluster in rollout.starts() {
            if let Some(config) = stage.wanted.get(cluster) {
                due.give(cluster, config.clone());
            }
        }
    }
    due
}

/// When time alone may change whose turn it is, after `now`.
#[must_use]
pub fn recheck(stages: &[Stage], now: Timestamp) -> Option<Timestamp> {
    stages.iter().filter_map(|stage| plan(stage, now).recheck_after).min().map(|by| now.plus(by))
}

fn plan(stage: &Stage, now: Timestamp) -> Rollout {
    rollout::plan(&stage.strategy, &stage.groups, &stage.standings, now)
}

/// What is known of one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// What it should have.
    pub wanted: &'a Config,
    /// Its add-on.
    pub add_on: Option<&'a AddOn>,
    /// Its last turn.
    pub given: Option<&'a Given>,
    /// The work of its add-on.
    pub work: Option<&'a SeenWork>,
}

/// What a cluster has: what it got in its turn, else what its work was made from.
#[must_use]
pub fn has(
    add_on: Option<&AddOn>,
    given: Option<&Given>,
    work: Option<&SeenWork>,
) -> Option<Config> {
    let stays = !add_on.is_some_and(AddOn::is_deleting);
    let made = || {
        let work = work.filter(|work| stays && !work.deleting)?;
        Config::of_hashes(&work.config_hashes)
    };
    given.map(|given| given.config.clone()).or_else(made)
}

/// How far a cluster is; `None` for one that waits for its turn. What its add-on says of something
/// older counts for nothing, nor do times before its turn.
#[must_use]
pub fn standing(sight: Sight<'_>) -> Option<Standing> {
    let Sight { wanted, add_on, given, work } = sight;
    if add_on.is_some_and(AddOn::is_users) {
        return Some(Standing { status: Status::Skip, since: None });
    }
    if has(add_on, given, work).as_ref() != Some(wanted) {
        return None;
    }
    let began = given.map(|given| given.at);
    let status = add_on.and_then(|add_on| add_on.object()?.status.as_ref());
    let speaks = |status: &&_| health::desired(status).as_ref() == Some(wanted);
    let conditions = status.filter(speaks).map_or(&[][..], |status| &status.conditions);
    let said = condition::find(conditions, kind::PROGRESSING);
    let moved = said.and_then(|said| moment(said.last_transition_time.as_ref()));
    let spoke = moment(work.and_then(|work| work.spoke_at.as_ref()));
    // Without a turn nobody knows when it began: it has all the time from now on.
    let since = began.map(|began| began.max(moved.unwrap_or(began)));
    let over = given.is_some_and(|given| given.timed_out);
    Some(match health::progress(conditions) {
        Progress::Completed => {
            Standing { status: Status::Succeeded, since: began.max(moved).max(spoke) }
        }
        _ if over => Standing { status: Status::TimeOut, since },
        Progress::Failed => Standing { status: Status::Failed, since },
        Progress::Under => Standing { status: Status::Progressing, since },
    })
}

/// Whether it may be another cluster's turn now that one got from here to there: one that is done
/// leaves its place, one that recovers no longer holds up the others.
#[must_use]
pub fn makes_room(from: Option<Standing>, to: Option<Standing>) -> bool {
    let status = |standing: Option<Standing>| standing.map(|standing| standing.status);
    let (from, to) = (status(from), status(to));
    let held = matches!(from, Some(Status::Failed | Status::TimeOut));
    from != to && (to == Some(Status::Succeeded) || held)
}
