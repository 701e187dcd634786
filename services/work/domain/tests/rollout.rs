//! Rollouts of replica sets, from the decision to the works: clusters take turns as their works
//! say how far they are, and as time goes by.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::*;
use fleetlog_kernel::Uid;
use fleetlog_kernel::{Decider as _, Position, Projection as _, Reaction as _};
use fleetlog_messages::common::{IntOrString, int_or_string::Value};
use fleetlog_messages::placement::{DecidedCluster, PlacementDecided, placement_event};
use fleetlog_messages::work::ReportWork;
use fleetlog_messages::work::{
    MandatoryDecisionGroup, ManifestWorkReplicaSet, RolloutProgressive, RolloutProgressivePerGroup,
    RolloutStrategy, replica_set_command, work_event,
};
use fleetlog_rules::rollout::Status;
use fleetlog_work_domain::command::{Member, OfWork, SetCommand, WorkCommand};
use fleetlog_work_domain::name::{PlacementKey, SetKey, Target, WorkKey};
use fleetlog_work_domain::projection::Presence;
use fleetlog_work_domain::{Change, Fleet, Follow, fanout, turns};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A hub whose plans are carried out at once.
struct Hub {
    fleet: Fleet,
    position: u64,
    second: i64,
}

impl Hub {
    /// The set, and a placement that chose these clusters by group.
    fn new(set: ManifestWorkReplicaSet, groups: &[(&str, &[&str])]) -> Self {
        let mut hub = Self { fleet: Fleet::default(), position: 0, second: 1_000 };
        let decided = (0..).zip(groups).flat_map(|(index, (group, clusters))| {
            clusters.iter().map(move |cluster| DecidedCluster {
                cluster: (*cluster).to_owned(),
                group: (*group).to_owned(),
                group_index: index,
                ..DecidedCluster::default()
            })
        });
        let added: Vec<DecidedCluster> = decided.collect();
        for cluster in &added {
            hub.commit(Change::Cluster(cluster.cluster.clone(), vec![Presence::Here]));
        }
        let decided = PlacementDecided { revision: 1, added, ..PlacementDecided::default() };
        let decided = placement_event::Event::Decided(decided);
        hub.commit(Change::Placement(PlacementKey::new("apps", "east"), vec![decided]));
        hub.apply(set, "b1");
        hub
    }

    fn apply(&mut self, set: ManifestWorkReplicaSet, hash: &str) {
        self.commit(Change::Set(set_key(), vec![set_specified(set, hash)]));
    }

    /// Folds a commit and does what follows.
    fn commit(&mut self, change: Change) {
        self.position += 1;
        let at = Position(self.position);
        self.fleet.apply(&change, at);
        for follow in (&self.fleet).react(&(change, at)) {
            if let Follow::Set(key, replica_set_command::Command::PlanFanOut(_)) = follow {
                self.plan(&key);
            }
        }
    }

    fn plan(&mut self, key: &SetKey) {
        let set = self.fleet.set(key);
        let (chosen, lost) = (self.fleet.chosen(key, &set), BTreeSet::new());
        let asked = of_set(SetCommand::Plan { chosen, lost });
        let events = set.decide(&asked, at(self.second)).unwrap();
        for event in events {
            self.commit(Change::Set(key.clone(), vec![event.clone()]));
            let SetEvent::FanOutPlanned(planned) = event else { continue };
            planned.deliver.iter().for_each(|target| self.make(key, &Target::from(target)));
        }
    }

    /// Makes the work of a target, or gives it the template as it is now.
    fn make(&mut self, key: &SetKey, target: &Target) {
        let (set, work) = (self.fleet.set(key), key.work(target));
        let known = self.fleet.work(&work).metadata().map_or(0, |meta| meta.generation());
        let mut made = fanout::work(key, &set, target).unwrap();
        made.metadata.as_mut().unwrap().generation = Some(known + 1);
        let specified = fleetlog_messages::work::WorkSpecified {
            work: Some(made),
            bundle: set.bundle().cloned(),
            replica_set: key.to_string(),
            placement: target.placement.clone(),
            ..Default::default()
        };
        self.commit(Change::Work(work, vec![work_event::Event::Specified(specified)]));
    }

    fn on(cluster: &str) -> WorkKey {
        set_key().work(&Target::new("east", cluster))
    }

