//! What keeps objects that are on their way out, in words that tell a user what to do about it.

use crate::kind::ObjectKey;
use crate::observed::{Live, Observed, is_terminating};
use crate::step::Failure;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many objects are told of one by one.
const TOLD: usize = 5;

/// What is waited for, as it completes "the objects are ..."; empty when nothing is on its way out.
pub(crate) fn sentence(
    leaving: &BTreeSet<ObjectKey>,
    observed: &Observed,
    failed: &BTreeMap<ObjectKey, Failure>,
) -> String {
    if leaving.is_empty() {
        return String::new();
    }
    let word = |key: &ObjectKey| match failed.get(key) {
        Some(failure) => format!("\"{key}\" cannot be deleted: {}", failure.message),
        None => format!("\"{key}\" {}", of_object(observed.get(key))),
    };
    let told: Vec<String> = leaving.iter().take(TOLD).map(word).collect();
    let more = match leaving.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("being removed; {} left: {}{more}", leaving.len(), told.join("; "))
}

fn of_object(live: Option<&Live>) -> String {
    let object = match live {
        Some(Live::Present { object, .. }) => object,
        Some(Live::Unknown(why)) => return format!("cannot be read: {why}"),
        Some(Live::Absent) | None => return "is about to go".to_owned(),
    };
    if !is_terminating(object) {
        return "is there still".to_owned();
    }
    let finalizers = texts(object, "/metadata/finalizers");
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let said = conditions.into_iter().flatten().filter(|condition| {
        let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = text("type");
        text("status") == "True" && (kind.starts_with("Namespace") || kind == "Terminating")
    });
    let said: Vec<&str> = said.filter_map(|c| c.get("message")?.as_str()).collect();
    if !finalizers.is_empty() {
        let all = finalizers.join("\", \"");
        return format!("waits for its finalizers \"{all}\"{}", after(&said));
    }
    match said.is_empty() {
        false => format!("is terminating{}", after(&said)),
        true => "is terminating".to_owned(),
    }
}

fn after(said: &[&str]) -> String {
    if said.is_empty() { String::new() } else { format!(": {}", said.join(", ")) }
}

fn texts<'a>(object: &'a Value, path: &str) -> Vec<&'a str> {
    let all = object.pointer(path).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            resource: "configmaps".into(),
            namespace: "shop".into(),
            name: name.into(),
            ..ObjectKey::default()
        }
    }

    fn said(object: Value) -> String {
        let observed = [(key("x"), Live::found(object))].into();
        sentence(&[key("x")].into(), &observed, &BTreeMap::new())
    }

    #[test]
    fn what_keeps_an_object_is_named() {
        let going = "2026-01-01T00:00:00Z";
        let text = said(json!({ "metadata":
            { "deletionTimestamp": going, "finalizers": ["example.com/hold"] } }));
        let expected = "being removed; 1 left: \"configmaps shop/x\" waits for its finalizers \
                        \"example.com/hold\"";
        assert_eq!(text, expected);
        let remains = json!({ "type": "NamespaceContentRemaining", "status": "True",
            "message": "Some resources are remaining" });
        let text = said(json!({ "metadata": { "deletionTimestamp": going },
            "status": { "conditions": [remains] } }));
        assert!(text.ends_with("is terminating: Some resources are remaining"), "{text}");
    }

    #[test]
    fn what_the_server_refuses_is_told_in_its_words_and_a_crowd_is_counted() {
        let failure = Failure { message: "configmaps \"x\" is forbidden".into(), soon: true };
        let leaving: BTreeSet<ObjectKey> = (0..7).map(|n| key(&n.to_string())).collect();
        let text = sentence(&leaving, &Observed::new(), &[(key("0"), failure)].into());
        assert!(text.contains("cannot be deleted: configmaps \"x\" is forbidden"), "{text}");
        assert!(text.ends_with("; and 2 more"), "{text}");
        assert_eq!(sentence(&BTreeSet::new(), &Observed::new(), &BTreeMap::new()), "");
    }
}
