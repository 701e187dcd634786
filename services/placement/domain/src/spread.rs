//! How clusters are spread over topologies (spec, registration and placement, section 22.1). OCM
//! names this in its API and builds none of it, so what is said there is made definite here:
//!
//! - A topology is a value of a label or claim among the clusters that passed the filters.
//! - Clusters are chosen one at a time. A choice makes the skew of its topology: how many chosen
//!   clusters it then has over the topology with the fewest.
//! - `DoNotSchedule` passes over clusters whose choice makes a skew over `maxSkew`, and drops
//!   clusters that are in no topology.
//! - `ScheduleAnyway` only scores: 63 within `maxSkew`, one less for each above it, 0 in no
//!   topology; the first constraint outweighs all later ones; the whole lies in -100 to 100.

use crate::cluster::Cluster;
use crate::score::BEST;
use fleetlog_messages::placement::{SpreadConstraint, SpreadPolicy};
use std::collections::{BTreeMap, VecDeque};

/// The best level of one constraint; it takes [`BITS`].
const LEVEL: u64 = 63;
const BITS: u32 = 6;
/// How many constraints the schema takes.
pub const MOST: usize = 8;

/// Where a topology's name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Label,
    Claim,
}

/// One constraint, read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Constraint {
    key: String,
    source: Source,
    most: u64,
    hard: bool,
}

/// How to spread; the default one does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread(Vec<Constraint>);

impl Spread {
    /// Reads a policy.
    #[must_use]
    pub fn of(policy: Option<&SpreadPolicy>) -> Self {
        let constraints = policy.map_or(&[][..], |policy| &policy.spread_constraints);
        let of = |given: &SpreadConstraint| Constraint {
            key: given.topology_key().to_owned(),
            source: match given.topology_key_type() {
                "Claim" => Source::Claim,
                _ => Source::Label,
            },
            most: u64::try_from(given.max_skew.unwrap_or(1)).unwrap_or(1),
            hard: given.when_unsatisfiable() == "DoNotSchedule",
        };
        Self(constraints.iter().take(MOST).map(of).collect())
    }

    /// Whether there is nothing to spread over.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any constraint only scores.
    #[must_use]
    pub fn prefers(&self) -> bool {
        self.0.iter().any(|constraint| !constraint.hard)
    }

    /// The topologies of a cluster, by constraint.
    #[must_use]
    pub fn topologies<'a>(&self, cluster: &'a Cluster) -> Vec<Option<&'a str>> {
        let of = |constraint: &Constraint| {
            let from = match constraint.source {
                Source::Label => &cluster.labels,
                Source::Claim => &cluster.claims,
            };
            from.get(&constraint.key).map(String::as_str)
        };
        self.0.iter().map(of).collect()
    }

    /// Whether a cluster is in a topology of every constraint that must hold.
    #[must_use]
    pub fn admits(&self, cluster: &Cluster) -> bool {
        let topologies = self.topologies(cluster);
        self.0.iter().zip(topologies).all(|(c, topology)| !c.hard || topology.is_some())
    }

    /// Chooses at most `number` of clusters with their totals, one at a time: of those that may be
    /// chosen the highest total, with `weight` times the score of the spread; ties by name. Answers
    /// the places in `clusters`, with the totals that they were chosen at.
    #[must_use]
    pub fn choose(
        &self,
        clusters: &[(&str, &Cluster)],
        totals: &[i64],
        weight: i64,
        number: usize,
    ) -> Vec<(usize, i64)> {
        let (mut groups, mut counts) = grouped(self, clusters, totals);
        let mut chosen = Vec::with_capacity(number.min(clusters.len()));
        while chosen.len() < number {
            let may = groups.iter().enumerate().filter(|(_, group)| counts.permit(self, group));
            let first = may.filter_map(|(at, group)| {
                let place = *group.waiting.front()?;
                let total = totals[place] + weight * counts.score(self, group);
                Some((total, place, at))
            });
            let best =
                first.min_by(|a, b| b.0.cmp(&a.0).then(clusters[a.1].0.cmp(clusters[b.1].0)));
            let Some((total, place, at)) = best else { break };
            chosen.push((place, total));
            counts.add(&groups[at]);
            groups[at].waiting.pop_front();
            if groups[at].waiting.is_empty() {
                groups.swap_remove(at);
            }
        }
        chosen
    }
}

