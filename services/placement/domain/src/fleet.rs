//! What placement sees of registration: clusters, sets and bindings, with the two questions that
//! scheduling asks of them, answered without walking the fleet: who is in a set, and which
//! namespaces may use it. It decides nothing.

use crate::cluster::Cluster;
use crate::index::{Index, Name};
use fleetlog_messages::registration::{ManagedClusterSet, cluster_event, cluster_set_event};
use fleetlog_messages::registration_v2::binding_event;
use fleetlog_rules::labels::Labels;
use fleetlog_rules::membership::Members;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The fleet as placement sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    clusters: BTreeMap<Name, Arc<Cluster>>,
    sets: BTreeMap<String, ManagedClusterSet>,
    /// By namespace, the names of the bound sets, whether these exist or not.
    bindings: BTreeMap<String, BTreeSet<String>>,
    /// Derived: how each set selects, and whom.
    members: BTreeMap<String, Group>,
    /// Derived: who has which label.
    labels: Index,
    /// Derived: who has which claim.
    claims: Index,
    /// Derived: the sets that select by no known rule, and why.
    flaws: BTreeMap<String, String>,
    /// Derived: the namespaces that each set is bound to.
    bound_to: BTreeMap<String, BTreeSet<String>>,
}

/// The members of a set.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    how: Members,
    members: BTreeMap<Name, Arc<Cluster>>,
    tally: Tally,
}

/// How many clusters may be chosen, and how many may not, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// They may.
    pub candidates: usize,
    /// The hub does not accept them.
    pub refused: usize,
    /// They are on their way out.
    pub ending: usize,
}

impl Tally {
    /// Where a cluster counts.
    pub fn of(&mut self, cluster: &Cluster) -> &mut usize {
        match (cluster.accepted, &cluster.terminating) {
            (true, None) => &mut self.candidates,
            (true, Some(_)) => &mut self.ending,
            (false, _) => &mut self.refused,
        }
    }
}

impl Group {
    fn put(&mut self, name: &Name, cluster: &Arc<Cluster>) {
        *self.tally.of(cluster) += 1;
        if let Some(before) = self.members.insert(name.clone(), cluster.clone()) {
            *self.tally.of(&before) -= 1;
        }
    }

    fn take(&mut self, name: &str) {
        if let Some(before) = self.members.remove(name) {
            *self.tally.of(&before) -= 1;
        }
    }
}

