//! The broker of a process that stops at a place: it hands every call on, and knows which place
//! each of them is.

use super::{CrashPoint, Fuse, PART};
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{
    Broker, Delivery, Fault, Message, Publish, PublishError, Queue, Reading, SharedBroker, Stored,
    StoredMessage,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, Subject};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The broker of one life of a process.
pub struct Crashing {
    inner: SharedBroker,
    life: Arc<Life>,
}

/// What is known of the life.
struct Life {
    fuse: Arc<Fuse>,
    /// Whether it has read the log in.
    live: AtomicBool,
    /// The answers to its appends, while they matter.
    answers: Mutex<Answers>,
    answer: Notify,
}

/// The answers to the appends of a life.
#[derive(Default)]
struct Answers {
    /// How many appends have none yet.
    awaited: usize,
    /// The commits of those that have theirs.
    came: BTreeSet<u64>,
}

/// An append that is under way.
struct UnderWay<'a>(&'a Life);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.answers().awaited -= 1;
        self.0.answer.notify_waiters();
    }
}

impl Crashing {
    /// The broker of a life that begins.
    #[must_use]
    pub fn over(inner: SharedBroker, fuse: Arc<Fuse>) -> SharedBroker {
        let (live, answers, answer) = (AtomicBool::new(false), Mutex::default(), Notify::new());
        Arc::new(Self { inner, life: Arc::new(Life { fuse, live, answers, answer }) })
    }
}

impl Life {
    async fn is_at(&self, points: &[CrashPoint]) {
        for point in points {
            self.fuse.is_at(*point).await;
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An append begins.
    fn appends(&self) -> UnderWay<'_> {
        self.answers().awaited += 1;
        UnderWay(self)
    }

    /// The answer to an append came.
    fn hears(&self, last: u64, commits: u64) {
        if self.fuse.is_armed(CrashPoint::AfterAnswerBeforeProjection) {
            self.answers().came.extend((last + 1).saturating_sub(commits)..=last);
        }
    }

    /// Whether a commit is of this life and its answer came; waits while it may still come. That
    /// of another service has none here.
    async fn has_answer(&self, sequence: u64) -> bool {
        loop {
            let mut answer = std::pin::pin!(self.answer.notified());
            answer.as_mut().enable();
            let (came, awaited) = {
                let answers = self.answers();
                (answers.came.contains(&sequence), answers.awaited)
            };
            if came || awaited == 0 {
                return came;
            }
            answer.await;
        }
    }

    /// A commit comes to a reader of the log, which had `pending` commits after `after`: to the one
    /// that folds, to a start, or to a rebuild.
    async fn reads(&self, after: u64, pending: u64, sequence: u64) {
        let folded = CrashPoint::AfterAnswerBeforeProjection;
        if sequence > after + pending {
            if self.fuse.is_armed(folded) && self.has_answer(sequence).await {
                self.fuse.is_at(folded).await;
            }
        } else if pending > 2 && sequence == after + pending / 2 {
            let rebuilds = after == 0 && self.live.load(Ordering::Relaxed);
            let point = if rebuilds { CrashPoint::InRebuild } else { CrashPoint::InColdStart };
            self.fuse.is_at(point).await;
        }
    }
}

/// The places before and after a message is stored.
fn places_of(message: &Publish) -> (Vec<CrashPoint>, Vec<CrashPoint>) {
    use CrashPoint as At;
    let mut tokens = message.subject.split('.').skip(1);
    let (before, after) = match (tokens.next(), tokens.next()) {
        (Some("ev"), _) => (At::BeforeAppend, At::AfterAppendBeforeAnswer),
        (Some("res"), _) => (At::BeforeOutcome, At::AfterOutcomeBeforeAnswer),
        (Some("dlq"), _) => (At::BeforeDeadLetter, At::AfterDeadLetterBeforeAnswer),
        (Some("do"), _) => (At::BeforeOutput, At::AfterOutputBeforeAnswer),
        // What a shell does beside telling others.
        (Some("work"), _) => (At::BetweenOutputAndCheckpoint, At::AfterEffectBeforeCheckpoint),
        (Some("timer"), Some("set")) => (At::BeforeTimer, At::AfterTimerBeforeAnswer),
        _ => return (vec![], vec![]),
    };
    let (mut before, mut after) = (vec![before], vec![after]);
    if is_plan(message) {
        before.push(At::BeforePlan);
        after.push(At::AfterPlanBeforeAnswer);
    }
    // The number of a command among those that one commit leads to; commits carry it on.
    let told = message.subject.starts_with("fl.do.");
    let index = message.headers.get(header::INDEX).filter(|_| told);
    match index.and_then(|index| index.parse::<u64>().ok()) {
        Some(1) => before.push(At::BetweenOutputs),
        Some(index) if index == PART / 2 => before.push(At::InPart),
        Some(index) if index >= PART => {
            before.push(At::BetweenParts);
            after.push(At::AfterNextPartBeforeAnswer);
        }
        _ => {}
    }
    (before, after)
}

/// Whether a commit says what a part of a fan-out orders.
fn is_plan(message: &Publish) -> bool {
    let types = message.headers.get(header::TYPES).map_or("", String::as_str);
    types.split(',').any(|name| name.ends_with("Planned") || name.ends_with("Revisited"))
}

/// The places before, in the middle of and after the keeping of an object.
fn places_of_object(name: &str) -> (CrashPoint, Option<CrashPoint>, Option<CrashPoint>) {
    use CrashPoint as At;
    match name.split_once('-').map(|(_, slot)| slot) {
        None => (At::BeforeSnapshotIndex, None, None),
        Some("waypoints") => {
            (At::BeforeWaypointIndex, None, Some(At::AfterWaypointIndexBeforeAnswer))
        }
        Some(slot) if slot.starts_with("waypoint-") => {
            (At::BeforeWaypoint, Some(At::InWaypoint), None)
        }
        Some(_) => (At::BeforeSnapshot, Some(At::InSnapshot), Some(At::AfterSnapshotBeforeAnswer)),
    }
}

/// A queue whose deliveries are places.
struct Taking {
    queue: Box<dyn Queue>,
    timers: bool,
    life: Arc<Life>,
}

#[async_trait]
impl Queue for Taking {
    async fn next(&mut self) -> Result<Box<dyn Delivery>, Fault> {
        let delivery = self.queue.next().await?;
        if self.timers {
            self.life.fuse.is_at(CrashPoint::TimerInHand).await;
        }
        Ok(Box::new(Taken { delivery, life: self.life.clone() }))
    }
}

/// A delivery whose acknowledgement is a place.
struct Taken {
    delivery: Box<dyn Delivery>,
    life: Arc<Life>,
}

#[async_trait]
impl Delivery for Taken {
    fn message(&self) -> &StoredMessage {
        self.delivery.message()
    }

