//! What a cluster does by itself after a change: the plan of what is due when, and who does it.
//! Controllers act under the cluster's lock and on its clock; none has a task of its own.

mod garbage;
mod namespaces;
mod status;
mod workloads;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::kinds::Kind;
use crate::managers::Author;
use crate::random::scatter;
use crate::state::{Change, Key, State, What};
use crate::stored::{member_mut, take};
use crate::write::Draft;

/// The group's own objects: definitions of custom kinds.
const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// What is to be done later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Says in its status that a workload's new generation was seen.
    Observe(Incarnation),
    /// Makes a workload ready, a job complete, a pod run.
    Ready(Incarnation),
    /// Deletes the dependents of an owner (its uid) that is gone or goes in the foreground.
    Collect(Box<str>),
    /// Deletes an object all of whose owners are gone.
    Check(Key),
    /// Deletes what is left in a namespace, then the namespace.
    Drain(Box<str>),
}

/// One generation of one object that bears a name; work planned for an earlier one is void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incarnation {
    key: Key,
    uid: Box<str>,
    generation: u64,
}

/// What is due when.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: BTreeMap<(Instant, u64), Work>,
    count: u64,
    /// A task lets time pass for this agenda.
    pub(crate) driven: bool,
}

impl Agenda {
    /// When the next work is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    fn plan(&mut self, at: Instant, work: Work) {
        self.count += 1;
        self.due.insert((at, self.count), work);
    }

    fn take(&mut self, now: Instant) -> Option<Work> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

impl State {
    /// Does everything that is due.
    pub(crate) fn settle(&mut self) {
        let now = self.clock.now();
        while let Some(work) = self.agenda.take(now) {
            match work {
                Work::Observe(it) => self.observe(&it),
                Work::Ready(it) => self.make_ready(&it),
                Work::Collect(uid) => self.collect_dependents(&uid),
                Work::Check(key) => self.check_owners(&key),
                Work::Drain(namespace) => self.drain(&namespace),
            }
        }
    }

    /// Plans `work` in `from..to` milliseconds, at a moment that seed, key and generation fix.
    fn plan(&mut self, key: &Key, generation: u64, (from, to): (u64, u64), work: Work) {
        let parts = [&*key.resource, &*key.namespace, &*key.name];
        let delay = from + scatter(self.seed, &parts, generation) % (to - from);
        let at = self.clock.now() + Duration::from_millis(delay);
        self.agenda.plan(at, work);
    }

    /// Plans what a change sets off.
    pub(crate) fn noticed(&mut self, change: &Change) {
        self.noticed_by_garbage(change);
        self.noticed_by_namespaces(change);
        match &*change.key.resource {
            DEFINITIONS => self.noticed_definition(change),
            "serviceaccounts" if change.what == What::Added => {
                self.retry_workloads(&change.key.namespace, &change.key.name);
            }
            _ => self.noticed_workload(change),
        }
    }

    fn noticed_definition(&mut self, change: &Change) {
        if change.what == What::Deleted {
            self.undefine(&change.key.name);
            return;
        }
        let mut value = change.new.to_value();
        let Some(kind) = Kind::of_definition(&value) else { return };
        let versions = value.pointer("/spec/versions").and_then(Value::as_array);
        let is_stored = |version: &&Value| version.get("storage") == Some(&Value::Bool(true));
        let stored = versions.into_iter().flatten().filter(is_stored);
        let stored: Vec<Value> =
            stored.filter_map(|version| version.get("name").cloned()).collect();
        let now = self.clock.text();
        let condition = |kind: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": "True", "reason": reason, "message": message,
                "lastTransitionTime": now,
            })
        };
        let established = "the initial names have been accepted";
        let status = json!({
            "acceptedNames": value.pointer("/spec/names").cloned().unwrap_or_default(),
            "storedVersions": stored,
            "conditions": [
                condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                condition("Established", "InitialNamesAccepted", established),
            ],
        });
        self.serve(kind);
        if value.pointer("/status/conditions").is_none() {
            take(&mut value, "status");
            *member_mut(&mut value, "status") = status.as_object().cloned().unwrap_or_default();
            self.set_status(&change.key, value);
        }
    }

    /// A definition that is gone takes its objects along.
    fn undefine(&mut self, name: &str) {
        let Some(kind) = self.kind_of(name).filter(|kind| kind.custom) else { return };
        let keys: Vec<Key> = self.list(&kind, None).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.remove(&key);
        }
        self.stop_serving(name);
    }

    /// Writes a status as a controller does; an equal one writes nothing.
    fn set_status(&mut self, key: &Key, value: Value) {
        let Some(kind) = self.kind_of(&key.resource) else { return };
        let version = kind.versions.first().cloned().unwrap_or_default();
        let author = Author::controller(&kind.api_version(&version));
        if let Err(failure) = self.update(&kind, key, Draft { value, managed: None }, &author) {
            tracing::warn!(message = %failure.message, "a status was not written");
        }
    }
}
