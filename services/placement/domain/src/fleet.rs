//! What placement sees of registration: clusters, sets and bindings, with the two questions that
//! scheduling asks of them, answered without walking the fleet: who is in a set, and which
//! namespaces may use it. It decides nothing.

use crate::cluster::Cluster;
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::registration::{
    ManagedClusterSet, binding_event, cluster_event, cluster_set_event,
};
use fleetlog_rules::membership::Members;
use std::collections::{BTreeMap, BTreeSet};

/// The fleet as placement sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    clusters: BTreeMap<String, Cluster>,
    sets: BTreeMap<String, ManagedClusterSet>,
    /// By namespace, the names of the bound sets, whether these exist or not.
    bindings: BTreeMap<String, BTreeSet<String>>,
    /// Derived: how each set selects, and whom.
    members: BTreeMap<String, (Members, BTreeSet<String>)>,
    /// Derived: the namespaces that each set is bound to.
    bound_to: BTreeMap<String, BTreeSet<String>>,
}

/// A cluster before and after an event, with the sets it was and is in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moved {
    /// The cluster's name.
    pub name: String,
    /// What it was.
    pub before: Option<Cluster>,
    /// Where it was.
    pub sets_before: BTreeSet<String>,
    /// Where it is.
    pub sets_after: BTreeSet<String>,
}

impl Fleet {
    /// The fleet of these rows.
    #[must_use]
    pub fn of(
        clusters: BTreeMap<String, Cluster>,
        sets: BTreeMap<String, ManagedClusterSet>,
        bindings: BTreeSet<(String, String)>,
    ) -> Self {
        let mut fleet = Self { clusters, sets, ..Self::default() };
        for (namespace, set) in bindings {
            fleet.bind(&namespace, &set);
        }
        let names: Vec<String> = fleet.sets.keys().cloned().collect();
        names.iter().for_each(|name| fleet.regroup(name));
        fleet
    }

    /// All clusters.
    #[must_use]
    pub const fn clusters(&self) -> &BTreeMap<String, Cluster> {
        &self.clusters
    }

    /// All sets.
    #[must_use]
    pub const fn sets(&self) -> &BTreeMap<String, ManagedClusterSet> {
        &self.sets
    }

    /// All bindings: namespace and set.
    pub fn bindings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bindings
            .iter()
            .flat_map(|(namespace, sets)| sets.iter().map(move |set| (namespace.as_str(), &**set)))
    }

    /// The sets that exist and are bound to a namespace, by name.
    pub fn bound(&self, namespace: &str) -> impl Iterator<Item = &str> {
        let sets = self.bindings.get(namespace).into_iter().flatten();
        sets.filter(|set| self.sets.contains_key(*set)).map(String::as_str)
    }

    /// The namespaces that a set is bound to.
    pub fn namespaces(&self, set: &str) -> impl Iterator<Item = &str> {
        self.bound_to.get(set).into_iter().flatten().map(String::as_str)
    }

    /// The members of a set, by name.
    pub fn members(&self, set: &str) -> impl Iterator<Item = &str> {
        let members = self.members.get(set).map(|(_, members)| members);
        members.into_iter().flatten().map(String::as_str)
    }

    /// Whether a cluster is in a set.
    #[must_use]
    pub fn is_member(&self, cluster: &str, set: &str) -> bool {
        self.members.get(set).is_some_and(|(_, members)| members.contains(cluster))
    }

    /// Folds an event of a cluster; `None` when nothing that placement sees has changed.
    pub fn cluster_changed(&mut self, name: &str, event: &cluster_event::Event) -> Option<Moved> {
        let before = self.clusters.remove(name);
        let after = Cluster::evolve(before.clone(), event);
        let same = before == after;
        let regroup = before.as_ref().map(|c| &c.labels) != after.as_ref().map(|c| &c.labels);
        if let Some(after) = after {
            self.clusters.insert(name.to_owned(), after);
        }
        if same {
            return None;
        }
        let sets_before = self.sets_of(name);
        if regroup {
            self.resettle(name);
        }
        let sets_after = if regroup { self.sets_of(name) } else { sets_before.clone() };
        Some(Moved { name: name.to_owned(), before, sets_before, sets_after })
    }

    /// Folds an event of a set; whether its members or its being there have changed.
    pub fn set_changed(&mut self, name: &str, event: &cluster_set_event::Event) -> bool {
        let before = self.members.get(name).cloned();
        match event {
            cluster_set_event::Event::Specified(specified) => {
                let spec = specified.set.clone().and_then(|set| set.spec);
                let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
                let metadata = Some(metadata);
                let seen = ManagedClusterSet { metadata, spec, ..ManagedClusterSet::default() };
                self.sets.insert(name.to_owned(), seen);
            }
            cluster_set_event::Event::Deleted(_) => {
                self.sets.remove(name);
            }
            cluster_set_event::Event::Counted(_) => return false,
        }
        self.regroup(name);
        let members = |seen: Option<&(Members, BTreeSet<String>)>| seen.map(|(_, m)| m.clone());
        members(before.as_ref()) != members(self.members.get(name))
    }

    /// Folds an event of a binding; whether it came or went.
    pub fn binding_changed(
        &mut self,
        (namespace, set): (&str, &str),
        event: &binding_event::Event,
    ) -> bool {
        match event {
            binding_event::Event::Specified(_) => self.bind(namespace, set),
            binding_event::Event::Deleted(_) => {
                drop_from(&mut self.bound_to, set, namespace);
                drop_from(&mut self.bindings, namespace, set)
            }
            binding_event::Event::Bound(_) => false,
        }
    }

    fn bind(&mut self, namespace: &str, set: &str) -> bool {
        self.bound_to.entry(set.to_owned()).or_default().insert(namespace.to_owned());
        self.bindings.entry(namespace.to_owned()).or_default().insert(set.to_owned())
    }

    fn sets_of(&self, cluster: &str) -> BTreeSet<String> {
        let with = self.members.iter().filter(|(_, (_, members))| members.contains(cluster));
        with.map(|(set, _)| set.clone()).collect()
    }

    /// Finds the members of one set anew.
    fn regroup(&mut self, set: &str) {
        let Some(object) = self.sets.get(set) else {
            self.members.remove(set);
            return;
        };
        let how = Members::of(set, object.spec.as_ref()).unwrap_or(Members::None);
        let included = self.clusters.iter().filter(|(_, cluster)| how.include(&cluster.labels));
        let members = included.map(|(name, _)| name.clone()).collect();
        self.members.insert(set.to_owned(), (how, members));
    }

    /// Finds the sets of one cluster anew.
    fn resettle(&mut self, name: &str) {
        let labels = self.clusters.get(name).map(|cluster| &cluster.labels);
        for (how, members) in self.members.values_mut() {
            if labels.is_some_and(|labels| how.include(labels)) {
                members.insert(name.to_owned());
            } else {
                members.remove(name);
            }
        }
    }
}

/// Takes a value away, and its key when none is left; whether it was there.
fn drop_from(map: &mut BTreeMap<String, BTreeSet<String>>, key: &str, value: &str) -> bool {
    let Some(values) = map.get_mut(key) else { return false };
    let was = values.remove(value);
    if values.is_empty() {
        map.remove(key);
    }
    was
}
