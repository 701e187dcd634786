//! What clusters are scored by: 99 to 105, 107, 108, 131 to 134.

use super::specs::{toleration, weighed};
use crate::story::{Story, key, number, predicate, specified, taint};
use fleetlog_messages::placement::{PlacementSpec, Toleration, placement_event::Event};
use fleetlog_placement_domain::Change;
use fleetlog_placement_domain::cluster::Cluster;
use fleetlog_placement_domain::plan::Plan;
use fleetlog_placement_domain::schedule::Decision;
use fleetlog_placement_domain::score::{Ground, Load, Table, Tallies};

fn only(name: &str, weight: i32) -> PlacementSpec {
    weighed(PlacementSpec::default(), "Exact", &[(name, weight)])
}

/// The scores that one prioritizer gives every cluster of the story, seen by a placement.
fn scored(story: &Story, placement: &str, prioritizer: &str) -> Vec<Option<i64>> {
    table(story, placement, prioritizer).columns[0].scores.clone()
}

fn table(story: &Story, placement: &str, prioritizer: &str) -> Table {
    let plan = Plan::of(&only(prioritizer, 1)).unwrap();
    let own = story.placement(placement).0.decided;
    let mut tallies = Tallies::default();
    for (_, other) in story.world.placements() {
        other.0.decided.keys().for_each(|cluster| tallies.add(cluster));
    }
    let clusters = story.world.fleet().clusters();
    let clusters: Vec<(&str, &Cluster)> = clusters.iter().map(|(n, c)| (&**n, &**c)).collect();
    let chosen: Option<&Decision> = Some(&own);
    let (load, given, now) = (Load::of(&tallies, &own), story.world.scores(), story.now());
    Table::of(&plan.weights, &clusters, &Ground { load, chosen, given, now })
}

/// Clusters `c1` and so on with a label `name`.
fn named(number: usize) -> Story {
    let mut story = Story::of(&[]);
    for n in 1..=number {
        let name = format!("c{n}");
        story.cluster(&name, specified("s", &[("name", &name)]));
    }
    story
}

/// A placement that takes exactly these clusters.
fn take(story: &mut Story, placement: &str, clusters: &[&str]) {
    let predicates = clusters.iter().map(|name| predicate(&[("name", name)], &[])).collect();
    let decided = story.place(placement, PlacementSpec { predicates, ..Default::default() });
    assert_eq!(decided, clusters);
}

const SOME: fn(i64) -> Option<i64> = Some;

#[test]
fn rp099_the_most_allocatable_scores_highest_within_what_there_is() {
    let mut story = named(3);
    for (name, cpu, memory) in [("c1", "20", "100"), ("c2", "60", "50"), ("c3", "100", "0")] {
        story.allocatable(name, cpu, memory);
    }
    assert_eq!(scored(&story, "p", "ResourceAllocatableCPU"), [-100, 0, 100].map(SOME));
    assert_eq!(scored(&story, "p", "ResourceAllocatableMemory"), [100, 0, -100].map(SOME));
    for name in ["c1", "c2", "c3"] {
        story.allocatable(name, "500m", "1Gi");
    }
    assert_eq!(scored(&story, "p", "ResourceAllocatableCPU"), [100, 100, 100].map(SOME));
    story.facts("c2", &[("memory", "1")], &[("memory", "1")]);
    story.facts("c3", &[("memory", "1")], &[("memory", "1"), ("cpu", "1")]);
    let scores = scored(&story, "p", "ResourceAllocatableCPU");
    assert_eq!(scores, [Some(100), None, None], "allocatable and capacity are both needed");
}

#[test]
fn rp100_clusters_that_others_chose_come_last() {
    let mut story = named(3);
    take(&mut story, "other1", &["c1"]);
    take(&mut story, "other2", &["c2"]);
    assert_eq!(scored(&story, "p", "Balance"), [-100, -100, 100].map(SOME));
    assert_eq!(story.place("p", number(1)), ["c3"]);
}

#[test]
fn rp101_a_chosen_cluster_stays_when_others_are_as_good() {
    let mut story = named(3);
    take(&mut story, "p", &["c3"]);
    take(&mut story, "other1", &["c2", "c3"]);
    take(&mut story, "other2", &["c1", "c2"]);
    assert_eq!(scored(&story, "p", "Balance"), [0, -100, 0].map(SOME));
    assert_eq!(story.place("p", number(1)), ["c3"]);
}

#[test]
fn rp102_equal_clusters_leave_a_decision_as_it_is() {
    let mut story = Story::of(&["c1", "c2"]);
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    story.cluster("a0", specified("s", &[]));
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
}

#[test]
fn rp103_balance_memory_and_a_score_of_an_add_on_add_up() {
    let mut story = named(3);
    for (name, memory, score) in [("c1", "100", 30), ("c2", "50", 40), ("c3", "0", 50)] {
        story.allocatable(name, "1", memory);
        story.score(name, "demo", &[("demo", score)], None);
    }
    let weights = [("Balance", 3), ("ResourceAllocatableMemory", 1), ("demo/demo", 1)];
    assert_eq!(story.place("p", weighed(number(2), "Additive", &weights)), ["c1", "c2"]);
}

