//! What would have to change, and what a change would cost: the comparison of what should be with
//! what was found, as data. Nothing is asked and nothing is done here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::wire;

/// The stream that is the truth: nothing of it is ever put at risk.
const TRUTH: &str = "EVENTS";
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
    let looked_for = found.iter().filter(|(key, _)| seen.contains(&key.kind));
    let strange = looked_for.filter(|(key, _)| !known.contains(key));
    // The consumers of a stream go with it.
    let gone = |key: &Key| {
        let stream = Key::new(Kind::Stream, &key.of);
        key.kind == Kind::Consumer && !known.contains(&stream)
    };
    changes.extend(strange.filter(|(key, _)| !gone(key)).map(|(key, found)| removal(key, found)));
    changes.sort_by_key(|change| (change.action == Action::Remove, change.key.clone()));
    Plan { changes }
}

fn change(thing: &Thing, found: Option<&Found>) -> Option<Change> {
    let key = thing.key.clone();
    let restarts = matches!(key.kind, Kind::Server | Kind::Account);
    let Some(found) = found else {
        let action = if restarts { Action::Restart } else { Action::Make };
        return Some(Change { key, action, fields: vec![], cost: Cost::Nothing });
    };
    let fields = wire::differences(&thing.config, &found.config);
    if fields.is_empty() {
        return None;
    }
    if restarts {
        return Some(Change { key, action: Action::Restart, fields, cost: Cost::Nothing });
    }
    let (action, cost) = match key.kind {
        Kind::Stream => of_stream(&key, &fields, found),
        _ => of_queue(&fields, found),
    };
    Some(Change { key, action, fields, cost })
}

