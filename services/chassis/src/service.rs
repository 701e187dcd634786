//! A service on its feet: its state rebuilt from the newest good snapshot and the log, its loops
//! started as supervised tasks.

use crate::context::{Context, Ground};
use crate::machine::{Machine, Shell};
use crate::seen::Lost;
use crate::{lag, project, query, react, rebuild, serve, snapshot};
use fleetlog_bus::Fault;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rebuilds the state and starts the loops; returns once they run. Their failures end
/// `ground.tasks`; [`Context::live`] tells when everything that was in the log is folded in.
///
/// # Errors
/// When the bus cannot be read at the start, or the log ends before what the service has seen.
pub async fn start<M: Machine + Default>(
    ground: Ground,
    shell: Arc<dyn Shell<M>>,
) -> Result<Arc<Context<M>>, Fault> {
    let Ground { bounds, bus, .. } = &ground;
    let told = bounds.patiently(|| bus.commands.last_told_by(M::SERVICE)).await?;
    let told = told.unwrap_or_default();
    let end = bounds.patiently(|| bus.log.end()).await?;
    if told.seen() > end {
        return Err(Lost::Shorter { end, seen: told.seen() }.fault());
    }
    let asked = bounds.patiently(|| rebuild::last_asked::<M>(bus)).await?;
    let hosted = bounds.patiently(|| snapshot::newest::<M>(bus, None)).await?;
    let checkpoint = told.reacted;
    tracing::info!(service = %M::SERVICE, from = %hosted.position(), %checkpoint, "starting");
    let context = Arc::new(Context::new(ground, shell, hosted));
    let tasks = context.ground.tasks.clone();
    let (follows, followed) = mpsc::channel(context.ground.bounds.effects);
    let projecting = context.clone();
    tasks.spawn(
        "project",
        async move { project::run(&projecting, (checkpoint, asked), follows).await },
    );
    let reacting = context.clone();
    tasks.spawn("react", async move { react::run(&reacting, followed).await });
    let keeping = context.clone();
    tasks.spawn("snapshot", async move { snapshot::run(&keeping).await });
    let rebuilding = context.clone();
    tasks.spawn("rebuild", async move { rebuild::run(&rebuilding).await });
    let looking = context.clone();
    tasks.spawn("lag", async move { lag::run(&looking).await });
    tasks.spawn("serve", serve::run(context.clone()));
    tasks.spawn("query", query::run(context.clone()));
    Ok(context)
}
