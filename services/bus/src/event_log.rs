//! EVENTS: the truth. Appends with an expectation and a deterministic id, ordered readings, the
//! last commit of an aggregate. Which server answers a retry how is hidden here; batching lies in
//! `group_commit`.

use crate::SharedBroker;
use crate::commit::{Entry, NewCommit};
use crate::fault::Fault;
use crate::group_commit::{GroupCommit, Waiting};
use crate::port::Publish;
use crate::rules::MESSAGE_ID;
use crate::settle::append_all;
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::{self, AggregateId, Subject};
use futures::stream::{BoxStream, StreamExt as _};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub(crate) const STREAM: &str = "EVENTS";
/// How many commits may wait for their verdicts before further appends wait themselves.
pub(crate) const WAITING: usize = 1_024;
/// How many decisions over several aggregates may be under way: a server holds 50 open batches of a
/// stream, of all processes together.
const DECISIONS: usize = 8;

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
    waiting: mpsc::UnboundedSender<Waiting>,
    /// A place for each commit that waits for its verdict.
    places: Arc<Semaphore>,
    /// A place for each decision over several aggregates.
    decisions: Arc<Semaphore>,
}

impl EventLog {
    /// The log and the actor that commits for all its clones; run it in a task.
    #[must_use]
    #[allow(clippy::new_ret_no_self, reason = "the log is of no use without its actor")]
    pub fn new(broker: SharedBroker) -> (Self, GroupCommit) {
        // Bounded by the places: who has none sends nothing.
        let (waiting, inbox) = mpsc::unbounded_channel();
        let actor = GroupCommit::new(broker.clone(), inbox);
        let places = Arc::new(Semaphore::new(WAITING));
        let decisions = Arc::new(Semaphore::new(DECISIONS));
        (Self { broker, waiting, places, decisions }, actor)
    }

    /// How many commits wait for their verdicts; with more than a bound of them, appends wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        WAITING - self.places.available_permits()
    }

    /// Appends one commit, together with whatever else waits.
    ///
    /// # Errors
    /// When the server refuses it for good, or the group commit has ended.
    pub async fn append(&self, commit: NewCommit) -> Result<Append, Fault> {
        let (verdict, told) = oneshot::channel();
        let ended = || Fault::lasting("append a commit", "the group commit has ended");
        let place = self.places.clone().acquire_owned().await.map_err(|_| ended())?;
        let waiting = Waiting { publish: commit.to_publish(), verdict, place };
        self.waiting.send(waiting).map_err(|_| ended())?;
        told.await.map_err(|_| ended())?
    }

    /// Appends commits of several aggregates: all or none, never split.
    ///
    /// # Errors
    /// When the server refuses them for good.
    pub async fn append_all(&self, commits: Vec<NewCommit>) -> Result<Append, Fault> {
        let publishes: Vec<Publish> = commits.iter().map(NewCommit::to_publish).collect();
        let _place = self.decisions.acquire().await;
        append_all(&self.broker, publishes).await
    }

    /// Reads what `filter` covers, after `after`, and follows.
    ///
    /// # Errors
    /// When the reading cannot be opened.
    pub async fn read(&self, filter: &Subject, after: Position) -> Result<LogReading, Fault> {
        read(&self.broker, filter, after).await
    }

    /// Where the log ends; [`Position::START`] while it is empty.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn end(&self) -> Result<Position, Fault> {
        end(&self.broker).await
    }

    /// The id of the commit at a position, if the log holds one.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn id_at(&self, position: Position) -> Result<Option<String>, Fault> {
        let message = self.broker.get(STREAM, position.0).await?;
        Ok(message.and_then(|message| message.headers.get(MESSAGE_ID).cloned()))
    }

    /// What lies at a position, if the log holds it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn at(&self, position: Position) -> Result<Option<Entry>, Fault> {
        Ok(self.broker.get(STREAM, position.0).await?.map(|message| Entry::read(&message)))
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

/// Where the log ends; [`Position::START`] while it is empty.
pub(crate) async fn end(broker: &SharedBroker) -> Result<Position, Fault> {
    // Everything in it is an event: without a pattern the server need not look for what fits.
    let last = broker.last(STREAM, &subject::everything()).await?;
    Ok(last.map_or(Position::START, |message| Position(message.sequence)))
}

/// Reads the log with nothing but a connection.
pub(crate) async fn read(
    broker: &SharedBroker,
    filter: &Subject,
    after: Position,
) -> Result<LogReading, Fault> {
    read_of(broker, STREAM, filter, after).await
}

/// The same in a mirror of the log.
pub(crate) async fn read_of(
    broker: &SharedBroker,
    stream: &str,
    filter: &Subject,
    after: Position,
) -> Result<LogReading, Fault> {
    let reading = broker.read(stream, filter, after.next().0).await?;
    let entries = reading.messages.map(|message| message.map(|message| Entry::read(&message)));
    Ok(LogReading { pending: reading.pending, entries: entries.boxed() })
}
