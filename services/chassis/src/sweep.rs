//! What an earlier life of a service had in hand of DO, done first and in order. A queue gives it
//! out again only after its wait, when newer commands to the same aggregates may have been handled;
//! and a target takes what comes after a newer one for a repeat.

use crate::context::Context;
use crate::handle::handle;
use crate::intake::{Parcel, Source};
use crate::machine::Machine;
use crate::serve::durable;
use async_trait::async_trait;
use fleetlog_bus::{Delivery, Fault, StoredMessage};
use fleetlog_messages::subject;
use futures::{FutureExt as _, StreamExt as _};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How long to wait for a message that the stream is known to hold.
const NEXT_WITHIN: Duration = Duration::from_secs(5);

/// Handles what is in hand. What fails or panics here is left to the queue, which counts tries.
///
/// # Errors
/// When the server does not say what is in hand.
pub(crate) async fn run<M: Machine>(context: &Context<M>) -> Result<(), Fault> {
    let broker = &context.ground.bus.broker;
    let name = durable("do", M::SERVICE);
    let (after, up_to) = context.patiently(|| broker.in_hand("DO", &name)).await?;
    if after >= up_to {
        return Ok(());
    }
    let filter = subject::told_to(M::SERVICE);
    let mut reading = context.patiently(|| broker.read("DO", &filter, after + 1)).await?;
    let mut left = reading.pending;
    while left > 0 && !context.ground.tasks.is_stopped() {
        let next = tokio::time::timeout(NEXT_WITHIN, reading.messages.next()).await;
        let Ok(Some(Ok(message))) = next else { break };
        if message.sequence > up_to {
            break;
        }
        left -= 1;
        let Ok(parcel) = Parcel::read(Source::Told, Box::new(Swept(message))) else { continue };
        let target = parcel.target.clone();
        let handled = AssertUnwindSafe(handle(context, parcel)).catch_unwind().await;
        if !matches!(handled, Ok(Ok(_))) {
            tracing::warn!(%target, "a command that was in hand is left to its queue");
        }
    }
    Ok(())
}

/// A message that its queue will deliver again: verdicts on it mean nothing.
struct Swept(StoredMessage);

#[async_trait]
impl Delivery for Swept {
    fn message(&self) -> &StoredMessage {
        &self.0
    }

    fn deliveries(&self) -> u64 {
        1
    }

    async fn ack(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn again(&self, _delay: Duration) -> Result<(), Fault> {
        Ok(())
    }
}
