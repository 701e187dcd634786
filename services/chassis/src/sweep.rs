//! What the server believes a service has in hand of DO, done first and in order: at a start, and
//! after each loss of the connection. A queue gives it out again only after its wait, when newer
//! commands to the same aggregates may have been handled; and a target takes what comes after a
//! newer one for a repeat.

use crate::context::Context;
use crate::handle::{AfterFault, Handled, handle};
use crate::intake::{Parcel, Source};
use crate::machine::Machine;
use crate::serve::durable;
use async_trait::async_trait;
use fleetlog_bus::{Delivery, Fault, Reading, StoredMessage};
use fleetlog_messages::subject;
use futures::StreamExt as _;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long to wait for a message that the stream is known to hold.
const NEXT_WITHIN: Duration = Duration::from_secs(5);

/// Handles what is in hand; answers the sequences of DO that were given up on, which the queue
/// will deliver again all the same.
///
/// # Errors
/// When what is in hand cannot be read, or a verdict cannot be recorded.
pub(crate) async fn run<M: Machine>(context: &Context<M>) -> Result<BTreeSet<u64>, Fault> {
    context.patiently(|| sweep(context)).await
}

async fn sweep<M: Machine>(context: &Context<M>) -> Result<BTreeSet<u64>, Fault> {
    let mut given_up = BTreeSet::new();
    let broker = &context.ground.bus.broker;
    let name = durable("do", M::SERVICE);
    let (after, up_to) = broker.in_hand("DO", &name).await?;
    if after >= up_to {
        return Ok(given_up);
    }
    let mut reading = broker.read("DO", &subject::told_to(M::SERVICE), after + 1).await?;
    let mut left = reading.pending;
    while left > 0 && !context.ground.tasks.is_stopped() {
        let message = next(&mut reading).await?;
        if message.sequence > up_to {
            break;
        }
        left -= 1;
        let sequence = message.sequence;
        let Ok(parcel) = Parcel::read(Source::Told, Box::new(Swept(message))) else { continue };
        if let Handled::Failed = handle(context, parcel, AfterFault::GiveUp).await? {
            given_up.insert(sequence);
        }
    }
    Ok(given_up)
}

/// The next message of a reading of DO that holds one.
///
/// # Errors
/// When it does not come.
pub(crate) async fn next(reading: &mut Reading) -> Result<StoredMessage, Fault> {
    let broke = |why: &str| Fault::passing("read what is in hand of DO", why.to_owned());
    match tokio::time::timeout(NEXT_WITHIN, reading.messages.next()).await {
        Ok(Some(message)) => message,
        Ok(None) => Err(broke("the reading ended")),
        Err(_) => Err(broke("the stream does not give what it holds")),
    }
}

/// A message that its queue will deliver again: verdicts on it mean nothing.
pub(crate) struct Swept(pub(crate) StoredMessage);

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
