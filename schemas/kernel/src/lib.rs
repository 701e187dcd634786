//! Ids, subject tokens, time as a value, positions and the traits of the flow. No I/O, no async,
//! no clock, no random source; foreign types are wrapped, none is re-exported.

mod flow;
mod hash;
mod id;
mod name;
mod time;
mod token;

#[cfg(feature = "spec")]
pub mod spec;

pub use flow::{Decider, Projection, Reaction};
pub use hash::{ContentHash, Digest};
pub use id::{CommandId, HubId, MessageId, Uid};
pub use name::{Actor, ClusterName, NameError, Service, dns_label, dns_subdomain};
pub use time::Timestamp;
pub use token::{TokenError, decode_token, encode_token};

use std::fmt;

/// A sequence number of the stream EVENTS: the system's one clock of order. 0 means "before the
/// first event" and, as a cause, "a person or an agent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
    /// How many objects one commit may change: the factor between a position and a resource
    /// version.
    pub const OBJECTS_PER_COMMIT: u64 = 16_384;

    /// The position that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// What the hub serves as `metadata.resourceVersion` for object `index` of the commit here.
    #[must_use]
    pub fn resource_version(self, index: u64) -> String {
        (self.0 * Self::OBJECTS_PER_COMMIT + index).to_string()
    }

    /// The position that a served `metadata.resourceVersion` speaks of; `None` if it is no number.
    #[must_use]
    pub fn of_resource_version(text: &str) -> Option<Self> {
        text.parse::<u64>().ok().map(|n| Self(n / Self::OBJECTS_PER_COMMIT))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
