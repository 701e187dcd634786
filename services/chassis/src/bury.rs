//! What cannot be handled goes to DLQ with the reason, its asker is told, and it is done with.

use crate::context::Context;
use crate::intake::{Source, asker};
use crate::machine::Machine;
use fleetlog_bus::{Delivery, Fault, Headers, StoredMessage};
use fleetlog_messages::common::{DeadLetter, Outcome, Refusal, outcome};

/// How much of a dead letter's payload is kept, in bytes.
const KEPT_PAYLOAD: usize = 64 * 1024;
/// How much of its headers, in bytes.
const KEPT_HEADERS: usize = 16 * 1024;
/// How much of the reason, in characters.
const KEPT_REASON: usize = 512;

/// Why a message is buried, as its asker is told: the code, and what to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    code: &'static str,
    what: &'static str,
    advice: &'static str,
}

impl Cause {
    /// What the asker is told.
    pub(crate) fn refusal(self, reason: &str) -> Refusal {
        Refusal {
            code: self.code.to_owned(),
            sentence: format!("{}: {reason}", self.what),
            advice: self.advice.to_owned(),
        }
    }
}

/// It is not what it should be.
pub(crate) const UNREADABLE: Cause = Cause {
    code: "CHS0001",
    what: "the command cannot be read",
    advice: "send it with a client of this hub's version",
};
/// The service failed over it again and again.
pub(crate) const GIVEN_UP: Cause = Cause {
    code: "CHS0006",
    what: "the command cannot be handled",
    advice: "look at the service's logs; then send it again under a new id",
};

/// Puts a message that cannot be handled into DLQ, tells its asker, and is done with it.
///
/// # Errors
/// When DLQ cannot take it: then it comes again.
pub(crate) async fn bury<M: Machine>(
    context: &Context<M>,
    source: Source,
    delivery: &dyn Delivery,
    cause: Cause,
    reason: String,
) -> Result<(), Fault> {
    let message = delivery.message();
    let reason: String = reason.chars().take(KEPT_REASON).collect();
    tracing::warn!(reason, subject = message.subject, "a message goes to DLQ");
    let letter = DeadLetter {
        subject: message.subject.clone(),
        headers: kept(&message.headers),
        payload: message.payload.slice(..message.payload.len().min(KEPT_PAYLOAD)).into(),
        reason: reason.clone(),
        stream: source.stream().to_owned(),
        sequence: message.sequence,
        service: M::SERVICE.to_string(),
        seconds: context.ground.clock.now().seconds(),
    };
    let dead_letters = &context.ground.bus.dead_letters;
    context.patiently(|| dead_letters.bury(M::SERVICE, &letter)).await?;
    if let Some((actor, outcome)) = answer(source, message, cause, &reason) {
        let outcomes = &context.ground.bus.outcomes;
        context.patiently(|| outcomes.record(&actor, &outcome)).await?;
    }
    context.patiently(|| delivery.ack()).await
}

/// The first headers, up to a size that a letter can carry.
fn kept(headers: &Headers) -> Headers {
    let mut left = KEPT_HEADERS;
    let mut fits = |name: &str, value: &str| {
        let size = name.len() + value.len();
        let fits = size <= left;
        left -= if fits { size } else { 0 };
        fits
    };
    let kept = headers.iter().filter(|(name, value)| fits(name, value));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn answer(
    source: Source,
    message: &StoredMessage,
    cause: Cause,
    reason: &str,
) -> Option<(String, Outcome)> {
    if source != Source::Command {
        return None;
    }
    let (actor, command) = asker(message)?;
    let result = Some(outcome::Result::Refused(cause.refusal(reason)));
    Some((actor.to_string(), Outcome { command: command.to_string(), result }))
}
