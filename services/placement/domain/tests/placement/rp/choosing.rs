//! Sets, bindings, numbers, predicates: 81 to 88, 142, 145, 147, 149.

use super::specs::{all, configured, misconfiguration, no, no_match};
use crate::story::{Story, key, number, predicate, requirement, set_by, specified, text};
use fleetlog_messages::common::{LabelSelector, Time};
use fleetlog_messages::placement::{
    ClusterPredicate, ClusterSelector, PlacementSpec, placement_event::Event,
};
use fleetlog_messages::registration::cluster_event;
use fleetlog_messages::registration::{ManagedClusterSelector, ManagedClusterSetSpec};
use fleetlog_placement_domain::{PlacementCommand, pages};

fn spec() -> PlacementSpec {
    PlacementSpec::default()
}

fn of_sets(sets: &[&str]) -> PlacementSpec {
    PlacementSpec { cluster_sets: sets.iter().map(|s| (*s).to_owned()).collect(), ..spec() }
}

fn by(predicates: Vec<ClusterPredicate>) -> PlacementSpec {
    PlacementSpec { predicates, ..spec() }
}

fn by_operator(operator: &str) -> PlacementSpec {
    let match_expressions = vec![requirement("a", operator, &["b"])];
    let selector = LabelSelector { match_expressions, ..LabelSelector::default() };
    let selector = ClusterSelector { label_selector: Some(selector), ..Default::default() };
    by(vec![ClusterPredicate { required_cluster_selector: Some(selector) }])
}

fn ending(set: &str) -> cluster_event::Event {
    let mut event = specified(set, &[]);
    if let cluster_event::Event::Specified(specified) = &mut event {
        let meta = specified.cluster.as_mut().unwrap().metadata.as_mut().unwrap();
        meta.deletion_timestamp = Some(Time { seconds: 1, ..Time::default() });
    }
    event
}

#[test]
fn rp081_without_a_binding_there_is_one_empty_page() {
    let mut story = Story::default();
    story.set("s", set_by(None));
    story.cluster("c1", specified("s", &[]));
    assert!(story.place("p", spec()).is_empty());
    let message = "No valid ManagedClusterSetBindings found in placement namespace";
    assert_eq!(story.satisfied("p"), no("NoManagedClusterSetBindings", message));
    let page = ("p-decision-1".to_owned(), "0".to_owned(), String::new(), vec![]);
    assert_eq!(story.pages("p"), [page]);
    let status = story.placement("p").object().unwrap().status.clone().unwrap();
    assert_eq!(status.number_of_selected_clusters, Some(0));
}

#[test]
fn rp082_each_way_to_choose_nothing_has_its_reason() {
    let mut story = Story::of(&[]);
    story.place("p", of_sets(&["x"]));
    let message = "None of ManagedClusterSets [x] is bound to placement namespace";
    assert_eq!(story.satisfied("p"), no("NoIntersection", message));
    story.place("p", of_sets(&["s"]));
    let message = "All ManagedClusterSets [s] have no member ManagedCluster";
    assert_eq!(story.satisfied("p"), no("AllManagedClusterSetsEmpty", message));
    story.cluster("c1", specified("s", &[]));
    story.place("p", by(vec![predicate(&[("a", "b")], &[])]));
    assert_eq!(story.satisfied("p"), no_match());
}

