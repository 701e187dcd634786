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

/// What who watches the leases hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseNews {
    /// A lease changed.
    Changed(LeaseChange),
    /// Somebody's mark was come by: every change of a smaller sequence was heard.
    Marked(u64),
}

impl LeaseNews {
    /// Up to which LEASE sequence everything was heard with it.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        match self {
            Self::Changed(change) => change.sequence,
            Self::Marked(sequence) => *sequence,
        }
    }
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

    /// Sets a mark and answers its sequence: a watch that has come by it, or by a greater one, has
    /// heard every change that was made before this was called.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn mark(&self) -> Result<u64, Fault> {
        let subject = subject::lease_mark().as_str().to_owned();
        let stored = self.broker.publish(Publish { subject, ..Publish::default() }).await;
        let step = "set a mark among the leases";
        stored.map(|stored| stored.sequence).map_err(|error| error.into_fault(step))
    }

    /// The current state of every lease, then every change, and the marks between. Ends with a
    /// fault when the server lost them (a restart): watch again, and let no lease count as expired
    /// for a whole grace.
    ///
    /// # Errors
    /// When the reading cannot be opened.
    pub async fn watch(&self) -> Result<BoxStream<'static, Result<LeaseNews, Fault>>, Fault> {
        let reading = self.broker.read(STREAM, &subject::leases(), 0).await?;
        let news = reading.messages.map(|message| {
            message.map(|message| {
                change(&message).map_or(LeaseNews::Marked(message.sequence), LeaseNews::Changed)
            })
        });
        Ok(news.boxed())
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
