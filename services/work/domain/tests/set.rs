//! Given, when, then: every command on a ManifestWorkReplicaSet and each of its refusals.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::*;
use fleetlog_kernel::dns_subdomain;
use fleetlog_kernel::spec::given;
use fleetlog_messages::work::{FanOutPlanned, ManifestWorkReplicaSet, ReplicaSetSpecified};
use fleetlog_work_domain::command::{Chosen, OfSet, SetCommand};
use fleetlog_work_domain::conditions::{find, new};
use fleetlog_work_domain::fanout::CHUNK;
use fleetlog_work_domain::name::{MAX_LABEL, SetKey, Target};
use fleetlog_work_domain::summary::{Counts, Tally, Wanted};
use fleetlog_work_domain::{Refusal, ReplicaSet};
use std::collections::{BTreeMap, BTreeSet};

fn planning(chosen: BTreeMap<String, Chosen>) -> OfSet {
    of_set(SetCommand::Plan { chosen, lost: BTreeSet::new() })
}

fn deleting(works: usize) -> OfSet {
    of_set(SetCommand::Delete { by: "alice".into(), works })
}

fn verified(
    holds: bool,
    reason: &str,
    message: &str,
    moved: i64,
) -> fleetlog_messages::common::Condition {
    let condition = new("PlacementVerified", holds, reason, message.into(), 1);
    fleetlog_messages::common::Condition { last_transition_time: Some(time(moved)), ..condition }
}

fn plan_of(events: &[SetEvent]) -> &FanOutPlanned {
    match events {
        [SetEvent::FanOutPlanned(plan)] => plan,
        other => panic!("no plan: {other:?}"),
    }
}

fn all_available(clusters: u32) -> Tally {
    let counts = Counts {
        total: clusters,
        available: clusters,
        applied: clusters,
        updated: clusters,
        done: clusters,
        ..Counts::default()
    };
    Tally {
        works: clusters as usize,
        counts: [("east".to_owned(), counts)].into(),
        wanted: [("east".to_owned(), Wanted { clusters, groups: 1 })].into(),
    }
}

#[test]
fn a_new_set_is_born_with_its_finalizer() {
    given::<ReplicaSet>([])
        .at(at(1))
        .when(applying_set(set(&["east"]), Some(bundle("b1"))))
        .then([set_specified(set(&["east"]), "b1")]);
}

#[test]
fn the_same_again_changes_nothing() {
    given::<ReplicaSet>([set_specified(set(&["east"]), "b1")])
        .when(applying_set(set(&["east"]), Some(bundle("b1"))))
        .then_nothing();
}

#[test]
fn another_template_is_a_new_generation() {
    let events = given::<ReplicaSet>([set_specified(set(&["east"]), "b1")])
        .when(applying_set(set(&["east"]), Some(bundle("b2"))))
        .events();
    let [SetEvent::Specified(ReplicaSetSpecified { replica_set, .. })] = events.as_slice() else {
        panic!("{events:?}")
    };
    let meta = replica_set.as_ref().and_then(|s| s.metadata.as_ref());
    assert_eq!(meta.map(|m| m.generation()), Some(2));
}

#[test]
fn a_set_names_a_placement() {
    given::<ReplicaSet>([])
        .when(applying_set(set(&[]), Some(bundle("b1"))))
        .then_refused(Refusal::NoPlacements);
    let error = dns_subdomain("No").unwrap_err();
    given::<ReplicaSet>([])
        .when(applying_set(set(&["No"]), Some(bundle("b1"))))
        .then_refused(Refusal::BadName(error));
}

#[test]
fn rollouts_are_read_when_a_set_is_applied() {
    for strategy in ["All", "Progressive", "ProgressivePerGroup"] {
        let set = applying_set(rollout(set(&["east"]), strategy), Some(bundle("b1")));
        assert_eq!(given::<ReplicaSet>([]).when(set).events().len(), 1);
    }
    let sideways = rollout(set(&["east"]), "Sideways");
    let reason =
        "type: \"Sideways\" is none of All, Progressive and ProgressivePerGroup".to_owned();
    given::<ReplicaSet>([])
        .when(applying_set(sideways, Some(bundle("b1"))))
        .then_refused(Refusal::BadRollout { placement: "east".into(), reason });
}

