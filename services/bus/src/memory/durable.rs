//! A work queue of the in-memory twin: what is delivered, what waits for a verdict, what comes
//! again.

use super::log::Log;
use crate::port::StoredMessage;
use crate::spec::QueueSpec;
use fleetlog_messages::subject::Subject;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

struct Waiting {
    due: Instant,
    deliveries: u64,
}

/// The state of one durable.
pub(super) struct Durable {
    spec: QueueSpec,
    filter: Subject,
    cursor: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// What a wait for the next delivery finds.
pub(super) enum Found {
    /// A message, delivered this often.
    Delivery(StoredMessage, u64),
    /// Nothing before this time, if any.
    Nothing(Option<Instant>),
}

impl Durable {
    pub(super) fn new(spec: QueueSpec) -> Self {
        let filter = Subject::raw(&spec.filter);
        Self { spec, filter, cursor: 0, waiting: BTreeMap::new() }
    }

    /// Delivers what is due again before what is new; new ones only while the bound allows.
    pub(super) fn next(&mut self, log: &Log, now: Instant) -> Found {
        self.waiting.retain(|sequence, _| log.at(*sequence).is_some());
        let due = self.waiting.iter().filter(|(_, w)| w.due <= now).min_by_key(|(_, w)| w.due);
        if let Some(sequence) = due.map(|(sequence, _)| *sequence)
            && let Some(message) = log.at(sequence).cloned()
        {
            return self.deliver(log, message, now);
        }
        if self.waiting.len() < self.spec.max_ack_pending as usize
            && let Some(message) = log.after(&self.filter, self.cursor, 1).pop()
        {
            self.cursor = message.sequence;
            return self.deliver(log, message, now);
        }
        let next_due = self.waiting.values().map(|waiting| waiting.due).min();
        Found::Nothing(next_due)
    }

    fn deliver(&mut self, log: &Log, mut message: StoredMessage, now: Instant) -> Found {
        let due = now + self.spec.ack_wait;
        let waiting =
            self.waiting.entry(message.sequence).or_insert(Waiting { due, deliveries: 0 });
        waiting.due = due;
        waiting.deliveries += 1;
        let deliveries = waiting.deliveries;
        message.pending = log.count_after(&self.filter, self.cursor);
        Found::Delivery(message, deliveries)
    }

    /// A new reader came: what an earlier one had in hand is due.
    pub(super) fn ask_back(&mut self, now: Instant) {
        self.waiting.values_mut().for_each(|waiting| waiting.due = waiting.due.min(now));
    }

    /// What it has delivered and may lack an acknowledgement: after the first, up to the second.
    pub(super) fn in_hand(&self) -> (u64, u64) {
        let lowest = self.waiting.keys().next().copied();
        (lowest.map_or(self.cursor, |lowest| lowest - 1), self.cursor)
    }

    /// A verdict came: the message is done with.
    pub(super) fn ack(&mut self, sequence: u64) {
        self.waiting.remove(&sequence);
    }

    /// The message is to come again after `delay`.
    pub(super) fn again(&mut self, sequence: u64, now: Instant, delay: Duration) {
        if let Some(waiting) = self.waiting.get_mut(&sequence) {
            waiting.due = now + delay;
        }
    }
}
