//! The loop events -> commands: performs what the machine said should follow, in order.
//!
//! Its durable output is its checkpoint: each DO message says up to where everything was reacted
//! to before it, so a restart goes on there, and ids derived from causes make repeats harmless.

use crate::context::Context;
use crate::machine::{Effect, Machine};
use crate::project::Follows;
use fleetlog_bus::{Fault, Told};
use fleetlog_kernel::{CommandId, Position};
use fleetlog_messages::subject::AggregateId;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// How many commits' effects are performed together at most.
const BATCH: usize = 64;
/// The version of the reactions' ids: a new way to number effects needs a new one.
const HANDLER: &str = "react";

/// Runs until the project loop ends.
pub(crate) async fn run<M: Machine>(
    context: &Context<M>,
    mut follows: mpsc::Receiver<Follows<M::Effect>>,
) -> Result<(), Fault> {
    let mut batch = Vec::with_capacity(BATCH);
    while follows.recv_many(&mut batch, BATCH).await > 0 {
        let Some(last) = batch.last().map(|f: &Follows<_>| f.position) else { continue };
        let counts = &context.metrics.react;
        batch.iter().for_each(|_| counts.received());
        counts.lags(follows.len() as u64);
        let commits = batch.len();
        if let Err(fault) = perform(context, std::mem::take(&mut batch)).await {
            counts.failed();
            return Err(fault);
        }
        (0..commits).for_each(|_| counts.handled());
        context.set_reacted(last);
    }
    Ok(())
}

/// Performs a batch. Own effects are levels: those of commits that were folded while the log was
/// still being read in are left to the shell's reconciliation at the start.
async fn perform<M: Machine>(
    context: &Context<M>,
    batch: Vec<Follows<M::Effect>>,
) -> Result<(), Fault> {
    tell_all(context, &batch).await?;
    let live = batch.into_iter().filter(|follows| follows.live);
    let own = live.flat_map(|follows| follows.effects).filter_map(|effect| match effect {
        Effect::Own(own) => Some(own),
        Effect::Tell { .. } => None,
    });
    let own: Vec<M::Effect> = own.collect();
    if own.is_empty() {
        return Ok(());
    }
    context.patiently(|| context.shell.perform(own.clone())).await
}

/// Sends the commands of a batch: those to one aggregate one after the other, because a target
/// takes what comes after a newer one for a repeat; those to others at the same time.
async fn tell_all<M: Machine>(
    context: &Context<M>,
    batch: &[Follows<M::Effect>],
) -> Result<(), Fault> {
    let reacted = context.reacted();
    let mut lanes: BTreeMap<AggregateId, Vec<Told>> = BTreeMap::new();
    for told in batch.iter().flat_map(|follows| told_of::<M>(follows, reacted)) {
        lanes.entry(told.to.clone()).or_default().push(told);
    }
    let commands = &context.ground.bus.commands;
    stream::iter(lanes.into_values())
        .map(|lane| async move {
            for told in lane {
                context.patiently(|| commands.tell(M::SERVICE, told.clone())).await?;
            }
            Ok(())
        })
        .buffered(context.ground.bounds.window)
        .try_collect::<()>()
        .await
}

fn told_of<M: Machine>(follows: &Follows<M::Effect>, reacted: Position) -> Vec<Told> {
    let effects = (0_u32..).zip(&follows.effects);
    effects
        .filter_map(|(index, effect)| match effect {
            Effect::Own(_) => None,
            Effect::Tell { to, payload } => Some(Told {
                to: to.clone(),
                id: CommandId::of_reaction(M::SERVICE, HANDLER, follows.position, index),
                cause: follows.position,
                index: index.into(),
                reacted,
                correlation: follows.correlation.clone(),
                payload: payload.clone(),
            }),
        })
        .collect()
}
