//! Values fed back from an object's state (spec: status feedback). Without rules there are none.

use crate::kind::Gvk;
use fleetlog_messages::work::{FeedbackRule, FeedbackValue, FieldValue, JsonPath};
use serde_json::Value;
use serde_json_path::JsonPath as Path;

/// What the rules of one object gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feedback {
    /// The values, in the order of the rules.
    pub values: Vec<FeedbackValue>,
    /// What went wrong, one sentence per rule or path that failed.
    pub faults: Vec<String>,
}

type WellKnown = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Kind, API version and the values that it is known for.
const WELL_KNOWN: [WellKnown; 4] = [
    (
        "Deployment",
        "apps/v1",
        &[
            ("ReadyReplicas", ".status.readyReplicas"),
            ("Replicas", ".status.replicas"),
            ("AvailableReplicas", ".status.availableReplicas"),
        ],
    ),
    (
        "DaemonSet",
        "apps/v1",
        &[
            ("NumberReady", ".status.numberReady"),
            ("DesiredNumberScheduled", ".status.desiredNumberScheduled"),
            ("NumberAvailable", ".status.numberAvailable"),
        ],
    ),
    (
        "Job",
        "batch/v1",
        &[
            ("JobComplete", ".status.conditions[?(@.type==\"Complete\")].status"),
            ("JobSucceeded", ".status.succeeded"),
        ],
    ),
    (
        "Pod",
        "v1",
        &[
            ("PodReady", ".status.conditions[?(@.type==\"Ready\")].status"),
            ("PodPhase", ".status.phase"),
        ],
    ),
];

/// Evaluates the rules of one object. A rule that fails does not silence the others.
#[must_use]
pub fn evaluate(rules: &[FeedbackRule], gvk: &Gvk, object: &Value) -> Feedback {
    let mut feedback = Feedback::default();
    for rule in rules {
        match rule.r#type.as_deref() {
            Some("WellKnownStatus") => match well_known(gvk) {
                Some(paths) => {
                    for (name, path) in paths {
                        feedback.note(name, value_at(object, path));
                    }
                }
                None => feedback.faults.push(format!("\"{gvk}\" has no well known status")),
            },
            Some("JSONPaths") => {
                for path in &rule.json_paths {
                    feedback.path(path, gvk, object);
                }
            }
            other => {
                let other = other.unwrap_or_default();
                feedback.faults.push(format!("feedback rules of type \"{other}\" are unknown"));
            }
        }
    }
    feedback
}

impl Feedback {
    fn path(&mut self, path: &JsonPath, gvk: &Gvk, object: &Value) {
        let name = path.name.as_deref().unwrap_or_default();
        match path.version.as_deref().filter(|version| !version.is_empty()) {
            Some(version) if version != gvk.version => self.faults.push(format!(
                "value \"{name}\" is of version \"{version}\", the object of \"{}\"",
                gvk.version
            )),
            _ => self.note(name, value_at(object, path.path.as_deref().unwrap_or_default())),
        }
    }

    fn note(&mut self, name: &str, found: Result<Option<FieldValue>, String>) {
        match found {
            Ok(None) => {}
            Ok(value) => {
                self.values.push(FeedbackValue { name: Some(name.to_owned()), field_value: value })
            }
            Err(why) => self.faults.push(format!("value \"{name}\": {why}")),
        }
    }
}

fn well_known(gvk: &Gvk) -> Option<&'static [(&'static str, &'static str)]> {
    let api = gvk.api_version();
    WELL_KNOWN
        .iter()
        .find(|(kind, version, _)| *kind == gvk.kind && *version == api)
        .map(|(_, _, paths)| *paths)
}

fn value_at(object: &Value, path: &str) -> Result<Option<FieldValue>, String> {
    let bare = path.trim().trim_start_matches('{').trim_end_matches('}');
    let dot = if bare.starts_with(['.', '[']) { "" } else { "." };
    let path = Path::parse(&format!("${dot}{bare}"))
        .map_err(|error| format!("the path \"{path}\" cannot be read: {error}"))?;
    match path.query(object).all().into_iter().find(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => typed(value).map(Some),
    }
}

