//! What goes with a command that is only tried: nothing is handed over for it, so what would have
//! been travels beside it, in short. Leaves out what no service looks at.

use crate::command::Applying;
use fleetlog_messages::core::SealValues;
use fleetlog_messages::wire::canonical;
use prost::Message as _;
use serde_json::{Map, Value};

/// What a manifest is known by.
const KNOWN_BY: [&str; 2] = ["apiVersion", "kind"];
/// And what of its metadata.
const NAMED_BY: [&str; 3] = ["generateName", "name", "namespace"];

impl Applying {
    /// What is to be said beside its command when that is only tried: of manifests what each is
    /// known by, of a secret its values; empty where nothing would be handed over.
    #[must_use]
    pub fn beside(&self) -> Vec<u8> {
        match (&self.bundle, &self.values) {
            (Some(bundle), _) => outline(bundle),
            (None, Some(values)) => SealValues { values: values.clone() }.encode_to_vec(),
            (None, None) => vec![],
        }
    }
}

/// The outline of a bundle; what is no list stays as it is.
fn outline(bundle: &[u8]) -> Vec<u8> {
    match serde_json::from_slice(bundle) {
        Ok(Value::Array(manifests)) => {
            canonical(&Value::Array(manifests.into_iter().map(known_by).collect()))
        }
        _ => bundle.to_vec(),
    }
}

/// What is no object is nothing that it could be known by.
fn known_by(manifest: Value) -> Value {
    let Value::Object(mut manifest) = manifest else { return Value::Null };
    let metadata = match manifest.remove("metadata") {
        Some(Value::Object(metadata)) => kept(metadata, &NAMED_BY),
        _ => Map::new(),
    };
    let mut known = kept(manifest, &KNOWN_BY);
    known.insert("metadata".to_owned(), metadata.into());
    known.into()
}

fn kept(fields: Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let is_kept =
        |(name, value): &(String, Value)| names.contains(&name.as_str()) && value.is_string();
    fields.into_iter().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn applying(bundle: Option<Value>, values: Option<BTreeMap<String, String>>) -> Applying {
        Applying { command: vec![], bundle: bundle.map(|bundle| canonical(&bundle)), values }
    }

    #[test]
    fn of_manifests_what_each_is_known_by_is_said() {
        let bundle = json!([
            {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
                "metadata": {"name": "m", "namespace": "d", "labels": {"a": "b"}}},
            {"kind": ["odd"], "metadata": 5}, 7,
        ]);
        let known = json!([
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "d"}},
            {"metadata": {}}, null,
        ]);
        assert_eq!(applying(Some(bundle), None).beside(), canonical(&known));
    }

    #[test]
    fn of_a_secret_its_values_are_said_and_of_others_nothing() {
        let values = BTreeMap::from([("a".to_owned(), "eA==".to_owned())]);
        let said = applying(None, Some(values.clone())).beside();
        assert_eq!(SealValues::decode(said.as_slice()).unwrap(), SealValues { values });
        assert_eq!(applying(None, None).beside(), Vec::<u8>::new());
    }
}
