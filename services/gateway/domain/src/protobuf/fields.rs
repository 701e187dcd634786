//! The fields of an object while it is put together: what is not given is not there.

use data_encoding::BASE64;
use fleetlog_messages::common::Time;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Fields by their names.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// A value, if there is one.
    pub fn some(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// A text that is always there.
    pub fn given(self, name: &str, value: String) -> Self {
        self.some(name, Some(value))
    }

    /// The fields of a part, if it has any.
    pub fn part(self, name: &str, part: Option<Self>) -> Self {
        self.some(name, part.map(Self::value))
    }

    /// A list; an empty one is not there.
    pub fn list<T: Into<Value>>(self, name: &str, list: Vec<T>) -> Self {
        let list: Vec<Value> = list.into_iter().map(Into::into).collect();
        self.some(name, (!list.is_empty()).then_some(list))
    }

    /// A list of parts.
    pub fn parts(self, name: &str, parts: impl Iterator<Item = Self>) -> Self {
        self.list(name, parts.map(Self::value).collect())
    }

    /// A map of texts.
    pub fn texts(self, name: &str, map: BTreeMap<String, String>) -> Self {
        self.some(name, (!map.is_empty()).then(|| json!(map)))
    }

    /// A map of bytes.
    pub fn bytes(self, name: &str, map: BTreeMap<String, Vec<u8>>) -> Self {
        let coded = map.into_iter().map(|(key, value)| (key, BASE64.encode(&value)));
        self.texts(name, coded.collect())
    }

    /// A moment, from seconds and nanoseconds since 1970; Go's moment of nothing is none.
    pub fn time(self, name: &str, time: Option<(Option<i64>, Option<i32>)>) -> Self {
        let text = time.and_then(|(seconds, nanos)| {
            let nanos = u32::try_from(nanos.unwrap_or_default()).ok()?;
            let (seconds, text) = (seconds.unwrap_or_default(), String::new());
            serde_json::to_value(Time { seconds, nanos, text }).ok()
        });
        self.some(name, text)
    }

    /// A moment with microseconds, all six digits of them, as Go reads it.
    pub fn micro(self, name: &str, time: Option<(Option<i64>, Option<i32>)>) -> Self {
        let text = time.and_then(|(seconds, nanos)| {
            let micros = u32::try_from(nanos.unwrap_or_default()).ok()? / 1_000;
            let seconds = seconds.unwrap_or_default();
            let whole = serde_json::to_value(Time { seconds, nanos: 0, text: String::new() });
            let whole = whole.ok()?;
            Some(format!("{}.{micros:06}Z", whole.as_str()?.strip_suffix('Z')?))
        });
        self.some(name, text)
    }

    /// These and others.
    pub fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// As one value.
    pub fn value(self) -> Value {
        Value::Object(self.0)
    }
}
