//! All services and agents in one thread, under faults that a seed decides, checked after each
//! step. Drives the chassis' own loops over the broker in memory, on a paused clock. What a single
//! service decides is tested with it.

mod breach;
mod bug;
mod chance;
mod failover;
mod fleet;
mod happening;
mod history;
mod hub;
mod invariants;
mod life;
mod line;
mod planted;
mod play;
mod pulse;
#[allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the reference is made for tests, and counts small numbers"
)]
#[path = "../../../services/placement/domain/tests/reference/mod.rs"]
mod reference;
mod scenario;
mod streams;
mod user;

pub use breach::{Breach, Invariant};
pub use bug::Bug;
pub use chance::{Chance, Kind};
pub use happening::Happening;
pub use play::{Report, Story, Violation, run};
