//! The service on its feet: the chassis' loops, and the timers of clusters that take turns.
//! Statuses wait a little for changes that come together.

use crate::config::Settings;
use crate::handlers::settles;
use crate::machine::AddOns;
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::Fault;
use fleetlog_chassis::{Alarms, Context, Ground, Moved, Origin, Request, Shell, Unprepared};
use fleetlog_messages::subject::AggregateId;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

struct Around {
    settings: Settings,
    alarms: Arc<Alarms<AddOns>>,
}

#[async_trait]
impl Shell<AddOns> for Around {
    /// What happens to many add-ons together is counted once.
    fn patience(&self, from: &Origin, to: &AggregateId, payload: &Bytes) -> Duration {
        let told = matches!(from, Origin::Service { .. });
        if told && settles(to, payload) { self.settings.settle_after } else { Duration::ZERO }
    }

    async fn prepare(&self, request: &mut Request) -> Result<(), Unprepared> {
        Ok(self.alarms.spent(request).await?)
    }

    async fn perform(&self, moved: Vec<Moved>) -> Result<(), Fault> {
        self.alarms.set(moved).await
    }

    async fn rebuilt(&self, context: &Context<AddOns>) -> Result<(), Fault> {
        self.alarms.renew(context).await
    }
}

/// Rebuilds the state and starts the loops.
///
/// # Errors
/// When the bus cannot be read at the start.
pub fn start(
    ground: Ground,
    settings: Settings,
) -> BoxFuture<'static, Result<Arc<Context<AddOns>>, Fault>> {
    // Boxed, so that the loops are compiled here and not again in every program that starts them.
    Box::pin(async move {
        let alarms = Arc::new(Alarms::new(ground.bus.timers.clone()));
        let around = Arc::new(Around { settings, alarms: alarms.clone() });
        let context = fleetlog_chassis::start::<AddOns>(ground, around).await?;
        alarms.attend(&context);
        Ok(context)
    })
}
