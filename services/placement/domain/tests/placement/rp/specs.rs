//! Specs and sentences that many behaviours share.

use crate::story::{Story, pairs, requirement, specified, text};
use fleetlog_messages::common::{IntOrString, LabelSelector, int_or_string::Value};
use fleetlog_messages::placement::{
    AddOnScore, ClusterClaimSelector, DecisionGroup, DecisionStrategy, GroupClusterSelector,
    GroupStrategy, PlacementSpec, PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate,
    Toleration,
};

/// What a policy weighs: a built-in score, or one of an add-on as `resource/score`.
pub fn config(name: &str, weight: i32) -> PrioritizerConfig {
    let add_on = name.split_once('/').map(|(resource, score)| AddOnScore {
        resource_name: text(resource),
        score_name: text(score),
    });
    let coordinate = match add_on {
        Some(add_on) => ScoreCoordinate {
            r#type: text("AddOn"),
            add_on: Some(add_on),
            ..ScoreCoordinate::default()
        },
        None => ScoreCoordinate {
            r#type: text("BuiltIn"),
            built_in: text(name),
            ..ScoreCoordinate::default()
        },
    };
    PrioritizerConfig { score_coordinate: Some(coordinate), weight: Some(weight) }
}

/// `spec` with a policy.
pub fn weighed(spec: PlacementSpec, mode: &str, weights: &[(&str, i32)]) -> PlacementSpec {
    let configurations = weights.iter().map(|(name, weight)| config(name, *weight)).collect();
    let policy = PrioritizerPolicy { mode: text(mode), configurations };
    PlacementSpec { prioritizer_policy: Some(policy), ..spec }
}

/// A toleration; empty texts are left out.
pub fn toleration(key: &str, operator: &str, value: &str, effect: &str) -> Toleration {
    let given = |given: &str| (!given.is_empty()).then(|| given.to_owned());
    Toleration {
        key: given(key),
        operator: given(operator),
        value: given(value),
        effect: given(effect),
        toleration_seconds: None,
    }
}

/// A spec that tolerates these.
pub fn tolerating(tolerations: Vec<Toleration>) -> PlacementSpec {
    PlacementSpec { tolerations, ..PlacementSpec::default() }
}

/// A spec with decision groups by the label `cloud`, and a length.
pub fn grouped(named: &[(&str, &str)], size: Option<Value>) -> PlacementSpec {
    let group = |(name, cloud): &(&str, &str)| DecisionGroup {
        group_name: text(name),
        group_cluster_selector: Some(GroupClusterSelector {
            label_selector: Some(LabelSelector {
                match_labels: pairs(&[("cloud", cloud)]),
                ..LabelSelector::default()
            }),
            claim_selector: None,
        }),
    };
    strategy(named.iter().map(group).collect(), size)
}

/// A spec with one decision group by a claim.
pub fn grouped_by_claim(name: &str, claim: (&str, &str)) -> PlacementSpec {
    let match_expressions = vec![requirement(claim.0, "In", &[claim.1])];
    let selector = GroupClusterSelector {
        label_selector: None,
        claim_selector: Some(ClusterClaimSelector { match_expressions }),
    };
    let group = DecisionGroup { group_name: text(name), group_cluster_selector: Some(selector) };
    strategy(vec![group], None)
}

pub fn strategy(decision_groups: Vec<DecisionGroup>, size: Option<Value>) -> PlacementSpec {
    let clusters_per_decision_group = size.map(|value| IntOrString { value: Some(value) });
    let strategy = GroupStrategy { decision_groups, clusters_per_decision_group };
    let strategy = DecisionStrategy { group_strategy: Some(strategy) };
    PlacementSpec { decision_strategy: Some(strategy), ..PlacementSpec::default() }
}

/// Clusters with a label `cloud`.
pub fn clouds(clusters: &[(&str, &str)]) -> Story {
    let mut story = Story::of(&[]);
    for (name, cloud) in clusters {
        story.cluster(name, specified("s", &[("cloud", cloud)]));
    }
    story
}

/// PlacementSatisfied False with a reason and a message.
pub fn no(reason: &str, message: &str) -> (String, String, String) {
    ("False".to_owned(), reason.to_owned(), message.to_owned())
}

/// PlacementSatisfied True.
pub fn all() -> (String, String, String) {
    let said = ["True", "AllDecisionsScheduled", "All cluster decisions scheduled"];
    let [status, reason, message] = said.map(str::to_owned);
    (status, reason, message)
}

/// PlacementSatisfied when nobody passes the filters.
pub fn no_match() -> (String, String, String) {
    no("NoManagedClusterMatched", "No ManagedCluster matches any of the cluster predicate")
}

/// Status and message of PlacementMisconfigured.
pub fn misconfiguration(story: &Story, name: &str) -> (String, String) {
    let said = story.condition(name, "PlacementMisconfigured");
    (said.status().to_owned(), said.message().to_owned())
}

/// PlacementMisconfigured once more False.
pub fn configured() -> (String, String) {
    ("False".to_owned(), "Placement configurations check pass".to_owned())
}
