//! What happened, as the log names it: the type of each event and the message it is encoded in.

use fleetlog_messages::registration::{cluster_event, cluster_set_event};
use fleetlog_messages::registration_v2::binding_event;

/// The message of a cluster's events.
pub const CLUSTER: &str = "fleetlog.registration.v1.ClusterEvent";
/// The message of a set's events.
pub const SET: &str = "fleetlog.registration.v1.ClusterSetEvent";
/// The message of a binding's events.
pub const BINDING: &str = "fleetlog.registration.v2.BindingEvent";

/// The type of a cluster's event.
#[must_use]
pub const fn of_cluster(event: &cluster_event::Event) -> &'static str {
    use cluster_event::Event;
    match event {
        Event::Specified(_) => "ClusterSpecified",
        Event::Accepted(_) => "ClusterAccepted",
        Event::Denied(_) => "ClusterDenied",
        Event::JoinRequested(_) => "ClusterJoinRequested",
        Event::Joined(_) => "ClusterJoined",
        Event::StatusReported(_) => "ClusterStatusReported",
        Event::BecameAvailable(_) => "ClusterBecameAvailable",
        Event::LeaseExpired(_) => "LeaseExpired",
        Event::TaintAdded(_) => "TaintAdded",
        Event::TaintRemoved(_) => "TaintRemoved",
        Event::DeletionRequested(_) => "ClusterDeletionRequested",
        Event::Deleted(_) => "ClusterDeleted",
        Event::StatusWritten(_) => "ClusterStatusWritten",
    }
}

/// The type of a set's event.
#[must_use]
pub const fn of_set(event: &cluster_set_event::Event) -> &'static str {
    use cluster_set_event::Event;
    match event {
        Event::Specified(_) => "ClusterSetSpecified",
        Event::DeletionRequested(_) => "ClusterSetDeletionRequested",
        Event::Deleted(_) => "ClusterSetDeleted",
        Event::Counted(_) => "ClusterSetCounted",
    }
}

/// The type of a binding's event.
#[must_use]
pub const fn of_binding(event: &binding_event::Event) -> &'static str {
    use binding_event::Event;
    match event {
        Event::Specified(_) => "BindingSpecified",
        Event::DeletionRequested(_) => "BindingDeletionRequested",
        Event::Deleted(_) => "BindingDeleted",
        Event::Bound(_) => "BindingBound",
        Event::Unbound(_) => "BindingUnbound",
    }
}
