//! Which placements were looked at without any change, and up to where: a cache that spares a burst
//! of commits as many schedules. It holds nothing that the log does not; lost, it costs time only.

use fleetlog_kernel::Position;
use fleetlog_placement_domain::PlacementKey;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Looked(Mutex<BTreeMap<PlacementKey, Position>>);

impl Looked {
    /// Whether a placement was looked at with everything up to `touched`.
    pub(crate) fn covers(&self, key: &PlacementKey, touched: Position) -> bool {
        self.lock().get(key).is_some_and(|looked| *looked >= touched)
    }

    /// A placement needs no change as the world stood at `position`.
    pub(crate) fn note(&self, key: &PlacementKey, position: Position) {
        self.lock().insert(key.clone(), position);
    }

    /// A placement itself changed.
    pub(crate) fn forget(&self, key: &PlacementKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PlacementKey, Position>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
