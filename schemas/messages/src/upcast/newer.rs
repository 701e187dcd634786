//! What a later release wrote, by name.

use super::EventSchema;
use crate::envelope::Recorded;
use fleetlog_kernel::Position;

/// An event that a later release wrote: who must understand it stops, and says this. It is no
/// poison: a newer release reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    /// Where its commit lies.
    pub position: Position,
    /// Whose it is.
    pub aggregate: String,
    /// The event's type, as its commit has it.
    pub event: String,
    /// The schema it is of.
    pub schema: String,
    /// The newest version of this schema that this release reads; `None` when it reads none.
    pub reads: Option<&'static str>,
}

impl std::fmt::Display for Newer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, aggregate, event, schema, reads } = self;
        write!(f, "the commit at position {position} of \"{aggregate}\" ")?;
        write!(f, "holds \"{event}\" of {schema}, which a later release wrote; ")?;
        match reads {
            Some(known) if known == schema => write!(f, "this release knows no such event of it"),
            Some(known) => write!(f, "this release reads {known}"),
            None => write!(f, "this release reads no version of it"),
        }
    }
}

impl std::error::Error for Newer {}

/// Whether a later release wrote the commit, going by its schema and its types.
#[must_use]
pub fn newer(commit: &Recorded) -> Option<Newer> {
    let schema = commit.header.schema.as_str();
    let mut types = commit.header.types.iter();
    let (event, reads) = match EventSchema::named(schema) {
        Some(known) => {
            (types.find(|event| !known.types.contains(&event.as_str()))?, Some(known.name))
        }
        None => (types.next()?, newest_before(schema)?),
    };
    Some(Newer {
        position: commit.position,
        aggregate: commit.aggregate.to_string(),
        event: event.clone(),
        schema: schema.to_owned(),
        reads,
    })
}

/// For a schema that is not known: the newest of its family that is, if any. `None` for what is no
/// schema of Fleetlog, or of a version that was never written.
fn newest_before(schema: &str) -> Option<Option<&'static str>> {
    let parts: Vec<&str> = schema.split('.').collect();
    let ["fleetlog", context, version, name] = parts[..] else { return None };
    let version: u32 = version.strip_prefix('v')?.parse().ok()?;
    match EventSchema::newest(&format!("{context}.{name}")) {
        Some(known) if version <= known.version => None,
        known => Some(known.map(|known| known.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::CommitHeader;
    use crate::subject::AggregateId;
    use fleetlog_kernel::{CommandId, MessageId, Service, Timestamp};

    fn said(schema: &str, types: &[&str]) -> Option<String> {
        let header = CommitHeader {
            id: MessageId::new("m"),
            types: types.iter().map(|&event| event.to_owned()).collect(),
            schema: schema.to_owned(),
            version: 1,
            cause: Position::START,
            cause_index: 0,
            command: CommandId::new("c"),
            correlation: "c".to_owned(),
            actor: "alice".to_owned(),
            time: Timestamp::of_seconds(1),
            service: Service::Registration,
        };
        let aggregate = AggregateId::namespaced(Service::Registration, "binding", "shop", "blue");
        let commit = Recorded { position: Position(7), aggregate, header, events: vec![] };
        newer(&commit).map(|newer| newer.to_string())
    }

    #[test]
    fn a_later_version_is_named_with_what_is_read_here() {
        let binding = "fleetlog.registration.v2.BindingEvent";
        assert_eq!(said(binding, &["BindingSpecified", "BindingUnbound"]), None);
        assert_eq!(
            said("fleetlog.registration.v3.BindingEvent", &["BindingMoved"]).unwrap(),
            "the commit at position 7 of \"binding/shop/blue\" holds \"BindingMoved\" of \
             fleetlog.registration.v3.BindingEvent, which a later release wrote; this release \
             reads fleetlog.registration.v2.BindingEvent"
        );
        let case = said(binding, &["BindingBound", "BindingMoved"]).unwrap();
        assert!(case.contains("holds \"BindingMoved\" of fleetlog.registration.v2."), "{case}");
        assert!(case.ends_with("this release knows no such event of it"), "{case}");
        let kind = said("fleetlog.core.v1.NamespaceEvent", &["NamespaceMade"]).unwrap();
        assert!(kind.ends_with("this release reads no version of it"), "{kind}");
    }

    #[test]
    fn what_no_release_writes_is_not_newer() {
        for schema in ["", "s", "fleetlog.work.WorkEvent", "fleetlog.work.v0.WorkEvent", "a.b.v1.c"]
        {
            assert_eq!(said(schema, &["X"]), None, "{schema}");
        }
    }
}
