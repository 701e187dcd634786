//! The whole choice as one pure function: who is there, who fits, who comes first, and what the
//! conditions say of it (spec, registration and placement, sections 20, 23 and 25). It changes
//! nothing: [`crate::state::Placement`] makes events of it.

use crate::cluster::Cluster;
use crate::filter;
use crate::names::{reason, rule};
use crate::plan::{Flaw, Plan};
use crate::score::{self, Load};
use fleetlog_messages::placement::DecidedCluster;
use fleetlog_rules::condition::Status;
use fleetlog_rules::taint::Standing;
use std::collections::BTreeMap;

/// A decision: its clusters by name.
pub type Decision = BTreeMap<String, DecidedCluster>;

/// What a placement can see of the world.
#[derive(Clone, Debug, Default)]
pub struct Scene<'a> {
    /// The sets that exist and are bound to its namespace, by name.
    pub bound: Vec<&'a str>,
    /// Those of them that it means.
    pub eligible: Vec<&'a str>,
    /// The members of the eligible sets, by name, each once.
    pub members: Vec<(&'a str, &'a Cluster)>,
    /// Of the clusters it has chosen: those that still are candidates in a bound set.
    pub kept: Vec<&'a str>,
    /// The decisions of other placements.
    pub load: Load<'a>,
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
}

/// Chooses for a placement that has chosen `before`.
#[must_use]
pub fn schedule(plan: Result<&Plan, &Flaw>, before: &Decision, scene: &Scene<'_>) -> Schedule {
    match plan {
        Ok(plan) => Schedule::Chosen(choose(plan, before, scene)),
        Err(flaw) => Schedule::Flawed {
            kept: scene.kept.iter().map(|name| (*name).to_owned()).collect(),
            message: flaw.message(),
        },
    }
}

fn choose(plan: &Plan, before: &Decision, scene: &Scene<'_>) -> Choice {
    let mut dropped = BTreeMap::new();
    let wanted = plan.wanted.unwrap_or(0);
    let nobody = |satisfied, dropped| {
        let unmet = u32::try_from(wanted).unwrap_or(u32::MAX);
        Choice { decision: Decision::new(), dropped, unmet, satisfied }
    };
    if scene.bound.is_empty() {
        let message = "No valid ManagedClusterSetBindings found in placement namespace";
        return nobody(no(reason::NO_BINDINGS, message), dropped);
    }
    if scene.eligible.is_empty() {
        let sets = plan.sets.join(",");
        let message =
            format!("None of ManagedClusterSets [{sets}] is bound to placement namespace");
        return nobody(no(reason::NO_INTERSECTION, message), dropped);
    }
    let candidates = candidates(scene, &mut dropped);
    if candidates.is_empty() {
        let sets = scene.eligible.join(",");
        let message = format!("All ManagedClusterSets [{sets}] have no member ManagedCluster");
        return nobody(no(reason::ALL_EMPTY, message), dropped);
    }
    let fitting = fitting(plan, before, candidates, &mut dropped);
    let number = plan.wanted.map_or(fitting.len(), |wanted| wanted.min(fitting.len()));
    drop_by(rule::NUMBER, fitting.len() - number, &mut dropped);
    let first = best(plan, before, scene, fitting, number);
    let unmet = u32::try_from(wanted.saturating_sub(number)).unwrap_or(u32::MAX);
    let satisfied = satisfied(number, unmet);
    Choice { decision: placed(plan, first), dropped, unmet, satisfied }
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

fn candidates<'a>(scene: &Scene<'a>, dropped: &mut BTreeMap<String, u32>) -> Clusters<'a> {
    let mut candidates = Vec::with_capacity(scene.members.len());
    for (name, cluster) in &scene.members {
        if cluster.is_candidate() {
            candidates.push((*name, *cluster));
        } else {
            let rule = if cluster.accepted { rule::TERMINATING } else { rule::ACCEPTED };
            drop_by(rule, 1, dropped);
        }
    }
    candidates
}

fn fitting<'a>(
    plan: &Plan,
    before: &Decision,
    mut candidates: Clusters<'a>,
    dropped: &mut BTreeMap<String, u32>,
) -> Clusters<'a> {
    candidates.retain(|(name, cluster)| {
        let verdict = filter::dropped(plan, cluster, standing(before, name));
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

type Scored<'a> = Vec<(&'a str, &'a Cluster, i64)>;

/// The `number` clusters of the highest totals, in the order of names.
fn best<'a>(
    plan: &Plan,
    before: &Decision,
    scene: &Scene<'_>,
    fitting: Clusters<'a>,
    number: usize,
) -> Scored<'a> {
    let total =
        |name: &str| score::total(plan.weights, &scene.load, name, before.contains_key(name));
    let mut scored: Scored<'a> =
        fitting.into_iter().map(|(name, cluster)| (name, cluster, total(name))).collect();
    if number < scored.len() {
        scored.sort_unstable_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(b.0)));
        scored.truncate(number);
        scored.sort_unstable_by_key(|(name, ..)| *name);
    }
    scored
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