    /// The agent says that the work is applied, and how its Progressing and Degraded are.
    fn report(&mut self, cluster: &str, said: &[(&str, &str)]) {
        let (key, work) = (Self::on(cluster), self.fleet.work(&Self::on(cluster)));
        let generation = work.generation();
        let conditions = [("Applied", "True")].iter().chain(said);
        let conditions = conditions.map(|(kind, status)| {
            let said = condition(kind, status, generation, 0);
            fleetlog_messages::common::Condition { last_transition_time: None, ..said }
        });
        let status = Some(status(conditions.collect()));
        let report = ReportWork { generation, status, gone: false };
        let command = WorkCommand::Report(Box::new(report));
        let asked =
            OfWork { key: key.clone(), cluster: Member::Known, uid: Uid::new(UID), command };
        let events = work.decide(&asked, at(self.second)).unwrap();
        if !events.is_empty() {
            self.commit(Change::Work(key, events));
        }
    }

    fn progresses(&mut self, cluster: &str) {
        self.report(cluster, &[("Progressing", "True")]);
    }

    fn succeeds(&mut self, cluster: &str) {
        self.report(cluster, &[("Progressing", "False")]);
    }

    fn fails(&mut self, cluster: &str) {
        self.report(cluster, &[("Progressing", "True"), ("Degraded", "True")]);
    }

    /// Time goes by, and whoever's turn comes with it is planned.
    fn wait(&mut self, seconds: i64) {
        let until = self.second + seconds;
        while let Some(due) = self.due().filter(|due| *due <= until) {
            self.second = due;
            self.plan(&set_key());
        }
        self.second = until;
    }

    /// The moment that the set's timer is set to.
    fn due(&self) -> Option<i64> {
        self.fleet.deadline(&set_key(), at(self.second)).map(|due| due.seconds())
    }

    fn next_turn(&self) -> Option<u64> {
        self.due().and_then(|due| u64::try_from(due - self.second).ok())
    }

    /// The clusters that have the template as it is now.
    fn have(&self) -> Vec<String> {
        let set = self.fleet.set(&set_key());
        let have = set.planned().filter(|(_, current)| *current);
        have.map(|(target, _)| target.cluster).collect()
    }
}

fn whole(value: i64) -> Option<IntOrString> {
    Some(IntOrString { value: Some(Value::Int(value)) })
}

fn percent(text: &str) -> Option<IntOrString> {
    Some(IntOrString { value: Some(Value::Str(text.to_owned())) })
}

fn by(strategy: RolloutStrategy) -> ManifestWorkReplicaSet {
    let mut set = set(&["east"]);
    set.spec.as_mut().unwrap().placement_refs[0].rollout_strategy = Some(strategy);
    set
}

