//! Commits as the core service heeds them: its own, and whether there is something of others in a
//! namespace.

use fleetlog_chassis::Unreadable;
use fleetlog_core_domain::Change;
use fleetlog_core_domain::projection::kind_of;
use fleetlog_kernel::Service;
use fleetlog_messages::core::{ObjectEvent, object_event};
use fleetlog_messages::envelope::Recorded;
use prost::Message as _;

/// The message type of an object's events.
pub(crate) const OBJECT_EVENT: &str = "fleetlog.core.v1.ObjectEvent";
/// How the types of events end that say that an object is gone, whoever decided it.
const GONE: &str = "Deleted";

/// A commit as a change of what the service knows; `None` for those it does not heed.
///
/// # Errors
/// A commit that must be understood and cannot be.
pub(crate) fn change(commit: &Recorded) -> Result<Option<Change>, Unreadable> {
    let id = &commit.aggregate;
    if id.service == Service::Core {
        let unknown = || Unreadable::of(commit, format!("core has no kind \"{}\"", id.kind));
        let info = kind_of(Service::Core, &id.kind).ok_or_else(unknown)?;
        return Ok(Some(Change::Own(id.clone(), info, events(commit)?)));
    }
    let there = commit.header.types.last().is_none_or(|last| !last.ends_with(GONE));
    Ok(id.scope.is_some().then(|| Change::Other(id.clone(), there)))
}

fn events(commit: &Recorded) -> Result<Vec<object_event::Event>, Unreadable> {
    if commit.header.schema != OBJECT_EVENT {
        let reason = format!("its schema is \"{}\", not \"{OBJECT_EVENT}\"", commit.header.schema);
        return Err(Unreadable::of(commit, reason));
    }
    let read = |bytes: &bytes::Bytes| {
        let message = ObjectEvent::decode(bytes.clone())
            .map_err(|error| Unreadable::of(commit, format!("{OBJECT_EVENT}: {error}")))?;
        let later = || Unreadable::of(commit, format!("{OBJECT_EVENT} is of a later version"));
        message.event.ok_or_else(later)
    };
    commit.events.iter().map(read).collect()
}
