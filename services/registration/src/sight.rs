//! What the watch of the leases has seen: whose ran out, and how far that is true. Whoever decides
//! on an expiry asks here instead of the server, which would be asked once for each cluster.

use fleetlog_bus::{LeaseChange, LeaseKind, LeaseNews};
use fleetlog_chassis::Watched;
use fleetlog_kernel::ClusterName;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The one record of it that a process has; nothing was seen before the first watch.
#[derive(Default)]
pub(crate) struct Sight {
    /// The leases that are over, each with the sequence of its marker.
    over: Mutex<BTreeMap<ClusterName, u64>>,
    /// Up to which sequence everything was seen.
    seen: Watched<u64>,
}

impl Sight {
    /// A new watch begins; it says everything again.
    pub(crate) fn begin(&self) {
        self.over().clear();
        self.seen.set(0);
    }

    /// The watch came by this.
    pub(crate) fn note(&self, news: &LeaseNews) {
        if let LeaseNews::Changed(LeaseChange { cluster, kind, sequence, .. }) = news {
            match kind {
                LeaseKind::Expired => self.over().insert(cluster.clone(), *sequence),
                LeaseKind::Beat => self.over().remove(cluster),
            };
        }
        self.seen.set(news.sequence());
    }

    /// The marker of a lease that is over, as far as was seen.
    pub(crate) fn marker(&self, cluster: &ClusterName) -> Option<u64> {
        self.over().get(cluster).copied()
    }

    /// Its end means nothing any more.
    pub(crate) fn forget(&self, cluster: &ClusterName) {
        self.over().remove(cluster);
    }

    /// Waits until everything up to a sequence was seen.
    pub(crate) async fn reached(&self, sequence: u64) {
        self.seen.until(|seen| (*seen >= sequence).then_some(())).await;
    }

    fn over(&self) -> MutexGuard<'_, BTreeMap<ClusterName, u64>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
