//! A commit as a message of EVENTS, and back. What an older release wrote comes out in the words of
//! this one; what cannot be read comes out named, never skipped.

use crate::fault::Fault;
use crate::port::{Publish, StoredMessage};
use crate::rules::MESSAGE_ID;
use bytes::Bytes;
use fleetlog_kernel::Position;
use fleetlog_messages::common::Commit;
use fleetlog_messages::envelope::{CommitHeader, Recorded};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::upcast;
use prost::Message as _;

/// A commit to be appended.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCommit {
    /// Whose history it continues.
    pub aggregate: AggregateId,
    /// The position of the aggregate's last commit; [`Position::START`] when it has none.
    pub expected: Position,
    /// Its headers; the id is deterministic.
    pub header: CommitHeader,
    /// The encoded events, in order.
    pub events: Vec<Bytes>,
}

impl NewCommit {
    /// As the message to store.
    pub(crate) fn to_publish(&self) -> Publish {
        let mut headers = self.header.to_map();
        let id = headers.remove(MESSAGE_ID);
        let commit = Commit { events: self.events.clone() };
        Publish {
            subject: self.aggregate.event().as_str().to_owned(),
            headers,
            payload: commit.encode_to_vec().into(),
            id,
            expect_last: Some(self.expected.0),
            ttl: None,
        }
    }
}

/// One message of the log, as a follower gets it.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly all are commits")]
pub enum Entry {
    /// A commit, and how many messages follow it as far as the server knew.
    Commit(Recorded, u64),
    /// A message that is no readable commit. A follower that must understand it stops.
    Malformed {
        /// Where it lies.
        position: Position,
        /// The subject it lies under.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Entry {
    /// Reads a message of EVENTS.
    #[must_use]
    pub fn read(message: &StoredMessage) -> Self {
        match recorded(message) {
            Ok(commit) => Self::Commit(commit, message.pending),
            Err(reason) => Self::Malformed {
                position: Position(message.sequence),
                subject: message.subject.clone(),
                reason,
            },
        }
    }

    /// Where it lies.
    #[must_use]
    pub const fn position(&self) -> Position {
        match self {
            Self::Commit(commit, _) => commit.position,
            Self::Malformed { position, .. } => *position,
        }
    }

    /// The commit.
    ///
    /// # Errors
    /// A lasting fault that names the position of what is not one.
    pub fn into_commit(self) -> Result<Recorded, Fault> {
        match self {
            Self::Commit(commit, _) => Ok(commit),
            Self::Malformed { position, subject, reason } => {
                let step = format!("read the commit at position {position} of \"{subject}\"");
                Err(Fault::lasting(step, reason))
            }
        }
    }
}

fn recorded(message: &StoredMessage) -> Result<Recorded, String> {
    let aggregate = AggregateId::of_event(&message.subject)
        .ok_or_else(|| format!("\"{}\" is no event subject", message.subject))?;
    let header = CommitHeader::from_map(&message.headers).map_err(|error| error.to_string())?;
    let commit = Commit::decode(message.payload.clone())
        .map_err(|error| format!("the payload is no commit: {error}"))?;
    if commit.events.is_empty() || commit.events.len() != header.types.len() {
        let (events, types) = (commit.events.len(), header.types.len());
        return Err(format!("it has {events} events and {types} types"));
    }
    if header.cause.0 >= message.sequence {
        return Err(format!("its cause {} is not before it", header.cause));
    }
    let position = Position(message.sequence);
    let commit = Recorded { position, aggregate, header, events: commit.events };
    upcast::to_newest(commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn good() -> StoredMessage {
        let headers = [
            ("Nats-Msg-Id", "m"),
            ("Fl-Types", "A"),
            ("Fl-Schema", "s"),
            ("Fl-Version", "1"),
            ("Fl-Cause", "0"),
            ("Fl-Index", "0"),
            ("Fl-Command", "c"),
            ("Fl-Correlation", "c"),
            ("Fl-Actor", "alice"),
            ("Fl-Time", "5"),
            ("Fl-Service", "work"),
        ];
        StoredMessage {
            sequence: 3,
            subject: "fl.ev.work.manifestwork.c1.shop".to_owned(),
            headers: headers.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            payload: Commit { events: vec![Bytes::from_static(b"x")] }.encode_to_vec().into(),
            pending: 7,
        }
    }

    #[test]
    fn a_commit_comes_back_with_its_position_and_what_follows_it() {
        let Entry::Commit(commit, 7) = Entry::read(&good()) else { panic!("not a commit") };
        assert_eq!(commit.position, Position(3));
        assert_eq!(commit.events, [Bytes::from_static(b"x")]);
    }

    #[test]
    fn what_is_wrong_with_a_message_is_named() {
        let reason = |message: StoredMessage| match Entry::read(&message) {
            Entry::Malformed { position: Position(3), reason, .. } => reason,
            other => panic!("{other:?}"),
        };
        let subject = StoredMessage { subject: "fl.ev.x".into(), ..good() };
        assert_eq!(reason(subject), "\"fl.ev.x\" is no event subject");
        let mut missing = good();
        missing.headers.remove("Fl-Schema");
        assert_eq!(reason(missing), "header \"Fl-Schema\" is missing");
        let garbage = StoredMessage { payload: Bytes::from_static(b"\xff\xff"), ..good() };
        assert!(reason(garbage).starts_with("the payload is no commit"));
        let mut two = good();
        two.headers.insert("Fl-Types".into(), "A,B".into());
        assert_eq!(reason(two), "it has 1 events and 2 types");
        let mut later = good();
        later.headers.insert("Fl-Cause".into(), "3".into());
        assert_eq!(reason(later), "its cause 3 is not before it");
    }

    proptest! {
        #[test]
        fn no_message_makes_the_reader_panic(
            subject in "(fl\\.ev\\.(work|placement)\\.)?\\PC*",
            headers in prop::collection::btree_map("(Fl|Nats)-[A-Z][a-z]+", "\\PC*", 0..6),
            changed in prop::option::of((
                "Fl-(Version|Cause|Time|Index|Service|Types)",
                any::<String>(),
            )),
            payload in prop::collection::vec(any::<u8>(), 0..64),
            sequence in any::<u64>(),
        ) {
            let payload = Bytes::from(payload);
            let same = payload.clone();
            let wild = StoredMessage { sequence, subject, headers, payload: same, pending: 0 };
            let is_malformed = matches!(Entry::read(&wild), Entry::Malformed { .. });
            prop_assert!(is_malformed);
            let near = StoredMessage { payload, ..good() };
            let _ = Entry::read(&near);
            let mut headers: BTreeMap<String, String> = good().headers;
            headers.extend(changed);
            let _ = Entry::read(&StoredMessage { headers, sequence, ..good() });
        }
    }
}
