//! What the tests of this folder share: objects, commands and histories, one line per fact.
#![allow(dead_code, reason = "each test file uses its part")]

use fleetlog_kernel::{Position, Timestamp, Uid};
use fleetlog_messages::common::{ObjectMeta, Time};
use fleetlog_messages::registration::{
    ClusterAccepted, ClusterBecameAvailable, ClusterDeleted, ClusterDeletionRequested,
    ClusterDenied, ClusterFacts, ClusterJoinRequested, ClusterJoined, ClusterSpecified,
    ClusterStatusReported, LeaseExpired, ManagedCluster, ManagedClusterClaim, ManagedClusterSpec,
    ManagedClusterVersion, Taint, TaintAdded, TaintRemoved, cluster_event::Event,
};
use fleetlog_registration_domain::command::{Apply, ClusterCommand, Target};
use fleetlog_registration_domain::names;
use fleetlog_rules::metadata::Change;
use std::collections::BTreeMap;

pub const NOW: Timestamp = Timestamp::of_seconds(1_700_000_000);
pub const LATER: Timestamp = Timestamp::of_seconds(1_700_000_060);

pub fn at(time: Timestamp) -> Option<Time> {
    Some(Time { seconds: time.seconds(), ..Time::default() })
}

pub fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub fn meta(name: &str, pairs: &[(&str, &str)]) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), labels: labels(pairs), ..ObjectMeta::default() }
}

/// The metadata that the hub gives a cluster-scoped object at `NOW`.
pub fn born(name: &str, pairs: &[(&str, &str)]) -> ObjectMeta {
    ObjectMeta {
        uid: Some("uid".into()),
        generation: Some(1),
        creation_timestamp: at(NOW),
        ..meta(name, pairs)
    }
}

pub fn apply_as<T>(name: &str, object: T) -> Box<Apply<T>> {
    Box::new(Apply {
        object,
        target: Target { namespace: None, name: name.into() },
        expected: None,
        change: Change::Merge,
        uid: Uid::new("uid"),
        by: "alice".into(),
    })
}

/// A user's cluster as written, with a spec.
pub fn written(spec: ManagedClusterSpec) -> ManagedCluster {
    ManagedCluster {
        metadata: Some(meta("c1", &[])),
        spec: Some(spec),
        ..ManagedCluster::default()
    }
}

pub fn apply(object: ManagedCluster) -> ClusterCommand {
    ClusterCommand::Apply(apply_as("c1", object))
}

pub fn apply_at(object: ManagedCluster, expected: Position) -> ClusterCommand {
    let apply = Apply { expected: Some(expected), ..*apply_as("c1", object) };
    ClusterCommand::Apply(Box::new(apply))
}

pub fn taint(key: &str, effect: &str, added: Option<Time>) -> Taint {
    Taint {
        key: Some(key.into()),
        effect: Some(effect.into()),
        time_added: added,
        ..Taint::default()
    }
}

pub fn unreachable() -> Taint {
    taint(names::UNREACHABLE, "NoSelect", at(NOW))
}

pub fn spec(taints: Vec<Taint>) -> ManagedClusterSpec {
    ManagedClusterSpec {
        hub_accepts_client: Some(false),
        lease_duration_seconds: Some(60),
        taints,
        ..ManagedClusterSpec::default()
    }
}

/// The birth of `c1` in set `default`, with more labels.
pub fn specified(pairs: &[(&str, &str)]) -> Event {
    let mut all = vec![(names::SET_LABEL, names::DEFAULT_SET)];
    all.extend(pairs);
    Event::Specified(ClusterSpecified {
        cluster: Some(ManagedCluster {
            metadata: Some(born("c1", &all)),
            spec: Some(spec(vec![])),
            ..ManagedCluster::default()
        }),
    })
}

pub fn tainted() -> Event {
    Event::TaintAdded(TaintAdded { taint: Some(unreachable()) })
}

pub fn untainted() -> Event {
    Event::TaintRemoved(TaintRemoved { taint: Some(unreachable()) })
}

pub fn asked(key: &str) -> Event {
    Event::JoinRequested(ClusterJoinRequested { public_key: key.into(), at: at(NOW) })
}

pub fn accepted() -> Event {
    Event::Accepted(ClusterAccepted { by: "alice".into(), at: at(NOW) })
}

pub fn denied() -> Event {
    Event::Denied(ClusterDenied { by: "alice".into(), at: at(NOW) })
}

pub fn joined() -> Event {
    Event::Joined(ClusterJoined { at: at(NOW) })
}

pub fn available() -> Event {
    Event::BecameAvailable(ClusterBecameAvailable { at: at(NOW) })
}

pub fn expired() -> Event {
    Event::LeaseExpired(LeaseExpired { at: at(NOW) })
}

pub fn deleted() -> Event {
    Event::Deleted(ClusterDeleted { by: "alice".into() })
}

/// Somebody wants the cluster gone.
pub fn wanted_gone() -> Event {
    Event::DeletionRequested(ClusterDeletionRequested { by: "alice".into(), at: at(NOW) })
}

/// The same object, kept by these finalizers.
pub fn kept_by<T: fleetlog_messages::ApiObject>(mut object: T, finalizers: &[&str]) -> T {
    object.metadata_mut().finalizers = finalizers.iter().map(|&one| one.to_owned()).collect();
    object
}

pub fn reported(facts: ClusterFacts) -> Event {
    Event::StatusReported(ClusterStatusReported { facts: Some(facts) })
}

pub fn facts(claims: &[(&str, &str)]) -> ClusterFacts {
    let claim = |(name, value): &(&str, &str)| ManagedClusterClaim {
        name: Some((*name).into()),
        value: Some((*value).into()),
    };
    ClusterFacts {
        version: Some(ManagedClusterVersion { kubernetes: Some("v1.34.0".into()) }),
        capacity: labels(&[("cpu", "4")]),
        allocatable: labels(&[("cpu", "3")]),
        cluster_claims: claims.iter().map(claim).collect(),
    }
}

/// A cluster that asked, in order.
pub fn pending() -> Vec<Event> {
    vec![specified(&[]), tainted(), asked("UKEY")]
}

/// A cluster that was accepted.
pub fn taken() -> Vec<Event> {
    [pending(), vec![accepted()]].concat()
}

/// A cluster that beats.
pub fn beating() -> Vec<Event> {
    [taken(), vec![joined(), available(), untainted()]].concat()
}
