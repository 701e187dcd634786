//! What the log says of the clusters' availability: who became Unknown when, who returned, whose
//! lease was edited, and who could be chosen at each position.

use crate::breach::Breach;
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::registration::{ClusterEvent, cluster_event};
use fleetlog_registration::Registration;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A lease that ran out.
#[derive(Clone, Debug)]
pub struct Expiry {
    /// Whose.
    pub cluster: String,
    /// When that was decided.
    pub at: Timestamp,
    /// The cluster's grace then.
    pub grace: Duration,
    /// When its lease was last edited.
    pub edited: Option<Timestamp>,
}

/// A cluster that became available.
#[derive(Clone, Debug)]
pub struct Return {
    /// Which.
    pub cluster: String,
    /// When that was decided.
    pub at: Timestamp,
    /// When its lease had run out; `None` for a first time.
    pub silent_since: Option<Timestamp>,
}

/// The record.
#[derive(Debug, Default)]
pub struct Liveness {
    /// The leases that ran out since the last look.
    pub expired: Vec<Expiry>,
    /// The clusters that became available since the last look.
    pub returned: Vec<Return>,
    /// How often each cluster's availability changed.
    pub changes: BTreeMap<String, u64>,
    /// How many leases ran out, and how many clusters returned after that, in all.
    pub totals: (u64, u64),
    available: BTreeMap<String, bool>,
    unknown_since: BTreeMap<String, Timestamp>,
    edited: BTreeMap<String, Timestamp>,
    eligible: BTreeMap<Position, BTreeSet<String>>,
}

impl Liveness {
    /// A new look begins.
    pub fn look(&mut self) {
        self.expired.clear();
        self.returned.clear();
    }

    /// Whether a cluster is available.
    #[must_use]
    pub fn is_available(&self, cluster: &str) -> bool {
        self.available.get(cluster) == Some(&true)
    }

    /// Whether so many clusters are there, all of them available.
    #[must_use]
    pub fn all_available(&self, clusters: usize) -> bool {
        self.available.len() == clusters && self.available.values().all(|available| *available)
    }

    /// The clusters without a taint at a position.
    #[must_use]
    pub fn eligible(&self, at: Position) -> BTreeSet<String> {
        self.eligible.range(..=at).next_back().map(|(_, who)| who.clone()).unwrap_or_default()
    }

    /// A commit of a cluster, whose state before it is in `before`. Invariant 5.
    ///
    /// # Errors
    /// A change that is none.
    pub fn note(&mut self, commit: &Recorded, before: &Registration) -> Result<(), Breach> {
        let (name, at) = (&commit.aggregate.name, commit.header.time);
        let cluster = before.fleet().cluster(name);
        for event in &commit.events {
            let event = ClusterEvent::decode(event.clone()).map_err(|error| error.to_string())?;
            match event.event {
                Some(cluster_event::Event::BecameAvailable(_)) => {
                    self.changes(name, true)?;
                    let silent_since = self.unknown_since.remove(name);
                    self.totals.1 += u64::from(silent_since.is_some());
                    self.returned.push(Return { cluster: name.clone(), at, silent_since });
                }
                Some(cluster_event::Event::LeaseExpired(_)) => {
                    self.changes(name, false)?;
                    self.totals.0 += 1;
                    self.unknown_since.insert(name.clone(), at);
                    let (grace, edited) = (cluster.grace(), self.edited.get(name).copied());
                    self.expired.push(Expiry { cluster: name.clone(), at, grace, edited });
                }
                Some(cluster_event::Event::Specified(specified)) => {
                    let spec = specified.cluster.and_then(|cluster| cluster.spec);
                    let seconds = spec.map_or(0, |spec| spec.lease_duration_seconds());
                    if cluster.object().is_some()
                        && i64::from(seconds) != i64::from(cluster.lease_seconds())
                    {
                        self.edited.insert(name.clone(), at);
                    }
                }
                Some(cluster_event::Event::Deleted(_)) => {
                    self.available.remove(name);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn changes(&mut self, name: &str, available: bool) -> Result<(), Breach> {
        *self.changes.entry(name.to_owned()).or_default() += 1;
        if self.available.insert(name.to_owned(), available) == Some(available) {
            return Err(format!("available is {available} already (invariant 5)").into());
        }
        Ok(())
    }

    /// What a commit made of the clusters.
    pub fn stand(&mut self, at: Position, after: &Registration) {
        let clusters = after.fleet().clusters().iter();
        let fit = clusters.filter(|(_, c)| c.accepted() && c.taints().is_empty());
        self.eligible.insert(at, fit.map(|(name, _)| name.clone()).collect());
    }
}
