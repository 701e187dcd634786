//! The messages of `fleetlog.work.v1`. Generated from `schemas/proto`; do not edit.

mod applied_manifest_work;
mod commands;
mod delivery;
mod events;
mod manifest_work;
mod manifest_work_replica_set;
mod state;
pub use applied_manifest_work::*;
pub use commands::*;
pub use delivery::*;
pub use events::*;
pub use manifest_work::*;
pub use manifest_work_replica_set::*;
pub use state::*;
