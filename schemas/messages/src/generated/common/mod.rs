//! The messages of `fleetlog.common.v1`. Generated from `schemas/proto`; do not edit.

mod agent;
mod envelope;
mod meta;
mod query;
pub use agent::*;
pub use envelope::*;
pub use meta::*;
pub use query::*;
