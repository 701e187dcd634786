//! What is kept in SNAP, behind its hash: what came back is what was put there, or nothing.

use bytes::Bytes;
use fleetlog_kernel::ContentHash;

/// How many bytes the hash has.
const HASH: usize = 32;

/// What `write` appends, about `size` bytes, behind its hash.
pub(crate) fn sealed(size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut content = vec![0; HASH];
    content.reserve_exact(size);
    write(&mut content);
    let hash = ContentHash::of(&content[HASH..]);
    content[..HASH].copy_from_slice(hash.as_bytes());
    content.into()
}

/// What is behind the hash, if that is its own.
pub(crate) fn opened(content: &[u8]) -> Option<&[u8]> {
    let (hash, inner) = content.split_at_checked(HASH)?;
    (ContentHash::of(inner).as_bytes() == hash).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_and_nothing_that_was_changed(
            inner in prop::collection::vec(any::<u8>(), 0..96),
            at in any::<prop::sample::Index>(),
        ) {
            let content = sealed(inner.len(), |content| content.extend(&inner));
            prop_assert_eq!(opened(&content), Some(&inner[..]));
            let mut changed = content.to_vec();
            changed[at.index(content.len())] ^= 1;
            prop_assert_eq!(opened(&changed), None);
            prop_assert_eq!(opened(&content[..at.index(content.len())]), None);
        }
    }
}
