//! One stream of the in-memory twin: what the server would store, refuse, drop and expire. Pure but
//! for the time it is given; who waits for it and who hears of it lies beside it.

use super::schedule::{self, Origin};
use crate::port::{Headers, Publish, PublishError, Stored, StoredMessage};
use crate::rules::{EXPECTED, MARKER, MESSAGE_ID, ROLLUP, SCHEDULE, TTL};
use crate::spec::{StreamSpec, WhenFull};
use fleetlog_messages::subject::Subject;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

struct Kept {
    message: StoredMessage,
    expires: Option<Instant>,
    fires: Option<Instant>,
    marker: bool,
}

/// A stream's messages and what it remembers about them.
pub(super) struct Log {
    pub(super) spec: StreamSpec,
    messages: BTreeMap<u64, Kept>,
    subjects: BTreeMap<String, BTreeSet<u64>>,
    expiries: BTreeSet<(Instant, u64)>,
    /// What is to be published elsewhere, and when.
    due: BTreeSet<(Instant, u64)>,
    /// What the time was when the broker began.
    origin: Origin,
    ids: BTreeMap<String, u64>,
    id_ages: VecDeque<(Instant, String)>,
    last: u64,
}

/// A message as the checks see it.
pub(super) struct Incoming {
    subject: String,
    headers: Headers,
    payload: bytes::Bytes,
    id: Option<String>,
    expect: Option<u64>,
    ttl: Option<Duration>,
}

impl Incoming {
    /// Takes a message that passed [`crate::rules::check`]; headers that the server reads count as
    /// much as the fields.
    pub(super) fn of(publish: Publish) -> Result<Self, PublishError> {
        let Publish { subject, headers, payload, id, expect_last, ttl } = publish;
        let id = id.or_else(|| headers.get(MESSAGE_ID).cloned());
        if headers.contains_key(ROLLUP) {
            return Err(PublishError::Refused("rollups are not permitted".to_owned()));
        }
        let mut whole = headers;
        if let Some(id) = &id {
            whole.insert(MESSAGE_ID.to_owned(), id.clone());
        }
        if let Some(expect) = expect_last {
            whole.insert(EXPECTED.to_owned(), expect.to_string());
        }
        if let Some(ttl) = ttl {
            whole.insert(TTL.to_owned(), format!("{}s", ttl.as_secs()));
        }
        Ok(Self { subject, headers: whole, payload, id, expect: expect_last, ttl })
    }
}

impl Incoming {
    /// Where it goes.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }
}

impl Log {
    pub(super) fn new(spec: StreamSpec, origin: Origin) -> Self {
        Self {
            spec,
            origin,
            due: BTreeSet::new(),
            messages: BTreeMap::new(),
            subjects: BTreeMap::new(),
            expiries: BTreeSet::new(),
            ids: BTreeMap::new(),
            id_ages: VecDeque::new(),
            last: 0,
        }
    }

    /// Whether it stores what is published on `subject`.
    pub(super) fn takes(&self, subject: &str) -> bool {
        self.spec.subjects.iter().any(|filter| Subject::raw(filter).covers(subject))
    }

    /// The sequence of the subject's last message, 0 for none.
    pub(super) fn last_of(&self, subject: &str) -> u64 {
        self.subjects.get(subject).and_then(BTreeSet::last).copied().unwrap_or(0)
    }

