//! Streams, queues, accounts and permissions as data, applied and verified; and the folder of a
//! hub.
//!
//! What messages mean and how they travel is not known here.

pub mod accounts;
pub mod apply;
pub mod audit;
pub mod authority;
mod claims;
pub mod folder;
pub mod followers;
pub mod hub;
pub mod identity;
pub mod keeper;
mod look;
pub mod plan;
pub mod profile;
pub mod refusal;
pub mod roles;
pub mod server;
pub mod space;
pub mod streams;
pub mod things;
mod whole;
mod wire;

pub use authority::Authority;
pub use folder::Folder;
pub use hub::RunningHub;
pub use identity::Identity;
pub use profile::Profile;
pub use refusal::HubRefusal;
pub use roles::{Role, roles};
pub use space::{Room, RoomChange, SpaceConfig};
pub use streams::{SNAP_BUCKET, queues, streams};
