//! DLQ: what could not be handled, with the reason, for people; and the record of what they did
//! with it, which lies in CMD as every request does: there nobody can take it out.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Headers, Publish, Reading, StoredMessage};
use fleetlog_kernel::{CommandId, Service, Timestamp};
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::envelope::header;
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
        let reading = self.broker.read("DLQ", &subject::dead_letters(), 0).await?;
        let letters =
            held(reading).await?.into_iter().map(|message| (message.sequence, read(message)));
        Ok(letters.collect())
    }

    /// Records a use before it is made; with the letter as it was, where it is of one.
    ///
    /// # Errors
    /// A server that does not take it: then the use is not to be made.
    pub async fn note(&self, noted: &LetterUse) -> Result<(), Fault> {
        let letter = noted.letter.as_ref().map(|(number, _)| *number);
        let published = self.broker.publish(Publish {
            subject: subject::dead_letter_use(&noted.verb, letter).as_str().to_owned(),
            headers: Headers::from([
                (header::COMMAND.to_owned(), noted.id.to_string()),
                (header::TIME.to_owned(), noted.at.as_nanos().to_string()),
            ]),
            payload: noted
                .letter
                .as_ref()
                .map(|(_, l)| l.encode_to_vec())
                .unwrap_or_default()
                .into(),
            id: Some(noted.id.to_string()),
            ..Publish::default()
        });
        let step = || format!("record \"{}\" of dead letters", noted.verb);
        published.await.map(|_| ()).map_err(|error| error.into_fault(step()))
    }

    /// Every use that is still on record, oldest first.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn uses(&self) -> Result<Vec<LetterUse>, Fault> {
        let reading = self.broker.read("CMD", &subject::dead_letter_uses(), 0).await?;
        Ok(held(reading).await?.into_iter().filter_map(used).collect())
    }

    /// Takes a letter out by its number; answers whether it was there.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn remove(&self, number: u64) -> Result<bool, Fault> {
        self.broker.delete("DLQ", number).await
    }
}

/// One use of dead letters by the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterUse {
    /// Random, made for this use.
    pub id: CommandId,
    /// When.
    pub at: Timestamp,
    /// What was done: `list`, `show`, `retry`, `drop`.
    pub verb: String,
    /// The letter that it was done with, by its number, as it was then.
    pub letter: Option<(u64, DeadLetter)>,
}

/// What a reading holds at its start.
async fn held(reading: Reading) -> Result<Vec<StoredMessage>, Fault> {
    let Reading { pending, mut messages } = reading;
    let mut found = vec![];
    let mut more = pending > 0;
    while more {
        let Some(message) = messages.next().await else { break };
        let message = message?;
        more = message.pending > 0;
        found.push(message);
    }
    Ok(found)
}

fn read(message: StoredMessage) -> DeadLetter {
    DeadLetter::decode(message.payload).unwrap_or_else(|error| DeadLetter {
        subject: message.subject,
        reason: format!("the letter cannot be read: {error}"),
        ..DeadLetter::default()
    })
}

fn used(message: StoredMessage) -> Option<LetterUse> {
    let (verb, number) = subject::of_dead_letter_use(&message.subject)?;
    let at = message.headers.get(header::TIME)?.parse().ok()?;
    let id = CommandId::new(message.headers.get(header::COMMAND)?.as_str());
    let letter = number.map(|number| (number, read(message)));
    Some(LetterUse { id, at: Timestamp::of_nanos(at), verb, letter })
}
