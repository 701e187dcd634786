//! What would have to change, and what a change would cost: the comparison of what should be with
//! what was found, as data. Nothing is asked and nothing is done here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fleetlog_bus::AUDIT;
use serde::Serialize;
use serde_json::Value;

use crate::wire;

/// The stream that is the truth: nothing of it is ever put at risk.
const TRUTH: &str = "EVENTS";
/// The stream that is derived from it: filled again when it was made anew.
const DERIVED: &str = "WORK";
/// How.
const REFILLED: &str = ", until \"fleetlog projection rebuild work\" has filled it again";
/// Settings of a stream that can only shrink at the cost of what lies beyond them.
const LIMITS: [&str; 4] = ["max_age", "max_bytes", "max_msgs", "max_msgs_per_subject"];
/// Settings of a stream that no update takes.
const FIXED: [&str; 3] = ["storage", "retention", "persist_mode"];
/// Settings of a stream that can be turned on and never off.
const ONE_WAY: [&str; 3] = ["allow_msg_ttl", "deny_delete", "deny_purge"];
/// Settings of a queue that no update takes.
const FIXED_IN_QUEUES: [&str; 3] = ["ack_policy", "deliver_policy", "replay_policy"];

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The server's own settings.
    Server,
    /// An account with its permissions.
    Account,
    /// A stream.
    Stream,
    /// A durable work queue of a stream.
    Consumer,
}

/// The name of one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// The stream it belongs to, of a consumer; else the thing itself.
    pub of: String,
    /// Its own name, of a consumer.
    pub name: Option<String>,
}

impl Key {
    /// A server, an account or a stream.
    #[must_use]
    pub fn new(kind: Kind, name: &str) -> Self {
        Self { kind, of: name.to_owned(), name: None }
    }

    /// A consumer.
    #[must_use]
    pub fn consumer(stream: &str, name: &str) -> Self {
        Self { kind: Kind::Consumer, of: stream.to_owned(), name: Some(name.to_owned()) }
    }

    /// Whether all that it holds lies elsewhere too, so that nothing is ever lost with it: the
    /// mirror that followers read.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.kind == Kind::Stream && self.of == AUDIT
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = &self.of;
        match (self.kind, &self.name) {
            (Kind::Consumer, Some(name)) => write!(f, "queue \"{name}\" of stream \"{of}\""),
            (Kind::Account, _) => write!(f, "account \"{of}\""),
            (Kind::Server, _) => write!(f, "the server's settings"),
            _ => write!(f, "stream \"{of}\""),
        }
    }
}

/// A thing as it should be: its settings in the server's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    /// Its name.
    pub key: Key,
    /// Its settings.
    pub config: Value,
}

/// A thing as it was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Its settings.
    pub config: Value,
    /// Messages in a stream; unfinished ones of a consumer.
    pub messages: u64,
    /// Bytes in a stream.
    pub bytes: u64,
}

/// What has to be done about a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is missing.
    Make,
    /// It differs.
    Change,
    /// It differs in what no update takes: it has to go and be made anew.
    Replace,
    /// Nobody asked for it.
    Remove,
    /// It differs, and becomes right when the hub starts again.
    Restart,
}

/// What a change costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// Nothing.
    Nothing,
    /// Data; the sentence says which.
    Data(String),
    /// What cannot be undone, or cannot be done at all: refused whatever is said.
    Never(String),
}

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Its name in the server's words; members of a list are told one by one.
    pub name: String,
    /// As it is; null where it is not set.
    pub now: Value,
    /// As it should be.
    pub wanted: Value,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Value| match value {
            Value::Null => "unset".to_owned(),
            value => value.to_string(),
        };
        write!(f, "\"{}\" is {} instead of {}", self.name, shown(&self.now), shown(&self.wanted))
    }
}

/// One thing that has to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// How.
    pub action: Action,
    /// What differs; empty for what is made or removed.
    pub fields: Vec<Field>,
    /// What it costs.
    pub cost: Cost,
    /// Its settings as they should be, in the server's words; null for what is removed.
    pub wanted: Value,
}

/// Everything that has to change, in the order in which it is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<Change>,
}

impl Plan {
    /// The changes that may not be made: those that never may, and those that cost data of a stream
    /// not named in `agreed`.
    pub fn refused<'a>(&'a self, agreed: &'a [String]) -> impl Iterator<Item = &'a Change> {
        self.changes.iter().filter(|change| match &change.cost {
            Cost::Nothing => false,
            Cost::Data(_) => !agreed.contains(&change.key.of),
            Cost::Never(_) => true,
        })
    }
}

/// What has to change so that `found` becomes `wanted`. Things of a kind that is not `seen` are
/// left out: nobody looked for them.
#[must_use]
pub fn plan(wanted: &[Thing], found: &BTreeMap<Key, Found>, seen: &BTreeSet<Kind>) -> Plan {
    let wanted: Vec<&Thing> = wanted.iter().filter(|t| seen.contains(&t.key.kind)).collect();
    let mut changes: Vec<Change> =
        wanted.iter().filter_map(|thing| change(thing, found.get(&thing.key))).collect();
    let known: BTreeSet<&Key> = wanted.iter().map(|thing| &thing.key).collect();
    let replaced = changes.iter().filter(|change| change.action == Action::Replace);
    let anew: BTreeSet<Key> = replaced.map(|change| change.key.clone()).collect();
    // The consumers of a stream go with it, and are made anew with it.
    let of_those = |key: &Key, streams: &dyn Fn(&Key) -> bool| {
        key.kind == Kind::Consumer && streams(&Key::new(Kind::Stream, &key.of))
    };
    changes.retain(|change| !of_those(&change.key, &|stream| anew.contains(stream)));
    let again = wanted.iter().filter(|t| of_those(&t.key, &|stream| anew.contains(stream)));
    changes.extend(again.map(|thing| make(thing)));
    let gone = |stream: &Key| !known.contains(stream) || anew.contains(stream);
    let looked_for = found.iter().filter(|(key, _)| seen.contains(&key.kind));
    let strange = looked_for.filter(|(key, _)| !known.contains(key) && !of_those(key, &gone));
    changes.extend(strange.map(|(key, found)| removal(key, found)));
    changes.sort_by_key(order);
    Plan { changes }
}

