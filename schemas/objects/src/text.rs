//! Text to values and back: JSON as it is, YAML as kubectl reads it (octals, several documents,
//! whole floats as integers). Keys that stand twice are told by path.

use crate::loader::{Loader, Numbers};
use crate::path::Path;
use crate::refusal::Refusal;
use serde::de::{Deserialize, DeserializeSeed as _, Deserializer};
use serde_json::Value;
use std::cell::RefCell;

/// How deep values may be nested, in both languages.
const DEPTH: usize = 128;

/// Reads one JSON value, and the paths of keys that stand twice (the last one is in the value).
///
/// # Errors
/// Text that is not one JSON value.
pub fn json(text: &str) -> Result<(Value, Vec<String>), Refusal> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let duplicates = RefCell::default();
    let value = next_json(&mut reader, &duplicates)?;
    reader.end().map_err(|error| refusal("JSON", &error.to_string()))?;
    Ok((value, duplicates.into_inner()))
}

/// Reads JSON values that follow each other.
fn json_stream(text: &str) -> Result<Vec<Value>, Refusal> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let (mut values, duplicates) = (vec![], RefCell::default());
    while reader.end().is_err() {
        values.push(next_json(&mut reader, &duplicates)?);
    }
    match duplicates.into_inner().into_iter().next() {
        Some(path) => Err(Refusal::Duplicate { path }),
        None => Ok(values),
    }
}

fn next_json(
    reader: &mut serde_json::Deserializer<serde_json::de::StrRead<'_>>,
    duplicates: &RefCell<Vec<String>>,
) -> Result<Value, Refusal> {
    let loader = Loader { path: Path::Root, numbers: Numbers::AsGiven, duplicates };
    loader.deserialize(reader).map_err(|error| refusal("JSON", &error.to_string()))
}

/// Reads the documents of a YAML text; empty ones are passed over.
///
/// # Errors
/// Text that is not YAML, or a key that stands twice.
pub fn yaml(text: &str) -> Result<Vec<Value>, Refusal> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            flow_nesting_limit: DEPTH,
            max_nodes: 5_000_000,
            max_events: 20_000_000,
        },
    };
    let documents = serde_saphyr::from_multiple_with_options::<Document>(text, options);
    let documents = documents.map_err(|error| refusal("YAML", &error.to_string()))?;
    match documents.iter().find_map(|document| document.duplicates.first()) {
        Some(path) => Err(Refusal::Duplicate { path: path.clone() }),
        None => Ok(documents.into_iter().map(|document| document.value).collect()),
    }
}

/// Reads a file's text: JSON, one value after the other, when it begins as JSON does and is JSON;
/// YAML otherwise.
///
/// # Errors
/// Text that is neither, or a key that stands twice.
pub fn documents(text: &str) -> Result<Vec<Value>, Refusal> {
    let Some(inside) = text.trim_start().strip_prefix('{') else { return yaml(text) };
    match json_stream(text) {
        // It may be a flow mapping of YAML; what begins with a quoted key was meant as JSON.
        Err(refusal @ Refusal::Text { .. }) => match yaml(text) {
            Err(_) if inside.trim_start().starts_with('"') => Err(refusal),
            read => read,
        },
        read => read,
    }
}

/// Writes a value as one YAML document, ended by a line feed.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut text = serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// One document with what is doubtful in it.
struct Document {
    value: Value,
    duplicates: Vec<String>,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duplicates = RefCell::default();
        let loader =
            Loader { path: Path::Root, numbers: Numbers::WholeAsIntegers, duplicates: &duplicates };
        let value = loader.deserialize(deserializer)?;
        Ok(Self { value, duplicates: duplicates.into_inner() })
    }
}

fn refusal(language: &'static str, words: &str) -> Refusal {
    let words: Vec<&str> = words.split_whitespace().collect();
    Refusal::Text { language, reason: words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    fn one(text: &str) -> Value {
        yaml(text).unwrap().remove(0)
    }

    #[test]
    fn yaml_is_read_as_kubectl_reads_it() {
        let text =
            "mode: 0644\nport: 1.0\nhalf: 0.5\nquoted: \"0644\"\nflag: yes\nday: 2026-01-01\n";
        let read = value!({
            "mode": 420, "port": 1, "half": 0.5, "quoted": "0644", "flag": true, "day": "2026-01-01"
        });
        assert_eq!(one(text), read);
        assert_eq!(one("1: a\ntrue: b\n"), value!({"1": "a", "true": "b"}));
        assert_eq!(one("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n")["d"], value!({"b": 1, "e": 2}));
    }

    #[test]
    fn several_documents_are_several_values_and_empty_ones_none() {
        let read = yaml("# nothing\n---\na: 1\n---\n---\nb: 2\n...\n").unwrap();
        assert_eq!(read, [value!({"a": 1}), value!({"b": 2})]);
        assert_eq!(yaml("").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn a_key_that_stands_twice_is_told_by_its_path() {
        let twice = yaml("spec:\n  tolerations:\n  - key: a\n    key: b\n").unwrap_err();
        assert_eq!(twice.to_string(), "\"spec.tolerations[0].key\" stands twice");
        let (read, twice) = json(r#"{"a":{"b":1,"b":2}}"#).unwrap();
        assert_eq!((read, twice), (value!({"a": {"b": 2}}), vec!["a.b".to_owned()]));
    }

    #[test]
    fn json_numbers_stay_what_they_are() {
        let (read, _) = json("[1.0, 18446744073709551615, -9223372036854775808]").unwrap();
        assert_eq!(read, value!([1.0, u64::MAX, i64::MIN]));
        assert_eq!(documents("{\"a\": 1.0}").unwrap(), [value!({"a": 1.0})]);
        assert_eq!(documents("{a: 1.0}").unwrap(), [value!({"a": 1})]);
        let two = documents("{\"a\": 1}\n{\"b\": 2}\n").unwrap();
        assert_eq!(two, [value!({"a": 1}), value!({"b": 2})]);
        let damaged = documents("{\"a\": 1").unwrap_err();
        assert!(damaged.to_string().starts_with("the text is not JSON: "), "{damaged}");
    }

    #[test]
    fn what_is_no_text_of_ours_is_refused_in_one_line() {
        for text in ["a: [1", "a: b: c", "a: 'b", "{\"a\":1", "a: .inf"] {
            let Err(refusal) = documents(text) else { panic!("{text:?} was read") };
            assert_eq!(refusal.code(), "OBJ0001", "{text:?}");
            assert!(!refusal.to_string().contains('\n'), "{text:?}");
        }
    }
}
