//! A machine with what the chassis knows of its aggregates, and the position it stands at: the
//! unit that is folded, hashed, saved and restored. Synchronous; the loops share it.

use crate::machine::{Decided, Denied, Effect, Machine, Request, Unreadable};
use crate::rebuild::{self, is_projection};
use fleetlog_kernel::{Actor, CommandId, Digest, Position, Service};
use fleetlog_messages::common::{DoneCommand, Head, Row, RowHash, Snapshot};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use prost::Message as _;
use std::collections::BTreeMap;

/// The format of rows; a snapshot of another is passed over. 2: events are named as version 2 of
/// their schemas does. 3: what was told is counted up to [`TOLD_PER_COMMIT`].
pub const FORMAT: u32 = 3;
/// How many users' commands an aggregate remembers to answer repeats without its RESULT.
const RECENT: usize = 16;
const HEAD: &str = "head/";

/// A machine, its aggregates' heads, and how far it has folded the log.
pub struct Hosted<M> {
    machine: M,
    heads: BTreeMap<AggregateId, Head>,
    position: Position,
    /// The id of the commit there, by which another log is told from this one.
    commit: String,
}

impl<M: Machine + Default> Default for Hosted<M> {
    fn default() -> Self {
        Self {
            machine: M::default(),
            heads: BTreeMap::new(),
            position: Position::START,
            commit: String::new(),
        }
    }
}

impl<M: Machine> Hosted<M> {
    /// The machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, to be changed behind the log's back: tests of `replay --verify` alone do that.
    pub const fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// How far the log is folded in.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The id of the commit at [`Self::position`]; empty before the first.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// How many aggregates of its own it has: what a snapshot costs grows with them.
    pub fn aggregates(&self) -> u64 {
        self.heads.len() as u64
    }

    /// Decides a command, by the machine or, about the projection itself, by the chassis.
    ///
    /// # Errors
    /// A refusal, or that the payload cannot be read.
    pub fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        match is_projection(&request.target) {
            true => rebuild::decide(request),
            false => self.machine.decide(request),
        }
    }

    /// Whether a command speaks of each aggregate by itself, as the machine says.
    pub fn speaks_of_each(&self, request: &Request) -> bool {
        !is_projection(&request.target) && self.machine.speaks_of_each(request)
    }

    /// The head of an aggregate of this service; the default before its first commit.
    pub fn head(&self, aggregate: &AggregateId) -> Head {
        self.heads.get(aggregate).cloned().unwrap_or_default()
    }

    /// Folds the next commit and says what follows from it. A position at or before the one
    /// already reached is a repeat: nothing happens.
    ///
    /// # Errors
    /// When the machine cannot read it; the position does not move.
    pub fn apply(&mut self, commit: &Recorded) -> Result<Vec<Effect<M::Effect>>, Unreadable> {
        let is_new = self.fold(commit)? && !is_projection(&commit.aggregate);
        Ok(if is_new { self.machine.react(commit) } else { vec![] })
    }

    /// Folds the next commit; what follows from it is not asked for. Answers whether it was new.
    ///
    /// # Errors
    /// When the machine cannot read it; the position does not move.
    pub fn fold(&mut self, commit: &Recorded) -> Result<bool, Unreadable> {
        if commit.position <= self.position {
            return Ok(false);
        }
        if !is_projection(&commit.aggregate) {
            self.machine.apply(commit)?;
        }
        if commit.aggregate.service == M::SERVICE {
            let head = self.heads.entry(commit.aggregate.clone()).or_default();
            advance(head, commit);
        }
        self.position = commit.position;
        commit.header.id.as_str().clone_into(&mut self.commit);
        Ok(true)
    }

    /// Whether the command number `index` that `from` sent because of `cause` was handled before.
    pub fn has_handled(
        &self,
        to: &AggregateId,
        from: Service,
        cause: Position,
        index: u64,
    ) -> bool {
        let newest = self.heads.get(to).and_then(|h| h.handled.get(from.token()));
        newest.is_some_and(|newest| told_order(cause, index) <= *newest)
    }

    /// The commit that a user's command led to, if the aggregate remembers it.
    pub fn done(&self, to: &AggregateId, actor: &Actor, id: &CommandId) -> Option<DoneCommand> {
        let key = done_key(actor.as_str(), id);
        self.heads.get(to)?.recent.iter().rev().find(|done| done.key == key).cloned()
    }

    /// Whether an aggregate has forgotten commands that changed it.
    pub fn forgets(&self, to: &AggregateId) -> bool {
        self.heads.get(to).is_some_and(|head| head.recent.len() >= RECENT)
    }

    /// The whole state as rows in the order of their keys.
    pub fn rows(&self) -> Vec<Row> {
        let heads = self.heads.iter().map(|(aggregate, head)| Row {
            key: format!("{HEAD}{}", aggregate.event()),
            value: head.encode_to_vec(),
        });
        let mut rows = self.machine.rows();
        rows.extend(heads);
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// The state hash: over the canonical encoding of every row.
    pub fn hash(&self) -> String {
        hash_of(self.position, &self.rows())
    }

    /// Each row's key with the hash of its value.
    pub fn row_hashes(&self) -> Vec<RowHash> {
        let hash = |row: &Row| fleetlog_kernel::ContentHash::of(&row.value).to_string();
        self.rows().iter().map(|row| RowHash { key: row.key.clone(), hash: hash(row) }).collect()
    }

    /// The state as a snapshot.
    pub fn snapshot(&self) -> Snapshot {
        let rows = self.rows();
        let hash = hash_of(self.position, &rows);
        Snapshot {
            format: FORMAT,
            service: M::SERVICE.to_string(),
            position: self.position.0,
            rows,
            hash,
            commit: self.commit.clone(),
            version: M::VERSION,
        }
    }

    /// The state of a snapshot.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub fn restore(snapshot: &Snapshot) -> Result<Self, String> {
        let position = Position(snapshot.position);
        if snapshot.format != FORMAT || snapshot.service != M::SERVICE.token() {
            return Err(format!("it is of {} in format {}", snapshot.service, snapshot.format));
        }
        if snapshot.version != M::VERSION {
            let (theirs, ours) = (snapshot.version, M::VERSION);
            return Err(format!("it is of version {theirs} of the state, this build has {ours}"));
        }
        if hash_of(position, &snapshot.rows) != snapshot.hash {
            return Err("its hash does not match its rows".to_owned());
        }
        let is_head = |row: &&Row| row.key.starts_with(HEAD);
        let (heads, rows): (Vec<&Row>, Vec<&Row>) = snapshot.rows.iter().partition(is_head);
        let rows: Vec<Row> = rows.into_iter().cloned().collect();
        let heads = heads.into_iter().map(read_head).collect::<Result<_, _>>()?;
        let commit = snapshot.commit.clone();
        Ok(Self { machine: M::restore(&rows)?, heads, position, commit })
    }
}

