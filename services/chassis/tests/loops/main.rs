//! The loops over the in-memory broker on a paused clock, with a tiny machine. What the services
//! decide is tested with them; many services together, under random faults, in `tests/simulation`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod commands;
mod crashes;
mod deadlines;
mod late;
mod past;
mod poison;
mod questions;
mod reactions;
mod rebuilds;
mod restarts;
mod snapshots;
mod stage;
mod supervision;
mod tally;
mod trials;
mod watching;
mod woken;
