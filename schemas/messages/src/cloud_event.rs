//! An event with the attributes that CloudEvents 1.0 defines: each is one thing of its commit.

use crate::common::Time;
use crate::envelope::Recorded;
use prost::bytes::Bytes;

/// What every event's `source` begins with.
const SOURCE: &str = "/fleetlog/";

/// One event of a commit, in CloudEvents' words (specversion 1.0). Extensions have the names that
/// CloudEvents asks for: lower case, no dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvent {
    /// `id`: the commit's (`Nats-Msg-Id`) and the event's number in it from 0, `<id>/<n>`. With the
    /// source it is unique.
    pub id: String,
    /// `source`: who decided (`Fl-Service`), `/fleetlog/<service>`.
    pub source: String,
    /// `type`: the package of the schema and the event's type (`Fl-Types`), such as
    /// `fleetlog.registration.v2.BindingBound`.
    pub kind: String,
    /// `subject`: whose history it is part of, as `binding/shop/blue`.
    pub subject: String,
    /// `time`: of the decision (`Fl-Time`), RFC 3339.
    pub time: String,
    /// `dataschema`: the message that `data` is (`Fl-Schema`).
    pub data_schema: String,
    /// `datacontenttype`.
    pub data_content_type: &'static str,
    /// Extension `sequence`: the position.
    pub sequence: u64,
    /// Extension `flversion`: which commit of the aggregate it is, from 1 (`Fl-Version`).
    pub version: u64,
    /// Extension `flcause`: the position that led to it; 0 for none (`Fl-Cause`).
    pub cause: u64,
    /// Extension `flcommand`: the command's id (`Fl-Command`).
    pub command: String,
    /// Extension `flcorrelation`: what all that follows from one command shares (`Fl-Correlation`).
    pub correlation: String,
    /// Extension `flactor`: who asked (`Fl-Actor`).
    pub actor: String,
    /// The encoded event.
    pub data: Bytes,
}

impl CloudEvent {
    /// The events of a commit, in order.
    #[must_use]
    pub fn all_of(commit: &Recorded) -> Vec<Self> {
        let header = &commit.header;
        let package = header.schema.rsplit_once('.').map_or("", |(package, _)| package);
        let nanos = header.time.nanos();
        let time = Time { seconds: header.time.seconds(), nanos, ..Time::default() }.render();
        let events = header.types.iter().zip(&commit.events).enumerate();
        let each = events.map(|(number, (kind, event))| Self {
            id: format!("{}/{number}", header.id),
            source: format!("{SOURCE}{}", header.service),
            kind: format!("{package}.{kind}"),
            subject: commit.aggregate.to_string(),
            time: time.clone(),
            data_schema: header.schema.clone(),
            data_content_type: "application/protobuf",
            sequence: commit.position.0,
            version: header.version,
            cause: header.cause.0,
            command: header.command.to_string(),
            correlation: header.correlation.clone(),
            actor: header.actor.clone(),
            data: event.clone(),
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::CommitHeader;
    use crate::subject::AggregateId;
    use fleetlog_kernel::{CommandId, MessageId, Position, Service, Timestamp};

    #[test]
    fn each_attribute_is_one_thing_of_the_commit() {
        let header = CommitHeader {
            id: MessageId::new("m1"),
            types: vec!["BindingSpecified".into(), "BindingBound".into()],
            schema: "fleetlog.registration.v2.BindingEvent".into(),
            version: 3,
            cause: Position(5),
            cause_index: 0,
            command: CommandId::new("c1"),
            correlation: "c0".into(),
            actor: "alice".into(),
            time: Timestamp::of_nanos(1_700_000_000_250_000_000),
            service: Service::Registration,
        };
        let aggregate = AggregateId::namespaced(Service::Registration, "binding", "shop", "blue");
        let events = vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let commit = Recorded { position: Position(7), aggregate, header, events };
        let second = CloudEvent {
            id: "m1/1".into(),
            source: "/fleetlog/registration".into(),
            kind: "fleetlog.registration.v2.BindingBound".into(),
            subject: "binding/shop/blue".into(),
            time: "2023-11-14T22:13:20.25Z".into(),
            data_schema: "fleetlog.registration.v2.BindingEvent".into(),
            data_content_type: "application/protobuf",
            sequence: 7,
            version: 3,
            cause: 5,
            command: "c1".into(),
            correlation: "c0".into(),
            actor: "alice".into(),
            data: Bytes::from_static(b"b"),
        };
        let told = CloudEvent::all_of(&commit);
        assert_eq!(told.len(), 2);
        assert_eq!(told[1], second);
    }
}
