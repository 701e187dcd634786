//! The in-memory twin of the JetStream adapter: the same port, as strict as the real log, on
//! tokio's time (so a paused clock moves it), without a task of its own. Accounts and permissions
//! are not here.

mod core;
mod durable;
mod log;
mod schedule;
mod waits;

use crate::fault::{Fault, Retry};
use crate::port::{Broker, Message, Publish, PublishError, Queue, Reading, Stored, StoredMessage};
use crate::rules::{self, BATCH_COMMIT, BATCH_ID, BATCH_SEQUENCE};
use crate::spec::{QueueSpec, Storage, StreamSpec};
use async_trait::async_trait;
use bytes::Bytes;
use durable::Durable;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::subject::Subject;
use futures::stream::{self, BoxStream, StreamExt as _};
use log::{Incoming, Log};
use schedule::Origin;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// The broker in memory. What is stored lives as long as it does.
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Rings at every restart.
    restarted: Notify,
}

struct State {
    streams: BTreeMap<&'static str, Held>,
    core: core::Core,
    objects: BTreeMap<String, Bytes>,
    batches: u64,
    space: Space,
}

/// A stream, its queues, and the bell that rings when either changes.
struct Held {
    log: Log,
    queues: BTreeMap<String, Durable>,
    changed: Arc<Notify>,
    /// Counts how often the stream was lost and made anew.
    life: u64,
}

impl Memory {
    /// A broker with these streams and queues, all empty. It begins in 1970, so that no timer of
    /// today is ever due: who wants some says when it is.
    #[must_use]
    pub fn new(streams: Vec<StreamSpec>, queues: Vec<QueueSpec>) -> Arc<Self> {
        Self::starting_at(streams, queues, Timestamp::default())
    }

    /// As [`Self::new`], but it is `start` now, and time goes as tokio's.
    #[must_use]
    pub fn starting_at(
        streams: Vec<StreamSpec>,
        queues: Vec<QueueSpec>,
        start: Timestamp,
    ) -> Arc<Self> {
        let origin = Origin { start, origin: Instant::now() };
        let held = |spec: StreamSpec| {
            let mine = queues.iter().filter(|queue| queue.stream == spec.name);
            let queues = mine.map(|q| (q.durable.clone(), Durable::new(q.clone()))).collect();
            (
                spec.name,
                Held { log: Log::new(spec, origin), queues, changed: Arc::default(), life: 0 },
            )
        };
        let streams = streams.into_iter().map(held).collect();
        let (core, objects) = (core::Core::default(), BTreeMap::new());
        let state = State { streams, core, objects, batches: 0, space: Space::Ample };
        let (state, restarted) = (Mutex::new(state), Notify::new());
        Arc::new(Self { shared: Arc::new(Shared { state, restarted }) })
    }

    /// What a restart of the server does: connections are lost for a moment; streams in memory are
    /// empty again, count from 1, and their readings end. Streams on disk keep everything.
    pub fn restart(&self) {
        let mut state = self.shared.lock();
        for held in state.streams.values_mut() {
            if held.log.spec.storage == Storage::Memory {
                held.log = held.log.anew();
                held.life += 1;
                held.changed.notify_waiters();
            }
        }
        drop(state);
        self.shared.restarted.notify_waiters();
    }
}

impl Memory {
    /// What a restart from an older copy of the disk does: a stream ends at `last` again, and
    /// connections are lost for a moment.
    pub fn shorten(&self, stream: &str, last: u64) {
        if let Some(held) = self.shared.lock().streams.get_mut(stream) {
            held.log.shorten(last);
            held.changed.notify_waiters();
        }
        self.shared.restarted.notify_waiters();
    }

    /// What a full disk does: streams on disk take nothing until there is space again.
    pub fn set_space(&self, space: Space) {
        self.shared.lock().space = space;
    }
}

impl Held {
    fn has_space(&self, space: Space) -> Result<(), PublishError> {
        let on_disk = self.log.spec.storage != Storage::Memory;
        if on_disk && space == Space::None { Err(PublishError::NoSpace) } else { Ok(()) }
    }
}

