//! Group commit: one actor per process commits together what waits while the last commit is in
//! flight, so that a durable append costs little under load and nothing extra without.

use crate::SharedBroker;
use crate::event_log::{Append, WAITING};
use crate::fault::Fault;
use crate::port::{Publish, PublishError};
use crate::rules::MAX_BATCH;
use crate::settle::append_one;
use fleetlog_kernel::Position;
use futures::future::{BoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::collections::{HashSet, VecDeque};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// How many full batches may be in flight. What fills no batch waits until nothing is in flight.
const IN_FLIGHT: usize = 4;

/// A commit that waits for its verdict.
pub(crate) struct Waiting {
    pub publish: Publish,
    pub verdict: oneshot::Sender<Result<Append, Fault>>,
    /// Its place among those that may wait; free again with the verdict.
    pub place: OwnedSemaphorePermit,
}

impl Waiting {
    fn told(self, verdict: Result<Append, Fault>) {
        drop(self.place);
        // Who does not wait any more needs none.
        let _ = self.verdict.send(verdict);
    }
}

/// The actor; it ends when every clone of its log is dropped and all have their verdicts.
pub struct GroupCommit {
    broker: SharedBroker,
    inbox: mpsc::UnboundedReceiver<Waiting>,
    /// No longer than places to wait in: who waits holds one.
    backlog: VecDeque<Waiting>,
    /// The subjects of what is in flight: two of one aggregate never are.
    busy: HashSet<String>,
    in_flight: FuturesUnordered<BoxFuture<'static, Vec<String>>>,
}

impl GroupCommit {
    pub(crate) fn new(broker: SharedBroker, inbox: mpsc::UnboundedReceiver<Waiting>) -> Self {
        let (backlog, busy) = (VecDeque::new(), HashSet::new());
        Self { broker, inbox, backlog, busy, in_flight: FuturesUnordered::new() }
    }

    /// Commits until nobody can append any more.
    pub async fn run(mut self) {
        let (mut open, mut arrived) = (true, vec![]);
        while open || !self.in_flight.is_empty() {
            // What waits is taken first, all at once: it goes with what is sent next.
            tokio::select! {
                biased;
                count = self.inbox.recv_many(&mut arrived, WAITING), if open => open = count > 0,
                Some(subjects) = self.in_flight.next() => {
                    subjects.iter().for_each(|subject| { self.busy.remove(subject); });
                }
            }
            self.backlog.extend(arrived.drain(..));
            self.send();
        }
    }

    /// Sends what waits when nothing is in flight, and full batches beside others.
    fn send(&mut self) {
        while self.in_flight.is_empty()
            || (self.in_flight.len() < IN_FLIGHT && self.backlog.len() >= MAX_BATCH)
        {
            let group = self.group();
            if group.is_empty() {
                return;
            }
            let subjects = group.iter().map(|waiting| waiting.publish.subject.clone()).collect();
            let broker = self.broker.clone();
            self.in_flight.push(Box::pin(async move {
                commit(&broker, group).await;
                subjects
            }));
        }
    }

    /// The oldest that wait, at most one of each aggregate, and none of those in flight.
    fn group(&mut self) -> Vec<Waiting> {
        let (mut group, mut later) = (vec![], VecDeque::new());
        for waiting in self.backlog.drain(..) {
            let subject = &waiting.publish.subject;
            if group.len() < MAX_BATCH && self.busy.insert(subject.clone()) {
                group.push(waiting);
            } else {
                later.push_back(waiting);
            }
        }
        self.backlog = later;
        group
    }
}

async fn commit(broker: &SharedBroker, group: Vec<Waiting>) {
    if group.len() < 2 {
        return singly(broker, group).await;
    }
    let publishes = group.iter().map(|waiting| waiting.publish.clone()).collect();
    match broker.publish_atomic(publishes).await {
        Ok(stored) => {
            let first = (stored.sequence + 1).saturating_sub(group.len() as u64);
            for (sequence, waiting) in (first..).zip(group) {
                waiting.told(Ok(Append::Appended(Position(sequence))));
            }
        }
        Err(PublishError::Unknown(reason)) => {
            for waiting in group {
                waiting.told(Ok(Append::Unknown(reason.clone())));
            }
        }
        // The server names no guilty member: each gets a verdict of its own.
        Err(_) => singly(broker, group).await,
    }
}

async fn singly(broker: &SharedBroker, group: Vec<Waiting>) {
    let one = |waiting: Waiting| async move {
        let verdict = append_one(broker, &waiting.publish).await;
        waiting.told(verdict);
    };
    join_all(group.into_iter().map(one)).await;
}
