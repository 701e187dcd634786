//! Which clusters are chosen, in OCM's cases (spec, registration and placement, section 29, J to M
//! and P), what the conditions say, and how decisions are divided.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod story;

use fleetlog_messages::common::{IntOrString, LabelSelector, Time, int_or_string::Value};
use fleetlog_messages::placement::{
    ClusterPredicate, ClusterSelector, DecisionGroup, DecisionStrategy, GroupClusterSelector,
    GroupStrategy, PlacementSpec, PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate,
    Toleration, placement_event::Event,
};
use fleetlog_messages::registration::cluster_event;
use story::{Story, misconfigured, number, predicate, set_by, specified, taint, text};

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
fn without_a_binding_there_is_one_empty_page_and_the_reason() {
    let mut story = Story::default();
    story.cluster("c1", specified("s", &[]));
    assert!(story.place("p", spec()).is_empty());
    let message = "No valid ManagedClusterSetBindings found in placement namespace";
    assert_eq!(story.satisfied("p"), no("NoManagedClusterSetBindings", message));
    let page = ("p-decision-1".to_owned(), "0".to_owned(), String::new(), vec![]);
    assert_eq!(story.pages("p"), [page]);
    let status = story.placement("p").object().unwrap().status.clone().unwrap();
    assert_eq!(status.number_of_selected_clusters, Some(0));
    assert_eq!(status.decision_groups[0].decisions, ["p-decision-1"]);
    story.bind("ns", "s");
    story.settle();
    assert_eq!(story.satisfied("p"), no("NoManagedClusterSetBindings", message));
    story.set("s", set_by(None));
    story.settle();
    assert_eq!(story.satisfied("p"), all());
    assert_eq!(story.decided("p"), ["c1"]);
}

#[test]
fn each_way_to_choose_nothing_has_its_reason() {
    let mut story = Story::of(&["c1"]);
    story.place("p", PlacementSpec { cluster_sets: vec!["x".into(), "y".into()], ..spec() });
    let message = "None of ManagedClusterSets [x,y] is bound to placement namespace";
    assert_eq!(story.satisfied("p"), no("NoIntersection", message));
    story.place("p", PlacementSpec { predicates: vec![predicate(&[("a", "b")], &[])], ..spec() });
    assert_eq!(story.satisfied("p"), no("NoManagedClusterMatched", NO_MATCH));
    story.place("p", number(0));
    assert_eq!(story.satisfied("p"), no("NoManagedClusterMatched", NO_MATCH));
    story.leave("c1");
    story.settle();
    let message = "All ManagedClusterSets [s] have no member ManagedCluster";
    assert_eq!(story.satisfied("p"), no("AllManagedClusterSetsEmpty", message));
}

#[test]
fn the_wanted_number_is_chosen_and_what_is_missing_is_said() {
    let mut story = Story::of(&["c1", "c2", "c3", "c4", "c5"]);
    assert_eq!(story.place("p", spec()).len(), 5);
    assert_eq!(story.satisfied("p"), all());
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    assert_eq!(story.place("p", number(7)).len(), 5);
    let message = "2 cluster decisions unscheduled";
    assert_eq!(story.satisfied("p"), no("NotAllDecisionsScheduled", message));
    let Some(Event::Decided(last)) =
        story.events.iter().rev().find(|event| matches!(event, Event::Decided(_)))
    else {
        panic!("no decision")
    };
    assert_eq!((last.unmet, last.generation, last.revision), (2, 3, 3));
}

#[test]
fn sets_and_bindings_that_come_and_go_move_the_decision() {
    let mut story = Story::of(&["c1", "c2"]);
    story.set("t", set_by(None));
    story.bind("ns", "t");
    story.cluster("d1", specified("t", &[]));
    assert_eq!(story.place("p", spec()), ["c1", "c2", "d1"]);
    let only = |set: &str| PlacementSpec { cluster_sets: vec![set.to_owned()], ..spec() };
    assert_eq!(story.place("p", only("s")), ["c1", "c2"]);
    story.drop_set("s");
    story.settle();
    assert!(story.decided("p").is_empty());
    assert_eq!(story.satisfied("p").1, "NoIntersection");
    story.set("s", set_by(None));
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
    story.unbind("ns", "s");
    story.settle();
    assert!(story.decided("p").is_empty());
}

