//! A cluster as placement sees it: what of registration's events can change a decision. Beats,
//! capacity and versions cannot, so they leave no trace here.

use fleetlog_messages::common::{ObjectMeta, Time};
use fleetlog_messages::placement::SeenCluster;
use fleetlog_messages::registration::{
    ManagedCluster, ManagedClusterClaim, ManagedClusterSpec, ManagedClusterStatus, Taint,
    cluster_event::Event,
};
use fleetlog_rules::labels::Labels;

/// A cluster of the fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Its labels.
    pub labels: Labels,
    /// Its claims, by name.
    pub claims: Labels,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Whether the hub takes it in.
    pub accepted: bool,
    /// Since when it is on its way out.
    pub terminating: Option<Time>,
}

impl Cluster {
    /// Whether it may be chosen at all.
    #[must_use]
    pub const fn is_candidate(&self) -> bool {
        self.accepted && self.terminating.is_none()
    }

    /// Folds one event; `None` is a cluster that does not exist.
    #[must_use]
    pub fn evolve(before: Option<Self>, event: &Event) -> Option<Self> {
        let mut cluster = match event {
            Event::Specified(specified) => {
                let object = specified.cluster.clone().unwrap_or_default();
                return Some(before.unwrap_or_default().specified(object));
            }
            Event::Deleted(_) => return None,
            _ => before?,
        };
        match event {
            Event::Accepted(_) => cluster.accepted = true,
            Event::Denied(_) => cluster.accepted = false,
            Event::StatusReported(reported) => {
                let facts = reported.facts.as_ref();
                cluster.claims = facts.map(|f| claims(&f.cluster_claims)).unwrap_or_default();
            }
            Event::TaintAdded(added) => {
                let taint = added.taint.clone().unwrap_or_default();
                cluster.untaint(&taint);
                cluster.taints.push(taint);
            }
            Event::TaintRemoved(removed) => {
                cluster.untaint(&removed.taint.clone().unwrap_or_default());
            }
            Event::Specified(_)
            | Event::Deleted(_)
            | Event::JoinRequested(_)
            | Event::Joined(_)
            | Event::BecameAvailable(_)
            | Event::LeaseExpired(_) => {}
        }
        Some(cluster)
    }

    /// The whole intent of a user; claims are the agent's and stay.
    fn specified(self, object: ManagedCluster) -> Self {
        let meta = object.metadata.unwrap_or_default();
        let spec = object.spec.unwrap_or_default();
        Self {
            labels: meta.labels,
            claims: self.claims,
            accepted: spec.hub_accepts_client(),
            taints: spec.taints,
            terminating: meta.deletion_timestamp,
        }
    }

    /// Key and effect name a taint.
    fn untaint(&mut self, taint: &Taint) {
        self.taints.retain(|t| (t.key(), t.effect()) != (taint.key(), taint.effect()));
    }

    /// As a row of the state.
    #[must_use]
    pub fn to_row(&self) -> SeenCluster {
        let claim = |(name, value): (&String, &String)| ManagedClusterClaim {
            name: Some(name.clone()),
            value: Some(value.clone()),
        };
        let object = ManagedCluster {
            metadata: Some(ObjectMeta {
                labels: self.labels.clone(),
                deletion_timestamp: self.terminating.clone(),
                ..ObjectMeta::default()
            }),
            spec: Some(ManagedClusterSpec {
                hub_accepts_client: Some(self.accepted),
                taints: self.taints.clone(),
                ..ManagedClusterSpec::default()
            }),
            status: Some(ManagedClusterStatus {
                cluster_claims: self.claims.iter().map(claim).collect(),
                ..ManagedClusterStatus::default()
            }),
            ..ManagedCluster::default()
        };
        SeenCluster { object: Some(object) }
    }

    /// What [`Self::to_row`] wrote.
    #[must_use]
    pub fn of_row(row: SeenCluster) -> Self {
        let object = row.object.unwrap_or_default();
        let given = object.status.as_ref().map(|s| claims(&s.cluster_claims));
        let before = Self { claims: given.unwrap_or_default(), ..Self::default() };
        before.specified(object)
    }
}

fn claims(given: &[ManagedClusterClaim]) -> Labels {
    given.iter().map(|c| (c.name().to_owned(), c.value().to_owned())).collect()
}
