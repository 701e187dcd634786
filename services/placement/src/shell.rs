//! The service on its feet: the chassis' loops, and the timers that wake placements. What a timer
//! is for is the domain's.

use crate::machine::{Scheduling, placement_id, schedule};
use async_trait::async_trait;
use fleetlog_bus::{Fault, Timers};
use fleetlog_chassis::{Context, Denied, Ground, Origin, Request, Shell};
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_placement_domain::PlacementKey;
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::Mutex;

/// How many timers are set at the same time.
const AT_ONCE: usize = 32;

/// What placement is told at its start: nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {}

/// A placement is to be looked at at a moment, although nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// Which placement.
    pub key: PlacementKey,
    /// When.
    pub at: Timestamp,
    /// The commit that makes it so.
    pub cause: Position,
}

struct Around {
    timers: Timers,
    /// What is read of the state is set before anybody reads again: the newest state is set last.
    one: Mutex<()>,
    context: OnceLock<Weak<Context<Scheduling>>>,
}

impl Around {
    async fn set(&self, wakes: Vec<Wake>) -> Result<(), Fault> {
        let set = |Wake { key, at, cause }: Wake| async move {
            let whom = placement_id(&key.namespace, &key.name);
            self.timers.set(&whom, at, cause, schedule()).await
        };
        stream::iter(wakes).map(set).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }
}

#[async_trait]
impl Shell<Scheduling> for Around {
    /// A timer that is due is spent: the next one is set before it is acted on, because a look that
    /// changes nothing is no commit that could lead to one.
    async fn prepare(&self, request: &mut Request) -> Result<(), Denied> {
        let (Origin::Timer { .. }, Some(namespace)) = (&request.origin, &request.target.scope)
        else {
            return Ok(());
        };
        let Some(context) = self.context.get().and_then(Weak::upgrade) else { return Ok(()) };
        let key = PlacementKey::new(namespace, &request.target.name);
        let _one = self.one.lock().await;
        let wake = context.read(|hosted| hosted.machine().wake(&key, request.at));
        let set = context.patiently(|| self.set(wake.clone().into_iter().collect())).await;
        if let Err(fault) = set {
            tracing::error!(%fault, placement = %key, "its next timer cannot be set");
        }
        Ok(())
    }

    async fn perform(&self, effects: Vec<Wake>) -> Result<(), Fault> {
        let _one = self.one.lock().await;
        self.set(effects).await
    }
}

/// Rebuilds the state and starts the loops.
///
/// # Errors
/// When the bus cannot be read at the start.
pub fn start(
    ground: Ground,
    _settings: Settings,
) -> BoxFuture<'static, Result<Arc<Context<Scheduling>>, Fault>> {
    // Boxed, so that the loops are compiled here and not again in every program that starts them.
    Box::pin(async move {
        let (timers, one) = (ground.bus.timers.clone(), Mutex::default());
        let around = Arc::new(Around { timers, one, context: OnceLock::new() });
        let context = fleetlog_chassis::start::<Scheduling>(ground, around.clone()).await?;
        let _first = around.context.set(Arc::downgrade(&context));
        context.ground.tasks.spawn("timers", reconcile(context.clone(), around));
        Ok(context)
    })
}

/// Sets the timers anew that the state asks for: TIMER is derived, and those of commits that were
/// folded while the log was read in have not been set.
async fn reconcile(context: Arc<Context<Scheduling>>, around: Arc<Around>) -> Result<(), Fault> {
    context.live().await;
    let _one = around.one.lock().await;
    let now = context.ground.clock.now();
    let wakes = context.read(|hosted| hosted.machine().wakes(now));
    context.patiently(|| around.set(wakes.clone())).await
}
