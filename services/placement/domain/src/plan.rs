//! What a spec means: its selectors, tolerations, weights and groups, read once. A spec that means
//! nothing is misconfigured in OCM's words; what this release does not do is said, never ignored.

use crate::group::Groups;
use crate::refusal::Refusal;
use fleetlog_messages::placement::{
    ClusterPredicate, ClusterSelector, PlacementSpec, PrioritizerConfig, PrioritizerPolicy,
    Toleration,
};
use fleetlog_rules::labels::{Selector, SelectorError};
use fleetlog_rules::taint;

/// A spec, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Only these sets, in the user's order; empty: all bound ones.
    pub sets: Vec<String>,
    /// How many clusters; `None`: all that fit.
    pub wanted: Option<usize>,
    /// Alternatives; empty: every cluster fits.
    pub predicates: Vec<Predicate>,
    /// Taints that do not keep a cluster away.
    pub tolerations: Vec<Toleration>,
    /// What the scores weigh.
    pub weights: Weights,
    /// How the decision is divided.
    pub groups: Groups,
}

/// One alternative: labels and claims must both match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predicate {
    /// On labels.
    pub labels: Selector,
    /// On claims.
    pub claims: Selector,
}

/// The weight of each score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Of few decisions on the cluster.
    pub balance: i64,
    /// Of being chosen already.
    pub steady: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { balance: 1, steady: 1 }
    }
}

/// Why a spec cannot be acted on.
#[derive(Clone, Debug, PartialEq)]
pub enum Flaw {
    /// It means nothing; the condition says so in OCM's form `<plugin>:<message>`.
    Misconfigured(String),
    /// It means something that this release does not do: [`Refusal::Unsupported`].
    Unsupported(Refusal),
}

impl Flaw {
    fn misconfigured(plugin: &str, message: impl std::fmt::Display) -> Self {
        Self::Misconfigured(format!("{plugin}:{message}"))
    }

    fn unsupported(path: &str, what: impl Into<String>, advice: &'static str) -> Self {
        let (path, what) = (path.to_owned(), what.into());
        Self::Unsupported(Refusal::Unsupported { path, what, advice })
    }

    /// The message of the condition.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Misconfigured(message) => message.clone(),
            Self::Unsupported(refusal) => refusal.to_string(),
        }
    }
}

impl Plan {
    /// Reads a spec. What is not supported is found before what is misconfigured, so that it is
    /// refused where it is given.
    ///
    /// # Errors
    /// The first flaw.
    pub fn of(spec: &PlacementSpec) -> Result<Self, Flaw> {
        supported(spec)?;
        let predicates = spec.predicates.iter().map(predicate).collect::<Result<_, _>>()?;
        for toleration in &spec.tolerations {
            taint::check(toleration).map_err(|e| Flaw::misconfigured("TaintToleration", e))?;
        }
        let policy = spec.prioritizer_policy.as_ref();
        let groups = spec.decision_strategy.as_ref().and_then(|s| s.group_strategy.as_ref());
        let groups = groups.map(Groups::of).transpose();
        Ok(Self {
            sets: spec.cluster_sets.clone(),
            wanted: spec.number_of_clusters.map(|n| usize::try_from(n).unwrap_or(0)),
            predicates,
            tolerations: spec.tolerations.clone(),
            weights: policy.map_or(Ok(Weights::default()), weights)?,
            groups: groups
                .map_err(|e| Flaw::misconfigured("DecisionGroups", e))?
                .unwrap_or_default(),
        })
    }

    /// Whether a set of this name is meant.
    #[must_use]
    pub fn names(&self, set: &str) -> bool {
        self.sets.is_empty() || self.sets.iter().any(|named| named == set)
    }
}

