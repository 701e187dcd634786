//! The service on its feet. It has no task and no effect of its own: all it does follows from
//! commits, by the chassis' loops. Statuses wait a little for changes that come together.

use crate::config::Settings;
use crate::handlers::settles;
use crate::machine::AddOns;
use async_trait::async_trait;
use fleetlog_bus::Fault;
use fleetlog_chassis::{Context, Denied, Ground, Origin, Request, Shell};
use futures::future::BoxFuture;
use std::convert::Infallible;
use std::sync::Arc;

struct Around {
    settings: Settings,
}

#[async_trait]
impl Shell<AddOns> for Around {
    async fn prepare(&self, request: &mut Request) -> Result<(), Denied> {
        if matches!(request.origin, Origin::Service { .. }) && settles(request) {
            tokio::time::sleep(self.settings.settle_after).await;
        }
        Ok(())
    }

    async fn perform(&self, _: Vec<Infallible>) -> Result<(), Fault> {
        Ok(())
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
    Box::pin(fleetlog_chassis::start::<AddOns>(ground, Arc::new(Around { settings })))
}
