//! Given / when / then for deciders: one line of setup per fact, failures that show both sides.
//! For tests only (feature `spec`); it panics where an expectation does not hold.
#![allow(clippy::panic, reason = "this module is the assertion of tests")]

use crate::{Decider, Timestamp};
use std::fmt::Debug;

/// A decider with a history, before its command.
pub struct Given<D>(D, Timestamp);

/// A decided command, before its expectation.
pub struct When<D: Decider>(Result<Vec<D::Event>, D::Refusal>);

/// Starts a case: the default state, evolved by `history`.
pub fn given<D: Decider + Default>(history: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given(history.into_iter().fold(D::default(), |s, e| s.evolve(&e)), Timestamp::default())
}

impl<D: Decider> Given<D> {
    /// Sets the time of the decision.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self(self.0, at)
    }

    /// Decides `command`.
    pub fn when(self, command: D::Command) -> When<D> {
        When(self.0.decide(&command, self.1))
    }

    /// The folded state itself.
    pub fn state(self) -> D {
        self.0
    }
}

impl<D: Decider> When<D>
where
    D::Event: Debug + PartialEq,
    D::Refusal: Debug + PartialEq,
{
    /// Expects exactly these events.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.0 {
            Ok(events) => assert_eq!(events, expected, "other events were decided"),
            Err(refusal) => panic!("refused with {refusal:?}, expected {expected:?}"),
        }
    }

    /// Expects that nothing happens, and that this is no refusal.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    /// Expects this refusal.
    #[track_caller]
    pub fn then_refused(self, expected: D::Refusal) {
        match self.0 {
            Ok(events) => panic!("decided {events:?}, expected refusal {expected:?}"),
            Err(refusal) => assert_eq!(refusal, expected, "refused for another reason"),
        }
    }

    /// The decided events, for a look that `then` cannot take.
    #[track_caller]
    pub fn events(self) -> Vec<D::Event> {
        self.0.unwrap_or_else(|refusal| panic!("refused with {refusal:?}"))
    }
}
