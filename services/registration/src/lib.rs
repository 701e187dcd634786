//! The registration service: its domain wired to the bus, and what it says to agents. Which
//! clusters are chosen and what runs on them is not known here.

mod answer;
mod attendance;
mod beats;
mod config;
mod counts;
mod handlers;
mod joins;
mod leases;
mod machine;
mod nudges;
mod parse;
mod rights;
mod shell;
mod sight;
mod told;

pub use config::{Flags, Settings};
pub use joins::signed_content;
pub use machine::{BINDING, CLUSTER, Own, Registration, SET, binding_id, cluster_id, set_id};
pub use shell::start;
