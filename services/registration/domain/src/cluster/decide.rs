//! One function per command on a cluster, refusals first.

use super::{Cluster, spec, status};
use crate::command::Apply;
use crate::names::{self, kind};
use crate::object;
use crate::refusal::Refusal;
use fleetlog_kernel::{Timestamp, Uid, dns_label};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::registration::{
    ClusterAccepted, ClusterBecameAvailable, ClusterDeleted, ClusterDeletionRequested,
    ClusterDenied, ClusterFacts, ClusterJoinRequested, ClusterJoined, ClusterSpecified,
    ClusterStatusReported, LeaseExpired, ManagedCluster, ManagedClusterClaim, Taint, TaintAdded,
    cluster_event::Event,
};
use fleetlog_rules::condition::{self, Status};
use fleetlog_rules::metadata::{self, Birth};
use fleetlog_rules::{labels, taint, time};
use std::collections::BTreeMap;

type Decision = Result<Vec<Event>, Refusal>;

/// What an agent that asks to join wishes.
pub(super) struct Wish<'a> {
    pub name: &'a str,
    pub public_key: &'a str,
    pub labels: &'a BTreeMap<String, String>,
    pub uid: &'a Uid,
}

pub(super) fn apply(cluster: &Cluster, apply: &Apply<ManagedCluster>, at: Timestamp) -> Decision {
    dns_label(&apply.target.name).map_err(Refusal::Name)?;
    let given = apply.object.metadata.clone().unwrap_or_default();
    object::check(apply, &given, cluster.position())?;
    let current = cluster.object();
    let wanted = spec::after(apply.object.spec.as_ref(), current, at)?;
    let meta = object::after(apply, &given, current.and_then(|c| c.metadata.as_ref()), at);
    if object::goes(current.and_then(|c| c.metadata.as_ref()), &meta)? {
        return Ok(vec![Event::Deleted(ClusterDeleted { by: apply.by.clone() })]);
    }
    let opinion = apply.object.spec.as_ref().and_then(|s| s.hub_accepts_client);
    let accept = accept_or_deny(cluster, opinion, at)?;
    let mut after = ManagedCluster {
        metadata: Some(with_set(meta)),
        spec: Some(wanted),
        status: current.and_then(|c| c.status.clone()),
        empties: apply.object.empties.clone(),
    };
    let Some(current) = current else {
        let tainted = status::taints(after.metadata.as_ref());
        let out_of_reach = tainted.then(|| Event::TaintAdded(unreachable(at)));
        let born = Event::Specified(ClusterSpecified { cluster: Some(after) });
        return Ok([born].into_iter().chain(out_of_reach).chain(accept).collect());
    };
    if after.spec != current.spec {
        metadata::next_generation(after.metadata.get_or_insert_default());
    }
    let changed = (after != *current).then(|| {
        after.status = None;
        Event::Specified(ClusterSpecified { cluster: Some(after) })
    });
    Ok(changed.into_iter().chain(accept).collect())
}

/// A user's `hubAcceptsClient` is an accept, or the taking back of one; absent, it is nothing.
fn accept_or_deny(
    cluster: &Cluster,
    opinion: Option<bool>,
    at: Timestamp,
) -> Result<Option<Event>, Refusal> {
    let by = String::from("spec.hubAcceptsClient");
    let at = Some(time(at));
    Ok(match (opinion, cluster.accepted()) {
        (Some(true), false) => {
            stays(cluster)?;
            Some(Event::Accepted(ClusterAccepted { by, at }))
        }
        (Some(false), true) => Some(Event::Denied(ClusterDenied { by, at })),
        _ => None,
    })
}

/// Every cluster is in one exclusive set: `default` when it names none.
fn with_set(mut meta: ObjectMeta) -> ObjectMeta {
    let set = meta.labels.entry(names::SET_LABEL.to_owned()).or_default();
    if set.is_empty() {
        names::DEFAULT_SET.clone_into(set);
    }
    meta
}

pub(super) fn unreachable(at: Timestamp) -> TaintAdded {
    let taint = Taint {
        key: Some(names::UNREACHABLE.to_owned()),
        effect: Some(taint::NO_SELECT.to_owned()),
        time_added: Some(time(at)),
        ..Taint::default()
    };
    TaintAdded { taint: Some(taint) }
}

pub(super) fn accept(cluster: &Cluster, by: &str, at: Timestamp) -> Decision {
    exists(cluster)?;
    if cluster.accepted() && !cluster.0.denied {
        return Ok(vec![]);
    }
    stays(cluster)?;
    Ok(vec![Event::Accepted(ClusterAccepted { by: by.to_owned(), at: Some(time(at)) })])
}

pub(super) fn deny(cluster: &Cluster, by: &str, at: Timestamp) -> Decision {
    exists(cluster)?;
    if cluster.0.denied {
        return Ok(vec![]);
    }
    Ok(vec![Event::Denied(ClusterDenied { by: by.to_owned(), at: Some(time(at)) })])
}

