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
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    eventually_within(WITHIN, what, look).await
}

/// The same for what takes long on a busy machine.
///
/// # Errors
/// Names what was waited for when it has not come by then.
pub async fn eventually_within<T>(
    within: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let found = tokio::time::timeout(within, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(EVERY).await;
        }
    });
    match found.await {
        Ok(found) => Ok(found),
        Err(_) => bail!("after {within:?} still not: {what}"),
    }
}
