//! Creating and replacing objects: the checks and the metadata that every write goes through.
//! Patches and applies end here too.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::failure::{Cause, Failure};
use crate::kinds::Kind;
use crate::managers::{self, Author};
use crate::state::{Key, State};
use crate::stored::{Managed, Stored, member_mut, meta_mut, take};
use crate::{defaults, validate};

/// Metadata that a write cannot change.
const KEPT: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
];

/// A write to be checked and stored.
pub(crate) struct Draft {
    pub(crate) value: Value,
    /// Given by an apply; other writes compute it.
    pub(crate) managed: Option<Vec<Managed>>,
}

impl State {
    /// Creates an object in `namespace` (empty for cluster-scoped kinds).
    pub(crate) fn create(
        &mut self,
        kind: &Arc<Kind>,
        namespace: &str,
        draft: Draft,
        author: &Author,
    ) -> Result<Arc<Stored>, Failure> {
        let Draft { mut value, managed } = draft;
        self.name(&mut value);
        check_place(kind, namespace, None, &value)?;
        let name = text(&value, "name").to_owned();
        validate::name(kind, &name)?;
        self.check_namespace(kind, namespace, &name)?;
        let key = Key::new(kind, namespace, &name);
        if self.objects.contains_key(&key) {
            return Err(Failure::already_exists(kind, &name));
        }
        if !text(&value, "resourceVersion").is_empty() {
            let why = "resourceVersion should not be set on objects to be created";
            return Err(Failure::bad_request(why));
        }
        self.check_account(kind, namespace, &name, &value)?;
        if !kind.custom {
            drop_nulls(&mut value);
        }
        self.new_meta(kind, namespace, meta_mut(&mut value));
        if kind.status {
            take(&mut value, "status");
        }
        defaults::fill(self, kind, &mut value, None);
        validate::content(kind, &name, &value, None)?;
        let managed = managed
            .unwrap_or_else(|| managers::after_update(self, &[], author, &Value::Null, &value));
        let made = self.at_rest(value, managed);
        if author.dry_run { Ok(Arc::new(made)) } else { Ok(self.put(key, made)) }
    }

    /// Replaces an object. Equal content stores nothing; the last finalizer gone removes it.
    pub(crate) fn update(
        &mut self,
        kind: &Arc<Kind>,
        key: &Key,
        draft: Draft,
        author: &Author,
    ) -> Result<Arc<Stored>, Failure> {
        let old = self.get(key).ok_or_else(|| Failure::not_found(kind, &key.name))?;
        let Draft { mut value, managed } = draft;
        check_place(kind, &key.namespace, Some(&key.name), &value)?;
        check_version(kind, &key.name, &old, &value)?;
        let before = old.to_value();
        if !kind.custom {
            drop_nulls(&mut value);
        }
        keep_meta(&before, &mut value);
        keep_other_side(kind, author, &before, &mut value);
        defaults::fill(self, kind, &mut value, Some(&before));
        validate::content(kind, &key.name, &value, Some(&before))?;
        check_finalizers(kind, key, &before, &value)?;
        count_generation(kind, &before, &mut value);
        let managed = managed
            .unwrap_or_else(|| managers::after_update(self, &old.managed, author, &before, &value));
        if value == before && same_owners(&managed, &old.managed) {
            return Ok(old);
        }
        let made = self.at_rest(value, managed);
        if author.dry_run {
            return Ok(Arc::new(made));
        }
        let made = self.put(key.clone(), made);
        Ok(self.finish_deletion(key).unwrap_or(made))
    }

    /// Removes an object that is being deleted and that nothing holds any more.
    pub(crate) fn finish_deletion(&mut self, key: &Key) -> Option<Arc<Stored>> {
        let object = self.get(key)?;
        if !object.facts.deleting || object.facts.finalized {
            return None;
        }
        if &*key.resource == "namespaces" && namespace_is_held(&object) {
            return None;
        }
        self.remove(key)
    }

    fn name(&mut self, value: &mut Value) {
        let suffix = self.random.suffix();
        let meta = meta_mut(value);
        let empty = |key: &str| meta.get(key).and_then(Value::as_str).unwrap_or("").is_empty();
        if empty("name") && !empty("generateName") {
            let prefix = meta.get("generateName").and_then(Value::as_str).unwrap_or_default();
            let name = format!("{prefix}{suffix}");
            meta.insert("name".into(), name.into());
        }
    }

    fn new_meta(&mut self, kind: &Kind, namespace: &str, meta: &mut Map<String, Value>) {
        for key in [
            "resourceVersion",
            "managedFields",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
        ] {
            meta.remove(key);
        }
        if kind.namespaced {
            meta.insert("namespace".into(), namespace.into());
        }
        meta.insert("uid".into(), self.random.uid().into());
        meta.insert("creationTimestamp".into(), self.clock.text().into());
        if kind.generation {
            meta.insert("generation".into(), 1.into());
        }
        drop_empty(meta);
    }

