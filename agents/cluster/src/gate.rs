//! A line that can be cut: a [`Gate`] around any [`Dialer`], for `sim silence` and for tests. While
//! it is closed nothing goes through and what was open is lost, as with a broken network.

use crate::dialer::{Caller, Dialer};
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{
    Broker, Fault, Message, Publish, PublishError, Queue, Reading, SharedBroker, Stored,
    StoredMessage,
};
use fleetlog_chassis::Watched;
use fleetlog_messages::subject::Subject;
use futures::stream::{BoxStream, StreamExt as _};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Opens and closes lines. Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<Watched<State>>);

/// Whether it is closed, and how often it was.
#[derive(Clone, Copy, Default)]
struct State {
    closed: bool,
    cuts: u64,
}

impl Gate {
    /// Cuts every line through it, for good.
    pub fn close(&self) {
        self.0.change(|state| {
            state.cuts += u64::from(!state.closed);
            !std::mem::replace(&mut state.closed, true)
        });
    }

    /// Lets new lines through again.
    pub fn open(&self) {
        self.0.change(|state| std::mem::replace(&mut state.closed, false));
    }

    /// Whether new lines go through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.0.get().closed
    }

    /// Waits until it is open; answers how often it was closed before.
    async fn opened(&self) -> u64 {
        self.0.until(|state| (!state.closed).then_some(state.cuts)).await
    }

    /// Waits until it was closed more often than that.
    async fn closed_after(&self, cuts: u64) {
        self.0.until(|state| (state.cuts > cuts).then_some(())).await;
    }
}

/// A dialer whose lines go through a gate. While it is closed, dialing waits.
pub struct Gated {
    dialer: Arc<dyn Dialer>,
    gate: Gate,
}

impl Gated {
    /// The lines of `dialer`, through `gate`.
    #[must_use]
    pub fn new(dialer: Arc<dyn Dialer>, gate: Gate) -> Self {
        Self { dialer, gate }
    }
}

#[async_trait]
impl Dialer for Gated {
    fn token_key(&self) -> String {
        self.dialer.token_key()
    }

    async fn dial(&self, caller: &Caller) -> Result<SharedBroker, Fault> {
        let cuts = self.gate.opened().await;
        let broker = self.dialer.dial(caller).await?;
        Ok(Arc::new(Line { broker, gate: self.gate.clone(), cuts }))
    }
}

struct Line {
    broker: SharedBroker,
    gate: Gate,
    cuts: u64,
}

impl Line {
    async fn cut(&self) {
        self.gate.closed_after(self.cuts).await;
    }

    /// What comes through before the gate closes.
    async fn through<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.cut() => None,
            done = call => Some(done),
        }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.through(call).await.unwrap_or_else(|| Err(Fault::passing("reach the hub", CUT)))
    }

    async fn publishing(
        &self,
        call: impl Future<Output = Result<Stored, PublishError>>,
    ) -> Result<Stored, PublishError> {
        self.through(call).await.unwrap_or_else(|| Err(PublishError::Unknown(CUT.to_owned())))
    }

    fn until_cut<T: Send + 'static>(&self, all: BoxStream<'static, T>) -> BoxStream<'static, T> {
        let (gate, cuts) = (self.gate.clone(), self.cuts);
        all.take_until(Box::pin(async move { gate.closed_after(cuts).await })).boxed()
    }
}

const CUT: &str = "the line is cut";

#[async_trait]
impl Broker for Line {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        self.publishing(self.broker.publish(message)).await
    }

    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError> {
        self.publishing(self.broker.publish_atomic(messages)).await
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        self.call(self.broker.last(stream, subject)).await
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        self.call(self.broker.get(stream, sequence)).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        self.call(self.broker.last_of_each(stream, filter)).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        let Reading { pending, messages } =
            self.call(self.broker.read(stream, filter, from)).await?;
        Ok(Reading { pending, messages: self.until_cut(messages) })
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        self.call(self.broker.queue(stream, durable)).await
    }

    async fn in_hand(&self, stream: &str, durable: &str) -> Result<(u64, u64), Fault> {
        self.call(self.broker.in_hand(stream, durable)).await
    }

    async fn lost(&self) {
        tokio::select! {
            biased;
            () = self.cut() => {}
            () = self.broker.lost() => {}
        }
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        self.call(self.broker.send(message)).await
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        self.call(self.broker.request(subject, payload, within)).await
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        let answers = self.call(self.broker.request_many(subject, payload, within)).await?;
        Ok(self.until_cut(answers))
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        let messages = self.call(self.broker.subscribe(filter, group)).await?;
        Ok(self.until_cut(messages))
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        self.call(self.broker.put_object(bucket, name, content)).await
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        self.call(self.broker.get_object(bucket, name)).await
    }
}
