//! Readings and queues of the in-memory twin: those that wait look again when the stream changes or
//! something falls due, so nothing runs in the background.

use super::Shared;
use super::durable::Found;
use crate::fault::Fault;
use crate::port::{Delivery, Queue, Reading, StoredMessage};
use async_trait::async_trait;
use fleetlog_messages::subject::Subject;
use futures::stream::{self, StreamExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many messages a reading takes over at once.
const CHUNK: usize = 256;

struct Cursor {
    shared: Arc<Shared>,
    changed: Arc<Notify>,
    stream: String,
    filter: Subject,
    after: u64,
    /// The last message that came.
    read: u64,
    life: u64,
    taken: VecDeque<StoredMessage>,
}

pub(super) fn read(
    shared: &Arc<Shared>,
    stream: &str,
    filter: &Subject,
    from: u64,
) -> Result<Reading, Fault> {
    let mut state = shared.lock();
    state.expire(stream, Instant::now());
    let held = state.stream(stream)?;
    let after = from.saturating_sub(1);
    let cursor = Cursor {
        shared: shared.clone(),
        changed: held.changed.clone(),
        stream: stream.to_owned(),
        filter: filter.clone(),
        after,
        read: 0,
        life: held.life,
        taken: VecDeque::new(),
    };
    let pending = held.log.count_after(filter, after);
    let messages = stream::unfold(Some(cursor), |cursor| async move {
        let mut cursor = cursor?;
        match cursor.next().await {
            Ok(message) => Some((Ok(message), Some(cursor))),
            Err(fault) => Some((Err(fault), None)),
        }
    });
    Ok(Reading { pending, messages: messages.boxed() })
}

impl Cursor {
    async fn next(&mut self) -> Result<StoredMessage, Fault> {
        loop {
            if let Some(message) = self.taken.pop_front() {
                return Ok(message);
            }
            let changed = self.changed.clone();
            let changed = changed.notified();
            let deadline = {
                let mut state = self.shared.lock();
                state.expire(&self.stream, Instant::now());
                let held = state.stream(&self.stream)?;
                if held.life != self.life || held.log.end() < self.read {
                    let step = format!("read stream \"{}\"", self.stream);
                    return Err(Fault::passing(step, "the stream is another one, or shorter"));
                }
                self.taken = held.log.after(&self.filter, self.after, CHUNK).into();
                held.log.next_expiry()
            };
            match self.taken.back() {
                Some(last) => (self.after, self.read) = (last.sequence, last.sequence),
                None => wait(changed, deadline).await,
            }
        }
    }
}

async fn wait(changed: tokio::sync::futures::Notified<'_>, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => {
            let _ = tokio::time::timeout_at(deadline, changed).await;
        }
        None => changed.await,
    }
}

struct MemoryQueue {
    at: At,
    changed: Arc<Notify>,
}

/// Where a delivery's verdict goes.
#[derive(Clone)]
struct At {
    shared: Arc<Shared>,
    stream: String,
    durable: String,
}

pub(super) fn queue(
    shared: &Arc<Shared>,
    stream: &str,
    durable: &str,
) -> Result<Box<dyn Queue>, Fault> {
    let mut state = shared.lock();
    let held = state.stream(stream)?;
    let Some(queue) = held.queues.get_mut(durable) else {
        let step = format!("open queue \"{durable}\" of stream \"{stream}\"");
        return Err(Fault::lasting(step, "there is none"));
    };
    queue.ask_back(Instant::now());
    let changed = held.changed.clone();
    let (stream, durable) = (stream.to_owned(), durable.to_owned());
    Ok(Box::new(MemoryQueue { at: At { shared: shared.clone(), stream, durable }, changed }))
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn next(&mut self) -> Result<Box<dyn Delivery>, Fault> {
        loop {
            let changed = self.changed.notified();
            let (found, expiry) = self.at.look()?;
            match found {
                Found::Delivery(message, deliveries) => {
                    let at = self.at.clone();
                    return Ok(Box::new(MemoryDelivery { at, message, deliveries }));
                }
                Found::Nothing(due) => {
                    wait(changed, [due, expiry].into_iter().flatten().min()).await;
                }
            }
        }
    }
}

impl At {
    fn look(&self) -> Result<(Found, Option<Instant>), Fault> {
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.expire(&self.stream, now);
        let held = state.stream(&self.stream)?;
        let expiry = held.log.next_expiry();
        let found = match held.queues.get_mut(&self.durable) {
            Some(durable) => durable.next(&held.log, now),
            None => Found::Nothing(None),
        };
        Ok((found, expiry))
    }
}

struct MemoryDelivery {
    at: At,
    message: StoredMessage,
    deliveries: u64,
}

#[async_trait]
impl Delivery for MemoryDelivery {
    fn message(&self) -> &StoredMessage {
        &self.message
    }

    fn deliveries(&self) -> u64 {
        self.deliveries
    }

    async fn ack(&self) -> Result<(), Fault> {
        let mut state = self.at.shared.lock();
        let held = state.stream(&self.at.stream)?;
        if let Some(durable) = held.queues.get_mut(&self.at.durable) {
            durable.ack(self.message.sequence);
        }
        held.changed.notify_waiters();
        Ok(())
    }

    async fn again(&self, delay: Duration) -> Result<(), Fault> {
        let mut state = self.at.shared.lock();
        let held = state.stream(&self.at.stream)?;
        if let Some(durable) = held.queues.get_mut(&self.at.durable) {
            durable.again(self.message.sequence, Instant::now(), delay);
        }
        held.changed.notify_waiters();
        Ok(())
    }
}
