//! What may be asked of a placement, parsed: the precondition is a position, the identity is there,
//! and what a decision needs beyond its own history (the schedule) rides along.

use crate::schedule::Schedule;
use fleetlog_kernel::{Position, Uid};
use fleetlog_messages::placement::Placement;
use fleetlog_rules::metadata::Change;
use std::fmt;

/// Namespace and name of a placement.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacementKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl PlacementKey {
    /// The key of these two.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for PlacementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Create or change a placement.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// The object as given; its status and what the hub sets are ignored.
    pub object: Placement,
    /// Whom the command is about.
    pub target: PlacementKey,
    /// The position that the object must stand at; `None` takes any.
    pub expected: Option<Position>,
    /// What happens to labels and annotations that are not given.
    pub change: Change,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// Who says so.
    pub by: String,
}

/// A command on a placement.
#[derive(Clone, Debug, PartialEq)]
pub enum PlacementCommand {
    /// Create or change it.
    Apply(Box<Apply>),
    /// Remove it with its decisions.
    Delete {
        /// Whom it is about.
        target: PlacementKey,
        /// Who says so.
        by: String,
    },
    /// Put an equal page in the place of one that was deleted by hand.
    Discard {
        /// The page's name.
        page: String,
        /// The uid of the one that takes its place.
        uid: Uid,
        /// Who says so.
        by: String,
    },
    /// Take over what was computed from the world at `inputs`.
    Schedule {
        /// What was computed.
        schedule: Box<Schedule>,
        /// The position of the world.
        inputs: Position,
    },
}
