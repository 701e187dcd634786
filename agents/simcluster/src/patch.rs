//! The three plain patch forms: JSON merge patch, JSON patch, strategic merge patch. Computes the
//! new state; storing it is an ordinary update.

use serde_json::Value;

use crate::failure::Failure;
use crate::fields::{self, Nulls};

/// The longest JSON patch that is taken, as on a real server.
const MAX_OPERATIONS: usize = 10_000;

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Merge,
    Json,
    Strategic,
    Apply,
}

impl Form {
    /// By the content type of the request.
    pub(crate) fn of(content_type: &str) -> Result<Self, Failure> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/json-patch+json" => Ok(Self::Json),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic),
            "application/apply-patch+yaml" | "application/apply-patch+json" => Ok(Self::Apply),
            other => {
                let message =
                    format!("the body of the request was in an unknown format \"{other}\"");
                Err(Failure::new(415, "UnsupportedMediaType", message))
            }
        }
    }
}

/// `live` after the patch in `body`.
pub(crate) fn patched(form: Form, live: &Value, body: &[u8]) -> Result<Value, Failure> {
    let patch: Value =
        serde_json::from_slice(body).map_err(|e| Failure::bad_request(e.to_string()))?;
    let mut new = live.clone();
    match form {
        Form::Json => by_operations(&mut new, patch)?,
        Form::Merge => json_patch::merge(&mut new, as_object(&patch)?),
        Form::Strategic | Form::Apply => {
            fields::overlay(&mut new, "", as_object(&patch)?, Nulls::Remove);
        }
    }
    Ok(new)
}

fn as_object(patch: &Value) -> Result<&Value, Failure> {
    if patch.is_object() {
        return Ok(patch);
    }
    Err(Failure::bad_request("the patch is not an object"))
}

fn by_operations(value: &mut Value, patch: Value) -> Result<(), Failure> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|e| Failure::bad_request(e.to_string()))?;
    if patch.0.len() > MAX_OPERATIONS {
        let message = format!("a JSON patch may have at most {MAX_OPERATIONS} operations");
        return Err(Failure::new(413, "RequestEntityTooLarge", message));
    }
    json_patch::patch(value, &patch)
        .map_err(|e| Failure::new(422, "Invalid", format!("the patch does not apply: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z~/]{0,4}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just("containers".to_owned()),
            Just("ports".to_owned()),
            Just("name".to_owned()),
            Just("metadata".to_owned()),
            Just("$patch".to_owned()),
            "[a-z]{1,3}",
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn strategic_merge_joins_lists_by_their_keys() {
        let live = json!({"spec": {"containers": [
            {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]},
            {"name": "b", "image": "1"},
        ]}});
        let patch = json!({"spec": {"containers": [
            {"name": "a", "env": [{"name": "Y", "value": "2"}]},
            {"name": "b", "$patch": "delete"},
        ]}});
        let new = patched(Form::Strategic, &live, patch.to_string().as_bytes()).expect("it fits");
        let env = json!([{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]);
        let expected = json!({"spec": {"containers": [{"name": "a", "image": "1", "env": env}]}});
        assert_eq!(new, expected);
    }

    proptest! {
        #[test]
        fn any_patch_of_any_form_applies_or_is_refused(live in any_json(), patch in any_json()) {
            for form in [Form::Merge, Form::Json, Form::Strategic] {
                if let Err(failure) = patched(form, &live, patch.to_string().as_bytes()) {
                    prop_assert!((400..500).contains(&failure.code), "{failure:?}");
                }
            }
        }

        #[test]
        fn any_bytes_as_a_patch_are_refused_or_applied(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            match patched(Form::Merge, &json!({}), &bytes) {
                Ok(new) => prop_assert!(new.is_object()),
                Err(failure) => prop_assert_eq!(failure.code, 400),
            }
        }

        #[test]
        fn field_sets_survive_their_written_form(value in any_json()) {
            let set = fields::leaves(&json!({"spec": value}));
            prop_assert_eq!(fields::of_v1(&fields::to_v1(&set)), set);
        }

        #[test]
        fn a_leaf_is_found_and_gone_once_removed(value in any_json()) {
            let object = json!({"spec": value});
            for path in fields::leaves(&object) {
                prop_assert!(fields::find(&object, &path).is_some(), "{:?}", path);
                let mut without = object.clone();
                fields::remove(&mut without, &path);
            }
        }
    }
}
