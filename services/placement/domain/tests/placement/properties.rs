//! What holds for any history: it folds, decisions hold eligible clusters only, a settled world
//! stays as it is, and what is remembered by row is remembered whole.

use crate::story::{Story, apply, key, misconfigured, predicate, set_by, specified, taint, text};
use fleetlog_kernel::Decider;
use fleetlog_messages::common::Time;
use fleetlog_messages::placement::{
    ClusterCelSelector, DecidedCluster, PlacementDecided, PlacementSpec, Toleration,
    placement_event,
};
use fleetlog_messages::registration::{ClusterSpecified, cluster_event};
use fleetlog_placement_domain::cluster::Cluster;
use fleetlog_placement_domain::filter::{Seen, When};
use fleetlog_placement_domain::fleet::Fleet;
use fleetlog_placement_domain::plan::Plan;
use fleetlog_placement_domain::schedule::Steadiness;
use fleetlog_placement_domain::{Placement, PlacementCommand, World, filter};
use fleetlog_rules::taint::Standing;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

const CLUSTERS: [&str; 5] = ["c1", "c2", "c3", "c4", "c5"];
const SETS: [&str; 3] = ["s", "t", "global"];
const PLACEMENTS: [&str; 3] = ["p", "q", "r"];

/// One thing that happens.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few of them in a test")]
enum Step {
    Cluster(&'static str, Box<cluster_event::Event>),
    Taint(&'static str, &'static str, bool),
    Claims(&'static str, &'static str),
    Leave(&'static str),
    Set(&'static str),
    DropSet(&'static str),
    Bind(&'static str),
    Unbind(&'static str),
    Place(&'static str, PlacementSpec),
    Delete(&'static str),
    Settle,
}

fn spec() -> impl Strategy<Value = PlacementSpec> {
    let predicates = prop::option::of((select(vec!["web", "db"]), any::<bool>()));
    let sets = prop::collection::vec(select(SETS.to_vec()), 0..2);
    let whole = (predicates, sets, prop::option::of(0_i32..4), any::<bool>());
    let good = whole.prop_map(|(by, sets, number_of_clusters, tolerant)| {
        let predicate = |(app, claim): (&str, bool)| {
            let by = [("app", app)];
            if claim { predicate(&[], &by) } else { predicate(&by, &[]) }
        };
        let toleration = Toleration { operator: text("Exists"), ..Toleration::default() };
        PlacementSpec {
            predicates: by.map(predicate).into_iter().collect(),
            cluster_sets: sets.into_iter().map(str::to_owned).collect(),
            number_of_clusters,
            tolerations: tolerant.then_some(toleration).into_iter().collect(),
            ..PlacementSpec::default()
        }
    });
    prop_oneof![8 => good, 1 => Just(misconfigured())]
}

fn cluster_event() -> impl Strategy<Value = cluster_event::Event> {
    let labelled = (select(SETS.to_vec()), select(vec!["web", "db", "x"]))
        .prop_map(|(set, app)| specified(set, &[("app", app)]));
    let ending = select(SETS.to_vec()).prop_map(|set| match specified(set, &[]) {
        cluster_event::Event::Specified(ClusterSpecified { cluster: Some(mut cluster) }) => {
            let meta = cluster.metadata.get_or_insert_default();
            meta.deletion_timestamp = Some(Time { seconds: 1, ..Time::default() });
            cluster_event::Event::Specified(ClusterSpecified { cluster: Some(cluster) })
        }
        other => other,
    });
    prop_oneof![
        5 => labelled,
        1 => ending,
        1 => Just(cluster_event::Event::Accepted(Default::default())),
        1 => Just(cluster_event::Event::Denied(Default::default())),
        1 => Just(cluster_event::Event::Joined(Default::default())),
        1 => Just(cluster_event::Event::LeaseExpired(Default::default())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let cluster = || select(CLUSTERS.to_vec());
    let set = || select(SETS.to_vec());
    let placement = || select(PLACEMENTS.to_vec());
    let effect = select(vec!["NoSelect", "PreferNoSelect", "NoSelectIfNew"]);
    prop_oneof![
        6 => (cluster(), cluster_event())
            .prop_map(|(name, event)| Step::Cluster(name, Box::new(event))),
        2 => (cluster(), effect, any::<bool>()).prop_map(|(name, e, on)| Step::Taint(name, e, on)),
        2 => (cluster(), select(vec!["web", "db"])).prop_map(|(name, app)| Step::Claims(name, app)),
        1 => cluster().prop_map(Step::Leave),
        2 => set().prop_map(Step::Set),
        1 => set().prop_map(Step::DropSet),
        2 => set().prop_map(Step::Bind),
        1 => set().prop_map(Step::Unbind),
        3 => (placement(), spec()).prop_map(|(name, spec)| Step::Place(name, spec)),
        1 => placement().prop_map(Step::Delete),
        3 => Just(Step::Settle),
    ]
}

fn take(story: &mut Story, step: Step) {
    match step {
        Step::Cluster(name, event) => drop(story.cluster(name, *event)),
        Step::Taint(name, effect, true) => drop(story.taint(name, taint("k", "v", effect))),
        Step::Taint(name, effect, false) => drop(story.untaint(name, taint("k", "v", effect))),
        Step::Claims(name, app) => drop(story.claims(name, &[("app", app)])),
        Step::Leave(name) => drop(story.leave(name)),
        Step::Set("global") => drop(story.set("global", set_by(Some(Default::default())))),
        Step::Set(name) => drop(story.set(name, set_by(None))),
        Step::DropSet(name) => drop(story.drop_set(name)),
        Step::Bind(set) => drop(story.bind("ns", set)),
        Step::Unbind(set) => drop(story.unbind("ns", set)),
        Step::Place(name, spec) => {
            let command = PlacementCommand::Apply(Box::new(apply(name, spec)));
            story.command(&key(name), &command).unwrap();
        }
        Step::Delete(name) if story.placement(name).object().is_some() => story.delete(name),
        Step::Delete(_) => {}
        Step::Settle => story.settle(),
    }
}

fn told(steps: Vec<Step>) -> Story {
    let mut story = Story::of(&["c1", "c2"]);
    steps.into_iter().for_each(|step| take(&mut story, step));
    story
}

/// Every decided cluster exists, is accepted, stays, and is in a bound set that is meant; if the
/// spec says something, it fits.
fn eligible(story: &Story) -> Result<(), TestCaseError> {
    let fleet = story.world.fleet();
    for (key, placement) in story.world.placements() {
        let plan = placement.object().and_then(|o| o.spec.as_ref()).map(Plan::of);
        for cluster in placement.0.decided.keys() {
            let seen = fleet.clusters().get(cluster.as_str());
            prop_assert!(seen.is_some_and(|seen| seen.is_candidate()), "{cluster} of {key}");
            let mut bound = fleet.bound(&key.namespace);
            let Some(Ok(plan)) = &plan else { continue };
            prop_assert!(bound.any(|set| plan.names(set) && fleet.is_member(cluster, set)));
            let looked =
                Seen { name: cluster, cluster: seen.unwrap(), scores: story.world.scores() };
            prop_assert!(filter::fits(plan, looked, Standing::Chosen, When::Ever));
        }
        let wanted = plan.and_then(Result::ok).and_then(|plan| plan.wanted);
        prop_assert!(wanted.is_none_or(|wanted| placement.0.decided.len() <= wanted));
    }
    Ok(())
}

fn restored(world: &World) -> World {
    let clusters = world.fleet().clusters().iter();
    let clusters: BTreeMap<String, Cluster> =
        clusters.map(|(name, c)| (name.to_string(), Cluster::of_row(c.to_row()))).collect();
    let sets = world.fleet().sets().clone();
    let bindings = world.fleet().bindings().map(|(n, s)| (n.to_owned(), s.to_owned())).collect();
    let placements = world.placements().map(|(key, p)| (key.clone(), p.clone())).collect();
    let fleet = Fleet::of(clusters, sets, bindings);
    World::of(fleet, world.scores().clone(), placements, world.position())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_settled_world_holds_eligible_clusters_and_stays_as_it_is(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut story = told(steps);
        story.settle();
        eligible(&story)?;
        let keys: Vec<_> = story.world.placements().map(|(key, _)| key.clone()).collect();
        for key in &keys {
            let first = story.look(key);
            let decided = |event: &_| matches!(event, placement_event::Event::Decided(_));
            let moved_by_balance = first.iter().all(decided);
            prop_assert!(moved_by_balance, "{first:?}");
            prop_assert_eq!(story.look(key), vec![], "a second look");
        }
    }

    #[test]
    fn conditions_are_right_after_any_history(steps in prop::collection::vec(step(), 0..40)) {
        let mut story = told(steps);
        story.settle();
        for (key, placement) in story.world.placements() {
            let schedule = story.world.schedule(key, story.now(), Steadiness::Kept);
            let schedule = Box::new(schedule.unwrap());
            let command = PlacementCommand::Schedule { schedule, inputs: story.world.position() };
            let events = placement.decide(&command, crate::story::AT).unwrap();
            let judged = events.iter().any(|e| matches!(e, placement_event::Event::Judged(_)));
            prop_assert!(!judged, "{key}: {events:?}");
        }
    }

    #[test]
    fn a_restored_world_decides_the_same(steps in prop::collection::vec(step(), 0..40)) {
        let story = told(steps);
        let again = restored(&story.world);
        prop_assert_eq!(again.fleet(), story.world.fleet());
        for (key, placement) in story.world.placements() {
            prop_assert_eq!(again.placement(key), Some(placement));
            let look = |world: &World| world.schedule(key, story.now(), Steadiness::Kept);
            prop_assert_eq!(look(&again), look(&story.world));
            prop_assert!(again.pending(key).is_some(), "a restored world looks in any case");
        }
    }

    #[test]
    fn deciding_twice_gives_the_same(
        steps in prop::collection::vec(step(), 0..30),
        with in spec(),
    ) {
        let story = told(steps);
        let command = PlacementCommand::Apply(Box::new(apply("p", with)));
        let placement = story.placement("p");
        let once = placement.decide(&command, crate::story::AT);
        prop_assert_eq!(placement.decide(&command, crate::story::AT), once);
    }

    #[test]
    fn any_events_fold(
        revisions in prop::collection::vec((any::<u64>(), 0_usize..5, 0_usize..5), 0..10),
        born in any::<bool>(),
    ) {
        let mut placement = Placement::default();
        if born {
            let command = PlacementCommand::Apply(Box::new(apply("p", PlacementSpec::default())));
            for event in placement.decide(&command, crate::story::AT).unwrap() {
                placement = placement.evolve(&event);
            }
        }
        for (revision, added, removed) in revisions {
            let cluster = CLUSTERS[added].to_owned();
            let decided = PlacementDecided {
                revision,
                added: vec![DecidedCluster { cluster, group_index: 9, ..Default::default() }],
                removed: vec![CLUSTERS[removed].to_owned()],
                ..PlacementDecided::default()
            };
            placement = placement.evolve(&placement_event::Event::Decided(decided));
            let status = placement.object().and_then(|o| o.status.as_ref());
            let selected = status.map_or(0, |s| s.number_of_selected_clusters());
            prop_assert_eq!(usize::try_from(selected).unwrap(), placement.0.decided.len());
            prop_assert!(born || placement.0.decided.is_empty());
        }
    }
}

#[test]
fn a_cluster_is_remembered_with_all_that_was_reported_of_it() {
    let mut story = Story::of(&["c1"]);
    let capacity = [("cpu", "4"), ("memory", "8Gi"), ("example.com/gpu", "2")];
    story.facts("c1", &capacity, &[("cpu", "3.5"), ("memory", "7Gi"), ("example.com/gpu", "1")]);
    let cluster = &story.world.fleet().clusters()["c1"];
    let again = Cluster::of_row(cluster.to_row());
    assert_eq!(&again, &**cluster);
    let status = again.object().status.unwrap();
    assert_eq!(status.capacity["example.com/gpu"], "2");
    assert_eq!(status.allocatable["example.com/gpu"], "1");
}

#[test]
fn a_world_is_restored_with_its_scores_and_is_another_by_each_expression() {
    let told = |text: &str| {
        let mut story = Story::of(&["c1", "c2"]);
        story.score("c1", "demo", &[("cpu", 5)], None);
        let cel = ClusterCelSelector { cel_expressions: vec![text.to_owned()] };
        let mut predicate = predicate(&[], &[]);
        predicate.required_cluster_selector.get_or_insert_default().cel_selector = Some(cel);
        story.place("p", PlacementSpec { predicates: vec![predicate], ..Default::default() });
        story
    };
    let one = told("managedCluster.scores('demo').size() == 1");
    assert_eq!(one.decided("p"), ["c1"]);
    assert_eq!(restored(&one.world).scores(), one.world.scores());
    assert_ne!(one.world.scores(), Story::default().world.scores());
    assert!(one.world == told("managedCluster.scores('demo').size() == 1").world);
    assert!(one.world != told("managedCluster.scores('demo').size() > 0").world);
}
