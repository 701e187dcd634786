//! One connection and what is heard on it beside answers: losses and forbidden subjects. Waits heed
//! both, so that nothing waits for an answer that cannot come.

use crate::fault::{Fault, Retry};
use async_nats::{Client, HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How many forbidden subjects are remembered.
const REMEMBERED: usize = 32;

/// What was heard so far.
#[derive(Default)]
pub(super) struct Seen {
    losses: u64,
    forbidden: u64,
    subjects: VecDeque<(u64, String)>,
}

impl Seen {
    /// The connection was lost.
    pub(super) fn disconnect(&mut self) {
        self.losses += 1;
    }

    /// The server does not let us publish or subscribe to this.
    pub(super) fn forbid(&mut self, subject: &str) {
        self.forbidden += 1;
        self.subjects.push_back((self.forbidden, subject.to_owned()));
        if self.subjects.len() > REMEMBERED {
            self.subjects.pop_front();
        }
    }

    fn forbidden_since(&self, before: u64, concerned: impl Fn(&str) -> bool) -> Option<&str> {
        let news = self.subjects.iter().filter(|(number, _)| *number > before);
        news.map(|(_, subject)| subject.as_str()).find(|subject| concerned(subject))
    }
}

/// Why no answer will come.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The server said at once that nobody listens there.
    NobodyThere,
    /// The server does not let us use this subject.
    Forbidden(String),
    /// It cannot be sent.
    Unsendable(String),
    /// It is late, or the connection was lost meanwhile.
    Late(String),
}

impl Unanswered {
    /// As a fault of `step`.
    pub(super) fn into_fault(self, step: impl Into<String>) -> Fault {
        match self {
            Self::NobodyThere => Fault {
                step: step.into(),
                cause: "nobody answers there".into(),
                retry: Retry::NobodyThere,
            },
            Self::Late(reason) => Fault::passing(step, reason),
            other => Fault::lasting(step, other.to_string()),
        }
    }
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NobodyThere => f.write_str("nobody answers there"),
            Self::Forbidden(subject) => write!(f, "the server forbids \"{subject}\""),
            Self::Unsendable(reason) | Self::Late(reason) => f.write_str(reason),
        }
    }
}

/// What a user may ask about the streams that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Which one it is, and where it ends: a reading ends with its stream.
    Which,
    /// Nothing, as a follower: its mirror has the old positions also when it is made anew.
    Nothing,
}

/// One connection.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) asks: Asks,
    /// Free places for answers of several messages.
    pub(super) long_answers: Arc<Semaphore>,
    inboxes: String,
    seen: Arc<watch::Sender<Seen>>,
}

impl Link {
    /// `inboxes` is the prefix of every inbox of this user.
    pub(super) fn new(
        client: Client,
        asks: Asks,
        inboxes: String,
        seen: Arc<watch::Sender<Seen>>,
        long_answers: usize,
    ) -> Self {
        let long_answers = Arc::new(Semaphore::new(long_answers));
        Self { client, asks, long_answers, inboxes, seen }
    }

    /// Waits until the connection is lost.
    pub(super) async fn lost(&self) {
        let mut heard = self.seen.subscribe();
        let losses = heard.borrow_and_update().losses;
        let _ = heard.wait_for(|seen| seen.losses > losses).await;
    }

    /// Waits for `call`, unless the server forbids `subject` or the connection is lost before.
    pub(super) async fn heed<T>(
        &self,
        subject: &str,
        call: impl Future<Output = T>,
    ) -> Result<T, Unanswered> {
        let mut heard = self.seen.subscribe();
        let (losses, forbidden) = {
            let seen = heard.borrow_and_update();
            (seen.losses, seen.forbidden)
        };
        let mut call = std::pin::pin!(call);
        loop {
            tokio::select! {
                biased;
                done = &mut call => return Ok(done),
                changed = heard.changed() => {
                    if changed.is_err() {
                        return Err(Unanswered::Late("the connection is closed".to_owned()));
                    }
                    let seen = heard.borrow_and_update();
                    let concerned =
                        |other: &str| other == subject || other.starts_with(&self.inboxes);
                    if let Some(found) = seen.forbidden_since(forbidden, concerned) {
                        return Err(Unanswered::Forbidden(found.to_owned()));
                    }
                    if seen.losses > losses {
                        return Err(Unanswered::Late("the connection was lost".to_owned()));
                    }
                }
            }
        }
    }

    /// Asks for one answer.
    pub(super) async fn ask(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        within: Duration,
    ) -> Result<async_nats::Message, Unanswered> {
        let mut request = Request::new().payload(payload).timeout(Some(within));
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        let asked = self.client.send_request(subject.to_owned(), request);
        let error = match self.heed(subject, asked).await? {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        Err(match error.kind() {
            RequestErrorKind::NoResponders => Unanswered::NobodyThere,
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Unanswered::Unsendable(error.to_string())
            }
            RequestErrorKind::TimedOut => Unanswered::Late(format!("no answer within {within:?}")),
            RequestErrorKind::Other => Unanswered::Late(error.to_string()),
        })
    }

    /// A bell that rings at every loss of the connection from now on.
    pub(super) fn losses(&self) -> Losses {
        let heard = self.seen.subscribe();
        let known = heard.borrow().losses;
        Losses { heard, known }
    }
}

/// See [`Link::losses`].
pub(super) struct Losses {
    heard: watch::Receiver<Seen>,
    known: u64,
}

impl Losses {
    /// Whether the connection was lost since this was made.
    pub(super) fn any(&self) -> bool {
        self.heard.borrow().losses > self.known
    }

    /// Waits until it is lost, or closed.
    pub(super) async fn next(&mut self) {
        let known = self.known;
        let _ = self.heard.wait_for(|seen| seen.losses > known).await;
    }
}
