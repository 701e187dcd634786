//! Requests as the domain's commands, and its decisions as commits. What a decision needs of other
//! aggregates is attached here, from the projection.

use crate::decode::{SET_EVENT, WORK_EVENT};
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Origin, Request};
use fleetlog_kernel::{Decider, Service, Uid};
use fleetlog_messages::work::{
    ApplyReplicaSet, ApplyWork, DeliverWork, ReplicaSetCommand, ReplicaSetEvent, ReportWork,
    WorkCommand as WorkMessage, WorkEvent, replica_set_command, replica_set_event, work_command,
    work_event,
};
use fleetlog_work_domain::command::{
    Apply, Deliver, Member, OfSet, OfWork, Owner, Planned, SetCommand, WorkCommand,
};
use fleetlog_work_domain::metadata::Metadata;
use fleetlog_work_domain::name::{SetKey, Target, WorkKey};
use fleetlog_work_domain::{Fleet, Refusal};
use prost::Message;

/// Decides a request on what the fleet is now.
///
/// # Errors
/// A refusal, or that the payload cannot be read.
pub(crate) fn decide(fleet: &Fleet, request: &Request) -> Result<Vec<Decided>, Denied> {
    if let Some(key) = WorkKey::of(&request.target) {
        return of_work(fleet, request, key);
    }
    if let Some(key) = SetKey::of(&request.target) {
        return of_set(fleet, request, key);
    }
    Err(Denied::Unreadable(format!("work keeps nothing like \"{}\"", request.target)))
}

/// A refusal as the chassis passes it on.
pub(crate) fn denied(refusal: &Refusal) -> Denied {
    Denied::Refused(refusal.into())
}

pub(crate) fn read<M: Message + Default>(request: &Request) -> Result<M, Denied> {
    M::decode(request.payload.clone())
        .map_err(|error| Denied::Unreadable(format!("the payload cannot be read: {error}")))
}

fn empty() -> Denied {
    Denied::Unreadable("the command is empty or of a later version".to_owned())
}

fn of_work(fleet: &Fleet, request: &Request, key: WorkKey) -> Result<Vec<Decided>, Denied> {
    let command = match &request.origin {
        Origin::Agent(_) => WorkCommand::Report(Box::new(report(request)?)),
        Origin::User(_) | Origin::Service { .. } | Origin::Timer { .. } => {
            let message = read::<WorkMessage>(request)?.command.ok_or_else(empty)?;
            work_command(fleet, request, &key, message)?
        }
    };
    let known = fleet.has_cluster(&key.cluster);
    let cluster = if known { Member::Known } else { Member::Unknown };
    let asked = OfWork { cluster, uid: uid(request), command, key };
    let unborn = fleetlog_work_domain::Work::default();
    let work = fleet.works().get(&asked.key).unwrap_or(&unborn);
    let events = work.decide(&asked, request.at).map_err(|refusal| denied(&refusal))?;
    let encoded = |event: work_event::Event| {
        let name = match &event {
            work_event::Event::Specified(_) => "WorkSpecified",
            work_event::Event::StatusReported(_) => "WorkStatusReported",
            work_event::Event::DeletionRequested(_) => "WorkDeletionRequested",
            work_event::Event::Deleted(_) => "WorkDeleted",
        };
        (name, WorkEvent { event: Some(event) }.encode_to_vec().into())
    };
    Ok(decided(request, WORK_EVENT, events.into_iter().map(encoded).collect()))
}

fn report(request: &Request) -> Result<ReportWork, Denied> {
    let report = read::<ReportWork>(request)?;
    if report == ReportWork::default() {
        return Err(Denied::Unreadable("it reports nothing".to_owned()));
    }
    Ok(report)
}

fn work_command(
    fleet: &Fleet,
    request: &Request,
    key: &WorkKey,
    message: work_command::Command,
) -> Result<WorkCommand, Denied> {
    let by = request.origin.to_string();
    Ok(match message {
        work_command::Command::Apply(ApplyWork {
            work,
            bundle,
            resource_version,
            replace_metadata,
        }) => WorkCommand::Apply(Box::new(Apply {
            object: work.ok_or_else(|| denied(&Refusal::Incomplete { missing: "work" }))?,
            bundle,
            resource_version,
            metadata: metadata(replace_metadata),
        })),
        work_command::Command::Delete(_) => match request.origin {
            Origin::User(_) | Origin::Service { from: Service::Core, .. } => {
                WorkCommand::Delete { by }
            }
            Origin::Service { .. } | Origin::Timer { .. } | Origin::Agent(_) => {
                WorkCommand::Abandon { by }
            }
        },
        work_command::Command::Deliver(message) => {
            from_owner(request, &message.add_on, "DeliverWork")?;
            WorkCommand::Deliver(Box::new(deliver(fleet, key, message)?))
        }
        work_command::Command::Withdraw(message) => {
            from_owner(request, &message.add_on, "WithdrawWork")?;
            WorkCommand::Withdraw(owner(message.replica_set, message.add_on))
        }
        work_command::Command::Report(_) => {
            return Err(denied(&Refusal::NotForUsers { command: "ReportWork" }));
        }
        work_command::Command::WriteStatus(write) => WorkCommand::WriteStatus(Box::new(write)),
    })
}

