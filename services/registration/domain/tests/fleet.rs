//! What follows from a change of the fleet, and the properties that hold for any history.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::{
    NOW, accepted, available, beating, deleted, expired, joined, labels, specified, tainted,
};
use fleetlog_kernel::{Decider as _, Position, Projection as _, Reaction as _, Uid};
use fleetlog_messages::common::{LabelSelector, ObjectMeta};
use fleetlog_messages::registration::{
    ClusterSpecified, ManagedCluster, ManagedClusterSetBinding, ManagedClusterSetBindingSpec,
    cluster_event, cluster_set_event,
};
use fleetlog_registration_domain::command::{
    Apply, BindingCommand, ClusterCommand, SetCommand, Target,
};
use fleetlog_registration_domain::reaction::{Follow, Follows, repairs};
use fleetlog_registration_domain::set::built_in;
use fleetlog_registration_domain::{Change, Fleet, names};
use fleetlog_rules::metadata::Change as How;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// A fleet with the position that its next commit gets.
#[derive(Default)]
struct Story {
    fleet: Fleet,
    position: u64,
}

impl Story {
    /// Folds one commit and answers what follows.
    fn commit(&mut self, changes: Vec<Change>) -> Vec<Follow> {
        self.position += 1;
        changes.iter().for_each(|change| self.fleet.apply(change, Position(self.position)));
        Follows(&self.fleet).react(&changes)
    }

    fn cluster(&mut self, name: &str, events: Vec<cluster_event::Event>) -> Vec<Follow> {
        self.commit(events.into_iter().map(|e| Change::Cluster(name.into(), e)).collect())
    }

    fn set(&mut self, name: &str, command: SetCommand) -> Vec<Follow> {
        let events = self.fleet.set(name).decide(&command, NOW).unwrap();
        self.commit(events.into_iter().map(|e| Change::Set(name.into(), e)).collect())
    }

    fn binding(&mut self, command: BindingCommand) -> Vec<Follow> {
        let key = (String::from("shop"), String::from("blue"));
        let events = self.fleet.binding(&key).decide(&command, NOW).unwrap();
        self.commit(events.into_iter().map(|e| Change::Binding(key.clone(), e)).collect())
    }
}

fn apply<T>(namespace: Option<&str>, name: &str, object: T) -> Box<Apply<T>> {
    Box::new(Apply {
        object,
        target: Target { namespace: namespace.map(Into::into), name: name.into() },
        expected: None,
        change: How::Merge,
        uid: Uid::new("uid"),
        by: "alice".into(),
    })
}

fn make(name: &str) -> SetCommand {
    let object = built_in(name).unwrap_or_default();
    SetCommand::Apply { apply: apply(None, name, object) }
}

fn delete() -> SetCommand {
    SetCommand::Delete { by: "alice".into() }
}

fn bind(exists: bool) -> BindingCommand {
    let object = ManagedClusterSetBinding {
        spec: Some(ManagedClusterSetBindingSpec { cluster_set: Some("blue".into()) }),
        ..ManagedClusterSetBinding::default()
    };
    BindingCommand::Apply { apply: apply(Some("shop"), "blue", object), exists }
}

fn in_set(set: &str) -> cluster_event::Event {
    let meta = ObjectMeta { labels: labels(&[(names::SET_LABEL, set)]), ..ObjectMeta::default() };
    let cluster = ManagedCluster { metadata: Some(meta), ..ManagedCluster::default() };
    cluster_event::Event::Specified(ClusterSpecified { cluster: Some(cluster) })
}

fn count(set: &str) -> Follow {
    Follow::Count { set: set.into() }
}

fn lease(cluster: &str, seconds: u64) -> Follow {
    Follow::Lease { cluster: cluster.into(), lasts: Duration::from_secs(seconds) }
}

mod counting {
    use super::*;

    #[test]
    fn a_new_set_is_counted() {
        let mut story = Story::default();
        assert_eq!(story.set("blue", make("blue")), [count("blue")]);
        assert_eq!(story.fleet.miscounted().collect::<Vec<_>>(), ["blue"]);
        assert_eq!(story.set("blue", SetCommand::Count { clusters: 0 }), []);
        assert_eq!(story.fleet.miscounted().count(), 0);
    }

