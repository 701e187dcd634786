//! Workloads: seen within milliseconds, ready after a while that the seed fixes, and only when the
//! service account of their pods exists. No pods are made; what a status says is `status`'s.

use serde_json::Value;

use super::status::{self, Phase};
use super::{Incarnation, Work};
use crate::failure::Failure;
use crate::kinds::{self, Kind};
use crate::state::{Change, Key, State, What};

/// How long a controller takes to see a new generation, in milliseconds.
const SEEN: (u64, u64) = (2, 20);
/// How long it takes until all is ready, in milliseconds.
const READY: (u64, u64) = (200, 801);

impl State {
    pub(super) fn noticed_workload(&mut self, change: &Change) {
        let facts = &change.new.facts;
        if !status::has(&change.key.resource) || change.what == What::Deleted || facts.deleting {
            return;
        }
        let generation = facts.generation;
        if change.old.as_ref().is_none_or(|old| old.facts.generation != generation) {
            let uid = facts.uid.clone();
            self.plan_workload(Incarnation { key: change.key.clone(), uid, generation });
        }
    }

    fn plan_workload(&mut self, it: Incarnation) {
        let (key, generation) = (it.key.clone(), it.generation);
        self.plan(&key, generation, SEEN, Work::Observe(it.clone()));
        self.plan(&key, generation, READY, Work::Ready(it));
    }

    /// A service account appeared: what waited for it starts.
    pub(super) fn retry_workloads(&mut self, namespace: &str, account: &str) {
        let kinds = kinds::all().iter().filter(|kind| status::has(&kind.id));
        let waiting: Vec<Incarnation> = kinds
            .flat_map(|kind| self.list(kind, Some(namespace)))
            .filter(|(key, object)| {
                status::account(&key.resource, &object.to_value()).as_deref() == Some(account)
            })
            .map(|(key, object)| {
                let (uid, generation) = (object.facts.uid.clone(), object.facts.generation);
                Incarnation { key: key.clone(), uid, generation }
            })
            .collect();
        for it in waiting {
            self.plan_workload(it);
        }
    }

    pub(super) fn observe(&mut self, it: &Incarnation) {
        self.advance(it, Phase::Seen);
    }

    pub(super) fn make_ready(&mut self, it: &Incarnation) {
        self.advance(it, Phase::Done);
    }

    fn advance(&mut self, it: &Incarnation, phase: Phase) {
        let current = self.get(&it.key).filter(|object| {
            let facts = &object.facts;
            facts.uid == it.uid && facts.generation == it.generation && !facts.deleting
        });
        let Some(object) = current else { return };
        let mut value = object.to_value();
        let missing = status::account(&it.key.resource, &value)
            .filter(|account| !self.has_account(&it.key.namespace, account));
        let phase = match missing {
            Some(account) => Phase::Held(no_account(&it.key.namespace, &account)),
            None => phase,
        };
        let now = self.clock.text();
        let nodes = kinds::find("", "nodes").map_or(0, |kind| self.list(&kind, None).count());
        let ground = status::Ground { now: &now, nodes: nodes as u64 };
        if let Some(status) = status::of(&it.key.resource, &value, &phase, &ground) {
            value["status"] = status;
            self.set_status(&it.key, value);
        }
    }

    fn has_account(&self, namespace: &str, account: &str) -> bool {
        let key = Key {
            resource: "serviceaccounts".into(),
            namespace: namespace.into(),
            name: account.into(),
        };
        self.get(&key).is_some()
    }

    /// Refuses a pod whose service account does not exist, as admission does.
    pub(crate) fn check_account(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        pod: &Value,
    ) -> Result<(), Failure> {
        if &*kind.id != "pods" {
            return Ok(());
        }
        match status::account(&kind.id, pod) {
            Some(account) if !self.has_account(namespace, &account) => {
                Err(Failure::forbidden(kind, name, &no_account(namespace, &account)))
            }
            _ => Ok(()),
        }
    }
}

fn no_account(namespace: &str, account: &str) -> String {
    format!(
        "error looking up service account {namespace}/{account}: \
         serviceaccount \"{account}\" not found"
    )
}
