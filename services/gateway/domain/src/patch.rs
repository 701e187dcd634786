//! Patches (spec/gateway 5.4): JSON merge patch (RFC 7396) and JSON patch (RFC 6902).

use crate::kinds::Kind;
use crate::status::Status;
use crate::strategic;
use json_patch::PatchOperation;
use serde_json::Value;

/// The most operations of one JSON patch.
const MOST: usize = 10_000;

/// How much all copies of one JSON patch may come to, in bytes.
const COPIED: usize = 3 * 1_024 * 1_024;

/// How deep an object may be: what is deeper cannot be read back.
const DEEPEST: usize = 128;

/// A kind of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/merge-patch+json`
    Merge,
    /// `application/json-patch+json`
    Json,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

impl PatchKind {
    /// By the content type.
    ///
    /// # Errors
    /// 415 for a kind of patch that these objects do not take.
    pub fn of(kind: Kind, content_type: &str) -> Result<Self, Status> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/json-patch+json" => Ok(Self::Json),
            "application/strategic-merge-patch+json" if kind.is_built_in() => Ok(Self::Strategic),
            _ => {
                let more = if kind.is_built_in() {
                    ", application/strategic-merge-patch+json"
                } else {
                    ""
                };
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types \
                     include: application/json-patch+json, application/merge-patch+json{more}"
                );
                Err(Status::new(415, "UnsupportedMediaType", message))
            }
        }
    }
}

/// The object after a patch.
///
/// # Errors
/// 400 for a body that is no patch, 413 for too many operations, 422 for one that fails.
pub fn patched(kind: PatchKind, object: &Value, body: &[u8]) -> Result<Value, Status> {
    let mut after = object.clone();
    let unreadable =
        |why: serde_json::Error| Status::bad(format!("the patch cannot be read: {why}"));
    match kind {
        PatchKind::Merge | PatchKind::Strategic => {
            let patch: Value = serde_json::from_slice(body).map_err(unreadable)?;
            if !patch.is_object() {
                return Err(Status::bad("a merge patch is an object"));
            }
            match kind {
                PatchKind::Strategic => {
                    strategic::merge(&mut after, &patch).map_err(Status::bad)?;
                }
                _ => fleetlog_objects::merge_patch(&mut after, &patch),
            }
        }
        PatchKind::Json => {
            let patch: Vec<Value> = serde_json::from_slice(body).map_err(unreadable)?;
            let patch: json_patch::Patch = serde_json::from_value(Value::Array(patch))
                .map_err(|why| Status::new(422, "Invalid", format!("the patch fails: {why}")))?;
            if patch.len() > MOST {
                let message = format!(
                    "The allowed maximum operations in a JSON patch is {MOST}, got {}",
                    patch.len()
                );
                return Err(Status::new(413, "RequestEntityTooLarge", message));
            }
            operated(&mut after, &patch)?;
        }
    }
    Ok(after)
}

