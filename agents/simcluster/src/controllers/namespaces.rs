//! Namespaces: their default service account, and their end, which takes their content along.

use serde_json::json;

use super::Work;
use crate::delete::Propagation;
use crate::managers::Author;
use crate::state::{Change, Key, State, What};
use crate::stored::member_mut;
use crate::write::Draft;

/// How long the namespace controller takes, in milliseconds.
const DELAY: (u64, u64) = (20, 100);

impl State {
    pub(super) fn noticed_by_namespaces(&mut self, change: &Change) {
        if &*change.key.resource == "namespaces" {
            match change.what {
                What::Added => self.default_account(&change.key.name),
                What::Modified if change.new.facts.deleting => self.plan_drain(&change.key.name),
                What::Modified | What::Deleted => {}
            }
        } else if change.what == What::Deleted && self.is_leaving(&change.key.namespace) {
            self.plan_drain(&change.key.namespace.clone());
        }
    }

    fn default_account(&mut self, namespace: &str) {
        let Some(kind) = self.kind("", "v1", "serviceaccounts") else { return };
        let draft = Draft { value: json!({"metadata": {"name": "default"}}), managed: None };
        let mut author = Author::controller("v1");
        author.status = false;
        if let Err(failure) = self.create(&kind, namespace, draft, &author) {
            tracing::warn!(message = %failure.message, "no default service account");
        }
    }

    fn namespace_key(name: &str) -> Key {
        Key { resource: "namespaces".into(), namespace: "".into(), name: name.into() }
    }

    fn is_leaving(&self, namespace: &str) -> bool {
        !namespace.is_empty()
            && self.get(&Self::namespace_key(namespace)).is_some_and(|ns| ns.facts.deleting)
    }

    fn plan_drain(&mut self, namespace: &str) {
        let version = self.version();
        let key = Self::namespace_key(namespace);
        self.plan(&key, version, DELAY, Work::Drain(namespace.into()));
    }

    /// Deletes what is left; lets go of the namespace when nothing is.
    pub(super) fn drain(&mut self, namespace: &str) {
        if !self.is_leaving(namespace) {
            return;
        }
        let content = |state: &Self| -> Vec<Key> {
            let keys = state.objects.keys().filter(|key| *key.namespace == *namespace);
            keys.cloned().collect()
        };
        for key in content(self) {
            self.delete_by_controller(&key, Propagation::Background);
        }
        if !content(self).is_empty() {
            return;
        }
        let key = Self::namespace_key(namespace);
        if let Some(held) = self.get(&key) {
            let mut value = held.to_value();
            member_mut(&mut value, "spec").remove("finalizers");
            let released = self.at_rest(value, held.managed.to_vec());
            self.put(key.clone(), released);
            self.finish_deletion(&key);
        }
    }
}
