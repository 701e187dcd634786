//! Bugs that are planted to see that they are found. Each lies in a seam of the simulation, where
//! the wrong program would differ from the right one: the programs themselves have no switch.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A delivery is acknowledged as soon as it is taken out of its queue.
    AcknowledgeBeforeDurable,
    /// Commits carry neither id nor expectation.
    NoDeduplication,
    /// An agent takes whatever comes last for the newest.
    OlderGenerationAccepted,
    /// An agent takes what came of a broken sync for all there is.
    DeleteBeforeFirstSync,
    /// A service starts without its checkpoint: all it ever told is told again.
    ReactionReplayedInRebuild,
    /// What lies in the log after a snapshot is not read.
    LostTailAfterSnapshot,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AcknowledgeBeforeDurable,
        Self::NoDeduplication,
        Self::OlderGenerationAccepted,
        Self::DeleteBeforeFirstSync,
        Self::ReactionReplayedInRebuild,
        Self::LostTailAfterSnapshot,
    ];
}
