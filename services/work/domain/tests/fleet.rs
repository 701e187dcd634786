//! What follows from a change of the fleet, and the properties that hold for any history.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::*;
use fleetlog_kernel::{Decider as _, Position, Projection as _, Reaction as _};
use fleetlog_messages::placement::placement_event;
use fleetlog_messages::work::{
    DeleteWork, Delivery, PlanFanOut, Summarize, WithdrawWork, replica_set_command, work_command,
};
use fleetlog_work_domain::command::SetCommand;
use fleetlog_work_domain::name::{PlacementKey, SetKey, Target, WorkKey};
use fleetlog_work_domain::projection::Presence;
use fleetlog_work_domain::{Change, Fleet, Follow, delivery};
use proptest::prelude::*;

/// A fleet with the position of its last commit.
#[derive(Default)]
struct Story {
    fleet: Fleet,
    position: u64,
}

impl Story {
    /// Folds one commit and answers what follows.
    fn commit(&mut self, change: Change) -> Vec<Follow> {
        self.position += 1;
        let at = Position(self.position);
        self.fleet.apply(&change, at);
        (&self.fleet).react(&(change, at))
    }

    fn work(&mut self, key: &WorkKey, events: Vec<WorkEvent>) -> Vec<Follow> {
        self.commit(Change::Work(key.clone(), events))
    }

    fn set(&mut self, events: Vec<SetEvent>) -> Vec<Follow> {
        self.commit(Change::Set(set_key(), events))
    }

    fn decided(&mut self, revision: u64, added: &[&str], removed: &[&str]) -> Vec<Follow> {
        let key = PlacementKey::new("apps", "east");
        self.commit(Change::Placement(key, vec![decided(revision, added, removed)]))
    }

    fn cluster(&mut self, name: &str, presence: Presence) -> Vec<Follow> {
        self.commit(Change::Cluster(name.into(), vec![presence]))
    }

    /// Clusters `c1` and `c2`, both chosen; the set planned for both.
    fn planned() -> Self {
        let mut story = Self::default();
        story.cluster("c1", Presence::Here);
        story.cluster("c2", Presence::Here);
        story.decided(1, &["c1", "c2"], &[]);
        story.set(vec![set_specified(set(&["east"]), "b1")]);
        story.set(vec![planned(1, &["c1", "c2"], &[])]);
        story
    }

    /// As planned, with the work on `c1` made.
    fn made() -> Self {
        let mut story = Self::planned();
        story.work(&on("c1"), vec![delivered()]);
        story
    }
}

fn on(cluster: &str) -> WorkKey {
    set_key().work(&Target::new("east", cluster))
}

fn plan(lost: &[&str]) -> Follow {
    let lost = targets("east", lost);
    Follow::Set(set_key(), replica_set_command::Command::PlanFanOut(PlanFanOut { lost }))
}

fn summarize() -> Follow {
    Follow::Set(set_key(), replica_set_command::Command::Summarize(Summarize {}))
}

fn withdraw(work: WorkKey) -> Follow {
    let replica_set = "apps/shop".to_owned();
    Follow::Work(
        work,
        work_command::Command::Withdraw(WithdrawWork { replica_set, ..Default::default() }),
    )
}

fn published(follows: &[Follow]) -> Vec<&Delivery> {
    let published = follows.iter().filter_map(|follow| match follow {
        Follow::Publish(delivery) => Some(delivery.as_ref()),
        _ => None,
    });
    published.collect()
}

#[test]
fn a_work_is_delivered_at_the_position_of_its_commit() {
    let mut story = Story::default();
    let follows = story.work(&key(), vec![specified("b1")]);
    let [delivery] = published(&follows)[..] else { panic!("{follows:?}") };
    assert_eq!((delivery.generation, delivery.object_generation), (1, 1));
    assert_eq!((delivery.cluster.as_str(), delivery.work.as_str()), ("c1", "shop"));
    assert_eq!((delivery.bundle.as_ref(), delivery.uid.as_str()), (Some(&bundle("b1")), UID));
    assert!(!delivery.deleted);
}

#[test]
fn a_report_is_not_delivered_again() {
    let mut story = Story::default();
    story.work(&key(), vec![specified("b1")]);
    assert_eq!(story.work(&key(), vec![reported(1, available(1, 2))]), []);
}

#[test]
fn a_deletion_is_delivered_as_a_removal_and_its_end_as_nothing() {
    let mut story = Story::default();
    story.work(&key(), vec![specified("b1")]);
    let follows = story.work(&key(), vec![deletion_requested("alice", 3)]);
    let [removal] = published(&follows)[..] else { panic!("{follows:?}") };
    assert!(removal.deleted && removal.spec.is_none());
    assert_eq!(removal.generation, 2);
    assert_eq!(story.work(&key(), vec![deleted()]), []);
}

