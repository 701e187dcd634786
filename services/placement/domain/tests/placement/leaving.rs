//! Finalizers: what somebody wants gone stays until the last of them is taken away. A placement on
//! its way out keeps its decision, scores count on, a cluster is chosen no more.

use crate::story::{AT, Story, apply, key, number, specified};
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Timestamp, Uid};
use fleetlog_messages::common::Time;
use fleetlog_messages::placement::{
    AddOnPlacementScore, PlacementDeleted, PlacementDeletionRequested, PlacementSpec, ScoreDeleted,
    ScoreDeletionRequested, placement_event, score_event,
};
use fleetlog_messages::registration::{
    ClusterDeletionRequested, ClusterStatusWritten, ManagedClusterClaim, ManagedClusterStatus,
    cluster_event,
};
use fleetlog_placement_domain::held_scores::{ApplyScore, Held, ScoreCommand, ScoreKey};
use fleetlog_placement_domain::{Placement, PlacementCommand, Refusal};
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::metadata::Change;
use proptest::prelude::*;

const HOLD: &str = "example.com/hold";

fn now() -> Option<Time> {
    Some(Time { seconds: AT.seconds(), ..Time::default() })
}

/// The placement `p` with these finalizers and no others.
fn kept(finalizers: &[&str], spec: PlacementSpec) -> PlacementCommand {
    let mut apply = apply("p", spec);
    apply.change = Change::Replace;
    let meta = apply.object.metadata.get_or_insert_default();
    meta.finalizers = finalizers.iter().map(|&one| one.to_owned()).collect();
    PlacementCommand::Apply(Box::new(apply))
}

fn delete() -> PlacementCommand {
    PlacementCommand::Delete { target: key("p"), by: "ann".to_owned() }
}

fn late(finalizer: &str) -> Refusal {
    Refusal::Late(Late { finalizers: vec![finalizer.to_owned()] })
}

#[test]
fn a_placement_waits_for_its_finalizers() {
    use placement_event::Event;
    let born = given::<Placement>([]).at(AT).when(kept(&[HOLD], number(1))).events();
    let (by, at) = ("ann".to_owned(), now());
    let asked = Event::DeletionRequested(PlacementDeletionRequested { by: by.clone(), at });
    given::<Placement>(born.clone()).at(AT).when(delete()).then([asked.clone()]);
    let leaving = || [born.clone(), vec![asked.clone()]].concat();
    given::<Placement>(leaving()).at(AT).when(delete()).then_nothing();
    let state = given::<Placement>(leaving()).state();
    let meta = state.object().unwrap().metadata.as_ref().unwrap();
    assert_eq!((&meta.deletion_timestamp, meta.generation()), (&now(), 2));
    assert_eq!(meta.deletion_grace_period_seconds(), 0);
    given::<Placement>(leaving()).when(kept(&[HOLD, "x/y"], number(1))).then_refused(late("x/y"));
    assert_eq!(late("x/y").code(), "PLC0015");
    given::<Placement>(leaving()).at(AT).when(kept(&[HOLD], number(1))).then_nothing();
    let gone = Event::Deleted(PlacementDeleted { by });
    given::<Placement>(leaving()).at(AT).when(kept(&[], number(1))).then([gone.clone()]);
    assert_eq!(given::<Placement>([leaving(), vec![gone]].concat()).state(), Placement::default());
}

#[test]
fn a_placement_on_its_way_out_keeps_its_decision_until_it_is_gone() {
    let mut story = Story::of(&["c1"]);
    story.command(&key("p"), &kept(&[HOLD], PlacementSpec::default())).unwrap();
    story.settle();
    assert_eq!(story.decided("p"), ["c1"]);
    story.command(&key("p"), &delete()).unwrap();
    story.cluster("c2", specified("s", &[]));
    story.settle();
    assert_eq!(story.decided("p"), ["c1"], "nothing is chosen for it any more");
    story.command(&key("p"), &kept(&[HOLD], number(0))).unwrap();
    story.settle();
    assert_eq!((story.decided("p").len(), story.pages("p").len()), (1, 1));
    assert_eq!(story.world.deadline(&key("p"), story.now()), None);
    story.command(&key("p"), &kept(&[], number(0))).unwrap();
    assert!(story.pages("p").is_empty() && story.world.placement(&key("p")).is_none());
}