/// The clusters of equal topologies, the one to be chosen first in front: among them the spread
/// makes no difference.
#[derive(Default)]
struct Group {
    /// By constraint, the number of its topology.
    topologies: Vec<Option<usize>>,
    waiting: VecDeque<usize>,
}

/// The groups, and a count of nothing for each of their topologies.
fn grouped(spread: &Spread, clusters: &[(&str, &Cluster)], totals: &[i64]) -> (Vec<Group>, Counts) {
    let mut order: Vec<usize> = (0..clusters.len()).collect();
    order.sort_unstable_by(|a, b| {
        totals[*b].cmp(&totals[*a]).then(clusters[*a].0.cmp(clusters[*b].0))
    });
    let mut numbers: Vec<BTreeMap<&str, usize>> = vec![BTreeMap::new(); spread.0.len()];
    let mut groups: BTreeMap<Vec<Option<usize>>, Group> = BTreeMap::new();
    for place in order {
        let named = spread.topologies(clusters[place].1).into_iter().zip(&mut numbers);
        let numbered = |(topology, numbers): (Option<_>, &mut BTreeMap<_, usize>)| {
            let next = numbers.len();
            topology.map(|topology| *numbers.entry(topology).or_insert(next))
        };
        let topologies: Vec<Option<usize>> = named.map(numbered).collect();
        let group = groups.entry(topologies.clone()).or_default();
        group.topologies = topologies;
        group.waiting.push_back(place);
    }
    let counts = numbers.iter().map(|numbers| Count::of(numbers.len())).collect();
    (groups.into_values().collect(), Counts(counts))
}

/// How many chosen clusters each topology of a constraint has.
struct Count {
    each: Vec<u64>,
    fewest: u64,
    /// How many topologies have the fewest.
    at_fewest: usize,
}

impl Count {
    fn of(topologies: usize) -> Self {
        Self { each: vec![0; topologies], fewest: 0, at_fewest: topologies }
    }

    fn add(&mut self, topology: usize) {
        let count = self.each[topology];
        self.each[topology] += 1;
        if count > self.fewest {
            return;
        }
        self.at_fewest -= 1;
        if self.at_fewest == 0 {
            // Every topology got one since the last time, so this walk is paid for.
            self.fewest += 1;
            self.at_fewest = self.each.iter().filter(|count| **count == self.fewest).count();
        }
    }
}

/// By constraint.
struct Counts(Vec<Count>);

impl Counts {
    fn add(&mut self, group: &Group) {
        for (count, topology) in self.0.iter_mut().zip(&group.topologies) {
            if let Some(topology) = topology {
                count.add(*topology);
            }
        }
    }

    /// The skew that one more cluster makes in each topology of a group.
    fn skews(&self, group: &Group) -> impl Iterator<Item = Option<u64>> {
        let skew = |(count, topology): (&Count, &Option<usize>)| {
            topology.map(|topology| count.each[topology] + 1 - count.fewest)
        };
        self.0.iter().zip(&group.topologies).map(skew)
    }

    fn permit(&self, spread: &Spread, group: &Group) -> bool {
        let mut all = spread.0.iter().zip(self.skews(group));
        all.all(|(constraint, skew)| !constraint.hard || skew.is_some_and(|s| s <= constraint.most))
    }

    fn score(&self, spread: &Spread, group: &Group) -> i64 {
        let soft = spread.0.iter().zip(self.skews(group)).filter(|(c, _)| !c.hard);
        let (mut sum, mut best) = (0_u64, 0_u64);
        for (constraint, skew) in soft {
            let over = skew.map_or(LEVEL, |skew| skew.saturating_sub(constraint.most));
            sum = (sum << BITS) + LEVEL.saturating_sub(over);
            best = (best << BITS) + LEVEL;
        }
        if best == 0 {
            return 0;
        }
        let share = i128::from(sum) * i128::from(2 * BEST) / i128::from(best);
        i64::try_from(share).unwrap_or(0) - BEST
    }
}
