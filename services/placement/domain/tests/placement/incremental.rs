//! What a change costs: only placements that could care are looked at, and what cannot alter a
//! decision touches none.

use crate::story::{Story, key, misconfigured, number, predicate, set_by, specified, taint};
use fleetlog_messages::placement::PlacementSpec;
use fleetlog_messages::registration::{
    ClusterBecameAvailable, ClusterFacts, ClusterSetCounted, ClusterStatusReported, LeaseExpired,
    cluster_event::Event, cluster_set_event,
};
use fleetlog_placement_domain::{Change, PlacementKey};

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
fn a_deleted_placement_frees_its_clusters_for_the_balance() {
    let mut story = Story::of(&["c1", "c2"]);
    assert_eq!(story.place("a", number(1)), ["c1"]);
    story.delete("a");
    assert_eq!(story.place("b", number(1)), ["c1"]);
    assert_eq!(story.placement("a"), fleetlog_placement_domain::Placement::default());
}
