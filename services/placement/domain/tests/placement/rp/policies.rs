//! What a policy may say, and spreading: 106.

use super::specs::{config, misconfiguration, weighed};
use crate::story::{AT, Story, apply, key, number, specified, text};
use fleetlog_kernel::Decider;
use fleetlog_messages::placement::{
    PlacementSpec, PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate, SpreadConstraint,
    SpreadPolicy, placement_event::Event,
};
use fleetlog_placement_domain::{Placement, PlacementCommand, pages};

fn spread(spec: PlacementSpec, constraints: &[(&str, i32, &str)]) -> PlacementSpec {
    let of = |(key, skew, otherwise): &(&str, i32, &str)| SpreadConstraint {
        topology_key: text(key),
        topology_key_type: text("Label"),
        max_skew: Some(*skew),
        when_unsatisfiable: text(otherwise),
    };
    let policy = SpreadPolicy { spread_constraints: constraints.iter().map(of).collect() };
    PlacementSpec { spread_policy: Some(policy), ..spec }
}

fn zones(clusters: &[(&str, &str)]) -> Story {
    let mut story = Story::of(&[]);
    for (name, zone) in clusters {
        let labels = [("zone", *zone)];
        story.cluster(name, specified("s", if zone.is_empty() { &[] } else { &labels }));
    }
    story
}

const UNEVEN: [(&str, &str); 6] =
    [("c1", "a"), ("c2", "a"), ("c3", "a"), ("c4", "b"), ("c5", "b"), ("c6", "")];

