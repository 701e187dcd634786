//! The values of secrets and settings: base64 where Kubernetes has bytes; texts that come beside
//! them are put among them.

use crate::refusal::Refusal;
use data_encoding::BASE64;
use fleetlog_messages::KindInfo;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where `kubectl apply` keeps the whole manifest, the values of a secret among it.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// As what that is sealed among the values: no value can have this name.
const APPLIED: &str = "/last-applied";

fn is_secret(info: &KindInfo) -> bool {
    info.group.is_empty() && info.kind == "Secret"
}

/// Puts the `stringData` of a secret among its `data`; answers what is no base64. What a value says
/// is in no refusal. Of the secrets of an account the names alone are kept.
pub fn settle_values(info: &KindInfo, object: &mut Value) -> Vec<Refusal> {
    if is_secret(info)
        && let Some(Value::Object(texts)) =
            object.as_object_mut().and_then(|fields| fields.remove("stringData"))
        && !texts.is_empty()
    {
        let data = object["data"].as_object().cloned().unwrap_or_default();
        let encoded = texts.into_iter().map(|(name, text)| {
            let text = text.as_str().map(|text| json!(BASE64.encode(text.as_bytes())));
            (name, text.unwrap_or_default())
        });
        object["data"] = data.into_iter().chain(encoded).collect::<Map<_, _>>().into();
    }
    if info.group.is_empty() && info.kind == "ServiceAccount" {
        name_alone(object);
    }
    let field = match (info.group, info.kind) {
        ("", "Secret") => "data",
        ("", "ConfigMap") => "binaryData",
        _ => return vec![],
    };
    let values = object.get(field).and_then(Value::as_object);
    let is_base64 =
        |value: &Value| value.as_str().is_some_and(|text| BASE64.decode(text.as_bytes()).is_ok());
    let wrong = values.into_iter().flatten().filter(|(_, value)| !is_base64(value));
    let refusal = |(name, _): (&String, &Value)| Refusal::Invalid {
        path: format!("{field}[{name}]"),
        found: "the value".to_owned(),
        rule: "it must be base64".to_owned(),
    };
    wrong.map(refusal).collect()
}

/// An account knows its secrets by their names, whatever else is said of them.
fn name_alone(account: &mut Value) {
    let secrets = account.get_mut("secrets").and_then(Value::as_array_mut);
    for secret in secrets.into_iter().flatten().filter_map(Value::as_object_mut) {
        secret.retain(|field, _| field == "name");
    }
}

/// Takes the values of a secret out of it, and what `kubectl apply` repeats of them; `None` for
/// other kinds, and for one without.
pub(crate) fn take_values(info: &KindInfo, object: &mut Value) -> Option<BTreeMap<String, String>> {
    if !is_secret(info) {
        return None;
    }
    let data = object.as_object_mut()?.remove("data");
    let data = data.as_ref().and_then(Value::as_object).into_iter().flatten();
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let mut values: BTreeMap<String, String> = data.filter_map(text).collect();
    if let Some(notes) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
        && let Some(Value::String(applied)) = notes.remove(LAST_APPLIED)
    {
        values.insert(APPLIED.to_owned(), applied);
    }
    (!values.is_empty()).then_some(values)
}

/// The names of values that people may know: how they are counted.
pub fn value_names(values: BTreeMap<String, String>) -> Vec<String> {
    values.into_keys().filter(|name| name != APPLIED).collect()
}

/// Puts the values of a secret back that were taken out of it.
pub fn put_values(object: &mut Value, mut values: Map<String, Value>) {
    if let Some(applied) = values.remove(APPLIED)
        && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
    {
        let notes = metadata.entry("annotations").or_insert_with(|| json!({}));
        notes.as_object_mut().map(|notes| notes.insert(LAST_APPLIED.to_owned(), applied));
    }
    if !values.is_empty() {
        object["data"] = Value::Object(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_messages::ApiObject as _;
    use fleetlog_messages::core::{ConfigMap, Secret, ServiceAccount};

    #[test]
    fn an_account_knows_its_secrets_by_their_names() {
        let mut object = json!({"secrets": [{"name": "a", "namespace": "n"}, {"name": "b"}]});
        assert_eq!(settle_values(ServiceAccount::INFO, &mut object), []);
        assert_eq!(object, json!({"secrets": [{"name": "a"}, {"name": "b"}]}));
    }

    #[test]
    fn texts_are_put_among_the_values_and_come_first() {
        let mut object = json!({"data": {"a": "eA==", "b": "eA=="}, "stringData": {"a": "y"}});
        assert_eq!(settle_values(Secret::INFO, &mut object), []);
        assert_eq!(object, json!({"data": {"a": "eQ==", "b": "eA=="}}));
        let values = take_values(Secret::INFO, &mut object).unwrap();
        assert_eq!(
            values,
            BTreeMap::from([("a", "eQ=="), ("b", "eA==")].map(|(k, v)| (k.into(), v.into())))
        );
        assert_eq!(object, json!({}));
    }

    #[test]
    fn what_was_applied_is_taken_out_with_the_values_and_put_back() {
        let whole = json!({
            "metadata": {"name": "s", "annotations": {"a": "b", LAST_APPLIED: "{\"data\": 1}"}},
            "data": {"a": "eA=="},
        });
        let mut object = whole.clone();
        let values = take_values(Secret::INFO, &mut object).unwrap();
        assert_eq!(object, json!({"metadata": {"name": "s", "annotations": {"a": "b"}}}));
        assert_eq!(value_names(values.clone()), ["a"]);
        put_values(&mut object, values.into_iter().map(|(k, v)| (k, v.into())).collect());
        assert_eq!(object, whole);
    }

    #[test]
    fn what_is_no_base64_is_refused_without_saying_it() {
        let mut secret = json!({"data": {"a": "geheim!"}});
        let refused = settle_values(Secret::INFO, &mut secret);
        assert!(!refused[0].to_string().contains("geheim"), "{refused:?}");
        let mut settings = json!({"data": {"a": "!"}, "binaryData": {"b": "!"}});
        assert_eq!(settle_values(ConfigMap::INFO, &mut settings).len(), 1);
    }
}
