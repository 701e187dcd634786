//! Cells of tables that are more than what lies at a path: references, durations, lists, and how
//! far a request for a certificate is. The command line and the gateway show the same.

use crate::age::human;
use crate::json_path::{filled, find};
use serde_json::Value;

/// The text of a cell; `None` for a column that shows what its path finds.
#[must_use]
pub fn computed(object: &Value, kind: &str, path: &str) -> Option<String> {
    match kind {
        "reference" => filled(object, path).map(|text| reference(&text)),
        "duration" => {
            let seconds = find(object, path).first().and_then(|found| found.as_i64());
            Some(seconds.map_or_else(|| "<none>".to_owned(), human))
        }
        "list" => {
            let found = find(object, path);
            let texts: Vec<&str> = found.into_iter().filter_map(Value::as_str).collect();
            Some(texts.join(", "))
        }
        "accounts" => {
            let text = |account: &Value, field: &str| -> String {
                account[field].as_str().unwrap_or_default().to_owned()
            };
            let account = |account: &Value| {
                format!("{}/{}", text(account, "namespace"), text(account, "name"))
            };
            let all: Vec<String> = find(object, path).into_iter().map(account).collect();
            Some(all.join(", "))
        }
        "approval" => Some(approval(find(object, path).first().copied())),
        _ => filled(object, path),
    }
}

/// The kind in small letters, and the name.
fn reference(text: &str) -> String {
    match text.split_once('/') {
        Some((kind, name)) => format!("{}/{name}", kind.to_lowercase()),
        None => text.to_owned(),
    }
}

/// What became of a request for a certificate, from its status.
fn approval(status: Option<&Value>) -> String {
    let status = status.unwrap_or(&Value::Null);
    let conditions = status["conditions"].as_array();
    let is = |kind: &str| conditions.into_iter().flatten().any(|c| c["type"] == kind);
    let decided = match (is("Denied"), is("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    };
    let failed = if is("Failed") { ",Failed" } else { "" };
    let certificate = status["certificate"].as_str().unwrap_or_default();
    let issued = if certificate.is_empty() { "" } else { ",Issued" };
    format!("{decided}{failed}{issued}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_say_what_kubectl_says() {
        let object = json!({
            "about": {"kind": "Placement", "name": "p"}, "spec": {"expirationSeconds": 3600},
            "subjects": [
                {"kind": "User", "name": "a"}, {"kind": "User", "name": "b"},
                {"kind": "ServiceAccount", "namespace": "n", "name": "s"},
            ],
        });
        let cell = |kind, path| computed(&object, kind, path);
        assert_eq!(cell("reference", "{.about.kind}/{.about.name}").unwrap(), "placement/p");
        assert_eq!(cell("duration", ".spec.expirationSeconds").unwrap(), "60m");
        assert_eq!(cell("duration", ".spec.nothing").unwrap(), "<none>");
        assert_eq!(cell("list", ".subjects[?(@.kind==\"User\")].name").unwrap(), "a, b");
        let accounts = ".subjects[?(@.kind==\"ServiceAccount\")]";
        assert_eq!(cell("accounts", accounts).unwrap(), "n/s");
        assert_eq!(cell("string", ".about.kind"), None);
    }

    #[test]
    fn a_request_is_as_far_as_its_status_says() {
        let of = |status: Value| computed(&json!({"status": status}), "approval", ".status");
        assert_eq!(of(json!(null)).unwrap(), "Pending");
        let approved = json!({"conditions": [{"type": "Approved"}], "certificate": "x"});
        assert_eq!(of(approved).unwrap(), "Approved,Issued");
        let failed = json!({"conditions": [{"type": "Denied"}, {"type": "Failed"}]});
        assert_eq!(of(failed).unwrap(), "Denied,Failed");
    }
}
