//! Why a placement chose whom it chose, and what it would choose if something were otherwise.

use crate::rp::specs::weighed;
use crate::story::{
    Story, apply, key, misconfigured, number, predicate, set_by, specified, taint, text,
};
use fleetlog_messages::placement::{
    ClusterExplained, PlacementSpec, SpreadConstraint, SpreadPolicy, SupposedChange, SupposedGone,
    SupposedLabel, SupposedTaint, Toleration, supposed_change::Change,
};
use fleetlog_messages::registration::{ManagedCluster, cluster_event};
use fleetlog_placement_domain::Refusal;
use fleetlog_placement_domain::suppose::{Supposed, simulate};
use fleetlog_placement_domain::why::Why;
use proptest::prelude::*;

fn why(story: &Story, cluster: &str) -> ClusterExplained {
    let key = key("p");
    Why::of(&story.world, &key, story.now()).unwrap().cluster(cluster)
}

fn said(story: &Story, cluster: &str) -> (String, String) {
    let explained = why(story, cluster);
    assert!(explained.chosen || !explained.advice.is_empty(), "{explained:?}");
    (explained.rule, explained.sentence)
}

fn dropped(rule: &str, sentence: &str) -> (String, String) {
    (rule.to_owned(), sentence.to_owned())
}

#[test]
fn each_rule_that_drops_a_cluster_is_told_with_what_it_met() {
    let mut story = Story::of(&["c1", "c2"]);
    story.set("other", set_by(None));
    story.cluster("far", specified("other", &[]));
    story.cluster("west", specified("s", &[("region", "us")]));
    story.cluster("eu", specified("s", &[("region", "eu")]));
    story.taint("eu", taint("gpu", "true", "NoSelect"));
    let predicates = vec![predicate(&[("region", "eu")], &[])];
    story.place("p", PlacementSpec { predicates, ..PlacementSpec::default() });
    let gpu = "taint gpu=true:NoSelect is not tolerated";
    assert_eq!(said(&story, "eu"), dropped("TaintToleration", gpu));
    let west = "label region=eu does not hold: it is us";
    assert_eq!(said(&story, "west"), dropped("Predicate", west));
    let none = "label region=eu does not hold: it has none";
    assert_eq!(said(&story, "c1"), dropped("Predicate", none));
    let far = "it is in no set that the placement chooses from (its sets: other; those of \
               \"ns\": s)";
    assert_eq!(said(&story, "far"), dropped("ClusterSets", far));
    let nobody = "the fleet has no such cluster";
    assert_eq!(said(&story, "nobody"), dropped("NotInFleet", nobody));
}

#[test]
fn what_an_expression_or_one_of_many_predicates_asks_for_is_told() {
    let mut story = Story::of(&["c1"]);
    let by = |zone: &str| predicate(&[("zone", zone)], &[]);
    let with = |predicates| PlacementSpec { predicates, ..PlacementSpec::default() };
    story.place("p", with(["a", "b", "c"].map(by).to_vec()));
    let three = ["a", "b", "c"].map(|zone| format!("label zone={zone} does not hold: it has none"));
    assert_eq!(said(&story, "c1").1, three.join("; or "));
    story.place("p", with(["a", "b", "c", "d", "e"].map(by).to_vec()));
    let five = format!("{}; and 2 more predicates do not match", three.join("; or "));
    assert_eq!(said(&story, "c1").1, five);
    story.place("p", crate::rp::expressions::by(&["1 > 2", "2 > 3"]));
    assert_eq!(said(&story, "c1").1, "expression 1 > 2 and 2 > 3 does not hold");
}

#[test]
fn a_toleration_that_ended_says_when() {
    let mut story = Story::of(&["c1"]);
    story.taint_ago("c1", taint("gpu", "", "NoSelect"), 60);
    let toleration = Toleration {
        key: text("gpu"),
        operator: text("Exists"),
        toleration_seconds: Some(60),
        ..Toleration::default()
    };
    let spec = PlacementSpec { tolerations: vec![toleration], ..PlacementSpec::default() };
    assert!(story.place("p", spec).is_empty());
    let sentence = "taint gpu:NoSelect is not tolerated any more since 2023-11-14T22:13:20Z";
    assert_eq!(said(&story, "c1"), dropped("TaintToleration", sentence));
}