fn resources() -> Story {
    let mut story = named(3);
    let capacity = [("cpu", "10"), ("memory", "100")];
    for (name, cpu, memory) in [("c1", "10", "50"), ("c2", "7", "90"), ("c3", "9", "80")] {
        story.facts(name, &capacity, &[("cpu", cpu), ("memory", memory)]);
    }
    story
}

fn fourth(story: &mut Story) {
    story.cluster("c4", specified("s", &[("name", "c4")]));
    let whole = [("cpu", "10"), ("memory", "100")];
    story.facts("c4", &whole, &whole);
    story.settle();
}

const CPU: (&str, i32) = ("ResourceAllocatableCPU", 1);
const MEMORY: (&str, i32) = ("ResourceAllocatableMemory", 1);

#[test]
fn rp104_policies_weigh_resources_balance_and_steadiness() {
    let mut story = resources();
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    let mut story = resources();
    assert_eq!(story.place("p", weighed(number(2), "Exact", &[CPU, MEMORY])), ["c1", "c3"]);
    let totals: Vec<i64> = story.placement("p").0.decided.values().map(|d| d.score).collect();
    assert_eq!(totals, [0, 83]);
    fourth(&mut story);
    assert_eq!(story.decided("p"), ["c3", "c4"]);
    story.leave("c4");
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c3"]);
    let mut story = resources();
    let steady = weighed(number(2), "Additive", &[("Steady", 3), CPU, MEMORY]);
    assert_eq!(story.place("p", steady), ["c1", "c3"]);
    fourth(&mut story);
    assert_eq!(story.decided("p"), ["c1", "c3"]);
    take(&mut story, "other", &["c2"]);
    story.look(&key("p"));
    assert_eq!(story.decided("p"), ["c1", "c3"]);
    let mut story = resources();
    take(&mut story, "other", &["c1"]);
    let balance = weighed(number(2), "Exact", &[("Balance", 2), CPU]);
    assert_eq!(story.place("p", balance), ["c2", "c3"]);
    let mut story = resources();
    let exact = weighed(number(1), "Exact", &[("Balance", 3), MEMORY]);
    assert_eq!(story.place("p", exact), ["c2"]);
    fourth(&mut story);
    assert_eq!(story.decided("p"), ["c4"], "Steady does not count");
}

fn demo(story: &mut Story, scores: [i32; 3]) {
    for (name, score) in ["c1", "c2", "c3"].into_iter().zip(scores) {
        story.score(name, "demo", &[("demo", score)], None);
    }
    story.settle();
}

#[test]
fn rp105_a_score_of_an_add_on_moves_the_decision_until_it_runs_out() {
    // Ours: a score that ran out is no error; the revision carries the warning, and the moment at
    // which it runs out wakes the placement.
    let mut story = named(3);
    demo(&mut story, [80, 90, 100]);
    assert_eq!(story.place("p", weighed(number(2), "Exact", &[("demo/demo", 1)])), ["c2", "c3"]);
    let additive = weighed(number(2), "Additive", &[("Balance", 0), ("demo/demo", 1)]);
    assert_eq!(story.place("steady", additive), ["c2", "c3"]);
    demo(&mut story, [100, 90, 100]);
    assert_eq!(story.decided("p"), ["c1", "c3"]);
    assert_eq!(story.decided("steady"), ["c2", "c3"]);
    story.score("c1", "demo", &[("demo", 100)], Some(story.ago(-60)));
    story.settle();
    story.pass(60);
    assert_eq!(story.decided("p"), ["c1", "c3"], "validUntil itself still counts");
    story.pass(1);
    assert_eq!(story.decided("p"), ["c2", "c3"]);
    let last = story.events.iter().rev().find_map(|event| match event {
        Event::Decided(decided) => Some(decided.warnings.clone()),
        _ => None,
    });
    assert_eq!(last.unwrap(), ["AddOnPlacementScores c1/demo expired"]);
}

#[test]
fn an_end_that_changes_nothing_does_not_hide_the_next_one() {
    let mut story = named(3);
    demo(&mut story, [80, 90, 100]);
    assert_eq!(story.place("p", weighed(number(1), "Exact", &[("demo/demo", 1)])), ["c3"]);
    story.score("c1", "demo", &[("demo", 80)], Some(story.ago(-10)));
    story.score("c3", "demo", &[("demo", 100)], Some(story.ago(-20)));
    story.settle();
    story.pass(15);
    assert_eq!(story.decided("p"), ["c3"]);
    story.pass(6);
    assert_eq!(story.decided("p"), ["c2"]);
}

#[test]
fn an_end_that_makes_the_others_compare_differently_is_waited_for_too() {
    let mut story = named(3);
    for (name, cpu, score) in [("c1", "10", 0), ("c2", "5", 20), ("c3", "100", -100)] {
        story.allocatable(name, cpu, "1");
        story.score(name, "demo", &[("demo", score)], None);
    }
    story.taint_ago("c3", taint("k", "", "NoSelect"), 0);
    let tolerations =
        vec![Toleration { toleration_seconds: Some(10), ..toleration("k", "Exists", "", "") }];
    let spec = PlacementSpec { tolerations, ..number(1) };
    assert_eq!(story.place("p", weighed(spec, "Exact", &[CPU, ("demo/demo", 2)])), ["c2"]);
    story.pass(9);
    assert_eq!(story.decided("p"), ["c2"]);
    story.pass(1);
    assert_eq!(story.decided("p"), ["c1"], "c3 is not the most any more, and was never chosen");
}

