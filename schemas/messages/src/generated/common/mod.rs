//! The messages of `fleetlog.common.v1`. Generated from `schemas/proto`; do not edit.

mod agent;
mod commands;
mod envelope;
mod events;
mod meta;
mod query;
pub use agent::*;
pub use commands::*;
pub use envelope::*;
pub use events::*;
pub use meta::*;
pub use query::*;
