//! The messages of `fleetlog.registration.v1`. Generated from `schemas/proto`; do not edit.

mod commands;
mod events;
mod managed_cluster;
mod managed_cluster_set;
mod managed_cluster_set_binding;
mod state;
pub use commands::*;
pub use events::*;
pub use managed_cluster::*;
pub use managed_cluster_set::*;
pub use managed_cluster_set_binding::*;
pub use state::*;
