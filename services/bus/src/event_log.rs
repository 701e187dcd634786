//! EVENTS: the truth. Appends with an expectation and a deterministic id, ordered readings, the
//! last commit of an aggregate. Which server answers a retry how is hidden here; batching lies in
//! `group_commit`.

use crate::SharedBroker;
use crate::commit::{Entry, NewCommit};
use crate::fault::Fault;
use crate::group_commit::{GroupCommit, Waiting};
use crate::port::{Publish, PublishError, Stored, StoredMessage};
use crate::rules::MESSAGE_ID;
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::{AggregateId, Subject};
use futures::stream::{BoxStream, StreamExt as _};
use tokio::sync::{mpsc, oneshot};

pub(crate) const STREAM: &str = "EVENTS";
/// How many commits may wait for the group commit before appends wait too.
const WAITING: usize = 1_024;

/// What came of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Append {
    /// Stored here; the position of the last commit for several.
    Appended(Position),
    /// Stored before, by the same id: a retry after a lost answer.
    AlreadyAppended(Position),
    /// An aggregate stands elsewhere: fold up to here and decide again.
    Conflict(Position),
    /// Nobody knows: try again with the same id and expectation.
    Unknown(String),
}

/// A reading of the log in order, without an end.
pub struct LogReading {
    /// How many messages it held at the start; 0 means "caught up already".
    pub pending: u64,
    /// The entries; a fault ends them.
    pub entries: BoxStream<'static, Result<Entry, Fault>>,
}

/// The event log.
#[derive(Clone)]
pub struct EventLog {
    broker: SharedBroker,
    waiting: mpsc::Sender<Waiting>,
}

impl EventLog {
    /// The log and the actor that commits for all its clones; run it in a task.
    #[must_use]
    #[allow(clippy::new_ret_no_self, reason = "the log is of no use without its actor")]
    pub fn new(broker: SharedBroker) -> (Self, GroupCommit) {
        let (waiting, inbox) = mpsc::channel(WAITING);
        let actor = GroupCommit::new(broker.clone(), inbox);
        (Self { broker, waiting }, actor)
    }

    /// Appends one commit, together with whatever else waits.
    ///
    /// # Errors
    /// When the server refuses it for good, or the group commit has ended.
    pub async fn append(&self, commit: NewCommit) -> Result<Append, Fault> {
        let (verdict, told) = oneshot::channel();
        let ended = || Fault::lasting("append a commit", "the group commit has ended");
        let waiting = Waiting { publish: commit.to_publish(), verdict };
        self.waiting.send(waiting).await.map_err(|_| ended())?;
        told.await.map_err(|_| ended())?
    }

    /// Appends commits of several aggregates: all or none, never split.
    ///
    /// # Errors
    /// When the server refuses them for good.
    pub async fn append_all(&self, commits: Vec<NewCommit>) -> Result<Append, Fault> {
        let publishes: Vec<Publish> = commits.iter().map(NewCommit::to_publish).collect();
        let error = match self.broker.publish_atomic(publishes.clone()).await {
            Ok(stored) => return Ok(Append::Appended(Position(stored.sequence))),
            Err(error) => error,
        };
        match error {
            PublishError::WrongLast { .. } | PublishError::DuplicateInBatch => {
                stored_before(&self.broker, &publishes).await
            }
            PublishError::Unknown(reason) => Ok(Append::Unknown(reason)),
            refused => Err(refused.into_fault("append several commits")),
        }
    }

    /// Reads what `filter` covers, after `after`, and follows.
    ///
    /// # Errors
    /// When the reading cannot be opened.
    pub async fn read(&self, filter: &Subject, after: Position) -> Result<LogReading, Fault> {
        read(&self.broker, filter, after).await
    }

    /// The last commit of an aggregate.
    ///
    /// # Errors
    /// When the server does not answer, or what lies there is no commit.
    pub async fn last(&self, aggregate: &AggregateId) -> Result<Option<Recorded>, Fault> {
        let message = self.broker.last(STREAM, &aggregate.event()).await?;
        message.map(|message| Entry::read(&message).into_commit()).transpose()
    }
}

/// Reads the log with nothing but a connection.
pub(crate) async fn read(
    broker: &SharedBroker,
    filter: &Subject,
    after: Position,
) -> Result<LogReading, Fault> {
    let reading = broker.read(STREAM, filter, after.next().0).await?;
    let entries = reading.messages.map(|message| message.map(|message| Entry::read(&message)));
    Ok(LogReading { pending: reading.pending, entries: entries.boxed() })
}

/// What the server's verdict on a single append means.
pub(crate) async fn settle(
    broker: &SharedBroker,
    publish: &Publish,
    verdict: Result<Stored, PublishError>,
) -> Result<Append, Fault> {
    match verdict {
        Ok(Stored { sequence, duplicate: false }) => Ok(Append::Appended(Position(sequence))),
        Ok(Stored { sequence, duplicate: true }) => {
            match find(broker, publish, sequence.saturating_sub(1)).await? {
                Found::Ours(position) => Ok(Append::AlreadyAppended(position)),
                Found::Others(_) => Err(Fault::lasting(
                    format!("append to \"{}\"", publish.subject),
                    format!("another subject has its message id, at position {sequence}"),
                )),
            }
        }
        Err(PublishError::WrongLast { .. }) => {
            match find(broker, publish, publish.expect_last.unwrap_or(0)).await? {
                Found::Ours(position) => Ok(Append::AlreadyAppended(position)),
                Found::Others(position) => Ok(Append::Conflict(position)),
            }
        }
        Err(PublishError::Unknown(reason)) => Ok(Append::Unknown(reason)),
        Err(refused) => Err(refused.into_fault(format!("append to \"{}\"", publish.subject))),
    }
}

enum Found {
    /// The commit lies there.
    Ours(Position),
    /// It does not; this is the subject's last position.
    Others(Position),
}

/// Looks for a commit among those of its aggregate after `after`: the last first, nearly always.
async fn find(broker: &SharedBroker, publish: &Publish, after: u64) -> Result<Found, Fault> {
    let subject = Subject::raw(&publish.subject);
    let Some(last) = broker.last(STREAM, &subject).await? else {
        return Ok(Found::Others(Position::START));
    };
    if is(&last, publish) {
        return Ok(Found::Ours(Position(last.sequence)));
    }
    if last.sequence > after + 1 {
        let mut reading = broker.read(STREAM, &subject, after + 1).await?.messages;
        while let Some(message) = reading.next().await.transpose()? {
            if is(&message, publish) {
                return Ok(Found::Ours(Position(message.sequence)));
            }
            if message.sequence >= last.sequence {
                break;
            }
        }
    }
    Ok(Found::Others(Position(last.sequence)))
}

fn is(message: &StoredMessage, publish: &Publish) -> bool {
    publish.id.is_some() && message.headers.get(MESSAGE_ID) == publish.id.as_ref()
}

/// A refused batch: either all of it was stored before, or nothing of it ever will be like this.
async fn stored_before(broker: &SharedBroker, publishes: &[Publish]) -> Result<Append, Fault> {
    let (mut all, mut last) = (true, Position::START);
    for publish in publishes {
        let after = publish.expect_last.unwrap_or(0);
        last = last.max(match find(broker, publish, after).await? {
            Found::Ours(position) => position,
            Found::Others(position) => {
                all = false;
                position
            }
        });
    }
    Ok(if all { Append::AlreadyAppended(last) } else { Append::Conflict(last) })
}
