//! Ordered readings: a push consumer, made again where it stopped whenever something is missing,
//! and ended when the stream is no longer the one it began in, or has lost what was read of it.

use super::api::{ApiError, info};
use super::link::{Asks, Link};
use super::push::{Broken, Push, Start};
use crate::fault::{Fault, Retry};
use crate::port::{Reading, StoredMessage};
use fleetlog_messages::subject::Subject;
use futures::stream::{self, StreamExt as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a reading that was interrupted is tried again.
const AGAIN_FOR: Duration = Duration::from_secs(60);
/// How long it waits between.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How often a list is read again from its beginning.
const LIST_ATTEMPTS: usize = 5;

struct Follower {
    link: Arc<Link>,
    stream: String,
    filter: Subject,
    made_at: String,
    /// Where it goes on.
    after: u64,
    /// The last message that came.
    read: u64,
    /// `None` once it is lost, until it is made again.
    push: Option<Push>,
}

pub(super) async fn read(
    link: &Arc<Link>,
    stream: &str,
    filter: &Subject,
    from: u64,
) -> Result<Reading, Fault> {
    let step = || format!("read \"{filter}\" of stream \"{stream}\"");
    let (made_at, _) =
        incarnation(link, stream).await?.map_err(|error| error.into_fault(step()))?;
    let opened = Push::open(link, stream, filter, Start::At(from)).await?;
    let (push, pending) = opened.map_err(|error| error.into_fault(step()))?;
    let follower = Follower {
        link: link.clone(),
        stream: stream.to_owned(),
        filter: filter.clone(),
        made_at,
        after: from.saturating_sub(1),
        read: 0,
        push: Some(push),
    };
    let messages = stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        match follower.next().await {
            Ok(message) => Some((Ok(message), Some(follower))),
            Err(fault) => Some((Err(fault), None)),
        }
    });
    Ok(Reading { pending, messages: messages.boxed() })
}

/// Which stream of this name it is, and where it ends; always the same for who may not ask.
async fn incarnation(link: &Link, stream: &str) -> Result<Result<(String, u64), ApiError>, Fault> {
    if link.asks == Asks::Nothing {
        return Ok(Ok((String::new(), u64::MAX)));
    }
    Ok(info(link, stream).await?.map(|info| (info.created, info.state.last_seq)))
}

impl Follower {
    async fn next(&mut self) -> Result<StoredMessage, Fault> {
        loop {
            let Some(push) = &mut self.push else {
                self.push = Some(self.open_again().await?);
                continue;
            };
            match push.next().await {
                Ok(message) => {
                    self.after = message.sequence;
                    self.read = message.sequence;
                    return Ok(message);
                }
                Err(Broken::Gap | Broken::Idle) => self.push = None,
                Err(Broken::Closed) => {
                    return Err(Fault::passing(self.step(), "the connection is closed"));
                }
            }
        }
    }

    async fn open_again(&self) -> Result<Push, Fault> {
        let until = Instant::now() + AGAIN_FOR;
        loop {
            match self.try_again().await {
                Err(fault) if fault.retry != Retry::Useless && Instant::now() < until => {
                    tracing::debug!(%fault, "a reading is interrupted");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Ok(Some(push)) => return Ok(push),
                Ok(None) => {
                    return Err(Fault::passing(
                        self.step(),
                        "the stream is another one, or shorter",
                    ));
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// A consumer that goes on, or none when the stream is gone, another one, or shorter than what
    /// was read of it: there it would wait in silence until as many messages came anew.
    async fn try_again(&self) -> Result<Option<Push>, Fault> {
        match incarnation(&self.link, &self.stream).await? {
            Ok((made_at, _)) if made_at != self.made_at => return Ok(None),
            Ok((_, last)) if last < self.read => return Ok(None),
            Ok(_) => {}
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into_fault(self.step())),
        }
        let start = Start::At(self.after + 1);
        let opened = Push::open(&self.link, &self.stream, &self.filter, start).await?;
        opened.map(|(push, _)| Some(push)).map_err(|error| error.into_fault(self.step()))
    }

    fn step(&self) -> String {
        format!("read \"{}\" of stream \"{}\"", self.filter, self.stream)
    }
}

/// The last message of each subject. What is replaced while it is read comes as its successor.
pub(super) async fn last_of_each(
    link: &Arc<Link>,
    stream: &str,
    filter: &Subject,
) -> Result<Vec<StoredMessage>, Fault> {
    let step = || format!("list \"{filter}\" of stream \"{stream}\"");
    for _ in 0..LIST_ATTEMPTS {
        let opened = Push::open(link, stream, filter, Start::LastOfEach).await?;
        let (push, pending) = opened.map_err(|error| error.into_fault(step()))?;
        match collect(push, pending).await {
            Ok(messages) => return Ok(messages),
            Err(Broken::Gap | Broken::Idle) => {}
            Err(Broken::Closed) => break,
        }
    }
    Err(Fault::passing(step(), "the server does not send it whole"))
}

async fn collect(mut push: Push, mut pending: u64) -> Result<Vec<StoredMessage>, Broken> {
    let mut found = BTreeMap::new();
    while pending > 0 {
        let message = match push.next().await {
            Err(Broken::Idle) => break,
            next => next?,
        };
        pending = message.pending;
        found.insert(message.subject.clone(), StoredMessage { pending: 0, ..message });
    }
    let mut messages: Vec<StoredMessage> = found.into_values().collect();
    messages.sort_by_key(|message| message.sequence);
    Ok(messages)
}
