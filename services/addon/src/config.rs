//! What the add-on service is told at its start: the bounds of its own.

use std::time::Duration;

/// Bounds that suit every fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a status waits for changes that come together.
    pub settle_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { settle_after: Duration::from_millis(50) }
    }
}
