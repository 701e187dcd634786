//! The JSON that is written by hand: times, numbers-or-texts, raw values, and helpers that the
//! generated serde names. Everything else is derived.

use crate::common::{IntOrString, Raw, Time, int_or_string};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Whether a field is what an absent one reads as.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a list or map; null is an empty one.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Bytes as base64 text.
pub(crate) mod base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_str(&BASE64.encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Some).map_err(|_| D::Error::custom(format!("\"{text}\" is not base64")))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.render())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("\"{text}\" is not an RFC 3339 time")))
    }
}

impl Time {
    /// Reads RFC 3339 text; `None` for anything else. Text that is not the canonical rendering
    /// (UTC, no needless fraction) is kept beside the value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, nanos) = crate::rfc3339::parse(text)?;
        let time = Self { seconds, nanos, text: String::new() };
        let kept = if time.render() == text { String::new() } else { text.to_owned() };
        Some(Self { text: kept, ..time })
    }

    /// The text: as given, or canonical.
    #[must_use]
    pub fn render(&self) -> String {
        if self.text.is_empty() {
            crate::rfc3339::render(self.seconds, self.nanos)
        } else {
            self.text.clone()
        }
    }
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Some(int_or_string::Value::Int(number)) => serializer.serialize_i64(*number),
            Some(int_or_string::Value::Str(text)) => serializer.serialize_str(text),
            None => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::String(text) => Some(int_or_string::Value::Str(text)),
            Value::Number(number) => {
                let number = number.as_i64();
                let number = number.ok_or_else(|| D::Error::custom("a whole number is wanted"))?;
                Some(int_or_string::Value::Int(number))
            }
            Value::Null => None,
            _ => return Err(D::Error::custom("a whole number or a text is wanted")),
        };
        Ok(Self { value })
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_slice(&self.json).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&Value::deserialize(deserializer)?))
    }
}

impl Raw {
    /// Any JSON value, kept canonically.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self { json: canonical(value) }
    }

    /// The value; null when the bytes are no JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

/// Canonical JSON: keys sorted, no blanks. One value, one text, one hash, whatever features
/// serde_json was built with.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_canonical(value, &mut bytes);
    bytes
}

fn write_canonical(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            bytes.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    bytes.push(b',');
                }
                write_canonical(item, bytes);
            }
            bytes.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            bytes.push(b'{');
            for (index, (key, item)) in fields.into_iter().enumerate() {
                if index > 0 {
                    bytes.push(b',');
                }
                bytes.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
                bytes.push(b':');
                write_canonical(item, bytes);
            }
            bytes.push(b'}');
        }
        scalar => bytes.extend_from_slice(scalar.to_string().as_bytes()),
    }
}
