//! The messages of `fleetlog.addon.v1`. Generated from `schemas/proto`; do not edit.

mod add_on_template;
mod cluster_management_add_on;
mod commands;
mod events;
mod managed_cluster_add_on;
mod state;
pub use add_on_template::*;
pub use cluster_management_add_on::*;
pub use commands::*;
pub use events::*;
pub use managed_cluster_add_on::*;
pub use state::*;
