//! A hub without its API, as a process of its own: the server and the services, until a signal.

use anyhow::Result;
use fleetlog_chassis::process::{LogFormat, Signals, start_logging};
use fleetlog_cli::embedded::EmbeddedHub;
use std::path::Path;

/// What it says once its services have read the log.
pub const READY: &str = "ready";

/// Runs until a signal comes, or something fails.
///
/// # Errors
/// A hub that does not start, or fails.
pub async fn run(dir: &Path) -> Result<()> {
    start_logging("warn", LogFormat::Plain);
    let hub = EmbeddedHub::start(dir, None, &|_| {}).await?;
    hub.identity().gateway()?;
    println!("{READY}");
    let mut signals = Signals::listen();
    tokio::select! {
        biased;
        ended = hub.tasks().join() => ended?,
        failure = hub.keep_running(|_| {}) => return Err(failure.into()),
        () = signals.next() => {}
    }
    hub.stop().await;
    Ok(())
}
