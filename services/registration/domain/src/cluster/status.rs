//! What is said of a cluster's availability, by its beats or by an agent of others that writes the
//! status, and the taints that follow from it (spec registration-placement 4, 10).

use super::decide::{accepted, check_claims, exists, unreachable};
use super::{Cluster, spec};
use crate::names::{self, kind};
use crate::object;
use crate::refusal::Refusal;
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::common::{Condition, ObjectMeta};
use fleetlog_messages::registration::{
    ClusterBecameAvailable, ClusterJoined, ClusterStatusWritten, ManagedClusterStatus, Taint,
    TaintAdded, TaintRemoved, cluster_event::Event,
};
use fleetlog_rules::condition::{self, Status};
use fleetlog_rules::time;

/// An agent of others writes the status: what it says anew are the facts that an own agent brings.
pub(super) fn write(
    cluster: &Cluster,
    given: &ManagedClusterStatus,
    expected: Option<Position>,
    at: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    exists(cluster)?;
    object::stands(cluster.name(), expected, cluster.position())?;
    accepted(cluster)?;
    check_claims(&given.cluster_claims)?;
    let before = cluster.object().and_then(|o| o.status.clone()).unwrap_or_default();
    let after = with_the_hubs(given.clone(), &before.conditions);
    if after == before {
        return Ok(vec![]);
    }
    let says = |conditions: &[Condition], kind| condition::is(conditions, kind, Status::True);
    let new = |kind| !says(&before.conditions, kind) && says(&after.conditions, kind);
    let now = Some(time(at));
    let joined = new(kind::JOINED).then(|| Event::Joined(ClusterJoined { at: now.clone() }));
    let available = new(kind::AVAILABLE)
        .then(|| Event::BecameAvailable(ClusterBecameAvailable { at: now.clone() }));
    let taints = retainted(cluster, availability(&after.conditions), at);
    let written = Event::StatusWritten(ClusterStatusWritten { status: Some(after) });
    Ok(joined.into_iter().chain(available).chain([written]).chain(taints).collect())
}

/// The status as it is given, but for what the hub says itself: whether it takes the cluster in,
/// and that the agent has joined, which is never taken back.
fn with_the_hubs(mut given: ManagedClusterStatus, before: &[Condition]) -> ManagedClusterStatus {
    let conditions = &mut given.conditions;
    let joined = condition::is(conditions, kind::JOINED, Status::True);
    let stays = |own: &&Condition| match own.r#type() {
        kind::ACCEPTED => true,
        kind::JOINED => own.status() == Status::True.as_str() && !joined,
        _ => false,
    };
    for own in before.iter().filter(stays) {
        match conditions.iter_mut().find(|said| said.r#type() == own.r#type()) {
            Some(said) => said.clone_from(own),
            None => conditions.push(own.clone()),
        }
    }
    given
}

/// What the conditions say of availability; nothing is not known.
pub(super) fn availability(conditions: &[Condition]) -> Status {
    let is = |status| condition::is(conditions, kind::AVAILABLE, status);
    [Status::True, Status::False].into_iter().find(|s| is(*s)).unwrap_or(Status::Unknown)
}

/// Whether the hub taints a cluster of this metadata; an annotation leaves that to others.
pub(super) fn taints(meta: Option<&ObjectMeta>) -> bool {
    meta.and_then(|meta| meta.annotations.get(names::TAINTS)).is_none_or(|given| given != "false")
}

/// How the hub's taints become those of a cluster of this availability. One on its way out keeps
/// what it has, and one whose taints are others' to say.
pub(super) fn retainted(cluster: &Cluster, available: Status, at: Timestamp) -> Vec<Event> {
    let meta = cluster.object().and_then(|object| object.metadata.as_ref());
    if cluster.is_leaving() || !taints(meta) {
        return vec![];
    }
    let wanted = match available {
        Status::True => None,
        Status::False => Some(names::UNAVAILABLE),
        Status::Unknown => Some(names::UNREACHABLE),
    };
    let own = || cluster.taints().iter().filter(|taint| spec::by_the_hub(taint));
    let is_there = own().any(|taint| Some(taint.key()) == wanted);
    let over = own().filter(|taint| Some(taint.key()) != wanted);
    let removed =
        over.map(|taint| Event::TaintRemoved(TaintRemoved { taint: Some(taint.clone()) }));
    let added = wanted.filter(|_| !is_there).map(|key| {
        let TaintAdded { taint } = unreachable(at);
        let taint = taint.map(|taint| Taint { key: Some(key.to_owned()), ..taint });
        Event::TaintAdded(TaintAdded { taint })
    });
    removed.chain(added).collect()
}