/// How deep an operation puts what value, if it may make the object deeper, and whether that is one
/// of the object's own.
fn put<'a>(object: &'a Value, operation: &'a PatchOperation) -> (usize, Option<&'a Value>, bool) {
    match operation {
        PatchOperation::Add(add) => (add.path.count(), Some(&add.value), false),
        PatchOperation::Replace(replace) => (replace.path.count(), Some(&replace.value), false),
        PatchOperation::Copy(copy) => (copy.path.count(), copy.from.resolve(object).ok(), true),
        PatchOperation::Move(moved) if moved.path.count() > moved.from.count() => {
            (moved.path.count(), moved.from.resolve(object).ok(), true)
        }
        _ => (0, None, false),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Value::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Operation by operation; what is copied is counted, for copies of copies grow without bound.
fn operated(object: &mut Value, patch: &[PatchOperation]) -> Result<(), Status> {
    let mut copied = 0;
    for (number, operation) in patch.iter().enumerate() {
        let (path, value, counts) = put(object, operation);
        if counts {
            copied += value.map_or(0, |value| value.to_string().len());
        }
        if value.is_some_and(|value| path + depth(value) > DEEPEST) {
            let message =
                format!("operation {number} of the patch makes more than {DEEPEST} levels");
            return Err(Status::new(422, "Invalid", message));
        }
        if copied > COPIED {
            let message = format!("a JSON patch may copy {COPIED} bytes in all");
            return Err(Status::new(413, "RequestEntityTooLarge", message));
        }
        // To Kubernetes what is not there is null; clients test by it that there is nothing yet.
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && test.path.resolve(object).is_err()
        {
            continue;
        }
        json_patch::patch(object, std::slice::from_ref(operation)).map_err(|why| {
            let message = format!("operation {number} of the patch fails: {}", why.kind);
            Status::new(422, "Invalid", message)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_sets_and_removes() {
        let patch = br#"{"spec":{"a":null,"b":2}}"#;
        let after = patched(PatchKind::Merge, &json!({"spec": {"a": 1, "c": 3}}), patch);
        assert_eq!(after.unwrap(), json!({"spec": {"b": 2, "c": 3}}));
        assert_eq!(patched(PatchKind::Merge, &json!({}), b"[]").unwrap_err().code, 400);
        assert_eq!(patched(PatchKind::Merge, &json!({}), b"{").unwrap_err().code, 400);
    }

    #[test]
    fn gw053_a_failing_test_is_422_and_too_many_operations_413() {
        let failing = br#"[{"op":"test","path":"/a","value":2}]"#;
        assert_eq!(patched(PatchKind::Json, &json!({"a": 1}), failing).unwrap_err().code, 422);
        let add = r#"{"op":"add","path":"/a","value":2}"#;
        let many = format!("[{}]", vec![add; MOST + 1].join(","));
        assert_eq!(patched(PatchKind::Json, &json!({}), many.as_bytes()).unwrap_err().code, 413);
        let one = format!("[{add}]");
        let after = patched(PatchKind::Json, &json!({}), one.as_bytes()).unwrap();
        assert_eq!(after, json!({"a": 2}));
    }

    #[test]
    fn copies_of_copies_end_at_a_bound() {
        let double = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
        let many = format!("[{}]", vec![double; 60].join(","));
        let object = json!({"a": ["x".repeat(1_000)]});
        assert_eq!(patched(PatchKind::Json, &object, many.as_bytes()).unwrap_err().code, 413);
    }

    #[test]
    fn moves_make_no_object_that_is_too_deep_to_be_let_go() {
        let deep = format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60));
        let path = "/a".repeat(60);
        let step = |to: &str, from: &str| {
            format!(
                r#"{{"op":"add","path":"/{to}","value":{deep}}},
                {{"op":"move","from":"/{from}","path":"/{to}{path}"}}"#
            )
        };
        let steps: Vec<_> =
            (0..40).map(|i| if i % 2 == 0 { step("x", "y") } else { step("y", "x") }).collect();
        let body = format!(r#"[{{"op":"add","path":"/y","value":1}},{}]"#, steps.join(","));
        let refused = patched(PatchKind::Json, &json!({}), body.as_bytes()).unwrap_err();
        assert_eq!(refused.code, 422);
        assert!(refused.message.contains("128 levels"), "{}", refused.message);
    }

    #[test]
    fn gw054_other_patches_are_415_and_told_what_is_taken() {
        let strategic = "application/strategic-merge-patch+json";
        let works = find("work.open-cluster-management.io", "v1", "manifestworks").unwrap();
        let secrets = find("", "v1", "secrets").unwrap();
        let refused = PatchKind::of(works, strategic).unwrap_err();
        assert_eq!((refused.code, refused.reason), (415, "UnsupportedMediaType"));
        assert!(refused.message.contains("application/merge-patch+json"));
        let merge = PatchKind::of(works, "application/merge-patch+json").unwrap();
        assert_eq!(merge, PatchKind::Merge);
        assert_eq!(PatchKind::of(secrets, strategic).unwrap(), PatchKind::Strategic);
    }

    proptest! {
        #[test]
        fn no_patch_makes_it_panic(body in "\\PC{0,80}") {
            for kind in [PatchKind::Merge, PatchKind::Json, PatchKind::Strategic] {
                let _ = patched(kind, &json!({"a": [1, 2]}), body.as_bytes());
            }
        }
    }
}
