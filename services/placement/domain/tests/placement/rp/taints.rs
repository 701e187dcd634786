//! Taints, tolerations and time: 93 to 98, 135 to 138.

use super::specs::{misconfiguration, no, no_match, tolerating, toleration};
use crate::story::{Story, key, number, taint};
use fleetlog_messages::placement::{PlacementSpec, Toleration};
use fleetlog_placement_domain::filter::{self, Seen, When};
use fleetlog_placement_domain::plan::Plan;
use fleetlog_rules::taint::Standing;

fn limited(toleration: Toleration, seconds: i64) -> Toleration {
    Toleration { toleration_seconds: Some(seconds), ..toleration }
}

fn exists(key: &str, seconds: i64) -> Toleration {
    limited(toleration(key, "Exists", "", ""), seconds)
}

#[test]
fn rp093_a_taint_keeps_a_cluster_away_unless_a_toleration_covers_it() {
    let cases = [
        (vec![], 0),
        (vec![toleration("k", "Equal", "v", "")], 1),
        (vec![toleration("k", "Equal", "other", "")], 0),
        (vec![toleration("k", "Exists", "", "")], 1),
        (vec![toleration("", "Exists", "", "")], 1),
        (vec![toleration("k", "Exists", "", "NoSelectIfNew")], 0),
    ];
    for (tolerations, chosen) in cases {
        let mut story = Story::of(&["c1"]);
        story.taint("c1", taint("k", "v", "NoSelect"));
        let decided = story.place("p", tolerating(tolerations.clone()));
        assert_eq!(decided.len(), chosen, "{tolerations:?}");
    }
}

#[test]
fn rp094_a_toleration_that_means_nothing_is_said_in_ocms_words_and_changes_nothing() {
    // Ours: the last good decision stays, and the message ends with the field's path.
    let cases = [
        (toleration("", "Equal", "v", ""), "If the key is empty, operator must be Exists."),
        (
            toleration("k", "Exists", "v", ""),
            "If the operator is Exists, the value should be empty.",
        ),
    ];
    for (wrong, words) in cases {
        let mut story = Story::of(&["c1", "c2"]);
        story.taint("c1", taint("k", "v", "NoSelect"));
        assert_eq!(story.place("p", PlacementSpec::default()), ["c2"]);
        let right = toleration("k", "Equal", "v", "");
        assert_eq!(story.place("p", tolerating(vec![right.clone(), wrong])), ["c2"]);
        let message = format!("TaintToleration:{words} (spec.tolerations[1])");
        assert_eq!(misconfiguration(&story, "p"), ("True".to_owned(), message));
        assert_eq!(story.place("p", tolerating(vec![right])), ["c1", "c2"]);
    }
}

#[test]
fn rp095_softer_taints_keep_only_new_clusters_away_or_none() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    story.taint("c1", taint("k", "v", "PreferNoSelect"));
    assert_eq!(story.place("p", PlacementSpec::default()), ["c1", "c2", "c3"]);
    story.taint("c2", taint("k", "v", "NoSelectIfNew"));
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2", "c3"], "a chosen one stays");
    assert_eq!(story.place("new", PlacementSpec::default()), ["c1", "c3"]);
}

#[test]
fn rp096_a_limited_toleration_ends_that_long_after_the_taint_was_added() {
    let tolerate = |seconds| tolerating(vec![exists("k", seconds)]);
    let mut story = Story::of(&["c1"]);
    story.taint_ago("c1", taint("k", "v", "NoSelect"), 60);
    assert!(story.place("short", tolerate(50)).is_empty());
    assert!(story.place("never", tolerate(0)).is_empty());
    assert_eq!(story.place("p", tolerate(70)), ["c1"]);
    let forever = tolerating(vec![toleration("k", "Exists", "", "")]);
    assert_eq!(story.place("forever", forever), ["c1"]);
    story.pass(9);
    assert_eq!(story.decided("p"), ["c1"]);
    story.pass(1);
    assert!(story.decided("p").is_empty(), "nobody did anything but wait");
    story.pass(1_000_000);
    assert_eq!(story.decided("forever"), ["c1"]);
    assert!(story.timers.is_empty(), "nothing is left to wait for");
    let mut story = Story::of(&["c1"]);
    story.taint_ago("c1", taint("a", "", "NoSelect"), 0);
    story.taint_ago("c1", taint("b", "", "NoSelect"), 0);
    let both = tolerating(vec![exists("a", 10), exists("b", 20)]);
    assert_eq!(story.place("p", both), ["c1"]);
    story.pass(9);
    assert_eq!(story.decided("p"), ["c1"]);
    story.pass(1);
    assert!(story.decided("p").is_empty(), "the first of two ends it");
}

