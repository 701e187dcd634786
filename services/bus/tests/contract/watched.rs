//! A connection that notes how messages are stored, and that can hold them up, lose answers or give
//! answers of its own; whatever lies behind it.

use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{
    Broker, Fault, Message, Publish, PublishError, Queue, Reading, SharedBroker, Stored,
    StoredMessage,
};
use fleetlog_messages::subject::Subject;
use futures::stream::{BoxStream, StreamExt as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// One call that stores something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A single message.
    Plain,
    /// An atomic batch of so many.
    Batch(usize),
}

/// What becomes of a call.
pub enum Fate {
    /// What the broker says.
    Pass,
    /// It is done; its answer is lost.
    LoseAnswer,
    /// It does not get there; this is the answer.
    Answer(PublishError),
}

type Judge = Box<dyn FnMut(Call) -> Fate + Send>;

/// See the module.
pub struct Watched {
    behind: SharedBroker,
    calls: Mutex<Vec<Call>>,
    judge: Mutex<Judge>,
    held: watch::Sender<bool>,
    deaf: AtomicBool,
    /// How many calls are in flight, and how many were at most.
    in_flight: Mutex<(usize, usize)>,
}

impl Watched {
    pub fn over(behind: SharedBroker) -> Arc<Self> {
        let judge: Judge = Box::new(|_| Fate::Pass);
        let (held, in_flight) = (watch::Sender::new(false), Mutex::default());
        let (calls, judge, deaf) = (Mutex::default(), Mutex::new(judge), AtomicBool::new(false));
        Arc::new(Self { behind, calls, judge, held, deaf, in_flight })
    }

    /// Every call from now on waits until [`Self::release`].
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Nothing is heard on what is subscribed to from now on.
    pub fn deafen(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// Has a say in every call from now on.
    pub fn judge(&self, judge: impl FnMut(Call) -> Fate + Send + 'static) {
        *self.judge.lock().unwrap() = Box::new(judge);
    }

    /// The calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many calls were in flight at once, at most.
    pub fn at_once(&self) -> usize {
        self.in_flight.lock().unwrap().1
    }

    async fn store(
        &self,
        call: Call,
        stored: impl Future<Output = Result<Stored, PublishError>>,
    ) -> Result<Stored, PublishError> {
        self.calls.lock().unwrap().push(call);
        {
            let mut in_flight = self.in_flight.lock().unwrap();
            in_flight.0 += 1;
            in_flight.1 = in_flight.1.max(in_flight.0);
        }
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        // What is in memory answers at once: others get their turn before it does.
        tokio::task::yield_now().await;
        let fate = (self.judge.lock().unwrap())(call);
        let answer = match fate {
            Fate::Pass => stored.await,
            Fate::LoseAnswer => {
                let _ = stored.await;
                Err(PublishError::Unknown("the answer was lost".to_owned()))
            }
            Fate::Answer(error) => Err(error),
        };
        self.in_flight.lock().unwrap().0 -= 1;
        answer
    }
}

#[async_trait]
impl Broker for Watched {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        self.store(Call::Plain, self.behind.publish(message)).await
    }

    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError> {
        self.store(Call::Batch(messages.len()), self.behind.publish_atomic(messages)).await
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        self.behind.last(stream, subject).await
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        self.behind.get(stream, sequence).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        self.behind.last_of_each(stream, filter).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        self.behind.read(stream, filter, from).await
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        self.behind.queue(stream, durable).await
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        self.behind.send(message).await
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        self.behind.request(subject, payload, within).await
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        self.behind.request_many(subject, payload, within).await
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        if self.deaf.load(Ordering::Relaxed) {
            return Ok(futures::stream::pending().boxed());
        }
        self.behind.subscribe(filter, group).await
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        self.behind.put_object(bucket, name, content).await
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        self.behind.get_object(bucket, name).await
    }
}
