//! The port that both adapters fill: JetStream's primitives in our words, and nothing above them.
//! What the log, queues, leases and blobs mean on top of it lies in the modules named after them.

use crate::fault::{Fault, Retry};
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_messages::subject::Subject;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::time::Duration;

/// Headers, one value each.
pub type Headers = BTreeMap<String, String>;

/// A message to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// A literal subject.
    pub subject: String,
    /// Its headers; ids, expectations and lives have fields of their own.
    pub headers: Headers,
    /// Its payload.
    pub payload: Bytes,
    /// What the stream deduplicates by.
    pub id: Option<String>,
    /// The stream sequence of the subject's last message; 0 for "none yet".
    pub expect_last: Option<u64>,
    /// How long it lives (whole seconds, at least one).
    pub ttl: Option<Duration>,
}

/// The server took a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence in the stream; the old one when it is a duplicate.
    pub sequence: u64,
    /// The stream had a message of this id.
    pub duplicate: bool,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The expectation does not hold; the server says where the subject really stands, if it can.
    #[error("the subject's last sequence is {actual:?}, not the expected one")]
    WrongLast {
        /// The actual last sequence.
        actual: Option<u64>,
    },
    /// A member of an atomic batch has an id that the stream knows.
    #[error("a member of the batch is a duplicate")]
    DuplicateInBatch,
    /// The subject has its maximum of messages and refuses more.
    #[error("the subject is full")]
    Full,
    /// The server's disk is full; nothing was stored.
    #[error("the server has no space left")]
    NoSpace,
    /// The server refused it for another reason; sending it again will not help.
    #[error("refused by the server: {0}")]
    Refused(String),
    /// Nobody knows whether it was stored.
    #[error("no answer from the server: {0}")]
    Unknown(String),
}

impl PublishError {
    /// As a fault of the step that published: passing when sending it again may help.
    #[must_use]
    pub fn into_fault(self, step: impl Into<String>) -> Fault {
        match self {
            Self::Unknown(_) => Fault::passing(step, self),
            Self::NoSpace => {
                Fault { step: step.into(), cause: Box::new(self), retry: Retry::NoSpace }
            }
            _ => Fault::lasting(step, self),
        }
    }
}

/// A message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its sequence.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers, ids included.
    pub headers: Headers,
    /// Its payload.
    pub payload: Bytes,
    /// How many messages follow it in this reading, as far as the server knew when it sent it.
    pub pending: u64,
}

/// An ordered reading of a stream: every message once, in order, without an end.
pub struct Reading {
    /// How many messages the stream held for it at the start: 0 means "caught up already".
    pub pending: u64,
    /// The messages; an error ends it.
    pub messages: BoxStream<'static, Result<StoredMessage, Fault>>,
}

/// A core message: a request, or something broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The subject it came on.
    pub subject: String,
    /// Its headers.
    pub headers: Headers,
    /// Its payload.
    pub payload: Bytes,
    /// Where an answer goes.
    pub reply: Option<String>,
}

/// One delivery of a work queue. Dropped without a verdict, it comes again after the wait.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// The message.
    fn message(&self) -> &StoredMessage;
    /// How often it was delivered, this time included.
    fn deliveries(&self) -> u64;
    /// It is handled, durably.
    async fn ack(&self) -> Result<(), Fault>;
    /// It comes again after `delay`.
    async fn again(&self, delay: Duration) -> Result<(), Fault>;
}

/// A durable work queue of a stream.
#[async_trait]
pub trait Queue: Send {
    /// The next delivery; waits for one. Cancel-safe: a dropped wait loses nothing.
    async fn next(&mut self) -> Result<Box<dyn Delivery>, Fault>;
}

/// JetStream's primitives. Cheap to share (`Arc<dyn Broker>`); every call is bounded in time.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Stores one message and waits for the server's verdict. Pipeline by calling it concurrently.
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError>;

    /// Stores all or none (one stream, at most 200); answers the sequence of the last.
    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError>;

    /// The last message of a literal subject (or of a filter, with wildcards), from the leader.
    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault>;

    /// The last message of each subject that a filter covers, at one moment.
    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault>;

    /// The message at a sequence of a stream, if there is one. Who wraps a broker hands this on.
    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault>;

    /// Takes one message out of a stream that permits it, for good; answers whether it was there.
    async fn delete(&self, stream: &str, sequence: u64) -> Result<bool, Fault> {
        let step = format!("delete message {sequence} of stream \"{stream}\"");
        Err(Fault::lasting(step, "this connection deletes nothing"))
    }

    /// Reads a stream in order from sequence `from` on (0 and 1: the beginning), then follows it.
    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault>;

    /// Opens the durable queue that topology made. What an earlier reader had in hand is delivered
    /// again at once, also where that reader still runs.
    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault>;

    /// The stream sequences that a durable queue has delivered and that may lack an
    /// acknowledgement: after the first, up to the second; equal when nothing is in hand. Who wraps
    /// a broker hands this on.
    async fn in_hand(&self, _stream: &str, _durable: &str) -> Result<(u64, u64), Fault> {
        Ok((0, 0))
    }

    /// Resolves when the connection is lost from the first poll on, whether it is taken up again or
    /// not: what was broadcast meanwhile may be missed.
    async fn lost(&self) {
        std::future::pending().await
    }

    /// Sends a core message; nobody may be listening.
    async fn send(&self, message: Message) -> Result<(), Fault>;

    /// Asks for one answer.
    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault>;

    /// Asks for an answer of several messages; one with neither payload nor headers ends it (and is
    /// not given).
    /// `within` bounds the wait for each.
    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault>;

    /// Listens to core messages; listeners of one `group` share them. Returns once the server
    /// has taken the subscription.
    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault>;

    /// Keeps an object of any size under a name, replacing an older one.
    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault>;

    /// Fetches an object.
    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault>;
}
