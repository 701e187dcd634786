//! Core messages: requests with one or several answers, and listening. Nothing is stored here.

use super::link::{Link, Unanswered};
use super::wire::{of_message, to_headers};
use crate::answers::until_empty;
use crate::fault::Fault;
use crate::port::{Message, Publish};
use crate::rules;
use async_nats::{HeaderMap, StatusCode};
use bytes::Bytes;
use fleetlog_messages::subject::{self, Subject};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;

/// How long the server may take to confirm that it took a subscription.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(5);
/// How long a question waits for those before it: a connection has few places for long answers.
const PLACE_WITHIN: Duration = Duration::from_secs(30);
/// What every service may ask, and only services and operators listen to what has no echo.
const API_ECHO: &str = "$JS.API.STREAM.INFO.EVENTS";

/// Whether an answer may go there. Who asks names the place: one that is no inbox could be a
/// subject that only we may write.
fn is_inbox(reply: &str) -> bool {
    reply.starts_with("_R_.") || reply.starts_with("_INBOX")
}

pub(super) async fn send(link: &Link, message: Message) -> Result<(), Fault> {
    let step = format!("send on \"{}\"", message.subject);
    let Message { subject, headers, payload, reply } = message;
    let publish = Publish { subject, headers, payload, ..Publish::default() };
    rules::check(&publish).map_err(|error| Fault::lasting(step.as_str(), error))?;
    let Publish { subject, headers, payload, .. } = publish;
    let headers = (!headers.is_empty()).then(|| to_headers(&headers));
    let client = &link.client;
    let sent = match (reply, headers) {
        (Some(reply), Some(headers)) => {
            client.publish_with_reply_and_headers(subject, reply, headers, payload).await
        }
        (Some(reply), None) => client.publish_with_reply(subject, reply, payload).await,
        (None, Some(headers)) => client.publish_with_headers(subject, headers, payload).await,
        (None, None) => client.publish(subject, payload).await,
    };
    sent.map_err(|error| Fault::passing(step, error))
}

pub(super) async fn request(
    link: &Link,
    subject: &Subject,
    payload: Bytes,
    within: Duration,
) -> Result<Message, Fault> {
    let answer = link.ask(subject.as_str(), HeaderMap::new(), payload, within).await;
    let answer =
        answer.map_err(|unanswered| unanswered.into_fault(format!("ask \"{subject}\"")))?;
    Ok(of_message(&answer))
}

pub(super) async fn request_many(
    link: &Link,
    subject: &Subject,
    payload: Bytes,
    within: Duration,
) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
    let step = || format!("ask \"{subject}\"");
    let late = || Fault::passing(step(), format!("others take more than {PLACE_WITHIN:?}"));
    let place = tokio::time::timeout(PLACE_WITHIN, link.long_answers.clone().acquire_owned());
    let place = place.await.map_err(|_| late())?;
    let place = place.map_err(|_| Fault::lasting(step(), "the connection is closed"))?;
    let inbox = link.client.new_inbox();
    let answers = link.client.subscribe(inbox.clone()).await;
    let mut answers = answers.map_err(|error| Fault::passing(step(), error))?;
    let asked = link.client.publish_with_reply(subject.as_str().to_owned(), inbox, payload);
    let first = link.heed(subject.as_str(), async {
        asked.await.map_err(|error| Unanswered::Unsendable(error.to_string()))?;
        let first = tokio::time::timeout(within, answers.next()).await;
        first.map_err(|_| Unanswered::Late(format!("no answer within {within:?}")))
    });
    let first = first.await.and_then(|first| first);
    let first = first.map_err(|unanswered| unanswered.into_fault(step()))?;
    if first.as_ref().and_then(|first| first.status) == Some(StatusCode::NO_RESPONDERS) {
        return Err(Unanswered::NobodyThere.into_fault(step()));
    }
    let messages = stream::iter(first).chain(answers).map(move |message| {
        let _held = &place;
        of_message(&message)
    });
    Ok(until_empty(messages.boxed(), subject.clone(), within))
}

/// Listens, and returns once the server has taken the subscription: what the same connection asks
/// after it is answered after it.
pub(super) async fn subscribe(
    link: &Arc<Link>,
    filter: &Subject,
    group: Option<&str>,
) -> Result<BoxStream<'static, Message>, Fault> {
    let step = || format!("listen to \"{filter}\"");
    let text = filter.as_str().to_owned();
    let taken = match group {
        Some(group) => link.client.queue_subscribe(text, group.to_owned()).await,
        None => link.client.subscribe(text).await,
    };
    let messages = taken.map_err(|error| Fault::lasting(step(), error))?;
    let echo = subject::echo_of(filter);
    let echo = echo.as_ref().map_or(API_ECHO, Subject::as_str);
    let confirmed = link.ask(echo, HeaderMap::new(), Bytes::new(), CONFIRMED_WITHIN);
    match link.heed(filter.as_str(), confirmed).await.and_then(|answer| answer) {
        Ok(_) | Err(Unanswered::NobodyThere) => {}
        Err(unanswered) => return Err(unanswered.into_fault(step())),
    }
    let heard = messages.map(|message| {
        let message = of_message(&message);
        Message { reply: message.reply.filter(|reply| is_inbox(reply)), ..message }
    });
    Ok(heard.boxed())
}
