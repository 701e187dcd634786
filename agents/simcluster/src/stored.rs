//! An object at rest: compact bytes, shared between clusters where they are equal, and its form in
//! work (a JSON value) and on the wire. Applies no rule of Kubernetes.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::clock::rfc3339;
use crate::kinds::Kind;
use crate::pool::Pool;

/// One incarnation of an object at one resource version.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    /// Metadata without resourceVersion and managedFields.
    meta: Box<[u8]>,
    /// Everything else but the status, as members without the braces; shared.
    body: Arc<[u8]>,
    /// The status, empty when there is none.
    status: Box<[u8]>,
    pub(crate) managed: Box<[Managed]>,
    /// What controllers ask of many objects at once.
    pub(crate) facts: Facts,
}

/// Metadata that is looked at without reading the whole object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) uid: Box<str>,
    pub(crate) generation: u64,
    pub(crate) deleting: bool,
    pub(crate) finalized: bool,
    pub(crate) owners: Box<[Box<str>]>,
}

/// Who manages which fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Managed {
    pub(crate) manager: Arc<str>,
    pub(crate) operation: Operation,
    pub(crate) status: bool,
    pub(crate) api_version: Arc<str>,
    /// Seconds since 1970.
    pub(crate) time: i64,
    /// `fieldsV1` as JSON; shared.
    pub(crate) fields: Arc<[u8]>,
}

/// How a manager writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

impl Managed {
    fn to_value(&self) -> Value {
        let fields: Value = serde_json::from_slice(&self.fields).unwrap_or_default();
        let operation = match self.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        let mut value = json!({
            "manager": &*self.manager, "operation": operation, "apiVersion": &*self.api_version,
            "time": rfc3339(self.time), "fieldsType": "FieldsV1", "fieldsV1": fields,
        });
        if self.status {
            value["subresource"] = "status".into();
        }
        value
    }
}

impl Stored {
    /// Puts an object to rest. `value` has no resourceVersion and no managedFields.
    pub(crate) fn new(mut value: Value, managed: Vec<Managed>, version: u64, pool: &Pool) -> Self {
        let facts = Facts::of(&value);
        let meta = take(&mut value, "metadata").unwrap_or_else(|| json!({}));
        let status = take(&mut value, "status");
        for key in ["apiVersion", "kind"] {
            take(&mut value, key);
        }
        let body = serde_json::to_vec(&value).unwrap_or_default();
        let inner = body.get(1..body.len().saturating_sub(1)).unwrap_or_default();
        Self {
            version,
            meta: serde_json::to_vec(&meta).unwrap_or_default().into(),
            body: pool.share(inner),
            status: status.and_then(|s| serde_json::to_vec(&s).ok()).unwrap_or_default().into(),
            managed: managed.into(),
            facts,
        }
    }

    /// The object without apiVersion, kind, resourceVersion and managedFields.
    pub(crate) fn to_value(&self) -> Value {
        let mut bytes = Vec::with_capacity(self.size());
        bytes.extend_from_slice(b"{\"metadata\":");
        bytes.extend_from_slice(&self.meta);
        self.rest(&mut bytes);
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The metadata alone, under its key: enough for label selectors.
    pub(crate) fn meta_value(&self) -> Value {
        let meta: Value = serde_json::from_slice(&self.meta).unwrap_or_default();
        json!({"metadata": meta})
    }

    /// The object as it is served in `version` of its kind.
    pub(crate) fn render(&self, kind: &Kind, version: &str, out: &mut Vec<u8>) {
        out.reserve(self.size());
        let (kind, api) = (Value::from(kind.kind.as_str()), kind.api_version(version));
        let head = format!("{{\"kind\":{kind},\"apiVersion\":{},\"metadata\":", Value::from(api));
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(self.meta.get(..self.meta.len() - 1).unwrap_or_default());
        out.extend_from_slice(format!(",\"resourceVersion\":\"{}\"", self.version).as_bytes());
        if !self.managed.is_empty() {
            let managed: Value = self.managed.iter().map(Managed::to_value).collect();
            out.extend_from_slice(format!(",\"managedFields\":{managed}").as_bytes());
        }
        out.push(b'}');
        self.rest(out);
    }

    fn rest(&self, out: &mut Vec<u8>) {
        if !self.body.is_empty() {
            out.push(b',');
            out.extend_from_slice(&self.body);
        }
        if !self.status.is_empty() {
            out.extend_from_slice(b",\"status\":");
            out.extend_from_slice(&self.status);
        }
        out.push(b'}');
    }

    /// About how many bytes it takes on the wire, without managed fields.
    fn size(&self) -> usize {
        self.meta.len() + self.body.len() + self.status.len() + 160
    }
}

impl Facts {
    fn of(value: &Value) -> Self {
        let meta = value.get("metadata");
        let get = |key: &str| meta.and_then(|m| m.get(key));
        let filled = |v: Option<&Value>| v.and_then(Value::as_array).is_some_and(|a| !a.is_empty());
        let owners = get("ownerReferences").and_then(Value::as_array).into_iter().flatten();
        Self {
            uid: get("uid").and_then(Value::as_str).unwrap_or_default().into(),
            generation: get("generation").and_then(Value::as_u64).unwrap_or(0),
            deleting: get("deletionTimestamp").is_some(),
            finalized: filled(get("finalizers")),
            owners: owners
                .filter_map(|o| o.get("uid").and_then(Value::as_str))
                .map(Box::from)
                .collect(),
        }
    }
}

/// Takes a member out of an object.
pub(crate) fn take(value: &mut Value, key: &str) -> Option<Value> {
    value.as_object_mut().and_then(|map| map.remove(key))
}

/// The metadata to write into; what is no object becomes one.
pub(crate) fn meta_mut(value: &mut Value) -> &mut Map<String, Value> {
    member_mut(value, "metadata")
}

/// A member that is an object, made when it is absent or something else.
pub(crate) fn member_mut<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    as_map(as_map(value).entry(key).or_insert_with(|| json!({})))
}

/// A value as an object; anything else becomes an empty one.
pub(crate) fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made an object"),
    }
}