#[test]
fn rp106_weights_may_turn_a_score_round_or_off_and_what_means_nothing_is_said() {
    // Ours: "Spread" is a prioritizer, and the message ends with the field's path.
    let cpu = |weight| weighed(number(1), "Exact", &[("ResourceAllocatableCPU", weight)]);
    let mut story = Story::of(&["c1", "c2", "c3"]);
    for (name, amount) in [("c1", "2"), ("c2", "3"), ("c3", "1")] {
        story.allocatable(name, amount, "1");
    }
    assert_eq!(story.place("p", cpu(1)), ["c2"]);
    assert_eq!(story.place("p", cpu(-1)), ["c3"]);
    assert_eq!(story.place("p", cpu(0)), ["c1"]);
    let none = PrioritizerConfig { score_coordinate: None, weight: Some(1) };
    let add_on = ScoreCoordinate { r#type: text("AddOn"), ..ScoreCoordinate::default() };
    let add_on = PrioritizerConfig { score_coordinate: Some(add_on), weight: Some(1) };
    let path = "spec.prioritizerPolicy.configurations[0].scoreCoordinate";
    for (mode, configuration, words, path) in [
        (
            "Foo",
            config("Steady", 1),
            "incorrect prioritizer policy mode: Foo",
            "spec.prioritizerPolicy.mode",
        ),
        ("Exact", config("Foo", 1), "incorrect builtin prioritizer: Foo", path),
        ("Exact", add_on, "addOn should not be empty", path),
    ] {
        let policy = PrioritizerPolicy { mode: text(mode), configurations: vec![configuration] };
        let spec = PlacementSpec { prioritizer_policy: Some(policy), ..number(1) };
        assert_eq!(story.place("p", spec), ["c1"], "the last good decision");
        let message = format!("Prioritizer:{words} ({path})");
        assert_eq!(misconfiguration(&story, "p"), ("True".to_owned(), message));
    }
    let policy = PrioritizerPolicy { mode: None, configurations: vec![none] };
    let spec = PlacementSpec { prioritizer_policy: Some(policy), ..number(1) };
    let refused = Placement::default()
        .decide(&PlacementCommand::Apply(Box::new(apply("q", spec))), AT)
        .unwrap_err();
    assert_eq!(refused.to_string(), format!("\"{path}\" is missing"));
    story.place("p", weighed(number(1), "Exact", &[("Spread", 1)]));
    assert_eq!(misconfiguration(&story, "p").0, "False");
}

#[test]
fn a_hard_spread_never_exceeds_its_skew_and_drops_who_is_nowhere() {
    let mut story = zones(&UNEVEN);
    let hard = |spec, skew| spread(spec, &[("zone", skew, "DoNotSchedule")]);
    assert_eq!(story.place("p", hard(number(2), 1)), ["c1", "c4"]);
    assert_eq!(story.place("p", hard(PlacementSpec::default(), 1)).len(), 5);
    story.leave("c5");
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2", "c4"], "3 and 1 would be a skew of 2");
    assert_eq!(story.satisfied("p").0, "True");
    assert_eq!(story.place("p", hard(number(5), 1)).len(), 3);
    assert_eq!(story.satisfied("p").2, "2 cluster decisions unscheduled");
    assert_eq!(story.place("p", hard(number(5), 2)), ["c1", "c2", "c3", "c4"]);
    story.cluster("c6", specified("s", &[("zone", "c")]));
    story.settle();
    assert_eq!(story.decided("p").len(), 5, "a new topology is filled");
}

#[test]
fn a_soft_spread_prefers_and_never_refuses() {
    let mut story = zones(&UNEVEN);
    let soft = |spec| spread(spec, &[("zone", 1, "ScheduleAnyway")]);
    assert_eq!(story.place("p", soft(number(2))), ["c1", "c4"]);
    assert_eq!(story.place("q", soft(PlacementSpec::default())).len(), 6);
    let mut lopsided = zones(&[("c1", "a"), ("c2", "a"), ("c3", "a"), ("c4", "b")]);
    assert_eq!(lopsided.place("p", soft(number(3))), ["c1", "c2", "c4"]);
    let without = weighed(soft(number(3)), "Additive", &[("Spread", 0)]);
    assert_eq!(lopsided.place("q", without), ["c1", "c2", "c3"]);
}

#[test]
fn a_rebalance_lets_steadiness_go_once() {
    let mut story = Story::of(&["c2", "c3"]);
    assert_eq!(story.place("p", number(1)), ["c2"]);
    story.cluster("c1", specified("s", &[]));
    story.settle();
    assert_eq!(story.decided("p"), ["c2"]);
    let events = story.rebalance("p");
    let Some(Event::Decided(decided)) = events.first() else { panic!("{events:?}") };
    assert!(decided.rebalanced);
    assert_eq!(story.decided("p"), ["c1"]);
    assert_eq!(story.rebalance("p"), vec![], "it is balanced");
    assert_eq!(story.look(&key("p")), vec![]);
}

#[test]
fn scores_are_shown_on_request_the_best_first_and_not_too_often() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    let give = |story: &mut Story, scores: [i32; 3]| {
        for (name, score) in ["c1", "c2", "c3"].into_iter().zip(scores) {
            story.score(name, "demo", &[("demo", score)], None);
        }
        story.settle();
    };
    let shown = |story: &Story| -> Vec<(String, i64)> {
        let page = pages::objects(&story.placement("p")).remove(0);
        let decisions = page.status.unwrap().decisions.into_iter();
        decisions.map(|d| (d.cluster_name().to_owned(), d.score.unwrap())).collect()
    };
    let pairs = |pairs: &[(&str, i64)]| -> Vec<(String, i64)> {
        pairs.iter().map(|(name, score)| ((*name).to_owned(), *score)).collect()
    };
    give(&mut story, [1, 3, 2]);
    let spec = weighed(PlacementSpec::default(), "Exact", &[("demo/demo", 1)]);
    let limit = PlacementSpec { score_rate_limit: text("30s"), ..spec };
    story.place("p", PlacementSpec { sort_by: text("Score"), ..limit });
    assert_eq!(shown(&story), pairs(&[("c2", 3), ("c3", 2), ("c1", 1)]));
    story.pass(10);
    give(&mut story, [9, 3, 2]);
    assert_eq!(shown(&story)[0], ("c2".to_owned(), 3), "too early to say");
    story.pass(20);
    assert_eq!(shown(&story), pairs(&[("c1", 9), ("c2", 3), ("c3", 2)]));
    give(&mut story, [0, 3, 2]);
    story.cluster("c4", specified("s", &[]));
    story.settle();
    let all = pairs(&[("c2", 3), ("c3", 2), ("c1", 0), ("c4", 0)]);
    assert_eq!(shown(&story), all, "another choice shows all");
}