fn of_stream(key: &Key, fields: &[Field], found: &Found) -> (Action, Cost) {
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
                "\"{name}\" cannot be changed: the stream is made anew, its {held} messages go"
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
        (Kind::Consumer, _) => Cost::Data(format!("{held} messages are not yet handled")),
        _ => Cost::Data(format!("its {held} messages go")),
    };
    Change { key: key.clone(), action: Action::Remove, fields: vec![], cost }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::things::in_jetstream;
    use serde_json::json;

    const DAY: u64 = 86_400_000_000_000;

    /// A hub as it should be, each stream holding some messages.
    fn hub(profile: Profile) -> BTreeMap<Key, Found> {
        let held =
            |thing: Thing| (thing.key, Found { config: thing.config, messages: 4, bytes: 4_000 });
        in_jetstream(profile).into_iter().map(held).collect()
    }

    fn stream(name: &str) -> Key {
        Key::new(Kind::Stream, name)
    }

    /// The plan for a hub after `drift` happened to it.
    fn after(drift: impl FnOnce(&mut BTreeMap<Key, Found>)) -> Plan {
        let mut found = hub(Profile::Dev);
        drift(&mut found);
        let seen = BTreeSet::from([Kind::Stream, Kind::Consumer]);
        plan(&in_jetstream(Profile::Dev), &found, &seen)
    }

    /// The one change of a stream whose setting was altered.
    fn altered(name: &str, setting: &str, value: Value) -> Change {
        let plan = after(|found| found.get_mut(&stream(name)).unwrap().config[setting] = value);
        let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
        assert_eq!((&change.key, change.fields.len()), (&stream(name), 1));
        change.clone()
    }

    fn needs(plan: &Plan, agreed: &[&str]) -> Vec<String> {
        let agreed: Vec<String> = agreed.iter().map(|&name| name.to_owned()).collect();
        plan.refused(&agreed).map(|change| change.key.to_string()).collect()
    }

    #[test]
    fn a_hub_as_it_should_be_needs_no_changes() {
        assert_eq!(after(|_| {}), Plan::default());
    }

    #[test]
    fn each_altered_setting_is_told_with_both_values() {
        let change = altered("CMD", "max_age", json!(DAY));
        assert_eq!(change.action, Action::Change);
        assert_eq!(change.fields[0].to_string().split(" is ").next(), Some("\"max_age\""));
        assert_eq!(
            (&change.fields[0].now, &change.fields[0].wanted),
            (&json!(DAY), &json!(30 * DAY))
        );
        assert_eq!(change.cost, Cost::Nothing, "a limit that grows takes nothing");
    }

    #[test]
    fn what_is_missing_is_made_streams_before_their_queues() {
        let plan = after(|found| {
            found.retain(|key, _| key.of != "DO");
            found.remove(&Key::consumer("CMD", "cmd-work"));
        });
        let made: Vec<String> = plan.changes.iter().map(|c| c.key.to_string()).collect();
        assert_eq!(made[0], "stream \"DO\"");
        assert!(made.contains(&"queue \"cmd-work\" of stream \"CMD\"".to_owned()), "{made:?}");
        assert!(plan.changes.iter().all(|c| c.action == Action::Make && c.cost == Cost::Nothing));
    }

    #[test]
    fn a_limit_that_shrinks_below_what_is_there_is_refused_unless_its_stream_is_named() {
        let change = altered("RESULT", "max_age", json!(90 * DAY));
        assert!(matches!(change.cost, Cost::Data(_)), "{change:?}");
        let plan = Plan { changes: vec![change] };
        assert_eq!(needs(&plan, &[]), ["stream \"RESULT\""]);
        assert_eq!(needs(&plan, &["CMD"]), ["stream \"RESULT\""]);
        assert_eq!(needs(&plan, &["RESULT"]), Vec::<String>::new());
        let empty = after(|found| {
            let stream = found.get_mut(&stream("RESULT")).unwrap();
            stream.config["max_age"] = json!(90 * DAY);
            stream.messages = 0;
        });
        assert_eq!(empty.changes[0].cost, Cost::Nothing, "an empty stream has nothing to lose");
    }

    #[test]
    fn storage_and_retention_are_changed_by_making_the_stream_anew() {
        for (name, setting, value) in
            [("LEASE", "storage", json!("file")), ("CMD", "retention", json!("workqueue"))]
        {
            let change = altered(name, setting, value);
            assert_eq!(change.action, Action::Replace);
            assert!(matches!(change.cost, Cost::Data(_)), "{change:?}");
        }
        let change = altered("EVENTS", "storage", json!("memory"));
        assert!(matches!(change.cost, Cost::Never(_)), "the truth is never made anew");
    }

    #[test]
    fn message_ttls_on_the_truth_are_never_turned_on() {
        let mut wanted = in_jetstream(Profile::Dev);
        let events = wanted.iter_mut().find(|thing| thing.key == stream("EVENTS")).unwrap();
        events.config["allow_msg_ttl"] = json!(true);
        let plan = plan(&wanted, &hub(Profile::Dev), &BTreeSet::from([Kind::Stream]));
        assert!(matches!(plan.changes[0].cost, Cost::Never(_)), "{plan:?}");
        assert_eq!(needs(&plan, &["EVENTS"]), ["stream \"EVENTS\""]);
        let on = altered("EVENTS", "allow_msg_ttl", json!(true));
        assert!(matches!(on.cost, Cost::Never(_)), "and never withdrawn: {on:?}");
    }

    #[test]
    fn what_nobody_asked_for_goes_and_what_it_holds_is_asked_for() {
        let strange = |messages| Found { config: json!({"name": "OLD"}), messages, bytes: 0 };
        let plan = after(|found| {
            found.insert(stream("OLD"), strange(3));
            found.insert(Key::consumer("OLD", "reader"), strange(3));
            found.insert(Key::consumer("CMD", "spare"), strange(0));
            found.insert(Key::consumer("DO", "stuck"), strange(2));
        });
        assert!(plan.changes.iter().all(|change| change.action == Action::Remove), "{plan:?}");
        assert_eq!(plan.changes.len(), 3, "the consumers of a stream go with it");
        let of = ["stream \"OLD\"", "queue \"stuck\" of stream \"DO\""];
        assert_eq!(needs(&plan, &[]), of);
        assert_eq!(needs(&plan, &["OLD", "DO"]), Vec::<String>::new());
    }

    #[test]
    fn a_profile_is_a_plan_from_another() {
        let seen = BTreeSet::from([Kind::Stream, Kind::Consumer]);
        let larger = plan(&in_jetstream(Profile::Ha), &hub(Profile::Dev), &seen);
        let streams = in_jetstream(Profile::Ha).iter().filter(|t| t.key.name.is_none()).count();
        assert_eq!(larger.changes.len(), streams, "each stream gets three replicas");
        let replicas = |change: &Change| change.fields.iter().any(|f| f.name == "num_replicas");
        assert!(larger.changes.iter().all(|c| c.action == Action::Change && replicas(c)));
        let bounded = |change: &Change| change.fields.iter().any(|f| f.name == "max_bytes");
        let bounded: Vec<_> = larger.changes.iter().filter(|c| bounded(c)).collect();
        assert_eq!(bounded.len(), 1);
        assert_eq!((&bounded[0].key, &bounded[0].cost), (&stream("DLQ"), &Cost::Nothing));
    }

    #[test]
    fn accounts_and_the_servers_settings_wait_for_a_start_and_only_where_they_are_seen() {
        let account = Thing { key: Key::new(Kind::Account, "HUB"), config: json!({"a": 1}) };
        let found = BTreeMap::from([(account.key.clone(), Found::default())]);
        let unseen = plan(std::slice::from_ref(&account), &BTreeMap::new(), &BTreeSet::new());
        assert_eq!(unseen, Plan::default());
        let plan = plan(&[account], &found, &BTreeSet::from([Kind::Account]));
        assert_eq!(plan.changes[0].action, Action::Restart);
        assert_eq!(plan.changes[0].fields[0].name, "a");
    }
}