    /// When something next expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let firsts = [self.expiries.first(), self.due.first()];
        firsts.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// The same stream, empty.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.spec.clone(), self.origin)
    }

    /// Lets go of what is over at `now`; answers what came in its place: markers, and messages that
    /// were scheduled.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<StoredMessage> {
        let mut markers = vec![];
        while let Some((at, sequence)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let Some(Kept { message, .. }) = self.remove(sequence) else { continue };
            let (subject, headers, life) = schedule::fired(message.subject, message.headers);
            let expires = life.map(|life| at + life);
            markers.push(self.insert(subject, headers, message.payload, (expires, None), false));
        }
        while let Some((at, sequence)) = self.expiries.first().copied() {
            if at > now {
                break;
            }
            self.expiries.pop_first();
            let Some(kept) = self.remove(sequence) else { continue };
            let subject = kept.message.subject;
            if let (Some(ttl), false, 0) =
                (self.spec.marker_ttl, kept.marker, self.last_of(&subject))
            {
                markers.push(self.mark(subject, ttl, at));
            }
        }
        while self.id_ages.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, id)) = self.id_ages.pop_front() {
                self.ids.remove(&id);
            }
        }
        markers
    }

    fn mark(&mut self, subject: String, ttl: Duration, at: Instant) -> StoredMessage {
        let headers = Headers::from([
            (MARKER.to_owned(), "MaxAge".to_owned()),
            (TTL.to_owned(), format!("{}s", ttl.as_secs())),
            (ROLLUP.to_owned(), "sub".to_owned()),
        ]);
        let payload = bytes::Bytes::new();
        self.insert(subject, headers, payload, (Some(at + ttl), None), true)
    }

    /// The server's verdict on a single message, and the message when it is new.
    pub(super) fn publish(
        &mut self,
        incoming: Incoming,
        now: Instant,
    ) -> Result<(Stored, Option<StoredMessage>), PublishError> {
        self.permits(&incoming)?;
        self.expectation(&incoming)?;
        if let Some(sequence) = incoming.id.as_ref().and_then(|id| self.ids.get(id)) {
            return Ok((Stored { sequence: *sequence, duplicate: true }, None));
        }
        self.room(&incoming.subject)?;
        let message = self.store(incoming, now);
        Ok((Stored { sequence: message.sequence, duplicate: false }, Some(message)))
    }

    /// The server's verdict on an atomic batch: ids first, expectations second, all or nothing.
    pub(super) fn publish_atomic(
        &mut self,
        members: Vec<Incoming>,
        now: Instant,
    ) -> Result<Vec<StoredMessage>, PublishError> {
        if !self.spec.atomic {
            return Err(PublishError::Refused("atomic publish is disabled".to_owned()));
        }
        if members.iter().any(|member| !self.takes(&member.subject)) {
            return Err(PublishError::Refused("a batch stays within one stream".to_owned()));
        }
        let mut ids = BTreeSet::new();
        for member in &members {
            self.permits(member)?;
            if let Some(id) = &member.id
                && (self.ids.contains_key(id) || !ids.insert(id.as_str()))
            {
                return Err(PublishError::DuplicateInBatch);
            }
        }
        let mut written = BTreeSet::new();
        for member in &members {
            if member.expect.is_some() && written.contains(member.subject.as_str()) {
                return Err(PublishError::WrongLast { actual: None });
            }
            self.expectation(member)?;
            self.room(&member.subject)?;
            written.insert(member.subject.as_str());
        }
        Ok(members.into_iter().map(|member| self.store(member, now)).collect())
    }

    fn permits(&self, incoming: &Incoming) -> Result<(), PublishError> {
        if incoming.headers.contains_key(TTL) && !self.spec.message_ttl {
            return Err(PublishError::Refused("per-message TTL is disabled".to_owned()));
        }
        if incoming.headers.contains_key(SCHEDULE) {
            schedule::check(&self.spec, &incoming.subject, &incoming.headers)?;
        }
        Ok(())
    }

    fn expectation(&self, incoming: &Incoming) -> Result<(), PublishError> {
        let actual = self.last_of(&incoming.subject);
        match incoming.expect {
            Some(expected) if expected != actual => {
                Err(PublishError::WrongLast { actual: Some(actual) })
            }
            _ => Ok(()),
        }
    }

    fn room(&self, subject: &str) -> Result<(), PublishError> {
        let held = self.subjects.get(subject).map_or(0, BTreeSet::len);
        match (self.spec.per_subject, self.spec.when_full) {
            (Some(most), WhenFull::RefuseNew) if held >= most as usize => Err(PublishError::Full),
            _ => Ok(()),
        }
    }

    fn store(&mut self, incoming: Incoming, now: Instant) -> StoredMessage {
        let Incoming { subject, headers, payload, id, ttl, .. } = incoming;
        let life = [ttl, self.spec.max_age].into_iter().flatten().min();
        let fires = schedule::fires(&headers, self.origin);
        let times = (life.map(|life| now + life), fires);
        let message = self.insert(subject, headers, payload, times, false);
        if let Some(id) = id {
            self.ids.insert(id.clone(), message.sequence);
            self.id_ages.push_back((now + self.spec.duplicate_window, id));
        }
        message
    }

    fn insert(
        &mut self,
        subject: String,
        headers: Headers,
        payload: bytes::Bytes,
        (expires, fires): (Option<Instant>, Option<Instant>),
        marker: bool,
    ) -> StoredMessage {
        self.last += 1;
        let sequence = self.last;
        let message =
            StoredMessage { sequence, subject: subject.clone(), headers, payload, pending: 0 };
        let held = self.subjects.entry(subject).or_default();
        held.insert(sequence);
        let surplus = match self.spec.per_subject {
            Some(most) if held.len() > most as usize => held.first().copied(),
            _ => None,
        };
        if let Some(at) = expires {
            self.expiries.insert((at, sequence));
        }
        if let Some(at) = fires {
            self.due.insert((at, sequence));
        }
        let kept = Kept { message: message.clone(), expires, fires, marker };
        self.messages.insert(sequence, kept);
        if let Some(surplus) = surplus {
            self.remove(surplus);
        }
        while self.spec.max_messages.is_some_and(|most| self.messages.len() > most as usize) {
            let Some(oldest) = self.messages.first_key_value().map(|(oldest, _)| *oldest) else {
                break;
            };
            self.remove(oldest);
        }
        message
    }

    /// Forgets everything after `last`, as if it had never been.
    pub(super) fn shorten(&mut self, last: u64) {
        let lost: Vec<u64> =
            self.messages.range(last + 1..).map(|(sequence, _)| *sequence).collect();
        lost.into_iter().for_each(|sequence| drop(self.remove(sequence)));
        self.ids.retain(|_, sequence| *sequence <= last);
        self.id_ages.retain(|(_, id)| self.ids.contains_key(id));
        self.last = self.last.min(last);
    }

    /// The sequence of the last message ever stored.
    pub(super) const fn end(&self) -> u64 {
        self.last
    }

    /// Takes a message out; whether it was there.
    pub(super) fn delete(&mut self, sequence: u64) -> bool {
        self.remove(sequence).is_some()
    }

    fn remove(&mut self, sequence: u64) -> Option<Kept> {
        let kept = self.messages.remove(&sequence)?;
        if let Some(at) = kept.expires {
            self.expiries.remove(&(at, sequence));
        }
        if let Some(at) = kept.fires {
            self.due.remove(&(at, sequence));
        }
        if let Some(held) = self.subjects.get_mut(&kept.message.subject) {
            held.remove(&sequence);
            if held.is_empty() {
                self.subjects.remove(&kept.message.subject);
            }
        }
        Some(kept)
    }

    /// The message at a sequence, if it is still there.
    pub(super) fn at(&self, sequence: u64) -> Option<&StoredMessage> {
        self.messages.get(&sequence).map(|kept| &kept.message)
    }

    /// The messages that `filter` covers after sequence `after`, at most `most`, each with the
    /// number of those that follow it.
    pub(super) fn after(&self, filter: &Subject, after: u64, most: usize) -> Vec<StoredMessage> {
        let mut found: Vec<StoredMessage> = vec![];
        let mut all = 0;
        for message in self.messages.range(after + 1..).map(|(_, kept)| &kept.message) {
            if filter.covers(&message.subject) {
                all += 1;
                if found.len() < most {
                    found.push(message.clone());
                }
            }
        }
        for (index, message) in found.iter_mut().enumerate() {
            message.pending = all - 1 - index as u64;
        }
        found
    }

    /// How many messages `filter` covers after sequence `after`.
    pub(super) fn count_after(&self, filter: &Subject, after: u64) -> u64 {
        let rest = self.messages.range(after + 1..);
        rest.filter(|(_, kept)| filter.covers(&kept.message.subject)).count() as u64
    }

    /// The last message of each subject that `filter` covers, in the order of their sequences.
    pub(super) fn last_of_each(&self, filter: &Subject) -> Vec<StoredMessage> {
        let subjects = self.subjects.iter().filter(|(subject, _)| filter.covers(subject));
        let last: BTreeSet<u64> = subjects.filter_map(|(_, held)| held.last().copied()).collect();
        last.into_iter().filter_map(|sequence| self.at(sequence)).cloned().collect()
    }

    /// The last message that `filter` covers.
    pub(super) fn last(&self, filter: &Subject) -> Option<StoredMessage> {
        let covered = |message: &&StoredMessage| filter.covers(&message.subject);
        match self.subjects.get(filter.as_str()) {
            Some(held) => held.last().and_then(|sequence| self.at(*sequence)).cloned(),
            None => self.messages.values().rev().map(|kept| &kept.message).find(covered).cloned(),
        }
    }
}
