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
    /// A starting registration takes every missing lease for a silence.
    ComparesAtOnce,
    /// A beat is answered and renews no lease.
    BeatRenewsNothing,
    /// An edited lease runs out when the old one would have.
    EditKeepsExpiry,
    /// A cluster that returns keeps its taint.
    TaintStays,
    /// A placement gives clusters up in one revision, and chooses others in none.
    DecidesInTwo,
    /// A placement chooses the wrong one of two clusters.
    ChoosesAnother,
    /// A work whose cluster is not chosen any more is never removed.
    WithdrawalForgotten,
}
