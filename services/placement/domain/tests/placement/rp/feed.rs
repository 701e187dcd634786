//! What makes a placement be looked at again, and what does not: 118 to 120, 144, 148, 150.

use super::specs::weighed;
use crate::story::{Story, key, number, predicate, set_by, specified};
use fleetlog_messages::placement::PlacementSpec;
use fleetlog_placement_domain::PlacementKey;

fn by_score() -> PlacementSpec {
    weighed(number(1), "Additive", &[("demo/demo", 1)])
}

fn place_in(story: &mut Story, namespace: &str, name: &str, spec: PlacementSpec) -> PlacementKey {
    let target = PlacementKey::new(namespace, name);
    let mut apply = crate::story::apply(name, spec);
    apply.target = target.clone();
    let apply = fleetlog_placement_domain::PlacementCommand::Apply(Box::new(apply));
    story.command(&target, &apply).unwrap();
    story.settle();
    target
}

#[test]
fn rp118_scores_of_a_cluster_out_of_reach_touch_nothing() {
    let mut story = Story::of(&["c1"]);
    story.set("t", set_by(None));
    story.cluster("far", specified("t", &[]));
    story.place("p", by_score());
    story.place("other", number(1));
    assert!(story.score("far", "demo", &[("demo", 1)], None).is_empty());
    assert_eq!(story.score("c1", "demo", &[("demo", 1)], None), [key("p")]);
    assert!(story.score("c1", "else", &[("demo", 1)], None).is_empty(), "nobody weighs it");
    assert!(story.score("c1", "demo", &[("demo", 1)], None).is_empty(), "it says the same");
}

#[test]
fn rp119_the_placements_of_a_cluster_s_old_set_are_looked_at_too() {
    let mut story = Story::of(&["c1"]);
    story.set("t", set_by(None));
    story.bind("other", "t");
    story.place("p", PlacementSpec::default());
    let there = place_in(&mut story, "other", "q", PlacementSpec::default());
    assert_eq!(story.cluster("c1", specified("t", &[])), [key("p"), there]);
    story.settle();
    assert!(story.decided("p").is_empty());
    let by_label = vec![predicate(&[("a", "1")], &[])];
    story.cluster("c2", specified("s", &[("a", "1")]));
    story.place("labelled", PlacementSpec { predicates: by_label, ..Default::default() });
    let touched = story.cluster("c2", specified("s", &[]));
    assert_eq!(touched, [key("labelled")], "its old label counted");
}

#[test]
fn a_label_that_many_others_have_too_chooses_from_the_placement_s_own_sets_alone() {
    let mut story = Story::of(&["c1", "c2", "c3", "c4"]);
    story.set("t", set_by(None));
    story.cluster("c1", specified("s", &[("a", "1")]));
    story.cluster("far", specified("t", &[("a", "1")]));
    let by_label = vec![predicate(&[("a", "1")], &[])];
    let spec = PlacementSpec { predicates: by_label, ..Default::default() };
    assert_eq!(story.place("p", spec), ["c1"]);
}

#[test]
fn what_is_allocatable_touches_only_the_placements_that_weigh_it() {
    let mut story = Story::of(&["c1", "c2"]);
    story.place("plain", number(1));
    story.place("p", weighed(number(1), "Exact", &[("ResourceAllocatableCPU", 1)]));
    assert_eq!(story.allocatable("c2", "5", "5"), [key("p")]);
    story.settle();
    assert_eq!(story.decided("p"), ["c2"]);
}

#[test]
fn rp120_nothing_is_polled_time_wakes_only_what_waits_for_it() {
    // Ours: there is no resync; drift cannot be, because pages are derived and every input is an
    // event. A placement that waits for no moment is never looked at.
    let mut story = Story::of(&["c1"]);
    story.place("p", PlacementSpec::default());
    let looks = story.looks;
    story.pass(365 * 24 * 60 * 60);
    assert_eq!(story.looks, looks);
    assert_eq!(story.world.deadline(&key("p"), story.now()), None);
}

#[test]
fn rp144_a_look_that_finds_nothing_new_writes_nothing() {
    let mut story = Story::of(&["c1", "c2"]);
    story.place("p", number(3));
    let before = story.events.len();
    for _ in 0..3 {
        assert_eq!(story.look(&key("p")), vec![]);
        story.pass(600);
    }
    assert_eq!(story.events.len(), before);
}

#[test]
fn rp148_a_move_touches_both_sets_a_label_its_own_and_a_deletion_the_last() {
    let mut story = Story::of(&["c1", "c2"]);
    story.set("t", set_by(None));
    story.bind("other", "t");
    story.place("p", PlacementSpec::default());
    let there = place_in(&mut story, "other", "q", PlacementSpec::default());
    assert_eq!(story.cluster("c1", specified("t", &[])), [key("p"), there.clone()]);
    story.settle();
    let by_label = vec![predicate(&[("a", "1")], &[])];
    let by_label = PlacementSpec { predicates: by_label, ..Default::default() };
    story.place("labelled", by_label.clone());
    let far = place_in(&mut story, "other", "labelled", by_label);
    let touched = story.cluster("c1", specified("t", &[("a", "1")]));
    assert_eq!(touched, std::slice::from_ref(&far));
    story.settle();
    assert_eq!(story.leave("c1"), [far, there]);
    assert_eq!(story.leave("c2"), [key("labelled"), key("p")], "the last one: the reason changes");
}

#[test]
fn rp150_a_score_touches_only_where_its_cluster_can_be_chosen() {
    let mut story = Story::of(&["c1"]);
    story.set("t", set_by(None));
    story.bind("other", "t");
    story.cluster("far", specified("t", &[]));
    story.place("p", by_score());
    let there = place_in(&mut story, "other", "q", by_score());
    assert_eq!(story.score("c1", "demo", &[("demo", 1)], None), [key("p")]);
    assert_eq!(story.score("far", "demo", &[("demo", 1)], None), [there]);
}
