//! What a cluster does by itself after a change: the plan of what is due when, and who does it.
//! Controllers act under the cluster's lock and on its clock; none has a task of its own.

mod definitions;
mod garbage;
mod namespaces;
mod status;
mod workloads;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::managers::Author;
use crate::random::scatter;
use crate::state::{Change, Key, State, What};
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
