//! The event log and command bus: ports, JetStream and the in-memory twin.

mod credentials;
mod fault;
pub mod jwt;
mod port;
mod spec;

pub use credentials::Credentials;
pub use fault::{Fault, Retry};
pub use port::{
    Broker, Delivery, Headers, Message, Publish, PublishError, Queue, Reading, Stored,
    StoredMessage,
};
pub use spec::{QueueSpec, Storage, StreamSpec, WhenFull};
