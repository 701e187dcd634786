//! The reference: a plain, slow scheduler written from the rules alone (the numbered behaviours of
//! `tests/catalogue/rp.md`). It names only messages and rules, walks everything each time, and
//! shares no line with the scheduler that it judges.
#![allow(dead_code, unused_imports, reason = "each user asks its own part")]

mod choice;
mod score;
mod spread;

pub use choice::{Answer, Asked, answer as answer_of};

use fleetlog_messages::placement::AddOnPlacementScore;
use fleetlog_messages::registration::{
    ManagedCluster, ManagedClusterSet, ManagedClusterStatus, cluster_event,
};
use fleetlog_rules::membership::Members;
use std::collections::{BTreeMap, BTreeSet};

/// All that there is to choose from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub clusters: BTreeMap<String, ManagedCluster>,
    pub sets: BTreeMap<String, ManagedClusterSet>,
    /// Namespace and set.
    pub bindings: BTreeSet<(String, String)>,
    /// By cluster and name.
    pub scores: BTreeMap<(String, String), AddOnPlacementScore>,
}

impl Facts {
    /// Takes an event of a cluster in.
    pub fn cluster(&mut self, name: &str, event: &cluster_event::Event) {
        use cluster_event::Event;
        if let Event::Specified(specified) = event {
            let status = self.clusters.remove(name).and_then(|cluster| cluster.status);
            let cluster = specified.cluster.clone().unwrap_or_default();
            self.clusters.insert(name.to_owned(), ManagedCluster { status, ..cluster });
            return;
        }
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        let spec = cluster.spec.get_or_insert_default();
        match event {
            Event::Deleted(_) => drop(self.clusters.remove(name)),
            Event::Accepted(_) => spec.hub_accepts_client = Some(true),
            Event::Denied(_) => spec.hub_accepts_client = Some(false),
            Event::TaintAdded(added) => {
                let taint = added.taint.clone().unwrap_or_default();
                spec.taints.retain(|t| t.key != taint.key || t.effect != taint.effect);
                spec.taints.push(taint);
            }
            Event::TaintRemoved(removed) => {
                let taint = removed.taint.clone().unwrap_or_default();
                spec.taints.retain(|t| t.key != taint.key || t.effect != taint.effect);
            }
            Event::StatusReported(reported) => {
                let facts = reported.facts.clone().unwrap_or_default();
                cluster.status = Some(ManagedClusterStatus {
                    capacity: facts.capacity,
                    allocatable: facts.allocatable,
                    cluster_claims: facts.cluster_claims,
                    ..ManagedClusterStatus::default()
                });
            }
            _ => {}
        }
    }

    /// The sets that exist and are bound to a namespace.
    fn bound(&self, namespace: &str) -> Vec<&str> {
        let bound = self.bindings.iter().filter(|(at, _)| at == namespace);
        bound.map(|(_, set)| set.as_str()).filter(|set| self.sets.contains_key(*set)).collect()
    }

    fn is_member(&self, cluster: &str, set: &str) -> bool {
        let Some(members) = self.sets.get(set).map(|object| Members::of(set, object.spec.as_ref()))
        else {
            return false;
        };
        let labels = self.clusters.get(cluster).and_then(|c| c.metadata.as_ref());
        let labels = labels.map(|meta| meta.labels.clone()).unwrap_or_default();
        self.clusters.contains_key(cluster) && members.is_ok_and(|how| how.include(&labels))
    }

    fn is_candidate(&self, cluster: &str) -> bool {
        self.clusters.get(cluster).is_some_and(|cluster| {
            let ends = cluster.metadata.as_ref().is_some_and(|m| m.deletion_timestamp.is_some());
            cluster.spec.as_ref().is_some_and(|spec| spec.hub_accepts_client()) && !ends
        })
    }
}

/// The labels of a cluster.
fn labels(cluster: &ManagedCluster) -> BTreeMap<String, String> {
    cluster.metadata.as_ref().map(|meta| meta.labels.clone()).unwrap_or_default()
}

/// Its claims.
fn claims(cluster: &ManagedCluster) -> BTreeMap<String, String> {
    let claims = cluster.status.iter().flat_map(|status| &status.cluster_claims);
    claims.map(|claim| (claim.name().to_owned(), claim.value().to_owned())).collect()
}