fn deliver(fleet: &Fleet, key: &WorkKey, message: DeliverWork) -> Result<Deliver, Denied> {
    let set = SetKey::parse(&message.replica_set);
    let planned = set.and_then(|set| fleet.planned(&set, &message.placement, key));
    // The add-on service tells of the works of one add-on in the order of its events.
    let planned = planned.is_some() || !message.add_on.is_empty();
    Ok(Deliver {
        work: message.work.ok_or_else(|| denied(&Refusal::Incomplete { missing: "work" }))?,
        bundle: message.bundle,
        owner: owner(message.replica_set, message.add_on),
        placement: message.placement,
        decision: message.decision,
        planned: if planned { Planned::Still } else { Planned::NoMore },
    })
}

fn of_set(fleet: &Fleet, request: &Request, key: SetKey) -> Result<Vec<Decided>, Denied> {
    if matches!(request.origin, Origin::Agent(_)) {
        return Err(Denied::Unreadable("agents do not speak of replica sets".to_owned()));
    }
    let message = read::<ReplicaSetCommand>(request)?.command.ok_or_else(empty)?;
    let unborn = fleetlog_work_domain::ReplicaSet::default();
    let set = fleet.sets().get(&key).unwrap_or(&unborn);
    let command = match message {
        replica_set_command::Command::Apply(ApplyReplicaSet {
            replica_set,
            bundle,
            resource_version,
            replace_metadata,
        }) => SetCommand::Apply(Box::new(Apply {
            object: replica_set
                .ok_or_else(|| denied(&Refusal::Incomplete { missing: "replica_set" }))?,
            bundle,
            resource_version,
            metadata: metadata(replace_metadata),
        })),
        replica_set_command::Command::Delete(_) => {
            let (by, works) = (request.origin.to_string(), fleet.works_made_by(&key).count());
            SetCommand::Delete { by, works }
        }
        replica_set_command::Command::PlanFanOut(message) => {
            from_work(request, "PlanFanOut")?;
            let lost = message.lost.iter().map(Target::from).collect();
            SetCommand::Plan { chosen: fleet.chosen(&key, set), lost }
        }
        replica_set_command::Command::Summarize(_) => {
            from_work(request, "Summarize")?;
            SetCommand::Summarize(fleet.tally(&key, set))
        }
    };
    let asked = OfSet { key, uid: uid(request), command };
    let events = set.decide(&asked, request.at).map_err(|refusal| denied(&refusal))?;
    let encoded = |event: replica_set_event::Event| {
        let name = match &event {
            replica_set_event::Event::Specified(_) => "ReplicaSetSpecified",
            replica_set_event::Event::FanOutPlanned(_) => "FanOutPlanned",
            replica_set_event::Event::Summarized(_) => "ReplicaSetSummarized",
            replica_set_event::Event::DeletionRequested(_) => "ReplicaSetDeletionRequested",
            replica_set_event::Event::Deleted(_) => "ReplicaSetDeleted",
        };
        (name, ReplicaSetEvent { event: Some(event) }.encode_to_vec().into())
    };
    Ok(decided(request, SET_EVENT, events.into_iter().map(encoded).collect()))
}

fn owner(replica_set: String, add_on: String) -> Owner {
    if add_on.is_empty() { Owner::ReplicaSet(replica_set) } else { Owner::AddOn(add_on) }
}

/// Refuses what only work tells itself, and for an add-on what only the add-on service tells.
fn from_owner(request: &Request, add_on: &str, command: &'static str) -> Result<(), Denied> {
    match request.origin {
        Origin::Service { from: Service::Addon, .. } if !add_on.is_empty() => Ok(()),
        Origin::Service { from: Service::Work, .. } if add_on.is_empty() => Ok(()),
        _ => Err(denied(&Refusal::NotForUsers { command })),
    }
}

/// Refuses what only work tells itself, now or by a timer.
fn from_work(request: &Request, command: &'static str) -> Result<(), Denied> {
    match request.origin {
        Origin::Service { from: Service::Work, .. } | Origin::Timer { .. } => Ok(()),
        _ => Err(denied(&Refusal::NotForUsers { command })),
    }
}

fn decided(
    request: &Request,
    schema: &'static str,
    events: Vec<(&'static str, Bytes)>,
) -> Vec<Decided> {
    if events.is_empty() {
        return vec![];
    }
    vec![Decided { aggregate: request.target.clone(), schema, events }]
}

fn uid(request: &Request) -> Uid {
    Uid::derived(&request.id, request.target.event().as_str())
}

const fn metadata(replace: bool) -> Metadata {
    if replace { Metadata::Replace } else { Metadata::Add }
}
