//! STATUS: the agents' inbox, the newest report of each object. Deciding on them is the services'.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::Publish;
use bytes::Bytes;
use fleetlog_kernel::ClusterName;
use fleetlog_messages::subject::{self, Report};

/// The largest report: the server cuts the connection of an agent that sends more.
pub const MAX_REPORT: usize = 256 * 1024;

/// STATUS, as an agent writes it.
#[derive(Clone)]
pub struct Reports {
    broker: SharedBroker,
}

impl Reports {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Sends a report, replacing the last one about the same thing; durable when this returns.
    ///
    /// # Errors
    /// A report that is too large, or a hub that does not take it.
    pub async fn send(
        &self,
        cluster: &ClusterName,
        about: &Report,
        payload: Bytes,
    ) -> Result<u64, Fault> {
        let subject = subject::report(cluster, about).as_str().to_owned();
        let step = || format!("report on \"{subject}\"");
        if payload.len() > MAX_REPORT {
            let large = format!("it has {} bytes, at most {MAX_REPORT} are taken", payload.len());
            return Err(Fault::lasting(step(), large));
        }
        let publish = Publish { subject: subject.clone(), payload, ..Publish::default() };
        let stored = self.broker.publish(publish).await;
        stored.map(|stored| stored.sequence).map_err(|error| error.into_fault(step()))
    }
}
