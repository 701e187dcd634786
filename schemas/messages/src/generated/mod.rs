//! Generated from `schemas/proto`; do not edit. What no proto says is not here.

pub mod addon;
pub mod common;
mod kinds;
pub mod placement;
pub mod registration;
pub mod work;
pub use kinds::KINDS;
