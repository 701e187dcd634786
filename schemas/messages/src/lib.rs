//! Every message and API object that crosses a process, its envelope and its subjects. What they
//! mean is the services'.

pub mod cloud_event;
pub mod envelope;
#[allow(
    missing_docs,
    clippy::large_enum_variant,
    clippy::module_inception,
    reason = "the protos' comments are the documentation, and their shapes decide the sizes"
)]
mod generated;
pub mod happened;
mod kind;
mod rfc3339;
pub mod subject;
pub mod upcast;
pub mod wire;

pub use generated::{
    EVENTS, KINDS, MESSAGES, OTHER_VERSIONS, addon, addon_v1beta1, common, core, placement,
    registration, registration_v2, work,
};
pub use kind::{ApiObject, Column, KindInfo};

/// The schema document: OpenAPI v3 schemas of every API object under `definitions`, by the full
/// name of the message.
pub const SCHEMA: &str = include_str!("generated/schema.json");
