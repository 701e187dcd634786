//! Objects that pass: leases and events (spec/gateway 5.12). No service decides on them; the
//! gateway keeps them beside the log, in streams of their own, and their versions count in these.
//! What they may become is said here; an event is kept in the words of the group without a name and
//! shown in those of either.

use crate::kinds::{Kind, served};
use crate::status::{Cause, Status};
use fleetlog_kernel::Timestamp;
use serde_json::{Map, Value, json};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Leases.
    Lease,
    /// Events, in the words of both groups.
    Event,
}

/// The largest that is kept, in bytes.
const LARGEST: usize = 64 * 1_024;

/// The words of the newer group, and those of the older.
const WORDS: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// What becomes of an object by a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Became {
    /// It is so from now on.
    This(Value),
    /// It is gone.
    Gone,
}

impl Passing {
    /// What objects of a kind are, if they pass.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        match (kind.0.group, kind.0.kind) {
            ("coordination.k8s.io", "Lease") => Some(Self::Lease),
            ("" | "events.k8s.io", "Event") => Some(Self::Event),
            _ => None,
        }
    }

    /// The kinds that such objects are served as.
    pub fn kinds(self) -> impl Iterator<Item = Kind> {
        served().filter(move |kind| Self::of(*kind) == Some(self))
    }
}

/// An object as it is kept: without its version, in one group's words; its size is bounded.
///
/// # Errors
/// 413 for one that is too large.
pub fn kept(kind: Kind, object: &Value) -> Result<Vec<u8>, Status> {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.retain(|_, value| !value.is_null());
    }
    if kind.0.group == "events.k8s.io" {
        object = said(object, WORDS, ("v1", "Event"));
    }
    let bytes = object.to_string().into_bytes();
    if bytes.len() > LARGEST {
        let message = format!("Request entity too large: limit is {LARGEST}");
        return Err(Status::new(413, "RequestEntityTooLarge", message));
    }
    Ok(bytes)
}

/// What is kept, as a kind shows it.
#[must_use]
pub fn shown(kind: Kind, kept: &Value, version: &str) -> Value {
    let mut object = kept.clone();
    if kind.0.group == "events.k8s.io" {
        let back = WORDS.map(|(new, old)| (old, new));
        object = said(object, back, ("events.k8s.io/v1", "Event"));
    }
    object["metadata"]["resourceVersion"] = json!(version);
    object
}

/// An object with its fields under other names.
fn said<const N: usize>(
    object: Value,
    words: [(&'static str, &'static str); N],
    (version, kind): (&str, &str),
) -> Value {
    let Value::Object(fields) = object else { return object };
    let renamed = fields.into_iter().map(|(name, value)| {
        let word = words.iter().find(|(from, _)| *from == name).map(|(_, to)| (*to).to_owned());
        (word.unwrap_or(name), value)
    });
    let mut renamed: Map<String, Value> = renamed.collect();
    renamed.insert("apiVersion".to_owned(), json!(version));
    renamed.insert("kind".to_owned(), json!(kind));
    Value::Object(renamed)
}

/// A new one.
///
/// # Errors
/// 422 for an event that lies elsewhere than what it is about.
pub fn born(kind: Kind, mut object: Value, uid: &str, now: Timestamp) -> Result<Value, Status> {
    placed(kind, &object)?;
    object["metadata"]["uid"] = json!(uid);
    object["metadata"]["creationTimestamp"] = json!(fleetlog_rules::time(now));
    Ok(object)
}

/// An event lies in the namespace of its object, or in `default` if that has none.
fn placed(kind: Kind, object: &Value) -> Result<(), Status> {
    let field = match (kind.0.group, kind.0.kind) {
        ("", "Event") => "involvedObject",
        ("events.k8s.io", "Event") => "regarding",
        _ => return Ok(()),
    };
    let text = |value: &Value| value["namespace"].as_str().unwrap_or_default().to_owned();
    let (of, in_) = (text(&object[field]), text(&object["metadata"]));
    if of == in_ || (of.is_empty() && in_ == "default") {
        return Ok(());
    }
    let message = format!("Invalid value: \"{of}\": does not match event.namespace \"{in_}\"");
    let field = format!("{field}.namespace");
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Status::invalid(kind, name, vec![Cause { reason: "FieldValueInvalid", message, field }]))
}

