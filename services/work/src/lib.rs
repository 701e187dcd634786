//! The work service: its domain wired to the bus, what it publishes for agents, and what it keeps
//! for users before their commands. What is decided, and why, is the domain's.

mod agents;
mod answer;
mod bodies;
mod config;
mod decode;
mod deliver;
mod handlers;
mod machine;
mod puts;
mod shell;

pub use config::{Flags, Settings};
pub use machine::{Own, Works};
pub use shell::start;
