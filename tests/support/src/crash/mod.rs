//! A process that stops at a named place: the list of places, the fuse that says at which of them a
//! life ends, and the broker that knows when a process is there. What stopping means is the test's:
//! tasks that are aborted, or SIGKILL.

mod broker;
mod fuse;
mod place;

pub use broker::Crashing;
pub use fuse::Fuse;
pub use place::{CrashPoint, Story, UnknownPlace};

/// How many commands work and add-ons order in one part of a fan-out.
pub const PART: u64 = 2_000;