#[test]
fn a_work_that_ends_without_its_agent_leaves_a_removal() {
    let mut story = Story::default();
    story.work(&key(), vec![specified("b1")]);
    let follows = story.work(&key(), vec![deletion_requested("service:work", 3), deleted()]);
    assert_eq!(published(&follows), [&delivery::removal(&key(), Position(2))]);
}

#[test]
fn a_cluster_that_leaves_takes_its_works_with_it() {
    let mut story = Story::default();
    story.cluster("c1", Presence::Here);
    story.work(&key(), vec![specified("b1")]);
    story.work(&WorkKey::new("c2", "other"), vec![specified("b1")]);
    let delete = Follow::Work(key(), work_command::Command::Delete(DeleteWork {}));
    assert_eq!(story.cluster("c1", Presence::Gone), [delete]);
}

#[test]
fn a_work_that_was_decided_while_its_cluster_left_is_given_up() {
    let delete = Follow::Work(key(), work_command::Command::Delete(DeleteWork {}));
    assert!(Story::default().work(&key(), vec![specified("b1")]).contains(&delete));
}

#[test]
fn a_set_is_planned_when_it_or_its_placement_changes() {
    let mut story = Story::default();
    story.cluster("c1", Presence::Here);
    let follows = story.set(vec![set_specified(set(&["east"]), "b1")]);
    assert_eq!(follows, [plan(&[]), summarize()]);
    assert_eq!(story.decided(1, &["c1"], &[]), [plan(&[])]);
    let other = PlacementKey::new("other", "east");
    let follows = story.commit(Change::Placement(other, vec![decided(1, &["c1"], &[])]));
    assert_eq!(follows, []);
}

#[test]
fn a_plan_is_carried_out_work_by_work_with_ocms_labels() {
    let mut story = Story::default();
    story.cluster("c1", Presence::Here);
    story.decided(1, &["c1"], &[]);
    story.set(vec![set_specified(set(&["east"]), "b1")]);
    let follows = story.set(vec![planned(1, &["c1"], &["c2"])]);
    assert!(follows.contains(&withdraw(on("c2"))));
    let delivers: Vec<_> = follows
        .iter()
        .filter_map(|follow| match follow {
            Follow::Work(key, work_command::Command::Deliver(deliver)) => Some((key, deliver)),
            _ => None,
        })
        .collect();
    let [(key, deliver)] = delivers[..] else { panic!("{follows:?}") };
    assert_eq!(*key, on("c1"));
    assert_eq!((deliver.decision, deliver.placement.as_str()), (2, "east"));
    let labels = &deliver.work.as_ref().and_then(|w| w.metadata.as_ref()).unwrap().labels;
    let label = |name: &str| {
        labels.get(&format!("work.open-cluster-management.io/{name}")).map(String::as_str)
    };
    assert_eq!(label("manifestworkreplicaset"), Some("apps.shop"));
    assert_eq!(label("placementname"), Some("east"));
}

#[test]
fn a_plan_that_did_not_hold_everything_is_followed_by_another() {
    let mut story = Story::planned();
    assert_eq!(story.decided(2, &["c3"], &[]), [plan(&[])]);
    story.cluster("c3", Presence::Here);
    assert!(story.set(vec![planned(2, &["c1"], &[])]).contains(&plan(&[])));
    assert!(!story.set(vec![planned(3, &["c3"], &[])]).contains(&plan(&[])));
}

#[test]
fn a_cluster_that_comes_back_gets_what_it_was_chosen_for() {
    let mut story = Story::planned();
    story.cluster("c1", Presence::Gone);
    assert_eq!(story.cluster("c1", Presence::Here), [plan(&[])]);
    assert_eq!(story.cluster("c1", Presence::Here), []);
}

#[test]
fn a_summary_is_asked_for_once_until_it_is_there() {
    let mut story = Story::made();
    let mut now = story.fleet.set(&set_key());
    let summarized = |story: &Story, set: &fleetlog_work_domain::ReplicaSet| {
        let tally = story.fleet.tally(&set_key(), set);
        let status = fleetlog_work_domain::summary::status(&set_key(), set, &tally, at(9));
        SetEvent::Summarized(fleetlog_messages::work::ReplicaSetSummarized { status: Some(status) })
    };
    let event = summarized(&story, &now);
    assert_eq!(story.set(vec![event]), []);
    assert_eq!(story.work(&on("c1"), vec![reported(1, available(1, 2))]), [summarize()]);
    let on_c2 = story.work(&on("c2"), vec![delivered()]);
    assert!(!on_c2.contains(&summarize()), "a second one while the first is on its way");
    now = story.fleet.set(&set_key());
    let event = summarized(&story, &now);
    assert_eq!(story.work(&on("c2"), vec![reported(1, available(1, 2))]), []);
    assert_eq!(story.set(vec![event]), [summarize()], "it was decided before the last report");
}

