//! Commits, commands and other things for the cases to send.

use bytes::Bytes;
use fleetlog_bus::{Append, Entry, LogReading, NewCommit, Told};
use fleetlog_kernel::{CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::envelope::{CommitHeader, Recorded};
use fleetlog_messages::subject::AggregateId;
use futures::StreamExt as _;
use std::time::Duration;

/// How long a case waits for what must come.
pub const SOON: Duration = Duration::from_secs(15);
/// How long a case watches for what must not come.
pub const WHILE: Duration = Duration::from_millis(300);

/// A work of the service `work`.
pub fn work(name: &str) -> AggregateId {
    AggregateId::namespaced(Service::Work, "manifestwork", "c1", name)
}

/// A commit of a work, expected after `expected`, with a message id of its own.
pub fn commit(name: &str, id: &str, expected: u64) -> NewCommit {
    commit_of(work(name), id, expected)
}

/// A commit of any aggregate.
pub fn commit_of(aggregate: AggregateId, id: &str, expected: u64) -> NewCommit {
    NewCommit {
        header: CommitHeader {
            id: MessageId::new(id),
            types: vec!["changed".to_owned()],
            schema: "fleetlog.work.v1.WorkEvent".to_owned(),
            version: 1,
            cause: Position::START,
            cause_index: 0,
            command: CommandId::new(id),
            correlation: id.to_owned(),
            actor: "alice".to_owned(),
            time: Timestamp::of_seconds(1_700_000_000),
            service: aggregate.service,
        },
        aggregate,
        expected: Position(expected),
        events: vec![Bytes::from(id.to_owned())],
    }
}

/// A command of a service.
pub fn told(to: AggregateId, cause: u64, index: u64) -> Told {
    Told {
        to,
        id: CommandId::of_reaction(Service::Placement, "test", Position(cause), index as u32),
        cause: Position(cause),
        index,
        reacted: Position(cause),
        correlation: "c".to_owned(),
        payload: Bytes::from_static(b"do it"),
    }
}

/// The position of what was appended just now.
pub fn appended(append: Append) -> u64 {
    match append {
        Append::Appended(position) => position.0,
        other => panic!("{other:?}"),
    }
}

/// What must come within [`SOON`].
pub async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, coming).await {
        Ok(came) => came,
        Err(_) => panic!("{what} did not come within {SOON:?}"),
    }
}

/// Whether something does not come for a while.
pub async fn stays_away<T>(coming: impl Future<Output = T>) -> bool {
    tokio::time::timeout(WHILE, coming).await.is_err()
}

/// The next commit of a reading and how many follow it.
pub async fn next(reading: &mut LogReading) -> (Recorded, u64) {
    match soon("an entry", reading.entries.next()).await.unwrap().unwrap() {
        Entry::Commit(commit, pending) => (commit, pending),
        malformed => panic!("{malformed:?}"),
    }
}
