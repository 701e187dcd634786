//! A process that stops at a named place: the list of places, the fuse that says at which of them a
//! life ends, and the broker that knows when a process is there. What stopping means is the test's:
//! tasks that are aborted, or SIGKILL.

mod broker;
mod fuse;
mod lives;
mod place;

pub use broker::Crashing;
pub use fuse::Fuse;
pub use lives::Lives;
pub use place::{CrashPoint, Story, UnknownPlace};

/// How many commands work and add-ons order in one part of a fan-out.
pub const PART: u64 = 2_000;

/// Where lives end over a fan-out of two parts: in the first, between them, in the second.
pub const IN_PARTS: [CrashPoint; 7] = [
    CrashPoint::BeforePlan,
    CrashPoint::AfterPlanBeforeAnswer,
    CrashPoint::InPart,
    CrashPoint::BetweenParts,
    CrashPoint::AfterNextPartBeforeAnswer,
    CrashPoint::BeforePlan,
    CrashPoint::AfterPlanBeforeAnswer,
];
