//! LEASE: liveness of clusters. A lease that is not renewed leaves a marker, and that marker is the
//! failure detector; what a cluster's silence means is registration's.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Publish, StoredMessage};
use crate::rules::MARKER;
use fleetlog_kernel::ClusterName;
use fleetlog_messages::subject;
use futures::stream::{BoxStream, StreamExt as _};
use std::time::Duration;

const STREAM: &str = "LEASE";

/// What happened to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    /// It was taken or renewed.
    Beat,
    /// It ran out.
    Expired,
}

/// One change of one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseChange {
    /// Whose lease.
    pub cluster: ClusterName,
    /// What happened.
    pub kind: LeaseKind,
    /// The LEASE sequence.
    pub sequence: u64,
    /// How many changes follow, as far as the server knew.
    pub pending: u64,
}

/// LEASE.
#[derive(Clone)]
pub struct Leases {
    broker: SharedBroker,
}

impl Leases {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Takes or renews a cluster's lease for `ttl` (whole seconds).
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn beat(&self, cluster: &ClusterName, ttl: Duration) -> Result<u64, Fault> {
        let subject = subject::lease(cluster).as_str().to_owned();
        let publish = Publish { subject, ttl: Some(ttl), ..Publish::default() };
        let stored = self.broker.publish(publish).await;
        let step = || format!("renew the lease of \"{cluster}\"");
        stored.map(|stored| stored.sequence).map_err(|error| error.into_fault(step()))
    }

    /// Whether a cluster's lease ran out and was not renewed since. One that never was, or that was
    /// lost with its server, did not run out.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn is_over(&self, cluster: &ClusterName) -> Result<bool, Fault> {
        let last = self.broker.last(STREAM, &subject::lease(cluster)).await?;
        Ok(last.as_ref().and_then(change).is_some_and(|last| last.kind == LeaseKind::Expired))
    }

    /// The current state of every lease, then every change. Ends with a fault when the server lost
    /// them (a restart): watch again, and let no lease count as expired for a whole grace.
    ///
    /// # Errors
    /// When the reading cannot be opened.
    pub async fn watch(&self) -> Result<BoxStream<'static, Result<LeaseChange, Fault>>, Fault> {
        let reading = self.broker.read(STREAM, &subject::leases(), 0).await?;
        let changes = reading.messages.filter_map(|message| async move {
            match message {
                Ok(message) => change(&message).map(Ok),
                Err(fault) => Some(Err(fault)),
            }
        });
        Ok(changes.boxed())
    }

    /// The clusters whose lease holds.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn current(&self) -> Result<Vec<ClusterName>, Fault> {
        let messages = self.broker.last_of_each(STREAM, &subject::leases()).await?;
        let changes = messages.iter().filter_map(change);
        Ok(changes.filter(|c| c.kind == LeaseKind::Beat).map(|c| c.cluster).collect())
    }
}

fn change(message: &StoredMessage) -> Option<LeaseChange> {
    let cluster = subject::of_lease(&message.subject)?;
    let expired = message.headers.contains_key(MARKER);
    let kind = if expired { LeaseKind::Expired } else { LeaseKind::Beat };
    Some(LeaseChange { cluster, kind, sequence: message.sequence, pending: message.pending })
}
