//! The words of OCM that users see: labels, taint keys, condition types, reasons, messages
//! (spec, registration and placement, sections 2, 4 and 12).

use fleetlog_rules::condition::{Say, Status};
use std::time::Duration;

/// The label that names a cluster's one exclusive set.
pub const SET_LABEL: &str = "cluster.open-cluster-management.io/clusterset";
/// The set of clusters that name none.
pub const DEFAULT_SET: &str = "default";
/// The set of all clusters.
pub const GLOBAL_SET: &str = "global";
/// The annotation that, at `false`, keeps the hub from putting a built-in set right.
pub const AUTO_UPDATE: &str = "cluster.open-cluster-management.io/autoupdate";
/// The annotation of a cluster that, at `false`, leaves its taints to others.
pub const TAINTS: &str = "fleetlog.io/cluster-taints";
/// The taint of a cluster whose state is unknown.
pub const UNREACHABLE: &str = "cluster.open-cluster-management.io/unreachable";
/// The taint of a cluster that says it is unwell.
pub const UNAVAILABLE: &str = "cluster.open-cluster-management.io/unavailable";
/// Membership by [`SET_LABEL`].
pub const EXCLUSIVE: &str = "ExclusiveClusterSetLabel";
/// Membership by a label selector.
pub const BY_SELECTOR: &str = "LabelSelector";
/// `leaseDurationSeconds` when nobody says otherwise.
pub const LEASE_SECONDS: i32 = 60;

/// How many beats may be missed (OCM's rule).
pub const BEATS_OF_GRACE: u64 = 5;
/// No silence is waited for longer than this: a year, what a lease can surely hold.
pub const LONGEST_GRACE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Condition types.
pub mod kind {
    /// The hub took the cluster in.
    pub const ACCEPTED: &str = "HubAcceptedManagedCluster";
    /// The agent came with its credential once.
    pub const JOINED: &str = "ManagedClusterJoined";
    /// Beats arrive.
    pub const AVAILABLE: &str = "ManagedClusterConditionAvailable";
    /// A set has no members.
    pub const EMPTY: &str = "ClusterSetEmpty";
    /// A binding's set exists.
    pub const BOUND: &str = "Bound";
}

const fn say<'a>(kind: &'a str, status: Status, reason: &'a str, message: &'a str) -> Say<'a> {
    Say { kind, status, reason, message }
}

/// The cluster was accepted.
pub const ACCEPTED: Say<'_> =
    say(kind::ACCEPTED, Status::True, "HubClusterAdminAccepted", "Accepted by hub cluster admin");
/// The acceptance was taken back.
pub const DENIED: Say<'_> =
    say(kind::ACCEPTED, Status::False, "HubClusterAdminDenied", "Denied by hub cluster admin");
/// The agent came.
pub const JOINED: Say<'_> =
    say(kind::JOINED, Status::True, "ManagedClusterJoined", "Managed cluster joined");
/// Beats arrive.
pub const AVAILABLE: Say<'_> =
    say(kind::AVAILABLE, Status::True, "ManagedClusterAvailable", "Managed cluster is available");
/// No beats arrive.
pub const UNKNOWN: Say<'_> = say(
    kind::AVAILABLE,
    Status::Unknown,
    "ManagedClusterLeaseUpdateStopped",
    "Registration agent stopped updating its lease.",
);
/// A set is empty.
pub const EMPTY: Say<'_> =
    say(kind::EMPTY, Status::True, "NoClusterMatched", "No ManagedCluster selected");
/// The set of a binding exists.
pub const BOUND: Say<'_> = say(kind::BOUND, Status::True, "ClusterSetBound", "");
/// The set of a binding does not exist.
pub const UNBOUND: Say<'_> = say(kind::BOUND, Status::False, "ClusterSetNotFound", "");
