//! The event log and command bus: ports, JetStream and the in-memory twin.

mod answers;
mod credentials;
mod fault;
pub mod jwt;
mod memory;
mod port;
mod rules;
mod spec;

pub use credentials::Credentials;
pub use fault::{Fault, Retry};
pub use memory::Memory;
pub use port::{
    Broker, Delivery, Headers, Message, Publish, PublishError, Queue, Reading, Stored,
    StoredMessage,
};
pub use spec::{QueueSpec, Storage, StreamSpec, WhenFull};

/// The object store of snapshots.
pub const SNAP_BUCKET: &str = "SNAP";
