//! Taking clusters one at a time, each time the best that may be taken.

use super::{claims, labels, score};
use fleetlog_messages::placement::{PlacementSpec, SpreadConstraint};
use fleetlog_messages::registration::ManagedCluster;
use std::collections::BTreeSet;

fn constraints(spec: &PlacementSpec) -> Vec<SpreadConstraint> {
    spec.spread_policy.clone().unwrap_or_default().spread_constraints
}

fn is_hard(constraint: &SpreadConstraint) -> bool {
    constraint.when_unsatisfiable() == "DoNotSchedule"
}

fn topology(constraint: &SpreadConstraint, cluster: &ManagedCluster) -> Option<String> {
    let values = match constraint.topology_key_type() {
        "Claim" => claims(cluster),
        _ => labels(cluster),
    };
    values.get(constraint.topology_key()).cloned()
}

/// Whether a cluster is in a topology of each constraint that must hold.
pub fn is_somewhere(spec: &PlacementSpec, cluster: &ManagedCluster) -> bool {
    let hard = constraints(spec).into_iter().filter(is_hard);
    hard.into_iter().all(|constraint| topology(&constraint, cluster).is_some())
}

/// The chosen clusters with the totals that they were taken at.
pub fn choose(
    spec: &PlacementSpec,
    clusters: &[(&str, &ManagedCluster)],
    totals: &[i64],
    number: usize,
) -> Vec<(String, i64)> {
    let weights = score::weights(spec);
    let weight = weights.iter().find(|(name, _)| name == "Spread").map_or(0, |(_, w)| *w);
    let mut taken: Vec<(usize, i64)> = vec![];
    while taken.len() < number {
        let mut best: Option<(i64, usize)> = None;
        for place in 0..clusters.len() {
            if taken.iter().any(|(at, _)| *at == place) {
                continue;
            }
            let skews = skews(spec, clusters, &taken, place);
            if !skews.iter().all(|(hard, skew, most)| !hard || skew.is_some_and(|s| s <= *most)) {
                continue;
            }
            let total = totals[place] + weight * preference(&skews);
            let better = best.is_none_or(|(known, at)| {
                total > known || (total == known && clusters[place].0 < clusters[at].0)
            });
            if better {
                best = Some((total, place));
            }
        }
        let Some((total, place)) = best else { break };
        taken.push((place, total));
    }
    taken.into_iter().map(|(place, total)| (clusters[place].0.to_owned(), total)).collect()
}

type Skew = (bool, Option<i64>, i64);

/// Of each constraint: whether it must hold, the skew that taking a cluster makes, and the most it
/// may be.
fn skews(
    spec: &PlacementSpec,
    clusters: &[(&str, &ManagedCluster)],
    taken: &[(usize, i64)],
    place: usize,
) -> Vec<Skew> {
    let of = |constraint: SpreadConstraint| {
        let here = |at: usize| topology(&constraint, clusters[at].1);
        let all: BTreeSet<String> = (0..clusters.len()).filter_map(here).collect();
        let count = |value: &String| {
            let inside = taken.iter().filter(|(at, _)| here(*at).as_ref() == Some(value));
            i64::try_from(inside.count()).unwrap()
        };
        let fewest = all.iter().map(count).min().unwrap_or(0);
        let skew = here(place).map(|value| count(&value) + 1 - fewest);
        (is_hard(&constraint), skew, i64::from(constraint.max_skew.unwrap_or(1)))
    };
    constraints(spec).into_iter().map(of).collect()
}

/// -100 to 100: the first constraint that only prefers outweighs the later ones.
fn preference(skews: &[Skew]) -> i64 {
    let (mut sum, mut best) = (0_i128, 0_i128);
    for (_, skew, most) in skews.iter().filter(|(hard, ..)| !hard) {
        let level = skew.map_or(0, |skew| (63 - (skew - most).max(0)).max(0));
        sum = sum * 64 + i128::from(level);
        best = best * 64 + 63;
    }
    if best == 0 { 0 } else { i64::try_from(sum * 200 / best).unwrap() - 100 }
}
