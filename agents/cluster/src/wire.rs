//! One request to the member's API and its answer, in the API's own words whatever came: a refusal,
//! something unreadable, or nothing. What is asked is `member`'s.

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use std::error::Error as _;
use std::time::Duration;

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(30);
/// How often a request is made that the API has no time for just now.
const TRIES: u32 = 4;
/// How long it is waited when the API does not say how long.
const BUSY: Duration = Duration::from_secs(1);
/// The longest such wait.
const BUSY_MOST: Duration = Duration::from_secs(10);
/// How much of an answer is told that nobody can read.
const TOLD: usize = 200;

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The HTTP status; 0 when there was no answer.
    pub code: u16,
    /// In the words of the server.
    pub message: String,
}

impl Refused {
    fn silent(message: impl Into<String>) -> Self {
        Self { code: 0, message: message.into() }
    }
}

/// Sends a request with a JSON body (or none) and reads the answer. A server that is too busy is
/// asked again when it says.
pub(crate) async fn send(
    client: &Client,
    method: Method,
    uri: &str,
    content: Option<&str>,
    body: &Value,
) -> Result<Value, Refused> {
    let bytes = if content.is_some() { body.to_string().into_bytes() } else { vec![] };
    let mut tries = 1;
    loop {
        let request = request(method.clone(), uri, content, bytes.clone())?.map(Body::from);
        let sent = tokio::time::timeout(WITHIN, once(client, request)).await;
        match sent.map_err(|_| Refused::silent(format!("no answer from the API in {WITHIN:?}")))? {
            Answer::Busy(wait, _) if tries < TRIES => tokio::time::sleep(wait).await,
            Answer::Busy(_, refused) | Answer::Refused(refused) => return Err(refused),
            Answer::Read(value) => return Ok(value),
        }
        tries += 1;
    }
}

/// A request that accepts JSON.
pub(crate) fn request(
    method: Method,
    uri: &str,
    content: Option<&str>,
    body: Vec<u8>,
) -> Result<Request<Vec<u8>>, Refused> {
    let mut request = Request::builder().method(method).uri(uri).header("accept", JSON);
    if let Some(content) = content {
        request = request.header("content-type", content);
    }
    request.body(body).map_err(|error| Refused::silent(error.to_string()))
}

/// A fault of the client, with its causes.
pub(crate) fn refused(error: kube::Error) -> Refused {
    match error {
        kube::Error::Api(status) => Refused { code: status.code, message: status.message },
        other => {
            let mut message = other.to_string();
            let mut cause = other.source();
            while let Some(deeper) = cause {
                let words = deeper.to_string();
                if !message.contains(&words) {
                    message = format!("{message}: {words}");
                }
                cause = deeper.source();
            }
            Refused::silent(message)
        }
    }
}

/// The content type of objects.
pub(crate) const JSON: &str = "application/json";

enum Answer {
    Read(Value),
    Busy(Duration, Refused),
    Refused(Refused),
}

async fn once(client: &Client, request: Request<Body>) -> Answer {
    let response = match client.send(request).await {
        Ok(response) => response,
        Err(error) => return Answer::Refused(refused(error)),
    };
    let (status, wait) = (response.status(), wait(&response));
    let bytes = match response.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Answer::Refused(refused(error)),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) if status.is_success() => Answer::Read(value),
        read => {
            let message = words(status, read.ok().as_ref(), &bytes);
            let refused = Refused { code: status.as_u16(), message };
            match status {
                StatusCode::TOO_MANY_REQUESTS => Answer::Busy(wait, refused),
                _ if status.is_success() => Answer::Refused(Refused { code: 0, ..refused }),
                _ => Answer::Refused(refused),
            }
        }
    }
}

fn wait<T>(response: &Response<T>) -> Duration {
    let said = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = said.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    seconds.unwrap_or(BUSY).min(BUSY_MOST)
}

/// What the server said: the message of a `Status`, else the beginning of whatever it sent.
fn words(status: StatusCode, read: Option<&Value>, bytes: &[u8]) -> String {
    let message = read.and_then(|value| value.get("message")).and_then(Value::as_str);
    if let Some(message) = message.filter(|message| !message.is_empty()) {
        return message.to_owned();
    }
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.trim().chars().take(TOLD).collect();
    match (status.is_success(), text.is_empty()) {
        (true, _) => format!("the API's answer cannot be read: \"{text}\""),
        (false, true) => format!("the API answered {status}"),
        (false, false) => format!("the API answered {status}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_said_is_told_whatever_it_sent() {
        let said = serde_json::json!({ "kind": "Status", "message": "no room" });
        assert_eq!(words(StatusCode::FORBIDDEN, Some(&said), b"{}"), "no room");
        let none = StatusCode::INTERNAL_SERVER_ERROR;
        assert_eq!(words(none, None, b""), "the API answered 500 Internal Server Error");
        assert!(words(none, None, b"<html>").ends_with("<html>"));
        assert!(words(StatusCode::OK, None, b"%%").contains("cannot be read: \"%%\""));
    }

    #[test]
    fn a_busy_server_says_how_long_to_wait_within_bounds() {
        let with = |value: &str| Response::builder().header("retry-after", value).body(()).unwrap();
        assert_eq!(wait(&with("3")), Duration::from_secs(3));
        assert_eq!(wait(&with("86400")), BUSY_MOST);
        assert_eq!(wait(&with("Thu, 01 Jan 2026 00:00:00 GMT")), BUSY);
    }
}
