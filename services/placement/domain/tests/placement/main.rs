//! What placement decides: its commands, its numbered behaviours, what else is ours, what a change
//! costs, what is said of it; and what holds for any history. One program, because each is a link.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod choosing;
mod commands;
mod incremental;
mod leaving;
mod others;
mod properties;
mod rp;
mod score_objects;
#[path = "../story/mod.rs"]
mod story;
mod why;
