//! The words of OCM that users see: labels, condition types, reasons, messages (spec, registration
//! and placement, sections 19.2 and 25), and the names of the rules that drop clusters.

/// The label of a page that names its placement.
pub const PLACEMENT_LABEL: &str = "cluster.open-cluster-management.io/placement";
/// The label of a page with the index of its decision group.
pub const GROUP_INDEX_LABEL: &str = "cluster.open-cluster-management.io/decision-group-index";
/// The label of a page with the name of its decision group; empty for the rest.
pub const GROUP_NAME_LABEL: &str = "cluster.open-cluster-management.io/decision-group-name";
/// At `true` on a placement, another scheduler decides on it.
pub const DISABLE: &str = "cluster.open-cluster-management.io/experimental-scheduling-disable";
/// How many clusters one page holds.
pub const PAGE: usize = 100;

/// Condition types.
pub mod kind {
    /// Every wanted cluster was found.
    pub const SATISFIED: &str = "PlacementSatisfied";
    /// The spec means nothing.
    pub const MISCONFIGURED: &str = "PlacementMisconfigured";
}

/// Reasons of conditions.
pub mod reason {
    /// No set is bound to the namespace.
    pub const NO_BINDINGS: &str = "NoManagedClusterSetBindings";
    /// None of the named sets is bound.
    pub const NO_INTERSECTION: &str = "NoIntersection";
    /// The sets have no member that could be chosen.
    pub const ALL_EMPTY: &str = "AllManagedClusterSetsEmpty";
    /// No member passes the filters.
    pub const NO_MATCH: &str = "NoManagedClusterMatched";
    /// All that is wanted is there.
    pub const ALL_SCHEDULED: &str = "AllDecisionsScheduled";
    /// Less than wanted is there.
    pub const NOT_ALL_SCHEDULED: &str = "NotAllDecisionsScheduled";
    /// The spec means nothing.
    pub const MISCONFIGURED: &str = "Misconfigured";
    /// The spec means something (OCM's spelling).
    pub const CONFIGURED: &str = "Succeedconfigured";
}

/// The rules that drop clusters, as `PlacementDecided.dropped` names them.
pub mod rule {
    /// The fleet has no such cluster; no rule counts these.
    pub const GONE: &str = "NotInFleet";
    /// It is in none of the sets; no rule counts these.
    pub const SETS: &str = "ClusterSets";
    /// The spec cannot be acted on.
    pub const MISCONFIGURED: &str = "Misconfigured";
    /// The hub does not accept the cluster.
    pub const ACCEPTED: &str = "Accepted";
    /// The cluster is on its way out.
    pub const TERMINATING: &str = "Terminating";
    /// No predicate matches.
    pub const PREDICATE: &str = "Predicate";
    /// A taint is not tolerated.
    pub const TAINTS: &str = "TaintToleration";
    /// It is in no topology to spread over, or its topology has its share.
    pub const SPREAD: &str = "Spread";
    /// Enough others come first.
    pub const NUMBER: &str = "NumberOfClusters";
}
