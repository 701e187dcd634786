//! The events of clusters, sets and bindings as sentences.

use super::{count, creates, name, who};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::registration::{
    ClusterEvent, ClusterFacts, ClusterSetEvent, Taint, cluster_event, cluster_set_event,
};
use fleetlog_messages::registration_v2::{BindingEvent, binding_event};
use prost::Message as _;

pub(super) fn cluster(commit: &Recorded, event: &[u8]) -> Option<String> {
    use cluster_event::Event;
    let name = name(commit);
    Some(match ClusterEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let meta = specified.cluster.as_ref().and_then(|c| c.metadata.as_ref());
            format!("{} {} cluster {name}", who(commit), creates(commit, meta))
        }
        Event::Accepted(accepted) => format!("cluster {name} is accepted by {}", accepted.by),
        Event::Denied(denied) => format!("cluster {name} is denied by {}", denied.by),
        Event::JoinRequested(asked) => {
            let key: String = asked.public_key.chars().take(8).collect();
            format!("an agent with key {key}... asks to join as cluster {name}")
        }
        Event::Joined(_) => format!("cluster {name} has joined"),
        Event::StatusReported(reported) => {
            format!("cluster {name} reports {}", facts(&reported.facts.unwrap_or_default()))
        }
        Event::BecameAvailable(_) => format!("cluster {name} is available"),
        Event::LeaseExpired(_) => format!("cluster {name} is silent: its lease ran out"),
        Event::TaintAdded(added) => {
            format!("cluster {name} gets the taint {}", taint(&added.taint.unwrap_or_default()))
        }
        Event::TaintRemoved(removed) => {
            format!("cluster {name} loses the taint {}", taint(&removed.taint.unwrap_or_default()))
        }
        Event::StatusWritten(written) => {
            let status = written.status.unwrap_or_default();
            let facts = ClusterFacts {
                version: status.version,
                capacity: status.capacity,
                allocatable: status.allocatable,
                cluster_claims: status.cluster_claims,
            };
            format!("{} writes the status of cluster {name}: {}", who(commit), self::facts(&facts))
        }
        Event::DeletionRequested(asked) => format!("{} wants cluster {name} gone", asked.by),
        Event::Deleted(deleted) => {
            format!("cluster {name} leaves the fleet, removed by {}", deleted.by)
        }
    })
}

pub(super) fn set(commit: &Recorded, event: &[u8]) -> Option<String> {
    use cluster_set_event::Event;
    let name = name(commit);
    Some(match ClusterSetEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let meta = specified.set.as_ref().and_then(|set| set.metadata.as_ref());
            format!("{} {} cluster set {name}", who(commit), creates(commit, meta))
        }
        Event::DeletionRequested(asked) => format!("{} wants cluster set {name} gone", asked.by),
        Event::Deleted(deleted) => format!("{} removes cluster set {name}", deleted.by),
        Event::Counted(counted) => {
            let clusters = usize::try_from(counted.clusters).unwrap_or(usize::MAX);
            format!("cluster set {name} has {}", count(clusters, "cluster"))
        }
    })
}

pub(super) fn binding(commit: &Recorded, event: &[u8]) -> Option<String> {
    use binding_event::Event;
    let set = &commit.aggregate.name;
    let namespace = commit.aggregate.scope.as_deref().unwrap_or_default();
    let actor = who(commit);
    Some(match BindingEvent::decode(event).ok()?.event? {
        Event::Specified(_) => format!("{actor} binds cluster set {set} to namespace {namespace}"),
        Event::DeletionRequested(asked) => {
            format!("{} wants cluster set {set} unbound from namespace {namespace}", asked.by)
        }
        Event::Deleted(deleted) => {
            format!("{} unbinds cluster set {set} from namespace {namespace}", deleted.by)
        }
        Event::Bound(_) => format!("cluster set {set} is bound to namespace {namespace}"),
        Event::Unbound(_) => format!("cluster set {set}, bound to {namespace}, does not exist"),
    })
}

