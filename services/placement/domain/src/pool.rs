//! From whom a placement can choose: the candidates of its sets, found by an index where its
//! predicates ask for values of labels or claims. Whether they fit is [`crate::filter`]'s.

use crate::cluster::Cluster;
use crate::fleet::{Fleet, Tally};
use crate::plan::Plan;

/// Clusters by name.
pub type Clusters<'a> = Vec<(&'a str, &'a Cluster)>;

/// How many members some sets have, and the candidates among them that a predicate may match.
pub fn pool<'a>(fleet: &'a Fleet, plan: &Plan, sets: &[&str]) -> (Tally, Clusters<'a>) {
    let candidate = |(_, cluster): &(&str, &Cluster)| cluster.is_candidate();
    if let [set] = sets {
        let tally = fleet.tally(set);
        let candidates = match pinned(fleet, plan) {
            Some(pinned) if pinned.len() < tally.candidates => {
                let within = |(_, cluster): &(&str, &Cluster)| fleet.includes(set, &cluster.labels);
                pinned.into_iter().filter(|c| within(c) && candidate(c)).collect()
            }
            _ => fleet.members(set).filter(candidate).collect(),
        };
        return (tally, candidates);
    }
    let mut members: Vec<(&str, &Cluster)> =
        sets.iter().flat_map(|set| fleet.members(set)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members.dedup_by_key(|(name, _)| *name);
    let mut tally = Tally::default();
    members.iter().for_each(|(_, cluster)| *tally.of(cluster) += 1);
    members.retain(candidate);
    (tally, members)
}

/// The clusters that some predicate can match, by name, if an index knows all of them.
fn pinned<'a>(fleet: &'a Fleet, plan: &Plan) -> Option<Clusters<'a>> {
    let mut all: Vec<(&str, &Cluster)> = vec![];
    for predicate in &plan.predicates {
        let labels = predicate.labels.pinned().map(|asked| (fleet.labels(), asked));
        let claims = predicate.claims.pinned().map(|asked| (fleet.claims(), asked));
        let found = labels.chain(claims).map(|(index, (key, values))| {
            values.iter().map(|value| index.with(key, value)).collect::<Vec<_>>()
        });
        let fewest = found.min_by_key(|of| of.iter().map(|e| e.len()).sum::<usize>())?;
        all.extend(fewest.into_iter().flatten().map(|(name, c)| (&**name, &**c)));
    }
    if plan.predicates.is_empty() {
        return None;
    }
    all.sort_unstable_by_key(|(name, _)| *name);
    all.dedup_by_key(|(name, _)| *name);
    Some(all)
}
