//! The content of one cluster: objects, their versions and the last changes. Every change goes
//! through `put` and `remove`; which change is allowed is decided elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::broadcast;

use crate::clock::Clock;
use crate::controllers::Agenda;
use crate::kinds::{self, Kind};
use crate::pool::Pool;
use crate::random::Random;
use crate::stored::{Managed, Stored};

/// Where an object lies; cluster-scoped ones have an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: Arc<str>,
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
}

impl Key {
    pub(crate) fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        Self { resource: kind.id.clone(), namespace: namespace.into(), name: name.into() }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Added,
    Modified,
    Deleted,
}

/// One change; `new` is the last state of what was deleted.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) what: What,
    pub(crate) key: Key,
    pub(crate) new: Arc<Stored>,
    pub(crate) old: Option<Arc<Stored>>,
}

/// Everything a cluster knows.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    pub(crate) random: Random,
    pub(crate) agenda: Agenda,
    pub(crate) objects: BTreeMap<Key, Arc<Stored>>,
    pool: Pool,
    custom: Vec<Arc<Kind>>,
    version: u64,
    history: VecDeque<Change>,
    history_limit: usize,
    /// The version before the oldest change in `history`.
    floor: u64,
    changed: broadcast::Sender<()>,
}

impl State {
    pub(crate) fn new(clock: Clock, seed: u64, pool: Pool, history_limit: usize) -> Self {
        Self {
            clock,
            seed,
            random: Random::new(seed),
            agenda: Agenda::default(),
            objects: BTreeMap::new(),
            pool,
            custom: Vec::new(),
            version: 0,
            history: VecDeque::new(),
            history_limit,
            floor: 0,
            changed: broadcast::channel(1).0,
        }
    }

    /// The version of the last change.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Tells of every later version.
    pub(crate) fn follow(&self) -> broadcast::Receiver<()> {
        self.changed.subscribe()
    }

    /// The changes after `version`, or the oldest version that can be asked for.
    pub(crate) fn since(&self, version: u64) -> Result<impl Iterator<Item = &Change>, u64> {
        if version < self.floor {
            return Err(self.floor);
        }
        let from = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(from..))
    }

    /// The kinds served now, built-in ones first.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &Arc<Kind>> {
        kinds::all().iter().chain(&self.custom)
    }

    /// The kind served under this group, version and plural.
    pub(crate) fn kind(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        self.kinds()
            .find(|kind| kind.is(group, plural) && kind.versions.iter().any(|v| v == version))
            .cloned()
    }

    /// The kind with this key.
    pub(crate) fn kind_of(&self, resource: &str) -> Option<Arc<Kind>> {
        self.kinds().find(|kind| &*kind.id == resource).cloned()
    }

    /// Serves a custom kind from now on, in place of one of the same name.
    pub(crate) fn serve(&mut self, kind: Kind) {
        self.stop_serving(&kind.id.clone());
        self.custom.push(Arc::new(kind));
        self.custom.sort_by(|a, b| (&a.group, &a.plural).cmp(&(&b.group, &b.plural)));
    }

    pub(crate) fn stop_serving(&mut self, id: &str) {
        self.custom.retain(|kind| &*kind.id != id);
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.objects.get(key).cloned()
    }

    /// The objects of a kind, in one namespace or in all (`None`), by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        kind: &Kind,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Stored>)> + use<'a> {
        let id = kind.id.clone();
        let start = Key::new(kind, namespace.unwrap_or_default(), "");
        self.objects.range(start..).take_while(move |(key, _)| {
            key.resource == id && namespace.is_none_or(|ns| *key.namespace == *ns)
        })
    }

    /// An object at rest as the next version; not stored yet.
    pub(crate) fn at_rest(&self, value: Value, managed: Vec<Managed>) -> Stored {
        Stored::new(value, managed, self.version + 1, &self.pool)
    }

    /// Equal bytes of all clusters, held once.
    pub(crate) fn share(&self, bytes: &[u8]) -> Arc<[u8]> {
        self.pool.share(bytes)
    }

    /// Stores an object made by `at_rest`.
    pub(crate) fn put(&mut self, key: Key, new: Stored) -> Arc<Stored> {
        let new = Arc::new(new);
        let old = self.objects.insert(key.clone(), new.clone());
        let what = if old.is_some() { What::Modified } else { What::Added };
        self.record(Change { version: new.version, what, key, new: new.clone(), old });
        new
    }

    /// Removes an object; its last state carries the version of its removal.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Stored>> {
        let old = self.objects.remove(key)?;
        let last = self.at_rest(old.to_value(), old.managed.to_vec());
        let last = Arc::new(last);
        self.record(Change {
            version: last.version,
            what: What::Deleted,
            key: key.clone(),
            new: last.clone(),
            old: Some(old),
        });
        Some(last)
    }

    fn record(&mut self, change: Change) {
        self.version = change.version;
        self.history.push_back(change.clone());
        if self.history.len() > self.history_limit
            && let Some(dropped) = self.history.pop_front()
        {
            self.floor = dropped.version;
        }
        // Nobody may be there to hear it.
        let _ = self.changed.send(());
        self.noticed(&change);
    }
}
