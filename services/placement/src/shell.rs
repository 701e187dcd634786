//! The service on its feet: the chassis' loops, and the timers that wake placements. What a timer
//! is for is the domain's.

use crate::machine::Scheduling;
use async_trait::async_trait;
use fleetlog_bus::Fault;
use fleetlog_chassis::{Alarms, Context, Ground, Moved, Request, Shell, Unprepared};
use futures::future::BoxFuture;
use std::sync::Arc;

/// What placement is told at its start: nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {}

struct Around {
    alarms: Arc<Alarms<Scheduling>>,
}

#[async_trait]
impl Shell<Scheduling> for Around {
    async fn prepare(&self, request: &mut Request) -> Result<(), Unprepared> {
        Ok(self.alarms.spent(request).await?)
    }

    async fn perform(&self, moved: Vec<Moved>) -> Result<(), Fault> {
        self.alarms.set(moved).await
    }

    async fn rebuilt(&self, context: &Context<Scheduling>) -> Result<(), Fault> {
        self.alarms.renew(context).await
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
        let alarms = Arc::new(Alarms::new(ground.bus.timers.clone()));
        let around = Arc::new(Around { alarms: alarms.clone() });
        let context = fleetlog_chassis::start::<Scheduling>(ground, around).await?;
        alarms.attend(&context);
        Ok(context)
    })
}