#[test]
fn the_order_is_told_with_ranks_totals_and_scores() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    story.place("q", PlacementSpec { number_of_clusters: Some(1), ..PlacementSpec::default() });
    story.place("p", number(2));
    let first = why(&story, "c2");
    assert!(first.chosen);
    assert_eq!((first.rank, first.total, first.scores), (1, 200, vec![100, 100]));
    assert_eq!(first.sentence, "it ranks 1 of 3 with 200: Balance 100, Steady 100");
    let last = why(&story, "c1");
    assert_eq!((last.rank, last.total, last.scores), (3, -100, vec![-100, 0]));
    assert_eq!((last.rule.as_str(), last.chosen), ("NumberOfClusters", false));
    assert_eq!(last.sentence, "it ranks 3 of 3 with -100, and the placement takes 2");
    let key = key("p");
    let placement = Why::of(&story.world, &key, story.now()).unwrap().placement();
    assert_eq!((placement.wanted, placement.fitting, placement.chosen), (Some(2), 3, 2));
    assert_eq!(placement.dropped, [("NumberOfClusters".to_owned(), 1)].into());
    assert_eq!((placement.revision, placement.generation), (1, 1));
    assert_eq!(placement.sets, ["s"]);
    let names: Vec<_> = placement.prioritizers.iter().map(|p| (&*p.name, p.weight)).collect();
    assert_eq!(names, [("Balance", 1), ("Steady", 1)]);
    assert!(placement.settled);
}

#[test]
fn a_misconfigured_placement_keeps_its_clusters_and_says_why() {
    let mut story = Story::of(&["c1"]);
    story.place("p", PlacementSpec::default());
    story.place("p", misconfigured());
    let explained = why(&story, "c1");
    assert!(explained.chosen && explained.sentence.starts_with("the last good decision stays"));
    let key = key("p");
    let placement = Why::of(&story.world, &key, story.now()).unwrap().placement();
    assert!(placement.misconfigured.starts_with("Predicate:") && placement.settled);
    assert_eq!((placement.revision, placement.generation), (1, 2), "its spec is another now");
}

fn change(change: Change) -> SupposedChange {
    SupposedChange { change: Some(change) }
}

fn label(cluster: &str, key: &str, value: Option<&str>) -> SupposedChange {
    let (cluster, key, value) = (cluster.to_owned(), key.to_owned(), value.map(str::to_owned));
    change(Change::Label(SupposedLabel { cluster, key, value }))
}

fn of_taint(cluster: &str) -> SupposedTaint {
    SupposedTaint { cluster: cluster.to_owned(), taint: Some(taint("gpu", "true", "NoSelect")) }
}

/// Gained and lost.
fn otherwise(story: &Story, supposed: &Supposed) -> (Vec<String>, Vec<String>) {
    let before = story.world.clone();
    let (simulated, clusters) = simulate(&story.world, &key("p"), supposed, story.now()).unwrap();
    assert!(before == story.world, "nothing is decided");
    let names: Vec<_> = clusters.into_iter().map(|explained| explained.cluster).collect();
    assert_eq!(names, [simulated.gained.clone(), simulated.lost.clone()].concat());
    (simulated.gained, simulated.lost)
}

