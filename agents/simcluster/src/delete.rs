//! Deleting objects: preconditions, propagation and finalizers. What deletion sets off later
//! (dependents, a namespace's content) is the controllers' work.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::request::Query;
use crate::state::{Key, State};
use crate::stored::{Stored, meta_mut};

/// What becomes of the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) propagation: Propagation,
    uid: Option<String>,
    version: Option<String>,
    dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { propagation: Propagation::Background, uid: None, version: None, dry_run: false }
    }
}

impl Options {
    /// Without preconditions.
    pub(crate) fn propagating(propagation: Propagation) -> Self {
        Self { propagation, ..Self::default() }
    }

    /// From the body (`DeleteOptions`, may be empty) and the query.
    pub(crate) fn read(body: &[u8], query: &Query) -> Result<Self, Failure> {
        let body: Value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(body).map_err(|e| Failure::bad_request(e.to_string()))?
        };
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let policy = text("/propagationPolicy")
            .or_else(|| query.get("propagationPolicy").map(str::to_owned));
        let propagation = match policy.as_deref() {
            None | Some("Background") => Propagation::Background,
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            Some(other) => {
                let message = format!("invalid propagationPolicy \"{other}\"");
                return Err(Failure::bad_request(message));
            }
        };
        let in_body = body.get("dryRun").and_then(Value::as_array).is_some_and(|d| !d.is_empty());
        Ok(Self {
            propagation,
            uid: text("/preconditions/uid"),
            version: text("/preconditions/resourceVersion"),
            dry_run: in_body || query.get("dryRun").is_some(),
        })
    }
}

/// What a deletion came to.
pub(crate) enum Deleted {
    /// It is gone; its last state.
    Gone(Arc<Stored>),
    /// It stays until its finalizers are gone.
    Waits(Arc<Stored>),
}

impl State {
    pub(crate) fn delete(
        &mut self,
        kind: &Arc<Kind>,
        key: &Key,
        options: &Options,
    ) -> Result<Deleted, Failure> {
        let old = self.get(key).ok_or_else(|| Failure::not_found(kind, &key.name))?;
        check(kind, key, &old, options)?;
        if options.dry_run {
            return Ok(Deleted::Gone(old));
        }
        if options.propagation == Propagation::Orphan {
            self.orphan_dependents(&old.facts.uid);
        }
        let foreground =
            options.propagation == Propagation::Foreground && self.has_dependents(&old.facts.uid);
        if !foreground && !old.facts.finalized && &*kind.id != "namespaces" {
            return Ok(self.remove(key).map_or(Deleted::Gone(old), Deleted::Gone));
        }
        let waiting =
            if old.facts.deleting { old } else { self.mark_deleted(key, &old, foreground) };
        Ok(Deleted::Waits(waiting))
    }

    fn mark_deleted(&mut self, key: &Key, old: &Stored, foreground: bool) -> Arc<Stored> {
        let mut value = old.to_value();
        let now = self.clock.text();
        let meta = meta_mut(&mut value);
        meta.insert("deletionTimestamp".into(), now.into());
        meta.insert("deletionGracePeriodSeconds".into(), 0.into());
        if let Some(generation) = meta.get("generation").and_then(Value::as_u64) {
            meta.insert("generation".into(), (generation + 1).into());
        }
        if foreground {
            let finalizers = meta.entry("finalizers").or_insert_with(|| json!([]));
            if let Some(list) = finalizers.as_array_mut() {
                list.push("foregroundDeletion".into());
            }
        }
        if &*key.resource == "namespaces" {
            crate::stored::member_mut(&mut value, "status")
                .insert("phase".into(), "Terminating".into());
        }
        let marked = self.at_rest(value, old.managed.to_vec());
        self.put(key.clone(), marked)
    }
}

fn check(kind: &Kind, key: &Key, old: &Stored, options: &Options) -> Result<(), Failure> {
    if &*kind.id == "namespaces" && ["default", "kube-system"].contains(&&*key.name) {
        return Err(Failure::forbidden(kind, &key.name, "this namespace may not be deleted"));
    }
    let differs = |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|w| w != is);
    if differs(&options.uid, &old.facts.uid) {
        let uid = options.uid.as_deref().unwrap_or_default();
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            old.facts.uid
        );
        return Err(Failure::conflict(kind, &key.name, &why));
    }
    if differs(&options.version, &old.version.to_string()) {
        return Err(Failure::modified(kind, &key.name));
    }
    Ok(())
}
