//! Group commit: one actor per process commits together what waits while the last commit is in
//! flight, so that a durable append costs little under load and nothing extra without.

use crate::SharedBroker;
use crate::event_log::{Append, settle};
use crate::fault::Fault;
use crate::port::{Publish, PublishError};
use crate::rules::MAX_BATCH;
use fleetlog_kernel::Position;
use futures::future::join_all;
use std::collections::{BTreeSet, VecDeque};
use tokio::sync::{mpsc, oneshot};

/// A commit that waits for its verdict.
pub(crate) struct Waiting {
    pub publish: Publish,
    pub verdict: oneshot::Sender<Result<Append, Fault>>,
}

/// The actor; it ends when every clone of its log is dropped.
pub struct GroupCommit {
    broker: SharedBroker,
    inbox: mpsc::Receiver<Waiting>,
    backlog: VecDeque<Waiting>,
}

impl GroupCommit {
    pub(crate) fn new(broker: SharedBroker, inbox: mpsc::Receiver<Waiting>) -> Self {
        Self { broker, inbox, backlog: VecDeque::new() }
    }

    /// Commits until nobody can append any more.
    pub async fn run(mut self) {
        loop {
            if self.backlog.is_empty() {
                match self.inbox.recv().await {
                    Some(waiting) => self.backlog.push_back(waiting),
                    None => return,
                }
            }
            while let Ok(waiting) = self.inbox.try_recv() {
                self.backlog.push_back(waiting);
            }
            let group = self.group();
            self.commit(group).await;
        }
    }

    /// The oldest that wait, at most one of each aggregate.
    fn group(&mut self) -> Vec<Waiting> {
        let (mut group, mut later, mut subjects) = (vec![], VecDeque::new(), BTreeSet::new());
        for waiting in self.backlog.drain(..) {
            if group.len() < MAX_BATCH && subjects.insert(waiting.publish.subject.clone()) {
                group.push(waiting);
            } else {
                later.push_back(waiting);
            }
        }
        self.backlog = later;
        group
    }

    async fn commit(&self, group: Vec<Waiting>) {
        if group.len() < 2 {
            return self.singly(group).await;
        }
        let publishes = group.iter().map(|waiting| waiting.publish.clone()).collect();
        match self.broker.publish_atomic(publishes).await {
            Ok(stored) => {
                let first = (stored.sequence + 1).saturating_sub(group.len() as u64);
                for (sequence, waiting) in (first..).zip(group) {
                    let _ = waiting.verdict.send(Ok(Append::Appended(Position(sequence))));
                }
            }
            Err(PublishError::Unknown(reason)) => {
                for waiting in group {
                    let _ = waiting.verdict.send(Ok(Append::Unknown(reason.clone())));
                }
            }
            // The server names no guilty member: each gets a verdict of its own.
            Err(_) => self.singly(group).await,
        }
    }

    async fn singly(&self, group: Vec<Waiting>) {
        join_all(group.into_iter().map(|Waiting { publish, verdict }| async move {
            let stored = self.broker.publish(publish.clone()).await;
            let _ = verdict.send(settle(&self.broker, &publish, stored).await);
        }))
        .await;
    }
}
