//! Identities. They are inputs: made by a client or derived from what is known, never drawn here.

use crate::{Digest, Position, Service, Timestamp};
use std::fmt;
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; emptiness and length are judged where it enters.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// The id of one command: random from a user's client, deterministic from a service.
    CommandId
}
text_id! {
    /// What JetStream deduplicates by (`Nats-Msg-Id`); for commits and service commands a hash.
    MessageId
}
text_id! {
    /// The id of a hub, minted at its first start; members record only its SHA-256.
    HubId
}
text_id! {
    /// `metadata.uid` of one incarnation of an object.
    Uid
}

impl MessageId {
    /// The id of output `index` that `handler` (at version `version`) of `service` derives from
    /// `cause` ("a position" or "a command id"): the same inputs give the same id for ever.
    #[must_use]
    pub fn derived(service: Service, handler: &str, version: u32, cause: &str, index: u32) -> Self {
        let mut digest = Digest::default();
        digest.part(service.token().as_bytes());
        digest.part(handler.as_bytes());
        digest.part(&version.to_be_bytes());
        digest.part(cause.as_bytes());
        digest.part(&index.to_be_bytes());
        Self(digest.finish().to_string()[..40].to_owned())
    }
}

impl CommandId {
    /// When it was made, if it says so as a UUID of version 7 does (RFC 9562, section 5.7).
    #[must_use]
    pub fn made(&self) -> Option<Timestamp> {
        let id = Uuid::try_parse(&self.0).ok().filter(|id| id.get_version_num() == 7)?;
        let millis = i128::try_from(id.as_u128() >> 80).ok()?;
        Some(Timestamp::of_nanos(millis * 1_000_000))
    }

    /// The id of the command number `index` that `service` sends because of `cause`.
    #[must_use]
    pub fn of_reaction(service: Service, handler: &str, cause: Position, index: u32) -> Self {
        Self(MessageId::derived(service, handler, 1, &cause.to_string(), index).0)
    }
}

impl Uid {
    /// The uid of what `command` creates under `subject`: stable when the command is decided again.
    #[must_use]
    pub fn derived(command: &CommandId, subject: &str) -> Self {
        let name = format!("{command}\n{subject}");
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_version_7_tells_when_it_was_made_and_no_other_does() {
        // The example of RFC 9562, appendix A.6: 22 February 2022, 19:22:22 UTC.
        let example = CommandId::new("017F22E2-79B0-7CC3-98C4-DC0C0C07398F");
        assert_eq!(example.made(), Some(Timestamp::of_seconds(1_645_557_742)));
        for other in ["once", "", "919108f7-52d1-4320-9bac-f847db4148a8"] {
            assert_eq!(CommandId::new(other).made(), None, "{other}");
        }
    }

    #[test]
    fn derived_ids_differ_by_every_input_and_by_nothing_else() {
        let id = |h: &str, c: &str, i| MessageId::derived(Service::Work, h, 1, c, i);
        assert_eq!(id("a", "7", 0), id("a", "7", 0));
        assert_ne!(id("a", "7", 0), id("a", "7", 1));
        assert_ne!(id("a", "7", 0), id("a", "8", 0));
        assert_ne!(id("a", "7", 0), id("b", "7", 0));
    }

    #[test]
    fn a_uid_is_a_uuid_and_belongs_to_one_command() {
        let uid = Uid::derived(&CommandId::new("c1"), "fl.ev.x");
        assert_eq!(uid.as_str().len(), 36);
        assert_ne!(uid, Uid::derived(&CommandId::new("c2"), "fl.ev.x"));
    }
}