#[test]
fn rp097_every_taint_has_to_be_tolerated() {
    let mut story = Story::of(&["c1"]);
    story.taint("c1", taint("a", "", "NoSelect"));
    story.taint("c1", taint("b", "", "NoSelect"));
    let one = toleration("a", "Exists", "", "");
    assert!(story.place("p", tolerating(vec![one.clone()])).is_empty());
    assert_eq!(story.satisfied("p"), no_match());
    let both = vec![one, toleration("b", "Exists", "", "")];
    assert_eq!(story.place("p", tolerating(both)), ["c1"]);
}

#[test]
fn rp098_an_unreachable_cluster_drops_out_unless_that_is_tolerated_and_returns() {
    let unreachable = "cluster.open-cluster-management.io/unreachable";
    let mut story = Story::of(&["c1", "c2"]);
    story.place("p", PlacementSpec::default());
    let keep = toleration(unreachable, "Exists", "", "");
    story.place("tolerant", tolerating(vec![keep.clone()]));
    story.place("patient", tolerating(vec![limited(keep, 30)]));
    story.taint_ago("c1", taint(unreachable, "", "NoSelect"), 0);
    story.settle();
    assert_eq!(story.decided("p"), ["c2"]);
    assert_eq!(story.decided("tolerant"), ["c1", "c2"]);
    story.pass(29);
    assert_eq!(story.decided("patient"), ["c1", "c2"]);
    story.pass(1);
    assert_eq!(story.decided("patient"), ["c2"]);
    story.untaint("c1", taint(unreachable, "", "NoSelect"));
    story.settle();
    for name in ["p", "tolerant", "patient"] {
        assert_eq!(story.decided(name), ["c1", "c2"], "{name}");
    }
}

#[test]
fn rp135_predicates_come_first_and_taints_after_them() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    story.taint("c1", taint("key1", "value1", "NoSelect"));
    story.taint("c2", taint("key2", "value2", "NoSelect"));
    let tolerations = vec![toleration("key1", "Equal", "value1", "")];
    let spec = PlacementSpec { tolerations, ..number(3) };
    assert_eq!(story.place("p", spec.clone()), ["c1", "c3"]);
    let message = "1 cluster decisions unscheduled";
    assert_eq!(story.satisfied("p"), no("NotAllDecisionsScheduled", message));
    let plan = Plan::of(&spec).unwrap();
    let clusters = story.world.fleet().clusters();
    let dropped = |name: &str| {
        let seen = Seen { name, cluster: &clusters[name], scores: story.world.scores() };
        filter::dropped(&plan, seen, Standing::New, When::At(story.now()))
    };
    let trace = ["c1", "c2", "c3"].map(dropped);
    assert_eq!(trace, [None, Some("TaintToleration"), None], "no predicate dropped any");
}

#[test]
fn rp136_the_earliest_end_among_the_chosen_wakes_the_placement() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    assert_eq!(story.place("p", tolerating(vec![exists("key1", 10)])).len(), 3);
    story.cluster("c3", crate::story::specified("elsewhere", &[]));
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
    story.cluster("c3", crate::story::specified("s", &[]));
    for (name, ago) in [("c1", 8), ("c2", 9), ("c3", 10)] {
        story.taint_ago(name, taint("key1", "", "NoSelect"), ago);
    }
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"], "at exactly 10 s it is out");
    assert_eq!(story.timers[&key("p")], story.ago(-1), "one second on: the end of c2");
    story.pass(1);
    assert_eq!(story.decided("p"), ["c1"]);
    assert_eq!(story.timers[&key("p")], story.ago(-1), "then that of c1");
}

#[test]
fn rp137_an_empty_value_equals_only_itself_and_an_empty_key_that_exists_covers_all() {
    // Ours: what is misconfigured keeps the last good decision.
    let mut story = Story::of(&["c1"]);
    story.taint("c1", taint("k", "v", "NoSelect"));
    assert!(story.place("p", tolerating(vec![toleration("k", "Equal", "", "")])).is_empty());
    story.place("p", tolerating(vec![toleration("", "Equal", "", "")]));
    assert_eq!(misconfiguration(&story, "p").0, "True");
    assert_eq!(story.place("p", tolerating(vec![toleration("", "Exists", "", "")])), ["c1"]);
}

#[test]
fn rp138_a_chosen_cluster_stays_under_no_select_if_new_whatever_is_tolerated() {
    let other = || tolerating(vec![toleration("k", "Exists", "", "NoSelect")]);
    let mut story = Story::of(&["c1"]);
    assert_eq!(story.place("p", other()), ["c1"]);
    story.taint("c1", taint("k", "v", "NoSelectIfNew"));
    story.settle();
    assert_eq!(story.decided("p"), ["c1"]);
    assert!(story.place("new", other()).is_empty());
}
