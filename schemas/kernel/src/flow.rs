//! The walk every service takes: command -> decide -> event -> projection -> reaction.

use crate::{Position, Timestamp};

/// An aggregate: a state folded from its own events, which decides commands.
///
/// `decide` changes nothing and `evolve` never fails; both are deterministic.
pub trait Decider: Sized {
    /// What may be asked, already parsed.
    type Command;
    /// What happened, in the past tense.
    type Event;
    /// Why the answer is no.
    type Refusal;

    /// Folds one event into the state. Total: an event that cannot follow changes nothing.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;

    /// Decides one command at time `at`: the events it causes (none when nothing would change).
    ///
    /// # Errors
    /// The refusal, when the domain says no.
    fn decide(
        &self,
        command: &Self::Command,
        at: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;
}

/// A view folded from the events of any aggregate; `apply` never decides.
pub trait Projection {
    /// The events it is folded from.
    type Event;

    /// Folds one event, recorded at `position`.
    fn apply(&mut self, event: &Self::Event, position: Position);
}

/// What follows from an event: commands for others. Never reads a clock, has no side effect.
pub trait Reaction {
    /// The events it hears.
    type Event;
    /// The commands it sends.
    type Command;

    /// The commands that follow from `event`, in a fixed order.
    fn react(&mut self, event: &Self::Event) -> Vec<Self::Command>;
}
