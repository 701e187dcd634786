//! What a change costs: only placements that could care are looked at, and what cannot alter a
//! decision touches none.

use crate::rp::specs::{grouped, weighed};
use crate::story::{Story, key, misconfigured, number, predicate, set_by, specified, taint};
use fleetlog_kernel::Position;
use fleetlog_messages::placement::{PlacementEvent, PlacementSpec, placement_event};
use fleetlog_messages::registration::{
    ClusterBecameAvailable, ClusterFacts, ClusterSetCounted, ClusterStatusReported, LeaseExpired,
    cluster_event::Event, cluster_set_event,
};
use fleetlog_placement_domain::plan::Plan;
use fleetlog_placement_domain::{Change, PlacementKey, World};
use prost::Message as _;
use std::collections::BTreeMap;

fn by_label(value: &str) -> PlacementSpec {
    PlacementSpec {
        predicates: vec![predicate(&[("app", value)], &[])],
        ..PlacementSpec::default()
    }
}

#[test]
fn beats_capacity_and_counts_touch_nothing() {
    let mut story = Story::of(&["c1"]);
    story.place("p", PlacementSpec::default());
    let facts = ClusterFacts {
        capacity: crate::story::pairs(&[("cpu", "4")]),
        allocatable: crate::story::pairs(&[("cpu", "3")]),
        ..ClusterFacts::default()
    };
    let quiet = [
        Event::StatusReported(ClusterStatusReported { facts: Some(facts) }),
        Event::BecameAvailable(ClusterBecameAvailable::default()),
        Event::LeaseExpired(LeaseExpired::default()),
        specified("s", &[]),
    ];
    for event in quiet {
        assert!(story.cluster("c1", event.clone()).is_empty(), "{event:?}");
    }
    let counted = cluster_set_event::Event::Counted(ClusterSetCounted::default());
    assert!(story.commit(vec![Change::Set("s".to_owned(), counted)]).is_empty());
}

#[test]
fn a_cluster_touches_the_placements_that_could_choose_it_or_have_it() {
    let mut story = Story::of(&["c1"]);
    story.set("t", set_by(None));
    story.bind("other", "t");
    story.place("web", by_label("web"));
    story.place("db", by_label("db"));
    story.place("all", PlacementSpec::default());
    let elsewhere = PlacementSpec { cluster_sets: vec!["t".to_owned()], ..Default::default() };
    story.place("elsewhere", elsewhere);
    story.place("bad", misconfigured());
    let touched = story.cluster("c2", specified("s", &[("app", "web")]));
    assert_eq!(touched, [key("all"), key("web")]);
    let touched = story.cluster("c2", specified("s", &[("app", "db")]));
    assert_eq!(touched, [key("db"), key("web")], "all has it before and after");
    assert_eq!(story.cluster("c2", specified("t", &[("app", "db")])), [key("all"), key("db")]);
    let away = taint("k", "", "NoSelect");
    story.cluster("c2", specified("s", &[("app", "db")]));
    assert_eq!(story.taint("c2", away.clone()), [key("all"), key("db")]);
    assert!(story.cluster("c3", Event::Accepted(Default::default())).is_empty(), "it is unknown");
    assert_eq!(story.untaint("c2", away), [key("all"), key("db")]);
}

#[test]
fn sets_and_bindings_touch_the_placements_that_mean_them() {
    let mut story = Story::of(&["c1"]);
    story.set("t", set_by(None));
    story.place(
        "s-only",
        PlacementSpec { cluster_sets: vec!["s".to_owned()], ..Default::default() },
    );
    story.place("any", PlacementSpec::default());
    assert_eq!(story.bind("ns", "t"), [key("any")]);
    assert!(story.bind("ns", "t").is_empty(), "it is bound");
    assert!(story.bind("other", "t").is_empty(), "nothing is placed there");
    assert_eq!(story.unbind("ns", "s"), [key("any"), key("s-only")]);
    let last = story.drop_set("t");
    assert_eq!(last, [key("any"), key("s-only")], "the reason changes where nothing is bound");
    assert!(story.drop_set("t").is_empty());
    assert!(story.set("unbound", set_by(None)).is_empty());
}

