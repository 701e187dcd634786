//! What the cluster says of itself, kept as small as it is reported, and when that is due.

use crate::facts::{Inventory, facts};
use crate::kind::WatchKey;

use crate::observed::meta;
use crate::pace::{Pace, sooner};
use crate::talk::Action;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::registration::ClusterFacts;
use fleetlog_messages::subject::Report;
use prost::Message as _;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Changes of the inventory that come together are reported together.
const GATHER: Duration = Duration::from_millis(200);

/// The inventory of a cluster and what the hub knows of it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    described: Option<(String, String)>,
    nodes: BTreeMap<String, Value>,
    claims: BTreeMap<String, Value>,
    listed: BTreeSet<WatchKey>,
    asked: bool,
    said: Option<ClusterFacts>,
    sending: Option<ClusterFacts>,
    due: Option<Timestamp>,
}

fn nodes() -> WatchKey {
    WatchKey { version: "v1".into(), resource: "nodes".into(), ..WatchKey::default() }
}

fn claims() -> WatchKey {
    WatchKey {
        group: "cluster.open-cluster-management.io".into(),
        version: "v1alpha1".into(),
        resource: "clusterclaims".into(),
        ..WatchKey::default()
    }
}

impl Facts {
    pub(crate) fn watches(&self) -> BTreeSet<WatchKey> {
        BTreeSet::from([nodes(), claims()])
    }

    /// The version is asked for anew with each connection: nothing tells when it changes.
    pub(crate) fn again(&mut self, now: Timestamp) {
        self.asked = false;
        self.sending = None;
        self.due = Some(now);
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.due.filter(|_| self.is_complete() && self.sending.is_none())
    }

    pub(crate) fn described(&mut self, version: String, id: String, now: Timestamp) {
        self.described = Some((version, id));
        self.due = sooner(self.due, now);
    }

    pub(crate) fn reported(&mut self, taken: bool, now: Timestamp, pace: &Pace) {
        let Some(sent) = self.sending.take() else { return };
        if taken {
            self.said = Some(sent);
        } else {
            self.due = Some(now.plus(pace.retry * 4));
        }
    }

    /// Takes what is of the inventory; answers whether it was.
    pub(crate) fn seen(&mut self, watch: &WatchKey, object: &Value, now: Timestamp) -> bool {
        let Some(kept) = self.kept(watch) else { return false };
        let (name, small) = (meta(object, "name").to_owned(), reduced(object));
        if kept.insert(name, small.clone()) != Some(small) {
            self.due = sooner(self.due, now.plus(GATHER));
        }
        true
    }

    pub(crate) fn gone(&mut self, watch: &WatchKey, object: &Value, now: Timestamp) -> bool {
        let Some(kept) = self.kept(watch) else { return false };
        if kept.remove(meta(object, "name")).is_some() {
            self.due = sooner(self.due, now.plus(GATHER));
        }
        true
    }

    pub(crate) fn listed(
        &mut self,
        watch: &WatchKey,
        names: &BTreeSet<(String, String)>,
        now: Timestamp,
    ) -> bool {
        let Some(kept) = self.kept(watch) else { return false };
        let before = kept.len();
        kept.retain(|name, _| names.contains(&(String::new(), name.clone())));
        let fewer = kept.len() != before;
        if self.listed.insert(watch.clone()) {
            self.due = sooner(self.due, now);
        } else if fewer {
            self.due = sooner(self.due, now.plus(GATHER));
        }
        true
    }

    /// Facts without what is hidden from us are better than none.
    pub(crate) fn unlisted(&mut self, watch: &WatchKey, now: Timestamp) {
        if self.kept(watch).is_some() && self.listed.insert(watch.clone()) {
            self.due = sooner(self.due, now);
        }
    }

    pub(crate) fn advance(&mut self, connected: bool, now: Timestamp, actions: &mut Vec<Action>) {
        if !self.asked {
            self.asked = true;
            actions.push(Action::Describe);
        }
        if !connected || self.due().is_none_or(|due| due > now) {
            return;
        }
        self.due = None;
        let facts = facts(&self.inventory());
        if self.said.as_ref() != Some(&facts) {
            actions.push(Action::Report(Report::Cluster, facts.encode_to_vec()));
            self.sending = Some(facts);
        }
    }

    fn is_complete(&self) -> bool {
        self.described.is_some() && self.listed.len() == self.watches().len()
    }

    fn inventory(&self) -> Inventory {
        let (version, id) = self.described.clone().unwrap_or_default();
        let all = |kept: &BTreeMap<String, Value>| kept.values().cloned().collect();
        Inventory { version, id, nodes: all(&self.nodes), claims: all(&self.claims) }
    }

    fn kept(&mut self, watch: &WatchKey) -> Option<&mut BTreeMap<String, Value>> {
        if *watch == nodes() {
            Some(&mut self.nodes)
        } else if *watch == claims() {
            Some(&mut self.claims)
        } else {
            None
        }
    }
}

/// What of a node or a claim facts are made of.
fn reduced(object: &Value) -> Value {
    let mut small = json!({ "metadata": { "name": meta(object, "name") } });
    if let Some(labels) = object.pointer("/metadata/labels") {
        small["metadata"]["labels"] = labels.clone();
    }
    let pick = |from: &str, keys: &[&str]| -> Map<String, Value> {
        let all = object.get(from).and_then(Value::as_object);
        let wanted = all.into_iter().flatten().filter(|(key, _)| keys.contains(&key.as_str()));
        wanted.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    small["spec"] = Value::Object(pick("spec", &["unschedulable", "value"]));
    small["status"] = Value::Object(pick("status", &["capacity", "allocatable"]));
    small
}
