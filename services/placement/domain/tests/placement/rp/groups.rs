//! Decision groups and pages: 109 to 114, 139 to 141, 146.

use super::specs::{clouds, configured, grouped, grouped_by_claim, misconfiguration, strategy};
use crate::story::{AT, Story, apply, number, pairs, requirement, specified};
use fleetlog_kernel::Decider;
use fleetlog_messages::common::{LabelSelector, int_or_string::Value};
use fleetlog_messages::placement::{
    DecisionGroup, GroupClusterSelector, PlacementSpec, placement_event::Event,
};
use fleetlog_placement_domain::{Placement, PlacementCommand, pages};

type Divided = Vec<(String, String, Vec<String>)>;

/// Index, group and clusters of each page.
fn divided(story: &Story) -> Divided {
    story.pages("p").into_iter().map(|(_, index, name, clusters)| (index, name, clusters)).collect()
}

fn expected(groups: &[(&str, &str, &[&str])]) -> Divided {
    let own = |text: &&str| (*text).to_owned();
    let of = |(index, name, clusters): &(&str, &str, &[&str])| {
        (own(index), own(name), clusters.iter().map(own).collect())
    };
    groups.iter().map(of).collect()
}

fn sizes(story: &Story) -> Vec<usize> {
    divided(story).iter().map(|group| group.2.len()).collect()
}

