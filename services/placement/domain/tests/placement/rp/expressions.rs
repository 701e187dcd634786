//! CEL: 89 to 92 and 143.

use super::specs::{configured, misconfiguration};
use crate::story::{AT, Story, apply, key, pairs, predicate, specified, text};
use fleetlog_kernel::Decider;
use fleetlog_messages::placement::{ClusterCelSelector, ClusterPredicate, PlacementSpec};
use fleetlog_messages::registration::{
    ClusterFacts, ClusterStatusReported, ManagedClusterVersion, cluster_event,
};
use fleetlog_placement_domain::{Placement, PlacementCommand, Refusal};

fn with(predicate: ClusterPredicate, expressions: &[&str]) -> PlacementSpec {
    let mut predicate = predicate;
    let cel_expressions = expressions.iter().map(|text| (*text).to_owned()).collect();
    predicate.required_cluster_selector.get_or_insert_default().cel_selector =
        Some(ClusterCelSelector { cel_expressions });
    PlacementSpec { predicates: vec![predicate], ..PlacementSpec::default() }
}

/// A placement on these expressions alone.
pub fn by(expressions: &[&str]) -> PlacementSpec {
    with(ClusterPredicate::default(), expressions)
}

type Labels<'a> = &'a [(&'a str, &'a str)];