#[test]
fn a_set_by_selector_follows_the_labels_and_the_empty_one_takes_all() {
    let mut story = Story::default();
    let vendor = |vendor: &str| {
        let match_labels = story::pairs(&[("vendor", vendor)]);
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
fn predicates_are_alternatives_of_labels_and_claims() {
    let mut story = Story::of(&[]);
    story.cluster("c1", specified("s", &[("cloud", "Amazon")]));
    story.cluster("c2", specified("s", &[]));
    story.claims("c2", &[("region", "us-east-1")]);
    story.cluster("c3", specified("s", &[]));
    story.claims("c3", &[("region", "us-east-2")]);
    story.cluster("c4", specified("s", &[("cloud", "Amazon")]));
    story.claims("c4", &[("region", "us-east-1")]);
    let (cloud, region) = ([("cloud", "Amazon")], [("region", "us-east-1")]);
    let by = |predicates| PlacementSpec { predicates, ..spec() };
    let either = vec![predicate(&cloud, &[]), predicate(&[], &region)];
    assert_eq!(story.place("p", by(either)), ["c1", "c2", "c4"]);
    assert_eq!(story.place("p", by(vec![predicate(&cloud, &region)])), ["c4"]);
    assert_eq!(story.place("p", by(vec![ClusterPredicate::default()])).len(), 4);
    let any = ClusterPredicate { required_cluster_selector: Some(ClusterSelector::default()) };
    assert_eq!(story.place("p", by(vec![any])).len(), 4);
}

#[test]
fn a_misconfigured_placement_keeps_its_last_good_decision_and_recovers() {
    let mut story = Story::of(&["c1", "c2"]);
    assert_eq!(story.place("p", number(2)), ["c1", "c2"]);
    assert_eq!(story.place("p", misconfigured()), ["c1", "c2"]);
    let said = story.condition("p", "PlacementMisconfigured");
    assert_eq!((said.status(), said.reason()), ("True", "Misconfigured"));
    let message = "Predicate:the operator \"In\" on \"a\" needs at least one value";
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
fn a_placement_that_is_misconfigured_from_birth_has_no_decision() {
    let mut story = Story::of(&["c1"]);
    assert!(story.place("p", misconfigured()).is_empty());
    assert_eq!(story.condition("p", "PlacementMisconfigured").status(), "True");
    assert!(story.pages("p").is_empty());
}

#[test]
fn what_ocm_calls_misconfigured_is_said_in_its_words() {
    let policy = |mode: &str, coordinate: Option<ScoreCoordinate>| {
        let config = PrioritizerConfig { score_coordinate: coordinate, weight: Some(1) };
        let configurations = vec![config];
        let policy = PrioritizerPolicy { mode: text(mode), configurations };
        PlacementSpec { prioritizer_policy: Some(policy), ..spec() }
    };
    let built_in =
        |name: &str| Some(ScoreCoordinate { built_in: text(name), ..ScoreCoordinate::default() });
    let add_on = Some(ScoreCoordinate { r#type: text("AddOn"), ..ScoreCoordinate::default() });
    let tolerate = |key: &str, operator: &str, value: &str| {
        let toleration = Toleration {
            key: text(key),
            operator: text(operator),
            value: text(value),
            ..Toleration::default()
        };
        PlacementSpec { tolerations: vec![toleration], ..spec() }
    };
    for (spec, message) in [
        (policy("Foo", built_in("Steady")), "incorrect prioritizer policy mode: Foo"),
        (policy("Exact", built_in("Spread")), "incorrect builtin prioritizer: Spread"),
        (policy("Exact", add_on), "addOn should not be empty"),
        (tolerate("", "Equal", "v"), "If the key is empty, operator must be Exists."),
        (tolerate("k", "Exists", "v"), "If the operator is Exists, the value should be empty."),
    ] {
        let mut story = Story::of(&["c1"]);
        story.place("p", spec);
        let said = story.condition("p", "PlacementMisconfigured");
        assert_eq!(said.status(), "True", "{message}");
        assert!(said.message().ends_with(&format!(":{message}")), "{}", said.message());
    }
}

#[test]
fn taints_keep_clusters_away_unless_they_are_tolerated() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    story.taint("c1", taint("key1", "value1", "NoSelect"));
    story.taint("c2", taint("key2", "value2", "NoSelect"));
    let toleration = Toleration { key: text("key1"), value: text("value1"), ..Default::default() };
    let spec = PlacementSpec { tolerations: vec![toleration], ..number(3) };
    assert_eq!(story.place("p", spec), ["c1", "c3"]);
    assert_eq!(story.satisfied("p").2, "1 cluster decisions unscheduled");
    story.untaint("c2", taint("key2", "", "NoSelect"));
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2", "c3"]);
}

#[test]
fn a_new_taint_evicts_only_if_its_effect_says_so() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    assert_eq!(story.place("p", spec()).len(), 3);
    story.taint("c1", taint("k", "", "NoSelect"));
    story.taint("c2", taint("k", "", "NoSelectIfNew"));
    story.taint("c3", taint("k", "", "PreferNoSelect"));
    story.settle();
    assert_eq!(story.decided("p"), ["c2", "c3"]);
    assert_eq!(story.place("q", spec()), ["c3"]);
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
                match_labels: story::pairs(&[("cloud", cloud)]),
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
fn named_groups_come_first_and_each_is_cut_to_its_length() {
    let mut story = clouds();
    story.place("p", groups(&[("canary", "Azure")], Some(Value::Int(1))));
    let expected = [
        group("0", "canary", &["c3"]),
        group("1", "canary", &["c4"]),
        group("2", "", &["c1"]),
        group("3", "", &["c2"]),
    ];
    assert_eq!(divided(&story), expected);
    let names: Vec<String> = story.pages("p").into_iter().map(|page| page.0).collect();
    assert_eq!(names, ["p-decision-1", "p-decision-2", "p-decision-3", "p-decision-4"]);
}

#[test]
fn without_a_length_each_name_is_one_group_and_no_rest_is_no_group() {
    let mut story = clouds();
    story.leave("c4");
    story.place("p", groups(&[("group1", "Amazon"), ("group2", "Azure")], None));
    assert_eq!(
        divided(&story),
        [group("0", "group1", &["c1", "c2"]), group("1", "group2", &["c3"])]
    );
    story.place("p", groups(&[("group1", "Amazon"), ("none", "GCP")], None));
    assert_eq!(divided(&story), [group("0", "group1", &["c1", "c2"]), group("1", "", &["c3"])]);
    story.place("p", groups(&[], Some(Value::Str("25%".to_owned()))));
    assert_eq!(divided(&story).len(), 3);
}

#[test]
fn a_number_as_text_is_no_percentage() {
    let mut story = clouds();
    story.place("p", groups(&[], Some(Value::Str("5".to_owned()))));
    let said = story.condition("p", "PlacementMisconfigured");
    assert!(said.message().ends_with("string is not a percentage"), "{}", said.message());
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

#[test]
fn a_page_holds_a_hundred_clusters() {
    let names: Vec<String> = (0..128).map(|n| format!("c{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::of(&names);
    for (number_of, pages) in
        [(101, vec![100, 1]), (128, vec![100, 28]), (10, vec![10]), (0, vec![0])]
    {
        story.place("p", number(number_of));
        let sizes: Vec<usize> = story.pages("p").iter().map(|page| page.3.len()).collect();
        assert_eq!(sizes, pages);
        let status = story.placement("p").object().unwrap().status.clone().unwrap();
        assert_eq!(status.decision_groups.len(), 1);
        assert_eq!(status.decision_groups[0].cluster_count, Some(number_of));
        assert_eq!(status.decision_groups[0].decisions.len(), pages.len());
    }
}

#[test]
fn a_page_names_its_placement_its_group_and_its_owner() {
    let mut story = Story::of(&["c1"]);
    story.place("p", spec());
    let placement = story.placement("p");
    let pages = fleetlog_placement_domain::pages::objects(&placement);
    let meta = pages[0].metadata.clone().unwrap();
    let expected = story::pairs(&[
        ("cluster.open-cluster-management.io/placement", "p"),
        ("cluster.open-cluster-management.io/decision-group-index", "0"),
        ("cluster.open-cluster-management.io/decision-group-name", ""),
    ]);
    assert_eq!(meta.labels, expected);
    let owner = &meta.owner_references[0];
    assert_eq!((owner.kind(), owner.name(), owner.uid()), ("Placement", "p", "u"));
    assert!(owner.controller() && meta.namespace() == "ns" && !meta.uid().is_empty());
}