    #[test]
    fn many_changes_lead_to_one_count_until_it_is_done() {
        let mut story = Story::default();
        story.set("blue", make("blue"));
        story.set("blue", SetCommand::Count { clusters: 0 });
        assert_eq!(story.cluster("c1", vec![in_set("blue")]), [count("blue")]);
        assert_eq!(story.cluster("c2", vec![in_set("blue")]), []);
        assert_eq!(story.cluster("c3", vec![in_set("blue")]), []);
        assert_eq!(story.fleet.members("blue"), 3);
        let late = story.set("blue", SetCommand::Count { clusters: 2 });
        assert_eq!(late, [count("blue")], "a count that came too late is done again");
        assert_eq!(story.set("blue", SetCommand::Count { clusters: 3 }), []);
    }

    #[test]
    fn a_cluster_that_moves_is_counted_in_both_sets() {
        let mut story = Story::default();
        for set in ["blue", "red"] {
            story.set(set, make(set));
            story.set(set, SetCommand::Count { clusters: 0 });
        }
        story.cluster("c1", vec![in_set("blue")]);
        story.set("blue", SetCommand::Count { clusters: 1 });
        let moved = story.cluster("c1", vec![in_set("red")]);
        assert_eq!(moved, [count("blue"), count("red")]);
        assert_eq!((story.fleet.members("blue"), story.fleet.members("red")), (0, 1));
        story.cluster("c1", vec![deleted()]);
        assert_eq!(story.fleet.members("red"), 0);
    }

    #[test]
    fn a_change_that_takes_itself_back_needs_no_count() {
        let mut story = Story::default();
        story.set("blue", make("blue"));
        story.set("blue", SetCommand::Count { clusters: 0 });
        assert_eq!(story.cluster("c1", vec![in_set("blue"), in_set("red")]), []);
    }

    #[test]
    fn what_a_cluster_says_of_itself_counts_nothing() {
        let mut story = Story::default();
        story.set("default", make("default"));
        story.cluster("c1", vec![specified(&[])]);
        for event in [joined(), available(), expired(), tainted()] {
            assert_eq!(story.cluster("c1", vec![event]), []);
        }
    }
}

mod leasing {
    use super::*;

    #[test]
    fn an_accepted_cluster_gets_its_first_lease() {
        let mut story = Story::default();
        assert_eq!(story.cluster("c1", vec![specified(&[])]), []);
        assert_eq!(story.cluster("c1", vec![accepted()]), [lease("c1", 300)]);
        assert_eq!(story.cluster("c1", vec![joined(), available()]), []);
    }

    #[test]
    fn a_new_rhythm_gets_a_lease_of_its_own_grace_from_the_change_on() {
        let mut story = Story::default();
        story.cluster("c1", vec![specified(&[]), accepted(), joined(), available()]);
        let mut object = story.fleet.cluster("c1").object().cloned().unwrap();
        object.spec.get_or_insert_default().lease_duration_seconds = Some(1);
        let faster = cluster_event::Event::Specified(ClusterSpecified { cluster: Some(object) });
        assert_eq!(story.cluster("c1", vec![faster.clone()]), [lease("c1", 5)]);
        assert_eq!(story.cluster("c1", vec![faster]), []);
    }

    #[test]
    fn a_cluster_that_is_unknown_gets_no_lease() {
        let mut story = Story::default();
        story.cluster("c1", vec![specified(&[]), accepted(), expired()]);
        assert_eq!(story.cluster("c1", vec![common::denied()]), []);
        assert_eq!(story.cluster("c1", vec![accepted()]), []);
    }
}

mod binding {
    use super::*;

    fn note(exists: bool) -> Follow {
        Follow::NoteBound { binding: ("shop".into(), "blue".into()), exists }
    }

    #[test]
    fn a_binding_hears_that_its_set_came_and_went() {
        let mut story = Story::default();
        assert_eq!(story.binding(bind(false)), []);
        assert_eq!(story.set("blue", make("blue")), [count("blue"), note(true)]);
        assert_eq!(story.binding(BindingCommand::NoteBound { exists: true }), []);
        assert_eq!(story.set("blue", delete()), [note(false)]);
    }

    #[test]
    fn a_binding_that_was_made_beside_its_set_is_put_right() {
        let mut story = Story::default();
        story.set("blue", make("blue"));
        assert_eq!(story.binding(bind(false)), [note(true)]);
    }

    #[test]
    fn another_set_is_not_its_affair() {
        let mut story = Story::default();
        story.binding(bind(false));
        assert_eq!(story.set("red", make("red")), [count("red")]);
    }
}

mod built_in_sets {
    use super::*;

