//! Turns that come with time alone: a success has lasted, a deadline is over. Whose turn it is the
//! domain says; here somebody looks when it says to, and tells work so.
//!
//! A word carries the position of the fleet it speaks of, and is said only when it leads to a plan:
//! the plan moves the log on, so the same word again is known, and no later one is taken for it.

use crate::machine::Works;
use fleetlog_bus::{Fault, Told};
use fleetlog_chassis::Context;
use fleetlog_kernel::{CommandId, MessageId, Position, Service};
use fleetlog_messages::work::{PlanFanOut, ReplicaSetCommand, replica_set_command::Command};
use fleetlog_work_domain::name::SetKey;
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often is looked at the most, while the log grows.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After which time is looked all the same (OCM's bound).
const LOOK_WITHIN: Duration = Duration::from_secs(30 * 60);
/// The version of the ids.
const VERSION: u32 = 1;
/// Greater than that of every command that follows from a commit: this one comes after them.
const INDEX: u32 = 16_383;

/// Looks until the tasks are asked to stop.
pub(crate) async fn turns(context: Arc<Context<Works>>) -> Result<(), Fault> {
    context.live().await;
    loop {
        let looked = Instant::now();
        let now = context.ground.clock.now();
        let (position, (due, next)) = context.read(|hosted| {
            let turns = hosted.machine().fleet().turns(now);
            (hosted.position(), turns)
        });
        for set in &due {
            plan(&context, set, position).await?;
        }
        let soonest = looked + LOOK_EVERY;
        let next = (looked + next.unwrap_or(LOOK_WITHIN).min(LOOK_WITHIN)).max(soonest);
        let moved = async {
            context.reached(Position(position.0 + 1)).await;
            sleep_until(soonest).await;
        };
        tokio::select! {
            biased;
            () = context.ground.tasks.stopped() => return Ok(()),
            () = moved => {}
            () = sleep_until(next) => {}
        }
    }
}

/// Has a set planned, once everything that follows from the log up to there was said.
async fn plan(context: &Context<Works>, set: &SetKey, cause: Position) -> Result<(), Fault> {
    context.performed(cause).await;
    let command = Some(Command::PlanFanOut(PlanFanOut { lost: vec![] }));
    let seen = format!("{cause}\n{set}");
    let id = MessageId::derived(Service::Work, "turn", VERSION, &seen, INDEX);
    let id = CommandId::new(id.as_str());
    let told = Told {
        to: set.aggregate(),
        correlation: id.to_string(),
        id,
        cause,
        index: INDEX.into(),
        reacted: context.reacted(),
        payload: ReplicaSetCommand { command }.encode_to_vec().into(),
    };
    let commands = &context.ground.bus.commands;
    context.patiently(|| commands.tell(Service::Work, told.clone())).await.map(|_| ())
}
