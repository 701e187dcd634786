//! Which clusters are chosen where no numbered behaviour says so: what is ours, and what OCM's
//! cases leave open.

use crate::story::{Story, misconfigured, number, predicate, set_by, specified, taint, text};
use fleetlog_kernel::Position;
use fleetlog_messages::common::{IntOrString, LabelSelector, Time, int_or_string::Value};
use fleetlog_messages::placement::{
    DecisionGroup, DecisionStrategy, GroupClusterSelector, GroupStrategy, PlacementDecision,
    PlacementSpec, PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate,
};
use fleetlog_messages::registration::cluster_event;
use fleetlog_placement_domain::pages;

fn spec() -> PlacementSpec {
    PlacementSpec::default()
}

fn no(reason: &str, message: &str) -> (String, String, String) {
    ("False".to_owned(), reason.to_owned(), message.to_owned())
}

fn all() -> (String, String, String) {
    let said = ["True", "AllDecisionsScheduled", "All cluster decisions scheduled"];
    let [status, reason, message] = said.map(str::to_owned);
    (status, reason, message)
}

const NO_MATCH: &str = "No ManagedCluster matches any of the cluster predicate";

#[test]
fn a_set_by_selector_follows_the_labels_and_the_empty_one_takes_all() {
    let mut story = Story::default();
    let vendor = |vendor: &str| {
        let match_labels = crate::story::pairs(&[("vendor", vendor)]);
        LabelSelector { match_labels, ..LabelSelector::default() }
    };
    story.set("global", set_by(Some(LabelSelector::default())));
    story.set("k3s", set_by(Some(vendor("k3s"))));
    story.bind("ns", "k3s");
    story.cluster("c1", specified("a", &[("vendor", "k3s")]));
    story.cluster("c2", specified("b", &[("vendor", "eks")]));
    assert_eq!(story.place("p", spec()), ["c1"]);
    story.cluster("c2", specified("b", &[("vendor", "k3s")]));
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
    story.set("k3s", set_by(Some(vendor("eks"))));
    story.settle();
    assert!(story.decided("p").is_empty());
    story.bind("ns", "global");
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
}

#[test]
fn clusters_that_leave_terminate_or_lose_their_acceptance_drop_out() {
    let mut story = Story::of(&["c1", "c2", "c3", "c4", "c5"]);
    assert_eq!(story.place("p", spec()).len(), 5);
    story.leave("c1");
    story.cluster("c2", specified("other", &[]));
    story.cluster("c3", cluster_event::Event::Denied(Default::default()));
    let cluster_event::Event::Specified(mut ending) = specified("s", &[]) else { panic!("other") };
    let meta = ending.cluster.as_mut().unwrap().metadata.as_mut().unwrap();
    meta.deletion_timestamp = Some(Time::default());
    story.cluster("c4", cluster_event::Event::Specified(ending));
    story.settle();
    assert_eq!(story.decided("p"), ["c5"]);
    story.accept("c3");
    story.settle();
    assert_eq!(story.decided("p"), ["c3", "c5"]);
}

#[test]
fn a_misconfigured_placement_keeps_its_last_good_decision_and_recovers() {
    let mut story = Story::of(&["c1", "c2"]);
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    assert_eq!(story.place("p", misconfigured()), ["c1", "c2"]);
    let said = story.condition("p", "PlacementMisconfigured");
    assert_eq!((said.status(), said.reason()), ("True", "Misconfigured"));
    let message = "Predicate:the operator \"In\" on \"a\" needs at least one value \
                   (spec.predicates[0].requiredClusterSelector.labelSelector)";
    assert_eq!(said.message(), message);
    assert_eq!(story.satisfied("p"), all());
    story.leave("c1");
    story.settle();
    assert_eq!(story.decided("p"), ["c2"], "what left the fleet leaves the decision");
    story.unbind("ns", "s");
    story.settle();
    assert!(story.decided("p").is_empty(), "what is out of reach leaves the decision");
    assert_eq!(story.satisfied("p"), no("NoManagedClusterMatched", NO_MATCH));
    story.bind("ns", "s");
    story.settle();
    assert_eq!(story.place("p", number(2)), ["c2"]);
    let said = story.condition("p", "PlacementMisconfigured");
    assert_eq!((said.status(), said.reason()), ("False", "Succeedconfigured"));
    assert_eq!(said.message(), "Placement configurations check pass");
}

#[test]
fn each_page_is_an_object_with_a_version_of_its_own() {
    let names: Vec<String> = (0..101).map(|n| format!("c{n:03}")).collect();
    let mut story = Story::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    story.place("p", spec());
    let placement = story.placement("p");
    let pages = pages::objects(&placement);
    let [first, second] = &pages[..] else { panic!("{} pages", pages.len()) };
    let meta = |page: &PlacementDecision| page.metadata.clone().unwrap();
    let (first, second, owner) = (meta(first), meta(second), placement.object().unwrap());
    let decided = Position(placement.0.decided_at);
    assert_eq!(pages::count(&placement.0.decided, placement.order()), 2);
    assert_eq!(first.resource_version(), decided.resource_version(0));
    assert_eq!(second.resource_version(), decided.resource_version(1));
    assert_ne!(first.uid(), second.uid());
    for page in [first, second] {
        assert_eq!((page.namespace(), page.generation()), ("ns", 1));
        assert_eq!(page.creation_timestamp, owner.metadata.clone().unwrap().creation_timestamp);
    }
}