/// A cluster before and after an event, with the sets it was and is in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moved {
    /// The cluster's name.
    pub name: String,
    /// What it was.
    pub before: Option<Arc<Cluster>>,
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
        let mut fleet = Self { sets, ..Self::default() };
        for (name, cluster) in clusters {
            fleet.put(&Name::from(name), Arc::new(cluster));
        }
        for (namespace, set) in bindings {
            fleet.bind(&namespace, &set);
        }
        let names: Vec<String> = fleet.sets.keys().cloned().collect();
        names.iter().for_each(|name| fleet.regroup(name));
        fleet
    }

    /// All clusters.
    #[must_use]
    pub const fn clusters(&self) -> &BTreeMap<Name, Arc<Cluster>> {
        &self.clusters
    }

    /// Who has which label.
    #[must_use]
    pub const fn labels(&self) -> &Index {
        &self.labels
    }

    /// Who has which claim.
    #[must_use]
    pub const fn claims(&self) -> &Index {
        &self.claims
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
    pub fn members(&self, set: &str) -> impl Iterator<Item = (&str, &Cluster)> {
        let members = self.members.get(set).map(|group| &group.members);
        members.into_iter().flatten().map(|(name, cluster)| (&**name, &**cluster))
    }

    /// How many members a set has.
    #[must_use]
    pub fn tally(&self, set: &str) -> Tally {
        self.members.get(set).map(|group| group.tally).unwrap_or_default()
    }

    /// Whether a cluster with these labels would be in a set.
    #[must_use]
    pub fn includes(&self, set: &str, labels: &Labels) -> bool {
        self.members.get(set).is_some_and(|group| group.how.include(labels))
    }

    /// Why nobody knows who is in a set; `None` where everybody does.
    #[must_use]
    pub fn flaw(&self, set: &str) -> Option<&str> {
        self.flaws.get(set).map(String::as_str)
    }

    /// The sets of which nobody knows who is in them.
    pub fn flawed(&self) -> impl Iterator<Item = &str> {
        self.flaws.keys().map(String::as_str)
    }

    /// Whether a cluster is in a set.
    #[must_use]
    pub fn is_member(&self, cluster: &str, set: &str) -> bool {
        self.members.get(set).is_some_and(|group| group.members.contains_key(cluster))
    }

    /// Folds an event of a cluster; `None` when nothing that placement sees has changed.
    pub fn cluster_changed(&mut self, name: &str, event: &cluster_event::Event) -> Option<Moved> {
        let before = self.clusters.get(name).cloned();
        let after = Cluster::evolve(before.as_deref().cloned(), event);
        if before.as_deref() == after.as_ref() {
            return None;
        }
        let sets_before = self.sets_of(name);
        let moves = before.as_ref().map(|c| &c.labels) != after.as_ref().map(|c| &c.labels);
        match after {
            Some(after) => self.put(&Name::from(name), Arc::new(after)),
            None => self.drop(name),
        }
        let sets_after = if moves { self.sets_of(name) } else { sets_before.clone() };
        Some(Moved { name: name.to_owned(), before, sets_before, sets_after })
    }

    /// Takes a cluster in, or what it is now.
    fn put(&mut self, name: &Name, cluster: Arc<Cluster>) {
        if let Some(before) = self.clusters.insert(name.clone(), cluster.clone()) {
            self.labels.remove(name, &before.labels);
            self.claims.remove(name, &before.claims);
        }
        self.labels.add(name, &cluster, &cluster.labels);
        self.claims.add(name, &cluster, &cluster.claims);
        for group in self.members.values_mut() {
            if group.how.include(&cluster.labels) {
                group.put(name, &cluster);
            } else {
                group.take(name);
            }
        }
    }

    fn drop(&mut self, name: &str) {
        if let Some(before) = self.clusters.remove(name) {
            self.labels.remove(name, &before.labels);
            self.claims.remove(name, &before.claims);
        }
        self.members.values_mut().for_each(|group| group.take(name));
    }

    /// Folds an event of a set; whether its members or its being there have changed.
    pub fn set_changed(&mut self, name: &str, event: &cluster_set_event::Event) -> bool {
        let of = |fleet: &Self| {
            let members = fleet.members.get(name).map(|group| &group.members);
            members.map(|members| members.keys().cloned().collect::<Vec<Name>>())
        };
        let before = (of(self), self.flaws.get(name).cloned());
        match event {
            cluster_set_event::Event::Specified(specified) => {
                let spec = specified.set.clone().and_then(|set| set.spec);
                let seen = ManagedClusterSet { spec, ..ManagedClusterSet::default() };
                self.sets.insert(name.to_owned(), seen);
            }
            cluster_set_event::Event::Deleted(_) => {
                self.sets.remove(name);
            }
            cluster_set_event::Event::Counted(_)
            | cluster_set_event::Event::DeletionRequested(_) => return false,
        }
        self.regroup(name);
        before.0 != of(self) || before.1.as_ref() != self.flaws.get(name)
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
            binding_event::Event::Bound(_)
            | binding_event::Event::Unbound(_)
            | binding_event::Event::DeletionRequested(_) => false,
        }
    }

    fn bind(&mut self, namespace: &str, set: &str) -> bool {
        self.bound_to.entry(set.to_owned()).or_default().insert(namespace.to_owned());
        self.bindings.entry(namespace.to_owned()).or_default().insert(set.to_owned())
    }

    /// The sets that a cluster is in.
    #[must_use]
    pub fn sets_of(&self, cluster: &str) -> BTreeSet<String> {
        let with = self.members.iter().filter(|(_, group)| group.members.contains_key(cluster));
        with.map(|(set, _)| set.clone()).collect()
    }

    /// Finds the members of one set anew.
    fn regroup(&mut self, set: &str) {
        self.flaws.remove(set);
        let Some(object) = self.sets.get(set) else {
            self.members.remove(set);
            return;
        };
        let how = Members::of(set, object.spec.as_ref()).unwrap_or_else(|error| {
            self.flaws.insert(set.to_owned(), format!("ManagedClusterSet \"{set}\": {error}"));
            Members::None
        });
        let mut group = Group { how, members: BTreeMap::new(), tally: Tally::default() };
        for (name, cluster) in &self.clusters {
            if group.how.include(&cluster.labels) {
                group.put(name, cluster);
            }
        }
        self.members.insert(set.to_owned(), group);
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