#[test]
fn who_is_passed_over_by_the_spread_and_who_comes_too_late_are_told_apart() {
    let mut story = Story::of(&[]);
    for (name, zone) in [("c1", "a"), ("c2", "a"), ("c3", "b"), ("c4", "b")] {
        story.cluster(name, specified("s", &[("zone", zone)]));
    }
    let constraint = SpreadConstraint {
        topology_key: crate::story::text("zone"),
        topology_key_type: crate::story::text("Label"),
        max_skew: Some(1),
        when_unsatisfiable: crate::story::text("DoNotSchedule"),
    };
    let spread_policy = Some(SpreadPolicy { spread_constraints: vec![constraint] });
    // All are as good, and being chosen counts for nothing: they rank by name.
    let spec = weighed(number(2), "Exact", &[("demo/cpu", 1)]);
    assert_eq!(story.place("p", PlacementSpec { spread_policy, ..spec }), ["c1", "c3"]);
    let (rule, sentence) = said(&story, "c2");
    assert_eq!(rule, "Spread", "{sentence}");
    let (rule, sentence) = said(&story, "c4");
    assert_eq!(rule, "NumberOfClusters", "{sentence}");
    story.place("p", number(2));
    assert_eq!(said(&story, "c4").0, "NumberOfClusters");
}

#[test]
fn what_would_be_gained_and_lost_is_what_then_comes() {
    let mut story = Story::of(&["c1", "c2"]);
    story.cluster("eu", specified("s", &[("region", "eu")]));
    let predicates = vec![predicate(&[("region", "eu")], &[])];
    story.place("p", PlacementSpec { predicates, ..PlacementSpec::default() });
    let gone = SupposedGone { cluster: "eu".to_owned() };
    let new = match specified("s", &[("region", "eu")]) {
        cluster_event::Event::Specified(specified) => specified.cluster.unwrap(),
        _ => panic!(),
    };
    let mut new = ManagedCluster { ..new };
    new.metadata.as_mut().unwrap().name = text("new");
    let supposed = Supposed {
        clusters: vec![new],
        changes: vec![label("c1", "region", Some("eu")), change(Change::Gone(gone))],
        placement: None,
    };
    let (gained, lost) = otherwise(&story, &supposed);
    assert_eq!((gained, lost), (vec!["c1".to_owned(), "new".to_owned()], vec!["eu".to_owned()]));
    let changes = vec![change(Change::Taint(of_taint("eu")))];
    let tainted = Supposed { changes: changes.clone(), ..Supposed::default() };
    assert_eq!(otherwise(&story, &tainted).1, ["eu"]);
    let both = [changes, vec![change(Change::Untaint(of_taint("eu")))]].concat();
    let untainted = Supposed { changes: both, ..Supposed::default() };
    assert_eq!(otherwise(&story, &untainted), (vec![], vec![]));
    let unlabelled = Supposed { changes: vec![label("eu", "region", None)], ..Supposed::default() };
    assert_eq!(otherwise(&story, &unlabelled).1, ["eu"]);
}

#[test]
fn a_taint_is_supposed_away_by_its_key_and_its_effect_if_it_names_one() {
    let mut story = Story::of(&["c1", "c2"]);
    let taints = [("gpu", "NoSelect"), ("gpu", "NoSelectIfNew"), ("disk", "NoSelect")];
    for (key, effect) in taints {
        story.taint("c1", taint(key, "", effect));
    }
    story.place("p", PlacementSpec::default());
    let without = |named: &[(&str, &str)]| {
        let untaint = |(key, effect): &(&str, &str)| {
            let taint = Some(taint(key, "", effect));
            change(Change::Untaint(SupposedTaint { cluster: "c1".to_owned(), taint }))
        };
        let changes = named.iter().map(untaint).collect();
        otherwise(&story, &Supposed { changes, ..Supposed::default() }).0
    };
    assert_eq!(without(&[("gpu", ""), ("disk", "")]), ["c1"]);
    assert_eq!(without(&taints), ["c1"]);
    assert!(without(&taints[1..]).is_empty(), "gpu:NoSelect is still there");
    assert!(without(&[("gpu", "")]).is_empty(), "disk:NoSelect is still there");
}

