//! The service on its feet. Placement has no task and no effect of its own: all it does follows
//! from commits, by the chassis' loops.

use crate::machine::Scheduling;
use fleetlog_bus::Fault;
use fleetlog_chassis::{Context, Ground, Plain};
use futures::future::BoxFuture;
use std::sync::Arc;

/// What placement is told at its start: nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {}

/// Rebuilds the state and starts the loops.
///
/// # Errors
/// When the bus cannot be read at the start.
pub fn start(
    ground: Ground,
    _settings: Settings,
) -> BoxFuture<'static, Result<Arc<Context<Scheduling>>, Fault>> {
    // Boxed, so that the loops are compiled here and not again in every program that starts them.
    Box::pin(fleetlog_chassis::start::<Scheduling>(ground, Arc::new(Plain)))
}