#[test]
fn rp083_the_wanted_number_is_chosen_and_what_is_missing_is_said() {
    let names: Vec<String> = (1..=12).map(|n| format!("c{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::of(&names[..5]);
    assert_eq!(story.place("all", spec()), names[..5]);
    assert_eq!(story.satisfied("all"), all());
    let mut story = Story::of(&names[..1]);
    assert_eq!(story.place("p", number(3)), ["c01"]);
    let message = "2 cluster decisions unscheduled";
    assert_eq!(story.satisfied("p"), no("NotAllDecisionsScheduled", message));
    let mut story = Story::of(&names);
    let sizes = [10, 4, 5, 8].map(|n| story.place("p", number(n)).len());
    assert_eq!(sizes, [10, 4, 5, 8]);
}

#[test]
fn rp084_sets_and_bindings_that_come_and_go_move_the_decision() {
    let mut story = Story::of(&["c1", "c2"]);
    story.set("t", set_by(None));
    story.bind("ns", "t");
    for name in ["d1", "d2", "d3"] {
        story.cluster(name, specified("t", &[]));
    }
    assert_eq!(story.place("p", of_sets(&["s", "t"])).len(), 5);
    assert_eq!(story.place("p", of_sets(&["s"])), ["c1", "c2"]);
    assert_eq!(story.place("p", spec()).len(), 5);
    story.drop_set("t");
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
    story.drop_set("s");
    story.settle();
    assert!(story.decided("p").is_empty());
    assert_eq!(story.satisfied("p").1, "NoManagedClusterSetBindings");
    story.set("s", set_by(None));
    story.set("t", set_by(None));
    story.settle();
    assert_eq!(story.decided("p").len(), 5);
    story.unbind("ns", "s");
    story.unbind("ns", "t");
    story.settle();
    assert!(story.decided("p").is_empty());
}

#[test]
fn rp085_members_that_end_or_leave_drop_out_and_new_ones_come_in() {
    let mut story = Story::of(&["c1", "c2", "c3", "c4", "c5"]);
    assert_eq!(story.place("p", spec()).len(), 5);
    story.cluster("c1", ending("s"));
    story.settle();
    assert_eq!(story.decided("p"), ["c2", "c3", "c4", "c5"]);
    story.cluster("c2", specified("elsewhere", &[]));
    story.settle();
    assert_eq!(story.decided("p"), ["c3", "c4", "c5"]);
    assert_eq!(story.place("two", number(4)).len(), 3);
    story.cluster("c6", specified("s", &[]));
    story.cluster("c7", specified("s", &[]));
    story.settle();
    assert_eq!(story.decided("p"), ["c3", "c4", "c5", "c6", "c7"]);
    assert_eq!(story.decided("two").len(), 4);
}

#[test]
fn rp086_pages_cannot_be_edited_because_they_are_derived() {
    // Ours: a page is no object of its own that somebody could edit; each reading derives all of
    // them from the one revision.
    let mut story = Story::of(&["c1", "c2"]);
    story.place("p", spec());
    let placement = story.placement("p");
    let mut read = pages::objects(&placement);
    read[0].status.as_mut().unwrap().decisions.clear();
    let again = pages::objects(&placement);
    assert_eq!(again[0].status.as_ref().unwrap().decisions.len(), 2);
    assert_eq!(story.pages("p")[0].3, ["c1", "c2"]);
}

fn disabled() -> PlacementCommand {
    let mut apply = crate::story::apply("p", spec());
    let key = "cluster.open-cluster-management.io/experimental-scheduling-disable";
    let annotations = crate::story::pairs(&[(key, "true")]);
    apply.object.metadata.get_or_insert_default().annotations = annotations;
    apply.change = fleetlog_rules::metadata::Change::Replace;
    PlacementCommand::Apply(Box::new(apply))
}

#[test]
fn rp087_an_annotated_placement_is_left_alone_and_a_deleted_one_takes_its_pages_along() {
    let mut story = Story::of(&["c1"]);
    story.place("p", spec());
    story.command(&key("p"), &disabled()).unwrap();
    story.cluster("c2", specified("s", &[]));
    story.settle();
    assert_eq!(story.decided("p"), ["c1"]);
    let mut enabled = crate::story::apply("p", spec());
    enabled.change = fleetlog_rules::metadata::Change::Replace;
    story.command(&key("p"), &PlacementCommand::Apply(Box::new(enabled))).unwrap();
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
    story.delete("p");
    assert!(story.pages("p").is_empty());
}

#[test]
fn rp088_predicates_are_alternatives_and_a_bad_one_changes_nothing() {
    // Ours: a misconfigured placement keeps its last good decision, and the message names the
    // field. OCM empties it.
    let mut story = Story::of(&[]);
    story.cluster("c1", specified("s", &[("a", "1")]));
    story.cluster("c2", specified("s", &[("a", "2")]));
    story.claims("c2", &[("b", "2")]);
    story.cluster("c3", specified("s", &[("a", "2")]));
    let (one, two) = (predicate(&[("a", "1")], &[]), predicate(&[("a", "2")], &[]));
    assert_eq!(story.place("p", by(vec![one.clone(), two])), ["c1", "c2", "c3"]);
    assert_eq!(story.place("p", by(vec![predicate(&[("a", "2")], &[("b", "2")])])), ["c2"]);
    let any = ClusterPredicate { required_cluster_selector: Some(ClusterSelector::default()) };
    assert_eq!(story.place("p", by(vec![any])).len(), 3);
    assert_eq!(story.place("p", by(vec![one.clone()])), ["c1"]);
    assert_eq!(story.place("p", by_operator("Bad")), ["c1"], "the last good decision");
    let (status, message) = misconfiguration(&story, "p");
    assert_eq!(status, "True");
    let said = "Predicate:\"Bad\" is not a valid label selector operator";
    let path = "spec.predicates[0].requiredClusterSelector.labelSelector";
    assert_eq!(message, format!("{said} ({path})"));
    assert_eq!(story.place("p", by(vec![one])), ["c1"]);
    assert_eq!(misconfiguration(&story, "p"), configured());
}

#[test]
fn rp142_labels_or_claims_select_and_both_in_one_predicate_intersect() {
    let mut story = Story::of(&[]);
    story.cluster("c1", specified("s", &[("cloud", "Amazon")]));
    story.claims("c1", &[("region", "us-east-3")]);
    story.cluster("c2", specified("s", &[]));
    story.claims("c2", &[("region", "us-east-1")]);
    story.cluster("c3", specified("s", &[]));
    story.claims("c3", &[("region", "us-east-2")]);
    let (cloud, region) = ([("cloud", "Amazon")], [("region", "us-east-1")]);
    let either = vec![predicate(&cloud, &[]), predicate(&[], &region)];
    assert_eq!(story.place("p", by(either)), ["c1", "c2"]);
    assert!(story.place("p", by(vec![predicate(&cloud, &region)])).is_empty());
    story.claims("c1", &[("region", "us-east-1")]);
    story.settle();
    assert_eq!(story.decided("p"), ["c1"]);
}

#[test]
fn rp145_a_disabled_placement_is_not_written_even_without_a_decision() {
    let mut story = Story::of(&["c1"]);
    story.command(&key("p"), &disabled()).unwrap();
    let before = story.events.len();
    assert_eq!(story.look(&key("p")), vec![]);
    story.cluster("c2", specified("s", &[]));
    story.settle();
    assert_eq!(story.events.len(), before);
    assert!(story.pages("p").is_empty());
}

fn selecting(kind: &str) -> ManagedClusterSetSpec {
    let selector = LabelSelector::default();
    let selector =
        ManagedClusterSelector { selector_type: text(kind), label_selector: Some(selector) };
    ManagedClusterSetSpec { cluster_selector: Some(selector), ..ManagedClusterSetSpec::default() }
}

#[test]
fn rp147_an_exclusive_set_goes_by_its_label_and_an_unknown_kind_of_set_stops_nothing() {
    // Ours: the condition says which set cannot be read; OCM only logs it.
    let mut story = Story::of(&["c1", "c2"]);
    story.set("s", selecting("ExclusiveClusterSetLabel"));
    story.cluster("c3", specified("t", &[]));
    assert_eq!(story.place("p", spec()), ["c1", "c2"]);
    let revision = story.placement("p").0.revision;
    story.set("s", selecting("Legacy"));
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
    assert_eq!(story.placement("p").0.revision, revision);
    let message = "ManagedClusterSet \"s\": \"Legacy\" is not a selector type";
    assert_eq!(story.satisfied("p"), no("NotAllDecisionsScheduled", message));
    story.leave("c1");
    story.settle();
    assert_eq!(story.decided("p"), ["c2"], "what left the fleet leaves the decision");
    story.set("s", set_by(None));
    story.settle();
    assert_eq!(story.decided("p"), ["c2"]);
    assert_eq!(story.satisfied("p"), all());
}

#[test]
fn rp149_a_binding_to_a_set_that_is_gone_counts_for_nothing() {
    let mut story = Story::of(&["c1"]);
    story.place("p", spec());
    story.drop_set("s");
    story.settle();
    assert!(story.decided("p").is_empty());
    assert_eq!(story.satisfied("p").1, "NoManagedClusterSetBindings");
    let last = story.events.iter().rev().find_map(|event| match event {
        Event::Decided(decided) => Some(decided.removed.clone()),
        _ => None,
    });
    assert_eq!(last, Some(vec!["c1".to_owned()]));
}