/// Clusters with labels, each of a version of Kubernetes.
fn versions(clusters: &[(&str, Labels<'_>, &str)]) -> Story {
    let mut story = Story::of(&[]);
    for (name, labels, version) in clusters {
        story.cluster(name, specified("s", labels));
        let facts = ClusterFacts {
            version: Some(ManagedClusterVersion { kubernetes: text(version) }),
            ..ClusterFacts::default()
        };
        let reported = ClusterStatusReported { facts: Some(facts) };
        story.cluster(name, cluster_event::Event::StatusReported(reported));
    }
    story
}

#[test]
fn rp089_labels_versions_and_patterns_select_and_no_answer_matches_nothing() {
    let mut story = versions(&[
        ("c1", &[("v", "1"), ("version", "1.29.4")], "v1.29.4"),
        ("c2", &[("v", "2"), ("version", "1.31.0")], "v1.31.0"),
        ("c3", &[], "v1.32.0"),
    ]);
    for (expression, chosen) in [
        (r#"managedCluster.metadata.labels["v"] == "1""#, vec!["c1"]),
        (r#"managedCluster.status.version.kubernetes == "v1.31.0""#, vec!["c2"]),
        (
            r#"semver(managedCluster.metadata.labels["version"]).isLessThan(semver("1.30.0"))"#,
            vec!["c1"],
        ),
        (r"managedCluster.status.version.kubernetes.matches('^v1\\.3')", vec!["c2", "c3"]),
        ("1 + 1", vec![]),
    ] {
        assert_eq!(story.place("p", by(&[expression])), chosen, "{expression}");
        assert_eq!(misconfiguration(&story, "p"), configured(), "{expression}");
    }
}

#[test]
fn rp090_scores_select_and_a_changed_score_is_looked_at() {
    let mut story = Story::of(&["c1", "c2", "c3"]);
    story.score("c1", "default", &[("cpuAvailable", 90)], None);
    story.score("c2", "default", &[("cpuAvailable", 70)], None);
    let expression = r#"managedCluster.scores("default")
        .filter(s, s.name == "cpuAvailable").all(e, e.value > 80)"#;
    assert_eq!(story.place("p", by(&[expression])), ["c1"]);
    let touched = story.score("c2", "default", &[("cpuAvailable", 85)], None);
    assert_eq!(touched, [key("p")]);
    story.settle();
    assert_eq!(story.decided("p"), ["c1", "c2"]);
}

#[test]
fn rp091_an_expression_that_does_not_compile_is_a_misconfiguration() {
    // Ours: the last good decision stays, and the message names the field.
    let mut story = Story::of(&["c1", "c2"]);
    let sound = [r#"managedCluster.metadata.labels.exists(k, k == "none") == false"#];
    assert_eq!(story.place("p", by(&sound)).len(), 2);
    assert_eq!(story.place("p", by(&["managedCluster.metadata.("])).len(), 2);
    let (status, message) = misconfiguration(&story, "p");
    assert_eq!(status, "True");
    assert!(message.starts_with("Predicate:compilation failed: "), "{message}");
    let path = "spec.predicates[0].requiredClusterSelector.celSelector.celExpressions[0]";
    assert!(message.ends_with(&format!(" ({path})")), "{message}");
    assert_eq!(story.place("p", by(&sound)).len(), 2);
    assert_eq!(misconfiguration(&story, "p"), configured());
    assert!(story.place("new", by(&["1 +"])).is_empty());
    assert_eq!(story.place("new", by(&sound)).len(), 2);
}

#[test]
fn rp092_an_expression_over_the_budget_is_refused_where_it_is_given() {
    // Ours: it is refused at admission, by a bound that follows from the text; OCM takes it and
    // lets it match nothing.
    let labels = "managedCluster.metadata.labels";
    let costly = format!(
        "{labels}.exists(a, {labels}.exists(b, {labels}.exists(c, {labels}.exists(d, a == d))))"
    );
    let command = PlacementCommand::Apply(Box::new(apply("p", by(&["true", &costly]))));
    let refusal = Placement::default().decide(&command, AT).unwrap_err();
    assert_eq!(refusal.code(), "PLC0012");
    let Refusal::TooCostly { path, why } = &refusal else { panic!("{refusal:?}") };
    assert_eq!(path, "spec.predicates[0].requiredClusterSelector.celSelector.celExpressions[1]");
    assert!(why.contains("200000 are allowed"), "{why}");
    let twice = format!("{labels}.exists(a, {labels}.exists(b, a == b))");
    let together: Vec<&str> = std::iter::repeat_n(twice.as_str(), 30).collect();
    let many = PlacementCommand::Apply(Box::new(apply("p", by(&together))));
    let Err(Refusal::TooCostly { path, why }) = Placement::default().decide(&many, AT) else {
        panic!("thirty are too many")
    };
    assert_eq!(path, "spec.predicates");
    assert!(why.contains("1000000 are allowed"), "{why}");
    let mut story = Story::of(&["c1"]);
    story.place("p", PlacementSpec::default());
    assert_eq!(story.command(&key("p"), &command), Err(refusal));
    assert_eq!(story.decided("p"), ["c1"], "the last good decision stays");
}

#[test]
fn rp143_expressions_and_selectors_must_all_match() {
    let mut story = Story::of(&[]);
    for (name, region, cloud, cpu) in [
        ("c1", "us-east-1", "Amazon", 90),
        ("c2", "us-east-1", "Azure", 90),
        ("c3", "us-east-1", "Amazon", 70),
        ("c4", "us-east-2", "Amazon", 90),
    ] {
        story.cluster(name, specified("s", &[("region", region)]));
        story.claims(name, &[("cloud", cloud)]);
        story.score(name, "default", &[("cpu", cpu)], None);
    }
    let region = r#"managedCluster.metadata.labels["region"] == "us-east-1""#;
    let cloud = r#"managedCluster.status.clusterClaims
        .exists(c, c.name == "cloud" && c.value == "Amazon")"#;
    let cpu = r#"managedCluster.scores("default").exists(s, s.name == "cpu" && s.value >= 80)"#;
    assert_eq!(story.place("p", by(&[region])), ["c1", "c2", "c3"]);
    assert_eq!(story.place("p", by(&[cloud])), ["c1", "c3", "c4"]);
    assert_eq!(story.place("p", by(&[cpu])), ["c1", "c2", "c4"]);
    assert_eq!(story.place("p", by(&[region, cloud])), ["c1", "c3"]);
    let both = predicate(&[("region", "us-east-1")], &[("cloud", "Amazon")]);
    assert_eq!(story.place("p", with(both, &[cpu])), ["c1"]);
    assert_eq!(story.place("p", by(&[])).len(), 4);
    let meta = story.world.fleet().clusters()["c1"].object().metadata.unwrap();
    assert_eq!(meta.labels["region"], pairs(&[("region", "us-east-1")])["region"]);
}