#[test]
fn a_set_without_template_or_manifests_is_refused() {
    given::<ReplicaSet>([])
        .when(applying_set(set(&["east"]), None))
        .then_refused(Refusal::NoManifests);
    let mut without = set(&["east"]);
    without.spec.get_or_insert_default().manifest_work_template = None;
    given::<ReplicaSet>([])
        .when(applying_set(without, Some(bundle("b1"))))
        .then_refused(Refusal::Incomplete { missing: "spec.manifestWorkTemplate" });
    let empty = ManifestWorkReplicaSet { spec: None, ..set(&["east"]) };
    given::<ReplicaSet>([])
        .when(applying_set(empty, Some(bundle("b1"))))
        .then_refused(Refusal::Incomplete { missing: "spec" });
}

#[test]
fn nothing_is_applied_to_what_is_on_its_way_out() {
    let set_on_its_way =
        [set_specified(foreground(set(&["east"])), "b1"), set_deletion_requested("alice", 3)];
    given::<ReplicaSet>(set_on_its_way)
        .when(applying_set(set(&["east"]), Some(bundle("b2"))))
        .then_refused(Refusal::BeingDeleted { object: "apps/shop".into() });
}

#[test]
fn a_decision_is_planned_cluster_by_cluster() {
    let rolling =
        new("PlacementRolledOut", false, "Progressing", "works are being delivered".into(), 1);
    let rolling =
        fleetlog_messages::common::Condition { last_transition_time: Some(time(2)), ..rolling };
    given::<ReplicaSet>([set_specified(set(&["east"]), "b1")])
        .at(at(2))
        .when(planning(chosen("east", &["c2", "c1"], 5)))
        .then([SetEvent::FanOutPlanned(FanOutPlanned {
            plan: 1,
            generation: 1,
            deliver: targets("east", &["c1", "c2"]),
            withdraw: vec![],
            decision: 5,
            conditions: vec![
                verified(true, "AsExpected", "all placements have decided", 2),
                rolling,
            ],
        })]);
}

#[test]
fn a_plan_holds_only_what_changed() {
    let history = [set_specified(set(&["east"]), "b1"), planned(1, &["c1", "c2"], &[])];
    let events =
        given::<ReplicaSet>(history).when(planning(chosen("east", &["c2", "c3"], 8))).events();
    let plan = plan_of(&events);
    assert_eq!((plan.plan, plan.decision), (2, 8));
    assert_eq!(plan.deliver, targets("east", &["c3"]));
    assert_eq!(plan.withdraw, targets("east", &["c1"]));
}

#[test]
fn a_new_template_goes_to_every_cluster() {
    let history = [
        set_specified(set(&["east"]), "b1"),
        planned(1, &["c1", "c2"], &[]),
        set_specified(set(&["east"]), "b2"),
    ];
    let events =
        given::<ReplicaSet>(history).when(planning(chosen("east", &["c1", "c2"], 5))).events();
    assert_eq!(plan_of(&events).deliver, targets("east", &["c1", "c2"]));
}

#[test]
fn what_got_lost_is_delivered_again() {
    let history = [set_specified(set(&["east"]), "b1"), planned(1, &["c1", "c2"], &[])];
    let chosen = chosen("east", &["c1", "c2"], 5);
    let lost = [Target::new("east", "c2"), Target::new("east", "c9")].into();
    let events =
        given::<ReplicaSet>(history).when(of_set(SetCommand::Plan { chosen, lost })).events();
    assert_eq!(plan_of(&events).deliver, targets("east", &["c2"]));
}

#[test]
fn a_placement_without_decision_keeps_what_it_has() {
    let history = [set_specified(set(&["east"]), "b1"), planned(1, &["c1"], &[])];
    let events = given::<ReplicaSet>(history).at(at(4)).when(planning(BTreeMap::new())).events();
    let plan = plan_of(&events);
    assert!(plan.deliver.is_empty() && plan.withdraw.is_empty());
    let message = "placement \"east\" is missing or has not decided yet";
    assert_eq!(plan.conditions, [verified(false, "PlacementDecisionNotFound", message, 4)]);
}

