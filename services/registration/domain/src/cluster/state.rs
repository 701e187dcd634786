//! The fold of a cluster's events. Total: an event that cannot follow changes nothing.

use super::Cluster;
use crate::names;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Time;
use fleetlog_messages::registration::{ClusterFacts, ManagedCluster, Taint, cluster_event::Event};
use fleetlog_rules::condition::{self, Say};
use fleetlog_rules::{finalizers, metadata};

pub(super) fn evolve(cluster: Cluster, event: &Event) -> Cluster {
    let Cluster(mut state) = cluster;
    match event {
        Event::Specified(specified) => {
            let status = state.object.take().and_then(|o| o.status);
            state.object = specified.cluster.clone().map(|c| ManagedCluster { status, ..c });
            return Cluster(state);
        }
        Event::Deleted(_) => return Cluster::default(),
        _ => {}
    }
    let Some(object) = &mut state.object else { return Cluster(state) };
    match event {
        Event::Specified(_) | Event::Deleted(_) => {}
        Event::DeletionRequested(asked) => {
            let meta = object.metadata.get_or_insert_default();
            finalizers::terminate(meta, asked.at.as_ref());
        }
        Event::StatusWritten(written) => object.status.clone_from(&written.status),
        Event::Accepted(accepted) => {
            accept(object, true);
            say(object, names::ACCEPTED, accepted.at.as_ref());
            state.denied = false;
        }
        Event::Denied(denied) => {
            let was = accept(object, false);
            if was {
                say(object, names::DENIED, denied.at.as_ref());
            }
            state.denied = true;
            state.agent_key.clear();
        }
        Event::JoinRequested(asked) => state.agent_key.clone_from(&asked.public_key),
        Event::Joined(joined) => say(object, names::JOINED, joined.at.as_ref()),
        Event::StatusReported(reported) => {
            learn(object, reported.facts.as_ref().unwrap_or(&ClusterFacts::default()));
        }
        Event::BecameAvailable(available) => say(object, names::AVAILABLE, available.at.as_ref()),
        Event::LeaseExpired(expired) => say(object, names::UNKNOWN, expired.at.as_ref()),
        Event::TaintAdded(added) => {
            let taint = added.taint.clone().unwrap_or_default();
            retaint(object, |taints| taints.push(taint.clone()), &taint);
        }
        Event::TaintRemoved(removed) => {
            let taint = removed.taint.clone().unwrap_or_default();
            retaint(object, |_| {}, &taint);
        }
    }
    Cluster(state)
}

/// Sets `hubAcceptsClient`; answers what it was.
fn accept(object: &mut ManagedCluster, accepts: bool) -> bool {
    let spec = object.spec.get_or_insert_default();
    let was = spec.hub_accepts_client();
    spec.hub_accepts_client = Some(accepts);
    if was != accepts {
        metadata::next_generation(object.metadata.get_or_insert_default());
    }
    was
}

fn say(object: &mut ManagedCluster, say: Say<'_>, at: Option<&Time>) {
    let at = at.map_or(0, |t| t.seconds);
    let status = object.status.get_or_insert_default();
    condition::set(&mut status.conditions, say, Timestamp::of_seconds(at));
}

fn learn(object: &mut ManagedCluster, facts: &ClusterFacts) {
    let status = object.status.get_or_insert_default();
    status.version.clone_from(&facts.version);
    status.capacity.clone_from(&facts.capacity);
    status.allocatable.clone_from(&facts.allocatable);
    status.cluster_claims.clone_from(&facts.cluster_claims);
}

/// Takes away the taint of this key and effect, then does `more`; the generation moves when the
/// taints did.
fn retaint(object: &mut ManagedCluster, more: impl FnOnce(&mut Vec<Taint>), taint: &Taint) {
    let taints = &mut object.spec.get_or_insert_default().taints;
    let before = taints.clone();
    taints.retain(|t| (t.key(), t.effect()) != (taint.key(), taint.effect()));
    more(taints);
    if *taints != before {
        metadata::next_generation(object.metadata.get_or_insert_default());
    }
}
