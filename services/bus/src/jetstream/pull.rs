//! A durable work queue: pulled in groups through the one call that a service may make on it. The
//! durable itself is topology's.

use super::api::{Hand, in_hand};
use super::link::{Link, Losses};
use super::push::nanos;
use super::wire::{Place, of_delivered};
use crate::fault::Fault;
use crate::port::{Delivery, Queue, StoredMessage};
use async_nats::{StatusCode, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How many messages are asked for at once.
const GROUP: u64 = 64;
/// How long the server keeps a question for more.
const ASKED_FOR: Duration = Duration::from_secs(30);
/// How often it says that it still does.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After how much silence it is asked again.
const SILENCE: Duration = Duration::from_secs(12);
/// How many messages are asked back at most; what is beyond comes when the queue's wait is over.
const ASKED_BACK: usize = 10_000;
/// How long a server that does not know the queue is asked again.
const AGAIN_FOR: Duration = Duration::from_secs(60);
/// How long we wait between.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

struct Pull {
    link: Arc<Link>,
    stream: String,
    durable: String,
    inbox: String,
    messages: Subscriber,
    losses: Losses,
    /// How many messages of the last question may still come.
    wanted: u64,
    /// Since when the server does not know the queue.
    unknown: Option<Instant>,
}

pub(super) async fn queue(
    link: &Arc<Link>,
    stream: &str,
    durable: &str,
) -> Result<Box<dyn Queue>, Fault> {
    ask_back(link, stream, durable).await?;
    let step = || format!("open queue \"{durable}\" of stream \"{stream}\"");
    let losses = link.losses();
    let inbox = link.client.new_inbox();
    let messages = link.client.subscribe(inbox.clone()).await;
    let messages = messages.map_err(|error| Fault::passing(step(), error))?;
    Ok(Box::new(Pull {
        link: link.clone(),
        stream: stream.to_owned(),
        durable: durable.to_owned(),
        inbox,
        messages,
        losses,
        wanted: 0,
        unknown: None,
    }))
}

/// Has the server give out anew, and at once, what it gave to an earlier reader or over a lost
/// connection: it would wait long for a verdict that nobody has. For what is done with, a verdict
/// means nothing.
async fn ask_back(link: &Link, stream: &str, durable: &str) -> Result<(), Fault> {
    let Hand { after, up_to, number } = in_hand(link, stream, durable).await?;
    for sequence in (after + 1..=up_to).take(ASKED_BACK) {
        let verdict = format!("$JS.ACK.{stream}.{durable}.1.{sequence}.{number}.1.0");
        let said = link.client.publish(verdict, Bytes::from_static(b"-NAK")).await;
        let step = || format!("ask message {sequence} of stream \"{stream}\" back");
        said.map_err(|error| Fault::passing(step(), error))?;
    }
    Ok(())
}

#[async_trait]
impl Queue for Pull {
    async fn next(&mut self) -> Result<Box<dyn Delivery>, Fault> {
        loop {
            if let Some(message) = self.messages.next().now_or_never() {
                if let Some(delivery) = self.take(message).await? {
                    return Ok(delivery);
                }
                continue;
            }
            if self.losses.any() {
                self.begin_anew().await;
            }
            if self.wanted == 0 {
                self.ask_for_more().await?;
            }
            tokio::select! {
                biased;
                message = self.messages.next() => {
                    if let Some(delivery) = self.take(message).await? {
                        return Ok(delivery);
                    }
                }
                () = self.losses.next() => {}
                () = tokio::time::sleep(SILENCE) => self.wanted = 0,
            }
        }
    }
}

impl Pull {
    /// After a loss; until the server answers it is not over.
    async fn begin_anew(&mut self) {
        let losses = self.link.losses();
        self.wanted = 0;
        match ask_back(&self.link, &self.stream, &self.durable).await {
            Ok(()) => self.losses = losses,
            Err(fault) => {
                tracing::debug!(%fault, "a queue waits for the server");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }

    async fn ask_for_more(&mut self) -> Result<(), Fault> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.durable);
        let question = json!({
            "batch": GROUP,
            "expires": nanos(ASKED_FOR),
            "idle_heartbeat": nanos(HEARTBEAT),
        });
        let payload = Bytes::from(question.to_string());
        let asked = self.link.client.publish_with_reply(subject, self.inbox.clone(), payload);
        asked.await.map_err(|error| Fault::passing(self.step(), error))?;
        self.wanted = GROUP;
        Ok(())
    }

    /// A delivery, if the message is one and not the server's word about the question.
    async fn take(
        &mut self,
        message: Option<async_nats::Message>,
    ) -> Result<Option<Box<dyn Delivery>>, Fault> {
        let Some(message) = message else {
            return Err(Fault::passing(self.step(), "the connection is closed"));
        };
        if let Some(status) = message.status {
            self.heed(status, message.description.as_deref().unwrap_or_default()).await?;
            return Ok(None);
        }
        self.unknown = None;
        self.wanted = self.wanted.saturating_sub(1);
        let reply = message.reply.as_deref().unwrap_or_default();
        let place = Place::of(reply).ok_or_else(|| {
            Fault::lasting(self.step(), format!("\"{reply}\" does not tell where a message is"))
        })?;
        Ok(Some(Box::new(Pulled {
            link: self.link.clone(),
            reply: reply.to_owned(),
            deliveries: place.deliveries,
            message: of_delivered(&message, &place),
        })))
    }

    async fn heed(&mut self, status: StatusCode, description: &str) -> Result<(), Fault> {
        if status == StatusCode::IDLE_HEARTBEAT {
            return Ok(());
        }
        self.wanted = 0;
        let gone = status == StatusCode::NO_RESPONDERS || description.contains("Consumer Deleted");
        if !gone {
            return Ok(());
        }
        let since = *self.unknown.get_or_insert_with(Instant::now);
        if since.elapsed() > AGAIN_FOR {
            return Err(Fault::passing(self.step(), "the server does not know it"));
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        Ok(())
    }

    fn step(&self) -> String {
        format!("take from queue \"{}\" of stream \"{}\"", self.durable, self.stream)
    }
}

struct Pulled {
    link: Arc<Link>,
    reply: String,
    deliveries: u64,
    message: StoredMessage,
}

impl Pulled {
    async fn answer(&self, verdict: String) -> Result<(), Fault> {
        let said = self.link.client.publish(self.reply.clone(), verdict.into()).await;
        let (sequence, subject) = (self.message.sequence, &self.message.subject);
        let step = || format!("settle message {sequence} of \"{subject}\"");
        said.map_err(|error| Fault::passing(step(), error))
    }
}

#[async_trait]
impl Delivery for Pulled {
    fn message(&self) -> &StoredMessage {
        &self.message
    }

    fn deliveries(&self) -> u64 {
        self.deliveries
    }

    async fn ack(&self) -> Result<(), Fault> {
        self.answer("+ACK".to_owned()).await
    }

    async fn again(&self, delay: Duration) -> Result<(), Fault> {
        self.answer(format!("-NAK {}", json!({ "delay": nanos(delay) }))).await
    }
}
