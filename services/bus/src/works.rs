//! WORK: what each cluster should run now, one signed message per work, which agents hear as it is
//! stored. Derived: it can be dropped and built again from the log.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Headers, Publish, StoredMessage};
use bytes::Bytes;
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject;
use std::time::Duration;

/// The generation of a delivery, for rebuilding by differences.
const GENERATION: &str = "Fl-Generation";
/// Marks the message that removes a work.
const DELETED: &str = "Fl-Deleted";

/// A delivery with its signature, made by [`crate::signature::sign`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The encoded delivery.
    pub payload: Bytes,
    /// The signature, base64.
    pub signature: String,
    /// The delivery's generation, which the signature covers.
    pub generation: i64,
}

/// What WORK holds for one work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The cluster.
    pub cluster: String,
    /// The work.
    pub work: String,
    /// The delivery's generation; 0 when the header is unreadable.
    pub generation: i64,
    /// Whether it is a removal.
    pub deleted: bool,
    /// The message.
    pub message: StoredMessage,
}

/// WORK.
#[derive(Clone)]
pub struct Works {
    broker: SharedBroker,
}

impl Works {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Says what a work is from now on.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn publish(&self, cluster: &str, work: &str, signed: Signed) -> Result<u64, Fault> {
        self.send(cluster, work, signed, None).await
    }

    /// Says that a work is gone; the message goes after `ttl`.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn tombstone(
        &self,
        cluster: &str,
        work: &str,
        signed: Signed,
        ttl: Duration,
    ) -> Result<u64, Fault> {
        self.send(cluster, work, signed, Some(ttl)).await
    }

    async fn send(
        &self,
        cluster: &str,
        work: &str,
        signed: Signed,
        ttl: Option<Duration>,
    ) -> Result<u64, Fault> {
        let mut headers = Headers::from([
            (header::SIGNATURE.to_owned(), signed.signature),
            (GENERATION.to_owned(), signed.generation.to_string()),
        ]);
        if ttl.is_some() {
            headers.insert(DELETED.to_owned(), "true".to_owned());
        }
        let subject = subject::work(cluster, work).as_str().to_owned();
        let payload = signed.payload;
        let publish = Publish { subject, headers, payload, ttl, ..Publish::default() };
        let stored = self.broker.publish(publish).await;
        let step = || format!("publish work \"{work}\" of cluster \"{cluster}\"");
        stored.map(|stored| stored.sequence).map_err(|error| error.into_fault(step()))
    }

    /// Everything that WORK holds.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn all(&self) -> Result<Vec<Desired>, Fault> {
        let messages = self.broker.last_of_each("WORK", &subject::works()).await?;
        let desired = |message: StoredMessage| {
            let (cluster, work) = subject::delivered(&message.subject)?;
            let generation = message.headers.get(GENERATION).and_then(|text| text.parse().ok());
            let deleted = message.headers.contains_key(DELETED);
            let generation = generation.unwrap_or(0);
            Some(Desired { cluster, work, generation, deleted, message })
        };
        Ok(messages.into_iter().filter_map(desired).collect())
    }
}