/// How many commands may follow from one commit.
pub const TOLD_PER_COMMIT: u64 = 1 << 20;

/// One number that orders what a service told: cause first, index within it second.
pub const fn told_order(cause: Position, index: u64) -> u64 {
    cause.0.saturating_mul(TOLD_PER_COMMIT).saturating_add(index)
}

fn done_key(actor: &str, id: &CommandId) -> String {
    format!("{actor}/{id}")
}

fn advance(head: &mut Head, commit: &Recorded) {
    let header = &commit.header;
    head.position = commit.position.0;
    head.version = header.version;
    match header.actor.strip_prefix("service:") {
        Some(from) => {
            let newest = head.handled.entry(from.to_owned()).or_default();
            *newest = (*newest).max(told_order(header.cause, header.cause_index));
        }
        None if ["cluster:", "timer:"].iter().any(|kind| header.actor.starts_with(kind)) => {}
        None => {
            let key = done_key(&header.actor, &header.command);
            let (position, types) = (commit.position.0, header.types.clone());
            head.recent.push(DoneCommand { key, position, types });
            let surplus = head.recent.len().saturating_sub(RECENT);
            head.recent.drain(..surplus);
        }
    }
}

fn read_head(row: &Row) -> Result<(AggregateId, Head), String> {
    let aggregate = row.key.strip_prefix(HEAD).and_then(AggregateId::of_event);
    let aggregate = aggregate.ok_or_else(|| format!("row \"{}\" names no aggregate", row.key))?;
    let head =
        Head::decode(row.value.as_slice()).map_err(|e| format!("row \"{}\": {e}", row.key))?;
    Ok((aggregate, head))
}

fn hash_of(position: Position, rows: &[Row]) -> String {
    let mut digest = Digest::default();
    digest.part(&position.0.to_be_bytes());
    for row in rows {
        digest.part(row.key.as_bytes());
        digest.part(&row.value);
    }
    digest.finish().to_string()
}
