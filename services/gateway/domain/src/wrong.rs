//! What is wrong with a body or an object, as clients are told (spec/gateway 5.4, 5.9, 6).

use crate::kinds::Kind;
use crate::status::{Cause, Status};
use crate::write::Way;
use fleetlog_objects::Refusal;

/// A body that is none of its kind: of a PATCH the fault is what it leads to.
pub(crate) fn undecodable(way: Way, message: String) -> Status {
    match way {
        Way::Put => Status::bad(message),
        Way::Patch => Status::new(422, "Invalid", message),
    }
}

/// The same, where its kind is right.
pub(crate) fn unhandled(kind: Kind, why: &str, way: Way) -> Status {
    let (name, version) = (kind.0.kind, kind.0.version);
    let message = format!("{name} in version \"{version}\" cannot be handled as a {name}: {why}");
    undecodable(way, message)
}

/// One thing that is wrong with an object, as clients are told.
pub(crate) fn cause(refusal: &Refusal) -> Cause {
    let (reason, field, message) = match refusal {
        Refusal::Missing { path } if path == "metadata.name" => {
            let message = "Required value: name or generateName is required".to_owned();
            ("FieldValueRequired", path, message)
        }
        Refusal::Missing { path } => ("FieldValueRequired", path, "Required value".to_owned()),
        Refusal::WrongType { path, wanted, found } => {
            let message = format!("Invalid value: it is {found}, not {wanted}");
            ("FieldValueTypeInvalid", path, message)
        }
        Refusal::Invalid { path, found, rule } => {
            ("FieldValueInvalid", path, format!("Invalid value: {found}: {rule}"))
        }
        Refusal::Name { path, error } => {
            ("FieldValueInvalid", path, format!("Invalid value: {error}"))
        }
        Refusal::Duplicate { path } => ("FieldValueDuplicate", path, "Duplicate value".to_owned()),
        other => {
            return Cause {
                reason: "FieldValueInvalid",
                message: other.to_string(),
                field: String::new(),
            };
        }
    };
    Cause { reason, message, field: field.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;
    use crate::options::Unknown;
    use crate::write::{created, updated};
    use serde_json::json;

    #[test]
    fn what_is_none_of_its_kind_is_400_as_a_body_and_422_as_what_a_patch_leads_to() {
        let kind = find("", "v1", "configmaps").unwrap();
        let there = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "m", "namespace": "n"}});
        let wrong = json!({"metadata": {"name": "m"}, "data": {"k": 1}});
        let made = created(kind, Some("n"), (wrong.clone(), vec![]), Unknown::Warn);
        assert_eq!(made.unwrap_err().code, 400);
        let code = |object, unknown| {
            let how = (Way::Patch, false);
            updated(kind, &there, (object, vec![]), unknown, how).unwrap_err().code
        };
        assert_eq!(code(wrong, Unknown::Warn), 422);
        assert_eq!(code(json!({"metadata": {"name": "m"}, "foo": 1}), Unknown::Strict), 422);
        assert_eq!(code(json!({"kind": "Secret", "metadata": {"name": "m"}}), Unknown::Warn), 422);
        assert_eq!(code(json!({"metadata": {"name": "x"}}), Unknown::Warn), 400);
    }
}
