//! What a step is for the world that it meets: a cluster that is specified joins or changes, a
//! placement that is applied is created or edited. All of it has to occur over the histories.

use super::{Step, UNREACHABLE};
use crate::reference::Facts;
use fleetlog_messages::placement::PlacementSpec;
use fleetlog_messages::registration::ManagedCluster;
use fleetlog_rules::membership::{Members, SET_LABEL};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that has to occur.
pub const KINDS: [&str; 30] = [
    "a cluster joins",
    "a cluster joins again",
    "a cluster leaves",
    "a cluster begins to end",
    "a cluster falls silent",
    "a cluster returns",
    "a cluster flaps",
    "labels change",
    "a cluster moves to another set",
    "a cluster is accepted",
    "a cluster is denied",
    "claims change",
    "what is allocatable changes",
    "a taint is added",
    "a taint is removed",
    "scores are given",
    "scores change",
    "scores go",
    "a set comes",
    "a set breaks",
    "a set is mended",
    "a set goes",
    "a set is bound",
    "a set is unbound",
    "a placement is created",
    "a placement is created again",
    "a placement is edited",
    "a placement is deleted",
    "a placement is rebalanced",
    "time passes",
];

/// What of it has occurred.
#[derive(Default)]
pub struct Occurred {
    pub seen: BTreeSet<&'static str>,
    /// The clusters and placements that were there before, and the clusters that returned.
    gone: BTreeSet<&'static str>,
    returned: BTreeSet<&'static str>,
}

impl Occurred {
    /// Another history begins.
    pub fn begin(&mut self) {
        *self = Self { seen: std::mem::take(&mut self.seen), ..Self::default() };
    }

    /// A step that is about to be taken, where these placements are.
    pub fn note(&mut self, step: &Step, facts: &Facts, placed: &BTreeMap<String, PlacementSpec>) {
        let kinds = of_cluster(step, facts)
            .or_else(|| of_set(step, facts))
            .or_else(|| of_placement(step, placed));
        let Some((whose, kind)) = kinds else { return };
        self.seen.insert(kind);
        let again = match kind {
            "a cluster leaves" | "a placement is deleted" => {
                self.gone.insert(whose);
                self.returned.remove(whose);
                None
            }
            "a cluster returns" => {
                self.returned.insert(whose);
                None
            }
            "a cluster joins" => self.gone.contains(whose).then_some("a cluster joins again"),
            "a placement is created" => {
                self.gone.contains(whose).then_some("a placement is created again")
            }
            "a cluster falls silent" => self.returned.contains(whose).then_some("a cluster flaps"),
            _ => None,
        };
        self.seen.extend(again);
    }
}

/// Whom a step is about, and what it is.
type Kind = Option<(&'static str, &'static str)>;

fn when(whose: &'static str, holds: bool, kind: &'static str) -> Kind {
    holds.then_some((whose, kind))
}

fn of_cluster(step: &Step, facts: &Facts) -> Kind {
    let there = |name: &str| facts.clusters.get(name);
    match step {
        Step::Specify { cluster, .. } if there(cluster).is_none() => {
            Some((*cluster, "a cluster joins"))
        }
        Step::Specify { cluster, set, app, zone, ends } => {
            let known = there(cluster)?;
            let labels = &known.metadata.as_ref()?.labels;
            let zone = (*zone > 0).then(|| format!("z{zone}"));
            when(cluster, *ends && !is_ending(known), "a cluster begins to end")
                .or(when(cluster, labels[SET_LABEL] != *set, "a cluster moves to another set"))
                .or(when(
                    cluster,
                    labels["app"] != *app || labels.get("zone") != zone.as_ref(),
                    "labels change",
                ))
        }
        Step::Accept(cluster, yes) => {
            let was = there(cluster)?.spec.as_ref()?.hub_accepts_client();
            let kind = if *yes { "a cluster is accepted" } else { "a cluster is denied" };
            when(cluster, was != *yes, kind)
        }
        Step::Facts { cluster, claim, cpu, .. } => {
            let status = there(cluster)?.status.clone().unwrap_or_default();
            let claims = status.cluster_claims.iter().any(|known| known.value() != *claim);
            let amount = status.allocatable.get("cpu") != cpu.map(|n| n.to_string()).as_ref();
            when(cluster, claims, "claims change").or(when(
                cluster,
                amount,
                "what is allocatable changes",
            ))
        }
        Step::Taint { cluster, key, effect, .. } => {
            when(cluster, !is_tainted(there(cluster)?, key, effect), "a taint is added")
        }
        Step::Untaint { cluster, key, effect } => {
            when(cluster, is_tainted(there(cluster)?, key, effect), "a taint is removed")
        }
        Step::Silence(cluster) => {
            let silent = is_tainted(there(cluster)?, UNREACHABLE, "NoSelect");
            when(cluster, !silent, "a cluster falls silent")
        }
        Step::Return(cluster) => {
            let silent = is_tainted(there(cluster)?, UNREACHABLE, "NoSelect");
            when(cluster, silent, "a cluster returns")
        }
        Step::Leave(cluster) => when(cluster, there(cluster).is_some(), "a cluster leaves"),
        _ => None,
    }
}

fn is_ending(cluster: &ManagedCluster) -> bool {
    cluster.metadata.as_ref().is_some_and(|meta| meta.deletion_timestamp.is_some())
}

fn is_tainted(cluster: &ManagedCluster, key: &str, effect: &str) -> bool {
    let mut taints = cluster.spec.iter().flat_map(|spec| &spec.taints);
    taints.any(|taint| taint.key() == key && taint.effect() == effect)
}

fn of_set(step: &Step, facts: &Facts) -> Kind {
    let is_bound = |set: &str| facts.bindings.contains(&("ns".to_owned(), set.to_owned()));
    let held = |cluster: &str, name: &str| {
        facts.scores.get(&(cluster.to_owned(), name.to_owned())).and_then(|s| s.status.as_ref())
    };
    match step {
        Step::Set(set, sound) => {
            let Some(known) = facts.sets.get(*set) else { return Some((*set, "a set comes")) };
            let was = Members::of(set, known.spec.as_ref()).is_ok();
            let kind = if *sound { "a set is mended" } else { "a set breaks" };
            when(set, was != *sound, kind)
        }
        Step::DropSet(set) => when(set, facts.sets.contains_key(*set), "a set goes"),
        Step::Bind(set, true) => when(set, !is_bound(set), "a set is bound"),
        Step::Bind(set, false) => when(set, is_bound(set), "a set is unbound"),
        Step::Score { cluster, name, value, .. } => match held(cluster, name) {
            None => Some((*cluster, "scores are given")),
            Some(known) => {
                let changes = known.scores.iter().any(|score| score.value() != *value);
                when(cluster, changes, "scores change")
            }
        },
        Step::Unscore { cluster, name } => {
            when(cluster, held(cluster, name).is_some(), "scores go")
        }
        _ => None,
    }
}

fn of_placement(step: &Step, placed: &BTreeMap<String, PlacementSpec>) -> Kind {
    match step {
        Step::Place(name, spec) => match placed.get(*name) {
            None => Some((*name, "a placement is created")),
            Some(known) => when(name, known != &**spec, "a placement is edited"),
        },
        Step::Delete(name) => when(name, placed.contains_key(*name), "a placement is deleted"),
        Step::Rebalance(name) => {
            when(name, placed.contains_key(*name), "a placement is rebalanced")
        }
        Step::Pass(_) => Some(("", "time passes")),
        _ => None,
    }
}
