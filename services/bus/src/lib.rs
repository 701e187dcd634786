//! The event log and command bus: ports, JetStream and the in-memory twin; what the log, queues,
//! leases and blobs mean on top of them. What is decided and why is not known here.

mod agent_link;
mod answers;
mod blobs;
mod client;
mod commands;
mod commit;
mod credentials;
mod dead_letters;
mod event_log;
mod fault;
mod follower;
mod group_commit;
mod hearing;
mod jetstream;
mod join_token;
pub mod jwt;
mod keys;
mod leases;
mod memory;
mod outcomes;
mod port;
mod reports;
mod rules;
mod sealed;
mod settle;
pub mod signature;
mod snapshots;
mod spec;
mod timers;
mod trust;
mod waypoints;
mod works;

pub use agent_link::{AgentLink, SYNC_END, SignedDelivery};
pub use blobs::{Blobs, CHUNK, MAX_CHUNKS};
pub use client::{Client, ClientError, MAX_BESIDE};
pub use commands::{Commands, LastTold, MAX_COMMAND, Told};
pub use commit::{Entry, NewCommit};
pub use credentials::Credentials;
pub use dead_letters::{DeadLetters, LetterUse};
pub use event_log::{Append, EventLog, LogReading};
pub use fault::{Fault, Retry};
pub use follower::{AUDIT, FollowError, Follower, Tale, ToldEvents};
pub use group_commit::GroupCommit;
pub use hearing::Hearing;
pub use jetstream::JetStream;
pub use join_token::JoinToken;
pub use keys::Keys;
pub use leases::{LeaseChange, LeaseKind, LeaseNews, Leases};
pub use memory::{Memory, Space};
pub use outcomes::Outcomes;
pub use port::{
    Broker, Delivery, Headers, Message, Publish, PublishError, Queue, Reading, Stored,
    StoredMessage,
};
pub use reports::{MAX_REPORT, Reports};
pub use rules::MAX_BATCH;
pub use signature::SignatureError;
pub use snapshots::{Candidates, Snapshots, encode as encode_snapshot};
pub use spec::{QueueSpec, Storage, StreamSpec, WhenFull};
pub use timers::Timers;
pub use trust::{HUB_NAME, is_stranger};
pub use waypoints::Edition;
pub use works::{Desired, Signed, Works};

/// A broker to share.
pub type SharedBroker = std::sync::Arc<dyn Broker>;

/// The object store of snapshots.
pub const SNAP_BUCKET: &str = "SNAP";
