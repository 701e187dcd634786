//! KEYS: what the values of secrets are sealed with, each key under a name of its own, kept apart
//! from the log and destroyed with the secret.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::Publish;
use bytes::Bytes;
use fleetlog_messages::subject;

const STREAM: &str = "KEYS";

/// KEYS.
#[derive(Clone)]
pub struct Keys {
    broker: SharedBroker,
}

impl Keys {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Keeps a key under a name that no other has; durable when this returns.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn put(&self, name: &str, key: Bytes) -> Result<(), Fault> {
        let subject = subject::key(name).as_str().to_owned();
        let publish = Publish { subject, payload: key, expect_last: Some(0), ..Publish::default() };
        let stored = self.broker.publish(publish).await;
        stored.map(drop).map_err(|error| error.into_fault(format!("keep key \"{name}\"")))
    }

    /// The key of a name; `None` for one that was destroyed.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let found = self.broker.last(STREAM, &subject::key(name)).await?;
        Ok(found.map(|message| message.payload))
    }

    /// Destroys a key, for good.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn destroy(&self, name: &str) -> Result<(), Fault> {
        let Some(found) = self.broker.last(STREAM, &subject::key(name)).await? else {
            return Ok(());
        };
        self.broker.delete(STREAM, found.sequence).await.map(drop)
    }
}
