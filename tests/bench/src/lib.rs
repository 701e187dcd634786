//! Figures: each with its setting, its goal and a baseline of the same run. They are measurements,
//! not tests: nothing fails because it is slow.

pub mod decide;
pub mod durable;
pub mod failover;
pub mod figure;
pub mod fleets;
pub mod idle;
pub mod members;
pub mod memory;
pub mod orders;
mod plain;
pub mod restart;
