//! Signatures of deliveries: over cluster, work, generation and the hash of the payload, so that
//! none can be replayed as another. Which key is the hub's is told to an agent when it joins.

use data_encoding::BASE64;
use fleetlog_kernel::{ContentHash, Digest};
use nkeys::KeyPair;

/// Sets these signatures apart from every other use of the key.
const PURPOSE: &[u8] = b"fleetlog.work.v1.Delivery";

/// Why a delivery does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It has none.
    #[error("it is not signed")]
    Missing,
    /// The payload is no delivery.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It is of another cluster or work than where it came.
    #[error("it is about \"{0}\"")]
    Astray(String),
    /// It is not by this key over this content.
    #[error("its signature does not hold")]
    Wrong,
    /// The key is none.
    #[error("\"{0}\" is no public key")]
    Key(String),
}

/// Signs a delivery; answers base64.
///
/// # Errors
/// [`SignatureError::Key`] for a key without its secret half.
pub fn sign(
    key: &KeyPair,
    cluster: &str,
    work: &str,
    generation: i64,
    payload: &[u8],
) -> Result<String, SignatureError> {
    let signed = key.sign(content(cluster, work, generation, payload).as_bytes());
    let signed = signed.map_err(|_| SignatureError::Key(key.public_key()))?;
    Ok(BASE64.encode(&signed))
}

/// Whether `signature` is by `public_key` over exactly this.
///
/// # Errors
/// Why not.
pub fn verify(
    public_key: &str,
    signature: &str,
    (cluster, work, generation): (&str, &str, i64),
    payload: &[u8],
) -> Result<(), SignatureError> {
    let key = KeyPair::from_public_key(public_key)
        .map_err(|_| SignatureError::Key(public_key.to_owned()))?;
    let signature = BASE64.decode(signature.as_bytes()).map_err(|_| SignatureError::Wrong)?;
    let content = content(cluster, work, generation, payload);
    key.verify(content.as_bytes(), &signature).map_err(|_| SignatureError::Wrong)
}

fn content(cluster: &str, work: &str, generation: i64, payload: &[u8]) -> ContentHash {
    let mut digest = Digest::default();
    digest.part(PURPOSE);
    digest.part(cluster.as_bytes());
    digest.part(work.as_bytes());
    digest.part(&generation.to_be_bytes());
    digest.part(ContentHash::of(payload).as_bytes());
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_signature_holds_for_exactly_what_was_signed() {
        let key = KeyPair::new_account();
        let public = key.public_key();
        let signature = sign(&key, "c1", "shop", 3, b"x").unwrap();
        let verdict = |about, payload| verify(&public, &signature, about, payload);
        assert_eq!(verdict(("c1", "shop", 3), b"x"), Ok(()));
        assert_eq!(verdict(("c2", "shop", 3), b"x"), Err(SignatureError::Wrong));
        assert_eq!(verdict(("c1", "shop2", 3), b"x"), Err(SignatureError::Wrong));
        assert_eq!(verdict(("c1", "shop", 4), b"x"), Err(SignatureError::Wrong));
        assert_eq!(verdict(("c1", "shop", 3), b"y"), Err(SignatureError::Wrong));
        let other = KeyPair::new_account().public_key();
        let by_other = verify(&other, &signature, ("c1", "shop", 3), b"x");
        assert_eq!(by_other, Err(SignatureError::Wrong));
    }

    proptest! {
        #[test]
        fn no_text_counts_as_a_signature(signature in "\\PC*", key in "\\PC*") {
            let public = KeyPair::new_account().public_key();
            prop_assert!(verify(&public, &signature, ("c", "w", 1), b"").is_err());
            prop_assert!(verify(&key, &signature, ("c", "w", 1), b"").is_err());
        }
    }
}