fn facts(facts: &ClusterFacts) -> String {
    let version = facts.version.as_ref().map(|version| version.kubernetes().to_owned());
    let mut words: Vec<String> = version.map(|v| format!("Kubernetes {v}")).into_iter().collect();
    let capacity = facts.capacity.iter().map(|(name, amount)| format!("{name} {amount}"));
    words.extend(capacity.take(3));
    if !facts.cluster_claims.is_empty() {
        words.push(count(facts.cluster_claims.len(), "claim"));
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn taint(taint: &Taint) -> String {
    match taint.value() {
        "" => format!("{}:{}", taint.key(), taint.effect()),
        value => format!("{}={value}:{}", taint.key(), taint.effect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tell;
    use super::super::tests::commit;
    use super::*;
    use fleetlog_kernel::Service::Registration;
    use fleetlog_messages::registration::{
        BindingDeleted, BindingSpecified, ClusterAccepted, ClusterBecameAvailable, ClusterDeleted,
        ClusterDeletionRequested, ClusterDenied, ClusterJoinRequested, ClusterJoined,
        ClusterSetCounted, ClusterSetDeleted, ClusterSetDeletionRequested, ClusterSetSpecified,
        ClusterSpecified, ClusterStatusReported, ClusterStatusWritten, LeaseExpired,
        ManagedClusterClaim, ManagedClusterVersion, TaintAdded, TaintRemoved,
    };
    use fleetlog_messages::registration_v2::{
        BindingBound, BindingDeletionRequested, BindingUnbound,
    };
    use fleetlog_messages::subject::AggregateId;

    #[test]
    fn every_event_of_a_cluster_is_a_sentence() {
        use cluster_event::Event;
        let facts = ClusterFacts {
            version: Some(ManagedClusterVersion { kubernetes: Some("v1.36.0".into()) }),
            capacity: [("cpu".to_owned(), "8".to_owned())].into(),
            cluster_claims: vec![ManagedClusterClaim::default()],
            ..ClusterFacts::default()
        };
        let taint = || {
            let (key, effect) = (Some("gpu".to_owned()), Some("NoSelect".to_owned()));
            Some(Taint { key, effect, ..Taint::default() })
        };
        let by = || "admin".to_owned();
        let cases = [
            (Event::Specified(ClusterSpecified::default()), "admin creates cluster c1"),
            (
                Event::Accepted(ClusterAccepted { by: by(), at: None }),
                "cluster c1 is accepted by admin",
            ),
            (Event::Denied(ClusterDenied { by: by(), at: None }), "cluster c1 is denied by admin"),
            (
                Event::JoinRequested(ClusterJoinRequested {
                    public_key: "UABCDEFGHIJ".into(),
                    at: None,
                }),
                "an agent with key UABCDEFG... asks to join as cluster c1",
            ),
            (Event::Joined(ClusterJoined::default()), "cluster c1 has joined"),
            (
                Event::StatusReported(ClusterStatusReported { facts: Some(facts) }),
                "cluster c1 reports Kubernetes v1.36.0, cpu 8, 1 claim",
            ),
            (Event::BecameAvailable(ClusterBecameAvailable::default()), "cluster c1 is available"),
            (
                Event::LeaseExpired(LeaseExpired::default()),
                "cluster c1 is silent: its lease ran out",
            ),
            (
                Event::TaintAdded(TaintAdded { taint: taint() }),
                "cluster c1 gets the taint gpu:NoSelect",
            ),
            (
                Event::TaintRemoved(TaintRemoved { taint: taint() }),
                "cluster c1 loses the taint gpu:NoSelect",
            ),
            (
                Event::StatusWritten(ClusterStatusWritten::default()),
                "admin writes the status of cluster c1: nothing",
            ),
            (
                Event::DeletionRequested(ClusterDeletionRequested { by: by(), at: None }),
                "admin wants cluster c1 gone",
            ),
            (
                Event::Deleted(ClusterDeleted { by: by() }),
                "cluster c1 leaves the fleet, removed by admin",
            ),
        ];
        for (event, says) in cases {
            let id = AggregateId::global(Registration, "cluster", "c1");
            let event = ClusterEvent { event: Some(event) };
            assert_eq!(tell(&commit(id, "ClusterEvent", "X", &event))[0].says, says);
        }
    }

    #[test]
    fn every_event_of_a_set_is_a_sentence() {
        use cluster_set_event::Event;
        let cases = [
            (Event::Specified(ClusterSetSpecified::default()), "admin creates cluster set s"),
            (
                Event::DeletionRequested(ClusterSetDeletionRequested {
                    by: "ann".into(),
                    at: None,
                }),
                "ann wants cluster set s gone",
            ),
            (Event::Deleted(ClusterSetDeleted { by: "ann".into() }), "ann removes cluster set s"),
            (
                Event::Counted(ClusterSetCounted { clusters: 3, at: None }),
                "cluster set s has 3 clusters",
            ),
        ];
        for (event, says) in cases {
            let id = AggregateId::global(Registration, "clusterset", "s");
            let event = ClusterSetEvent { event: Some(event) };
            assert_eq!(tell(&commit(id, "ClusterSetEvent", "X", &event))[0].says, says);
        }
    }

    #[test]
    fn every_event_of_a_binding_is_a_sentence() {
        use binding_event::Event;
        let cases = [
            (
                Event::Specified(BindingSpecified::default()),
                "admin binds cluster set s to namespace t",
            ),
            (
                Event::Deleted(BindingDeleted { by: "ann".into() }),
                "ann unbinds cluster set s from namespace t",
            ),
            (
                Event::DeletionRequested(BindingDeletionRequested { by: "ann".into(), at: None }),
                "ann wants cluster set s unbound from namespace t",
            ),
            (Event::Bound(BindingBound::default()), "cluster set s is bound to namespace t"),
            (
                Event::Unbound(BindingUnbound::default()),
                "cluster set s, bound to t, does not exist",
            ),
        ];
        for (event, says) in cases {
            let id = AggregateId::namespaced(Registration, "binding", "t", "s");
            let mut binding = commit(id, "", "X", &BindingEvent { event: Some(event) });
            binding.header.schema = "fleetlog.registration.v2.BindingEvent".to_owned();
            assert_eq!(tell(&binding)[0].says, says);
        }
    }
}