#[test]
fn a_work_that_got_lost_is_planned_again() {
    let mut story = Story::made();
    let follows = story.work(&on("c1"), vec![deletion_requested("alice", 3), deleted()]);
    assert!(follows.contains(&plan(&["c1"])));
}

#[test]
fn a_work_that_nobody_plans_any_more_is_withdrawn() {
    let mut story = Story::planned();
    story.set(vec![planned(2, &[], &["c1"])]);
    assert!(story.work(&on("c1"), vec![delivered()]).contains(&withdraw(on("c1"))));
}

#[test]
fn a_set_that_goes_withdraws_its_works() {
    let mut story = Story::made();
    let events = vec![set_deletion_requested("alice", 3), set_deleted()];
    assert_eq!(story.set(events), [withdraw(on("c1"))]);
}

#[test]
fn a_set_that_waits_for_its_works_ends_after_the_last() {
    let mut story = Story::made();
    story.set(vec![set_specified(foreground(set(&["east"])), "b1")]);
    let follows = story.set(vec![set_deletion_requested("alice", 3)]);
    assert_eq!(follows, [withdraw(on("c1"))]);
    story.work(&on("c1"), vec![deletion_requested("replicaset:apps/shop", 4)]);
    assert_eq!(story.work(&on("c1"), vec![deleted()]), [summarize()]);
}

#[test]
fn a_sync_leaves_out_what_the_agent_holds() {
    let mut story = Story::default();
    story.work(&key(), vec![specified("b1")]);
    let full = delivery::of(&key(), &story.fleet.work(&key())).unwrap();
    let unchanged = delivery::against(full.clone(), Some(full.generation));
    assert!(unchanged.unchanged && unchanged.spec.is_none() && unchanged.bundle.is_none());
    assert_eq!(delivery::against(full.clone(), Some(full.generation - 1)), full);
    assert_eq!(delivery::against(full.clone(), None), full);
}

#[test]
fn works_are_found_by_cluster() {
    let mut story = Story::default();
    for (cluster, name) in [("c1", "a"), ("c1", "b"), ("c10", "c"), ("c0", "d")] {
        story.work(&WorkKey::new(cluster, name), vec![specified("b1")]);
    }
    let names: Vec<&str> = story.fleet.works_of("c1").map(|(key, _)| key.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

fn cluster() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["c1", "c2", "c3"]).prop_map(str::to_owned)
}

fn work_event() -> impl Strategy<Value = WorkEvent> {
    prop_oneof![
        Just(specified("b1")),
        Just(specified("b2")),
        Just(delivered()),
        Just(reported(1, available(1, 2))),
        Just(reported(1, status(vec![condition("Applied", "False", 1, 3)]))),
        Just(deletion_requested("alice", 4)),
        Just(deleted()),
    ]
}

