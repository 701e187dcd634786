//! Objects as they are served, and what watches tell of their changes.

use crate::kinds::Kind;
use crate::view::Key;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// An object as it is served, in the version that it is kept in.
#[derive(Clone, Debug)]
pub struct Served {
    /// Its resource version.
    pub version: u64,
    /// All of it.
    pub object: Value,
    /// The same as JSON, once somebody asked for that.
    json: OnceLock<Box<str>>,
}

impl PartialEq for Served {
    fn eq(&self, other: &Self) -> bool {
        (self.version, &self.object) == (other.version, &other.object)
    }
}

impl Served {
    /// An object with the version that it says.
    #[must_use]
    pub fn of(object: Value) -> Self {
        let version = object["metadata"]["resourceVersion"].as_str();
        let version = version.and_then(|text| text.parse().ok()).unwrap_or_default();
        Self { version, object, json: OnceLock::new() }
    }

    /// All of it as JSON: written once, however many ask.
    #[must_use]
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| self.object.to_string().into())
    }

    pub(crate) fn uid(&self) -> &Value {
        &self.object["metadata"]["uid"]
    }
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The resource version of the change.
    pub version: u64,
    /// The kind of the object.
    pub kind: Kind,
    /// Which object.
    pub key: Key,
    /// As it was; `None` for a new one.
    pub before: Option<Arc<Served>>,
    /// As it is; `None` for one that is gone.
    pub after: Option<Arc<Served>>,
}

/// What a watch tells of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// There is one more.
    Added,
    /// It is another.
    Modified,
    /// There is one less.
    Deleted,
}

impl What {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

impl Change {
    /// What a watch that `selects` objects tells of it, if anything.
    pub fn what(&self, selects: impl Fn(&Value) -> bool) -> Option<What> {
        let is =
            |side: &Option<Arc<Served>>| side.as_ref().is_some_and(|side| selects(&side.object));
        match (is(&self.before), is(&self.after)) {
            (false, true) => Some(What::Added),
            (true, true) => Some(What::Modified),
            (true, false) => Some(What::Deleted),
            (false, false) => None,
        }
    }

    /// The object as it is told. One that is selected no longer is told as it was, with the version
    /// of the change (spec/gateway 4.3).
    #[must_use]
    pub fn object(&self, what: What) -> Option<Cow<'_, Value>> {
        if what != What::Deleted {
            return self.after.as_ref().map(|after| Cow::Borrowed(&after.object));
        }
        let mut last = self.before.as_ref()?.object.clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        Some(Cow::Owned(last))
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self, what: What) -> Option<Cow<'_, str>> {
        match (what, &self.after) {
            (What::Deleted, _) => self.object(what).map(|last| Cow::Owned(last.to_string())),
            (_, after) => after.as_ref().map(|after| Cow::Borrowed(after.json())),
        }
    }
}