#[test]
fn a_placement_that_chose_none_takes_its_works_away() {
    let history = [set_specified(set(&["east"]), "b1"), planned(1, &["c1"], &[])];
    let events =
        given::<ReplicaSet>(history).at(at(4)).when(planning(chosen("east", &[], 9))).events();
    let plan = plan_of(&events);
    assert_eq!(plan.withdraw, targets("east", &["c1"]));
    let empty = verified(false, "PlacementDecisionEmpty", "no cluster is chosen", 4);
    assert_eq!(plan.conditions, [empty]);
}

#[test]
fn a_placement_that_is_no_longer_named_takes_its_works_away() {
    let history = [
        set_specified(set(&["east"]), "b1"),
        planned(1, &["c1"], &[]),
        set_specified(set(&["west"]), "b1"),
    ];
    let events = given::<ReplicaSet>(history).when(planning(chosen("west", &["c1"], 9))).events();
    let plan = plan_of(&events);
    assert_eq!(plan.withdraw, targets("east", &["c1"]));
    assert_eq!(plan.deliver, targets("west", &["c1"]));
}

#[test]
fn a_plan_that_changes_nothing_is_none() {
    let decision = || planning(chosen("east", &["c1"], 5));
    let first =
        given::<ReplicaSet>([set_specified(set(&["east"]), "b1")]).when(decision()).events();
    let history = [set_specified(set(&["east"]), "b1")].into_iter().chain(first);
    given::<ReplicaSet>(history).when(decision()).then_nothing();
    given::<ReplicaSet>([]).when(decision()).then_nothing();
    let leaving = [set_specified(set(&["east"]), "b1"), set_deletion_requested("alice", 3)];
    // It goes once nothing of it is planned any more.
    given::<ReplicaSet>(leaving).when(decision()).then([set_deleted()]);
    let waiting = set_specified(foreground(set(&["east"])), "b1");
    let leaving = [waiting, set_deletion_requested("alice", 3)];
    given::<ReplicaSet>(leaving).when(decision()).then_nothing();
}