fn hundreds() -> Story {
    let names: Vec<String> = (0..128).map(|n| format!("c{n:03}")).collect();
    Story::of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn rp109_a_page_holds_a_hundred_clusters_and_there_is_always_one() {
    let mut story = hundreds();
    for (wanted, pages) in [(101, vec![100, 1]), (128, vec![100, 28]), (10, vec![10]), (0, vec![0])]
    {
        story.place("p", number(wanted));
        assert_eq!(sizes(&story), pages);
        let names: Vec<String> = story.pages("p").into_iter().map(|page| page.0).collect();
        let numbered = (1..=pages.len()).map(|n| format!("p-decision-{n}"));
        assert_eq!(names, numbered.collect::<Vec<_>>());
        assert!(divided(&story).iter().all(|(index, name, _)| index == "0" && name.is_empty()));
        let status = story.placement("p").object().unwrap().status.clone().unwrap();
        assert_eq!(status.decision_groups.len(), 1);
        assert_eq!(status.decision_groups[0].cluster_count, Some(wanted));
        assert_eq!(status.decision_groups[0].decisions, names);
    }
}

#[test]
fn rp110_named_groups_come_first_and_each_is_cut_to_its_length() {
    let one = Some(Value::Int(1));
    let mut story = clouds(&[("c1", "x"), ("c2", "x"), ("c3", "canary"), ("c4", "canary")]);
    story.place("p", grouped(&[("canary", "canary")], one));
    let names: Vec<(String, String)> =
        divided(&story).into_iter().map(|(index, name, _)| (index, name)).collect();
    let wanted = [("0", "canary"), ("1", "canary"), ("2", ""), ("3", "")];
    assert_eq!(names, wanted.map(|(index, name)| (index.to_owned(), name.to_owned())));
    let quarter = Some(Value::Str("25%".to_owned()));
    story.leave("c4");
    story.place("p", grouped(&[], quarter));
    assert_eq!(sizes(&story), [1, 1, 1]);
    story.place("p", grouped(&[("canary", "canary")], Some(Value::Str("100%".to_owned()))));
    assert_eq!(sizes(&story), [1, 2]);
    let mut story = clouds(&[("a1", "y"), ("a2", "y"), ("b1", "z"), ("b2", "z"), ("b3", "z")]);
    story.place("p", grouped(&[("canary", "y")], Some(Value::Int(2))));
    assert_eq!(sizes(&story), [2, 2, 1]);
    story.leave("a1");
    story.leave("b1");
    story.settle();
    assert_eq!(sizes(&story), [1, 2]);
    story.cluster("a3", specified("s", &[("cloud", "y")]));
    story.settle();
    assert_eq!(sizes(&story), [2, 2]);
    story.cluster("b4", specified("s", &[("cloud", "z")]));
    story.settle();
    assert_eq!(sizes(&story), [2, 2, 1]);
    for name in ["a2", "a3", "b2", "b3", "b4"] {
        story.leave(name);
    }
    story.settle();
    assert_eq!(divided(&story), expected(&[("0", "", &[])]));
}

#[test]
fn rp111_a_cluster_is_in_the_first_group_that_takes_it() {
    let mut story = clouds(&[("c1", "a"), ("c2", "b")]);
    story.place("p", grouped(&[("first", "a"), ("second", "a"), ("none", "c")], None));
    assert_eq!(divided(&story), expected(&[("0", "first", &["c1"]), ("1", "", &["c2"])]));
    story.claims("c2", &[("region", "eu")]);
    story.place("p", grouped_by_claim("european", ("region", "eu")));
    assert_eq!(divided(&story), expected(&[("0", "european", &["c2"]), ("1", "", &["c1"])]));
}

fn refused(spec: PlacementSpec) -> String {
    let command = PlacementCommand::Apply(Box::new(apply("p", spec)));
    Placement::default().decide(&command, AT).unwrap_err().to_string()
}

#[test]
fn rp112_lengths_that_mean_nothing_are_refused_or_said_and_odd_numbers_mean_one_group() {
    // Ours: a misconfigured placement keeps its last good decision, and the message ends with the
    // field's path.
    for text in ["150%", "0", "ten"] {
        let path = "spec.decisionStrategy.groupStrategy.clustersPerDecisionGroup";
        let said = refused(grouped(&[], Some(Value::Str(text.to_owned()))));
        assert!(said.starts_with(&format!("\"{path}\" is \"{text}\"")), "{said}");
    }
    let mut story = clouds(&[("c1", "a"), ("c2", "b"), ("c3", "c")]);
    for number in [0, -1, 50] {
        story.place("p", grouped(&[], Some(Value::Int(number))));
        assert_eq!(sizes(&story), [3], "{number}");
    }
    story.place("p", grouped(&[], Some(Value::Str("5".to_owned()))));
    let words = "invalid value for IntOrString: invalid type: string is not a percentage";
    let path = "spec.decisionStrategy.groupStrategy.clustersPerDecisionGroup";
    let message = format!("DecisionGroups:{words} ({path})");
    assert_eq!(misconfiguration(&story, "p"), ("True".to_owned(), message));
    let selector = LabelSelector {
        match_expressions: vec![requirement("a", "Bad", &["b"])],
        ..LabelSelector::default()
    };
    let selector = GroupClusterSelector { label_selector: Some(selector), claim_selector: None };
    let group = DecisionGroup {
        group_name: Some("bad".to_owned()),
        group_cluster_selector: Some(selector),
    };
    story.place("p", strategy(vec![group], None));
    let words = "\"Bad\" is not a valid label selector operator";
    let path = "spec.decisionStrategy.groupStrategy.decisionGroups[0].groupClusterSelector";
    let message = format!("DecisionGroups:{words} ({path})");
    assert_eq!(misconfiguration(&story, "p"), ("True".to_owned(), message));
    assert_eq!(sizes(&story), [3], "the last good decision");
    story.place("p", PlacementSpec::default());
    assert_eq!(misconfiguration(&story, "p"), configured());
}

#[test]
fn rp113_a_renamed_group_changes_the_labels_of_the_pages_and_no_cluster() {
    // Ours: a new name is a new revision, so that labels and clusters change at one moment; it
    // adds and removes no cluster.
    let mut story = clouds(&[("c1", "a"), ("c2", "b")]);
    story.place("p", grouped(&[("old", "a")], None));
    story.place("p", grouped(&[("new", "a")], None));
    assert_eq!(divided(&story), expected(&[("0", "new", &["c1"]), ("1", "", &["c2"])]));
    let Some(Event::Decided(last)) =
        story.events.iter().rev().find(|event| matches!(event, Event::Decided(_)))
    else {
        panic!("no decision")
    };
    assert!(last.removed.is_empty());
    let moved: Vec<&str> = last.added.iter().map(|added| added.cluster.as_str()).collect();
    assert_eq!(moved, ["c1"], "what did not move is not written");
}

#[test]
fn rp114_a_page_names_its_placement_its_group_and_its_owner() {
    let mut story = Story::of(&["c1"]);
    story.place("p", PlacementSpec::default());
    let page = pages::objects(&story.placement("p")).remove(0);
    let meta = page.metadata.unwrap();
    let labels = pairs(&[
        ("cluster.open-cluster-management.io/placement", "p"),
        ("cluster.open-cluster-management.io/decision-group-index", "0"),
        ("cluster.open-cluster-management.io/decision-group-name", ""),
    ]);
    assert_eq!(meta.labels, labels);
    let [owner] = &meta.owner_references[..] else { panic!("{:?}", meta.owner_references) };
    assert_eq!((owner.kind(), owner.name(), owner.uid()), ("Placement", "p", "u"));
    assert_eq!(owner.api_version(), "cluster.open-cluster-management.io/v1beta1");
    assert!(owner.controller());
}

#[test]
fn rp139_a_canary_group_of_single_clusters_comes_before_the_rest() {
    let mut story = clouds(&[("c1", "Amazon"), ("c2", "Amazon"), ("c3", "Azure"), ("c4", "Azure")]);
    story.place("p", grouped(&[("canary", "Azure")], Some(Value::Int(1))));
    let groups: [(&str, &str, &[&str]); 4] = [
        ("0", "canary", &["c3"]),
        ("1", "canary", &["c4"]),
        ("2", "", &["c1"]),
        ("3", "", &["c2"]),
    ];
    assert_eq!(divided(&story), expected(&groups));
    let names: Vec<String> = story.pages("p").into_iter().map(|page| page.0).collect();
    assert_eq!(names, ["p-decision-1", "p-decision-2", "p-decision-3", "p-decision-4"]);
}

#[test]
fn rp140_where_every_cluster_has_a_named_group_there_is_no_rest() {
    let mut story = clouds(&[("c1", "Amazon"), ("c2", "Amazon"), ("c3", "Azure")]);
    story.place("p", grouped(&[("group1", "Amazon"), ("group2", "Azure")], None));
    let status = story.placement("p").object().unwrap().status.clone().unwrap();
    let groups = status.decision_groups.iter();
    let groups: Vec<(i32, &str, i32)> = groups
        .map(|g| (g.decision_group_index(), g.decision_group_name(), g.cluster_count()))
        .collect();
    assert_eq!(groups, [(0, "group1", 2), (1, "group2", 1)]);
}

#[test]
fn rp141_a_length_of_0_is_as_100_percent() {
    let mut story = clouds(&[("c1", "a"), ("c2", "b"), ("c3", "c")]);
    story.place("p", grouped(&[("first", "a")], Some(Value::Int(0))));
    let zero = divided(&story);
    story.place("p", grouped(&[("first", "a")], Some(Value::Str("100%".to_owned()))));
    assert_eq!(divided(&story), zero);
    assert_eq!(sizes(&story), [1, 2]);
}

#[test]
fn rp146_a_decision_shrinks_at_one_moment_over_all_of_its_pages() {
    // Ours: pages are derived from one revision, so none is ever half written.
    let mut story = hundreds();
    story.place("p", number(128));
    let decisions = |story: &Story| {
        story.events.iter().filter(|event| matches!(event, Event::Decided(_))).count()
    };
    for (wanted, pages) in [(10, vec![10]), (0, vec![0])] {
        let before = decisions(&story);
        story.place("p", number(wanted));
        assert_eq!(decisions(&story), before + 1);
        assert_eq!(sizes(&story), pages);
    }
}
