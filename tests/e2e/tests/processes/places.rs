//! Services that kill themselves by SIGKILL at a named place, on a real server: in the middle of a
//! step, not somewhere in a second. The places are those of the tests in memory.
//! `FLEETLOG_E2E_ROUNDS` says how often; `cargo xtask soak` sets it.

use crate::{all_is_well, number, say};
use fleetlog_e2e_tests::{
    Fleetlog, History, Load, Member, Victim, Writing, commits, programs, until_well,
};
use fleetlog_kernel::{Position, Service, Timestamp};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{PlacementEvent, placement_event};
use fleetlog_messages::subject::AggregateId;
use fleetlog_test_support::crash::CrashPoint;
use prost::Message as _;
use serde_json::{Value, json};
use std::time::Duration;

/// One round of the places takes as long as so many of the random kills.
const ROUNDS: u64 = 10;
/// Where who dies, under load: some place of every kind of step, each service at some of them.
const PLACES: [(CrashPoint, Service); 18] = [
    (CrashPoint::BeforeAppend, Service::Registration),
    (CrashPoint::AfterAppendBeforeAnswer, Service::Work),
    (CrashPoint::BeforeBatch, Service::Work),
    (CrashPoint::AfterBatchBeforeAnswer, Service::Work),
    (CrashPoint::AfterAnswerBeforeProjection, Service::Placement),
    (CrashPoint::BeforeOutcome, Service::Addon),
    (CrashPoint::AfterOutcomeBeforeAnswer, Service::Registration),
    (CrashPoint::BeforeAcknowledgement, Service::Work),
    (CrashPoint::AfterAcknowledgement, Service::Placement),
    (CrashPoint::BeforeOutput, Service::Addon),
    (CrashPoint::AfterOutputBeforeAnswer, Service::Work),
    (CrashPoint::BetweenOutputs, Service::Work),
    (CrashPoint::BetweenOutputAndCheckpoint, Service::Work),
    (CrashPoint::AfterEffectBeforeCheckpoint, Service::Work),
    (CrashPoint::InSnapshot, Service::Registration),
    (CrashPoint::BeforeWaypointIndex, Service::Work),
    (CrashPoint::InColdStart, Service::Addon),
    (CrashPoint::InRecovery, Service::Placement),
];
/// Where placement dies around the timer of a toleration that ends.
const AROUND_A_TIMER: [CrashPoint; 3] =
    [CrashPoint::BeforeTimer, CrashPoint::AfterTimerBeforeAnswer, CrashPoint::TimerInHand];
/// How long that toleration holds.
const HOLDS: Duration = Duration::from_secs(2);
/// How a supervisor says that its program was ended by a signal.
const BY_A_SIGNAL: i32 = 70;

/// Waits until a service has killed itself at a place, and starts it again as it is shipped.
async fn dies_and_comes_back(whole: &mut Fleetlog, service: Service, place: CrashPoint) {
    let process = whole.process(&Victim::Service(service)).unwrap();
    until_well(&format!("{service} is killed at {place}"), async || {
        let ended = process.ended();
        anyhow::ensure!(ended.is_some(), "it was never there");
        Ok(())
    })
    .await
    .unwrap();
    let (code, said) = (process.ended().and_then(|status| status.code()), process.said());
    let killed = format!("killed at {place}");
    // Other threads may say something still.
    assert!(said.lines().rev().take(3).any(|line| line == killed), "{said}");
    assert_eq!(code, Some(BY_A_SIGNAL), "{said}");
    whole.serve(service, None, &[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_that_is_killed_at_a_named_place_loses_and_doubles_nothing() {
    let rounds = number("FLEETLOG_E2E_ROUNDS", ROUNDS).div_ceil(ROUNDS);
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let mut members = vec![];
    for (name, seed) in [("near", 1), ("far", 2)] {
        members.push(Member::simulated(name, seed).await.unwrap());
        whole.join(&members[members.len() - 1], None).await.unwrap();
    }
    let mut load = Load::start(&whole, &members, 11).await.unwrap();
    let mut history = History::of(&whole).await.unwrap();
    for nth in 1..=rounds {
        for (place, service) in PLACES {
            load.progress(1).await.unwrap();
            // A start gets to a place of its own once.
            let own = matches!(place, CrashPoint::InColdStart | CrashPoint::InRecovery);
            whole.serve_until(service, place, if own { 1 } else { nth }).unwrap();
            dies_and_comes_back(&mut whole, service, place).await;
            all_is_well(&whole, &members, &load, &mut history).await;
            say(&format!("places: {service} was killed at {place}, time {nth}"));
        }
    }
    let _pause = load.pause().await.unwrap();
    whole.verify().unwrap();
}

/// A cluster that nobody answers for, and a placement that tolerates that for a while.
fn tolerated(name: &str) -> [Value; 2] {
    let tolerations = json!([{ "operator": "Exists", "tolerationSeconds": HOLDS.as_secs() }]);
    let own = json!({ "requiredClusterSelector": { "labelSelector": { "matchLabels": {
        "for": name,
    } } } });
    [
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
            "metadata": { "name": name, "labels": { "for": name } },
            "spec": {
                "hubAcceptsClient": true,
                "taints": [{ "key": "example.com/drained", "effect": "NoSelect" }],
            },
        }),
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1beta1", "kind": "Placement",
            "metadata": { "name": name, "namespace": "late" },
            "spec": { "predicates": [own], "tolerations": tolerations },
        }),
    ]
}

