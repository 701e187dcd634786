//! The stage of these tests: a broker in memory that can be tampered with, services on it, a
//! client.

use crate::tally::Tally;
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{
    Broker, Client, Commands, Delivery, Fault, Memory, Message, Publish, PublishError, Queue,
    Reading, SNAP_BUCKET, Stored, StoredMessage,
};
use fleetlog_chassis::{
    Bounds, Bus, Clock, Context, Ground, Ids, Origin, Request, Shell, Tasks, Unprepared, Watched,
};
use fleetlog_kernel::{Actor, CommandId, Timestamp};
use fleetlog_messages::common::{Accomplished, DeadLetter, Outcome, Refusal, outcome};
use fleetlog_messages::subject::{AggregateId, Subject};
use fleetlog_test_support::crash::{CrashPoint, Crashing, Fuse};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use prost::Message as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::subscriber::DefaultGuard;

/// What is done to a message on its way to the broker.
pub enum Tamper {
    /// Nothing.
    Pass,
    /// It does not get there.
    Lose,
    /// It gets there, its answer does not come back.
    LoseAnswer,
}

/// How a message of a reading comes.
pub enum Comes {
    Once,
    Twice,
    Not,
    After(Duration),
}

type Readings = Mutex<Box<dyn FnMut(u64) -> Comes + Send>>;
type Tampers = Mutex<Box<dyn FnMut(&Publish) -> Tamper + Send>>;

/// A broker that a test can tamper with.
pub struct Stage {
    pub memory: Arc<Memory>,
    tampers: Tampers,
    tampered: AtomicBool,
    readings: Readings,
    ids: Arc<Ids>,
    me: Weak<Self>,
    loses: AtomicBool,
    lost: Notify,
    /// Where the lives of its services end.
    pub fuse: Arc<Fuse>,
    /// Whether objects are kept: a snapshot waits while not.
    keeps: Watched<bool>,
}

impl Stage {
    pub fn new() -> Arc<Self> {
        let memory = Memory::new(fleetlog_topology::streams(), fleetlog_topology::queues());
        let tampers: Tampers = Mutex::new(Box::new(|_| Tamper::Pass));
        let (ids, loses, lost) = (Arc::new(Ids::seeded(7)), AtomicBool::new(false), Notify::new());
        let tampered = AtomicBool::new(false);
        let readings: Readings = Mutex::new(Box::new(|_| Comes::Once));
        let keeps = Watched::new(true);
        Arc::new_cyclic(|me| Self {
            memory,
            tampers,
            tampered,
            ids,
            readings,
            me: me.clone(),
            loses,
            lost,
            keeps,
            fuse: Arc::default(),
        })
    }

    /// The connection is lost while the next delivery of DO is on its way.
    pub fn lose_next_delivery(&self) {
        self.loses.store(true, Ordering::Relaxed);
    }

    /// Whether the server takes objects; while not, who wants one kept waits.
    pub fn keep_objects(&self, keeps: bool) {
        self.keeps.set(keeps);
    }

    /// How the commits of the log come in readings of it, by their position.
    pub fn read_as(&self, comes: impl FnMut(u64) -> Comes + Send + 'static) {
        *self.readings.lock().unwrap() = Box::new(comes);
    }

    fn comes(&self, stream: &str, sequence: u64) -> Comes {
        if stream == "EVENTS" { (self.readings.lock().unwrap())(sequence) } else { Comes::Once }
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
        self.try_start(bounds, shell).await.unwrap()
    }

    pub async fn try_start(
        self: &Arc<Self>,
        bounds: Bounds,
        shell: Arc<Performed>,
    ) -> Result<Running, Fault> {
        let tasks = Tasks::default();
        let ground = Ground {
            bus: Bus::new(Crashing::over(self.clone(), self.fuse.clone()), &tasks),
            clock: Clock::tokio(Timestamp::of_seconds(1_800_000_000)),
            ids: Arc::new(Ids::seeded(1)),
            tasks,
            bounds,
        };
        let life = ground.tasks.clone();
        self.fuse.lives(move || life.abort());
        fleetlog_chassis::start::<Tally>(ground, shell).await
    }

