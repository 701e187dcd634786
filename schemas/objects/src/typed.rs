//! Values to structs and back. Reading tells what the struct cannot hold and remembers empty lists
//! and maps; writing puts them back.

use crate::path::Path;
use crate::refusal::name_of;
use crate::schema::{Schema, Schemas, Shape};
use fleetlog_messages::ApiObject;
use serde_json::{Map, Value};

/// Why a value is not an object of the kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no object at all.
    #[error("it is {0}, not an object")]
    NoObject(&'static str),
    /// It says another apiVersion or kind.
    #[error("{field} is \"{found}\", expected \"{expected}\"")]
    OtherKind {
        /// `apiVersion` or `kind`.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// A value that the struct cannot hold.
    #[error("{path}: {reason}")]
    Field {
        /// Where.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// What a struct did not keep of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// A field that the kind does not have.
    Unknown(String),
    /// A value that came out as another: the mapping is wrong there.
    Changed(String),
}

/// Reads an object; what the struct cannot hold comes back by path, empty lists and maps are
/// remembered.
///
/// # Errors
/// Another kind, or a value that does not fit.
pub fn read<T: ApiObject>(mut given: Value) -> Result<(T, Vec<Loss>), ReadError> {
    take_type::<T>(&mut given)?;
    let mut object = match T::deserialize(&given) {
        Ok(object) => object,
        // A second time for the path: nearly every read succeeds at the first.
        Err(_) => serde_path_to_error::deserialize(&given).map_err(|error| ReadError::Field {
            path: error.path().to_string(),
            reason: error.into_inner().to_string(),
        })?,
    };
    let kept = serde_json::to_value(&object)
        .map_err(|error| ReadError::Field { path: String::new(), reason: error.to_string() })?;
    let mut found = Found::default();
    let schema = Schemas::built_in().get(T::INFO.message);
    found.compare(schema, &given, Some(&kept), Path::Root);
    object.set_empties(found.empties);
    Ok((object, found.losses))
}

/// Writes an object as the hub serves it: apiVersion and kind added, empty lists and maps back.
#[must_use]
pub fn write<T: ApiObject>(object: &T) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if !value.is_object() {
        value = Value::Object(Map::new());
    }
    for pointer in object.empties() {
        put_back(&mut value, pointer);
    }
    if let Some(schema) = Schemas::built_in().get(T::INFO.message) {
        schema.fill_required_lists(&mut value);
    }
    value["apiVersion"] = T::INFO.api_version().into();
    value["kind"] = T::INFO.kind.into();
    value
}

/// Checks apiVersion and kind, and takes them out.
fn take_type<T: ApiObject>(given: &mut Value) -> Result<(), ReadError> {
    let found = name_of(given);
    let fields = given.as_object_mut().ok_or(ReadError::NoObject(found))?;
    let expected = [("apiVersion", T::INFO.api_version()), ("kind", T::INFO.kind.to_owned())];
    for (field, expected) in expected {
        let found = fields.remove(field).unwrap_or_default();
        if found.as_str() != Some(&expected) {
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            return Err(ReadError::OtherKind { field, found, expected });
        }
    }
    Ok(())
}

#[derive(Default)]
struct Found {
    losses: Vec<Loss>,
    empties: Vec<String>,
}

impl Found {
    /// Compares what was given with what was kept; `schema` is `None` where nothing is known.
    fn compare(
        &mut self,
        schema: Option<Schema<'_>>,
        given: &Value,
        kept: Option<&Value>,
        path: Path<'_>,
    ) {
        match (given, kept) {
            (Value::Null, None) => {}
            (_, None) if schema.is_none() => self.losses.push(Loss::Unknown(path.to_string())),
            (Value::Array(items), None) if items.is_empty() => self.empties.push(path.pointer()),
            (Value::Object(fields), None) if fields.is_empty() => {
                self.empties.push(path.pointer() + "/");
            }
            (Value::Object(fields), Some(Value::Object(kept))) => {
                for (key, value) in fields {
                    let below = schema.and_then(|schema| field(schema, key));
                    self.compare(below, value, kept.get(key), path.key(key));
                }
            }
            (Value::Array(items), Some(Value::Array(kept))) if items.len() == kept.len() => {
                for (index, (value, kept)) in items.iter().zip(kept).enumerate() {
                    let below = schema.and_then(item);
                    self.compare(below, value, Some(kept), path.index(index));
                }
            }
            (given, Some(kept)) if given == kept => {}
            _ => self.losses.push(Loss::Changed(path.to_string())),
        }
    }
}

/// The schema of a field; `None` when there is none of this name.
fn field<'a>(schema: Schema<'a>, key: &str) -> Option<Schema<'a>> {
    match schema.shape() {
        Shape::Object { fields, open, .. } => {
            let node = fields.get(key).map(|node| schema.at(node));
            if *open { node.or(Some(schema)) } else { node }
        }
        Shape::Map(entry) => Some(schema.at(entry)),
        _ => Some(schema),
    }
}

fn item(schema: Schema<'_>) -> Option<Schema<'_>> {
    match schema.shape() {
        Shape::List { item, .. } => Some(schema.at(item)),
        _ => Some(schema),
    }
}

/// Puts an empty list or map where a pointer says, if its parent is there and nothing stands.
fn put_back(value: &mut Value, pointer: &str) {
    let (pointer, empty) = match pointer.strip_suffix('/') {
        Some(pointer) => (pointer, Value::Object(Map::new())),
        None => (pointer, Value::Array(vec![])),
    };
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
        let key = key.replace("~1", "/").replace("~0", "~");
        fields.entry(key).or_insert(empty);
    }
}
