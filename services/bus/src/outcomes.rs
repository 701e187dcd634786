//! RESULT: the outcome of each user's command, one per command id.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Headers, Message, Publish};
use fleetlog_kernel::CommandId;
use fleetlog_messages::common::Outcome;
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject;
use prost::Message as _;

/// RESULT.
#[derive(Clone)]
pub struct Outcomes {
    broker: SharedBroker,
}

impl Outcomes {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Records an outcome; who listens hears it at once. Recorded again it is heard again.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn record(&self, actor: &str, outcome: &Outcome) -> Result<(), Fault> {
        let command = CommandId::new(outcome.command.as_str());
        let stored = self.broker.publish(Publish {
            subject: subject::outcome(actor, &command).as_str().to_owned(),
            headers: Headers::from([(header::OUTCOME.to_owned(), "1".to_owned())]),
            payload: outcome.encode_to_vec().into(),
            ..Publish::default()
        });
        let step = || format!("record the outcome of command \"{command}\"");
        stored.await.map(|_| ()).map_err(|error| error.into_fault(step()))
    }

    /// The recorded outcome of a command.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn find(&self, actor: &str, command: &CommandId) -> Result<Option<Outcome>, Fault> {
        let last = self.broker.last("RESULT", &subject::outcome(actor, command)).await?;
        Ok(last.and_then(|message| read(&message.headers, &message.payload, command)))
    }
}

/// The outcome in a live message, if it is one and of this command.
pub(crate) fn heard(message: &Message, command: &CommandId) -> Option<Outcome> {
    read(&message.headers, &message.payload, command)
}

fn read(headers: &Headers, payload: &[u8], command: &CommandId) -> Option<Outcome> {
    headers.get(header::OUTCOME)?;
    let outcome = Outcome::decode(payload).ok()?;
    (outcome.command == command.as_str()).then_some(outcome)
}
