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
        let mut counts = Counts::of(self, clusters);
        let mut heaps = heaps(self, clusters, totals);
        let mut chosen = Vec::with_capacity(number.min(clusters.len()));
        while chosen.len() < number {
            let may = heaps.iter().filter(|(topologies, _)| counts.permit(self, topologies));
            let first = may.filter_map(|(topologies, heap)| {
                let place = *heap.front()?;
                let total = totals[place] + weight * counts.score(self, topologies);
                Some((total, place, topologies.clone()))
            });
            let best =
                first.min_by(|a, b| b.0.cmp(&a.0).then(clusters[a.1].0.cmp(clusters[b.1].0)));
            let Some((total, place, topologies)) = best else { break };
            chosen.push((place, total));
            counts.add(&topologies);
            if let Some(heap) = heaps.get_mut(&topologies) {
                heap.pop_front();
            }
        }
        chosen
    }
}

type Topologies<'a> = Vec<Option<&'a str>>;

/// The clusters of equal topologies, the one to be chosen first in front: among them the spread
/// makes no difference.
fn heaps<'a>(
    spread: &Spread,
    clusters: &[(&str, &'a Cluster)],
    totals: &[i64],
) -> BTreeMap<Topologies<'a>, VecDeque<usize>> {
    let mut order: Vec<usize> = (0..clusters.len()).collect();
    order.sort_unstable_by(|a, b| {
        totals[*b].cmp(&totals[*a]).then(clusters[*a].0.cmp(clusters[*b].0))
    });
    let mut heaps: BTreeMap<Topologies<'a>, VecDeque<usize>> = BTreeMap::new();
    for place in order {
        heaps.entry(spread.topologies(clusters[place].1)).or_default().push_back(place);
    }
    heaps
}

/// How many chosen clusters each topology has, by constraint.
struct Counts<'a>(Vec<BTreeMap<&'a str, u64>>);

impl<'a> Counts<'a> {
    fn of(spread: &Spread, clusters: &[(&str, &'a Cluster)]) -> Self {
        let mut counts = vec![BTreeMap::new(); spread.0.len()];
        for (_, cluster) in clusters {
            for (count, topology) in counts.iter_mut().zip(spread.topologies(cluster)) {
                if let Some(topology) = topology {
                    count.insert(topology, 0);
                }
            }
        }
        Self(counts)
    }

    fn add(&mut self, topologies: &[Option<&'a str>]) {
        for (count, topology) in self.0.iter_mut().zip(topologies) {
            if let Some(count) = topology.and_then(|topology| count.get_mut(topology)) {
                *count += 1;
            }
        }
    }

    /// The skew that one more cluster makes in each of these topologies.
    fn skews(&self, topologies: &[Option<&str>]) -> impl Iterator<Item = Option<u64>> {
        self.0.iter().zip(topologies).map(|(count, topology)| {
            let fewest = count.values().min().copied().unwrap_or(0);
            let here = count.get((*topology)?).copied().unwrap_or(0);
            Some(here + 1 - fewest)
        })
    }

    fn permit(&self, spread: &Spread, topologies: &[Option<&str>]) -> bool {
        let mut all = spread.0.iter().zip(self.skews(topologies));
        all.all(|(constraint, skew)| !constraint.hard || skew.is_some_and(|s| s <= constraint.most))
    }

    fn score(&self, spread: &Spread, topologies: &[Option<&str>]) -> i64 {
        let soft = spread.0.iter().zip(self.skews(topologies)).filter(|(c, _)| !c.hard);
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
