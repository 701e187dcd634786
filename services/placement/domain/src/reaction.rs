//! What follows from a commit: the placements it can matter to are scheduled again, each once, and
//! those that time alone can change are woken at their next deadline. From state alone, so a repeat
//! is harmless.

use crate::command::PlacementKey;
use crate::projection::World;
use fleetlog_kernel::{Position, Reaction, Timestamp};

/// The reactions to the newest commit of a world.
pub struct Follows<'a>(pub &'a World);

impl Follows<'_> {
    /// When which placements are to be looked at although nothing happens: one deadline each, which
    /// takes the place of an earlier one. `at` is when the commit was decided.
    #[must_use]
    pub fn wake(&self, commit: Position, at: Timestamp) -> Vec<(PlacementKey, Timestamp)> {
        self.0.timed(commit, at).collect()
    }
}

impl Reaction for Follows<'_> {
    /// The position of the commit that was just folded.
    type Event = Position;
    /// A placement to schedule.
    type Command = PlacementKey;

    fn react(&mut self, commit: &Position) -> Vec<PlacementKey> {
        self.0.touched(*commit)
    }
}