    async fn under_tampering(&self, message: Publish) -> Result<Stored, PublishError> {
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

    /// Nothing of SNAP can be read any more.
    pub async fn drop_snapshots(&self) {
        for name in ["registration", "registration-a", "registration-b", "registration-waypoints"] {
            self.memory.put_object(SNAP_BUCKET, name, Bytes::new()).await.unwrap();
        }
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
    // Some tests pass weeks.
    Bounds { tries: 4, lag_every: Duration::from_secs(3_600), ..Bounds::default() }
}

/// A shell that takes its time to prepare, and remembers what it performed.
#[derive(Default)]
pub struct Performed {
    pub done: Mutex<Vec<String>>,
    pub prepares: Duration,
    /// How long an `add 1` waits for more.
    pub patience: Duration,
    pub rebuilt: Mutex<usize>,
    /// Where a process may stop over it.
    pub fuse: Option<Arc<Fuse>>,
}

impl Performed {
    /// One that takes its time.
    pub fn slow(prepares: Duration) -> Self {
        Self { prepares, ..Self::default() }
    }
}

#[async_trait]
impl Shell<Tally> for Performed {
    async fn prepare(&self, _request: &mut Request) -> Result<(), Unprepared> {
        tokio::time::sleep(self.prepares).await;
        Ok(())
    }

    fn patience(&self, _: &Origin, _: &AggregateId, payload: &Bytes) -> Duration {
        if payload == "add 1" { self.patience } else { Duration::ZERO }
    }

    async fn rebuilt(&self, _: &Context<Tally>) -> Result<(), Fault> {
        *self.rebuilt.lock().unwrap() += 1;
        Ok(())
    }

    async fn perform(&self, effects: Vec<String>) -> Result<(), Fault> {
        if let Some(fuse) = &self.fuse {
            fuse.is_at(CrashPoint::BetweenOutputAndCheckpoint).await;
        }
        self.done.lock().unwrap().extend(effects);
        if let Some(fuse) = &self.fuse {
            fuse.is_at(CrashPoint::AfterEffectBeforeCheckpoint).await;
        }
        Ok(())
    }
}

/// What is warned of on this thread while this value lives.
pub struct Warnings(Arc<Mutex<Vec<u8>>>, #[allow(dead_code, reason = "a guard")] DefaultGuard);

impl Warnings {
    pub fn heard() -> Self {
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let into = heard.clone();
        let writer = move || Into(into.clone());
        let logs = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
        let logs = logs.with_writer(writer).with_ansi(false).finish();
        Self(heard, tracing::subscriber::set_default(logs))
    }

    /// Whether a line has all of these words.
    #[track_caller]
    pub fn tell(&self, words: &[&str]) {
        let heard = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let told = heard.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(told, "nothing warns of {words:?}:\n{heard}");
    }
}

struct Into(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Into {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The service ends as if its process were killed.
pub async fn kill(service: Running) {
    service.ground.tasks.abort();
    let _ = service.ground.tasks.join().await;
}

/// A message on its way that does not arrive for a time.
pub async fn held_back(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
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

/// A queue whose delivery can be lost with its connection, where it is of DO.
struct Losing {
    queue: Box<dyn Queue>,
    is_told: bool,
    stage: Arc<Stage>,
}

#[async_trait]
impl Queue for Losing {
    async fn next(&mut self) -> Result<Box<dyn Delivery>, Fault> {
        let mut delivery = self.queue.next().await?;
        if self.is_told && self.stage.loses.swap(false, Ordering::Relaxed) {
            self.stage.lost.notify_waiters();
            // What comes next comes over a new connection.
            pass(Duration::from_millis(100)).await;
            delivery = self.queue.next().await?;
        }
        Ok(delivery)
    }
}

#[async_trait]
impl Broker for Stage {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        self.under_tampering(message).await
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

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        self.memory.get(stream, sequence).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        self.memory.last_of_each(stream, filter).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        let Reading { pending, messages } = self.memory.read(stream, filter, from).await?;
        let (me, stream) = (self.me.clone(), stream.to_owned());
        let messages = messages.then(move |message| {
            let stage = me.upgrade();
            let comes = match (&message, stage) {
                (Ok(message), Some(stage)) => stage.comes(&stream, message.sequence),
                _ => Comes::Once,
            };
            async move {
                match (comes, message) {
                    (Comes::Not, _) => vec![],
                    (Comes::Twice, Ok(message)) => vec![Ok(message.clone()), Ok(message)],
                    (Comes::After(time), message) => {
                        held_back(time).await;
                        vec![message]
                    }
                    (_, message) => vec![message],
                }
            }
        });
        Ok(Reading { pending, messages: messages.flat_map(futures::stream::iter).boxed() })
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        let queue = self.memory.queue(stream, durable).await?;
        let stage = self.me.upgrade().unwrap();
        Ok(Box::new(Losing { queue, is_told: stream == "DO", stage }))
    }

    async fn lost(&self) {
        tokio::select! {
            biased;
            () = self.lost.notified() => {}
            () = self.memory.lost() => {}
        }
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
        self.keeps.until(|keeps| keeps.then_some(())).await;
        self.memory.put_object(bucket, name, content).await
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        self.memory.get_object(bucket, name).await
    }
}
