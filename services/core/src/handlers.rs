//! Requests as the domain's commands, and its decisions as commits. What a decision needs of other
//! aggregates is attached here, from the projection.

use crate::decode::OBJECT_EVENT;
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Origin, Request};
use fleetlog_core_domain::command::{Apply, Asked, Command, Values};
use fleetlog_core_domain::projection::{NAMESPACE, kind_of};
use fleetlog_core_domain::{Plain, Refusal, World};
use fleetlog_kernel::{Service, Uid};
use fleetlog_messages::core::{
    ApplyObject, DeleteObject, DestroyKeys, EnsureObject, FinalizeNamespace, ObjectCommand,
    ObjectEvent, object_command, object_event,
};
use fleetlog_messages::subject::AggregateId;
use fleetlog_rules::metadata::Change;
use prost::Message as _;
use serde_json::Value;

/// Decides a request on what the world is now.
///
/// # Errors
/// A refusal, or that the payload cannot be read.
pub(crate) fn decide(world: &World, request: &Request) -> Result<Vec<Decided>, Denied> {
    let target = &request.target;
    let info = kind_of(Service::Core, &target.kind)
        .filter(|info| info.namespaced == target.scope.is_some())
        .ok_or_else(|| denied(Refusal::Kind { kind: target.kind.clone() }))?;
    let asked = Asked {
        id: target.clone(),
        info,
        uid: Uid::derived(&request.id, target.event().as_str()),
        place: world.place(target),
        command: command(world, request)?,
    };
    let unborn = Plain::default();
    let plain = world.object(target).unwrap_or(&unborn);
    let told = matches!(request.origin, Origin::Service { .. });
    if told && plain.object().is_none() && matches!(asked.command, Command::Delete { .. }) {
        return Ok(vec![]);
    }
    let events = plain.decide(&asked, request.at).map_err(denied)?;
    if events.is_empty() {
        return Ok(vec![]);
    }
    let events = events.into_iter().map(encoded).collect();
    Ok(vec![Decided { aggregate: target.clone(), schema: OBJECT_EVENT, events }])
}

/// Whether a command is one that waits for changes that come together.
pub(crate) fn settles(target: &AggregateId, payload: &Bytes) -> bool {
    let command = || ObjectCommand::decode(payload.clone()).ok()?.command;
    target.kind == NAMESPACE && matches!(command(), Some(object_command::Command::Empty(_)))
}

/// The keys that core has told itself to destroy.
pub(crate) fn destroyed(request: &Request) -> Vec<String> {
    let own = matches!(request.origin, Origin::Service { from: Service::Core, .. });
    let read = || ObjectCommand::decode(request.payload.clone()).ok()?.command;
    match own.then(read).flatten() {
        Some(object_command::Command::Destroy(DestroyKeys { keys })) => keys,
        _ => vec![],
    }
}

fn denied(refusal: Refusal) -> Denied {
    Denied::Refused((&refusal).into())
}

fn command(world: &World, request: &Request) -> Result<Command, Denied> {
    let read = ObjectCommand::decode(request.payload.clone());
    let read = read.map_err(|e| Denied::Unreadable(format!("the payload cannot be read: {e}")))?;
    let empty = || Denied::Unreadable("the command is empty or of a later version".to_owned());
    Ok(match read.command.ok_or_else(empty)? {
        object_command::Command::Apply(given) => Command::Apply(Box::new(apply(given)?)),
        object_command::Command::Delete(DeleteObject { uid }) => {
            Command::Delete { uid, by: request.origin.to_string() }
        }
        object_command::Command::Ensure(EnsureObject { object, once }) => {
            from_service(request, "EnsureObject")?;
            Command::Ensure { object: value(&object)?, once }
        }
        object_command::Command::Empty(_) => {
            from_service(request, "EmptyNamespace")?;
            Command::Empty(world.left(&request.target.name))
        }
        object_command::Command::Finalize(given) => finalize(world, request, given)?,
        object_command::Command::Destroy(_) => {
            from_service(request, "DestroyKeys")?;
            Command::Destroyed
        }
    })
}

/// Nothing but a namespace waits for what its spec says.
fn finalize(world: &World, request: &Request, given: FinalizeNamespace) -> Result<Command, Denied> {
    let target = &request.target;
    if target.kind != NAMESPACE {
        return Err(denied(Refusal::Kind { kind: target.kind.clone() }));
    }
    let FinalizeNamespace { finalizers, resource_version: expected } = given;
    Ok(Command::Finalize { finalizers, expected, left: world.left(&target.name) })
}

fn apply(given: ApplyObject) -> Result<Apply, Denied> {
    let change = if given.replace_metadata { Change::Replace } else { Change::Merge };
    let values = if given.keep_values { Values::Kept } else { Values::New(given.sealed) };
    Ok(Apply {
        object: value(&given.object)?,
        expected: given.resource_version,
        change,
        values,
        status: given.status,
    })
}

fn value(json: &[u8]) -> Result<Value, Denied> {
    let unreadable = |error: serde_json::Error| {
        denied(Refusal::Invalid { why: format!("the object cannot be read: {error}") })
    };
    serde_json::from_slice(json).map_err(unreadable)
}

/// Refuses what only services tell.
fn from_service(request: &Request, command: &'static str) -> Result<(), Denied> {
    match request.origin {
        Origin::Service { .. } => Ok(()),
        Origin::User(_) | Origin::Timer { .. } | Origin::Agent(_) => {
            Err(denied(Refusal::NotForUsers { command }))
        }
    }
}

fn encoded(event: object_event::Event) -> (&'static str, Bytes) {
    let name = match &event {
        object_event::Event::Written(_) => "ObjectWritten",
        object_event::Event::DeletionRequested(_) => "ObjectDeletionRequested",
        object_event::Event::Deleted(_) => "ObjectDeleted",
    };
    (name, ObjectEvent { event: Some(event) }.encode_to_vec().into())
}
