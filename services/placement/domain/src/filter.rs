//! Which clusters fit a placement: predicates first, then taints (spec, registration and placement,
//! sections 20.1 and 21).
//!
//! A `PreferNoSelect` taint keeps no cluster away and costs none a score, as in OCM.

use crate::cluster::Cluster;
use crate::names::rule;
use crate::plan::{Plan, Predicate};
use fleetlog_rules::taint::{self, Standing};

/// The rule that drops a cluster; `None` when it fits.
#[must_use]
pub fn dropped(plan: &Plan, cluster: &Cluster, standing: Standing) -> Option<&'static str> {
    let matches = |predicate: &Predicate| {
        predicate.labels.matches(&cluster.labels) && predicate.claims.matches(&cluster.claims)
    };
    if !plan.predicates.is_empty() && !plan.predicates.iter().any(matches) {
        return Some(rule::PREDICATE);
    }
    let tolerated = taint::tolerated(&plan.tolerations, &cluster.taints, standing);
    (!tolerated).then_some(rule::TAINTS)
}

/// Whether a cluster fits.
#[must_use]
pub fn fits(plan: &Plan, cluster: &Cluster, standing: Standing) -> bool {
    dropped(plan, cluster, standing).is_none()
}
