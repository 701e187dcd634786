//! What may be asked about a plain object, already parsed, with what the decision needs of others.

use fleetlog_kernel::Uid;
use fleetlog_messages::KindInfo;
use fleetlog_messages::core::Sealed;
use fleetlog_messages::subject::AggregateId;
use fleetlog_rules::metadata::Change;
use serde_json::Value;
use std::collections::BTreeMap;

/// A command about one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which object.
    pub id: AggregateId,
    /// Its kind.
    pub info: &'static KindInfo,
    /// The uid it has if it is born now.
    pub uid: Uid,
    /// The namespace that it lies in.
    pub place: Place,
    /// What is asked.
    pub command: Command,
}

/// How the namespace of an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The kind has no namespaces.
    Everywhere,
    /// There is none of this name.
    Absent,
    /// It is there.
    Active,
    /// It is being emptied.
    Terminating,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create or change.
    Apply(Box<Apply>),
    /// Remove it.
    Delete {
        /// The incarnation that is meant; empty for whichever there is.
        uid: String,
        /// Who asks.
        by: String,
    },
    /// A service sees that it exists and is so.
    Ensure {
        /// The object.
        object: Value,
        /// It stays as it is if there is one.
        once: bool,
    },
    /// A namespace that is going may be empty.
    Empty(Left),
    /// Only what a namespace's spec waits for is meant.
    Finalize {
        /// All of it from now on.
        finalizers: Vec<String>,
        /// The resource version that it should stand at; empty: any.
        expected: String,
        /// How much is left in it.
        left: Left,
    },
    /// Keys that were destroyed on the way here: nothing is left to do.
    Destroyed,
}

/// An object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// The object.
    pub object: Value,
    /// The resource version that it should stand at, `0` where there must be none; empty: any.
    pub expected: String,
    /// How metadata meets what is there.
    pub change: Change,
    /// What the values of a secret are to be.
    pub values: Values,
    /// Only the status is meant.
    pub status: bool,
}

/// The values of a secret, which this service never reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// These, or none.
    New(Option<Sealed>),
    /// As they are.
    Kept,
}

/// How much is left in a namespace: by kind, how many objects, and which finalizers they wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Objects by the plural of their kind.
    pub objects: BTreeMap<String, usize>,
    /// Objects by the finalizer that they wait for.
    pub finalizers: BTreeMap<String, usize>,
}
