//! The JetStream adapter: the port over a real nats-server, within the permissions of one role.
//! What streams, queues and roles there are is topology's; nothing is made here.

mod api;
mod asking;
mod connecting;
mod link;
mod objects;
mod publishing;
mod pull;
mod push;
mod reading;
mod wire;

use crate::fault::Fault;
use crate::port::{Broker, Message, Publish, PublishError, Queue, Reading, Stored, StoredMessage};
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_messages::subject::Subject;
use futures::stream::BoxStream;
use link::Link;
use std::sync::Arc;
use std::time::Duration;

/// A connection to a nats-server as one user. It survives outages: what is on its way meanwhile
/// ends in a passing fault, readings and queues go on where they were.
pub struct JetStream {
    link: Arc<Link>,
}

#[async_trait]
impl Broker for JetStream {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        publishing::publish(&self.link, message).await
    }

    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError> {
        publishing::publish_atomic(&self.link, messages).await
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        api::last(&self.link, stream, subject).await
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        api::get(&self.link, stream, sequence).await
    }

    async fn delete(&self, stream: &str, sequence: u64) -> Result<bool, Fault> {
        api::delete(&self.link, stream, sequence).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        reading::last_of_each(&self.link, stream, filter).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        reading::read(&self.link, stream, filter, from).await
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        pull::queue(&self.link, stream, durable).await
    }

    async fn in_hand(&self, stream: &str, durable: &str) -> Result<(u64, u64), Fault> {
        let hand = api::in_hand(&self.link, stream, durable).await?;
        Ok((hand.after, hand.up_to))
    }

    async fn lost(&self) {
        self.link.lost().await;
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        asking::send(&self.link, message).await
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        asking::request(&self.link, subject, payload, within).await
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        asking::request_many(&self.link, subject, payload, within).await
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        asking::subscribe(&self.link, filter, group).await
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        objects::put(&self.link, bucket, name, content).await
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        objects::get(&self.link, bucket, name).await
    }
}
