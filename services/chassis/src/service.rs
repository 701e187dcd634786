//! A service on its feet: its state rebuilt from the newest good snapshot and the log, its loops
//! started as supervised tasks.

use crate::context::{Context, Ground};
use crate::hosted::Hosted;
use crate::machine::{Machine, Shell};
use crate::{project, query, react, serve};
use fleetlog_bus::Fault;
use fleetlog_kernel::Position;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rebuilds the state and starts the loops; returns once they run. Their failures end
/// `ground.tasks`; [`Context::live`] tells when everything that was in the log is folded in.
///
/// # Errors
/// When the bus cannot be read at the start.
pub async fn start<M: Machine + Default>(
    ground: Ground,
    shell: Arc<dyn Shell<M>>,
) -> Result<Arc<Context<M>>, Fault> {
    let (bounds, commands) = (&ground.bounds, &ground.bus.commands);
    let checkpoint = bounds.patiently(|| commands.last_told_by(M::SERVICE)).await?;
    let checkpoint = checkpoint.unwrap_or(Position::START);
    let hosted = newest::<M>(&ground).await?;
    tracing::info!(service = %M::SERVICE, from = %hosted.position(), %checkpoint, "starting");
    let context = Arc::new(Context::new(ground, shell, hosted));
    let tasks = context.ground.tasks.clone();
    let (follows, followed) = mpsc::channel(context.ground.bounds.effects);
    let projecting = context.clone();
    tasks.spawn("project", async move { project::run(&projecting, checkpoint, follows).await });
    let reacting = context.clone();
    tasks.spawn("react", async move { react::run(&reacting, followed).await });
    tasks.spawn("serve", serve::run(context.clone()));
    tasks.spawn("query", query::run(context.clone()));
    Ok(context)
}

async fn newest<M: Machine + Default>(ground: &Ground) -> Result<Hosted<M>, Fault> {
    let snapshots = &ground.bus.snapshots;
    for snapshot in ground.bounds.patiently(|| snapshots.newest(M::SERVICE)).await? {
        match Hosted::restore(&snapshot) {
            Ok(hosted) => return Ok(hosted),
            Err(reason) => tracing::warn!(
                service = %M::SERVICE, position = snapshot.position, reason,
                "a snapshot is passed over"
            ),
        }
    }
    Ok(Hosted::default())
}
