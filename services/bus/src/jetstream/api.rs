//! The few calls of JetStream's API that roles may make, and what its refusals mean.

use super::link::Link;
use super::wire::of_raw_headers;
use crate::fault::Fault;
use crate::port::StoredMessage;
use async_nats::HeaderMap;
use bytes::Bytes;
use data_encoding::BASE64;
use fleetlog_messages::subject::Subject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// How long the API may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The server starts, is full or has no leader; other codes stay what they are.
pub(super) const UNAVAILABLE: u16 = 503;
/// "message not found".
const NO_MESSAGE: u32 = 10_037;
/// "stream not found".
const NO_STREAM: u32 = 10_059;
/// "consumer not found".
const NO_CONSUMER: u32 = 10_014;

/// The server's refusal of an API call or a publish.
#[derive(Debug, Deserialize)]
pub(super) struct ApiError {
    /// As HTTP's.
    #[serde(default)]
    pub(super) code: u16,
    /// JetStream's own.
    #[serde(default)]
    pub(super) err_code: u32,
    /// For people.
    #[serde(default)]
    pub(super) description: String,
}

impl ApiError {
    /// Whether the thing asked about is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.err_code, NO_STREAM | NO_CONSUMER | NO_MESSAGE)
    }

    /// As a fault: a server that is starting or full may do better later.
    pub(super) fn into_fault(self, step: impl Into<String>) -> Fault {
        let said = format!("{} ({})", self.description, self.err_code);
        if self.is_missing() {
            Fault::lasting(step, format!("there is none: {said}"))
        } else if self.code == UNAVAILABLE {
            Fault::passing(step, said)
        } else {
            Fault::lasting(step, said)
        }
    }
}

/// Calls the API; the inner error is the server's refusal.
pub(super) async fn call<T: DeserializeOwned>(
    link: &Link,
    call: &str,
    body: &Value,
    step: &str,
) -> Result<Result<T, ApiError>, Fault> {
    let subject = format!("$JS.API.{call}");
    let payload = Bytes::from(body.to_string());
    let answer = link.ask(&subject, HeaderMap::new(), payload, WITHIN).await;
    let answer = answer.map_err(|unanswered| unanswered.into_fault(step))?;
    let unreadable = |error: serde_json::Error| {
        Fault::lasting(step, format!("the server's answer cannot be read: {error}"))
    };
    let mut answer: Value = serde_json::from_slice(&answer.payload).map_err(unreadable)?;
    match answer.get_mut("error").map(Value::take) {
        Some(error) => Ok(Err(serde_json::from_value(error).map_err(unreadable)?)),
        None => serde_json::from_value(answer).map(Ok).map_err(unreadable),
    }
}

#[derive(Deserialize)]
struct Found {
    message: Raw,
}

#[derive(Deserialize)]
struct Raw {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

impl Raw {
    fn read(self) -> Option<StoredMessage> {
        let headers = BASE64.decode(self.hdrs.as_bytes()).ok()?;
        let payload = BASE64.decode(self.data.as_bytes()).ok()?;
        let headers = of_raw_headers(&headers);
        let (sequence, subject) = (self.seq, self.subject);
        Some(StoredMessage { sequence, subject, headers, payload: payload.into(), pending: 0 })
    }
}

/// The last message of a subject, from the stream's leader.
pub(super) async fn last(
    link: &Link,
    stream: &str,
    subject: &Subject,
) -> Result<Option<StoredMessage>, Fault> {
    let step = format!("find the last message of \"{subject}\" in stream \"{stream}\"");
    find(link, stream, &json!({ "last_by_subj": subject.as_str() }), step).await
}

/// The message at a sequence, from the stream's leader.
pub(super) async fn get(
    link: &Link,
    stream: &str,
    sequence: u64,
) -> Result<Option<StoredMessage>, Fault> {
    let step = format!("find message {sequence} of stream \"{stream}\"");
    find(link, stream, &json!({ "seq": sequence }), step).await
}

async fn find(
    link: &Link,
    stream: &str,
    body: &Value,
    step: String,
) -> Result<Option<StoredMessage>, Fault> {
    match call::<Found>(link, &format!("STREAM.MSG.GET.{stream}"), body, &step).await? {
        Ok(found) => match found.message.read() {
            Some(message) => Ok(Some(message)),
            None => Err(Fault::lasting(step, "the server's answer cannot be read")),
        },
        Err(error) if error.err_code == NO_MESSAGE => Ok(None),
        Err(error) => Err(error.into_fault(step)),
    }
}

#[derive(Deserialize)]
struct Deleted {
    success: bool,
}

/// Takes a message out of a stream, what it said is overwritten; whether it was there.
pub(super) async fn delete(link: &Link, stream: &str, sequence: u64) -> Result<bool, Fault> {
    let step = format!("delete message {sequence} of stream \"{stream}\"");
    let body = json!({ "seq": sequence });
    let refused =
        match call::<Deleted>(link, &format!("STREAM.MSG.DELETE.{stream}"), &body, &step).await? {
            Ok(deleted) => return Ok(deleted.success),
            Err(error) => error,
        };
    // One code says "not there" and "not permitted" alike.
    let get = format!("STREAM.MSG.GET.{stream}");
    match call::<Found>(link, &get, &json!({ "seq": sequence }), &step).await? {
        Err(error) if error.err_code == NO_MESSAGE => Ok(false),
        _ => Err(refused.into_fault(step)),
    }
}

/// What tells whether a stream is the one that it was.
#[derive(Deserialize)]
pub(super) struct StreamInfo {
    /// When it was made: another time means another stream of the same name.
    pub(super) created: String,
    pub(super) state: StreamState,
}

#[derive(Deserialize)]
pub(super) struct StreamState {
    /// The sequence of its last message; it never gets less by itself.
    pub(super) last_seq: u64,
}

/// When a stream was made, and where it ends.
pub(super) async fn info(link: &Link, stream: &str) -> Result<Result<StreamInfo, ApiError>, Fault> {
    let step = format!("find stream \"{stream}\"");
    call(link, &format!("STREAM.INFO.{stream}"), &json!({}), &step).await
}

#[derive(Deserialize)]
struct ConsumerInfo {
    delivered: Reached,
    ack_floor: Reached,
}

#[derive(Deserialize)]
struct Reached {
    consumer_seq: u64,
    stream_seq: u64,
}

/// What a durable has delivered and may lack an acknowledgement.
pub(super) struct Hand {
    /// Everything up to this sequence of the stream is acknowledged.
    pub(super) after: u64,
    /// The last sequence delivered.
    pub(super) up_to: u64,
    /// How many deliveries there were.
    pub(super) number: u64,
}

/// What a durable has in hand.
pub(super) async fn in_hand(link: &Link, stream: &str, durable: &str) -> Result<Hand, Fault> {
    let step = format!("find queue \"{durable}\" of stream \"{stream}\"");
    let info = format!("CONSUMER.INFO.{stream}.{durable}");
    match call::<ConsumerInfo>(link, &info, &json!({}), &step).await? {
        Ok(ConsumerInfo { delivered, ack_floor }) => Ok(Hand {
            after: ack_floor.stream_seq,
            up_to: delivered.stream_seq,
            number: delivered.consumer_seq,
        }),
        Err(error) => Err(error.into_fault(step)),
    }
}
