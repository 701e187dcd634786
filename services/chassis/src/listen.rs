//! Requests outside the streams: listened to in a group, answered a few at a time; what cannot be
//! read ends in DLQ and stops nothing.

use crate::context::Context;
use crate::machine::Machine;
use bytes::Bytes;
use fleetlog_bus::{Fault, Headers, Message};
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::subject::Subject;
use futures::StreamExt as _;

/// How much of a dead letter's payload is kept.
const KEPT_PAYLOAD: usize = 64 * 1024;

/// Answers requests until the tasks are asked to stop.
///
/// # Errors
/// A server that does not let them be heard, or no more.
pub async fn listen<M, F>(
    context: &Context<M>,
    filter: Subject,
    answer: impl Fn(Message) -> F,
) -> Result<(), Fault>
where
    M: Machine,
    F: Future<Output = Result<(), Fault>>,
{
    context.live().await;
    let broker = &context.ground.bus.broker;
    let group = M::SERVICE.token();
    let asked = context.patiently(|| broker.subscribe(&filter, Some(group))).await?;
    let answers = asked.for_each_concurrent(context.ground.bounds.questions, |message| {
        let subject = message.subject.clone();
        let answered = answer(message);
        async move {
            if let Err(fault) = answered.await {
                tracing::warn!(%fault, subject, "a request got no answer");
            }
        }
    });
    tokio::select! {
        biased;
        () = answers => Err(Fault::passing(format!("listen to \"{filter}\""), "it ended")),
        () = context.ground.tasks.stopped() => Ok(()),
    }
}

/// Sends one part of an answer.
///
/// # Errors
/// A connection that is lost.
pub async fn reply<M: Machine>(
    context: &Context<M>,
    to: &str,
    headers: Headers,
    payload: Bytes,
) -> Result<(), Fault> {
    let message = Message { subject: to.to_owned(), headers, payload, reply: None };
    context.ground.bus.broker.send(message).await
}

/// Ends an answer of several parts.
///
/// # Errors
/// A connection that is lost.
pub async fn end<M: Machine>(context: &Context<M>, to: &str) -> Result<(), Fault> {
    reply(context, to, Headers::new(), Bytes::new()).await
}

/// Puts a request that cannot be read into DLQ.
///
/// # Errors
/// When DLQ does not take it.
pub async fn bury<M: Machine>(
    context: &Context<M>,
    message: &Message,
    reason: String,
) -> Result<(), Fault> {
    tracing::warn!(reason, subject = message.subject, "a request goes to DLQ");
    let letter = DeadLetter {
        subject: message.subject.clone(),
        headers: message.headers.clone(),
        payload: message.payload.slice(..message.payload.len().min(KEPT_PAYLOAD)).into(),
        reason,
        service: M::SERVICE.to_string(),
        seconds: context.ground.clock.now().seconds(),
        ..DeadLetter::default()
    };
    let dead_letters = &context.ground.bus.dead_letters;
    context.patiently(|| dead_letters.bury(M::SERVICE, &letter)).await
}