    fn check_namespace(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), Failure> {
        if !kind.namespaced {
            return Ok(());
        }
        let Some(namespaces) = self.kind("", "v1", "namespaces") else { return Ok(()) };
        let found = self.get(&Key::new(&namespaces, "", namespace));
        let found = found.ok_or_else(|| Failure::not_found(&namespaces, namespace))?;
        if !found.facts.deleting {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut failure = Failure::forbidden(kind, name, &why);
        if let Some(details) = &mut failure.details {
            details["causes"] = json!([{
                "reason": "NamespaceTerminating", "field": "metadata.namespace",
                "message": format!("namespace {namespace} is being terminated"),
            }]);
        }
        Err(failure)
    }
}

/// A text of the metadata; empty when absent.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get("metadata").and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or("")
}

/// Whether the content controller still holds a namespace.
pub(crate) fn namespace_is_held(namespace: &Stored) -> bool {
    let value = namespace.to_value();
    value.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty())
}

/// The body must mean the place it is sent to.
fn check_place(
    kind: &Kind,
    namespace: &str,
    name: Option<&str>,
    value: &Value,
) -> Result<(), Failure> {
    if !value.is_object() {
        return Err(Failure::bad_request("the body of the request is not an object"));
    }
    let version = value.get("apiVersion").and_then(Value::as_str);
    let of_group = |v: &str| kind.versions.iter().any(|known| kind.api_version(known) == v);
    let named = value.get("kind").and_then(Value::as_str);
    if version.is_some_and(|v| !of_group(v)) || named.is_some_and(|n| n != kind.kind) {
        return Err(Failure::bad_request(format!(
            "the object in the body ({} {}) is not what the path serves ({})",
            version.unwrap_or_default(),
            named.unwrap_or_default(),
            kind.id
        )));
    }
    let theirs = text(value, "namespace");
    if !theirs.is_empty() && theirs != namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let theirs = text(value, "name");
    if name.is_some_and(|name| !theirs.is_empty() && theirs != name) {
        return Err(Failure::bad_request(
            "the name of the object does not match the name on the URL",
        ));
    }
    Ok(())
}

fn check_version(kind: &Kind, name: &str, old: &Stored, new: &Value) -> Result<(), Failure> {
    let version = text(new, "resourceVersion");
    if !version.is_empty() && version != old.version.to_string() {
        return Err(Failure::modified(kind, name));
    }
    let uid = text(new, "uid");
    if !uid.is_empty() && *uid != *old.facts.uid {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            old.facts.uid
        );
        return Err(Failure::conflict(kind, name, &why));
    }
    Ok(())
}

fn keep_meta(before: &Value, value: &mut Value) {
    for key in ["apiVersion", "kind"] {
        take(value, key);
    }
    let meta = meta_mut(value);
    for key in ["resourceVersion", "managedFields", "selfLink"] {
        meta.remove(key);
    }
    for key in KEPT {
        match before.get("metadata").and_then(|m| m.get(*key)) {
            Some(kept) => meta.insert((*key).to_owned(), kept.clone()),
            None => meta.remove(*key),
        };
    }
    drop_empty(meta);
}

/// A typed server reads null as absent.
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Empty labels, annotations, finalizers and owners are none, as the typed server has it.
fn drop_empty(meta: &mut Map<String, Value>) {
    for key in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = |v: &Value| {
            v.is_null()
                || v.as_object().is_some_and(Map::is_empty)
                || v.as_array().is_some_and(Vec::is_empty)
        };
        if meta.get(key).is_some_and(empty) {
            meta.remove(key);
        }
    }
}

/// A write of the status leaves the rest alone, any other write leaves the status alone.
fn keep_other_side(kind: &Kind, author: &Author, before: &Value, value: &mut Value) {
    if author.status {
        let status = take(value, "status");
        *value = before.clone();
        take(value, "status");
        if let (Some(status), Some(map)) = (status, value.as_object_mut()) {
            map.insert("status".into(), status);
        }
    } else if kind.status {
        take(value, "status");
        if let (Some(status), Some(map)) = (before.get("status"), value.as_object_mut()) {
            map.insert("status".into(), status.clone());
        }
    }
}

fn check_finalizers(kind: &Kind, key: &Key, before: &Value, new: &Value) -> Result<(), Failure> {
    if before.pointer("/metadata/deletionTimestamp").is_none() {
        return Ok(());
    }
    let list = |value: &Value| {
        value.pointer("/metadata/finalizers").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let old = list(before);
    if list(new).iter().all(|finalizer| old.contains(finalizer)) {
        return Ok(());
    }
    let why = "Forbidden: no new finalizers can be added if the object is being deleted";
    let cause = Cause {
        reason: "FieldValueForbidden",
        field: "metadata.finalizers".into(),
        message: why.into(),
    };
    Err(Failure::invalid(kind, &key.name, &[cause]))
}

fn count_generation(kind: &Kind, before: &Value, value: &mut Value) {
    if !kind.generation {
        return;
    }
    let content = |value: &Value| {
        let members = value.as_object().cloned().unwrap_or_default();
        members.into_iter().filter(|(k, _)| k != "metadata" && k != "status").collect::<Map<_, _>>()
    };
    if content(before) != content(value) {
        let last = before.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or(0);
        member_mut(value, "metadata").insert("generation".into(), (last + 1).into());
    }
}

/// The same fields lie with the same managers; when they were written does not matter.
fn same_owners(new: &[Managed], old: &[Managed]) -> bool {
    let facts = |m: &Managed| (m.manager.clone(), m.operation, m.status, m.fields.clone());
    new.iter().map(facts).eq(old.iter().map(facts))
}