/// Finds what this release does not do.
fn supported(spec: &PlacementSpec) -> Result<(), Flaw> {
    for (index, given) in spec.predicates.iter().enumerate() {
        let selector = given.required_cluster_selector.as_ref();
        let cel = selector.and_then(|s| s.cel_selector.as_ref());
        if cel.is_some_and(|cel| !cel.cel_expressions.is_empty()) {
            let path = format!("spec.predicates[{index}].requiredClusterSelector.celSelector");
            let advice = "select by labelSelector or claimSelector; CEL comes with a later release";
            return Err(Flaw::unsupported(&path, "a selection by CEL", advice));
        }
    }
    let spread = spec.spread_policy.as_ref();
    if spread.is_some_and(|spread| !spread.spread_constraints.is_empty()) {
        let advice = "make one placement per topology, selected by its label or claim; \
                      spreading comes with a later release";
        return Err(Flaw::unsupported("spec.spreadPolicy", "spreading over topologies", advice));
    }
    if spec.sort_by() == "Score" {
        let advice = "leave sortBy out; decisions in the order of scores come with a later release";
        return Err(Flaw::unsupported("spec.sortBy", "decisions in the order of scores", advice));
    }
    for (index, toleration) in spec.tolerations.iter().enumerate() {
        if toleration.toleration_seconds.is_some() {
            let path = format!("spec.tolerations[{index}].tolerationSeconds");
            let advice = "tolerate without a limit or not at all; limits come with a later release";
            return Err(Flaw::unsupported(&path, "a limited toleration", advice));
        }
    }
    let policy = spec.prioritizer_policy.as_ref();
    let configs = policy.map_or(&[][..], |policy| &policy.configurations);
    configs.iter().enumerate().try_for_each(|(index, config)| supported_score(index, config))
}

fn supported_score(index: usize, config: &PrioritizerConfig) -> Result<(), Flaw> {
    let Some(coordinate) = &config.score_coordinate else { return Ok(()) };
    let path = format!("spec.prioritizerPolicy.configurations[{index}].scoreCoordinate");
    let later = "use Balance or Steady, or weight 0; other scores come with a later release";
    let counts = config.weight != Some(0);
    match (coordinate.r#type(), coordinate.built_in()) {
        ("BuiltIn" | "", name @ ("ResourceAllocatableCPU" | "ResourceAllocatableMemory"))
            if counts =>
        {
            Err(Flaw::unsupported(&path, format!("the score \"{name}\""), later))
        }
        ("AddOn", _) if counts && coordinate.add_on.is_some() => {
            Err(Flaw::unsupported(&path, "a score of an add-on", later))
        }
        _ => Ok(()),
    }
}

fn predicate(given: &ClusterPredicate) -> Result<Predicate, Flaw> {
    let wrong = |error: SelectorError| Flaw::misconfigured("Predicate", error);
    let Some(selector) = &given.required_cluster_selector else { return Ok(Predicate::default()) };
    let ClusterSelector { label_selector, claim_selector, .. } = selector;
    let labels = label_selector.as_ref().map(Selector::of).transpose().map_err(wrong)?;
    let claims = claim_selector.as_ref().map(|c| Selector::of_requirements(&c.match_expressions));
    let claims = claims.transpose().map_err(wrong)?;
    Ok(Predicate { labels: labels.unwrap_or_default(), claims: claims.unwrap_or_default() })
}

/// Additive adds to the defaults, Exact replaces them; the last of a name wins.
fn weights(policy: &PrioritizerPolicy) -> Result<Weights, Flaw> {
    let wrong = |message: String| Flaw::misconfigured("Prioritizer", message);
    let mut weights = match policy.mode() {
        "" | "Additive" => Weights::default(),
        "Exact" => Weights { balance: 0, steady: 0 },
        other => return Err(wrong(format!("incorrect prioritizer policy mode: {other}"))),
    };
    for config in &policy.configurations {
        let coordinate = config.score_coordinate.as_ref();
        let coordinate =
            coordinate.ok_or_else(|| wrong("scoreCoordinate field is required".to_owned()))?;
        let weight = i64::from(config.weight.unwrap_or(1));
        match (coordinate.r#type(), coordinate.built_in()) {
            ("BuiltIn" | "", "Balance") => weights.balance = weight,
            ("BuiltIn" | "", "Steady") => weights.steady = weight,
            ("BuiltIn" | "", "ResourceAllocatableCPU" | "ResourceAllocatableMemory") => {}
            ("BuiltIn" | "", other) => {
                return Err(wrong(format!("incorrect builtin prioritizer: {other}")));
            }
            _ if coordinate.add_on.is_none() => {
                return Err(wrong("addOn should not be empty".to_owned()));
            }
            _ => {}
        }
    }
    Ok(weights)
}