fn set_event() -> impl Strategy<Value = SetEvent> {
    prop_oneof![
        Just(set_specified(set(&["east"]), "b1")),
        Just(set_specified(foreground(set(&["east", "west"])), "b2")),
        Just(planned(1, &["c1", "c2"], &[])),
        Just(planned(2, &["c3"], &["c1"])),
        Just(set_deletion_requested("alice", 4)),
        Just(set_deleted()),
        Just(SetEvent::Summarized(fleetlog_messages::work::ReplicaSetSummarized::default())),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let work_key = prop_oneof![
        4 => cluster().prop_map(|c| on(&c)),
        1 => cluster().prop_map(|c| WorkKey::new(c, "other")),
    ];
    let placement = prop::sample::select(vec!["east", "west", "north"]);
    let presence = prop::sample::select(vec![Presence::Here, Presence::Gone]);
    let seen = prop_oneof![
        3 => (1_u64..4).prop_map(|revision| decided(revision, &["c1", "c2"], &["c3"])),
        3 => (1_u64..4).prop_map(|revision| decided(revision, &["c3"], &["c1"])),
        1 => Just(placement_event::Event::Deleted(Default::default())),
    ];
    prop_oneof![
        4 => (work_key, prop::collection::vec(work_event(), 1..3))
            .prop_map(|(key, events)| Change::Work(key, events)),
        3 => prop::collection::vec(set_event(), 1..3).prop_map(|e| Change::Set(set_key(), e)),
        2 => (placement, seen)
            .prop_map(|(p, e)| Change::Placement(PlacementKey::new("apps", p), vec![e])),
        1 => (cluster(), presence).prop_map(|(c, p)| Change::Cluster(c, vec![p])),
    ]
}

proptest! {
    #[test]
    fn any_history_folds_to_the_same_rows(history in prop::collection::vec(change(), 0..40)) {
        let mut live = Story::default();
        let mut again = Story::default();
        for change in &history {
            let follows = live.commit(change.clone());
            prop_assert_eq!(follows, again.commit(change.clone()));
        }
        prop_assert_eq!(live.fleet.rows(), again.fleet.rows());
    }

    #[test]
    fn a_snapshot_goes_on_as_the_live_fleet_does(
        before in prop::collection::vec(change(), 0..30),
        after in prop::collection::vec(change(), 0..15),
    ) {
        let mut live = Story::default();
        for change in before {
            live.commit(change);
        }
        let rows = live.fleet.rows();
        let fleet = Fleet::of_rows(&rows).unwrap();
        prop_assert_eq!(fleet.rows(), rows);
        let mut restored = Story { fleet, position: live.position };
        for change in after {
            prop_assert_eq!(live.commit(change.clone()), restored.commit(change));
            prop_assert_eq!(live.fleet.rows(), restored.fleet.rows());
        }
    }

    #[test]
    fn the_sums_are_those_of_the_works(history in prop::collection::vec(change(), 0..40)) {
        let mut story = Story::default();
        for change in history {
            story.commit(change);
            let set = story.fleet.set(&set_key());
            let counted = story.fleet.tally(&set_key(), &set);
            let rows = story.fleet.rows();
            let afresh = Fleet::of_rows(&rows).unwrap().tally(&set_key(), &set);
            let total = |tally: &fleetlog_work_domain::summary::Tally| {
                let counts = tally.counts.values();
                let mut all = fleetlog_work_domain::summary::Counts::default();
                counts.for_each(|c| all += *c);
                (tally.works, all)
            };
            prop_assert_eq!(total(&counted), total(&afresh));
        }
    }

    #[test]
    fn names_of_works_are_names_and_differ_by_placement(
        name in "[a-z][a-z0-9.-]{0,60}[a-z0-9]",
        (east, west) in ("[a-z]{1,8}", "[a-z]{1,8}"),
    ) {
        let set = SetKey::new("apps", &name);
        let work = |placement: &str| set.work(&Target::new(placement, "c1")).name;
        if fleetlog_kernel::dns_subdomain(&name).is_ok() {
            prop_assert!(fleetlog_kernel::dns_subdomain(&work(&east)).is_ok(), "{}", work(&east));
        }
        prop_assert!(work(&east).len() <= 63);
        prop_assert_eq!(work(&east) == work(&west), east == west);
    }
}

/// A set whose works are more than one commit may lead to commands for goes by plans.
#[test]
fn a_set_of_more_works_than_one_commit_may_withdraw_withdraws_them_in_parts() {
    const MOST: usize = Position::OBJECTS_PER_COMMIT as usize;
    let names: Vec<String> = (0..20_000).map(|n| format!("c{n:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::default();
    names.iter().for_each(|name| drop(story.cluster(name, Presence::Here)));
    story.decided(1, &names, &[]);
    story.set(vec![set_specified(set(&["east"]), "b1")]);
    for (number, part) in (1..).zip(names.chunks(2_000)) {
        story.set(vec![planned(number, part, &[])]);
    }
    names.iter().for_each(|name| drop(story.work(&on(name), vec![delivered()])));
    let decide = |story: &Story, command| {
        let stands = story.fleet.set(&set_key());
        stands.decide(&of_set(command), at(9)).unwrap()
    };
    let by = "alice".to_owned();
    let mut events = decide(&story, SetCommand::Delete { by, works: names.len() });
    assert_eq!(events, [set_deletion_requested("alice", 9)]);
    let mut told = std::collections::BTreeSet::new();
    while !events.is_empty() {
        let follows = story.set(events);
        assert!(follows.len() < MOST, "{} commands followed from one commit", follows.len());
        for follow in &follows {
            if let Follow::Work(key, work_command::Command::Withdraw(_)) = follow {
                assert!(told.insert(key.clone()), "{key} is withdrawn twice");
            }
        }
        let goes_on = follows.contains(&plan(&[]));
        let (chosen, lost) = (Default::default(), Default::default());
        events = match goes_on {
            true => decide(&story, SetCommand::Plan { chosen, lost }),
            false => vec![],
        };
    }
    assert_eq!(told.len(), names.len());
    assert!(story.fleet.sets().is_empty());
}
