//! What a spec means: its selectors, expressions, tolerations, weights, spread and groups, read
//! once. A spec that means nothing is misconfigured in OCM's words, followed by where.

use crate::group::{GroupError, Groups};
use crate::refusal::Refusal;
use crate::spread::Spread;
use crate::weights::Weights;
use fleetlog_messages::placement::{
    ClusterCelSelector, ClusterPredicate, ClusterSelector, PlacementSpec, Toleration,
};
use fleetlog_rules::cel::{self, Problem, Program};
use fleetlog_rules::duration::GoDuration;
use fleetlog_rules::labels::{Selector, SelectorError};
use fleetlog_rules::taint;
use std::time::Duration;

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
    /// How the clusters are spread over topologies.
    pub spread: Spread,
    /// How the decision is divided.
    pub groups: Groups,
    /// In which order its clusters are shown.
    pub order: Order,
}

/// One alternative: labels, claims and expressions must all match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predicate {
    /// On labels.
    pub labels: Selector,
    /// On claims.
    pub claims: Selector,
    /// On anything; asked last, for they cost most.
    pub expressions: Vec<Expression>,
}

/// A CEL expression, compiled once.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    /// To ask.
    pub program: Program,
}

impl Expression {
    /// As the user wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it can see the scores of add-ons.
    #[must_use]
    pub fn reads_scores(&self) -> bool {
        self.text.contains("scores")
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// In which order clusters are shown within a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name; scores are not shown.
    #[default]
    Name,
    /// The highest score first, with the scores; scores alone are renewed at most this often.
    Score(Duration),
}

impl Order {
    /// Of a spec that passed admission.
    #[must_use]
    pub fn of(spec: &PlacementSpec) -> Self {
        if spec.sort_by() != "Score" {
            return Self::Name;
        }
        let given = spec.score_rate_limit.as_deref().and_then(|text| GoDuration::parse(text).ok());
        let nanos = given.and_then(|given| u64::try_from(given.nanos()).ok());
        Self::Score(nanos.map_or(Duration::from_secs(60), Duration::from_nanos))
    }
}

/// Why a spec cannot be acted on.
#[derive(Clone, Debug, PartialEq)]
pub enum Flaw {
    /// It means nothing; the condition says so in OCM's form `<plugin>:<message>`, then the path.
    Misconfigured(String),
    /// An expression may take too long: it is refused where it is given.
    TooCostly(Refusal),
}

impl Flaw {
    pub(crate) fn misconfigured(plugin: &str, what: impl std::fmt::Display, path: &str) -> Self {
        Self::Misconfigured(format!("{plugin}:{what} ({path})"))
    }

    /// The message of the condition.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Misconfigured(message) => message.clone(),
            Self::TooCostly(refusal) => refusal.to_string(),
        }
    }
}

impl Plan {
    /// Reads a spec.
    ///
    /// # Errors
    /// The first flaw.
    pub fn of(spec: &PlacementSpec) -> Result<Self, Flaw> {
        let predicates = spec.predicates.iter().enumerate();
        let predicates = predicates.map(|(index, given)| predicate(index, given));
        let predicates = predicates.collect::<Result<Vec<Predicate>, _>>()?;
        let expressions = predicates.iter().flat_map(|predicate| &predicate.expressions);
        cel::together(expressions.map(|expression| &expression.program)).map_err(|problem| {
            let (path, why) = ("spec.predicates".to_owned(), problem.to_string());
            Flaw::TooCostly(Refusal::TooCostly { path, why })
        })?;
        for (index, toleration) in spec.tolerations.iter().enumerate() {
            let path = format!("spec.tolerations[{index}]");
            let wrong = |error| Flaw::misconfigured("TaintToleration", error, &path);
            taint::check(toleration).map_err(wrong)?;
        }
        let spread = Spread::of(spec.spread_policy.as_ref());
        Ok(Self {
            sets: spec.cluster_sets.clone(),
            wanted: spec.number_of_clusters.map(|n| usize::try_from(n).unwrap_or(0)),
            predicates,
            tolerations: spec.tolerations.clone(),
            weights: Weights::of(spec.prioritizer_policy.as_ref(), &spread)?,
            spread,
            groups: groups(spec)?,
            order: Order::of(spec),
        })
    }

    /// Whether a set of this name is meant.
    #[must_use]
    pub fn names(&self, set: &str) -> bool {
        self.sets.is_empty() || self.sets.iter().any(|named| named == set)
    }

    /// Whether a cluster that fits and is not chosen has a say in which are.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.weights.count_resources() || !self.spread.is_none()
    }

    /// Whether the scores of an add-on's object of this name can change who is chosen.
    #[must_use]
    pub fn reads_scores(&self, name: &str) -> bool {
        let expressions = self.predicates.iter().flat_map(|predicate| &predicate.expressions);
        self.weights.add_ons().any(|weighed| weighed == name)
            || expressions.into_iter().any(Expression::reads_scores)
    }

    /// Whether time alone can end a toleration.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.tolerations.iter().any(|toleration| toleration.toleration_seconds.is_some())
    }
}

fn predicate(index: usize, given: &ClusterPredicate) -> Result<Predicate, Flaw> {
    let Some(selector) = &given.required_cluster_selector else { return Ok(Predicate::default()) };
    let wrong = |part: &'static str| {
        let path = format!("spec.predicates[{index}].requiredClusterSelector.{part}");
        move |error: SelectorError| Flaw::misconfigured("Predicate", error, &path)
    };
    let ClusterSelector { label_selector, claim_selector, cel_selector } = selector;
    let labels = label_selector.as_ref().map(Selector::of).transpose();
    let claims = claim_selector.as_ref().map(|c| Selector::of_requirements(&c.match_expressions));
    Ok(Predicate {
        labels: labels.map_err(wrong("labelSelector"))?.unwrap_or_default(),
        claims: claims.transpose().map_err(wrong("claimSelector"))?.unwrap_or_default(),
        expressions: cel_selector.as_ref().map_or(Ok(vec![]), |given| expressions(index, given))?,
    })
}

fn expressions(index: usize, given: &ClusterCelSelector) -> Result<Vec<Expression>, Flaw> {
    let read = |(number, text): (usize, &String)| {
        let path = format!(
            "spec.predicates[{index}].requiredClusterSelector.celSelector.celExpressions[{number}]"
        );
        let program = cel::compile(text).map_err(|problem| match problem {
            Problem::TooCostly(_) => {
                Flaw::TooCostly(Refusal::TooCostly { path: path.clone(), why: problem.to_string() })
            }
            _ => Flaw::misconfigured("Predicate", problem, &path),
        })?;
        Ok(Expression { text: text.clone(), program })
    };
    given.cel_expressions.iter().enumerate().map(read).collect()
}

fn groups(spec: &PlacementSpec) -> Result<Groups, Flaw> {
    let strategy = spec.decision_strategy.as_ref().and_then(|s| s.group_strategy.as_ref());
    let Some(strategy) = strategy else { return Ok(Groups::default()) };
    Groups::of(strategy).map_err(|error| {
        let part = match &error {
            GroupError::NotAPercentage => "clustersPerDecisionGroup".to_owned(),
            GroupError::Selector(index, _) => {
                format!("decisionGroups[{index}].groupClusterSelector")
            }
        };
        let path = format!("spec.decisionStrategy.groupStrategy.{part}");
        Flaw::misconfigured("DecisionGroups", error, &path)
    })
}
