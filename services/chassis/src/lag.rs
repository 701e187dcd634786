//! How many events a service is behind the log: looked at again and again, so that a folding that
//! stands still shows too.

use crate::context::Context;
use crate::machine::Machine;
use fleetlog_bus::Fault;

/// Runs until the tasks are asked to stop.
pub(crate) async fn run<M: Machine>(context: &Context<M>) -> Result<(), Fault> {
    loop {
        tokio::select! {
            biased;
            () = context.ground.tasks.stopped() => return Ok(()),
            () = tokio::time::sleep(context.ground.bounds.lag_every) => {}
        }
        // A server that is away keeps the last figure; it is looked at again.
        if let Err(fault) = look(context).await {
            tracing::debug!(%fault, "the end of the log cannot be seen");
        }
    }
}

/// How far behind it is now, also for the metrics.
///
/// # Errors
/// A server that does not answer.
pub(crate) async fn look<M: Machine>(context: &Context<M>) -> Result<u64, Fault> {
    let end = context.ground.bus.log.end().await?;
    let behind = end.0.saturating_sub(context.read(|hosted| hosted.position()).0);
    context.metrics.is_behind(behind);
    Ok(behind)
}