    fn deliveries(&self) -> u64 {
        self.delivery.deliveries()
    }

    async fn ack(&self) -> Result<(), Fault> {
        self.life.fuse.is_at(CrashPoint::BeforeAcknowledgement).await;
        self.delivery.ack().await?;
        self.life.fuse.is_at(CrashPoint::AfterAcknowledgement).await;
        Ok(())
    }

    async fn again(&self, delay: Duration) -> Result<(), Fault> {
        self.delivery.again(delay).await
    }
}

#[async_trait]
impl Broker for Crashing {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        let (before, after) = places_of(&message);
        let is_commit = before.first() == Some(&CrashPoint::BeforeAppend);
        self.life.is_at(&before).await;
        let stored = {
            let _under_way = is_commit.then(|| self.life.appends());
            let stored = self.inner.publish(message).await?;
            if is_commit {
                self.life.hears(stored.sequence, 1);
            }
            stored
        };
        self.life.is_at(&after).await;
        Ok(stored)
    }

    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError> {
        let (commits, plans) = (messages.len() as u64, messages.iter().any(is_plan));
        self.life.is_at(&[CrashPoint::BeforeBatch]).await;
        if plans {
            self.life.is_at(&[CrashPoint::BeforePlan]).await;
        }
        let stored = {
            let _under_way = self.life.appends();
            let stored = self.inner.publish_atomic(messages).await?;
            self.life.hears(stored.sequence, commits);
            stored
        };
        self.life.is_at(&[CrashPoint::AfterBatchBeforeAnswer]).await;
        if plans {
            self.life.is_at(&[CrashPoint::AfterPlanBeforeAnswer]).await;
        }
        Ok(stored)
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        self.inner.last(stream, subject).await
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        self.inner.get(stream, sequence).await
    }

    async fn delete(&self, stream: &str, sequence: u64) -> Result<bool, Fault> {
        self.inner.delete(stream, sequence).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        self.inner.last_of_each(stream, filter).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        let reading = self.inner.read(stream, filter, from).await?;
        if *filter != subject::events() {
            return Ok(reading);
        }
        let Reading { pending, messages } = reading;
        let (life, after) = (self.life.clone(), from.saturating_sub(1));
        let messages = messages.then(move |message| {
            let life = life.clone();
            async move {
                if let Ok(message) = &message {
                    life.reads(after, pending, message.sequence).await;
                }
                message
            }
        });
        Ok(Reading { pending, messages: messages.boxed() })
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        let queue = self.inner.queue(stream, durable).await?;
        let (timers, life) = (stream == "TIMER", self.life.clone());
        Ok(Box::new(Taking { queue, timers, life }))
    }

    async fn in_hand(&self, stream: &str, durable: &str) -> Result<(u64, u64), Fault> {
        self.life.fuse.is_at(CrashPoint::InRecovery).await;
        self.life.live.store(true, Ordering::Relaxed);
        self.inner.in_hand(stream, durable).await
    }

    async fn lost(&self) {
        self.inner.lost().await;
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        self.inner.send(message).await
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        self.inner.request(subject, payload, within).await
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        self.inner.request_many(subject, payload, within).await
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        self.inner.subscribe(filter, group).await
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        let (before, middle, after) = places_of_object(name);
        self.life.is_at(&[before]).await;
        if middle.is_some_and(|middle| self.life.fuse.reaches(middle)) {
            let half = content.slice(..content.len() / 2);
            self.inner.put_object(bucket, name, half).await?;
            self.life.fuse.blow().await;
        }
        self.inner.put_object(bucket, name, content).await?;
        if let Some(after) = after {
            self.life.is_at(&[after]).await;
        }
        Ok(())
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        self.inner.get_object(bucket, name).await
    }
}
