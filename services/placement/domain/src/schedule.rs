//! The whole choice as one pure function: who is there, who fits, who comes first, and what the
//! conditions say of it (spec, registration and placement, sections 20, 23 and 25). It changes
//! nothing: [`crate::state::Placement`] makes events of it.

use crate::cluster::Cluster;
use crate::filter::{self, Seen, When};
use crate::fleet::Tally;
use crate::held_scores::Scores;
use crate::names::{reason, rule};
use crate::plan::{Flaw, Plan};
use crate::score::{Ground, Load, Table};
use crate::weights::Prioritizer;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::placement::DecidedCluster;
use fleetlog_rules::condition::Status;
use fleetlog_rules::taint::Standing;
use std::collections::BTreeMap;

/// A decision: its clusters by name.
pub type Decision = BTreeMap<String, DecidedCluster>;

/// Whether being chosen already counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steadiness {
    /// As much as Steady weighs.
    Kept,
    /// For nothing: chosen afresh.
    Waived,
}

/// What a placement can see of the world.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// The sets that exist and are bound to its namespace, by name.
    pub bound: Vec<&'a str>,
    /// Those of them that it means.
    pub eligible: Vec<&'a str>,
    /// A set among them that selects by no known rule, and why: then nobody knows who is in it.
    pub broken: Option<String>,
    /// How many members the eligible sets have, each counted once.
    pub tally: Tally,
    /// The candidates among them, by name, each once; without those of whom an index says already
    /// that no predicate matches.
    pub candidates: Vec<(&'a str, &'a Cluster)>,
    /// Of the clusters it has chosen: those that stay when nothing can be chosen.
    pub kept: Vec<&'a str>,
    /// The decisions of other placements.
    pub load: Load<'a>,
    /// What add-ons give.
    pub scores: &'a Scores,
    /// When it is: whole seconds.
    pub now: Timestamp,
    /// Whether being chosen already counts.
    pub steadiness: Steadiness,
}

/// What a condition should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its status.
    pub status: Status,
    /// Its reason.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
}

/// What was computed for a placement.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// A choice.
    Chosen(Choice),
    /// The spec cannot be acted on: the last good decision stays, less the clusters that left.
    Flawed {
        /// The clusters that stay.
        kept: Vec<String>,
        /// The message of the condition.
        message: String,
    },
    /// Who could be chosen cannot be found out: the last decision stays, less the clusters that
    /// left.
    Broken {
        /// The clusters that stay.
        kept: Vec<String>,
        /// The message of the condition.
        message: String,
    },
}

/// A choice of clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The chosen clusters.
    pub decision: Decision,
    /// Per rule, how many clusters it dropped.
    pub dropped: BTreeMap<String, u32>,
    /// How many are wanted and cannot be had.
    pub unmet: u32,
    /// What the condition PlacementSatisfied says.
    pub satisfied: Verdict,
    /// What was passed over, in OCM's words.
    pub warnings: Vec<String>,
    /// Being chosen already counted for nothing.
    pub rebalanced: bool,
}

/// Chooses for a placement that has chosen `before`.
#[must_use]
pub fn schedule(plan: Result<&Plan, &Flaw>, before: &Decision, scene: &Scene<'_>) -> Schedule {
    let kept = || scene.kept.iter().map(|name| (*name).to_owned()).collect();
    match (plan, &scene.broken) {
        (Err(flaw), _) => Schedule::Flawed { kept: kept(), message: flaw.message() },
        (Ok(_), Some(why)) => Schedule::Broken { kept: kept(), message: why.clone() },
        (Ok(plan), None) => Schedule::Chosen(choose(plan, before, scene)),
    }
}

fn choose(plan: &Plan, before: &Decision, scene: &Scene<'_>) -> Choice {
    let mut dropped = BTreeMap::new();
    if let Some(satisfied) = nobody_is_there(plan, scene) {
        return nobody(plan, satisfied, dropped);
    }
    let Tally { candidates, refused, ending } = scene.tally;
    drop_by(rule::ACCEPTED, refused, &mut dropped);
    drop_by(rule::TERMINATING, ending, &mut dropped);
    if candidates == 0 {
        let sets = scene.eligible.join(",");
        let message = format!("All ManagedClusterSets [{sets}] have no member ManagedCluster");
        return nobody(plan, no(reason::ALL_EMPTY, message), dropped);
    }
    drop_by(rule::PREDICATE, candidates - scene.candidates.len(), &mut dropped);
    let fitting = fitting(plan, before, scene, &mut dropped);
    let number = plan.wanted.map_or(fitting.len(), |wanted| wanted.min(fitting.len()));
    let (first, warnings) = best(plan, before, scene, &fitting, number);
    drop_by(rule::NUMBER, fitting.len() - number, &mut dropped);
    drop_by(rule::SPREAD, number - first.len(), &mut dropped);
    let wanted = plan.wanted.unwrap_or(0);
    let unmet = u32::try_from(wanted.saturating_sub(first.len())).unwrap_or(u32::MAX);
    let satisfied = satisfied(first.len(), unmet);
    let rebalanced = scene.steadiness == Steadiness::Waived;
    Choice { decision: placed(plan, first), dropped, unmet, satisfied, warnings, rebalanced }
}