#[test]
fn another_spec_and_a_new_placement_can_be_supposed() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    story.place("p", number(1));
    let supposed = |spec| Supposed { placement: Some(apply("p", spec)), ..Supposed::default() };
    assert_eq!(otherwise(&story, &supposed(number(2))).0, ["c2"]);
    let kept = simulate(&story.world, &key("p"), &supposed(misconfigured()), story.now());
    let kept = kept.unwrap().0;
    assert_eq!((kept.before, kept.after), (1, 1));
    assert_eq!((kept.pages_before, kept.pages_after), (1, 1), "the last good decision is kept");
    story.delete("p");
    let (simulated, _) =
        simulate(&story.world, &key("p"), &supposed(number(2)), story.now()).unwrap();
    assert_eq!((simulated.before, simulated.after), (0, 2));
    assert_eq!((simulated.pages_before, simulated.pages_after), (0, 1));
    let flawed = simulate(&story.world, &key("p"), &supposed(misconfigured()), story.now());
    assert!(flawed.unwrap().0.misconfigured.starts_with("Predicate:"));
}

#[test]
fn what_a_flawed_spec_keeps_is_counted_in_pages() {
    let names: Vec<String> = (0..150).map(|n| format!("c{n}")).collect();
    let mut story = Story::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    story.place("p", PlacementSpec::default());
    let flawed = Supposed { placement: Some(apply("p", misconfigured())), ..Default::default() };
    let (simulated, _) = simulate(&story.world, &key("p"), &flawed, story.now()).unwrap();
    assert_eq!((simulated.after, simulated.pages_before, simulated.pages_after), (150, 2, 2));
}

#[test]
fn what_is_not_there_is_refused() {
    let mut story = Story::of(&["c1"]);
    let none = Supposed::default();
    let refused = simulate(&story.world, &key("p"), &none, story.now());
    assert_eq!(refused.unwrap_err(), Refusal::NotFound { name: "ns/p".into() });
    assert!(Why::of(&story.world, &key("p"), story.now()).is_none());
    story.place("p", number(1));
    let changes = vec![label("c9", "a", None)];
    let refused = simulate(&story.world, &key("p"), &Supposed { changes, ..none }, story.now());
    assert_eq!(refused.unwrap_err(), Refusal::NoCluster { cluster: "c9".into() });
}

fn few() -> ProptestConfig {
    ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few())]

    /// The answer to "what if" is what then happens, and everybody's reason fits it.
    #[test]
    fn what_was_simulated_is_what_is_decided(
        regions in prop::collection::vec(0..3_u8, 1..8),
        number_of in 0..5_i32,
        moved in 0..8_usize,
        to in 0..3_u8,
    ) {
        let mut story = Story::of(&[]);
        let names: Vec<String> = (0..regions.len()).map(|at| format!("c{at}")).collect();
        let region = |at: u8| format!("r{at}");
        for (name, at) in names.iter().zip(&regions) {
            story.cluster(name, specified("s", &[("region", &region(*at))]));
        }
        let predicates = vec![predicate(&[("region", "r1")], &[])];
        let spec = PlacementSpec {
            predicates,
            number_of_clusters: Some(number_of),
            ..PlacementSpec::default()
        };
        story.place("p", spec);
        let before = story.decided("p");
        let name = &names[moved % names.len()];
        let changes = vec![label(name, "region", Some(&region(to)))];
        let supposed = Supposed { changes, ..Supposed::default() };
        let (gained, lost) = otherwise(&story, &supposed);
        story.cluster(name, specified("s", &[("region", &region(to))]));
        story.settle();
        let after = story.decided("p");
        let new: Vec<String> = after.iter().filter(|n| !before.contains(n)).cloned().collect();
        let old: Vec<String> = before.iter().filter(|n| !after.contains(n)).cloned().collect();
        prop_assert_eq!((gained, lost), (new, old));
        let key = key("p");
        let why = Why::of(&story.world, &key, story.now()).unwrap();
        prop_assert!(why.placement().settled);
        for explained in why.clusters() {
            prop_assert_eq!(explained.chosen, after.contains(&explained.cluster));
            prop_assert_eq!(explained.chosen, explained.rule.is_empty());
            prop_assert!(!explained.sentence.is_empty());
        }
        let mut rules = std::collections::BTreeMap::<String, u32>::new();
        for explained in why.clusters().into_iter().filter(|e| !e.chosen) {
            *rules.entry(explained.rule).or_default() += 1;
        }
        prop_assert_eq!(rules, why.placement().dropped);
    }
}