#[test]
fn a_large_plan_is_cut_into_chunks() {
    let names: Vec<String> = (0..CHUNK + 5).map(|i| format!("c{i:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let specified = || set_specified(set(&["east"]), "b1");
    let decision = || planning(chosen("east", &names, 5));
    let first = given::<ReplicaSet>([specified()]).when(decision()).events();
    assert_eq!(plan_of(&first).deliver.len(), CHUNK);
    let history = || [specified()].into_iter().chain(first.clone());
    let second = given::<ReplicaSet>(history()).when(decision()).events();
    assert_eq!(plan_of(&second).deliver, targets("east", &names[CHUNK..]));
    given::<ReplicaSet>(history().chain(second)).when(decision()).then_nothing();
}

#[test]
fn a_name_that_is_too_long_for_a_label_makes_no_works() {
    let key = SetKey::new("apps", "s".repeat(MAX_LABEL));
    let asked = OfSet { key, ..planning(chosen("east", &["c1"], 5)) };
    let specified = set_specified(set(&["east"]), "b1");
    let events = given::<ReplicaSet>([specified]).when(asked).events();
    let plan = plan_of(&events);
    assert!(plan.deliver.is_empty());
    let condition = find(&plan.conditions, "ManifestworkApplied").unwrap();
    assert_eq!((condition.status(), condition.reason()), ("False", "InvalidManifestWorkName"));
}

#[test]
fn a_summary_says_how_far_the_works_are() {
    let history = [set_specified(set(&["east"]), "b1"), planned(1, &["c1", "c2"], &[])];
    let events = given::<ReplicaSet>(history)
        .at(at(6))
        .when(of_set(SetCommand::Summarize(all_available(2))))
        .events();
    let [SetEvent::Summarized(event)] = events.as_slice() else { panic!("{events:?}") };
    let status = event.status.as_ref().unwrap();
    let summary = status.summary.unwrap();
    assert_eq!((summary.total(), summary.available(), summary.desired_total()), (2, 2, 2));
    let condition = |kind| {
        let found = find(&status.conditions, kind).unwrap();
        (found.status().to_owned(), found.reason().to_owned())
    };
    assert_eq!(condition("ManifestworkApplied"), ("True".into(), "AsExpected".into()));
    assert_eq!(condition("PlacementRolledOut"), ("True".into(), "Complete".into()));
    let of_east = &status.placement_summary[0];
    assert_eq!(of_east.name(), "east");
    assert_eq!(of_east.available_decision_groups(), "1 (2 / 2 clusters applied)");
}

#[test]
fn a_summary_that_says_the_same_is_none() {
    let specified = set_specified(set(&["east"]), "b1");
    let asked = || of_set(SetCommand::Summarize(all_available(2)));
    let events = given::<ReplicaSet>([specified.clone()]).at(at(6)).when(asked()).events();
    given::<ReplicaSet>([specified].into_iter().chain(events))
        .at(at(7))
        .when(asked())
        .then_nothing();
    given::<ReplicaSet>([]).when(asked()).then_nothing();
}

#[test]
fn the_reasons_of_a_summary_are_ocms() {
    let reason = |counts: Counts, clusters: u32| {
        let tally = Tally {
            works: counts.total as usize,
            counts: [("east".to_owned(), counts)].into(),
            wanted: [("east".to_owned(), Wanted { clusters, groups: 1 })].into(),
        };
        let events = given::<ReplicaSet>([set_specified(set(&["east"]), "b1")])
            .when(of_set(SetCommand::Summarize(tally)))
            .events();
        let [SetEvent::Summarized(event)] = events.as_slice() else { panic!("{events:?}") };
        let conditions = &event.status.as_ref().unwrap().conditions;
        find(conditions, "ManifestworkApplied").unwrap().reason().to_owned()
    };
    let two = Counts { total: 2, updated: 2, available: 1, ..Counts::default() };
    assert_eq!(reason(Counts::default(), 0), "PlacementDecisionEmpty");
    assert_eq!(reason(two, 2), "NotAsExpected");
    assert_eq!(reason(Counts { progressing: 1, ..two }, 2), "Processing");
    assert_eq!(reason(Counts { progressing: 1, degraded: 1, ..two }, 2), "NotAsExpected");
    assert_eq!(reason(Counts { available: 2, ..two }, 2), "AsExpected");
    assert_eq!(reason(Counts { available: 2, ..two }, 3), "NotAsExpected");
}

#[test]
fn a_background_deletion_does_not_wait_for_works() {
    given::<ReplicaSet>([set_specified(set(&["east"]), "b1")])
        .at(at(3))
        .when(deleting(2))
        .then([set_deletion_requested("alice", 3), set_deleted()]);
}

#[test]
fn a_foreground_deletion_waits_for_the_last_work() {
    let specified = || set_specified(foreground(set(&["east"])), "b1");
    given::<ReplicaSet>([specified()])
        .at(at(3))
        .when(deleting(2))
        .then([set_deletion_requested("alice", 3)]);
    given::<ReplicaSet>([specified()])
        .at(at(3))
        .when(deleting(0))
        .then([set_deletion_requested("alice", 3), set_deleted()]);
    let leaving = || [specified(), set_deletion_requested("alice", 3)];
    given::<ReplicaSet>(leaving()).when(deleting(2)).then_nothing();
    let summing = |works| of_set(SetCommand::Summarize(Tally { works, ..Tally::default() }));
    given::<ReplicaSet>(leaving()).when(summing(1)).then_nothing();
    given::<ReplicaSet>(leaving()).when(summing(0)).then([set_deleted()]);
}

#[test]
fn what_is_not_there_cannot_be_deleted() {
    given::<ReplicaSet>([])
        .when(deleting(0))
        .then_refused(Refusal::NotFound { object: "apps/shop".into() });
}
