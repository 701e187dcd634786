//! Changes as watches tell them: a line of JSON, written once for all who tell the same.

use bytes::Bytes;
use fleetlog_gateway_domain::{Change, What};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// A change on its way to its watches.
pub(crate) struct Told {
    /// The change.
    pub change: Arc<Change>,
    /// What was written of it so far: added, modified, deleted.
    lines: [OnceLock<Bytes>; 3],
}

impl Told {
    /// A change of which nothing is written yet.
    pub fn of(change: Arc<Change>) -> Self {
        Self { change, lines: Default::default() }
    }

    /// What a watch of whole objects writes.
    pub fn line(&self, what: What) -> Bytes {
        let write = || line(what.name(), &self.change.json(what).unwrap_or_default());
        self.lines[what as usize].get_or_init(write).clone()
    }
}

/// One document of a watch, by its object as JSON.
pub(crate) fn line(what: &str, object: &str) -> Bytes {
    format!("{{\"type\":\"{what}\",\"object\":{object}}}\n").into()
}

/// The same by an object that is nowhere written yet.
pub(crate) fn line_of(what: &str, object: &Value) -> Bytes {
    line(what, &object.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_gateway_domain::{Key, Served, find};
    use serde_json::json;

    #[test]
    fn what_is_told_is_written_once() {
        let kind = find("", "v1", "configmaps").unwrap();
        let served = |n: u64| {
            let metadata = json!({ "name": "a", "resourceVersion": n.to_string() });
            Some(Arc::new(Served::of(json!({ "metadata": metadata }))))
        };
        let key = Key { namespace: "n".into(), name: "a".into() };
        let (before, after) = (served(1), served(2));
        let told = Told::of(Arc::new(Change { version: 3, kind, key, before, after }));
        let read = |line: &Bytes| serde_json::from_slice::<Value>(line).unwrap();
        for (what, version) in [(What::Added, "2"), (What::Modified, "2"), (What::Deleted, "3")] {
            let line = told.line(what);
            assert_eq!(line.as_ptr(), told.line(what).as_ptr());
            assert!(line.ends_with(b"}\n"));
            assert_eq!(read(&line)["type"], what.name());
            assert_eq!(read(&line)["object"]["metadata"]["resourceVersion"], version);
        }
    }
}
