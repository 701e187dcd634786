//! Who has which label or claim, so that a placement that asks for a value looks at those clusters
//! alone. Derived; who may be chosen is not known here.

use crate::cluster::Cluster;
use fleetlog_rules::labels::Labels;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A cluster's name, shared.
pub type Name = Arc<str>;
/// A cluster with its name, shared.
pub type Entry = (Name, Arc<Cluster>);

/// By key and value, the clusters that have it, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index(BTreeMap<String, BTreeMap<String, Vec<Entry>>>);

impl Index {
    /// The clusters whose `key` has this value.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> &[Entry] {
        self.0.get(key).and_then(|values| values.get(value)).map_or(&[], Vec::as_slice)
    }

    /// Takes a cluster in that has these.
    pub fn add(&mut self, name: &Name, cluster: &Arc<Cluster>, pairs: &Labels) {
        for (key, value) in pairs {
            let values = self.0.entry(key.clone()).or_default();
            let entries = values.entry(value.clone()).or_default();
            let entry = (name.clone(), cluster.clone());
            match entries.binary_search_by(|(known, _)| known.cmp(name)) {
                Ok(at) => entries[at] = entry,
                Err(at) => entries.insert(at, entry),
            }
        }
    }

    /// Lets a cluster go that had these.
    pub fn remove(&mut self, name: &str, pairs: &Labels) {
        for (key, value) in pairs {
            let Some(values) = self.0.get_mut(key) else { continue };
            let Some(entries) = values.get_mut(value) else { continue };
            if let Ok(at) = entries.binary_search_by(|(known, _)| known.as_ref().cmp(name)) {
                entries.remove(at);
            }
            if entries.is_empty() {
                values.remove(value);
            }
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }
}
