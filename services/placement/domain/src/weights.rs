//! Which prioritizers count for a placement, and how much (spec, registration and placement,
//! section 22). What they score is [`crate::score`]'s.

use crate::cluster::Resource;
use crate::plan::Flaw;
use crate::spread::Spread;
use fleetlog_messages::placement::{PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate};
use std::fmt;

/// A source of scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prioritizer {
    /// Few decisions of other placements on the cluster.
    Balance,
    /// Being chosen already.
    Steady,
    /// Much of a resource to be allocated.
    Allocatable(Resource),
    /// An even share of each topology; scored while choosing, by [`crate::spread`].
    Spread,
    /// A score that an add-on gives.
    AddOn {
        /// The name of the AddOnPlacementScore.
        resource: String,
        /// The score within.
        score: String,
    },
}

impl fmt::Display for Prioritizer {
    /// As OCM names it: `Balance`, `AddOn/<resourceName>/<scoreName>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balance => f.write_str("Balance"),
            Self::Steady => f.write_str("Steady"),
            Self::Allocatable(Resource::Cpu) => f.write_str("ResourceAllocatableCPU"),
            Self::Allocatable(Resource::Memory) => f.write_str("ResourceAllocatableMemory"),
            Self::Spread => f.write_str("Spread"),
            Self::AddOn { resource, score } => write!(f, "AddOn/{resource}/{score}"),
        }
    }
}

/// The prioritizers that count, each once, in the order of the defaults and then of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights(Vec<(Prioritizer, i64)>);

/// The weight of Spread where constraints ask for it and the policy does not say.
const SPREAD: i64 = 2;

impl Default for Weights {
    fn default() -> Self {
        Self(vec![(Prioritizer::Balance, 1), (Prioritizer::Steady, 1)])
    }
}

impl Weights {
    /// Additive adds to the defaults, Exact replaces them; the last of a name wins; weight 0 turns
    /// off.
    ///
    /// # Errors
    /// A policy that means nothing.
    pub fn of(policy: Option<&PrioritizerPolicy>, spread: &Spread) -> Result<Self, Flaw> {
        let mut weights = match policy.map_or("", |policy| policy.mode()) {
            "" | "Additive" => {
                let mut weights = Self::default();
                if spread.prefers() {
                    weights.set(Prioritizer::Spread, SPREAD);
                }
                weights
            }
            "Exact" => Self(vec![]),
            other => {
                let what = format!("incorrect prioritizer policy mode: {other}");
                return Err(wrong(what, "spec.prioritizerPolicy.mode"));
            }
        };
        let configurations = policy.map_or(&[][..], |policy| &policy.configurations);
        for (index, config) in configurations.iter().enumerate() {
            let path = format!("spec.prioritizerPolicy.configurations[{index}].scoreCoordinate");
            let prioritizer = prioritizer(config, &path)?;
            weights.set(prioritizer, i64::from(config.weight.unwrap_or(1)));
        }
        weights.0.retain(|(_, weight)| *weight != 0);
        Ok(weights)
    }

    fn set(&mut self, prioritizer: Prioritizer, weight: i64) {
        match self.0.iter_mut().find(|(known, _)| *known == prioritizer) {
            Some((_, known)) => *known = weight,
            None => self.0.push((prioritizer, weight)),
        }
    }

    /// Each prioritizer with its weight, none of them 0.
    pub fn iter(&self) -> impl Iterator<Item = (&Prioritizer, i64)> {
        self.0.iter().map(|(prioritizer, weight)| (prioritizer, *weight))
    }

    /// The weight of a prioritizer; 0 when it does not count.
    #[must_use]
    pub fn of_one(&self, prioritizer: &Prioritizer) -> i64 {
        self.iter().find(|(known, _)| *known == prioritizer).map_or(0, |(_, weight)| weight)
    }

    /// Whether what clusters can allocate counts.
    #[must_use]
    pub fn count_resources(&self) -> bool {
        self.iter().any(|(prioritizer, _)| matches!(prioritizer, Prioritizer::Allocatable(_)))
    }

    /// The names of the AddOnPlacementScores that count, each at least once.
    pub fn add_ons(&self) -> impl Iterator<Item = &str> {
        self.iter().filter_map(|(prioritizer, _)| match prioritizer {
            Prioritizer::AddOn { resource, .. } => Some(resource.as_str()),
            _ => None,
        })
    }
}

fn wrong(what: impl fmt::Display, path: &str) -> Flaw {
    Flaw::misconfigured("Prioritizer", what, path)
}

fn prioritizer(config: &PrioritizerConfig, path: &str) -> Result<Prioritizer, Flaw> {
    let coordinate = config.score_coordinate.as_ref();
    let coordinate = coordinate.ok_or_else(|| wrong("scoreCoordinate field is required", path))?;
    let ScoreCoordinate { add_on, .. } = coordinate;
    match (coordinate.r#type(), coordinate.built_in()) {
        ("BuiltIn" | "", name) => built_in(name)
            .ok_or_else(|| wrong(format!("incorrect builtin prioritizer: {name}"), path)),
        _ => match add_on {
            None => Err(wrong("addOn should not be empty", path)),
            Some(add_on) => Ok(Prioritizer::AddOn {
                resource: add_on.resource_name().to_owned(),
                score: add_on.score_name().to_owned(),
            }),
        },
    }
}

fn built_in(name: &str) -> Option<Prioritizer> {
    Some(match name {
        "Balance" => Prioritizer::Balance,
        "Steady" => Prioritizer::Steady,
        "ResourceAllocatableCPU" => Prioritizer::Allocatable(Resource::Cpu),
        "ResourceAllocatableMemory" => Prioritizer::Allocatable(Resource::Memory),
        "Spread" => Prioritizer::Spread,
        _ => return None,
    })
}
