//! Which clusters a set selects (spec, registration and placement, section 12). What exists and
//! what is bound is not known here.

use crate::labels::{Labels, Selector, SelectorError};
use fleetlog_messages::registration::ManagedClusterSetSpec;

/// The label that names a cluster's one exclusive set.
pub const SET_LABEL: &str = "cluster.open-cluster-management.io/clusterset";
/// Membership by [`SET_LABEL`].
pub const EXCLUSIVE: &str = "ExclusiveClusterSetLabel";
/// Membership by a label selector.
pub const BY_SELECTOR: &str = "LabelSelector";

/// Why a set selects by no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// A selector type that is unknown.
    #[error("\"{0}\" is not a selector type")]
    SelectorType(String),
    /// A label selector that means nothing.
    #[error("the selector is invalid: {0}")]
    Selector(#[from] SelectorError),
}

/// How a set selects its clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Those whose label names the set.
    Exclusive(String),
    /// Those that the selector matches.
    Selected(Selector),
    /// None (the selector type without a selector).
    None,
}

impl Members {
    /// Of a set's name and spec.
    ///
    /// # Errors
    /// A selector type or a selector that means nothing.
    pub fn of(name: &str, spec: Option<&ManagedClusterSetSpec>) -> Result<Self, MembershipError> {
        let selector = spec.and_then(|s| s.cluster_selector.as_ref());
        match selector.map_or(EXCLUSIVE, |s| s.selector_type()) {
            "" | EXCLUSIVE => Ok(Self::Exclusive(name.to_owned())),
            BY_SELECTOR => match selector.and_then(|s| s.label_selector.as_ref()) {
                Some(labels) => Ok(Self::Selected(Selector::of(labels)?)),
                None => Ok(Self::None),
            },
            other => Err(MembershipError::SelectorType(other.to_owned())),
        }
    }

    /// Whether a cluster with these labels is a member.
    #[must_use]
    pub fn include(&self, labels: &Labels) -> bool {
        match self {
            Self::Exclusive(name) => labels.get(SET_LABEL) == Some(name),
            Self::Selected(selector) => selector.matches(labels),
            Self::None => false,
        }
    }
}
