//! Label and field selectors: reading and matching. Only the fields that a real API server can
//! select by are accepted, so that nothing works here that fails there.

use serde_json::Value;

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::request::Query;
use crate::stored::Stored;

/// Which objects of a collection are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl Selector {
    /// The selectors of a request for objects of `kind`.
    pub(crate) fn of(query: &Query, kind: &Kind) -> Result<Self, Failure> {
        let labels = query.get("labelSelector").map_or(Ok(vec![]), labels)?;
        let fields = query.get("fieldSelector").map_or(Ok(vec![]), |text| fields(text, kind))?;
        Ok(Self { labels, fields })
    }

    /// Whether a stored object is meant; reads no more of it than the selector needs.
    pub(crate) fn selects(&self, object: &Stored) -> bool {
        let of_meta = |(path, _, _): &(String, bool, String)| path.starts_with("metadata.");
        if self.is_empty() {
            true
        } else if self.fields.iter().all(of_meta) {
            self.matches(&object.meta_value())
        } else {
            self.matches(&object.to_value())
        }
    }

    /// It selects everything.
    fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object, given as JSON with its metadata, is meant.
    fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|r| r.rule.holds(label(&r.key)))
            && self.fields.iter().all(|(path, equal, wanted)| {
                let pointer = format!("/{}", path.replace('.', "/"));
                let found = object.pointer(&pointer).and_then(Value::as_str).unwrap_or("");
                (found == wanted) == *equal
            })
    }
}

impl Rule {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match self {
            Self::In(set) => value.is_some_and(|v| set.iter().any(|s| s == v)),
            Self::NotIn(set) => value.is_none_or(|v| set.iter().all(|s| s != v)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Above(bound) => number().is_some_and(|n| n > *bound),
            Self::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

fn labels(text: &str) -> Result<Vec<Requirement>, Failure> {
    parts(text)
        .into_iter()
        .map(|part| {
            requirement(part).ok_or_else(|| {
                Failure::bad_request(format!("unable to parse requirement: \"{part}\""))
            })
        })
        .collect()
}

/// Splits at the commas outside parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    let made = |key: &str, rule| {
        let key = key.trim();
        let fine = !key.is_empty() && !key.contains(|c: char| " =!(),<>".contains(c));
        fine.then(|| Requirement { key: key.to_owned(), rule })
    };
    let set = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_owned()).collect())
    };
    let one = |text: &str| vec![text.trim().to_owned()];
    if let Some((key, values)) = part.split_once(" notin ") {
        made(key, Rule::NotIn(set(values)?))
    } else if let Some((key, values)) = part.split_once(" in ") {
        made(key, Rule::In(set(values)?))
    } else if let Some((key, value)) = part.split_once("!=") {
        made(key, Rule::NotIn(one(value)))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        made(key, Rule::In(one(value)))
    } else if let Some((key, value)) = part.split_once('>') {
        made(key, Rule::Above(value.trim().parse().ok()?))
    } else if let Some((key, value)) = part.split_once('<') {
        made(key, Rule::Below(value.trim().parse().ok()?))
    } else if let Some(key) = part.strip_prefix('!') {
        made(key, Rule::Absent)
    } else {
        made(part, Rule::Exists)
    }
}

fn fields(text: &str, kind: &Kind) -> Result<Vec<(String, bool, String)>, Failure> {
    let read = |part: &str| {
        let (key, equal, value) = if let Some((key, value)) = part.split_once("!=") {
            (key, false, value)
        } else {
            let pair = part.split_once("==").or_else(|| part.split_once('='));
            let (key, value) = pair.ok_or_else(|| {
                Failure::bad_request(format!("invalid selector: '{part}'; can't understand it"))
            })?;
            (key, true, value)
        };
        if selectable(kind, key) {
            return Ok((key.to_owned(), equal, value.to_owned()));
        }
        let message = format!("field label not supported: {key}");
        Err(Failure::bad_request(message))
    };
    text.split(',').filter(|part| !part.is_empty()).map(read).collect()
}

fn selectable(kind: &Kind, field: &str) -> bool {
    let more: &[&str] = match &*kind.id {
        "pods" => &["spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"],
        "secrets" => &["type"],
        "namespaces" => &["status.phase"],
        "jobs.batch" => &["status.successful"],
        "nodes" => &["spec.unschedulable"],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "reason",
            "type",
        ],
        _ => &[],
    };
    field == "metadata.name"
        || (field == "metadata.namespace" && kind.namespaced)
        || more.contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use proptest::prelude::*;
    use serde_json::json;

    fn pods(query: &str) -> Result<Selector, Failure> {
        let kind = kinds::find("", "pods").expect("pods are built in");
        Selector::of(&Query::parse(query), &kind)
    }

    #[test]
    fn every_operator_of_label_selectors_selects() {
        let object = json!({"metadata": {"name": "p", "labels": {"app": "a", "tier": "3"}}});
        for (selector, expected) in [
            ("app=a", true),
            ("app==b", false),
            ("app!=b", true),
            ("none!=b", true),
            ("app in (a,b),tier", true),
            ("app notin (a,b)", false),
            ("!app", false),
            ("!none", true),
            ("tier>2", true),
            ("tier<3", false),
        ] {
            let query = format!("labelSelector={}", selector.replace(' ', "%20"));
            let read = pods(&query).expect(selector);
            assert_eq!(read.matches(&object), expected, "{selector}");
        }
    }

    #[test]
    fn a_field_no_server_selects_by_is_refused() {
        assert!(pods("fieldSelector=spec.containers=x").is_err());
        let named = pods("fieldSelector=metadata.name%3Dp").expect("a name is selectable");
        assert!(named.matches(&json!({"metadata": {"name": "p"}})));
    }

    proptest! {
        #[test]
        fn any_selector_is_read_or_refused_without_a_panic(text in "[a-z=!<>(), \\PC]*") {
            prop_assert!(labels(&text).err().is_none_or(|failure| failure.code == 400));
            let kind = kinds::find("", "pods").expect("pods are built in");
            prop_assert!(fields(&text, &kind).err().is_none_or(|failure| failure.code == 400));
        }
    }
}
