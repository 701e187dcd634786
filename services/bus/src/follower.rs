//! Following the log from outside, as somebody else's service does: typed, from a position on, or a
//! range once more. Nothing can be written with it.

use crate::SharedBroker;
use crate::commit::Entry;
use crate::credentials::Credentials;
use crate::event_log::{self, LogReading};
use crate::fault::Fault;
use crate::jetstream::JetStream;
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::happened::{Happened, Untold, happened};
use fleetlog_messages::subject::Subject;
use futures::stream::{BoxStream, StreamExt as _};

/// The stream that followers read: a mirror of EVENTS with the same positions.
pub const AUDIT: &str = "AUDIT";

/// One commit, with what happened by type.
#[derive(Clone, Debug, PartialEq)]
pub struct ToldEvents {
    /// The commit: its position, whose history it is part of, its headers.
    pub commit: Recorded,
    /// Its events, in order.
    pub events: Vec<Happened>,
}

/// Why a follower stops. Nothing was skipped: what was told before it is all there was.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The commit there is of a later release, or damaged. Going on behind it is the caller's
    /// decision; an update reads a later release's.
    #[error(transparent)]
    Untold(#[from] Untold),
    /// The server is away, or refuses.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a follower is told, in order.
pub type Tale = BoxStream<'static, Result<ToldEvents, FollowError>>;

/// Somebody who follows the log.
#[derive(Clone)]
pub struct Follower {
    broker: SharedBroker,
    stream: &'static str,
}

impl Follower {
    /// Connects with what `fleetlog hub follower create` printed.
    ///
    /// # Errors
    /// A server that does not answer, or does not let the follower in.
    pub async fn connect(url: &str, credentials: Credentials) -> Result<Self, Fault> {
        let name = credentials.name().unwrap_or_default();
        let broker = JetStream::connect_follower(url, credentials, &name).await?;
        Ok(Self { broker, stream: AUDIT })
    }

    /// For those who may read EVENTS itself: the operator, services, tests.
    #[must_use]
    pub fn of_events(broker: SharedBroker) -> Self {
        Self { broker, stream: event_log::STREAM }
    }

    /// Tells what `filter` covers after `after`, then what is added, without an end. Keep the
    /// position of what you have handled and give it as `after` the next time.
    ///
    /// # Errors
    /// When the reading cannot be opened, e.g. because `filter` is wider than what the follower may
    /// read.
    pub async fn follow(&self, filter: &Subject, after: Position) -> Result<Tale, FollowError> {
        Ok(tell(self.read(filter, after).await?, None))
    }

    /// Tells what `filter` covers from position `first` to position `last`, both included, and
    /// ends; at the log's end if that comes first.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub async fn replay(
        &self,
        filter: &Subject,
        first: Position,
        last: Position,
    ) -> Result<Tale, FollowError> {
        let after = Position(first.0.saturating_sub(1));
        let reading = self.read(filter, after).await?;
        if reading.pending == 0 {
            return Ok(futures::stream::empty().boxed());
        }
        Ok(tell(reading, Some(last)))
    }

    async fn read(&self, filter: &Subject, after: Position) -> Result<LogReading, FollowError> {
        Ok(event_log::read_of(&self.broker, self.stream, filter, after).await?)
    }
}

/// What a reading holds, up to the first that cannot be told; a range ends at its last position, or
/// where nothing follows.
fn tell(reading: LogReading, last: Option<Position>) -> Tale {
    let tale = futures::stream::unfold(Some(reading.entries), move |entries| async move {
        let mut entries = entries?;
        let entry = entries.next().await?.map_err(FollowError::Fault);
        // Whatever lies behind the range, it is not asked for.
        let beyond = |entry: &Entry| last.is_some_and(|last| entry.position() > last);
        if entry.as_ref().is_ok_and(beyond) {
            return None;
        }
        match entry.and_then(told) {
            Err(error) => Some((Err(error), None)),
            Ok((told, pending)) => {
                let ends = last.is_some_and(|last| pending == 0 || told.commit.position == last);
                Some((Ok(told), (!ends).then_some(entries)))
            }
        }
    });
    tale.boxed()
}

/// An entry as told, and how many follow it.
fn told(entry: Entry) -> Result<(ToldEvents, u64), FollowError> {
    match entry {
        Entry::Commit(commit, pending) => {
            let events = happened(&commit)?;
            Ok((ToldEvents { commit, events }, pending))
        }
        Entry::Malformed { position, reason, .. } => {
            Err(Untold::Damaged { position, reason }.into())
        }
    }
}
