//! The messages of `fleetlog.registration.v2`. Generated from `schemas/proto`; do not edit.

mod events;
pub use events::*;
