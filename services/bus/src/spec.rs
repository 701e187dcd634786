//! Streams and durable consumers as data. The values are topology's; both adapters obey them.

use std::time::Duration;

/// Where a stream lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// On disk.
    File,
    /// On disk, acknowledged before it is written (derived streams only).
    FileAsync,
    /// In memory: gone after a restart of the server.
    Memory,
}

/// What happens when a subject has its maximum of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest message goes.
    DropOldest,
    /// The new message is refused (create-once subjects).
    RefuseNew,
}

/// One stream. Everything that is not named here is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// The stream's name, `EVENTS`, ...
    pub name: &'static str,
    /// Its subjects, wildcards allowed.
    pub subjects: Vec<String>,
    /// Where it lies.
    pub storage: Storage,
    /// How old a message may become; `None` keeps it for ever.
    pub max_age: Option<Duration>,
    /// How many messages it may hold in all; `None` is no limit.
    pub max_messages: Option<u32>,
    /// How many messages a subject keeps; `None` is no limit.
    pub per_subject: Option<u32>,
    /// What happens at these limits.
    pub when_full: WhenFull,
    /// How long message ids are remembered.
    pub duplicate_window: Duration,
    /// Messages cannot be deleted one by one.
    pub deny_delete: bool,
    /// The stream cannot be purged.
    pub deny_purge: bool,
    /// Atomic batches are taken.
    pub atomic: bool,
    /// Any replica answers reads (no read-your-own-writes).
    pub direct: bool,
    /// A message may carry a life of its own.
    pub message_ttl: bool,
    /// How long the marker of an expired last message stays; `None` makes no markers.
    pub marker_ttl: Option<Duration>,
    /// Stored messages are published again under another prefix: (from, to) filters.
    pub republish: Option<(String, String)>,
    /// A message may ask to be published elsewhere in the stream at a given moment.
    pub schedules: bool,
    /// How many consumers it may have.
    pub max_consumers: Option<u32>,
}

/// One durable work queue: explicit acknowledgement, bounded, filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// The stream it reads.
    pub stream: &'static str,
    /// Its durable name, `cmd-work`, ...
    pub durable: String,
    /// Which subjects it gets.
    pub filter: String,
    /// How many deliveries may wait for an acknowledgement.
    pub max_ack_pending: u32,
    /// How long one may wait before it is delivered again.
    pub ack_wait: Duration,
}
