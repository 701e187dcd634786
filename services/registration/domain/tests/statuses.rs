//! A status that an agent of others writes: what it may say, and what follows for taints and
//! leases.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::*;
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Decider, Position, Projection as _, Reaction as _};
use fleetlog_messages::common::Condition;
use fleetlog_messages::registration::{
    ClusterStatusWritten, ManagedClusterClaim, ManagedClusterStatus, TaintAdded, TaintRemoved,
    cluster_event::Event,
};
use fleetlog_registration_domain::command::ClusterCommand;
use fleetlog_registration_domain::names::{self, kind};
use fleetlog_registration_domain::reaction::{Follow, Follows};
use fleetlog_registration_domain::{Change, Cluster, Fleet, Refusal};
use fleetlog_rules::condition::{self, Status, find};
use std::time::Duration;

fn says(kind: &str, status: &str, reason: &str) -> Condition {
    Condition {
        r#type: Some(kind.into()),
        status: Some(status.into()),
        reason: Some(reason.into()),
        message: Some("as the agent puts it".into()),
        last_transition_time: at(NOW),
        ..Condition::default()
    }
}

/// What the hub says of a cluster that it took in.
fn own() -> Condition {
    let cluster = given::<Cluster>(taken()).state();
    find(cluster.conditions(), kind::ACCEPTED).unwrap().clone()
}

fn status(conditions: Vec<Condition>) -> ManagedClusterStatus {
    ManagedClusterStatus {
        conditions,
        capacity: labels(&[("cpu", "4")]),
        ..ManagedClusterStatus::default()
    }
}

fn write(status: ManagedClusterStatus) -> ClusterCommand {
    ClusterCommand::WriteStatus { status: Box::new(status), expected: None }
}

fn written(status: ManagedClusterStatus) -> Event {
    Event::StatusWritten(ClusterStatusWritten { status: Some(status) })
}

fn well() -> ManagedClusterStatus {
    let joined = says(kind::JOINED, "True", "ManagedClusterJoined");
    status(vec![own(), joined, says(kind::AVAILABLE, "True", "ManagedClusterAvailable")])
}

fn unwell() -> ManagedClusterStatus {
    let mut status = well();
    status.conditions[2] = says(kind::AVAILABLE, "False", "ManagedClusterKubeAPIServerUnavailable");
    status
}

fn unavailable() -> fleetlog_messages::registration::Taint {
    taint(names::UNAVAILABLE, "NoSelect", at(NOW))
}

/// A cluster whose agent writes its status.
fn outside() -> Vec<Event> {
    [taken(), vec![joined(), available(), written(well()), untainted()]].concat()
}

#[test]
fn a_first_status_joins_makes_available_and_takes_the_taint_away() {
    given::<Cluster>(taken()).at(NOW).when(write(well())).then([
        joined(),
        available(),
        written(well()),
        untainted(),
    ]);
    let cluster = given::<Cluster>(outside()).state();
    assert_eq!(cluster.object().unwrap().status.as_ref(), Some(&well()), "word for word");
    assert!(cluster.available() && cluster.taints().is_empty());
}

#[test]
fn the_same_status_again_is_no_event() {
    given::<Cluster>(outside()).at(LATER).when(write(well())).then_nothing();
}

#[test]
fn an_unwell_cluster_is_tainted_as_unavailable_until_it_is_well() {
    let taint = || Some(unavailable());
    given::<Cluster>(outside())
        .at(NOW)
        .when(write(unwell()))
        .then([written(unwell()), Event::TaintAdded(TaintAdded { taint: taint() })]);
    let ill = || {
        let tainted = Event::TaintAdded(TaintAdded { taint: taint() });
        [outside(), vec![written(unwell()), tainted]].concat()
    };
    given::<Cluster>(ill()).at(LATER).when(ClusterCommand::NoteBeat).then_nothing();
    given::<Cluster>(ill()).at(NOW).when(ClusterCommand::NoteLeaseExpiry).then([
        expired(),
        Event::TaintRemoved(TaintRemoved { taint: taint() }),
        tainted(),
    ]);
    given::<Cluster>(ill()).at(NOW).when(write(well())).then([
        available(),
        written(well()),
        Event::TaintRemoved(TaintRemoved { taint: taint() }),
    ]);
}

