//! What comes from the bus, read: commits as changes of the world, requests as commands. What is
//! decided lies in the domain.

use crate::machine::{DECISION_SCHEMA, PLACEMENT, PLACEMENT_DECISION, SCHEMA, SCORE, SCORE_SCHEMA};
use bytes::Bytes;
use fleetlog_chassis::{Denied, Origin, Request};
use fleetlog_kernel::{Position, Service, Uid};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{
    ApplyPlacement, ApplyScore as WireScore, DecisionCommand as WireDecisionCommand, DecisionEvent,
    PlacementCommand as Wire, PlacementEvent, ScoreCommand as WireScoreCommand, ScoreEvent,
    decision_command, placement_command::Command, score_command,
};
use fleetlog_messages::registration::{ClusterEvent, ClusterSetEvent};
use fleetlog_messages::registration_v2::BindingEvent;
use fleetlog_messages::subject::AggregateId;
use fleetlog_placement_domain::command::Apply;
use fleetlog_placement_domain::held_scores::{ApplyScore, ScoreCommand, ScoreKey};
use fleetlog_placement_domain::others::{ApplyDecision, DecisionCommand, Part};
use fleetlog_placement_domain::{Change, PlacementCommand, PlacementKey, Refusal};
use fleetlog_rules::metadata::Change as Metadata;
use prost::Message;

const CLUSTER: (&str, &str) = ("cluster", "fleetlog.registration.v1.ClusterEvent");
const SET: (&str, &str) = ("clusterset", "fleetlog.registration.v1.ClusterSetEvent");
const BINDING: (&str, &str) = ("binding", "fleetlog.registration.v2.BindingEvent");

/// A request, read.
pub(crate) enum Asked {
    /// A command that carries all it needs.
    Command(PlacementCommand),
    /// To schedule: the world is looked at when it is decided.
    Schedule,
    /// To look although nothing has happened: time alone has passed.
    Wake,
    /// To choose afresh.
    Rebalance,
}

/// A commit as changes of the world; none for what placement does not look at.
pub(crate) fn changes(commit: &Recorded) -> Result<Vec<Change>, String> {
    let AggregateId { service, kind, scope, name } = &commit.aggregate;
    let known = match (service, kind.as_str()) {
        (Service::Registration, kind) if kind == CLUSTER.0 => CLUSTER.1,
        (Service::Registration, kind) if kind == SET.0 => SET.1,
        (Service::Registration, kind) if kind == BINDING.0 => BINDING.1,
        (Service::Placement, PLACEMENT) => SCHEMA,
        (Service::Placement, SCORE) => SCORE_SCHEMA,
        (Service::Placement, PLACEMENT_DECISION) => DECISION_SCHEMA,
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
            DECISION_SCHEMA => {
                let (namespace, name) = key().ok_or_else(lost)?;
                let event = event::<DecisionEvent, _>(bytes, known, |read| read.event)?;
                Change::Decision(PlacementKey { namespace, name }, event)
            }
            SCORE_SCHEMA => {
                let (cluster, name) = key().ok_or_else(lost)?;
                let event = event::<ScoreEvent, _>(bytes, known, |read| read.event)?;
                Change::Score(ScoreKey { cluster, name }, event)
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
        Command::Rebalance(_) => Ok(Asked::Rebalance),
        Command::Schedule(_) => match request.origin {
            Origin::Service { from: Service::Placement, .. } => Ok(Asked::Schedule),
            Origin::Timer { .. } => Ok(Asked::Wake),
            _ => {
                let actor = request.origin.to_string();
                Err(Denied::Refused(Refusal::NotTold { actor }.into()))
            }
        },
    }
}

/// A request on scores.
pub(crate) fn score_request(request: &Request, target: &ScoreKey) -> Result<ScoreCommand, Denied> {
    let read = WireScoreCommand::decode(request.payload.clone());
    let read = read.map_err(|error| Denied::Unreadable(error.to_string()))?;
    Ok(match read.command.ok_or_else(empty)? {
        score_command::Command::Apply(given) => {
            let WireScore { score, resource_version, replace_metadata } = given;
            ScoreCommand::Apply(Box::new(ApplyScore {
                object: score.ok_or_else(empty)?,
                target: target.clone(),
                expected: expected(&resource_version)?,
                change: change(replace_metadata),
                uid: uid(request),
                by: request.origin.to_string(),
            }))
        }
        score_command::Command::Delete(_) => {
            ScoreCommand::Delete { target: target.clone(), by: request.origin.to_string() }
        }
    })
}

/// A request on a page.
pub(crate) fn decision_request(
    request: &Request,
    target: &PlacementKey,
) -> Result<DecisionCommand, Denied> {
    let read = WireDecisionCommand::decode(request.payload.clone());
    let read = read.map_err(|error| Denied::Unreadable(error.to_string()))?;
    Ok(match read.command.ok_or_else(empty)? {
        decision_command::Command::Apply(given) => {
            DecisionCommand::Apply(Box::new(ApplyDecision {
                object: given.decision.ok_or_else(empty)?,
                part: if given.status { Part::Status } else { Part::Object },
                target: target.clone(),
                expected: expected(&given.resource_version)?,
                change: change(given.replace_metadata),
                uid: uid(request),
                by: request.origin.to_string(),
            }))
        }
        decision_command::Command::Delete(_) => {
            DecisionCommand::Delete { target: target.clone(), by: request.origin.to_string() }
        }
    })
}

/// The uid of what a request makes.
pub(crate) fn uid(request: &Request) -> Uid {
    Uid::derived(&request.id, request.target.event().as_str())
}

fn applied(
    request: &Request,
    target: &PlacementKey,
    given: ApplyPlacement,
) -> Result<Apply, Denied> {
    Ok(Apply {
        object: given.placement.ok_or_else(empty)?,
        target: target.clone(),
        expected: expected(&given.resource_version)?,
        change: change(given.replace_metadata),
        uid: uid(request),
        by: request.origin.to_string(),
    })
}

fn expected(given: &str) -> Result<Option<Position>, Denied> {
    if given.is_empty() {
        return Ok(None);
    }
    let wrong = || Denied::Refused(Refusal::ResourceVersion { given: given.to_owned() }.into());
    Position::of_resource_version(given).map(Some).ok_or_else(wrong)
}

const fn change(replace: bool) -> Metadata {
    if replace { Metadata::Replace } else { Metadata::Merge }
}

fn empty() -> Denied {
    Denied::Unreadable("it is empty, or of a later release".to_owned())
}
