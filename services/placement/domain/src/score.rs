//! How clusters that fit are ordered (spec, registration and placement, section 22): every score
//! lies in -100 to 100 and is computed over the clusters that passed the filters. The highest total
//! first; ties by name, so that the order is always the same. Spread is scored while choosing, by
//! [`crate::spread`].

use crate::cluster::{Cluster, Resource};
use crate::held_scores::Scores;
use crate::schedule::Decision;
use crate::weights::{Prioritizer, Weights};
use fleetlog_kernel::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// The best score of one prioritizer; the worst is its negative.
pub const BEST: i64 = 100;
/// How many warnings are kept.
const WARNINGS: usize = 10;

/// How many decisions each cluster is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    counts: HashMap<String, u64>,
    /// How many clusters have each count.
    clusters: BTreeMap<u64, usize>,
}

impl Tallies {
    /// A cluster is in one decision more.
    pub fn add(&mut self, cluster: &str) {
        let count = self.counts.entry(cluster.to_owned()).or_default();
        *count += 1;
        let count = *count;
        self.move_one(count - 1, count);
    }

    /// A cluster is in one decision less.
    pub fn remove(&mut self, cluster: &str) {
        let Some(count) = self.counts.get_mut(cluster) else { return };
        *count -= 1;
        let count = *count;
        if count == 0 {
            self.counts.remove(cluster);
        }
        self.move_one(count + 1, count);
    }

    fn move_one(&mut self, from: u64, to: u64) {
        if let Some(number) = self.clusters.get_mut(&from) {
            *number -= 1;
            if *number == 0 {
                self.clusters.remove(&from);
            }
        }
        if to > 0 {
            *self.clusters.entry(to).or_default() += 1;
        }
    }

    fn of(&self, cluster: &str) -> u64 {
        self.counts.get(cluster).copied().unwrap_or(0)
    }
}

/// The decisions of other placements than one.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    all: &'a Tallies,
    own: &'a Decision,
    most: u64,
}

impl<'a> Load<'a> {
    /// Of all decisions but `own`, which is among them.
    #[must_use]
    pub fn of(all: &'a Tallies, own: &'a Decision) -> Self {
        let mut clusters = all.clusters.clone();
        for cluster in own.keys() {
            let count = all.of(cluster);
            if let Some(number) = clusters.get_mut(&count) {
                *number -= 1;
                if *number == 0 {
                    clusters.remove(&count);
                }
            }
            if count > 1 {
                *clusters.entry(count - 1).or_default() += 1;
            }
        }
        Self { all, own, most: clusters.keys().next_back().copied().unwrap_or(0) }
    }

    /// `2 x trunc(100 x (0.5 - n / most))`, in doubles and in this order, as in OCM; 100 where no
    /// decision is.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "counts are small, and the share lies in -50 to 50"
    )]
    fn balance(&self, cluster: &str) -> i64 {
        let n = self.all.of(cluster).saturating_sub(u64::from(self.own.contains_key(cluster)));
        if n == 0 {
            return BEST;
        }
        2 * (100.0 * (0.5 - n as f64 / self.most as f64)) as i64
    }
}

/// What scores are made of, beside the clusters.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The decisions of other placements.
    pub load: Load<'a>,
    /// What the placement has chosen, as far as that counts.
    pub chosen: Option<&'a Decision>,
    /// What add-ons give.
    pub given: &'a Scores,
    /// When it is.
    pub now: Timestamp,
}

/// The scores of one prioritizer: one for each cluster, in their order; `None` is no score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Whose scores.
    pub prioritizer: Prioritizer,
    /// What they weigh.
    pub weight: i64,
    /// The scores.
    pub scores: Vec<Option<i64>>,
}

/// All scores of some clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// By prioritizer; Spread is not among them.
    pub columns: Vec<Column>,
    /// Scores that ran out, in OCM's words; the first few.
    pub warnings: Vec<String>,
}