#[test]
fn what_the_hub_says_itself_stays_and_the_joining_is_not_taken_back() {
    let other = says(kind::ACCEPTED, "False", "Me");
    let events = given::<Cluster>(outside()).at(NOW).when(write(status(vec![other]))).events();
    let cluster = given::<Cluster>([outside(), events].concat()).state();
    assert_eq!(find(cluster.conditions(), kind::ACCEPTED), Some(&own()));
    assert!(condition::is(cluster.conditions(), kind::JOINED, Status::True));
    assert_eq!(find(cluster.conditions(), kind::AVAILABLE), None);
    let taints: Vec<&str> = cluster.taints().iter().map(|taint| taint.key()).collect();
    assert_eq!(taints, [names::UNREACHABLE], "nobody knows how it is");
}

#[test]
fn who_is_not_taken_in_and_who_read_another_version_is_refused() {
    let absent = Refusal::NotFound { kind: "ManagedCluster", name: String::new() };
    given::<Cluster>([]).when(write(well())).then_refused(absent);
    let refused = Refusal::NotAccepted { name: "c1".into() };
    given::<Cluster>(pending()).when(write(well())).then_refused(refused);
    let refused = Refusal::Denied { name: "c1".into() };
    given::<Cluster>([taken(), vec![denied()]].concat()).when(write(well())).then_refused(refused);
    let late =
        ClusterCommand::WriteStatus { status: Box::new(well()), expected: Some(Position(9)) };
    let refused = Refusal::Conflict {
        name: "c1".into(),
        expected: Position(9).resource_version(0),
        actual: Position(0).resource_version(0),
    };
    given::<Cluster>(taken()).when(late).then_refused(refused);
    let mut odd = well();
    odd.cluster_claims = vec![ManagedClusterClaim::default()];
    let rule = "its name has 1 to 253 characters";
    let refused = Refusal::Claim { name: String::new(), rule };
    given::<Cluster>(taken()).when(write(odd)).then_refused(refused);
}

#[test]
fn reports_and_beats_of_an_own_agent_work_beside_it() {
    let report = ClusterCommand::Report(facts(&[]));
    let events = given::<Cluster>(outside()).at(LATER).when(report).events();
    assert_eq!(events, [reported(facts(&[]))]);
    let cluster = given::<Cluster>([outside(), events].concat()).state();
    assert_eq!(cluster.conditions(), well().conditions, "facts are no conditions");
    let silent = [outside(), vec![expired(), tainted()]].concat();
    given::<Cluster>(silent)
        .at(NOW)
        .when(ClusterCommand::NoteBeat)
        .then([available(), untainted()]);
}

#[test]
fn who_says_of_itself_that_it_is_there_has_a_whole_grace_from_then_on() {
    let mut fleet = Fleet::default();
    let mut position = 0;
    let mut commit = |events: Vec<Event>| {
        position += 1;
        let changes: Vec<Change> =
            events.into_iter().map(|event| Change::Cluster("c1".into(), event)).collect();
        changes.iter().for_each(|change| fleet.apply(change, Position(position)));
        Follows(&fleet).react(&changes)
    };
    let lease = || vec![Follow::Lease { cluster: "c1".into(), lasts: Duration::from_secs(300) }];
    assert_eq!(commit(taken()), lease());
    assert_eq!(commit(vec![joined(), available(), written(well()), untainted()]), lease());
    let mut more = well();
    more.capacity = labels(&[("cpu", "8")]);
    assert_eq!(commit(vec![written(more)]), [], "no more than facts");
    assert_eq!(commit(vec![expired(), tainted()]), []);
    assert_eq!(commit(vec![available(), written(well()), untainted()]), lease());
}

#[test]
fn a_cluster_whose_taints_are_left_to_others_has_none_by_the_hub() {
    let mut object = common::written(common::spec(vec![]));
    let meta = object.metadata.get_or_insert_default();
    meta.annotations = labels(&[(names::TAINTS, "false")]);
    let mut cluster = Cluster::default();
    let silent = ClusterCommand::NoteLeaseExpiry;
    let accept = ClusterCommand::Accept { by: "alice".into() };
    for command in [apply(object), accept, ClusterCommand::NoteBeat, silent] {
        let events = cluster.decide(&command, NOW).unwrap();
        cluster = events.iter().fold(cluster, Decider::evolve);
        assert_eq!(cluster.taints(), [], "{command:?}");
    }
    assert!(condition::is(cluster.conditions(), kind::AVAILABLE, Status::Unknown));
}
