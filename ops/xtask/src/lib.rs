//! The project's own chores, as a library that tests use too: what is
//! generated from the protos, and what CI runs.
//! Nothing here is part of what users run.

pub mod bench;
pub mod cargo;
pub mod catalogue;
pub mod covered;
pub mod golden;
pub mod mutants;
pub mod soak;
pub mod verify;
