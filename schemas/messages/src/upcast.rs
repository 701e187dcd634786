//! Old formats stop at the door: what a release before this one wrote is made into what this one
//! writes, so that nobody inside knows any other. What a later release wrote is named, never
//! guessed.

mod binding;
mod newer;

use crate::envelope::Recorded;
use crate::{EVENTS, MESSAGES};
use prost::DecodeError;
use prost::bytes::Bytes;

pub use newer::{Newer, newer};

/// The type and the bytes of an event in the next version; an error in words.
type Upcast = fn(&[u8]) -> Result<(&'static str, Bytes), String>;

/// Makes the events of one version of a schema into those of the next.
struct Upcaster {
    from: &'static str,
    to: &'static str,
    event: Upcast,
}

const UPCASTERS: &[Upcaster] = &[binding::TO_2];

/// A commit in the words of this release, whatever release wrote it: its schema, types and events.
/// One of a schema that this release does not know stays as it is.
///
/// # Errors
/// An event of an older version that cannot be read, in words.
pub fn to_newest(mut commit: Recorded) -> Result<Recorded, String> {
    while let Some(upcaster) = UPCASTERS.iter().find(|u| u.from == commit.header.schema) {
        for (index, event) in commit.events.iter_mut().enumerate() {
            let (name, bytes) = (upcaster.event)(event)
                .map_err(|why| format!("an event of \"{}\" {why}", upcaster.from))?;
            *event = bytes;
            if let Some(kind) = commit.header.types.get_mut(index) {
                name.clone_into(kind);
            }
        }
        upcaster.to.clone_into(&mut commit.header.schema);
    }
    Ok(commit)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_older_version_has_a_way_to_the_newest() {
        for schema in EVENTS {
            let newest = EventSchema::newest(schema.family).unwrap();
            let mut at = *schema;
            while at.version < newest.version {
                let next = UPCASTERS.iter().find(|upcaster| upcaster.from == at.name);
                let next = next.unwrap_or_else(|| panic!("no upcaster from {}", at.name));
                let to = *EventSchema::named(next.to).unwrap();
                assert_eq!((to.family, to.version), (at.family, at.version + 1), "{}", at.name);
                at = to;
            }
            assert!(!UPCASTERS.iter().any(|upcaster| upcaster.from == newest.name));
        }
    }
}
