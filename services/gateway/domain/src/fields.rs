//! Selectors of fields (spec/gateway 3.4): by which fields a kind can be selected, and which
//! objects are meant.

use crate::kinds::Kind;
use crate::options::parameter;
use crate::status::Status;
use serde_json::Value;

/// A selector of fields: what must be equal, and what must not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    equal: Vec<(String, String)>,
    unequal: Vec<(String, String)>,
}

/// The fields that every kind can be selected by.
const FIELDS: [&str; 2] = ["metadata.name", "metadata.namespace"];

/// The fields that a kind can be selected by beside those.
fn more(kind: Kind) -> &'static [&'static str] {
    match (kind.0.group, kind.0.kind) {
        ("", "Namespace") => &["status.phase", "name"],
        ("", "Secret") => &["type"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "Event") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        _ => &[],
    }
}

impl Fields {
    /// Reads it.
    ///
    /// # Errors
    /// 400 for a field that the kind cannot be selected by.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Status> {
        let mut fields = Self::default();
        for part in split(text) {
            let (field, value, equal) = requirement(&part)
                .ok_or_else(|| Status::bad(format!("invalid selector: '{part}'")))?;
            let known = FIELDS.iter().chain(more(kind)).any(|known| *known == field);
            let of_cluster = field == "metadata.namespace" && !kind.0.namespaced;
            if !known || of_cluster {
                return Err(Status::bad(format!("field label not supported: {field}")));
            }
            match equal {
                true => fields.equal.push((field, value)),
                false => fields.unequal.push((field, value)),
            }
        }
        Ok(fields)
    }

    /// The one of a query; `None` for one that cannot be read.
    #[must_use]
    pub fn of(query: &str, kind: Kind) -> Option<Self> {
        Self::parse(&parameter(query, "fieldSelector"), kind).ok()
    }

    /// The one name that it asks for.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let mut named = self.equal.iter().filter(|(field, _)| field == "metadata.name");
        named.next().map(|(_, name)| name.as_str())
    }

    /// Whether an object is meant.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let is = |field: &str, value: &str| {
            let found = field_of(object, field);
            found == value || (value.is_empty() && is_place_of_cluster(object, field))
        };
        self.equal.iter().all(|(field, value)| is(field, value))
            && self.unequal.iter().all(|(field, value)| !is(field, value))
    }
}

/// The text of a field; empty where there is none.
fn field_of<'a>(object: &'a Value, field: &str) -> &'a str {
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    match field {
        "name" => text(&object["metadata"]["name"]),
        "source" if object["source"]["component"].is_string() => {
            text(&object["source"]["component"])
        }
        "source" => text(&object["reportingComponent"]),
        _ => text(field.split('.').fold(object, |value, step| &value[step])),
    }
}

/// Agents tell events of their cluster in its namespace, though a cluster lies in none: who asks
/// for those of the cluster asks for none (spec/gateway 12.2).
fn is_place_of_cluster(object: &Value, field: &str) -> bool {
    ["involvedObject", "regarding"].into_iter().any(|about| {
        field.strip_prefix(about) == Some(".namespace")
            && object[about]["kind"] == "ManagedCluster"
            && object[about]["namespace"] == object[about]["name"]
    })
}

/// At commas that no backslash stands before.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (vec![], String::new(), false);
    for character in text.chars() {
        match character {
            ',' if !escaped => parts.push(std::mem::take(&mut part)),
            _ => part.push(character),
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push(part);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn requirement(part: &str) -> Option<(String, String, bool)> {
    let at = part.find('=')?;
    let (before, after) = (&part[..at], &part[at + 1..]);
    let (field, equal) = match before.strip_suffix('!') {
        Some(field) => (field, false),
        None => (before, true),
    };
    let after = after.strip_prefix('=').filter(|_| equal).unwrap_or(after);
    Some((field.trim().to_owned(), unescaped(after.trim()), equal))
}

fn unescaped(text: &str) -> String {
    let (mut out, mut escaped) = (String::new(), false);
    for character in text.chars() {
        if character == '\\' && !escaped {
            escaped = true;
            continue;
        }
        out.push(character);
        escaped = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;
    use serde_json::json;

    fn selector(text: &str) -> Result<Fields, Status> {
        let kind = find("cluster.open-cluster-management.io", "v1beta1", "placements");
        Fields::parse(text, kind.unwrap())
    }

    #[test]
    fn gw017_events_are_selected_by_what_they_are_about() {
        let of = |group, text: &str| Fields::parse(text, find(group, "v1", "events").unwrap());
        let about = json!({"kind": "Placement", "namespace": "t", "name": "p", "uid": "u"});
        let event = json!({"involvedObject": about, "source": {"component": "s"}, "reason": "R"});
        let is = |text| of("", text).unwrap().matches(&event);
        assert!(is("involvedObject.kind=Placement,involvedObject.name=p,involvedObject.uid=u"));
        assert!(is("involvedObject.namespace=t,source=s,reason=R"));
        assert!(!is("involvedObject.uid=v"));
        assert!(!is("involvedObject.namespace="), "an empty one means only empty");
        assert!(of("events.k8s.io", "involvedObject.kind=Placement").is_err());
        let event = json!({"regarding": about});
        assert!(of("events.k8s.io", "regarding.name=p").unwrap().matches(&event));
    }

    #[test]
    fn events_of_a_cluster_are_found_without_a_namespace() {
        let kind = find("", "v1", "events").unwrap();
        let about = json!({"kind": "ManagedCluster", "namespace": "c1", "name": "c1"});
        let event = json!({"involvedObject": about});
        let is = |text| Fields::parse(text, kind).unwrap().matches(&event);
        assert!(is("involvedObject.namespace=") && is("involvedObject.namespace=c1"));
        assert!(!is("involvedObject.namespace=c2"));
    }

    #[test]
    fn gw016_fields_select_by_name_and_others_are_400() {
        let fields = selector("metadata.name=c1,metadata.namespace!=x").unwrap();
        assert_eq!(fields.name(), Some("c1"));
        assert!(fields.matches(&json!({"metadata": {"name": "c1"}})));
        assert!(!fields.matches(&json!({"metadata": {"name": "c1", "namespace": "x"}})));
        assert!(!fields.matches(&json!({"metadata": {"name": "c2"}})));
        let refused = selector("spec.foo=x").unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (400, "field label not supported: spec.foo")
        );
        let escaped = selector("metadata.name==a\\,b\\=c").unwrap();
        assert_eq!(escaped.name(), Some("a,b=c"));
    }
}
