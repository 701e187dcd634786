//! How the values of a secret are sealed: AES-256-GCM (NIST SP 800-38D) under a key of their own,
//! which is used once.

use fleetlog_messages::wire::canonical;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A key is used for one message, so its nonce may be the same always.
const NONCE: [u8; NONCE_LEN] = [0; NONCE_LEN];
/// The bytes of a key.
const KEY: usize = 32;

/// A key and what it seals.
pub(crate) struct Sealing {
    /// The key, to be kept apart.
    pub key: Vec<u8>,
    /// What can be kept anywhere.
    pub body: Vec<u8>,
}

/// Seals values under a new key. `None` when the system has no randomness or the cipher refuses.
pub(crate) fn seal(values: &BTreeMap<String, String>) -> Option<Sealing> {
    let mut key = vec![0; KEY];
    SystemRandom::new().fill(&mut key).ok()?;
    let values: Map<String, Value> =
        values.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    let mut body = canonical(&Value::Object(values));
    cipher(&key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(NONCE), Aad::empty(), &mut body)
        .ok()?;
    Some(Sealing { key, body })
}

/// The values again; `None` for another key, or a body that was changed.
pub(crate) fn open(key: &[u8], body: &[u8]) -> Option<Value> {
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key(NONCE);
    let open = cipher(key)?.open_in_place(nonce, Aad::empty(), &mut body).ok()?;
    serde_json::from_slice(open).ok()
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_by_its_key_alone(
            values in prop::collection::btree_map("[a-z]{1,8}", "[A-Za-z0-9+/]{0,40}", 0..6),
            at in any::<prop::sample::Index>(),
        ) {
            let sealing = seal(&values).unwrap();
            prop_assert_eq!(open(&sealing.key, &sealing.body), Some(json!(values)));
            let other = seal(&values).unwrap();
            prop_assert_ne!(&other.body, &sealing.body);
            prop_assert_eq!(open(&other.key, &sealing.body), None);
            let mut changed = sealing.body.clone();
            changed[at.index(sealing.body.len())] ^= 1;
            prop_assert_eq!(open(&sealing.key, &changed), None);
        }

        #[test]
        fn no_bytes_make_it_panic(
            key in prop::collection::vec(any::<u8>(), 0..40),
            body in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            prop_assert_eq!(open(&key, &body), None);
        }
    }
}
