//! An operator has a command of DO handled again that was given up on. Only services may write DO,
//! so the service is asked; it takes the command from the stream and treats it as any other: one
//! that its target has gone past meanwhile changes nothing.

use crate::context::Context;
use crate::handle::{AfterFault, Handled, handle};
use crate::intake::{Parcel, Source};
use crate::machine::Machine;
use crate::query::refusal;
use crate::sweep::{Swept, next};
use fleetlog_bus::{Fault, StoredMessage};
use fleetlog_kernel::{Actor, CommandId};
use fleetlog_messages::common::{Accomplished, Answer, Outcome, Refusal, outcome};
use fleetlog_messages::subject;

/// Who may ask: the subject vouches for the name.
const OPERATOR: &str = "operator";

/// Handles the command at `sequence` of DO; answers its outcome.
///
/// # Errors
/// Anybody but the operator, a sequence that holds nothing for this service, a command that cannot
/// be read or breaks the service again.
pub(crate) async fn redo<M: Machine>(
    context: &Context<M>,
    actor: &Actor,
    sequence: u64,
) -> Result<Vec<Answer>, Refusal> {
    if actor.as_str() != OPERATOR {
        let sentence = format!("\"{actor}\" may not have a command handled again");
        return Err(refusal("CHS0021", &sentence, "ask as the operator: fleetlog dlq retry"));
    }
    let message = find(context, sequence).await.map_err(|fault| later(&fault))?;
    let message = message.ok_or_else(|| {
        let sentence = format!("DO holds no command {sequence} for {}", M::SERVICE);
        refusal("CHS0022", &sentence, "it is older than 30 days: drop the letter")
    })?;
    tracing::info!(sequence, subject = message.subject, "the operator has a command handled again");
    let parcel = Parcel::read(Source::Told, Box::new(Swept(message)));
    let parcel = parcel.map_err(|(_, reason)| {
        let sentence = format!("the command cannot be read: {reason}");
        refusal("CHS0001", &sentence, "update the service, or drop the letter")
    })?;
    let id = parcel.id.clone();
    match handle(context, parcel, AfterFault::GiveUp).await.map_err(|fault| later(&fault))? {
        Handled::Done => {
            let position = context.read(|hosted| hosted.position().0);
            let done = Accomplished { position, types: vec![] };
            Ok(answer(context, &id, outcome::Result::Accomplished(done)))
        }
        Handled::Refused(refusal) => Ok(answer(context, &id, outcome::Result::Refused(refusal))),
        Handled::Failed => {
            let sentence = format!("command {sequence} of DO cannot be handled");
            Err(refusal("CHS0006", &sentence, "look at the service's logs; it stays in DLQ"))
        }
    }
}

fn answer<M: Machine>(
    context: &Context<M>,
    id: &CommandId,
    result: outcome::Result,
) -> Vec<Answer> {
    let position = context.read(|hosted| hosted.position().0);
    let outcome = Some(Outcome { command: id.to_string(), result: Some(result) });
    vec![Answer { position, outcome, ..Answer::default() }]
}

async fn find<M: Machine>(
    context: &Context<M>,
    sequence: u64,
) -> Result<Option<StoredMessage>, Fault> {
    let (broker, mine) = (&context.ground.bus.broker, subject::told_to(M::SERVICE));
    let mut reading = context.patiently(|| broker.read("DO", &mine, sequence)).await?;
    if reading.pending == 0 {
        return Ok(None);
    }
    let message = next(&mut reading).await?;
    Ok((message.sequence == sequence).then_some(message))
}

fn later(fault: &Fault) -> Refusal {
    refusal("CHS0005", &fault.to_string(), "ask again")
}
