//! Answers of several messages: they end with one that has neither payload nor headers.

use crate::fault::Fault;
use crate::port::Message;
use fleetlog_messages::subject::Subject;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::time::Duration;

/// Whether a message ends an answer.
pub(crate) fn is_end(message: &Message) -> bool {
    message.payload.is_empty() && message.headers.is_empty()
}

/// The messages of an answer up to its end; each is waited for at most `within`.
pub(crate) fn until_empty(
    answers: BoxStream<'static, Message>,
    subject: Subject,
    within: Duration,
) -> BoxStream<'static, Result<Message, Fault>> {
    stream::unfold(Some(answers), move |answers| {
        let subject = subject.clone();
        async move {
            let mut answers = answers?;
            let step = || format!("ask \"{subject}\"");
            match tokio::time::timeout(within, answers.next()).await {
                Ok(Some(message)) if is_end(&message) => None,
                Ok(Some(message)) => Some((Ok(message), Some(answers))),
                Ok(None) => Some((Err(Fault::passing(step(), "the connection ended")), None)),
                Err(_) => {
                    let late = format!("the answer does not go on after {within:?}");
                    Some((Err(Fault::passing(step(), late)), None))
                }
            }
        }
    })
    .boxed()
}
