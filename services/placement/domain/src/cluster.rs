//! A cluster as placement sees it: what of registration's events can change a decision. Beats
//! cannot, so they leave no trace here. What most placements go by is read once; the rest of the
//! object is kept for expressions.

use fleetlog_messages::common::Time;
use fleetlog_messages::placement::SeenCluster;
use fleetlog_messages::registration::{
    ClusterFacts, ManagedCluster, ManagedClusterClaim, Taint, cluster_event::Event,
};
use fleetlog_rules::finalizers;
use fleetlog_rules::labels::Labels;
use fleetlog_rules::quantity::Quantity;
use std::collections::BTreeMap;

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
    /// What it can still give of what placement scores by.
    pub allocatable: Resources,
    /// What only expressions see: the object without what stands above.
    pub rest: ManagedCluster,
}

/// A resource that placement scores by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// `cpu`.
    Cpu,
    /// `memory`.
    Memory,
}

impl Resource {
    const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// Its name in a cluster's status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// What can be allocated of each resource of which capacity is known too; a quantity that cannot
/// be read is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources([Option<Quantity>; 2]);

impl Resources {
    fn of(capacity: &BTreeMap<String, String>, allocatable: &BTreeMap<String, String>) -> Self {
        let of = |resource: Resource| {
            capacity.get(resource.as_str())?;
            Quantity::parse(allocatable.get(resource.as_str())?).ok()
        };
        Self(Resource::ALL.map(of))
    }

    /// How much of one there is.
    #[must_use]
    pub const fn get(&self, resource: Resource) -> Option<Quantity> {
        self.0[resource as usize]
    }
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
                cluster.learn(reported.facts.clone().unwrap_or_default());
            }
            Event::StatusWritten(written) => {
                let status = written.status.clone().unwrap_or_default();
                cluster.learn(ClusterFacts {
                    version: status.version,
                    capacity: status.capacity,
                    allocatable: status.allocatable,
                    cluster_claims: status.cluster_claims,
                });
            }
            Event::DeletionRequested(asked) if cluster.terminating.is_none() => {
                let meta = cluster.rest.metadata.get_or_insert_default();
                finalizers::terminate(meta, asked.at.as_ref());
                cluster.terminating = meta.deletion_timestamp.take();
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
            | Event::DeletionRequested(_)
            | Event::JoinRequested(_)
            | Event::Joined(_)
            | Event::BecameAvailable(_)
            | Event::LeaseExpired(_) => {}
        }
        Some(cluster)
    }

    /// What its agent tells, whole.
    fn learn(&mut self, facts: ClusterFacts) {
        self.claims = claims(&facts.cluster_claims);
        self.allocatable = Resources::of(&facts.capacity, &facts.allocatable);
        let status = self.rest.status.get_or_insert_default();
        status.version = facts.version;
        status.capacity = facts.capacity;
        status.allocatable = facts.allocatable;
    }

    /// The whole intent of a user; claims and resources are the agent's and stay.
    fn specified(self, object: ManagedCluster) -> Self {
        let status = Some(self.rest.status.unwrap_or_default());
        let mut rest = ManagedCluster { status, ..object };
        let meta = rest.metadata.get_or_insert_default();
        let labels = std::mem::take(&mut meta.labels);
        let terminating = meta.deletion_timestamp.take();
        let spec = rest.spec.get_or_insert_default();
        let accepted = spec.hub_accepts_client.take().unwrap_or_default();
        let taints = std::mem::take(&mut spec.taints);
        let (claims, allocatable) = (self.claims, self.allocatable);
        Self { labels, claims, taints, accepted, terminating, allocatable, rest }
    }

    /// Key and effect name a taint.
    fn untaint(&mut self, taint: &Taint) {
        self.taints.retain(|t| (t.key(), t.effect()) != (taint.key(), taint.effect()));
    }

    /// The whole object, as expressions see it.
    #[must_use]
    pub fn object(&self) -> ManagedCluster {
        let claim = |(name, value): (&String, &String)| ManagedClusterClaim {
            name: Some(name.clone()),
            value: Some(value.clone()),
        };
        let mut object = self.rest.clone();
        let meta = object.metadata.get_or_insert_default();
        meta.labels.clone_from(&self.labels);
        meta.deletion_timestamp.clone_from(&self.terminating);
        let spec = object.spec.get_or_insert_default();
        spec.hub_accepts_client = Some(self.accepted);
        spec.taints.clone_from(&self.taints);
        let status = object.status.get_or_insert_default();
        status.cluster_claims = self.claims.iter().map(claim).collect();
        object
    }

    /// As a row of the state.
    #[must_use]
    pub fn to_row(&self) -> SeenCluster {
        SeenCluster { object: Some(self.object()) }
    }

    /// What [`Self::to_row`] wrote.
    #[must_use]
    pub fn of_row(row: SeenCluster) -> Self {
        let object = row.object.unwrap_or_default();
        let mut status = object.status.clone().unwrap_or_default();
        let claims = claims(&status.cluster_claims);
        status.cluster_claims.clear();
        let allocatable = Resources::of(&status.capacity, &status.allocatable);
        let rest = ManagedCluster { status: Some(status), ..ManagedCluster::default() };
        Self { claims, allocatable, rest, ..Self::default() }.specified(object)
    }
}

fn claims(given: &[ManagedClusterClaim]) -> Labels {
    given.iter().map(|c| (c.name().to_owned(), c.value().to_owned())).collect()
}
