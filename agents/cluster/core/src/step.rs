//! The steps of a plan and what becomes of them. Which steps there are is `plan`'s.

use crate::kind::Resource;
use crate::record::Made;
use serde_json::Value;

/// Whether an apply takes fields that others manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It does.
    Yes,
    /// A conflict is refused by the server.
    No,
}

/// One thing to do. Later steps are done whatever became of earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Apply the record itself: its spec and the generation that is begun.
    Note {
        /// Its name.
        name: String,
        /// Its body.
        body: Value,
    },
    /// Write into the record what was made.
    Record {
        /// Its name.
        name: String,
        /// All of it, sorted.
        made: Vec<Made>,
    },
    /// Server-side apply.
    Apply {
        /// Which object.
        resource: Resource,
        /// What of it.
        body: Value,
        /// As whom.
        manager: String,
        /// At whose cost.
        force: Force,
    },
    /// Create, and fail when it is there.
    Create {
        /// Which object.
        resource: Resource,
        /// What of it.
        body: Value,
    },
    /// Wait until the kind of a definition is served, for a bounded time.
    Establish {
        /// The definition.
        resource: Resource,
    },
    /// Write the owner references, at the version that was seen.
    Own {
        /// Which object.
        resource: Resource,
        /// All of its owners.
        owners: Vec<Value>,
        /// The version that was seen.
        seen: String,
    },
    /// Delete, in the background, the object of this uid and no other.
    Delete {
        /// Which object.
        resource: Resource,
        /// The one that is meant.
        uid: String,
    },
    /// Delete the record: the work is gone.
    Forget {
        /// Its name.
        name: String,
        /// The one that is meant.
        uid: String,
    },
}

impl Step {
    /// The object it touches; none for the record.
    #[must_use]
    pub const fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Apply { resource, .. }
            | Self::Create { resource, .. }
            | Self::Establish { resource }
            | Self::Own { resource, .. }
            | Self::Delete { resource, .. } => Some(resource),
            Self::Note { .. } | Self::Record { .. } | Self::Forget { .. } => None,
        }
    }
}

impl Step {
    /// Whether it changes an object of the work.
    #[must_use]
    pub const fn changes(&self) -> bool {
        self.resource().is_some() && !matches!(self, Self::Establish { .. })
    }
}

/// Why an object could not be brought to what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In the words of the server, or ours.
    pub message: String,
    /// Whether it is tried again soon, rather than at the next resync.
    pub soon: bool,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// The object as it is now.
    Now(Box<Value>),
    /// The object is not there (any more).
    Gone,
    /// It did not work.
    Failed(Failure),
}