/// The decisions about a placement that changed something: when, whom it chose and whom no more.
async fn decisions(whole: &Fleetlog, name: &str) -> Vec<(Timestamp, Vec<String>, Vec<String>)> {
    let own = AggregateId::namespaced(Service::Placement, "placement", "late", name);
    let mut found = vec![];
    for commit in commits_of(whole, &own).await {
        for event in &commit.events {
            let event = PlacementEvent::decode(event.clone()).unwrap().event;
            let Some(placement_event::Event::Decided(decided)) = event else { continue };
            let added: Vec<_> = decided.added.into_iter().map(|chosen| chosen.cluster).collect();
            if !added.is_empty() || !decided.removed.is_empty() {
                found.push((commit.header.time, added, decided.removed));
            }
        }
    }
    found
}

async fn commits_of(whole: &Fleetlog, aggregate: &AggregateId) -> Vec<Recorded> {
    let operator = whole.hub().operator().await.unwrap();
    commits(&operator, &aggregate.event(), Position::START).await.unwrap()
}

/// Waits until a placement has let its cluster go, and sees that it did so once and in time.
async fn is_let_go(whole: &Fleetlog, name: &str) {
    until_well(&format!("{name} is chosen no more"), async || {
        let decisions = decisions(whole, name).await;
        let let_go = decisions.last().is_some_and(|(_, _, removed)| !removed.is_empty());
        anyhow::ensure!(let_go, "{decisions:?}");
        Ok(())
    })
    .await
    .unwrap();
    let (own, none) = (vec![name.to_owned()], vec![]);
    let decisions = decisions(whole, name).await;
    let [chosen, let_go] = &decisions[..] else { panic!("{name}: {decisions:?}") };
    assert_eq!((&chosen.1, &chosen.2), (&own, &none));
    assert_eq!((&let_go.1, &let_go.2), (&none, &own));
    let cluster = AggregateId::global(Service::Registration, "cluster", name);
    let tainted = commits_of(whole, &cluster).await[0].header.time;
    // A taint's moment has whole seconds.
    let until = Timestamp::of_seconds(tainted.seconds()).plus(HOLDS);
    assert!(let_go.0 >= until, "{name} was let go at {:?}, before {until:?}", let_go.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadline_is_acted_on_once_by_a_service_that_is_killed_around_its_timer() {
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let writing = Writing::on(&whole);
    let binding = json!({
        "apiVersion": "cluster.open-cluster-management.io/v1beta2",
        "kind": "ManagedClusterSetBinding",
        "metadata": { "name": "default", "namespace": "late" }, "spec": { "clusterSet": "default" },
    });
    writing.apply(&binding).await.unwrap();
    for (number, place) in (1..).zip(AROUND_A_TIMER) {
        let name = format!("late-{number}");
        whole.serve_until(Service::Placement, place, 1).unwrap();
        let says = async {
            for document in tolerated(&name) {
                writing.apply(&document).await.unwrap();
            }
        };
        tokio::join!(says, dies_and_comes_back(&mut whole, Service::Placement, place));
        is_let_go(&whole, &name).await;
        // Else the next start would set its timer anew, and be there too early.
        whole.run(&["delete", "placement", &name, "-n", "late"]).unwrap().ok().unwrap();
        say(&format!("places: placement was killed at {place}"));
    }
    History::of(&whole).await.unwrap().audit().await.unwrap();
    whole.verify().unwrap();
}