/// Whether the disk has space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Space {
    /// It has.
    #[default]
    Ample,
    /// It is full.
    None,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stream(&mut self, name: &str) -> Result<&mut Held, Fault> {
        let held = self.streams.get_mut(name);
        held.ok_or_else(|| Fault::lasting(format!("find stream \"{name}\""), "there is none"))
    }

    /// Lets a stream's messages expire; their markers are heard like any message.
    fn expire(&mut self, name: &str, now: Instant) {
        let Some(held) = self.streams.get_mut(name) else { return };
        let markers = held.log.expire(now);
        if !markers.is_empty() {
            held.changed.notify_waiters();
        }
        markers.iter().for_each(|marker| self.republish(name, marker, 0));
    }

    fn taking(&self, subject: &str) -> Option<&'static str> {
        self.streams.values().find(|held| held.log.takes(subject)).map(|held| held.log.spec.name)
    }

    fn store(&mut self, publish: Publish) -> Result<Stored, PublishError> {
        let now = Instant::now();
        let name = self.taking(&publish.subject).ok_or_else(nobody)?;
        self.expire(name, now);
        let incoming = Incoming::of(publish)?;
        let space = self.space;
        let held = self.streams.get_mut(name).ok_or_else(nobody)?;
        held.has_space(space)?;
        let before = held.log.last_of(incoming.subject());
        let (stored, message) = held.log.publish(incoming, now)?;
        held.changed.notify_waiters();
        if let Some(message) = message {
            self.republish(name, &message, before);
        }
        Ok(stored)
    }

    fn store_atomic(&mut self, members: Vec<Publish>) -> Result<Stored, PublishError> {
        let now = Instant::now();
        let first = members.first().ok_or_else(nobody)?;
        let name = self.taking(&first.subject).ok_or_else(nobody)?;
        self.expire(name, now);
        let members: Vec<Incoming> =
            members.into_iter().map(Incoming::of).collect::<Result<_, _>>()?;
        let space = self.space;
        let held = self.streams.get_mut(name).ok_or_else(nobody)?;
        held.has_space(space)?;
        let stored = held.log.publish_atomic(members, now)?;
        held.changed.notify_waiters();
        stored.iter().for_each(|message| self.republish(name, message, 0));
        let sequence = stored.last().map_or(0, |message| message.sequence);
        Ok(Stored { sequence, duplicate: false })
    }

    /// Publishes a stored message again, where its stream says so.
    fn republish(&mut self, name: &str, message: &StoredMessage, before: u64) {
        let Some(held) = self.streams.get(name) else { return };
        let Some((from, to)) = &held.log.spec.republish else { return };
        let Some(rest) = message.subject.strip_prefix(from.trim_end_matches('>')) else { return };
        let subject = format!("{}{rest}", to.trim_end_matches('>'));
        let mut headers = message.headers.clone();
        headers.extend([
            ("Nats-Stream".to_owned(), name.to_owned()),
            ("Nats-Subject".to_owned(), message.subject.clone()),
            ("Nats-Sequence".to_owned(), message.sequence.to_string()),
            ("Nats-Last-Sequence".to_owned(), before.to_string()),
        ]);
        let payload = message.payload.clone();
        self.core.deliver(&Message { subject, headers, payload, reply: None });
    }

    /// A core message: heard by listeners and, on a stream's subject, stored. Answers how many took
    /// it.
    fn send(&mut self, message: &Message) -> usize {
        let reached = self.core.deliver(message);
        if self.taking(&message.subject).is_none() {
            return reached;
        }
        let ttl =
            message.headers.get(rules::TTL).and_then(|ttl| ttl.trim_end_matches('s').parse().ok());
        let stored = self.store(Publish {
            subject: message.subject.clone(),
            headers: message.headers.clone(),
            payload: message.payload.clone(),
            id: None,
            expect_last: message.headers.get(rules::EXPECTED).and_then(|text| text.parse().ok()),
            ttl: ttl.map(Duration::from_secs),
        });
        if let Some(reply) = &message.reply {
            let answer = match stored {
                Ok(stored) => serde_json::json!({ "seq": stored.sequence }),
                Err(error) => serde_json::json!({ "error": error.to_string() }),
            };
            let payload = Bytes::from(answer.to_string());
            let headers = BTreeMap::new();
            self.core.deliver(&Message { subject: reply.clone(), headers, payload, reply: None });
        }
        reached + 1
    }
}

fn nobody() -> PublishError {
    PublishError::Unknown("no stream answers there".to_owned())
}

/// What listeners of a stream's own subject hear, whatever the stream's verdict.
fn heard(publish: &Publish) -> Message {
    let mut headers = publish.headers.clone();
    if let Some(id) = &publish.id {
        headers.insert(rules::MESSAGE_ID.to_owned(), id.clone());
    }
    let (subject, payload) = (publish.subject.clone(), publish.payload.clone());
    Message { subject, headers, payload, reply: None }
}