    fn restored(follows: &[Follow]) -> Vec<&str> {
        follows
            .iter()
            .filter_map(|follow| match follow {
                Follow::Restore { name, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn an_empty_fleet_needs_both() {
        assert_eq!(restored(&repairs(&Fleet::default())), ["default", "global"]);
    }

    #[test]
    fn they_come_back_when_they_are_deleted() {
        let mut story = Story::default();
        story.set("default", make("default"));
        story.set("global", make("global"));
        assert_eq!(repairs(&story.fleet), []);
        assert_eq!(restored(&story.set("default", delete())), ["default"]);
    }

    #[test]
    fn an_edited_selector_is_put_right_and_the_rest_is_the_user_s() {
        let mut story = Story::default();
        story.set("global", make("global"));
        let mut edited = built_in("default").unwrap();
        edited.metadata =
            Some(ObjectMeta { labels: labels(&[("mine", "yes")]), ..ObjectMeta::default() });
        let edit = SetCommand::Apply { apply: apply(None, "global", edited) };
        let follows = story.set("global", edit);
        let Some(Follow::Restore { name, set }) =
            follows.into_iter().find(|follow| matches!(follow, Follow::Restore { .. }))
        else {
            panic!("not restored")
        };
        let mut told = story.set(&name, SetCommand::Apply { apply: apply(None, &name, *set) });
        told.retain(|follow| matches!(follow, Follow::Restore { .. }));
        assert_eq!(told, []);
        let object = story.fleet.set("global").object().unwrap();
        assert_eq!(object.metadata.as_ref().unwrap().labels["mine"], "yes");
        let selector = object.spec.as_ref().unwrap().cluster_selector.clone().unwrap();
        assert_eq!(selector.label_selector, Some(LabelSelector::default()));
    }

    #[test]
    fn a_user_may_keep_an_edit() {
        let mut story = Story::default();
        let mut edited = built_in("global").unwrap();
        edited.metadata = Some(ObjectMeta {
            annotations: labels(&[(names::AUTO_UPDATE, "false")]),
            ..ObjectMeta::default()
        });
        let keep = SetCommand::Apply { apply: apply(None, "default", edited) };
        assert_eq!(restored(&story.set("default", keep)), Vec::<&str>::new());
    }
}

// --- any history -----------------------------------------------------------------------------

fn any_command() -> impl Strategy<Value = ClusterCommand> {
    let by = || String::from("alice");
    let set = prop::sample::select(vec!["", "blue", "red", "default"]);
    let lease = prop::sample::select(vec![-1, 0, 1, 60]);
    let key = prop::sample::select(vec!["UA", "UB"]);
    prop_oneof![
        (set, lease, any::<Option<bool>>()).prop_map(|(set, lease, accepts)| {
            let mut object = ManagedCluster::default();
            let meta = object.metadata.get_or_insert_default();
            meta.labels = labels(&[(names::SET_LABEL, set)]);
            let spec = object.spec.get_or_insert_default();
            spec.lease_duration_seconds = Some(lease);
            spec.hub_accepts_client = accepts;
            ClusterCommand::Apply(apply(None, "c1", object))
        }),
        Just(ClusterCommand::Accept { by: by() }),
        Just(ClusterCommand::Deny { by: by() }),
        Just(ClusterCommand::Delete { by: by() }),
        key.prop_map(|key| ClusterCommand::RequestJoin {
            name: "c1".into(),
            public_key: key.into(),
            labels: BTreeMap::new(),
            uid: Uid::new("uid"),
        }),
        Just(ClusterCommand::Report(common::facts(&[("a", "1")]))),
        Just(ClusterCommand::NoteBeat),
        Just(ClusterCommand::NoteLeaseExpiry),
    ]
}

fn any_set_command() -> impl Strategy<Value = SetCommand> {
    prop_oneof![
        Just(make("blue")),
        Just(SetCommand::Apply {
            apply: apply(None, "blue", built_in("global").unwrap_or_default())
        }),
        Just(delete()),
        (0_u64..4).prop_map(|clusters| SetCommand::Count { clusters }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let cluster = prop::sample::select(vec!["c1", "c2", "c3"]);
    let set = prop::sample::select(vec!["blue", "red", "default"]);
    prop_oneof![
        4 => (cluster, any_command()).prop_map(|(name, command)| Step::Cluster(name, command)),
        1 => (set, any_set_command()).prop_map(|(name, command)| Step::Set(name, command)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Cluster(&'static str, ClusterCommand),
    Set(&'static str, SetCommand),
}

/// Decides each step on the fleet so far; refused ones are left out.
fn history(steps: Vec<Step>) -> Vec<Vec<Change>> {
    let mut story = Story::default();
    let mut commits = vec![];
    for step in steps {
        let changes: Vec<Change> = match step {
            Step::Cluster(name, command) => {
                let decided = story.fleet.cluster(name).decide(&command, NOW).unwrap_or_default();
                decided.into_iter().map(|e| Change::Cluster(name.into(), e)).collect()
            }
            Step::Set(name, command) => {
                let decided = story.fleet.set(name).decide(&command, NOW).unwrap_or_default();
                decided.into_iter().map(|e| Change::Set(name.into(), e)).collect()
            }
        };
        if !changes.is_empty() {
            story.commit(changes.clone());
            commits.push(changes);
        }
    }
    commits
}

fn any_events() -> impl Strategy<Value = Vec<Change>> {
    let event = prop_oneof![
        Just(specified(&[("a", "b")])),
        Just(in_set("blue")),
        Just(accepted()),
        Just(common::denied()),
        Just(joined()),
        Just(available()),
        Just(expired()),
        Just(tainted()),
        Just(common::untainted()),
        Just(common::asked("UA")),
        Just(deleted()),
    ];
    let name = prop::sample::select(vec!["c1", "c2"]);
    let change = (name, event).prop_map(|(name, e)| Change::Cluster(name.to_owned(), e));
    prop::collection::vec(change, 0..40)
}

proptest! {
    #[test]
    fn any_order_of_events_folds(changes in any_events()) {
        let mut story = Story::default();
        story.set("blue", make("blue"));
        for change in changes {
            story.commit(vec![change]);
        }
        let members = story.fleet.clusters().values().filter(|cluster| {
            cluster.labels().is_some_and(|l| l.get(names::SET_LABEL).is_some_and(|s| s == "blue"))
        });
        prop_assert_eq!(members.count() as u64, story.fleet.members("blue"));
    }

    #[test]
    fn deciding_is_deterministic_and_an_equal_command_again_changes_nothing_more(
        steps in prop::collection::vec(any_step(), 0..30), next in any_command()
    ) {
        let mut story = Story::default();
        for commit in history(steps) {
            story.commit(commit);
        }
        let decide = |fleet: &Fleet| fleet.cluster("c1").decide(&next, NOW);
        let first = decide(&story.fleet);
        prop_assert_eq!(&first, &decide(&story.fleet));
        if let Ok(events) = first {
            story.cluster("c1", events);
            if let Ok(again) = decide(&story.fleet) {
                prop_assert_eq!(again, vec![], "{:?} twice", next);
            }
        }
    }

    #[test]
    fn counts_kept_step_by_step_are_those_of_a_fresh_look(
        steps in prop::collection::vec(any_step(), 0..40)
    ) {
        let mut story = Story::default();
        for commit in history(steps) {
            story.commit(commit);
        }
        let fresh = Fleet::of(
            story.fleet.clusters().clone(),
            story.fleet.sets().clone(),
            story.fleet.bindings().clone(),
        );
        for set in story.fleet.sets().keys() {
            prop_assert_eq!(story.fleet.members(set), fresh.members(set));
        }
        let miscounted: Vec<&str> = story.fleet.miscounted().collect();
        prop_assert_eq!(miscounted, fresh.miscounted().collect::<Vec<_>>());
    }

    #[test]
    fn every_set_that_counts_wrongly_was_asked_to_count_since_it_was_right(
        steps in prop::collection::vec(any_step(), 0..40)
    ) {
        let mut story = Story::default();
        let mut asked: BTreeMap<String, bool> = BTreeMap::new();
        for commit in history(steps) {
            let own: Vec<String> = commit.iter().filter_map(|change| match change {
                Change::Set(name, cluster_set_event::Event::Counted(_)) => Some(name.clone()),
                _ => None,
            }).collect();
            own.iter().for_each(|set| { asked.remove(set); });
            for follow in story.commit(commit) {
                if let Follow::Count { set } = follow {
                    asked.insert(set, true);
                }
            }
            for set in story.fleet.miscounted() {
                prop_assert!(asked.contains_key(set), "nobody counts {set}");
            }
        }
    }
}

#[test]
fn leases_that_end_together_mean_something_for_those_who_were_thought_to_be_there() {
    let mut story = Story::default();
    story.cluster("here", beating());
    story.cluster("quiet", [beating(), vec![expired(), tainted()]].concat());
    story.cluster("gone", [beating(), vec![deleted()]].concat());
    let told = story.fleet.expire(["here", "quiet", "gone", "nobody"], NOW);
    assert_eq!(told, [("here", vec![expired(), tainted()])]);
}
