//! Old formats stop at the door: what a release before this one wrote is made into what this one
//! writes, so that nobody inside knows any other. What a later release wrote is named, never
//! guessed.

use crate::{EVENTS, MESSAGES};
use prost::DecodeError;

/// The message that the events of a kind of aggregate are encoded in, in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSchema {
    /// As the header `Fl-Schema` has it: `fleetlog.registration.v2.BindingEvent`.
    pub name: &'static str,
    /// What all its versions share: `registration.BindingEvent`.
    pub family: &'static str,
    /// Counts 1, 2, 3.. per family.
    pub version: u32,
    /// The types of its events, as the header `Fl-Types` has them.
    pub types: &'static [&'static str],
}

impl EventSchema {
    /// The schema of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        EVENTS.iter().find(|schema| schema.name == name)
    }

    /// The newest version of a family; what this release writes.
    #[must_use]
    pub fn newest(family: &str) -> Option<&'static Self> {
        EVENTS.iter().filter(|schema| schema.family == family).max_by_key(|schema| schema.version)
    }
}

/// One message that crosses a process.
#[derive(Clone, Copy, Debug)]
pub struct MessageInfo {
    /// Its full name.
    pub name: &'static str,
    /// Reads it and writes it again.
    pub again: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
}

impl MessageInfo {
    /// The message `M`, by its full name.
    pub(crate) const fn of<M: prost::Message + Default>(name: &'static str) -> Self {
        Self { name, again: again::<M> }
    }

    /// The message of a full name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        MESSAGES.iter().find(|message| message.name == name)
    }
}

/// Reads a message and writes it again.
///
/// # Errors
/// Bytes that are not of the message.
fn again<M: prost::Message + Default>(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    M::decode(bytes).map(|message| message.encode_to_vec())
}