#[test]
fn a_placement_that_is_misconfigured_from_birth_has_no_decision() {
    let mut story = Story::of(&["c1"]);
    assert!(story.place("p", misconfigured()).is_empty());
    assert_eq!(story.condition("p", "PlacementMisconfigured").status(), "True");
    assert!(story.pages("p").is_empty());
}

#[test]
fn an_unreachable_cluster_is_replaced_and_does_not_push_its_substitute_out() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    let gone = || taint("cluster.open-cluster-management.io/unreachable", "", "NoSelect");
    story.taint("c1", gone());
    story.settle();
    assert_eq!(story.decided("p"), ["c2", "c3"]);
    story.untaint("c1", gone());
    story.settle();
    assert_eq!(story.decided("p"), ["c2", "c3"]);
}

#[test]
fn a_new_placement_takes_the_clusters_with_the_fewest_decisions() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    assert_eq!(story.place("a", number(1)), ["c1"]);
    assert_eq!(story.place("b", number(1)), ["c2"]);
    assert_eq!(story.place("c", number(1)), ["c3"]);
    story.cluster("a0", specified("s", &[]));
    story.settle();
    assert_eq!(story.decided("a"), ["c1"], "nobody else is there, so it stays");
    assert_eq!(story.place("d", number(2)), ["a0", "c1"]);
}

#[test]
fn a_chosen_cluster_goes_only_when_others_crowd_it_and_steadiness_weighs_less() {
    let mut story = Story::of(&[]);
    for name in ["c1", "c2"] {
        story.cluster(name, specified("s", &[("name", name)]));
    }
    let steady = PrioritizerConfig {
        score_coordinate: Some(ScoreCoordinate { built_in: text("Steady"), ..Default::default() }),
        weight: Some(3),
    };
    let policy = PrioritizerPolicy { configurations: vec![steady], ..Default::default() };
    let only =
        |name| PlacementSpec { predicates: vec![predicate(&[("name", name)], &[])], ..spec() };
    assert_eq!(story.place("light", number(1)), ["c1"]);
    let heavy = PlacementSpec { prioritizer_policy: Some(policy), ..number(1) };
    assert_eq!(story.place("heavy", heavy), ["c2"]);
    for (name, cluster) in [("crowd1", "c1"), ("crowd2", "c1"), ("crowd3", "c2")] {
        story.place(name, only(cluster));
    }
    assert_eq!(story.decided("light"), ["c1"], "a decision of others alone moves nothing");
    story.cluster("d1", specified("s", &[]));
    story.settle();
    assert_eq!(story.decided("light"), ["d1"]);
    assert_eq!(story.decided("heavy"), ["c2"]);
}

fn groups(named: &[(&str, &str)], size: Option<Value>) -> PlacementSpec {
    let group = |(name, cloud): &(&str, &str)| DecisionGroup {
        group_name: text(name),
        group_cluster_selector: Some(GroupClusterSelector {
            label_selector: Some(LabelSelector {
                match_labels: crate::story::pairs(&[("cloud", cloud)]),
                ..LabelSelector::default()
            }),
            claim_selector: None,
        }),
    };
    let strategy = GroupStrategy {
        decision_groups: named.iter().map(group).collect(),
        clusters_per_decision_group: size.map(|value| IntOrString { value: Some(value) }),
    };
    let strategy = DecisionStrategy { group_strategy: Some(strategy) };
    PlacementSpec { decision_strategy: Some(strategy), ..spec() }
}

fn clouds() -> Story {
    let mut story = Story::of(&[]);
    for (name, cloud) in [("c1", "Amazon"), ("c2", "Amazon"), ("c3", "Azure"), ("c4", "Azure")] {
        story.cluster(name, specified("s", &[("cloud", cloud)]));
    }
    story
}

fn divided(story: &Story) -> Vec<(String, String, Vec<String>)> {
    story.pages("p").into_iter().map(|(_, index, name, clusters)| (index, name, clusters)).collect()
}

fn group(index: &str, name: &str, clusters: &[&str]) -> (String, String, Vec<String>) {
    let clusters = clusters.iter().map(|cluster| (*cluster).to_owned()).collect();
    (index.to_owned(), name.to_owned(), clusters)
}

#[test]
fn a_cluster_that_changes_its_group_moves_by_a_revision() {
    let mut story = clouds();
    story.place("p", groups(&[("canary", "Azure")], None));
    assert_eq!(divided(&story)[0], group("0", "canary", &["c3", "c4"]));
    story.cluster("c1", specified("s", &[("cloud", "Azure")]));
    story.settle();
    assert_eq!(divided(&story)[0], group("0", "canary", &["c1", "c3", "c4"]));
    assert_eq!(story.placement("p").0.revision, 2);
}
