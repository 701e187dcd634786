//! The places where a process may stop: each step of the ways of a command, of a reaction, of a
//! snapshot, of a deadline and of a fan-out in parts. One list, for the tests in memory and for
//! those of real processes.

use std::fmt;
use std::str::FromStr;

/// Where a process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrashPoint {
    /// A command is decided, its commit is not stored.
    BeforeAppend,
    /// The commit is stored, its answer does not come.
    AfterAppendBeforeAnswer,
    /// The commits of a batch are decided, none is stored.
    BeforeBatch,
    /// All are stored, the answer does not come.
    AfterBatchBeforeAnswer,
    /// The answer came, the commit is not folded.
    AfterAnswerBeforeProjection,
    /// The commit is folded, its outcome is not recorded.
    BeforeOutcome,
    /// The outcome is recorded, its answer does not come.
    AfterOutcomeBeforeAnswer,
    /// The outcome is recorded, the command is not acknowledged.
    BeforeAcknowledgement,
    /// The command is acknowledged.
    AfterAcknowledgement,
    /// What cannot be handled is not in DLQ.
    BeforeDeadLetter,
    /// It is in DLQ, the answer does not come.
    AfterDeadLetterBeforeAnswer,
    /// What follows from a commit is not told.
    BeforeOutput,
    /// It is told, the answer does not come.
    AfterOutputBeforeAnswer,
    /// Some of what follows from one commit is told: in the middle of a fan-out.
    BetweenOutputs,
    /// All is told; the effects of its own are not performed, and nothing says that it was
    /// reacted to.
    BetweenOutputAndCheckpoint,
    /// The effects are performed, nothing says that it was reacted to.
    AfterEffectBeforeCheckpoint,
    /// A snapshot is made, nothing of it is saved.
    BeforeSnapshotIndex,
    /// The index names it, it is not saved.
    BeforeSnapshot,
    /// Half of it is saved.
    InSnapshot,
    /// It is saved, the answer does not come.
    AfterSnapshotBeforeAnswer,
    /// It is to stay as a waypoint, and is not saved as one.
    BeforeWaypoint,
    /// Half of the waypoint is saved.
    InWaypoint,
    /// The waypoint is saved, the list of them does not name it.
    BeforeWaypointIndex,
    /// The list names it, the answer does not come.
    AfterWaypointIndexBeforeAnswer,
    /// A start has read half of the log.
    InColdStart,
    /// A start asks what was in hand.
    InRecovery,
    /// A rebuild has read half of the log.
    InRebuild,
    /// A commit moved a deadline, its timer is not set.
    BeforeTimer,
    /// The timer is set, the answer does not come.
    AfterTimerBeforeAnswer,
    /// The timer fired and is in hand, nothing is decided about it.
    TimerInHand,
    /// A part of a fan-out is decided, its plan is not stored.
    BeforePlan,
    /// The plan is stored, the answer does not come.
    AfterPlanBeforeAnswer,
    /// About half of what a part orders is told.
    InPart,
    /// All of a part is told, the next one is not asked for.
    BetweenParts,
    /// The next part is asked for, the answer does not come.
    AfterNextPartBeforeAnswer,
}

/// What a process has to live through to get to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Commands, what follows from them, snapshots, starts.
    Commands,
    /// Moments at which nothing else happens.
    Deadlines,
    /// More orders than one commit may lead to.
    Parts,
}

impl CrashPoint {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::BeforeAppend,
        Self::AfterAppendBeforeAnswer,
        Self::BeforeBatch,
        Self::AfterBatchBeforeAnswer,
        Self::AfterAnswerBeforeProjection,
        Self::BeforeOutcome,
        Self::AfterOutcomeBeforeAnswer,
        Self::BeforeAcknowledgement,
        Self::AfterAcknowledgement,
        Self::BeforeDeadLetter,
        Self::AfterDeadLetterBeforeAnswer,
        Self::BeforeOutput,
        Self::AfterOutputBeforeAnswer,
        Self::BetweenOutputs,
        Self::BetweenOutputAndCheckpoint,
        Self::AfterEffectBeforeCheckpoint,
        Self::BeforeSnapshotIndex,
        Self::BeforeSnapshot,
        Self::InSnapshot,
        Self::AfterSnapshotBeforeAnswer,
        Self::BeforeWaypoint,
        Self::InWaypoint,
        Self::BeforeWaypointIndex,
        Self::AfterWaypointIndexBeforeAnswer,
        Self::InColdStart,
        Self::InRecovery,
        Self::InRebuild,
        Self::BeforeTimer,
        Self::AfterTimerBeforeAnswer,
        Self::TimerInHand,
        Self::BeforePlan,
        Self::AfterPlanBeforeAnswer,
        Self::InPart,
        Self::BetweenParts,
        Self::AfterNextPartBeforeAnswer,
    ];

    /// The places that a story leads to: each test in memory goes to all of its own.
    pub fn of(story: Story) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |point| point.story() == story)
    }

    /// What leads there.
    #[must_use]
    pub const fn story(self) -> Story {
        match self {
            Self::BeforeTimer | Self::AfterTimerBeforeAnswer | Self::TimerInHand => {
                Story::Deadlines
            }
            Self::BeforePlan
            | Self::AfterPlanBeforeAnswer
            | Self::InPart
            | Self::BetweenParts
            | Self::AfterNextPartBeforeAnswer => Story::Parts,
            _ => Story::Commands,
        }
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A name that no place has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPlace(String);

impl fmt::Display for UnknownPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no place is named \"{}\"", self.0)
    }
}

impl std::error::Error for UnknownPlace {}

impl FromStr for CrashPoint {
    type Err = UnknownPlace;

    fn from_str(name: &str) -> Result<Self, UnknownPlace> {
        let found = Self::ALL.into_iter().find(|point| point.to_string() == name);
        found.ok_or_else(|| UnknownPlace(name.to_owned()))
    }
}
