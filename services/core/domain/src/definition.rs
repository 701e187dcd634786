//! What the hub says of definitions of kinds (spec/gateway 1.8): its own kinds are served whatever
//! a definition of them says, and whether there is one. Of other kinds the names are accepted.

use fleetlog_kernel::Timestamp;
use fleetlog_messages::{KINDS, KindInfo};
use serde_json::{Value, json};

/// What the hub says of every definition, whatever its author does.
pub(crate) fn settle(info: &KindInfo, object: &mut Value, at: Timestamp) {
    if info.kind != "CustomResourceDefinition" {
        return;
    }
    let spec = object.get("spec").cloned().unwrap_or_default();
    let status = object.get("status").filter(|status| status.is_object()).cloned();
    let mut status = status.unwrap_or(json!({}));
    status["conditions"] = conditions(&spec, &status, at);
    status["acceptedNames"] = names(&spec);
    status["storedVersions"] = stored(&spec, &status);
    object["status"] = status;
}

/// Whether the hub serves the kind itself.
fn is_served(spec: &Value) -> bool {
    KINDS.iter().filter(|info| info.service.is_some()).any(|info| {
        spec["group"] == info.group
            && spec["names"]["plural"] == info.plural
            && spec["names"]["kind"] == info.kind
    })
}

fn conditions(spec: &Value, status: &Value, at: Timestamp) -> Value {
    let established = if is_served(spec) {
        ("True", "InitialNamesAccepted", "the initial names have been accepted")
    } else {
        ("False", "NotServed", "the hub serves no kinds but its own")
    };
    let accepted = ("True", "NoConflicts", "no conflicts found");
    let before = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = [("NamesAccepted", accepted), ("Established", established)];
    let others = before.iter().filter(|c| !ours.iter().any(|(kind, _)| c["type"] == *kind));
    let condition = |(kind, (is, reason, message)): (&str, (&str, &str, &str))| {
        let same = before.iter().find(|c| c["type"] == kind && c["status"] == is);
        let since = same.map_or_else(
            || json!(fleetlog_rules::time(at)),
            |condition| condition["lastTransitionTime"].clone(),
        );
        json!({
            "type": kind, "status": is, "reason": reason, "message": message,
            "lastTransitionTime": since,
        })
    };
    ours.into_iter().map(condition).chain(others.cloned()).collect()
}

/// The names as they are given, with those that follow from them.
fn names(spec: &Value) -> Value {
    let mut names = Some(spec["names"].clone()).filter(Value::is_object).unwrap_or(json!({}));
    let kind = names["kind"].as_str().unwrap_or_default().to_owned();
    for (field, text) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
        if names[field].as_str().is_none_or(str::is_empty) {
            names[field] = json!(text);
        }
    }
    names
}

/// The versions that objects were ever kept in.
fn stored(spec: &Value, status: &Value) -> Value {
    let before = status["storedVersions"].as_array().cloned().unwrap_or_default();
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let now = versions.iter().filter(|version| version["storage"] == true);
    let new = now.map(|version| version["name"].clone()).filter(|name| !before.contains(name));
    let new: Vec<Value> = new.collect();
    before.into_iter().chain(new).collect()
}
