//! Server-side apply: a manager says which fields it wants; what it no longer says is removed,
//! what others want differently is a conflict unless forced.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::fields::{self, Fields, Nulls};
use crate::kinds::Kind;
use crate::managers::{self, Author};
use crate::state::{Key, State};
use crate::stored::{Stored, meta_mut, take};
use crate::write::{Draft, drop_nulls};

/// Whether an apply takes fields that others manage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    Yes,
    No,
}

impl State {
    /// Applies `wanted`; creates the object when there is none.
    pub(crate) fn apply(
        &mut self,
        kind: &Arc<Kind>,
        key: &Key,
        mut wanted: Value,
        author: &Author,
        force: Force,
    ) -> Result<Arc<Stored>, Failure> {
        check(&wanted)?;
        if !kind.custom {
            drop_nulls(&mut wanted);
        }
        meta_mut(&mut wanted).insert("name".into(), (*key.name).into());
        let given_uid = meta_mut(&mut wanted).get("uid").cloned();
        restrict(kind, author, &mut wanted);
        let set = fields::leaves(&wanted);
        let Some(old) = self.get(key) else {
            if author.status {
                return Err(Failure::not_found(kind, &key.name));
            }
            if given_uid.is_some() {
                let why = "uid mismatch: the object to apply onto does not exist";
                return Err(Failure::conflict(kind, &key.name, why));
            }
            let managed = managers::after_apply(self, &[], author, &set, &Fields::new());
            let draft = Draft { value: wanted, managed: Some(managed) };
            return self.create(kind, &key.namespace, draft, author);
        };
        let live = old.to_value();
        let conflicts = managers::conflicts(&old.managed, author, &live, &wanted, &set);
        if force == Force::No && !conflicts.is_empty() {
            return Err(conflict(kind, &key.name, &conflicts));
        }
        let taken: Fields = conflicts.into_iter().flat_map(|(_, hit)| hit).collect();
        let value = merged(&old, author, live, &wanted, &set);
        let managed = managers::after_apply(self, &old.managed, author, &set, &taken);
        self.update(kind, key, Draft { value, managed: Some(managed) }, author)
    }
}

fn check(wanted: &Value) -> Result<(), Failure> {
    if !wanted.is_object() {
        return Err(Failure::bad_request("the applied configuration is not an object"));
    }
    for key in ["apiVersion", "kind"] {
        if wanted.get(key).and_then(Value::as_str).is_none() {
            return Err(Failure::bad_request(format!("{key} must be set in an apply patch")));
        }
    }
    let managed = wanted.pointer("/metadata/managedFields").and_then(Value::as_array);
    if managed.is_some_and(|m| !m.is_empty()) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// An apply speaks for its side only: of the status, or of everything else.
fn restrict(kind: &Kind, author: &Author, wanted: &mut Value) {
    if author.status {
        let status = take(wanted, "status");
        let keep = |key: &str| wanted.get(key).cloned().unwrap_or_default();
        let (api, kind, meta) = (keep("apiVersion"), keep("kind"), keep("metadata"));
        let place: serde_json::Map<String, Value> = meta
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| {
                ["name", "namespace", "uid", "resourceVersion"].contains(&key.as_str())
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        *wanted = json!({"apiVersion": api, "kind": kind, "metadata": place});
        if let Some(status) = status {
            wanted["status"] = status;
        }
    } else if kind.status {
        take(wanted, "status");
    }
}

/// The live object without what this manager no longer wants, and with what it wants.
fn merged(old: &Stored, author: &Author, live: Value, wanted: &Value, set: &Fields) -> Value {
    let others = managers::others(&old.managed, author);
    let mut value = live;
    let dropped = managers::applied(&old.managed, author);
    let mut dropped: Vec<_> = dropped.difference(set).filter(|p| !others.contains(*p)).collect();
    // A list's keys last: an item goes when nothing but its key is left.
    dropped.sort_by_key(|path| path.last().is_some_and(|step| is_key_field(path, step)));
    for path in dropped {
        let below = |other: &Vec<String>| other.len() > path.len() && other.starts_with(path);
        if !others.iter().any(below) && !set.iter().any(below) {
            fields::remove(&mut value, path);
        }
    }
    fields::overlay(&mut value, "", wanted, Nulls::Keep);
    let version = wanted.pointer("/metadata/resourceVersion");
    if version.is_none() {
        meta_mut(&mut value).remove("resourceVersion");
    }
    value
}

fn is_key_field(path: &[String], step: &str) -> bool {
    let item = path.len().checked_sub(2).and_then(|at| path.get(at));
    let name = step.trim_start_matches("f:");
    item.and_then(|item| item.strip_prefix("k:")).is_some_and(|keys| {
        serde_json::from_str::<Value>(keys).is_ok_and(|keys| keys.get(name).is_some())
    })
}

fn conflict(kind: &Kind, name: &str, conflicts: &[(Arc<str>, Fields)]) -> Failure {
    let causes: Vec<Value> = conflicts
        .iter()
        .flat_map(|(manager, hit)| {
            hit.iter().map(move |path| {
                json!({
                    "reason": "FieldManagerConflict", "field": dotted(path),
                    "message": format!("conflict with \"{manager}\""),
                })
            })
        })
        .collect();
    let by: Vec<String> = conflicts
        .iter()
        .map(|(manager, hit)| {
            let fields: Vec<String> = hit.iter().map(|path| dotted(path)).collect();
            format!("conflict with \"{manager}\": {}", fields.join(", "))
        })
        .collect();
    let message = format!("Apply failed with {} conflicts: {}", causes.len(), by.join("; "));
    let details = json!({"name": name, "group": kind.group, "kind": kind.plural, "causes": causes});
    Failure { details: Some(details), ..Failure::new(409, "Conflict", message) }
}

/// A path as conflicts print it: `.spec.containers[name="a"].image`.
fn dotted(path: &[String]) -> String {
    path.iter()
        .map(|step| match step.split_once(':') {
            Some(("f", key)) => format!(".{key}"),
            Some((_, key)) => format!("[{key}]"),
            None => step.clone(),
        })
        .collect()
}