#[test]
fn the_first_and_the_last_candidate_touch_for_the_reasons_sake() {
    let mut story = Story::of(&[]);
    story.place("web", by_label("web"));
    assert_eq!(story.satisfied("web").1, "AllManagedClusterSetsEmpty");
    assert_eq!(story.cluster("c1", specified("s", &[])), [key("web")]);
    assert!(story.cluster("c2", specified("s", &[])).is_empty());
    story.settle();
    assert_eq!(story.satisfied("web").1, "NoManagedClusterMatched");
    assert!(story.leave("c1").is_empty());
    assert_eq!(story.leave("c2"), [key("web")]);
    story.settle();
    assert_eq!(story.satisfied("web").1, "AllManagedClusterSetsEmpty");
}

#[test]
fn a_burst_of_a_thousand_clusters_is_looked_at_once_by_each_placement_that_cares() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    for n in 0..100 {
        let spec = if n == 0 { by_label("web") } else { by_label(&format!("app{n}")) };
        story.place(&format!("p{n}"), spec);
    }
    story.place("two", number(2));
    let looks = story.looks;
    for n in 0..1_000 {
        story.cluster(&format!("n{n:04}"), specified("s", &[("app", "web")]));
    }
    story.settle();
    assert_eq!(story.decided("p0").len(), 1_000);
    let looked = story.looks - looks;
    assert!(looked <= 1 + 1_000, "{looked} looks: p0 once, and \"two\" never more than touched");
    let of_p0 = story.placement("p0").0.revision;
    assert_eq!(of_p0, 2, "one revision took the whole burst");
}

#[test]
fn what_a_decision_has_seen_is_not_looked_at_again() {
    let mut story = Story::of(&["c1"]);
    story.place("p", PlacementSpec::default());
    let key: PlacementKey = key("p");
    assert_eq!(story.world.pending(&key), None);
    story.cluster("c2", specified("s", &[]));
    assert!(story.world.pending(&key).is_some());
    story.settle();
    assert_eq!(story.world.pending(&key), None);
    assert_eq!(story.world.pending(&PlacementKey::new("ns", "none")), None);
}

#[test]
fn a_score_touches_the_placements_that_weigh_it_and_can_see_its_cluster() {
    let mut story = Story::of(&["c1"]);
    story.set("t", set_by(None));
    story.bind("ns", "t");
    let of = |set: &str, score: &str| {
        let spec = weighed(number(1), "Exact", &[(score, 1)]);
        PlacementSpec { cluster_sets: vec![set.to_owned()], ..spec }
    };
    story.place("weighs", of("s", "demo/cpu"));
    story.place("elsewhere", of("t", "demo/cpu"));
    story.place("by-another", of("s", "other/cpu"));
    assert_eq!(story.score("c1", "demo", &[("cpu", 1)], None), [key("weighs")]);
    assert!(story.score("unknown", "demo", &[("cpu", 1)], None).is_empty());
}

#[test]
fn worlds_whose_placements_ask_for_something_else_differ() {
    let of = |expression: &str| {
        let mut story = Story::of(&[]);
        story.place("p", crate::rp::expressions::by(&[expression]));
        story.world
    };
    assert!(of("1 > 2") == of("1 > 2"));
    let plan = |expression| Plan::of(&crate::rp::expressions::by(&[expression])).unwrap();
    assert!(plan("1 > 2") == plan("1 > 2") && plan("1 > 2") != plan("2 > 3"));
    assert!(of("1 > 2") != of("2 > 3"));
}

#[test]
fn a_world_of_rows_stands_where_they_were_folded_up_to() {
    let story = Story::of(&["c1"]);
    let (fleet, scores) = (story.world.fleet().clone(), story.world.scores().clone());
    let position = story.world.position();
    assert!(position > Position::START);
    assert_eq!(World::of(fleet, scores, BTreeMap::new(), position).position(), position);
}

#[test]
fn a_deleted_placement_frees_its_clusters_for_the_balance() {
    let mut story = Story::of(&["c1", "c2"]);
    assert_eq!(story.place("a", number(1)), ["c1"]);
    story.delete("a");
    assert_eq!(story.place("b", number(1)), ["c1"]);
    assert_eq!(story.placement("a"), fleetlog_placement_domain::Placement::default());
}