#[test]
fn scores_wait_for_their_finalizers() {
    use score_event::Event;
    let target = || ScoreKey { cluster: "c1".into(), name: "demo".into() };
    let apply = |finalizers: &[&str]| {
        let mut object = AddOnPlacementScore::default();
        let meta = object.metadata.get_or_insert_default();
        meta.finalizers = finalizers.iter().map(|&one| one.to_owned()).collect();
        let (uid, by) = (Uid::new("u"), "ann".to_owned());
        let (target, expected, change) = (target(), None, Change::Replace);
        ScoreCommand::Apply(Box::new(ApplyScore { object, target, expected, change, uid, by }))
    };
    let delete = || ScoreCommand::Delete { target: target(), by: "ann".into() };
    let by = || "ann".to_owned();
    let born = given::<Held>([]).at(AT).when(apply(&[HOLD])).events();
    let asked = Event::DeletionRequested(ScoreDeletionRequested { by: by(), at: now() });
    given::<Held>(born.clone()).at(AT).when(delete()).then([asked.clone()]);
    let leaving = || [born.clone(), vec![asked.clone()]].concat();
    given::<Held>(leaving()).when(delete()).then_nothing();
    given::<Held>(leaving()).when(apply(&["x/y"])).then_refused(late("x/y"));
    let gone = Event::Deleted(ScoreDeleted { by: by() });
    given::<Held>(leaving()).when(apply(&[])).then([gone]);
}

fn wanted_gone() -> cluster_event::Event {
    let (by, at) = ("ann".to_owned(), Some(Time { seconds: 1, ..Time::default() }));
    cluster_event::Event::DeletionRequested(ClusterDeletionRequested { by, at })
}

#[test]
fn a_cluster_on_its_way_out_is_chosen_no_more_and_others_take_its_place() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    story.cluster("c1", wanted_gone());
    story.settle();
    assert_eq!(story.decided("p"), ["c2", "c3"]);
    assert!(story.cluster("c1", wanted_gone()).is_empty(), "once is enough");
    // What it is said to be afterwards keeps the mark, as registration keeps it.
    let object = story.world.fleet().clusters()["c1"].object();
    let meta = object.metadata.unwrap();
    assert_eq!(meta.deletion_timestamp.map(|at| at.seconds), Some(1));
    story.leave("c1");
    story.settle();
    assert_eq!(story.decided("p"), ["c2", "c3"]);
}

#[test]
fn a_status_that_an_agent_of_others_writes_counts_like_a_report() {
    let mut story = Story::of(&["c1", "c2"]);
    let claim = ManagedClusterClaim { name: Some("zone".into()), value: Some("a".into()) };
    let status = ManagedClusterStatus { cluster_claims: vec![claim], ..Default::default() };
    let written = ClusterStatusWritten { status: Some(status) };
    story.cluster("c2", cluster_event::Event::StatusWritten(written));
    let by_claim = crate::story::predicate(&[], &[("zone", "a")]);
    let spec = PlacementSpec { predicates: vec![by_claim], ..PlacementSpec::default() };
    assert_eq!(story.place("p", spec), ["c2"]);
}

proptest! {
    #[test]
    fn whatever_happens_a_marked_placement_is_kept_and_an_unkept_one_goes(
        steps in prop::collection::vec(
            (prop::sample::subsequence(vec![HOLD, "x/y"], 0..=2), any::<bool>()), 0..30)
    ) {
        let mut placement = Placement::default();
        for (finalizers, deletes) in steps {
            let was = placement.is_leaving();
            let command = if deletes { delete() } else { kept(&finalizers, number(1)) };
            let decided = fleetlog_kernel::Decider::decide(&placement, &command, AT);
            for event in decided.unwrap_or_default() {
                placement = fleetlog_kernel::Decider::evolve(placement, &event);
            }
            let there = placement.object().and_then(|object| object.metadata.clone());
            if let Some(meta) = there.filter(|_| placement.is_leaving()) {
                prop_assert!(!meta.finalizers.is_empty());
            }
            prop_assert!(placement.is_leaving() || !was || placement.object().is_none());
        }
    }
}

/// The moment that a mark is as of is the hub's.
#[test]
fn a_mark_has_whole_seconds() {
    let born = given::<Placement>([]).at(AT).when(kept(&[HOLD], number(1))).events();
    let at = Timestamp::of_nanos(1_700_000_000_900_000_000);
    let asked = given::<Placement>(born.clone()).at(at).when(delete()).events();
    let state = given::<Placement>([born, asked].concat()).state();
    let meta = state.object().unwrap().metadata.clone().unwrap();
    assert_eq!(meta.deletion_timestamp, now());
}
