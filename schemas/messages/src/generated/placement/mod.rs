//! The messages of `fleetlog.placement.v1`. Generated from `schemas/proto`; do not edit.

mod add_on_placement_score;
mod commands;
mod events;
mod placement;
mod placement_decision;
mod questions;
mod state;
pub use add_on_placement_score::*;
pub use commands::*;
pub use events::*;
pub use placement::*;
pub use placement_decision::*;
pub use questions::*;
pub use state::*;
