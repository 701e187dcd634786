//! A commit with its headers: what one command did to one aggregate, as the log keeps it. The
//! names of the headers are contracts.

use crate::subject::AggregateId;
use fleetlog_kernel::{CommandId, MessageId, Position, Service, Timestamp};
use prost::bytes::Bytes;
use std::collections::BTreeMap;

/// Header names.
pub mod header {
    /// What JetStream deduplicates by.
    pub const MESSAGE_ID: &str = "Nats-Msg-Id";
    /// The event types of a commit, in order, joined by commas.
    pub const TYPES: &str = "Fl-Types";
    /// The message type of each event in a commit.
    pub const SCHEMA: &str = "Fl-Schema";
    /// Counts 1, 2, 3.. per aggregate.
    pub const VERSION: &str = "Fl-Version";
    /// The EVENTS sequence that led here; 0 when a person or an agent did.
    pub const CAUSE: &str = "Fl-Cause";
    /// Which of the commands that the cause led to this is, from 0.
    pub const INDEX: &str = "Fl-Index";
    /// In DO: everything up to this EVENTS sequence was reacted to before this was sent.
    pub const REACTED: &str = "Fl-Reacted";
    /// The id of the command.
    pub const COMMAND: &str = "Fl-Command";
    /// The id that everything which follows from one command shares.
    pub const CORRELATION: &str = "Fl-Correlation";
    /// Who asked: a user, `cluster:<name>`, `service:<name>` or `timer:<service>`.
    pub const ACTOR: &str = "Fl-Actor";
    /// The time of the decision, nanoseconds since 1970.
    pub const TIME: &str = "Fl-Time";
    /// In TIMER: the moment that was waited for, seconds since 1970.
    pub const DUE: &str = "Fl-Due";
    /// The service that decided.
    pub const SERVICE: &str = "Fl-Service";
    /// Marks a message of RESULT as an outcome.
    pub const OUTCOME: &str = "Fl-Outcome";
    /// The signature of a delivery, base64.
    pub const SIGNATURE: &str = "Fl-Signature";
    /// W3C trace context.
    pub const TRACE: &str = "traceparent";
}

/// What stands in a commit's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitHeader {
    /// Deterministic: hash of cause, handler, handler version, index.
    pub id: MessageId,
    /// Event types, in order.
    pub types: Vec<String>,
    /// Message type of the events, e.g. `fleetlog.registration.v1.ClusterEvent`.
    pub schema: String,
    /// 1 for the aggregate's first commit.
    pub version: u64,
    /// The EVENTS sequence that led here; 0 when a person or an agent did.
    pub cause: Position,
    /// Which of the commands that the cause led to this came from, from 0.
    pub cause_index: u64,
    /// The command's id.
    pub command: CommandId,
    /// Shared by all that follows from one user's command.
    pub correlation: String,
    /// Who asked.
    pub actor: String,
    /// When it was decided.
    pub time: Timestamp,
    /// Who decided.
    pub service: Service,
}

/// A commit of the log, as a follower gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its EVENTS sequence.
    pub position: Position,
    /// Whose history it is part of.
    pub aggregate: AggregateId,
    /// Its headers.
    pub header: CommitHeader,
    /// The encoded events, in order.
    pub events: Vec<Bytes>,
}

/// Why headers are not those of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderError {
    /// The header.
    pub name: &'static str,
    /// What it held; `None` when it is missing.
    pub found: Option<String>,
}

impl std::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.found {
            Some(found) => write!(f, "header \"{}\" holds \"{found}\"", self.name),
            None => write!(f, "header \"{}\" is missing", self.name),
        }
    }
}

impl std::error::Error for HeaderError {}

impl CommitHeader {
    /// As headers of a message, one value each.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (header::MESSAGE_ID.to_owned(), self.id.to_string()),
            (header::TYPES.to_owned(), self.types.join(",")),
            (header::SCHEMA.to_owned(), self.schema.clone()),
            (header::VERSION.to_owned(), self.version.to_string()),
            (header::CAUSE.to_owned(), self.cause.to_string()),
            (header::INDEX.to_owned(), self.cause_index.to_string()),
            (header::COMMAND.to_owned(), self.command.to_string()),
            (header::CORRELATION.to_owned(), self.correlation.clone()),
            (header::ACTOR.to_owned(), self.actor.clone()),
            (header::TIME.to_owned(), self.time.as_nanos().to_string()),
            (header::SERVICE.to_owned(), self.service.to_string()),
        ])
    }

    /// Reads what [`Self::to_map`] wrote.
    ///
    /// # Errors
    /// The first header that is missing or unreadable.
    pub fn from_map(map: &BTreeMap<String, String>) -> Result<Self, HeaderError> {
        let types = text(map, header::TYPES)?;
        Ok(Self {
            id: MessageId::new(text(map, header::MESSAGE_ID)?),
            types: types.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect(),
            schema: text(map, header::SCHEMA)?.to_owned(),
            version: parsed(map, header::VERSION)?,
            cause: Position(parsed(map, header::CAUSE)?),
            cause_index: parsed(map, header::INDEX)?,
            command: CommandId::new(text(map, header::COMMAND)?),
            correlation: text(map, header::CORRELATION)?.to_owned(),
            actor: text(map, header::ACTOR)?.to_owned(),
            time: Timestamp::of_nanos(parsed(map, header::TIME)?),
            service: known(map, header::SERVICE, Service::parse)?,
        })
    }
}

fn text<'a>(map: &'a BTreeMap<String, String>, name: &'static str) -> Result<&'a str, HeaderError> {
    map.get(name).map(String::as_str).ok_or(HeaderError { name, found: None })
}

fn parsed<T: std::str::FromStr>(
    map: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<T, HeaderError> {
    known(map, name, |text| text.parse().ok())
}

fn known<T>(
    map: &BTreeMap<String, String>,
    name: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, HeaderError> {
    let found = text(map, name)?;
    read(found).ok_or_else(|| HeaderError { name, found: Some(found.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CommitHeader {
        CommitHeader {
            id: MessageId::new("m"),
            types: vec!["specified".into(), "accepted".into()],
            schema: "fleetlog.registration.v1.ClusterEvent".into(),
            version: 3,
            cause: Position(7),
            cause_index: 2,
            command: CommandId::new("c"),
            correlation: "c".into(),
            actor: "alice".into(),
            time: Timestamp::of_nanos(1_700_000_000_123_456_789),
            service: Service::Registration,
        }
    }

    #[test]
    fn headers_round_trip() {
        assert_eq!(CommitHeader::from_map(&sample().to_map()), Ok(sample()));
    }

    #[test]
    fn a_missing_or_damaged_header_is_named() {
        for name in sample().to_map().into_keys() {
            let mut map = sample().to_map();
            map.remove(&name);
            assert_eq!(CommitHeader::from_map(&map).unwrap_err().name, name);
        }
        let mut map = sample().to_map();
        map.insert(header::VERSION.into(), "x".into());
        let error = CommitHeader::from_map(&map).unwrap_err();
        assert_eq!(error.to_string(), "header \"Fl-Version\" holds \"x\"");
    }
}
