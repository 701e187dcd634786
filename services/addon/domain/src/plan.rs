//! Where an add-on should be installed against where the plans so far put it. Pure; add-ons are
//! made by the commands that follow from a plan.

use crate::command::Chosen;
use crate::names::PlacementKey;
use crate::state::Definition;
use std::collections::{BTreeMap, BTreeSet};

/// How many add-ons one plan may install or remove, so that it fits a message whatever the names:
/// what is left is planned next.
pub const CHUNK: usize = 2_000;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Where it is installed, and by which placement.
    pub install: BTreeMap<String, String>,
    /// Where it is removed.
    pub remove: BTreeSet<String>,
}

impl Difference {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.install.is_empty() && self.remove.is_empty()
    }

    /// The part that one plan takes: removals first.
    #[must_use]
    pub fn chunk(self) -> Self {
        let remove: BTreeSet<String> = self.remove.into_iter().take(CHUNK).collect();
        let install = self.install.into_iter().take(CHUNK - remove.len()).collect();
        Self { install, remove }
    }
}

/// What the decisions ask for beyond the plans so far. A placement without a decision keeps what
/// it has: a decision never passes through "nothing". What users installed is theirs to remove.
#[must_use]
pub fn difference(
    definition: &Definition,
    chosen: &BTreeMap<PlacementKey, Chosen>,
    installed: &BTreeMap<String, String>,
    lost: &BTreeSet<String>,
) -> Difference {
    if !definition.by_placements() {
        return Difference::default();
    }
    let planned = &definition.state().planned;
    let undecided: BTreeSet<String> = definition
        .placements()
        .filter(|key| !chosen.contains_key(key))
        .map(|key| key.to_string())
        .collect();
    let before = |cluster: &String| planned.get(cluster).or_else(|| installed.get(cluster));
    let wanted = wanted(definition, chosen);
    let had = planned.keys().chain(installed.keys());
    let keeps = |cluster: &&String| before(cluster).is_some_and(|p| undecided.contains(p));
    let remove = had.filter(|c| !wanted.contains_key(*c) && !keeps(c)).cloned().collect();
    let same = |cluster: &String, placement: &String| planned.get(cluster) == Some(placement);
    let install = wanted.into_iter().filter(|(c, p)| !same(c, p) || lost.contains(c)).collect();
    Difference { install, remove }
}

/// Each wanted cluster with its placement: the last that chose it counts (spec 2.5).
pub(crate) fn wanted(
    definition: &Definition,
    chosen: &BTreeMap<PlacementKey, Chosen>,
) -> BTreeMap<String, String> {
    let mut wanted = BTreeMap::new();
    for key in definition.placements() {
        let Some(chosen) = chosen.get(&key) else { continue };
        let name = key.to_string();
        wanted.extend(chosen.clusters.iter().map(|cluster| (cluster.clone(), name.clone())));
    }
    wanted
}
