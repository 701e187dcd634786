//! Since when beats could be taken without a gap. A silence that was not attended for the whole
//! of its grace says nothing of a cluster: the hub's own absence expires nobody.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How much of a grace may be missing: clocks of two machines round differently.
const SLACK: Duration = Duration::from_secs(1);

/// The one record of it that a process has; nothing was attended before the first beginning.
#[derive(Default)]
pub(crate) struct Attendance(Mutex<Option<Instant>>);

impl Attendance {
    /// There was a gap: every grace begins anew.
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a whole grace was attended.
    pub(crate) fn covers(&self, grace: Duration) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() + SLACK >= grace)
    }
}
