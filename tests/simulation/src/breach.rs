//! What did not hold, and which invariant that was.

use std::fmt;

/// An invariant with a name of its own; the others are named in the words of a breach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// One that the words name.
    #[default]
    InWords,
    /// No cluster becomes Unknown within its own current grace after a beat of it was taken.
    HeardIsAvailable,
    /// No cluster becomes Unknown within a grace after the hub, or what it kept in memory, was
    /// away.
    AbsenceMovesNothing,
    /// No cluster becomes Unknown within a grace after its lease was edited.
    EditExpiresNobody,
    /// No cluster becomes available without a beat since it was silent.
    ReturnNeedsABeat,
    /// A decision never passes through nothing while there is something to choose.
    NeverNothing,
    /// A choice is given up only for a taint that is not tolerated, or for another spec.
    SteadyChoice,
    /// Every revision is what the reference scheduler chooses of the same inputs.
    AsTheReference,
    /// Once quiet, a replica set has one work on each chosen cluster and on no other.
    WorksFollowDecisions,
    /// Once quiet, an available cluster has no taint of the hub.
    ReturnedIsUntainted,
    /// Where nothing goes wrong, each step of a failover comes in its time.
    InTime,
    /// Where nothing goes wrong, availability changes twice for a silence, and never else.
    NothingFlaps,
}

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The invariant.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
}

impl Breach {
    /// Of a named invariant.
    pub fn of(invariant: Invariant, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }

    /// With what was seen told in more words.
    pub fn told(self, tell: impl FnOnce(&str) -> String) -> Self {
        Self { what: tell(&self.what), ..self }
    }
}

impl From<String> for Breach {
    fn from(what: String) -> Self {
        Self::of(Invariant::InWords, what)
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.invariant {
            Invariant::InWords => f.write_str(&self.what),
            invariant => write!(f, "{} ({invariant:?})", self.what),
        }
    }
}
