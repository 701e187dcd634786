//! Equal bytes held once. A thousand clusters that run the same application keep its specs in one
//! place. Knows nothing of objects.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A place where clusters share equal content; cheap to clone. Clusters of one simulated fleet
/// should be given the same pool; content nobody uses any more is dropped.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    held: HashSet<Arc<[u8]>>,
    sweep_at: usize,
}

impl Pool {
    /// A pool of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The shared copy of `bytes`.
    pub(crate) fn share(&self, bytes: &[u8]) -> Arc<[u8]> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = shelf.held.get(bytes) {
            return held.clone();
        }
        if shelf.held.len() >= shelf.sweep_at {
            shelf.held.retain(|held| Arc::strong_count(held) > 1);
            shelf.sweep_at = (shelf.held.len() * 2).max(1_024);
        }
        let shared: Arc<[u8]> = bytes.into();
        shelf.held.insert(shared.clone());
        shared
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_held_once() {
        let pool = Pool::new();
        let (one, two) = (pool.share(b"abc"), pool.share(b"abc"));
        assert!(Arc::ptr_eq(&one, &two));
        assert!(!Arc::ptr_eq(&one, &pool.share(b"abd")));
    }
}
