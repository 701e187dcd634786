//! The join token as one opaque text: the boot user who can only ask to join, which hub it is for,
//! and the authority its certificate is known by. Who is accepted is not decided by it.

use crate::credentials::Credentials;
use crate::jwt::claims_of;
use data_encoding::BASE64URL_NOPAD;
use fleetlog_kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// What every token begins with; the number is the version of what follows.
const BEGINS: &str = "fleetlog1.";

/// What a cluster needs to ask to join. `Debug` hides the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// The boot user.
    pub credentials: Credentials,
    /// SHA-256 of the hub's id, in hex.
    pub hub_hash: String,
    /// The certificate of the hub's own authority (DER); none where the hub listens on loopback
    /// only.
    pub authority: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Shown {
    jwt: String,
    seed: String,
    hub: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ca: String,
}

impl JoinToken {
    /// The text that a person copies.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Credentials { jwt, seed } = self.credentials.clone();
        let ca = self.authority.as_deref().map(|der| BASE64URL_NOPAD.encode(der));
        let shown = Shown { jwt, seed, hub: self.hub_hash.clone(), ca: ca.unwrap_or_default() };
        let text = serde_json::to_vec(&shown).unwrap_or_default();
        format!("{BEGINS}{}", BASE64URL_NOPAD.encode(&text))
    }

    /// Reads it; `None` when it is none, or not whole.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let body = text.trim().strip_prefix(BEGINS)?;
        let shown = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let Shown { jwt, seed, hub, ca } = serde_json::from_slice(&shown).ok()?;
        let authority = match ca.as_str() {
            "" => None,
            ca => Some(BASE64URL_NOPAD.decode(ca.as_bytes()).ok()?),
        };
        claims_of(&jwt)?;
        Some(Self { credentials: Credentials { jwt, seed }, hub_hash: hub, authority })
    }

    /// When it ends; `None` for never.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let claims = claims_of(&self.credentials.jwt)?;
        claims.get("exp")?.as_i64().map(Timestamp::of_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_round_trips_and_a_torn_one_is_none() {
        let claims = BASE64URL_NOPAD.encode(br#"{"exp":1800000000}"#);
        let credentials = Credentials { jwt: format!("h.{claims}.s"), seed: "SUX".to_owned() };
        for authority in [None, Some(vec![1, 2, 3])] {
            let hub_hash = "ab".to_owned();
            let token = JoinToken { credentials: credentials.clone(), hub_hash, authority };
            let text = token.to_text();
            assert_eq!(JoinToken::of_text(&format!("{text}\n")), Some(token.clone()));
            assert_eq!(token.expires(), Some(Timestamp::of_seconds(1_800_000_000)));
            for end in 0..text.len() {
                assert_eq!(JoinToken::of_text(&text[..end]), None);
            }
        }
        assert!(!format!("{credentials:?}").contains("SUX"));
    }
}
