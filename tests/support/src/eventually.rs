//! Waiting for a condition, never for a time.

use anyhow::bail;
use std::time::Duration;

/// How long a condition may take: far more than it ever should.
const WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// Waits until `look` finds something. Works on a paused clock too.
///
/// # Errors
/// Names what was waited for when it has not come after twenty seconds.
pub async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let found = tokio::time::timeout(WITHIN, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(EVERY).await;
        }
    });
    match found.await {
        Ok(found) => Ok(found),
        Err(_) => bail!("after {WITHIN:?} still not: {what}"),
    }
}