/// The reason why there is no set to choose from.
fn nobody_is_there(plan: &Plan, scene: &Scene<'_>) -> Option<Verdict> {
    if scene.bound.is_empty() {
        let message = "No valid ManagedClusterSetBindings found in placement namespace";
        return Some(no(reason::NO_BINDINGS, message));
    }
    scene.eligible.is_empty().then(|| {
        let sets = plan.sets.join(",");
        let message =
            format!("None of ManagedClusterSets [{sets}] is bound to placement namespace");
        no(reason::NO_INTERSECTION, message)
    })
}

fn nobody(plan: &Plan, satisfied: Verdict, dropped: BTreeMap<String, u32>) -> Choice {
    Choice {
        decision: Decision::new(),
        dropped,
        unmet: u32::try_from(plan.wanted.unwrap_or(0)).unwrap_or(u32::MAX),
        satisfied,
        warnings: vec![],
        rebalanced: false,
    }
}

fn no(reason: &'static str, message: impl Into<String>) -> Verdict {
    Verdict { status: Status::False, reason, message: message.into() }
}

fn satisfied(chosen: usize, unmet: u32) -> Verdict {
    if chosen == 0 {
        let message = "No ManagedCluster matches any of the cluster predicate";
        return no(reason::NO_MATCH, message);
    }
    if unmet > 0 {
        let message = format!("{unmet} cluster decisions unscheduled");
        return no(reason::NOT_ALL_SCHEDULED, message);
    }
    let message = "All cluster decisions scheduled".to_owned();
    Verdict { status: Status::True, reason: reason::ALL_SCHEDULED, message }
}

fn drop_by(rule: &str, number: usize, dropped: &mut BTreeMap<String, u32>) {
    if number > 0 {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let count = dropped.entry(rule.to_owned()).or_default();
        *count = count.saturating_add(number);
    }
}

type Clusters<'a> = Vec<(&'a str, &'a Cluster)>;

/// The candidates that pass every filter; what the others fail is counted.
pub(crate) fn fitting<'a>(
    plan: &Plan,
    before: &Decision,
    scene: &Scene<'a>,
    dropped: &mut BTreeMap<String, u32>,
) -> Clusters<'a> {
    let mut candidates = scene.candidates.clone();
    candidates.retain(|(name, cluster)| {
        let seen = Seen { name, cluster, scores: scene.scores };
        let verdict = filter::dropped(plan, seen, standing(before, name), When::At(scene.now));
        if let Some(rule) = verdict {
            drop_by(rule, 1, dropped);
        }
        verdict.is_none()
    });
    candidates
}

/// How a cluster stands to a decision.
#[must_use]
pub fn standing(before: &Decision, cluster: &str) -> Standing {
    if before.contains_key(cluster) { Standing::Chosen } else { Standing::New }
}

/// Everybody's scores.
pub(crate) fn table(
    plan: &Plan,
    before: &Decision,
    scene: &Scene<'_>,
    fitting: &[(&str, &Cluster)],
) -> Table {
    let Scene { load, scores: given, now, steadiness, .. } = scene;
    let chosen = (*steadiness == Steadiness::Kept).then_some(before);
    Table::of(&plan.weights, fitting, &Ground { load: *load, chosen, given, now: *now })
}

type Scored<'a> = Vec<(&'a str, &'a Cluster, i64)>;

/// The `number` clusters of the highest totals, in the order of names, and what was passed over.
fn best<'a>(
    plan: &Plan,
    before: &Decision,
    scene: &Scene<'_>,
    fitting: &[(&'a str, &'a Cluster)],
    number: usize,
) -> (Scored<'a>, Vec<String>) {
    let table = table(plan, before, scene, fitting);
    let totals = table.totals(fitting.len());
    let scored = |(place, total): (usize, i64)| (fitting[place].0, fitting[place].1, total);
    let mut first: Scored<'a> = if plan.spread.is_none() {
        totals.iter().copied().enumerate().map(scored).collect()
    } else {
        let weight = plan.weights.of_one(&Prioritizer::Spread);
        plan.spread.choose(fitting, &totals, weight, number).into_iter().map(scored).collect()
    };
    let order =
        |a: &(&str, &Cluster, i64), b: &(&str, &Cluster, i64)| b.2.cmp(&a.2).then(a.0.cmp(b.0));
    if number == 0 {
        first.clear();
    } else if number < first.len() {
        first.select_nth_unstable_by(number - 1, order);
        first.truncate(number);
    }
    first.sort_unstable_by_key(|(name, ..)| *name);
    (first, table.warnings)
}

fn placed(plan: &Plan, chosen: Scored<'_>) -> Decision {
    let scores: BTreeMap<&str, i64> =
        chosen.iter().map(|(name, _, score)| (*name, *score)).collect();
    let clusters: Vec<_> = chosen.iter().map(|(name, cluster, _)| (*name, *cluster)).collect();
    let places = plan.groups.places(&clusters).into_iter();
    places
        .map(|(name, place)| {
            let decided = DecidedCluster {
                cluster: name.to_owned(),
                score: scores.get(name).copied().unwrap_or_default(),
                reason: String::new(),
                group: place.group,
                group_index: place.index,
            };
            (name.to_owned(), decided)
        })
        .collect()
}