/// Streams before their queues; what is taken away after what the server may still refuse.
fn order(change: &Change) -> (bool, Kind, bool, Key) {
    let (action, key) = (change.action, change.key.clone());
    (action == Action::Remove, key.kind, action == Action::Replace, key)
}

fn make(thing: &Thing) -> Change {
    let (key, wanted) = (thing.key.clone(), thing.config.clone());
    Change { key, action: Action::Make, fields: vec![], cost: Cost::Nothing, wanted }
}

fn change(thing: &Thing, found: Option<&Found>) -> Option<Change> {
    let (key, wanted) = (thing.key.clone(), thing.config.clone());
    let restarts = matches!(key.kind, Kind::Server | Kind::Account);
    let Some(found) = found else {
        let action = if restarts { Action::Restart } else { Action::Make };
        return Some(Change { action, ..make(thing) });
    };
    let fields = wire::differences(&thing.config, &found.config);
    if fields.is_empty() {
        return None;
    }
    if restarts {
        return Some(Change { action: Action::Restart, fields, ..make(thing) });
    }
    let (action, cost) = match key.kind {
        Kind::Stream => of_stream(&key, &fields, found),
        _ => of_queue(&fields, found),
    };
    Some(Change { key, action, fields, cost, wanted })
}

fn of_stream(key: &Key, fields: &[Field], found: &Found) -> (Action, Cost) {
    if key.is_copy() {
        // What it missed under other settings comes only with a new one.
        let replicas_alone = fields.iter().all(|field| field.name == "num_replicas");
        let action = if replicas_alone { Action::Change } else { Action::Replace };
        return (action, Cost::Nothing);
    }
    let truth = key.of == TRUTH;
    let named = |name: &str| fields.iter().find(|field| field.name == name);
    let on = |value: &Value| *value == Value::Bool(true);
    if truth && named("allow_msg_ttl").is_some_and(|field| on(&field.wanted)) {
        let why = "a message that may run out could take events away, and it cannot be undone";
        return (Action::Change, Cost::Never(why.to_owned()));
    }
    let fixed = fields.iter().find(|field| {
        FIXED.contains(&field.name.as_str())
            || (ONE_WAY.contains(&field.name.as_str()) && on(&field.now))
    });
    if let Some(Field { name, .. }) = fixed {
        let cost = match (truth, found.messages) {
            (true, _) => Cost::Never(format!(
                "\"{name}\" cannot be changed, and the truth is never made anew"
            )),
            (false, 0) => Cost::Nothing,
            (false, held) => Cost::Data(format!(
                "\"{name}\" cannot be changed: the stream is made anew, its {held} messages go{}",
                if key.of == DERIVED { REFILLED } else { "" }
            )),
        };
        return (Action::Replace, cost);
    }
    let shrinks: Vec<&str> = LIMITS
        .into_iter()
        .filter(|name| named(name).is_some_and(|field| would_cut(field, found)))
        .collect();
    match shrinks.as_slice() {
        [] => (Action::Change, Cost::Nothing),
        some if truth => {
            let why = format!("a smaller {} would take events away", some.join(", "));
            (Action::Change, Cost::Never(why))
        }
        some => {
            let held = found.messages;
            let why = format!("a smaller {} may take some of {held} messages", some.join(", "));
            (Action::Change, Cost::Data(why))
        }
    }
}

/// Whether a smaller limit can reach what the stream holds.
fn would_cut(field: &Field, found: &Found) -> bool {
    // Zero and less are no limit.
    let limit = |value: &Value| value.as_u64().filter(|limit| *limit > 0).unwrap_or(u64::MAX);
    let (now, wanted) = (limit(&field.now), limit(&field.wanted));
    let reached = match field.name.as_str() {
        "max_bytes" => found.bytes > wanted,
        "max_msgs" => found.messages > wanted,
        _ => found.messages > 0,
    };
    wanted < now && reached
}

fn of_queue(fields: &[Field], found: &Found) -> (Action, Cost) {
    let fixed = fields.iter().find(|field| FIXED_IN_QUEUES.contains(&field.name.as_str()));
    match (fixed, found.messages) {
        (None, _) => (Action::Change, Cost::Nothing),
        (Some(_), 0) => (Action::Replace, Cost::Nothing),
        (Some(Field { name, .. }), waiting) => (
            Action::Replace,
            Cost::Data(format!(
                "\"{name}\" cannot be changed: the queue is made anew, with {waiting} messages not \
                yet handled"
            )),
        ),
    }
}

fn removal(key: &Key, found: &Found) -> Change {
    let held = found.messages;
    let cost = match (key.kind, held) {
        (_, 0) => Cost::Nothing,
        _ if key.is_copy() => Cost::Nothing,
        (Kind::Consumer, _) => Cost::Data(format!("{held} messages are not yet handled")),
        _ => Cost::Data(format!("its {held} messages go")),
    };
    Change { key: key.clone(), action: Action::Remove, fields: vec![], cost, wanted: Value::Null }
}

#[cfg(test)]
mod tests;
