//! The placement service: its domain wired to the bus. What runs on the chosen clusters is not
//! known here.

mod answer;
mod looked;
mod machine;
mod parse;
mod questions;
mod rows;
mod shell;

pub use machine::{PLACEMENT, PLACEMENT_DECISION, SCHEMA, Scheduling, placement_id};
pub use shell::{Settings, start};
