//! What was seen of a member's objects in one pass. Whole objects live only as long as the pass.

use crate::kind::ObjectKey;
use fleetlog_kernel::ContentHash;
use serde_json::Value;
use std::collections::BTreeMap;

/// One object as it was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Live {
    /// It is there.
    Present {
        /// The whole object.
        object: Box<Value>,
        /// The body that the server took to make exactly this version of it, if we know.
        applied: Option<ContentHash>,
    },
    /// It is not there.
    Absent,
    /// Nobody knows.
    Unknown(String),
}

impl Live {
    /// An object that was read.
    #[must_use]
    pub fn found(object: Value) -> Self {
        Self::Present { object: Box::new(object), applied: None }
    }

    /// The object, when it is there.
    #[must_use]
    pub fn object(&self) -> Option<&Value> {
        match self {
            Self::Present { object, .. } => Some(object),
            Self::Absent | Self::Unknown(_) => None,
        }
    }
}

/// The objects of one pass.
pub type Observed = BTreeMap<ObjectKey, Live>;

/// A text of an object's metadata; empty when it is missing.
#[must_use]
pub fn meta<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get("metadata").and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or_default()
}

/// Whether it is on its way out.
#[must_use]
pub fn is_terminating(object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
}

/// The owners of an object.
pub fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    let list = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Whether an owner reference is to the object of this uid.
#[must_use]
pub fn refers_to(owner: &Value, uid: &str) -> bool {
    !uid.is_empty() && owner.get("uid").and_then(Value::as_str) == Some(uid)
}

/// Whether an owner reference is to the record of another work than the one of this name; an
/// earlier incarnation of that record is nobody.
#[must_use]
pub fn is_other_record(owner: &Value, name: &str) -> bool {
    let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
    text("kind") == "AppliedManifestWork"
        && text("apiVersion").starts_with("work.open-cluster-management.io/")
        && text("name") != name
}