fn progressive(form: RolloutProgressive) -> ManifestWorkReplicaSet {
    let r#type = Some("Progressive".to_owned());
    by(RolloutStrategy { r#type, progressive: Some(form), ..Default::default() })
}

fn per_group(form: RolloutProgressivePerGroup) -> ManifestWorkReplicaSet {
    let r#type = Some("ProgressivePerGroup".to_owned());
    by(RolloutStrategy { r#type, progressive_per_group: Some(form), ..Default::default() })
}

fn at_a_time(count: i64) -> RolloutProgressive {
    RolloutProgressive { max_concurrency: whole(count), ..RolloutProgressive::default() }
}

#[test]
fn wa070_works_appear_two_at_a_time_as_the_ones_before_are_done() {
    let all = ["c1", "c2", "c3", "c4", "c5", "c6"];
    let mut hub = Hub::new(progressive(at_a_time(2)), &[("", &all)]);
    assert_eq!(hub.have(), ["c1", "c2"]);
    hub.progresses("c1");
    hub.progresses("c2");
    assert_eq!(hub.have(), ["c1", "c2"]);
    hub.succeeds("c2");
    assert_eq!(hub.have(), ["c1", "c2", "c3"]);
    hub.succeeds("c1");
    assert_eq!(hub.have(), all[..4]);
    hub.succeeds("c3");
    hub.succeeds("c4");
    assert_eq!(hub.have(), all);
    assert_eq!(hub.next_turn(), None);
}

#[test]
fn wa071_one_failure_stops_the_rollout_unless_one_may_fail() {
    for (failures, end) in [(0, &["c1", "c2"][..]), (1, &["c1", "c2", "c3"])] {
        let form = RolloutProgressive { max_failures: whole(failures), ..at_a_time(2) };
        let mut hub = Hub::new(progressive(form), &[("", &["c1", "c2", "c3"])]);
        hub.fails("c1");
        assert_eq!(hub.have(), ["c1", "c2"]);
        hub.succeeds("c2");
        assert_eq!(hub.have(), end, "{failures} may fail");
    }
}

#[test]
fn wa072_the_next_cluster_starts_when_the_success_has_lasted() {
    let min_success_time = Some("5s".to_owned());
    let form = RolloutProgressive { min_success_time, ..at_a_time(1) };
    let mut hub = Hub::new(progressive(form), &[("", &["c1", "c2"])]);
    hub.progresses("c1");
    hub.wait(100);
    hub.succeeds("c1");
    assert_eq!(hub.next_turn(), Some(5));
    hub.wait(4);
    assert_eq!(hub.have(), ["c1"]);
    assert_eq!(hub.next_turn(), Some(1));
    hub.wait(1);
    assert_eq!(hub.have(), ["c1", "c2"]);
}

#[test]
fn wa073_a_cluster_past_its_deadline_is_given_up() {
    for (failures, end) in [(1, &["c1", "c2"][..]), (0, &["c1"])] {
        let form = RolloutProgressive {
            progress_deadline: Some("5s".to_owned()),
            max_failures: whole(failures),
            ..at_a_time(1)
        };
        let mut hub = Hub::new(progressive(form), &[("", &["c1", "c2", "c3"])]);
        hub.progresses("c1");
        hub.wait(4);
        assert_eq!(hub.have(), ["c1"]);
        hub.wait(1);
        assert_eq!(hub.have(), end, "{failures} may fail");
    }
}

#[test]
fn wa074_a_mandatory_group_that_fails_keeps_all_others_waiting() {
    let canary = MandatoryDecisionGroup {
        group_name: Some("canary".to_owned()),
        ..MandatoryDecisionGroup::default()
    };
    let form = RolloutProgressive {
        mandatory_decision_groups: vec![canary],
        max_failures: percent("100%"),
        ..RolloutProgressive::default()
    };
    let groups = [("", &["c1", "c2"][..]), ("canary", &["c9"])];
    let mut hub = Hub::new(progressive(form), &groups);
    assert_eq!(hub.have(), ["c9"]);
    hub.fails("c9");
    hub.wait(1_000_000);
    assert_eq!(hub.have(), ["c9"]);
    hub.succeeds("c9");
    assert_eq!(hub.have(), ["c1", "c2", "c9"]);
}

#[test]
fn wa075_a_quarter_of_ten_is_three() {
    let names: Vec<String> = (10..20).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let form = RolloutProgressive { max_failures: percent("25%"), ..at_a_time(5) };
    let mut hub = Hub::new(progressive(form), &[("", &names)]);
    names[..3].iter().for_each(|cluster| hub.fails(cluster));
    hub.succeeds(names[3]);
    assert_eq!(hub.have(), names[..6], "three may fail, and keep their places");
    hub.fails(names[4]);
    hub.succeeds(names[5]);
    assert_eq!(hub.have(), names[..6], "a fourth may not");
}

#[test]
fn wa076_each_group_has_its_own_share_of_failures() {
    let max_failures = percent("34%");
    let form = RolloutProgressivePerGroup { max_failures, ..Default::default() };
    let groups = [("a", &["c4", "c5", "c6"][..]), ("b", &["c2", "c3"]), ("", &["c1"])];
    let mut hub = Hub::new(per_group(form), &groups);
    assert_eq!(hub.have(), ["c4", "c5", "c6"]);
    hub.fails("c4");
    hub.fails("c5");
    assert_eq!(hub.have(), ["c4", "c5", "c6"]);
    hub.succeeds("c6");
    assert_eq!(hub.have(), ["c2", "c3", "c4", "c5", "c6"], "two of three may fail");
    hub.fails("c2");
    hub.fails("c3");
    assert_eq!(hub.have().len(), 5, "one of two may");
    hub.succeeds("c3");
    assert_eq!(hub.have().len(), 6);
}

#[test]
fn wa077_another_template_starts_the_rollout_anew() {
    let min_success_time = Some("5s".to_owned());
    let form = RolloutProgressive { min_success_time, ..at_a_time(1) };
    let mut hub = Hub::new(progressive(form.clone()), &[("", &["c1", "c2", "c3"])]);
    hub.succeeds("c1");
    hub.wait(5);
    assert_eq!(hub.have(), ["c1", "c2"]);
    hub.apply(progressive(form), "b2");
    assert_eq!(hub.have(), ["c1"], "c2 keeps what it has, and waits");
    assert!(hub.fleet.works().contains_key(&Hub::on("c2")));
    hub.wait(60);
    assert_eq!(hub.have(), ["c1"]);
    // It never stopped being done: only what it says of the new template counts.
    hub.succeeds("c1");
    hub.wait(4);
    assert_eq!(hub.have(), ["c1"]);
    hub.wait(1);
    assert_eq!(hub.have(), ["c1", "c2"]);
}

#[test]
fn wa078_without_the_condition_progressing_only_all_at_once_goes_on() {
    let all = ["c1", "c2", "c3"];
    let mut hub = Hub::new(progressive(at_a_time(2)), &[("", &all)]);
    hub.report("c1", &[]);
    hub.report("c2", &[("Available", "True")]);
    hub.wait(1_000_000);
    assert_eq!(hub.have(), ["c1", "c2"]);
    assert_eq!(Hub::new(set(&["east"]), &[("", &all)]).have(), all);
}

#[test]
fn a_cluster_with_a_smaller_name_does_not_start_beside_one_that_is_at_it() {
    let mut hub = Hub::new(progressive(at_a_time(1)), &[("", &["c5", "c6"])]);
    assert_eq!(hub.have(), ["c5"]);
    hub.commit(Change::Cluster("c0".into(), vec![Presence::Here]));
    let east = PlacementKey::new("apps", "east");
    hub.commit(Change::Placement(east.clone(), vec![decided(2, &["c0"], &[])]));
    assert_eq!(hub.have(), ["c5"]);
    hub.commit(Change::Placement(east, vec![decided(3, &[], &["c5"])]));
    assert_eq!(hub.have(), ["c0"], "who is decided on no more frees the place");
}

#[test]
fn a_work_that_got_lost_comes_back_out_of_turn() {
    let mut hub = Hub::new(progressive(at_a_time(1)), &[("", &["c1", "c2"])]);
    hub.succeeds("c1");
    let set = hub.fleet.set(&set_key());
    let lost = [Target::new("east", "c1")].into();
    let chosen = hub.fleet.chosen(&set_key(), &set);
    let plan = set.decide(&of_set(SetCommand::Plan { chosen, lost }), at(hub.second)).unwrap();
    let [SetEvent::FanOutPlanned(plan)] = plan.as_slice() else { panic!("{plan:?}") };
    assert_eq!(plan.deliver, targets("east", &["c1"]));
}

/// A hub of a thousand clusters does not plan anew for every word of each.
#[test]
fn only_what_makes_room_is_planned() {
    let set = progressive(at_a_time(1));
    let mut hub = Hub::new(set, &[("", &["c1", "c2"])]);
    let follows = |hub: &mut Hub, said: &[(&str, &str)]| {
        let before = hub.position;
        hub.report("c1", said);
        hub.position - before
    };
    assert_eq!(follows(&mut hub, &[]), 1, "the report alone");
    assert_eq!(follows(&mut hub, &[("Progressing", "True")]), 1);
    assert_eq!(follows(&mut hub, &[("Progressing", "True"), ("Degraded", "True")]), 1);
    assert_eq!(follows(&mut hub, &[("Progressing", "False")]), 3, "a plan and the next work");
}

proptest! {
    /// Whatever works say, whatever is applied: the places are never overrun, and where everybody
    /// gets done in the end everybody has the template.
    #[test]
    fn never_more_are_at_it_than_may(
        places in 1_i64..4,
        steps in prop::collection::vec((0_usize..6, 0_usize..5), 0..60),
    ) {
        let names = ["c1", "c2", "c3", "c4", "c5", "c6"];
        let form = RolloutProgressive { max_failures: percent("100%"), ..at_a_time(places) };
        let mut hub = Hub::new(progressive(form.clone()), &[("", &names)]);
        for (step, (cluster, what)) in steps.into_iter().enumerate() {
            let work = hub.fleet.works().get(&Hub::on(names[cluster]));
            let known = work.is_some();
            // Who was done and begins again does so beside those that took the place.
            let done = turns::standing(work).status == Status::Succeeded;
            match what {
                0 => hub.apply(progressive(form.clone()), &format!("b{}", step % 3)),
                1 if known && !done => hub.progresses(names[cluster]),
                2 if known && !done => hub.fails(names[cluster]),
                3 if known => hub.succeeds(names[cluster]),
                _ => hub.wait(1),
            }
            let busy = hub.have().into_iter().filter(|cluster| {
                let work = hub.fleet.works().get(&Hub::on(cluster));
                turns::standing(work).status != Status::Succeeded
            });
            prop_assert!(busy.count() <= usize::try_from(places).unwrap());
        }
        for _ in names {
            hub.have().iter().for_each(|cluster| hub.succeeds(cluster));
        }
        prop_assert_eq!(hub.have(), names);
    }
}