fn listening(receiver: mpsc::Receiver<Message>) -> BoxStream<'static, Message> {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|message| (message, receiver))
    })
    .boxed()
}

#[async_trait]
impl Broker for Memory {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        rules::check(&message)?;
        let mut state = self.shared.lock();
        state.core.deliver(&heard(&message));
        state.store(message)
    }

    async fn publish_atomic(&self, mut messages: Vec<Publish>) -> Result<Stored, PublishError> {
        rules::check_batch(&messages)?;
        let mut state = self.shared.lock();
        state.batches += 1;
        let (id, last) = (format!("batch-{}", state.batches), messages.len());
        for (index, message) in messages.iter_mut().enumerate() {
            message.headers.insert(BATCH_ID.to_owned(), id.clone());
            message.headers.insert(BATCH_SEQUENCE.to_owned(), (index + 1).to_string());
            if index + 1 == last {
                message.headers.insert(BATCH_COMMIT.to_owned(), "1".to_owned());
            }
            state.core.deliver(&heard(message));
        }
        state.store_atomic(messages)
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        let mut state = self.shared.lock();
        state.expire(stream, Instant::now());
        Ok(state.stream(stream)?.log.last(subject))
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        let mut state = self.shared.lock();
        state.expire(stream, Instant::now());
        Ok(state.stream(stream)?.log.at(sequence).cloned())
    }

    async fn delete(&self, stream: &str, sequence: u64) -> Result<bool, Fault> {
        let mut state = self.shared.lock();
        state.expire(stream, Instant::now());
        let log = &mut state.stream(stream)?.log;
        if log.spec.deny_delete {
            let step = format!("delete message {sequence} of stream \"{stream}\"");
            return Err(Fault::lasting(step, "the stream permits no deletion"));
        }
        Ok(log.delete(sequence))
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        let mut state = self.shared.lock();
        state.expire(stream, Instant::now());
        Ok(state.stream(stream)?.log.last_of_each(filter))
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        waits::read(&self.shared, stream, filter, from)
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        waits::queue(&self.shared, stream, durable)
    }

    async fn in_hand(&self, stream: &str, durable: &str) -> Result<(u64, u64), Fault> {
        let mut state = self.shared.lock();
        let queues = &state.stream(stream)?.queues;
        Ok(queues.get(durable).map_or((0, 0), Durable::in_hand))
    }

    async fn lost(&self) {
        self.shared.restarted.notified().await;
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        sendable(&message)?;
        self.shared.lock().send(&message);
        Ok(())
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        let mut answers = self.ask(subject, payload)?;
        let step = || format!("ask \"{subject}\"");
        match tokio::time::timeout(within, answers.recv()).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(Fault::passing(step(), "the inbox is gone")),
            Err(_) => Err(Fault::passing(step(), format!("no answer within {within:?}"))),
        }
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        let answers = listening(self.ask(subject, payload)?);
        Ok(crate::answers::until_empty(answers, subject.clone(), within))
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        Ok(listening(self.shared.lock().core.listen(filter.clone(), group)))
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        bucket_known(bucket)?;
        self.shared.lock().objects.insert(name.to_owned(), content);
        Ok(())
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        bucket_known(bucket)?;
        Ok(self.shared.lock().objects.get(name).cloned())
    }
}

impl Memory {
    /// Sends a request; its answers come out of what it returns.
    fn ask(&self, subject: &Subject, payload: Bytes) -> Result<mpsc::Receiver<Message>, Fault> {
        let mut state = self.shared.lock();
        let (inbox, answers) = state.core.inbox();
        let subject = subject.as_str().to_owned();
        let message = Message { subject, headers: BTreeMap::new(), payload, reply: Some(inbox) };
        sendable(&message)?;
        if state.send(&message) == 0 {
            return Err(Fault {
                step: format!("ask \"{}\"", message.subject),
                cause: "nobody answers there".into(),
                retry: Retry::NobodyThere,
            });
        }
        Ok(answers)
    }
}

fn sendable(message: &Message) -> Result<(), Fault> {
    let Message { subject, headers, payload, .. } = message.clone();
    let publish = Publish { subject, headers, payload, ..Publish::default() };
    rules::check(&publish)
        .map_err(|error| Fault::lasting(format!("send on \"{}\"", message.subject), error))
}

fn bucket_known(bucket: &str) -> Result<(), Fault> {
    if bucket == crate::SNAP_BUCKET {
        return Ok(());
    }
    Err(Fault::lasting(format!("open bucket \"{bucket}\""), "there is none"))
}
