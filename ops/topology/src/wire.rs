//! Streams and queues in the server's JSON, and the comparison of every field with what it reports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleetlog_bus::{QueueSpec, Storage, StreamSpec, WhenFull};
use serde_json::{Value, json};

use crate::plan::Field;

/// One stream, with every setting that differs from the server's zero.
pub(crate) fn stream(spec: &StreamSpec) -> Value {
    let mut config = json!({
        "name": spec.name,
        "subjects": spec.subjects,
        "storage": if spec.storage == Storage::Memory { "memory" } else { "file" },
        "max_age": spec.max_age.map_or(0, nanos),
        "max_msgs_per_subject": spec.per_subject.map_or(-1, i64::from),
        "max_consumers": spec.max_consumers.map_or(-1, i64::from),
        "discard": if spec.when_full == WhenFull::RefuseNew { "new" } else { "old" },
        "discard_new_per_subject": spec.when_full == WhenFull::RefuseNew,
        "duplicate_window": nanos(spec.duplicate_window),
        "deny_delete": spec.deny_delete,
        "deny_purge": spec.deny_purge,
        "allow_atomic": spec.atomic,
        "allow_direct": spec.direct,
        "allow_msg_ttl": spec.message_ttl,
        // Markers and schedules replace what they stand for: the server turns rollups on with them.
        "allow_rollup_hdrs": spec.marker_ttl.is_some() || spec.schedules,
    });
    if spec.schedules {
        config["allow_msg_schedules"] = json!(true);
    }
    if let Some(ttl) = spec.marker_ttl {
        config["subject_delete_marker_ttl"] = json!(nanos(ttl));
    }
    if let Some((from, to)) = &spec.republish {
        config["republish"] = json!({ "src": from, "dest": to });
    }
    if spec.storage == Storage::FileAsync {
        config["persist_mode"] = json!("async");
    }
    let mut config = with_common(config);
    config["max_msgs"] = json!(spec.max_messages.map_or(-1, i64::from));
    config
}

/// The stream under an object store, as every client expects it.
pub(crate) fn bucket(name: &str) -> Value {
    with_common(json!({
        "name": format!("OBJ_{name}"),
        "subjects": [format!("$O.{name}.C.>"), format!("$O.{name}.M.>")],
        "storage": "file",
        "max_age": 0,
        "max_msgs_per_subject": -1,
        "max_consumers": -1,
        "discard": "new",
        "duplicate_window": nanos(Duration::from_secs(120)),
        "allow_rollup_hdrs": true,
        "allow_direct": true,
    }))
}

/// One durable queue: explicit acknowledgement, redelivered without end.
pub(crate) fn queue(spec: &QueueSpec) -> Value {
    json!({
        "name": spec.durable,
        "durable_name": spec.durable,
        "filter_subject": spec.filter,
        "deliver_policy": "all",
        "replay_policy": "instant",
        "ack_policy": "explicit",
        "ack_wait": nanos(spec.ack_wait),
        "max_ack_pending": spec.max_ack_pending,
        "max_deliver": -1,
        "max_waiting": 512,
    })
}

/// What differs, one field each. A field that only one side has counts as its zero, except those
/// named `_nats.…`, in which the server notes its own versions. What has a name within a list, and
/// each text of a list of texts, is a field of its own.
pub(crate) fn differences(wanted: &Value, reported: &Value) -> Vec<Field> {
    let (mut want, mut have) = (BTreeMap::new(), BTreeMap::new());
    flatten("", wanted, &mut want);
    flatten("", reported, &mut have);
    let names: BTreeSet<&String> = want.keys().chain(have.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let (want, have) = (want.get(name), have.get(name));
        if want != have {
            let (now, wanted) = (have.cloned(), want.cloned());
            let (now, wanted) = (now.unwrap_or_default(), wanted.unwrap_or_default());
            found.push(Field { name: name.clone(), now, wanted });
        }
    }
    found
}

/// Every setting under its path; zeros of any kind are none.
fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Number(n) if n.as_f64() == Some(0.0) => {}
        Value::String(text) if text.is_empty() => {}
        Value::Object(map) => {
            for (name, value) in map.iter().filter(|(name, _)| !name.starts_with("_nats.")) {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, into);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match item {
                    Value::String(text) => {
                        into.insert(format!("{path}[{text}]"), Value::Bool(true));
                    }
                    other => flatten(&format!("{path}[{}]", called(other, index)), other, into),
                }
            }
        }
        other => {
            into.insert(path.to_owned(), other.clone());
        }
    }
}

/// How a member of a list is called: by its role or subject, else by its place.
fn called(item: &Value, index: usize) -> String {
    let name = ["role", "subject", "name"].into_iter().find_map(|name| item[name].as_str());
    name.map_or_else(|| index.to_string(), str::to_owned)
}

pub(crate) fn with_common(mut config: Value) -> Value {
    for (name, value) in [
        ("retention", json!("limits")),
        ("max_msgs", json!(-1)),
        ("max_bytes", json!(-1)),
        ("max_msg_size", json!(-1)),
        ("num_replicas", json!(1)),
        ("compression", json!("none")),
    ] {
        config[name] = value;
    }
    config
}

pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(wanted: &Value, reported: &Value) -> Vec<String> {
        differences(wanted, reported).iter().map(Field::to_string).collect()
    }

    #[test]
    fn a_field_that_nobody_here_knows_is_a_difference_when_it_is_set() {
        let wanted = json!({ "name": "EVENTS" });
        let same =
            json!({ "name": "EVENTS", "new_setting": false, "metadata": {"_nats.ver": "9"} });
        assert_eq!(told(&wanted, &same), Vec::<String>::new());
        let other = json!({ "name": "EVENTS", "new_setting": true });
        assert_eq!(told(&wanted, &other), ["\"new_setting\" is true instead of unset"]);
    }

    #[test]
    fn a_missing_setting_is_a_difference() {
        let wanted = json!({ "deny_delete": true });
        assert_eq!(told(&wanted, &json!({})), ["\"deny_delete\" is unset instead of true"]);
    }

    #[test]
    fn members_of_lists_are_told_one_by_one_whatever_their_order() {
        let role = |name: &str, may: &[&str]| json!({ "role": name, "pub": { "allow": may } });
        let wanted = json!({ "keys": [role("a", &["x", "y"]), role("b", &[])] });
        let moved = json!({ "keys": [role("b", &[]), role("a", &["y", "x"])] });
        assert_eq!(told(&wanted, &moved), Vec::<String>::new());
        let more = json!({ "keys": [role("a", &["x", "z"]), role("b", &[])] });
        assert_eq!(
            told(&wanted, &more),
            [
                "\"keys[a].pub.allow[y]\" is unset instead of true",
                "\"keys[a].pub.allow[z]\" is true instead of unset",
            ]
        );
    }
}
