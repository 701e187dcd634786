//! CMD and DO: what users ask of services, and what services tell each other. Deciding is the
//! chassis'; outcomes lie in `outcomes`.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Headers, Publish};
use bytes::Bytes;
use fleetlog_kernel::{Actor, CommandId, Position, Service};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, AggregateId};

/// The largest command, its manifests taken out.
pub const MAX_COMMAND: usize = 256 * 1024;

/// A command of a service to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The aggregate it is for.
    pub to: AggregateId,
    /// Deterministic: made of the sender, the cause and the index.
    pub id: CommandId,
    /// The commit that led to it.
    pub cause: Position,
    /// Which of the commands that the cause led to this is, from 0.
    pub index: u64,
    /// Everything up to here was reacted to before this was sent.
    pub reacted: Position,
    /// Shared by all that follows from one user's command.
    pub correlation: String,
    /// The encoded command message.
    pub payload: Bytes,
}

/// What the newest command of a service says of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastTold {
    /// Everything up to here was reacted to before it was sent: the checkpoint.
    pub reacted: Position,
    /// The commit that led to it.
    pub cause: Position,
}

impl LastTold {
    /// How much of the log the service had seen when it sent it, at least.
    #[must_use]
    pub fn seen(&self) -> Position {
        self.reacted.max(self.cause)
    }
}

/// CMD and DO.
#[derive(Clone)]
pub struct Commands {
    broker: SharedBroker,
}

impl Commands {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Sends a user's command; durable when this returns, not decided. Answers its CMD sequence.
    ///
    /// # Errors
    /// A command that is too large, or a server that does not take it.
    pub async fn send(
        &self,
        actor: &Actor,
        to: &AggregateId,
        id: &CommandId,
        payload: Bytes,
    ) -> Result<u64, Fault> {
        let step = || format!("send command \"{id}\" to \"{to}\"");
        if payload.len() > MAX_COMMAND {
            let large = format!("it has {} bytes, at most {MAX_COMMAND} are taken", payload.len());
            return Err(Fault::lasting(step(), large));
        }
        let stored = self.broker.publish(Publish {
            subject: to.command(actor).as_str().to_owned(),
            headers: Headers::from([(header::COMMAND.to_owned(), id.to_string())]),
            payload,
            id: Some(id.to_string()),
            ..Publish::default()
        });
        stored.await.map(|stored| stored.sequence).map_err(|error| error.into_fault(step()))
    }

    /// Tells a service what to do. Told again it changes nothing. Answers its DO sequence.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn tell(&self, from: Service, told: Told) -> Result<u64, Fault> {
        let step = format!("tell \"{}\" of {} command \"{}\"", told.to, told.to.service, told.id);
        let stored = self.broker.publish(Publish {
            subject: told.to.told_by(from).as_str().to_owned(),
            headers: Headers::from([
                (header::COMMAND.to_owned(), told.id.to_string()),
                (header::CAUSE.to_owned(), told.cause.to_string()),
                (header::INDEX.to_owned(), told.index.to_string()),
                (header::REACTED.to_owned(), told.reacted.to_string()),
                (header::CORRELATION.to_owned(), told.correlation),
            ]),
            payload: told.payload,
            id: Some(told.id.to_string()),
            ..Publish::default()
        });
        stored.await.map(|stored| stored.sequence).map_err(|error| error.into_fault(step))
    }

    /// What the newest command of `service` says of the log.
    ///
    /// # Errors
    /// A server that does not answer, or a command without the headers.
    pub async fn last_told_by(&self, service: Service) -> Result<Option<LastTold>, Fault> {
        let last = self.broker.last("DO", &subject::told_by(service)).await?;
        let Some(last) = last else { return Ok(None) };
        let position = |name: &str| {
            let position = last.headers.get(name).and_then(|text| text.parse().ok());
            position.map(Position).ok_or_else(|| {
                let step = format!("read command {} of \"{}\"", last.sequence, last.subject);
                Fault::lasting(step, format!("header \"{name}\" is no position"))
            })
        };
        let (reacted, cause) = (position(header::REACTED)?, position(header::CAUSE)?);
        Ok(Some(LastTold { reacted, cause }))
    }
}
