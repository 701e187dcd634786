//! DLQ: what could not be handled, with the reason, for people.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Publish, Reading};
use fleetlog_kernel::Service;
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use prost::Message as _;

/// DLQ.
#[derive(Clone)]
pub struct DeadLetters {
    broker: SharedBroker,
}

impl DeadLetters {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Keeps a letter; the same message of a stream, buried twice at once, is kept once.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn bury(&self, service: Service, letter: &DeadLetter) -> Result<(), Fault> {
        let stored = letter.sequence > 0;
        let id = stored.then(|| format!("{service}-{}-{}", letter.stream, letter.sequence));
        let published = self.broker.publish(Publish {
            subject: subject::dead_letter(service, &letter.stream).as_str().to_owned(),
            payload: letter.encode_to_vec().into(),
            id,
            ..Publish::default()
        });
        let step = || format!("bury a message of \"{}\"", letter.subject);
        published.await.map(|_| ()).map_err(|error| error.into_fault(step()))
    }

    /// Every letter that is there now, by its number in DLQ; one that cannot be read is handed on
    /// with that as its reason.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn all(&self) -> Result<Vec<(u64, DeadLetter)>, Fault> {
        let Reading { pending, mut messages } =
            self.broker.read("DLQ", &subject::dead_letters(), 0).await?;
        let mut found = vec![];
        let mut more = pending > 0;
        while more {
            let Some(message) = messages.next().await else { break };
            let message = message?;
            more = message.pending > 0;
            let letter = DeadLetter::decode(message.payload).unwrap_or_else(|error| DeadLetter {
                subject: message.subject,
                reason: format!("the letter cannot be read: {error}"),
                ..DeadLetter::default()
            });
            found.push((message.sequence, letter));
        }
        Ok(found)
    }

    /// Takes a letter out by its number; answers whether it was there.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn remove(&self, number: u64) -> Result<bool, Fault> {
        self.broker.delete("DLQ", number).await
    }
}
