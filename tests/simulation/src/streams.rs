//! What comes over a line by itself: readings, queues, answers, broadcasts, each with its faults.

use crate::bug::Bug;
use crate::chance::{Faults, Kind};
use crate::life::Life;
use crate::line::lost;
use async_trait::async_trait;
use fleetlog_bus::{Delivery, Fault, Message, Queue, StoredMessage};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long something held back waits at most for another to overtake it.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(4);

type Messages<T> = BoxStream<'static, Result<T, Fault>>;

/// A reading: in order, sometimes late, sometimes cut.
pub(crate) fn reading(
    faults: Arc<Faults>,
    messages: Messages<StoredMessage>,
) -> Messages<StoredMessage> {
    stream::unfold(Some(messages), move |messages| {
        let faults = faults.clone();
        async move {
            let mut messages = messages?;
            let message = messages.next().await?;
            if faults.strikes(Kind::Delay) {
                tokio::time::sleep(faults.lateness()).await;
            }
            if faults.strikes(Kind::Cut) {
                return Some((Err(lost("follow a stream")), None));
            }
            Some((message, Some(messages)))
        }
    })
    .boxed()
}

/// An answer of several messages: sometimes it breaks off.
pub(crate) fn answers(faults: Arc<Faults>, messages: Messages<Message>) -> Messages<Message> {
    stream::unfold(Some(messages), move |messages| {
        let faults = faults.clone();
        async move {
            let mut messages = messages?;
            let message = messages.next().await?;
            if faults.strikes(Kind::Cut) {
                return Some((Err(lost("hear an answer")), None));
            }
            Some((message, Some(messages)))
        }
    })
    .boxed()
}

/// A message that is held back, and until when.
type Held = Option<(Message, tokio::time::Instant)>;

struct Hearing {
    faults: Arc<Faults>,
    messages: BoxStream<'static, Message>,
    ready: VecDeque<Message>,
    held: Held,
}

/// Broadcasts: lost, doubled, or late and overtaken by those behind them.
pub(crate) fn heard(
    faults: Arc<Faults>,
    messages: BoxStream<'static, Message>,
) -> BoxStream<'static, Message> {
    let hearing = Hearing { faults, messages, ready: VecDeque::new(), held: None };
    stream::unfold(hearing, |mut hearing| async move {
        let message = hearing.next().await?;
        Some((message, hearing))
    })
    .boxed()
}

impl Hearing {
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let until = self.held.as_ref().map(|(_, until)| *until);
            let release = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                message = self.messages.next() => self.take(message?),
                () = release => self.ready.extend(self.held.take().map(|(message, _)| message)),
            }
        }
    }

    fn take(&mut self, message: Message) {
        if self.faults.strikes(Kind::Loss) {
            return;
        }
        if self.held.is_none() && self.faults.strikes(Kind::Delay) {
            let until = tokio::time::Instant::now() + OVERTAKEN_WITHIN;
            self.held = Some((message, until));
            return;
        }
        if self.faults.strikes(Kind::Duplication) {
            self.ready.push_back(message.clone());
        }
        self.ready.push_back(message);
        // Overtaken by one, or by all that come until its time is up.
        if self.faults.chance().below(2) == 0 {
            self.ready.extend(self.held.take().map(|(message, _)| message));
        }
    }
}

/// A queue whose deliveries come late and whose acknowledgements get lost.
pub(crate) struct Shaky {
    pub queue: Box<dyn Queue>,
    pub faults: Arc<Faults>,
    pub life: Arc<Life>,
    pub bug: Option<Bug>,
    /// Rings when the line's connection is lost.
    pub losses: Arc<Notify>,
}

#[async_trait]
impl Queue for Shaky {
    async fn next(&mut self) -> Result<Box<dyn Delivery>, Fault> {
        let mut delivery = self.queue.next().await?;
        while self.faults.strikes(Kind::LostDelivery) {
            self.losses.notify_waiters();
            // What comes next comes over a new connection.
            tokio::time::sleep(self.faults.lateness()).await;
            delivery = self.queue.next().await?;
        }
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
        if self.bug == Some(Bug::AcknowledgeBeforeDurable) {
            delivery.ack().await?;
        }
        let (faults, life) = (self.faults.clone(), self.life.clone());
        Ok(Box::new(ShakyDelivery { delivery, faults, life }))
    }
}

struct ShakyDelivery {
    delivery: Box<dyn Delivery>,
    faults: Arc<Faults>,
    life: Arc<Life>,
}

#[async_trait]
impl Delivery for ShakyDelivery {
    fn message(&self) -> &StoredMessage {
        self.delivery.message()
    }

    fn deliveries(&self) -> u64 {
        self.delivery.deliveries()
    }

    async fn ack(&self) -> Result<(), Fault> {
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
        if self.faults.strikes(Kind::Delay) {
            tokio::time::sleep(self.faults.lateness()).await;
        }
        // Lost without a word: the delivery comes again.
        if self.faults.strikes(Kind::Loss) {
            return Ok(());
        }
        self.delivery.ack().await?;
        if self.faults.strikes(Kind::LostAnswer) {
            return Err(lost("acknowledge"));
        }
        Ok(())
    }

    async fn again(&self, delay: Duration) -> Result<(), Fault> {
        self.delivery.again(delay).await
    }
}
