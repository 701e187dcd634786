//! Requests outside the streams: listened to in a group, answered a few at a time; what cannot be
//! read ends in DLQ and stops nothing.

use crate::machine::Works;
use bytes::Bytes;
use fleetlog_bus::{Fault, Headers, Message};
use fleetlog_chassis::{Context, Machine as _};
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::subject::Subject;
use futures::StreamExt as _;
use std::sync::Arc;

/// The running service.
pub(crate) type Running = Arc<Context<Works>>;

/// How much of a dead letter's payload is kept.
const KEPT_PAYLOAD: usize = 64 * 1024;

/// Answers requests until the tasks are asked to stop.
pub(crate) async fn listen<F>(
    context: &Running,
    filter: Subject,
    answer: impl Fn(Message) -> F,
) -> Result<(), Fault>
where
    F: Future<Output = Result<(), Fault>>,
{
    context.live().await;
    let broker = &context.ground.bus.broker;
    let group = Works::SERVICE.token();
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
pub(crate) async fn reply(
    context: &Running,
    to: &str,
    headers: Headers,
    payload: Bytes,
) -> Result<(), Fault> {
    let message = Message { subject: to.to_owned(), headers, payload, reply: None };
    context.ground.bus.broker.send(message).await
}

/// Ends an answer of several parts.
pub(crate) async fn end(context: &Running, to: &str) -> Result<(), Fault> {
    reply(context, to, Headers::new(), Bytes::new()).await
}

/// Puts a request that cannot be read into DLQ.
pub(crate) async fn bury(
    context: &Running,
    message: &Message,
    reason: String,
) -> Result<(), Fault> {
    tracing::warn!(reason, subject = message.subject, "a request goes to DLQ");
    let letter = DeadLetter {
        subject: message.subject.clone(),
        headers: message.headers.clone(),
        payload: message.payload.slice(..message.payload.len().min(KEPT_PAYLOAD)).into(),
        reason,
        service: Works::SERVICE.to_string(),
        seconds: context.ground.clock.now().seconds(),
        ..DeadLetter::default()
    };
    let dead_letters = &context.ground.bus.dead_letters;
    context.patiently(|| dead_letters.bury(Works::SERVICE, &letter)).await
}
