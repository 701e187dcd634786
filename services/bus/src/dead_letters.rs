//! DLQ: what could not be handled, with the reason, for people.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::Publish;
use fleetlog_kernel::Service;
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::subject;
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
}
