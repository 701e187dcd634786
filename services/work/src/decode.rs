//! Commits as work heeds them: its own, and what registration and placement decided.

use fleetlog_chassis::Unreadable;
use fleetlog_kernel::Service;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::PlacementEvent;
use fleetlog_messages::registration::{ClusterEvent, cluster_event};
use fleetlog_messages::work::{ReplicaSetEvent, WorkEvent};
use fleetlog_work_domain::Change;
use fleetlog_work_domain::name::{PlacementKey, REPLICA_SET, SetKey, WORK, WorkKey};
use fleetlog_work_domain::projection::Presence;
use prost::Message;

/// The message type of a work's events.
pub(crate) const WORK_EVENT: &str = "fleetlog.work.v1.WorkEvent";
/// The message type of a replica set's events.
pub(crate) const SET_EVENT: &str = "fleetlog.work.v1.ReplicaSetEvent";
const CLUSTER_EVENT: &str = "fleetlog.registration.v1.ClusterEvent";
const PLACEMENT_EVENT: &str = "fleetlog.placement.v1.PlacementEvent";

/// A commit as a change of what work knows; `None` for those it does not heed.
///
/// # Errors
/// A commit that must be understood and cannot be.
pub(crate) fn change(commit: &Recorded) -> Result<Option<Change>, Unreadable> {
    let id = &commit.aggregate;
    let nameless = || Unreadable::of(commit, "its aggregate has no namespace");
    Ok(Some(match (id.service, id.kind.as_str()) {
        (Service::Work, WORK) => {
            let key = WorkKey::of(id).ok_or_else(nameless)?;
            Change::Work(key, events(commit, WORK_EVENT, |m: WorkEvent| m.event)?)
        }
        (Service::Work, REPLICA_SET) => {
            let key = SetKey::of(id).ok_or_else(nameless)?;
            Change::Set(key, events(commit, SET_EVENT, |m: ReplicaSetEvent| m.event)?)
        }
        (Service::Work, kind) => {
            return Err(Unreadable::of(commit, format!("work has no kind \"{kind}\"")));
        }
        (Service::Placement, "placement") => {
            let namespace = id.scope.as_deref().ok_or_else(nameless)?;
            let key = PlacementKey::new(namespace, &id.name);
            Change::Placement(key, events(commit, PLACEMENT_EVENT, |m: PlacementEvent| m.event)?)
        }
        (Service::Registration, "cluster") => {
            let events = events(commit, CLUSTER_EVENT, |m: ClusterEvent| m.event)?;
            let presence: Vec<Presence> = events.iter().filter_map(presence).collect();
            if presence.is_empty() {
                return Ok(None);
            }
            Change::Cluster(id.name.clone(), presence)
        }
        (Service::Placement | Service::Registration | Service::Addon | Service::Core, _) => {
            return Ok(None);
        }
    }))
}

fn presence(event: &cluster_event::Event) -> Option<Presence> {
    match event {
        cluster_event::Event::Specified(_) => Some(Presence::Here),
        cluster_event::Event::Deleted(_) => Some(Presence::Gone),
        _ => None,
    }
}

fn events<M: Message + Default, E>(
    commit: &Recorded,
    schema: &str,
    event: impl Fn(M) -> Option<E>,
) -> Result<Vec<E>, Unreadable> {
    if commit.header.schema != schema {
        let reason = format!("its schema is \"{}\", not \"{schema}\"", commit.header.schema);
        return Err(Unreadable::of(commit, reason));
    }
    let types = commit.header.types.iter().map(String::as_str).chain(std::iter::repeat("?"));
    let read = |(bytes, name): (&bytes::Bytes, &str)| {
        let message = M::decode(bytes.clone())
            .map_err(|error| Unreadable::of(commit, format!("\"{name}\" of {schema}: {error}")))?;
        event(message).ok_or_else(|| {
            Unreadable::of(commit, format!("\"{name}\" of {schema} is of a later version"))
        })
    };
    commit.events.iter().zip(types).map(read).collect()
}
