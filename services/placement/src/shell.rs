//! The service on its feet. Placement has no task and no effect of its own: all it does follows
//! from commits, by the chassis' loops.

use crate::machine::Scheduling;
use fleetlog_bus::Fault;
use fleetlog_chassis::{Context, Ground, Plain};
use std::sync::Arc;

/// What placement is told at its start: nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {}

/// Rebuilds the state and starts the loops.
///
/// # Errors
/// When the bus cannot be read at the start.
pub async fn start(ground: Ground, _settings: Settings) -> Result<Arc<Context<Scheduling>>, Fault> {
    fleetlog_chassis::start::<Scheduling>(ground, Arc::new(Plain)).await
}