#[test]
fn rp107_equal_totals_go_by_name() {
    let names: Vec<String> = (0..200).map(|n| format!("c{:03}", n * 37 % 200)).collect();
    let mut many = Story::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let first: Vec<String> = (0..90).map(|n| format!("c{n:03}")).collect();
    assert_eq!(many.place("p", number(90)), first);
    let mut story = Story::of(&["c3", "c1", "c2"]);
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    let totals: Vec<i64> = story.placement("p").0.decided.values().map(|d| d.score).collect();
    assert_eq!(totals, [100, 100]);
}

#[test]
fn rp108_balance_counts_a_namesake_elsewhere_and_not_the_placement_itself() {
    let mut story = named(2);
    take(&mut story, "p", &["c1"]);
    assert_eq!(scored(&story, "p", "Balance"), [100, 100].map(SOME));
    story.bind("elsewhere", "s");
    let namesake = fleetlog_placement_domain::PlacementKey::new("elsewhere", "p");
    let mut apply = crate::story::apply("p", number(1));
    apply.target = namesake.clone();
    let apply = fleetlog_placement_domain::PlacementCommand::Apply(Box::new(apply));
    story.command(&namesake, &apply).unwrap();
    story.settle();
    let taken: Vec<_> = story.world.placement(&namesake).unwrap().0.decided.keys().collect();
    assert_eq!(taken, ["c2"], "the namesake sees what \"p\" took");
    assert_eq!(scored(&story, "p", "Balance"), [100, -100].map(SOME));
    assert_eq!(story.place("p", number(1)), ["c1"]);
}

#[test]
fn rp131_balance_counts_the_decisions_of_others() {
    let mut story = named(3);
    take(&mut story, "other1", &["c1", "c2"]);
    take(&mut story, "other2", &["c1", "c3"]);
    assert_eq!(scored(&story, "p", "Balance"), [-100, 0, 0].map(SOME));
    let mut story = named(3);
    take(&mut story, "p", &["c1"]);
    assert_eq!(scored(&story, "p", "Balance"), [100, 100, 100].map(SOME));
    take(&mut story, "other", &["c1"]);
    assert_eq!(scored(&story, "p", "Balance"), [-100, 100, 100].map(SOME));
}

#[test]
fn what_is_said_of_a_placement_that_is_gone_counts_for_nobody() {
    let mut story = named(2);
    take(&mut story, "gone", &["c1"]);
    let decided = story.events.iter().rfind(|event| matches!(event, Event::Decided(_))).cloned();
    story.delete("gone");
    story.commit(vec![Change::Placement(key("gone"), decided.unwrap())]);
    assert_eq!(story.place("p", weighed(number(1), "Exact", &[("Balance", 1)])), ["c1"]);
}

#[test]
fn rp132_steady_counts_only_what_the_placement_itself_chose() {
    let mut story = named(3);
    take(&mut story, "p", &["c1"]);
    take(&mut story, "other", &["c2"]);
    assert_eq!(scored(&story, "p", "Steady"), [100, 0, 0].map(SOME));
}

#[test]
fn rp133_resources_are_scaled_between_the_least_and_the_most() {
    let mut story = named(3);
    assert_eq!(scored(&story, "p", "ResourceAllocatableCPU"), [None, None, None]);
    for name in ["c1", "c2", "c3"] {
        story.allocatable(name, "0", "0");
    }
    assert_eq!(scored(&story, "p", "ResourceAllocatableCPU"), [100, 100, 100].map(SOME));
    for (name, cpu) in [("c1", "10"), ("c2", "6"), ("c3", "0")] {
        story.allocatable(name, cpu, "0");
    }
    let scores = scored(&story, "p", "ResourceAllocatableCPU");
    assert_eq!(scores, [100, 19, -100].map(SOME), "0.6 of doubles is cut to 19");
}

#[test]
fn rp134_a_score_that_is_missing_or_over_counts_0() {
    let mut story = named(3);
    let none = table(&story, "p", "demo/demo");
    assert_eq!(
        (none.columns[0].scores.clone(), none.warnings),
        ([0, 0, 0].map(SOME).into(), vec![])
    );
    story.score("c2", "demo", &[("demo", 40)], None);
    story.score("c3", "demo", &[("demo", 50), ("other", 1)], None);
    assert_eq!(scored(&story, "p", "demo/demo"), [0, 40, 50].map(SOME));
    story.score("c1", "demo", &[("demo", 30)], Some(story.ago(1)));
    let over = table(&story, "p", "demo/demo");
    assert_eq!(over.columns[0].scores, [0, 40, 50].map(SOME));
    assert_eq!(over.warnings, ["AddOnPlacementScores c1/demo expired"]);
}