/// Scored by what is allocatable and by an add-on, three times; not by being chosen already.
fn compared() -> PlacementSpec {
    weighed(number(1), "Exact", &[("ResourceAllocatableCPU", 1), ("demo/cpu", 3)])
}

/// `c1` has been chosen before it was tainted; it has little to give, and an add-on prefers it.
fn crowded() -> Story {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    for (name, cpu) in [("c1", "0"), ("c2", "90"), ("c3", "100")] {
        story.allocatable(name, cpu, "1");
    }
    for (name, score) in [("c1", 100), ("c2", 8), ("c3", 0)] {
        story.score(name, "demo", &[("cpu", score)], None);
    }
    story
}

#[test]
fn those_left_are_compared_again_when_a_cluster_was_let_go_for_good() {
    let mut story = crowded();
    assert_eq!(story.place("p", compared()), ["c1"]);
    story.taint("c1", taint("k", "", "NoSelectIfNew"));
    story.settle();
    assert_eq!(story.decided("p"), ["c1"], "it is not new");
    let looks = story.looks;
    story.score("c1", "demo", &[("cpu", 0)], None);
    story.settle();
    // Beside c1, c2 has 80 + 24 and c3 has 100; without it, -100 + 24 and 100.
    assert_eq!(story.decided("p"), ["c3"]);
    assert_eq!(story.looks - looks, 2, "c2 in its place, and then those left again");
    assert_eq!(story.world.pending(&key("p")), None);
}

#[test]
fn a_cluster_that_may_come_back_is_let_go_with_one_look() {
    let mut story = crowded();
    story.place("p", compared());
    let looks = story.looks;
    story.score("c1", "demo", &[("cpu", 0)], None);
    story.settle();
    assert_eq!((story.decided("p"), story.looks - looks), (vec!["c2".to_owned()], 1));
}

#[test]
fn where_clusters_are_not_compared_one_look_is_enough() {
    let mut story = crowded();
    let spec = weighed(number(1), "Exact", &[("demo/cpu", 1)]);
    assert_eq!(story.place("p", spec), ["c1"]);
    story.taint("c1", taint("k", "", "NoSelectIfNew"));
    story.settle();
    let looks = story.looks;
    story.score("c1", "demo", &[("cpu", 0)], None);
    story.settle();
    assert_eq!((story.decided("p"), story.looks - looks), (vec!["c2".to_owned()], 1));
}

/// What the commit of a look weighs.
fn weight(events: &[placement_event::Event]) -> usize {
    let event = |event: &placement_event::Event| PlacementEvent { event: Some(event.clone()) };
    events.iter().map(|e| event(e).encoded_len()).sum()
}

#[test]
fn a_revision_over_ten_thousand_clusters_that_changes_one_weighs_under_2_kb() {
    let name = |n: u32| format!("cluster-of-some-region-and-zone-{n:05}");
    let mut story = Story::of(&[]);
    for n in 0..10_000 {
        let cloud = format!("cloud{}", n % 10);
        story.cluster(&name(n), specified("s", &[("app", "web"), ("cloud", &cloud)]));
    }
    let groups = grouped(&[("canary", "cloud1")], None);
    let spec = PlacementSpec { predicates: by_label("web").predicates, ..groups };
    assert_eq!(story.place("p", spec).len(), 10_000);
    let revised = |story: &mut Story, touched: Vec<PlacementKey>| {
        assert_eq!(touched, [key("p")]);
        let events = story.look(&key("p"));
        let revision = |event: &_| matches!(event, placement_event::Event::Decided(_));
        assert!(events.iter().any(revision), "{events:?}");
        weight(&events)
    };
    let touched = story.leave(&name(4_321));
    assert!(revised(&mut story, touched) < 2_000);
    let touched = story.taint(&name(1_234), taint("gpu", "true", "NoSelect"));
    assert!(revised(&mut story, touched) < 2_000);
    let touched = story.cluster(&name(10_000), specified("s", &[("app", "web")]));
    assert!(revised(&mut story, touched) < 2_000);
    assert_eq!(story.decided("p").len(), 9_999);
}
