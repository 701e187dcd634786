//! Generated from `schemas/proto`; do not edit. What no proto says is not here.

pub mod addon;
pub mod addon_v1beta1;
pub mod common;
pub mod core;
mod events;
mod kinds;
mod messages;
pub mod placement;
pub mod registration;
pub mod registration_v2;
pub mod work;
pub use events::EVENTS;
pub use kinds::{KINDS, OTHER_VERSIONS};
pub use messages::MESSAGES;