/// One that is written anew: on its way out it takes no new finalizer, and goes with the last one.
///
/// # Errors
/// 422 for a finalizer that comes too late, and as [`born`].
pub fn changed(kind: Kind, current: &Value, after: Value) -> Result<Became, Status> {
    placed(kind, &after)?;
    if current["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Became::This(after));
    }
    let (before, now) = (finalizers(current), finalizers(&after));
    if let Some(late) = now.iter().find(|finalizer| !before.contains(finalizer)) {
        let message = format!(
            "Forbidden: no new finalizers can be added if the object is being deleted, found new \
             finalizers [{late}]"
        );
        let field = "metadata.finalizers".to_owned();
        let cause = Cause { reason: "FieldValueForbidden", message, field };
        let name = after["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Status::invalid(kind, name, vec![cause]));
    }
    Ok(if now.is_empty() { Became::Gone } else { Became::This(after) })
}

/// One that is deleted: gone, or on its way out while it has finalizers.
#[must_use]
pub fn deleted(current: &Value, now: Timestamp) -> Became {
    if finalizers(current).is_empty() {
        return Became::Gone;
    }
    let mut object = current.clone();
    if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = json!(fleetlog_rules::time(now));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    }
    Became::This(object)
}

fn finalizers(object: &Value) -> Vec<&str> {
    let all = object["metadata"]["finalizers"].as_array();
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;
    use proptest::prelude::*;

    fn event(group: &str) -> Kind {
        find(group, "v1", "events").unwrap()
    }

    fn told() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "c1"},
            "involvedObject": {"kind": "ManagedCluster", "name": "c1", "namespace": "c1"},
            "message": "m", "count": 2, "source": {"component": "s"}, "type": "Normal",
        })
    }

    #[test]
    fn an_event_is_shown_in_the_words_of_either_group() {
        let kept: Value = serde_json::from_slice(&kept(event(""), &told()).unwrap()).unwrap();
        let new = shown(event("events.k8s.io"), &kept, "7");
        let wanted = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "type": "Normal", "note": "m",
            "metadata": {"name": "e", "namespace": "c1", "resourceVersion": "7"},
            "regarding": {"kind": "ManagedCluster", "name": "c1", "namespace": "c1"},
            "deprecatedCount": 2, "deprecatedSource": {"component": "s"},
        });
        assert_eq!(new, wanted);
        let back = super::kept(event("events.k8s.io"), &new).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&back).unwrap(), kept);
    }

    #[test]
    fn an_event_lies_where_its_object_does() {
        let now = Timestamp::of_seconds(0);
        let in_ = |namespace: &str, of: Value| {
            let mut object = told();
            object["metadata"]["namespace"] = json!(namespace);
            object["involvedObject"]["namespace"] = of;
            born(event(""), object, "u", now).map(drop).map_err(|status| status.code)
        };
        assert_eq!(in_("c1", json!("c1")), Ok(()));
        assert_eq!(in_("default", json!(null)), Ok(()));
        assert_eq!(in_("c1", json!("c2")), Err(422));
        assert_eq!(in_("c1", json!(null)), Err(422));
    }

    #[test]
    fn what_has_finalizers_waits_for_them() {
        let lease = find("coordination.k8s.io", "v1", "leases").unwrap();
        let now = Timestamp::of_seconds(0);
        let plain = json!({"metadata": {"name": "l"}});
        assert_eq!(deleted(&plain, now), Became::Gone);
        let held = json!({"metadata": {"name": "l", "finalizers": ["a/b"]}});
        let Became::This(going) = deleted(&held, now) else { panic!("it is held") };
        assert_eq!(going["metadata"]["deletionTimestamp"], "1970-01-01T00:00:00Z");
        let mut late = going.clone();
        late["metadata"]["finalizers"] = json!(["a/b", "c/d"]);
        assert_eq!(changed(lease, &going, late).unwrap_err().code, 422);
        assert_eq!(changed(lease, &going, plain.clone()).unwrap(), Became::Gone);
        assert_eq!(changed(lease, &held, plain.clone()).unwrap(), Became::This(plain));
    }

    #[test]
    fn what_is_too_large_is_413() {
        let large = json!({"metadata": {}, "message": "x".repeat(LARGEST)});
        assert_eq!(kept(event(""), &large).unwrap_err().code, 413);
    }

    proptest! {
        #[test]
        fn words_go_there_and_back(names in prop::collection::btree_set("[a-j]{1,3}", 0..4)) {
            let mut given = json!({"metadata": {"name": "e"}, "note": "n", "regarding": {}});
            for name in names {
                given[name] = json!(1);
            }
            let kind = event("events.k8s.io");
            let kept: Value = serde_json::from_slice(&kept(kind, &given).unwrap()).unwrap();
            let mut back = shown(kind, &kept, "1");
            let fields = back.as_object_mut().unwrap();
            fields.remove("apiVersion");
            fields.remove("kind");
            back["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            prop_assert_eq!(back, given);
        }
    }
}
