//! Answering agents: one listener per kind of request. What cannot be read ends in DLQ, with a
//! refusal for who sent it; what fails on our side gets no answer, and the agent asks again.

use crate::machine::Registration;
use bytes::Bytes;
use fleetlog_bus::{Fault, Headers, Message};
use fleetlog_chassis::Context;
use fleetlog_kernel::Service;
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::subject::Subject;
use fleetlog_registration_domain::Refusal;
use futures::StreamExt as _;
use std::sync::Arc;

/// How much of a dead letter's payload is kept.
const KEPT_PAYLOAD: usize = 64 * 1024;

/// A running registration.
pub(crate) type Running = Arc<Context<Registration>>;

/// Answers every request on `filter` until the tasks are asked to stop.
pub(crate) async fn listen<F, A, R>(
    context: Running,
    filter: Subject,
    answer: F,
) -> Result<(), Fault>
where
    F: Fn(Running, Message) -> A,
    A: Future<Output = Result<R, Fault>>,
    R: prost::Message,
{
    context.live().await;
    let (broker, tasks) = (context.ground.bus.broker.clone(), context.ground.tasks.clone());
    let group = Service::Registration.token();
    let asked = context.patiently(|| broker.subscribe(&filter, Some(group))).await?;
    let answers = asked.for_each_concurrent(context.ground.bounds.questions, |message| {
        let (subject, reply) = (message.subject.clone(), message.reply.clone());
        let (broker, answer) = (&broker, answer(context.clone(), message));
        async move {
            let answered = async {
                let payload = Bytes::from(answer.await?.encode_to_vec());
                let Some(subject) = reply else { return Ok(()) };
                let headers = Headers::new();
                broker.send(Message { subject, headers, payload, reply: None }).await
            };
            if let Err(fault) = answered.await {
                tracing::warn!(%fault, subject, "an agent's request got no answer");
            }
        }
    });
    tokio::select! {
        biased;
        () = answers => Err(Fault::passing(format!("listen on \"{filter}\""), "it ended")),
        () = tasks.stopped() => Ok(()),
    }
}

/// Reads a request; one that cannot be read is buried, and refused.
///
/// # Errors
/// When DLQ does not take it.
pub(crate) async fn read<T: prost::Message + Default>(
    context: &Context<Registration>,
    message: &Message,
) -> Result<Result<T, Refusal>, Fault> {
    match T::decode(message.payload.clone()) {
        Ok(request) => Ok(Ok(request)),
        Err(error) => bury(context, message, error.to_string()).await.map(Err),
    }
}

/// Puts a request that cannot be read into DLQ; answers what its sender is told.
///
/// # Errors
/// When DLQ does not take it.
pub(crate) async fn bury(
    context: &Context<Registration>,
    message: &Message,
    reason: String,
) -> Result<Refusal, Fault> {
    tracing::warn!(reason, subject = message.subject, "a request goes to DLQ");
    let letter = DeadLetter {
        subject: message.subject.clone(),
        headers: message.headers.clone(),
        payload: message.payload.slice(..message.payload.len().min(KEPT_PAYLOAD)).into(),
        reason: reason.clone(),
        service: Service::Registration.to_string(),
        seconds: context.ground.clock.now().seconds(),
        ..DeadLetter::default()
    };
    let dead_letters = &context.ground.bus.dead_letters;
    context.patiently(|| dead_letters.bury(Service::Registration, &letter)).await?;
    Ok(Refusal::Unreadable { reason })
}

/// Notes a refusal in the log and gives it its words.
pub(crate) fn refuse(refusal: Refusal, cluster: &str) -> fleetlog_messages::common::Refusal {
    let refusal = refusal.about(cluster);
    tracing::info!(code = refusal.code(), cluster, "an agent is refused: {refusal}");
    refusal.into()
}
