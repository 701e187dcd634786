//! Storing messages: single ones, and batches that are stored whole or not at all. The server's
//! verdicts, which differ by its kind and age, come out in the port's words.

use super::api::{ApiError, UNAVAILABLE};
use super::link::{Link, Unanswered};
use super::wire::to_headers;
use crate::port::{Publish, PublishError, Stored};
use crate::rules::{self, BATCH_COMMIT, BATCH_ID, BATCH_SEQUENCE, EXPECTED, MESSAGE_ID, TTL};
use async_nats::HeaderMap;
use serde::Deserialize;
use std::time::Duration;

/// How long the server may take to store a message.
const WITHIN: Duration = Duration::from_secs(5);
/// "wrong last sequence: N".
const WRONG_LAST: u32 = 10_071;
/// "wrong last sequence" where the server does not say which: a subject written twice at once.
const WRONG_LAST_UNSAID: u32 = 10_164;
/// A member of an atomic batch has an id that the stream knows.
const DUPLICATE_IN_BATCH: u32 = 10_201;
/// Members of the batch are missing: they were lost on the way.
const BATCH_INCOMPLETE: u32 = 10_176;
/// Too many batches are open.
const TOO_MANY_BATCHES: [u32; 2] = [10_210, 10_211];
/// Every failure to store; its description says which.
const NOT_STORED: u32 = 10_077;
/// The store of the server, or of the account, has reached its limit.
const NO_SPACE: [u32; 3] = [10_002, 10_023, 10_047];
const FULL: &str = "maximum messages per subject exceeded";

/// The server's answer to a publish.
#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<ApiError>,
}

pub(super) async fn publish(link: &Link, message: Publish) -> Result<Stored, PublishError> {
    rules::check(&message)?;
    let headers = headers(&message);
    stored(link, message, headers).await
}

pub(super) async fn publish_atomic(
    link: &Link,
    mut members: Vec<Publish>,
) -> Result<Stored, PublishError> {
    rules::check_batch(&members)?;
    let Some(last) = members.pop() else {
        return Err(PublishError::Refused("a batch without members".to_owned()));
    };
    let id = link.client.new_inbox();
    let id = id.rsplit('.').next().unwrap_or(&id);
    let count = members.len() + 1;
    for (index, member) in members.into_iter().enumerate() {
        let headers = member_headers(&member, id, index + 1);
        let sent = link.client.publish_with_headers(member.subject, headers, member.payload);
        sent.await.map_err(|error| PublishError::Unknown(error.to_string()))?;
    }
    let mut headers = member_headers(&last, id, count);
    headers.insert(BATCH_COMMIT, "1");
    stored(link, last, headers).await
}

fn member_headers(member: &Publish, id: &str, number: usize) -> HeaderMap {
    let mut headers = headers(member);
    headers.insert(BATCH_ID, id);
    headers.insert(BATCH_SEQUENCE, number.to_string());
    headers
}

fn headers(message: &Publish) -> HeaderMap {
    let mut headers = to_headers(&message.headers);
    if let Some(id) = &message.id {
        headers.insert(MESSAGE_ID, id.as_str());
    }
    if let Some(expected) = message.expect_last {
        headers.insert(EXPECTED, expected.to_string());
    }
    if let Some(ttl) = message.ttl {
        headers.insert(TTL, format!("{}s", ttl.as_secs()));
    }
    headers
}

async fn stored(link: &Link, message: Publish, headers: HeaderMap) -> Result<Stored, PublishError> {
    let answer = link.ask(&message.subject, headers, message.payload, WITHIN).await;
    let answer = answer.map_err(|unanswered| match unanswered {
        Unanswered::NobodyThere => PublishError::Unknown("no stream answers there".to_owned()),
        Unanswered::Late(reason) => PublishError::Unknown(reason),
        refused => PublishError::Refused(refused.to_string()),
    })?;
    read(&answer.payload)
}

fn read(answer: &[u8]) -> Result<Stored, PublishError> {
    let verdict: Verdict = serde_json::from_slice(answer)
        .map_err(|error| PublishError::Unknown(format!("the answer cannot be read: {error}")))?;
    match verdict.error {
        Some(error) => Err(refusal(error)),
        None if verdict.seq == 0 => {
            Err(PublishError::Unknown("the answer is no verdict".to_owned()))
        }
        None => Ok(Stored { sequence: verdict.seq, duplicate: verdict.duplicate }),
    }
}

fn refusal(error: ApiError) -> PublishError {
    let ApiError { code, err_code, description } = error;
    let said = format!("{description} ({err_code})");
    match err_code {
        WRONG_LAST => {
            let actual = description.rsplit(' ').next().and_then(|text| text.parse().ok());
            PublishError::WrongLast { actual }
        }
        WRONG_LAST_UNSAID => PublishError::WrongLast { actual: None },
        DUPLICATE_IN_BATCH => PublishError::DuplicateInBatch,
        NOT_STORED if description.contains(FULL) => PublishError::Full,
        full if NO_SPACE.contains(&full) => PublishError::NoSpace,
        BATCH_INCOMPLETE | NOT_STORED => PublishError::Unknown(said),
        other if TOO_MANY_BATCHES.contains(&other) || code == UNAVAILABLE => {
            PublishError::Unknown(said)
        }
        _ => PublishError::Refused(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(code: u16, err_code: u32, description: &str) -> PublishError {
        let error = serde_json::json!({
            "code": code, "err_code": err_code, "description": description,
        });
        read(serde_json::json!({ "error": error }).to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn each_verdict_of_the_server_has_its_meaning() {
        let stored = read(br#"{"stream":"EVENTS","seq":7,"duplicate":true}"#);
        assert_eq!(stored, Ok(Stored { sequence: 7, duplicate: true }));
        let wrong = refused(400, 10_071, "wrong last sequence: 12");
        assert_eq!(wrong, PublishError::WrongLast { actual: Some(12) });
        let unsaid = refused(400, 10_164, "wrong last sequence");
        assert_eq!(unsaid, PublishError::WrongLast { actual: None });
        assert_eq!(refused(400, 10_201, "x"), PublishError::DuplicateInBatch);
        let full = refused(503, 10_077, "maximum messages per subject exceeded");
        assert_eq!(full, PublishError::Full);
        assert_eq!(refused(503, 10_023, "insufficient resources"), PublishError::NoSpace);
        assert!(matches!(refused(503, 10_077, "no space"), PublishError::Unknown(_)));
        assert!(matches!(refused(400, 10_166, "x"), PublishError::Refused(_)));
        assert!(matches!(refused(500, 10_111, "x"), PublishError::Refused(_)));
        assert!(matches!(refused(503, 10_008, "x"), PublishError::Unknown(_)));
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(
            answer in prop::collection::vec(any::<u8>(), 0..64),
            number in any::<u64>(),
            text in "\\PC*",
        ) {
            let unread = matches!(read(&answer), Err(PublishError::Unknown(_)));
            prop_assert!(unread);
            let error = serde_json::json!({ "err_code": number, "description": text });
            let _ = read(serde_json::json!({ "error": error }).to_string().as_bytes());
        }
    }
}