pub(super) fn delete(cluster: &Cluster, by: &str, at: Timestamp) -> Decision {
    exists(cluster)?;
    let meta = cluster.object().and_then(|c| c.metadata.as_ref());
    let gone = Event::Deleted(ClusterDeleted { by: by.to_owned() });
    let (by, at) = (by.to_owned(), Some(time(at)));
    let asked = Event::DeletionRequested(ClusterDeletionRequested { by, at });
    Ok(object::deletion(meta, gone, asked))
}

pub(super) fn request_join(cluster: &Cluster, wish: &Wish<'_>, at: Timestamp) -> Decision {
    dns_label(wish.name).map_err(Refusal::Name)?;
    let name = || wish.name.to_owned();
    if cluster.0.denied {
        return Err(Refusal::Denied { name: name() });
    }
    if !cluster.0.agent_key.is_empty() && cluster.0.agent_key != wish.public_key {
        return Err(Refusal::KeyHeld { name: name() });
    }
    if cluster.0.agent_key == wish.public_key {
        return Ok(vec![]);
    }
    let key = wish.public_key.to_owned();
    let asked = Event::JoinRequested(ClusterJoinRequested { public_key: key, at: Some(time(at)) });
    if cluster.object().is_some() {
        return Ok(vec![asked]);
    }
    labels::check(wish.labels).map_err(Refusal::Label)?;
    let given = ObjectMeta { labels: wish.labels.clone(), ..ObjectMeta::default() };
    let birth = Birth { namespace: None, name: name(), uid: wish.uid.clone(), at };
    let born = ManagedCluster {
        metadata: Some(with_set(metadata::born(&given, &birth))),
        spec: Some(spec::after(None, None, at)?),
        ..ManagedCluster::default()
    };
    let born = Event::Specified(ClusterSpecified { cluster: Some(born) });
    Ok(vec![born, Event::TaintAdded(unreachable(at)), asked])
}

pub(super) fn report(cluster: &Cluster, facts: &ClusterFacts, at: Timestamp) -> Decision {
    exists(cluster)?;
    accepted(cluster)?;
    let mut facts = facts.clone();
    facts.cluster_claims.sort_by(|a, b| a.name().cmp(b.name()));
    check_claims(&facts.cluster_claims)?;
    let known = cluster.object().and_then(|o| o.status.as_ref()).is_some_and(|status| {
        status.version == facts.version
            && status.capacity == facts.capacity
            && status.allocatable == facts.allocatable
            && status.cluster_claims == facts.cluster_claims
    });
    let reported = Event::StatusReported(ClusterStatusReported { facts: Some(facts) });
    Ok(joined(cluster, at).into_iter().chain((!known).then_some(reported)).collect())
}

pub(super) fn check_claims(claims: &[ManagedClusterClaim]) -> Result<(), Refusal> {
    for claim in claims {
        let wrong = |rule| Refusal::Claim { name: claim.name().to_owned(), rule };
        if !(1..=253).contains(&claim.name().len()) {
            return Err(wrong("its name has 1 to 253 characters"));
        }
        if !(1..=1024).contains(&claim.value().len()) {
            return Err(wrong("its value has 1 to 1024 characters"));
        }
    }
    Ok(())
}

/// A beat makes a cluster available, unless its agent says that it is not.
pub(super) fn note_beat(cluster: &Cluster, at: Timestamp) -> Decision {
    exists(cluster)?;
    accepted(cluster)?;
    let mut events: Vec<Event> = joined(cluster, at).into_iter().collect();
    let after = match status::availability(cluster.conditions()) {
        Status::Unknown => {
            events.push(Event::BecameAvailable(ClusterBecameAvailable { at: Some(time(at)) }));
            Status::True
        }
        said => said,
    };
    events.extend(status::retainted(cluster, after, at));
    Ok(events)
}

pub(super) fn note_lease_expiry(cluster: &Cluster, at: Timestamp) -> Decision {
    exists(cluster)?;
    let mut events = Vec::new();
    if !condition::is(cluster.conditions(), kind::AVAILABLE, Status::Unknown) {
        events.push(Event::LeaseExpired(LeaseExpired { at: Some(time(at)) }));
    }
    events.extend(status::retainted(cluster, Status::Unknown, at));
    Ok(events)
}

/// The first word of an accepted agent is its joining.
fn joined(cluster: &Cluster, at: Timestamp) -> Option<Event> {
    let before = condition::is(cluster.conditions(), kind::JOINED, Status::True);
    (!before).then(|| Event::Joined(ClusterJoined { at: Some(time(at)) }))
}

/// Nothing that is on its way out is taken in.
fn stays(cluster: &Cluster) -> Result<(), Refusal> {
    match cluster.is_leaving() {
        true => Err(Refusal::Leaving { name: cluster.name().to_owned() }),
        false => Ok(()),
    }
}

pub(super) fn exists(cluster: &Cluster) -> Result<(), Refusal> {
    match cluster.object() {
        Some(_) => Ok(()),
        None => Err(Refusal::NotFound { kind: "ManagedCluster", name: String::new() }),
    }
}

pub(super) fn accepted(cluster: &Cluster) -> Result<(), Refusal> {
    let name = || cluster.name().to_owned();
    if cluster.0.denied {
        return Err(Refusal::Denied { name: name() });
    }
    if cluster.accepted() { Ok(()) } else { Err(Refusal::NotAccepted { name: name() }) }
}