impl Table {
    /// Scores clusters.
    #[must_use]
    pub fn of(weights: &Weights, clusters: &[(&str, &Cluster)], ground: &Ground<'_>) -> Self {
        let mut table = Self::default();
        for (prioritizer, weight) in weights.iter() {
            let scores = match prioritizer {
                Prioritizer::Spread => continue,
                Prioritizer::Balance => all(clusters, |name| ground.load.balance(name)),
                Prioritizer::Steady => all(clusters, |name| {
                    if ground.chosen.is_some_and(|c| c.contains_key(name)) { BEST } else { 0 }
                }),
                Prioritizer::Allocatable(resource) => allocatable(clusters, *resource),
                Prioritizer::AddOn { resource, score } => {
                    table.given(clusters, ground, (resource, score))
                }
            };
            table.columns.push(Column { prioritizer: prioritizer.clone(), weight, scores });
        }
        table
    }

    /// The sum of all scores of each of `number` clusters, each times its weight.
    #[must_use]
    pub fn totals(&self, number: usize) -> Vec<i64> {
        let mut totals = vec![0; number];
        for Column { weight, scores, .. } in &self.columns {
            for (total, score) in totals.iter_mut().zip(scores) {
                *total += weight * score.unwrap_or(0);
            }
        }
        totals
    }

    /// What add-ons say; a score that ran out or is missing counts 0.
    fn given(
        &mut self,
        clusters: &[(&str, &Cluster)],
        ground: &Ground<'_>,
        (resource, score): (&str, &str),
    ) -> Vec<Option<i64>> {
        let of = |(name, _): &(&str, &Cluster)| {
            let Some(held) = ground.given.get(resource, name) else { return Some(0) };
            if held.is_expired(ground.now) {
                let warning = format!("AddOnPlacementScores {name}/{resource} expired");
                if self.warnings.len() < WARNINGS && !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
                return Some(0);
            }
            Some(held.value(score).unwrap_or(0))
        };
        clusters.iter().map(of).collect()
    }
}

fn all(clusters: &[(&str, &Cluster)], score: impl Fn(&str) -> i64) -> Vec<Option<i64>> {
    clusters.iter().map(|(name, _)| Some(score(name))).collect()
}

/// `trunc(((a - min) / (max - min) - 0.5) x 200)`, in doubles and in this order, as in OCM.
fn allocatable(clusters: &[(&str, &Cluster)], resource: Resource) -> Vec<Option<i64>> {
    let amount = |cluster: &Cluster| cluster.allocatable.get(resource).map(|a| a.as_f64());
    let amounts: Vec<Option<f64>> = clusters.iter().map(|(_, c)| amount(c)).collect();
    let there = || amounts.iter().flatten().copied();
    let (least, most) =
        (there().fold(f64::INFINITY, f64::min), there().fold(f64::NEG_INFINITY, f64::max));
    let score = |amount: f64| {
        if most > least { share((amount - least) / (most - least)) } else { BEST }
    };
    amounts.iter().map(|amount| amount.map(score)).collect()
}

#[allow(clippy::cast_possible_truncation, reason = "it lies in -100 to 100")]
fn share(ratio: f64) -> i64 {
    ((ratio - 0.5) * 200.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(counts: &[(&'static str, u64)], cluster: &str) -> i64 {
        let mut all = Tallies::default();
        for (name, count) in counts {
            (0..*count).for_each(|_| all.add(name));
        }
        Load::of(&all, &Decision::new()).balance(cluster)
    }

    #[test]
    fn balance_has_ocms_figures() {
        let one = [("c1", 2), ("c2", 1), ("c3", 1)];
        assert_eq!(["c1", "c2", "c3"].map(|c| balance(&one, c)), [-100, 0, 0]);
        assert_eq!(balance(&[("c1", 3), ("c2", 1)], "c2"), 32);
        assert_eq!(balance(&[("c1", 1)], "c2"), 100);
        assert_eq!(balance(&[], "c1"), 100);
    }

    #[test]
    fn what_is_added_and_removed_again_counts_for_nothing() {
        let mut all = Tallies::default();
        ["c1", "c1", "c2"].iter().for_each(|name| all.add(name));
        ["c1", "c2", "c1", "none"].iter().for_each(|name| all.remove(name));
        assert_eq!(all, Tallies::default());
    }

    #[test]
    fn a_share_is_cut_and_not_rounded() {
        assert_eq!([0.0, 0.5, 0.6, 1.0].map(share), [-100, 0, 19, 100]);
    }
}
