//! What can be seen of liveness from outside: which beats were taken, and since when the hub was
//! there to take them. What registration makes of it is judged by `invariants`.

use fleetlog_chassis::Clock;
use fleetlog_kernel::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The record of a run.
#[derive(Debug)]
pub struct Pulse {
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Beats under way, by cluster.
    beating: BTreeMap<String, u32>,
    /// When each cluster's agent sent its beats, in order.
    sent: BTreeMap<String, Vec<Timestamp>>,
    /// When each cluster's lease was written because of a beat, in order.
    taken: BTreeMap<String, Vec<Timestamp>>,
    /// When the hub was back, or what it kept in memory was gone, in order.
    began: Vec<Timestamp>,
}

impl Pulse {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, seen: Mutex::default() }
    }

    /// A beat of a cluster is under way as long as the value lives.
    pub(crate) fn beating(self: &Arc<Self>, cluster: &str) -> Beating {
        let (now, mut seen) = (self.clock.now(), self.seen());
        *seen.beating.entry(cluster.to_owned()).or_default() += 1;
        seen.sent.entry(cluster.to_owned()).or_default().push(now);
        drop(seen);
        Beating { pulse: self.clone(), cluster: cluster.to_owned() }
    }

    /// Whether a beat of a cluster is under way.
    pub(crate) fn is_beating(&self, cluster: &str) -> bool {
        self.seen().beating.get(cluster).is_some_and(|under_way| *under_way > 0)
    }

    /// Registration wrote a cluster's lease: because of a beat, if one is under way.
    pub(crate) fn leased(&self, cluster: &str) {
        if self.is_beating(cluster) {
            let now = self.clock.now();
            self.seen().taken.entry(cluster.to_owned()).or_default().push(now);
        }
    }

    /// The hub is back, or what it kept in memory is gone.
    pub(crate) fn begins(&self) {
        let now = self.clock.now();
        self.seen().began.push(now);
    }

    /// The last beat of a cluster that was taken before `at`.
    #[must_use]
    pub fn taken_before(&self, cluster: &str, at: Timestamp) -> Option<Timestamp> {
        self.seen().taken.get(cluster)?.iter().rev().find(|time| **time < at).copied()
    }

    /// The last beat of a cluster that was sent by `at`, whatever became of it.
    #[must_use]
    pub fn sent_by(&self, cluster: &str, at: Timestamp) -> Option<Timestamp> {
        last_by(self.seen().sent.get(cluster)?, at)
    }

    /// Since when the hub was there at `at`.
    #[must_use]
    pub fn there_since(&self, at: Timestamp) -> Option<Timestamp> {
        last_by(&self.seen().began, at)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_by(all: &[Timestamp], at: Timestamp) -> Option<Timestamp> {
    all.iter().rev().find(|time| **time <= at).copied()
}

/// A beat under way.
#[derive(Debug)]
pub(crate) struct Beating {
    pulse: Arc<Pulse>,
    cluster: String,
}

impl Drop for Beating {
    fn drop(&mut self) {
        if let Some(under_way) = self.pulse.seen().beating.get_mut(&self.cluster) {
            *under_way -= 1;
        }
    }
}