fn typed(value: &Value) -> Result<FieldValue, String> {
    let of = |kind: &str| FieldValue { r#type: Some(kind.to_owned()), ..FieldValue::default() };
    match value {
        Value::Bool(boolean) => Ok(FieldValue { boolean: Some(*boolean), ..of("Boolean") }),
        Value::String(text) => Ok(FieldValue { string: Some(text.clone()), ..of("String") }),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Ok(FieldValue { integer: Some(integer), ..of("Integer") }),
            None => Err("it is no integer, text or boolean".to_owned()),
        },
        _ => Err("it is no integer, text or boolean".to_owned()),
    }
}

/// Whether a workload has reached what it was asked for; anything else is ready when it exists.
/// Decides only how fast a report is sent, never what it says.
#[must_use]
pub fn ready(gvk: &Gvk, object: &Value) -> bool {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
    let reached = |want: i64, have: &str| number(have).unwrap_or(0) >= want;
    match gvk.kind.as_str() {
        "Deployment" | "StatefulSet" => {
            reached(number("/spec/replicas").unwrap_or(1), "/status/readyReplicas")
        }
        "DaemonSet" => {
            let wanted = number("/status/desiredNumberScheduled");
            wanted.is_some_and(|wanted| reached(wanted, "/status/numberReady"))
        }
        "Job" => reached(number("/spec/completions").unwrap_or(1), "/status/succeeded"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gvk(api: &str, kind: &str) -> Gvk {
        Gvk::of(&json!({"apiVersion": api, "kind": kind})).unwrap()
    }

    fn rule(kind: &str, paths: &[(&str, &str)]) -> FeedbackRule {
        let path = |(name, path): &(&str, &str)| JsonPath {
            name: Some((*name).into()),
            path: Some((*path).into()),
            ..JsonPath::default()
        };
        FeedbackRule { r#type: Some(kind.into()), json_paths: paths.iter().map(path).collect() }
    }

    fn names(feedback: &Feedback) -> Vec<&str> {
        feedback.values.iter().filter_map(|value| value.name.as_deref()).collect()
    }

    #[test]
    fn wa_a_deployments_well_known_values_omit_what_is_missing() {
        let object = json!({"status": {"readyReplicas": 1, "replicas": 2}});
        let rules = [rule("WellKnownStatus", &[])];
        let feedback = evaluate(&rules, &gvk("apps/v1", "Deployment"), &object);
        assert_eq!(names(&feedback), ["ReadyReplicas", "Replicas"]);
        let first = feedback.values[0].field_value.clone().unwrap();
        assert_eq!((first.r#type.as_deref(), first.integer), (Some("Integer"), Some(1)));
    }

    #[test]
    fn wa_well_known_status_of_another_kind_is_a_fault_without_values() {
        let rules = [rule("WellKnownStatus", &[])];
        let feedback = evaluate(&rules, &gvk("v1", "ConfigMap"), &json!({}));
        assert!(feedback.values.is_empty() && feedback.faults.len() == 1);
    }

    #[test]
    fn wa_a_failing_path_does_not_silence_the_others() {
        let object = json!({"a": {"b": 1.5, "c": "x"}, "d": null});
        let paths = [("float", ".a.b"), ("text", "a.c"), ("null", ".d"), ("bad", ".[")];
        let rules = [rule("JSONPaths", &paths)];
        let feedback = evaluate(&rules, &gvk("v1", "ConfigMap"), &object);
        assert_eq!(names(&feedback), ["text"]);
        assert_eq!(feedback.faults.len(), 2);
    }

    #[test]
    fn wa_a_condition_is_found_by_its_type() {
        let object = json!({"status": {"conditions": [
            {"type": "Suspended", "status": "False"}, {"type": "Complete", "status": "True"},
        ]}});
        let feedback = evaluate(&[rule("WellKnownStatus", &[])], &gvk("batch/v1", "Job"), &object);
        let value = feedback.values[0].field_value.clone().unwrap();
        assert_eq!((names(&feedback)[0], value.string.as_deref()), ("JobComplete", Some("True")));
    }
}
