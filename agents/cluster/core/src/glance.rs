//! What is kept of an object between passes: enough to tell that it changed and to report on it.

use crate::feedback::{Feedback, evaluate, ready};
use crate::kind::Gvk;
use crate::observed::meta;
use fleetlog_kernel::ContentHash;
use fleetlog_messages::work::FeedbackRule;
use serde_json::Value;

/// An object at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Glance {
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub version: String,
    /// Everything but its state, its version and its managers.
    pub print: ContentHash,
    /// It has reached what it was asked for.
    pub ready: bool,
    /// What its rules gave.
    pub feedback: Feedback,
}

impl Glance {
    /// Of a whole object.
    pub(crate) fn of(object: &Value, rules: &[FeedbackRule]) -> Self {
        let gvk = Gvk::of(object).unwrap_or_default();
        Self {
            uid: meta(object, "uid").to_owned(),
            version: meta(object, "resourceVersion").to_owned(),
            print: print(object),
            ready: ready(&gvk, object),
            feedback: evaluate(rules, &gvk, object),
        }
    }

    /// Whether `other` shows the same object at an earlier moment.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        let number = |glance: &Self| glance.version.parse::<u64>().ok();
        self.uid == other.uid
            && number(self).zip(number(other)).is_some_and(|(mine, theirs)| mine > theirs)
    }
}

/// The hash of what somebody wanted of an object; its state is not part of it.
pub(crate) fn print(object: &Value) -> ContentHash {
    let mut wanted = object.clone();
    if let Some(object) = wanted.as_object_mut() {
        object.remove("status");
    }
    if let Some(meta) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("resourceVersion");
        meta.remove("managedFields");
    }
    ContentHash::of(wanted.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_of_state_alone_leaves_the_print() {
        let object = json!({"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"x": 1}});
        let mut later = object.clone();
        later["metadata"]["resourceVersion"] = json!("2");
        later["status"] = json!({"ready": true});
        assert_eq!(print(&object), print(&later));
        assert!(Glance::of(&later, &[]).is_after(&Glance::of(&object, &[])));
        later["spec"]["x"] = json!(2);
        assert_ne!(print(&object), print(&later));
    }
}
