//! Dependents follow their owners: deleted in the background or before them, or orphaned.

use serde_json::{Value, json};

use super::Work;
use crate::delete::{Options, Propagation};
use crate::state::{Change, Key, State, What};
use crate::stored::meta_mut;
use crate::write::Draft;

/// How long the collector takes, in milliseconds.
const DELAY: (u64, u64) = (5, 50);
const FOREGROUND: &str = "foregroundDeletion";

impl State {
    pub(super) fn noticed_by_garbage(&mut self, change: &Change) {
        let facts = &change.new.facts;
        let leaves = change.what == What::Deleted || facts.deleting;
        if leaves && (change.what == What::Deleted || facts.finalized) {
            let uid = facts.uid.clone();
            if self.has_dependents(&uid) || facts.finalized {
                self.plan(&change.key, change.version, DELAY, Work::Collect(uid));
            }
        }
        if change.what == What::Deleted {
            // A foreground owner may have waited for this one.
            for owner in facts.owners.clone() {
                self.plan(&change.key, change.version, DELAY, Work::Collect(owner));
            }
        } else if !facts.owners.is_empty() && !facts.deleting {
            self.plan(&change.key, change.version, DELAY, Work::Check(change.key.clone()));
        }
    }

    pub(crate) fn has_dependents(&self, uid: &str) -> bool {
        self.objects.values().any(|object| object.facts.owners.iter().any(|owner| **owner == *uid))
    }

    fn dependents(&self, uid: &str) -> Vec<Key> {
        let owned = |owners: &[Box<str>]| owners.iter().any(|owner| **owner == *uid);
        let all = self.objects.iter().filter(|(_, object)| owned(&object.facts.owners));
        all.map(|(key, _)| key.clone()).collect()
    }

    fn living(&self, uid: &str) -> Option<&Key> {
        self.objects.iter().find(|(_, object)| *object.facts.uid == *uid).map(|(key, _)| key)
    }

    /// Takes the owner's reference from everything it owns.
    pub(crate) fn orphan_dependents(&mut self, uid: &str) {
        for key in self.dependents(uid) {
            self.drop_owners(&key, |owner| owner == uid);
        }
    }

    pub(super) fn collect_dependents(&mut self, uid: &str) {
        let owner = self.living(uid).cloned();
        let foreground = owner.filter(|key| self.waits_in_foreground(key));
        if let Some(key) = &foreground {
            for dependent in self.dependents(uid) {
                self.delete_by_controller(&dependent, Propagation::Foreground);
            }
            if !self.has_dependents(uid) {
                self.drop_finalizer(key, FOREGROUND);
            }
        } else if self.living(uid).is_none() {
            for dependent in self.dependents(uid) {
                self.check_owners(&dependent);
            }
        }
    }

    /// Deletes an object when all its owners are gone; drops references to the gone ones else.
    pub(super) fn check_owners(&mut self, key: &Key) {
        let Some(object) = self.get(key).filter(|object| !object.facts.deleting) else { return };
        let owners = &object.facts.owners;
        let gone: Vec<&Box<str>> = owners
            .iter()
            .filter(|uid| {
                let place = self.living(uid).map(|owner| &*owner.namespace);
                // A namespaced owner of a cluster-scoped object cannot be resolved: it stays.
                !place.is_some_and(|ns| {
                    ns.is_empty() || key.namespace.is_empty() || *ns == *key.namespace
                })
            })
            .collect();
        if gone.is_empty() {
            return;
        }
        if gone.len() == owners.len() {
            self.delete_by_controller(key, Propagation::Background);
        } else {
            let gone: Vec<String> = gone.iter().map(|uid| uid.to_string()).collect();
            self.drop_owners(key, |owner| gone.iter().any(|uid| uid == owner));
        }
    }

    fn waits_in_foreground(&self, key: &Key) -> bool {
        self.get(key).filter(|object| object.facts.deleting).is_some_and(|object| {
            let value = object.to_value();
            let list = value.pointer("/metadata/finalizers").and_then(Value::as_array);
            list.is_some_and(|list| list.contains(&json!(FOREGROUND)))
        })
    }

    pub(super) fn delete_by_controller(&mut self, key: &Key, propagation: Propagation) {
        let Some(kind) = self.kind_of(&key.resource) else { return };
        if self.get(key).is_some_and(|object| object.facts.deleting) {
            return;
        }
        let options = Options::propagating(propagation);
        if let Err(failure) = self.delete(&kind, key, &options) {
            tracing::debug!(message = %failure.message, "a dependent was not deleted");
        }
    }

    fn drop_owners(&mut self, key: &Key, dropped: impl Fn(&str) -> bool) {
        let uid = |owner: &Value| owner.get("uid").and_then(Value::as_str).map(str::to_owned);
        self.change_list(key, "ownerReferences", |owner| uid(owner).is_some_and(|u| dropped(&u)));
    }

    fn drop_finalizer(&mut self, key: &Key, finalizer: &str) {
        self.change_list(key, "finalizers", |held| held == finalizer);
    }

    /// Takes the items that `drop` names from a list of the metadata.
    fn change_list(&mut self, key: &Key, list: &str, drop: impl Fn(&Value) -> bool) {
        let (Some(kind), Some(object)) = (self.kind_of(&key.resource), self.get(key)) else {
            return;
        };
        let mut value = object.to_value();
        if let Some(items) = meta_mut(&mut value).get_mut(list).and_then(Value::as_array_mut) {
            items.retain(|item| !drop(item));
        }
        let mut author = crate::managers::Author::controller("v1");
        author.status = false;
        if let Err(failure) = self.update(&kind, key, Draft { value, managed: None }, &author) {
            tracing::debug!(message = %failure.message, "a dependent was not released");
        }
    }
}
