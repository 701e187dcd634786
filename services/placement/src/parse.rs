//! What comes from the bus, read: commits as changes of the world, requests as commands. What is
//! decided lies in the domain.

use crate::machine::{PLACEMENT, SCHEMA};
use bytes::Bytes;
use fleetlog_chassis::{Denied, Origin, Request};
use fleetlog_kernel::{Position, Service, Uid};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{
    ApplyPlacement, PlacementCommand as Wire, PlacementEvent, placement_command::Command,
};
use fleetlog_messages::registration::{BindingEvent, ClusterEvent, ClusterSetEvent};
use fleetlog_messages::subject::AggregateId;
use fleetlog_placement_domain::command::Apply;
use fleetlog_placement_domain::{Change, PlacementCommand, PlacementKey, Refusal};
use fleetlog_rules::metadata::Change as Metadata;
use prost::Message;

const CLUSTER: (&str, &str) = ("cluster", "fleetlog.registration.v1.ClusterEvent");
const SET: (&str, &str) = ("clusterset", "fleetlog.registration.v1.ClusterSetEvent");
const BINDING: (&str, &str) = ("binding", "fleetlog.registration.v1.BindingEvent");

/// A request, read.
pub(crate) enum Asked {
    /// A command that carries all it needs.
    Command(PlacementCommand),
    /// To schedule: the world is looked at when it is decided.
    Schedule,
}

/// A commit as changes of the world; none for what placement does not look at.
pub(crate) fn changes(commit: &Recorded) -> Result<Vec<Change>, String> {
    let AggregateId { service, kind, scope, name } = &commit.aggregate;
    let known = match (service, kind.as_str()) {
        (Service::Registration, kind) if kind == CLUSTER.0 => CLUSTER.1,
        (Service::Registration, kind) if kind == SET.0 => SET.1,
        (Service::Registration, kind) if kind == BINDING.0 => BINDING.1,
        (Service::Placement, PLACEMENT) => SCHEMA,
        (Service::Placement, kind) => return Err(format!("placement has no kind \"{kind}\"")),
        _ => return Ok(vec![]),
    };
    let given = commit.header.schema.as_str();
    if given != known {
        return Err(format!("its events are \"{given}\", this release reads \"{known}\""));
    }
    let key = || scope.clone().map(|scope| (scope, name.clone()));
    let lost = || format!("a {kind} without a namespace");
    let change = |bytes: &Bytes| {
        Ok(match known {
            SCHEMA => {
                let (namespace, name) = key().ok_or_else(lost)?;
                let event = event::<PlacementEvent, _>(bytes, known, |read| read.event)?;
                Change::Placement(PlacementKey { namespace, name }, event)
            }
            _ if known == CLUSTER.1 => {
                let event = event::<ClusterEvent, _>(bytes, known, |read| read.event)?;
                Change::Cluster(name.clone(), event)
            }
            _ if known == SET.1 => {
                let event = event::<ClusterSetEvent, _>(bytes, known, |read| read.event)?;
                Change::Set(name.clone(), event)
            }
            _ => {
                let event = event::<BindingEvent, _>(bytes, known, |read| read.event)?;
                Change::Binding(key().ok_or_else(lost)?, event)
            }
        })
    };
    commit.events.iter().map(change).collect()
}

fn event<M: Message + Default, E>(
    bytes: &Bytes,
    schema: &str,
    event: impl Fn(M) -> Option<E>,
) -> Result<E, String> {
    let read = M::decode(bytes.clone());
    let read = read.map_err(|error| format!("an event of \"{schema}\" is damaged: {error}"))?;
    event(read).ok_or_else(|| format!("an event of \"{schema}\" is of a later release"))
}

/// A request on a placement.
pub(crate) fn request(request: &Request, target: &PlacementKey) -> Result<Asked, Denied> {
    let read = Wire::decode(request.payload.clone());
    let read = read.map_err(|error| Denied::Unreadable(error.to_string()))?;
    match read.command.ok_or_else(empty)? {
        Command::Apply(apply) => {
            Ok(Asked::Command(PlacementCommand::Apply(Box::new(applied(request, target, apply)?))))
        }
        Command::Delete(_) => {
            let (target, by) = (target.clone(), request.origin.to_string());
            Ok(Asked::Command(PlacementCommand::Delete { target, by }))
        }
        Command::Schedule(_) => match request.origin {
            Origin::Service { from: Service::Placement, .. } => Ok(Asked::Schedule),
            _ => {
                let actor = request.origin.to_string();
                Err(Denied::Refused(Refusal::NotTold { actor }.into()))
            }
        },
    }
}

fn applied(
    request: &Request,
    target: &PlacementKey,
    given: ApplyPlacement,
) -> Result<Apply, Denied> {
    let expected = match given.resource_version.as_str() {
        "" => None,
        text => Some(Position::of_resource_version(text).ok_or_else(|| {
            Denied::Refused(Refusal::ResourceVersion { given: text.to_owned() }.into())
        })?),
    };
    Ok(Apply {
        object: given.placement.ok_or_else(empty)?,
        target: target.clone(),
        expected,
        change: if given.replace_metadata { Metadata::Replace } else { Metadata::Merge },
        uid: Uid::derived(&request.id, request.target.event().as_str()),
    })
}

fn empty() -> Denied {
    Denied::Unreadable("it is empty, or of a later release".to_owned())
}
