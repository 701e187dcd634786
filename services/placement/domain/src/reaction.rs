//! What follows from a commit: the placements it can matter to are scheduled again, each once, and
//! those that time alone can change are woken at their next deadline. From state alone, so a repeat
//! is harmless.

use crate::command::PlacementKey;
use crate::projection::World;
use fleetlog_kernel::{Position, Reaction};

/// The reactions to the newest commit of a world.
pub struct Follows<'a>(pub &'a World);

impl Reaction for Follows<'_> {
    /// The position of the commit that was just folded.
    type Event = Position;
    /// A placement to schedule.
    type Command = PlacementKey;

    fn react(&mut self, commit: &Position) -> Vec<PlacementKey> {
        self.0.touched(*commit)
    }
}
