//! Bundles read from BLOBS, the ones used last kept in memory up to a bound.

use bytes::Bytes;
use fleetlog_bus::{Blobs, Fault};
use fleetlog_kernel::ContentHash;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What is kept in memory.
#[derive(Default)]
struct Kept {
    bodies: BTreeMap<ContentHash, (Bytes, u64)>,
    /// When each was used, oldest first.
    uses: BTreeMap<u64, ContentHash>,
    bytes: usize,
    clock: u64,
}

impl Kept {
    fn get(&mut self, hash: &ContentHash) -> Option<Bytes> {
        self.clock += 1;
        let (body, used) = self.bodies.get_mut(hash)?;
        self.uses.remove(used);
        *used = self.clock;
        self.uses.insert(self.clock, *hash);
        Some(body.clone())
    }

    fn insert(&mut self, hash: ContentHash, body: &Bytes, limit: usize) {
        if body.len() > limit || self.bodies.contains_key(&hash) {
            return;
        }
        self.clock += 1;
        self.bytes += body.len();
        self.bodies.insert(hash, (body.clone(), self.clock));
        self.uses.insert(self.clock, hash);
        while self.bytes > limit {
            let Some((_, oldest)) = self.uses.pop_first() else { return };
            let gone = self.bodies.remove(&oldest);
            self.bytes -= gone.map_or(0, |(body, _)| body.len());
        }
    }
}

/// Bundles by hash.
pub(crate) struct Bodies {
    blobs: Blobs,
    kept: Mutex<Kept>,
    limit: usize,
}

impl Bodies {
    pub(crate) fn new(blobs: Blobs, limit: usize) -> Self {
        Self { blobs, kept: Mutex::default(), limit }
    }

    /// The content of this hash, from memory or from BLOBS.
    pub(crate) async fn get(&self, hash: &ContentHash) -> Result<Option<Bytes>, Fault> {
        if let Some(body) = self.kept(|kept| kept.get(hash)) {
            return Ok(Some(body));
        }
        let found = self.blobs.get(hash).await?;
        if let Some(body) = &found {
            self.kept(|kept| kept.insert(*hash, body, self.limit));
        }
        Ok(found)
    }

    /// Keeps a content in BLOBS, and in memory for the agents that will ask for it.
    pub(crate) async fn put(&self, body: Bytes) -> Result<ContentHash, Fault> {
        let hash = ContentHash::of(&body);
        if self.kept(|kept| kept.get(&hash)).is_none() {
            self.blobs.put(body.clone()).await?;
            self.kept(|kept| kept.insert(hash, &body, self.limit));
        }
        Ok(hash)
    }

    /// The content of this hash, if it has this size; `Err` with the size when it has another.
    pub(crate) async fn get_sized(
        &self,
        hash: &ContentHash,
        size: u64,
    ) -> Result<Option<Result<Bytes, u64>>, Fault> {
        if self.kept(|kept| kept.get(hash)).is_none() {
            match self.blobs.size(hash).await? {
                None => return Ok(None),
                Some(other) if other != size => return Ok(Some(Err(other))),
                Some(_) => {}
            }
        }
        Ok(self.get(hash).await?.map(Ok))
    }

    fn kept<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut kept = Kept::default();
        let body = |text: &'static str| (ContentHash::of(text.as_bytes()), Bytes::from(text));
        let [(a, first), (b, second), (c, third)] = [body("aaaa"), body("bbbb"), body("cccc")];
        kept.insert(a, &first, 8);
        kept.insert(b, &second, 8);
        assert_eq!(kept.get(&a), Some(first));
        kept.insert(c, &third, 8);
        assert_eq!(kept.get(&b), None);
        assert!(kept.get(&a).is_some() && kept.get(&c).is_some());
        assert_eq!((kept.bytes, kept.uses.len()), (8, 2));
    }

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept() {
        let mut kept = Kept::default();
        let body = Bytes::from_static(b"123456789");
        kept.insert(ContentHash::of(&body), &body, 8);
        assert_eq!(kept.bytes, 0);
    }
}
