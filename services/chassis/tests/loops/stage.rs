//! The stage of these tests: a broker in memory that can be tampered with, services on it, a
//! client.

use crate::tally::Tally;
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{
    Broker, Client, Commands, Delivery, Fault, Memory, Message, Publish, PublishError, Queue,
    Reading, Stored, StoredMessage,
};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Denied, Ground, Ids, Request, Shell, Tasks};
use fleetlog_kernel::{Actor, CommandId, Timestamp};
use fleetlog_messages::common::{Accomplished, DeadLetter, Outcome, Refusal, outcome};
use fleetlog_messages::subject::{AggregateId, Subject};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use prost::Message as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// What is done to a message on its way to the broker.
pub enum Tamper {
    /// Nothing.
    Pass,
    /// It does not get there.
    Lose,
    /// It gets there, its answer does not come back.
    LoseAnswer,
}

type Tampers = Mutex<Box<dyn FnMut(&Publish) -> Tamper + Send>>;

/// A broker that a test can tamper with.
pub struct Stage {
    pub memory: Arc<Memory>,
    tampers: Tampers,
    tampered: AtomicBool,
    ids: Arc<Ids>,
    me: Weak<Self>,
    loses: AtomicBool,
    lost: Notify,
}

impl Stage {
    pub fn new() -> Arc<Self> {
        let memory = Memory::new(fleetlog_topology::streams(), fleetlog_topology::queues());
        let tampers: Tampers = Mutex::new(Box::new(|_| Tamper::Pass));
        let (ids, loses, lost) = (Arc::new(Ids::seeded(7)), AtomicBool::new(false), Notify::new());
        let tampered = AtomicBool::new(false);
        Arc::new_cyclic(|me| Self { memory, tampers, tampered, ids, me: me.clone(), loses, lost })
    }

    /// The connection is lost while the next delivery of DO is on its way.
    pub fn lose_next_delivery(&self) {
        self.loses.store(true, Ordering::Relaxed);
    }

    pub fn tamper(&self, with: impl FnMut(&Publish) -> Tamper + Send + 'static) {
        *self.tampers.lock().unwrap() = Box::new(with);
        self.tampered.store(true, Ordering::Relaxed);
    }

    pub fn client(self: &Arc<Self>) -> Client {
        self.client_of("alice")
    }

    pub fn client_of(self: &Arc<Self>, actor: &str) -> Client {
        let ids = self.ids.clone();
        Client::new(self.memory.clone(), Actor::new(actor), move || ids.command())
    }

    pub async fn start(self: &Arc<Self>) -> Running {
        self.start_with(bounds(), Arc::new(Performed::default())).await
    }

    pub async fn start_with(self: &Arc<Self>, bounds: Bounds, shell: Arc<Performed>) -> Running {
        let tasks = Tasks::default();
        let ground = Ground {
            bus: Bus::new(self.clone(), &tasks),
            clock: Clock::tokio(Timestamp::of_seconds(1_800_000_000)),
            ids: Arc::new(Ids::seeded(1)),
            tasks,
            bounds,
        };
        fleetlog_chassis::start::<Tally>(ground, shell).await.unwrap()
    }

    /// Every message of a stream.
    pub async fn stored(&self, stream: &str) -> Vec<StoredMessage> {
        let reading = self.memory.read(stream, &Subject::raw("fl.>"), 0).await.unwrap();
        let held = usize::try_from(reading.pending).unwrap();
        reading.messages.take(held).map(Result::unwrap).collect().await
    }

    /// The reasons in DLQ.
    pub async fn buried(&self) -> Vec<String> {
        let letters = self.stored("DLQ").await;
        letters.into_iter().map(|m| DeadLetter::decode(m.payload).unwrap().reason).collect()
    }

    /// Sends a command and does not wait for its outcome.
    pub async fn send(&self, to: &AggregateId, id: &str, text: &'static str) {
        let (actor, id) = (Actor::new("alice"), CommandId::new(id));
        let commands = Commands::new(self.memory.clone());
        commands.send(&actor, to, &id, Bytes::from(text)).await.unwrap();
    }
}

pub type Running = Arc<Context<Tally>>;

pub fn bounds() -> Bounds {
    Bounds { tries: 4, ..Bounds::default() }
}

/// A shell that takes its time to prepare, and remembers what it performed.
#[derive(Default)]
pub struct Performed(pub Mutex<Vec<String>>, pub Duration);

#[async_trait]
impl Shell<Tally> for Performed {
    async fn prepare(&self, _request: &mut Request) -> Result<(), Denied> {
        tokio::time::sleep(self.1).await;
        Ok(())
    }

    async fn perform(&self, effects: Vec<String>) -> Result<(), Fault> {
        self.0.lock().unwrap().extend(effects);
        Ok(())
    }
}

/// The service ends as if its process were killed.
pub async fn kill(service: Running) {
    service.ground.tasks.abort();
    let _ = service.ground.tasks.join().await;
}

/// Lets everything run until nothing moves any more, and then `time` pass.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub fn accomplished(outcome: Outcome) -> Accomplished {
    match outcome.result {
        Some(outcome::Result::Accomplished(done)) => done,
        other => panic!("{other:?}"),
    }
}

pub fn refused(outcome: Outcome) -> Refusal {
    match outcome.result {
        Some(outcome::Result::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A queue of DO whose delivery can be lost with its connection.
struct Losing {
    queue: Box<dyn Queue>,
    stage: Option<Arc<Stage>>,
}

#[async_trait]
impl Queue for Losing {
    async fn next(&mut self) -> Result<Box<dyn Delivery>, Fault> {
        let delivery = self.queue.next().await?;
        match &self.stage {
            Some(stage) if stage.loses.swap(false, Ordering::Relaxed) => {
                stage.lost.notify_waiters();
                // What comes next comes over a new connection.
                pass(Duration::from_millis(100)).await;
                self.queue.next().await
            }
            _ => Ok(delivery),
        }
    }
}

#[async_trait]
impl Broker for Stage {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        let lost = || Err(PublishError::Unknown("tampered with".to_owned()));
        let tamper = (self.tampers.lock().unwrap())(&message);
        match tamper {
            Tamper::Pass => self.memory.publish(message).await,
            Tamper::Lose => lost(),
            Tamper::LoseAnswer => {
                let _ = self.memory.publish(message).await;
                lost()
            }
        }
    }

    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError> {
        // Each is to be tampered with by itself: a refused batch is sent again singly.
        if self.tampered.load(Ordering::Relaxed) {
            return Err(PublishError::WrongLast { actual: None });
        }
        self.memory.publish_atomic(messages).await
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        self.memory.last(stream, subject).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        self.memory.last_of_each(stream, filter).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        self.memory.read(stream, filter, from).await
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        let queue = self.memory.queue(stream, durable).await?;
        Ok(Box::new(Losing { queue, stage: self.me.upgrade().filter(|_| stream == "DO") }))
    }

    async fn lost(&self) {
        self.lost.notified().await;
    }

    async fn in_hand(&self, stream: &str, durable: &str) -> Result<(u64, u64), Fault> {
        self.memory.in_hand(stream, durable).await
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        self.memory.send(message).await
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        self.memory.request(subject, payload, within).await
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        self.memory.request_many(subject, payload, within).await
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        self.memory.subscribe(filter, group).await
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        self.memory.put_object(bucket, name, content).await
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        self.memory.get_object(bucket, name).await
    }
}
