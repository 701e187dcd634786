//! The projection of all clusters, sets and bindings, with what decisions and reactions ask of it:
//! who is a member of what, and where conditions lag behind. It decides nothing.

use crate::binding::Binding;
use crate::cluster::Cluster;
use crate::command::ClusterCommand;
use crate::rights::Standing;
use crate::set::{ClusterSet, Members};
use fleetlog_kernel::{Decider, Position, Projection, Timestamp};
use fleetlog_messages::registration::{cluster_event, cluster_set_event};
use fleetlog_messages::registration_v2::binding_event;
use fleetlog_rules::labels::Labels;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

/// One event of registration and whom it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of a cluster.
    Cluster(String, cluster_event::Event),
    /// Of a set.
    Set(String, cluster_set_event::Event),
    /// Of a binding: namespace and name.
    Binding((String, String), binding_event::Event),
    /// The hub speaks Kubernetes from now on, or no more.
    Kubernetes(bool),
    /// The namespace of this name is gone, whoever had it deleted.
    NamespaceGone(String),
}

/// Everything that registration has decided.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    clusters: BTreeMap<String, Cluster>,
    sets: BTreeMap<String, ClusterSet>,
    bindings: BTreeMap<(String, String), Binding>,
    /// Derived: how each set selects, and how many.
    members: BTreeMap<String, (Members, u64)>,
    /// Clusters are given rights, as objects of Kubernetes.
    kubernetes: bool,
    due: Due,
}

/// What the last commit made untrue; derived from it and the state before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    at: Position,
    /// Sets whose condition began to count wrongly, or still does after a change of their own.
    pub counts: BTreeSet<String>,
    /// Clusters whose lease must be written anew, with its length.
    pub leases: BTreeMap<String, Duration>,
    /// Clusters whose rights changed, and how they stand.
    pub rights: BTreeMap<String, Standing>,
    /// Whether the roles that all agents share are needed, where that changed.
    pub shared: Option<bool>,
    /// Clusters that were not available before.
    unheard: BTreeSet<String>,
}

static NO_CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::default);
static NO_SET: LazyLock<ClusterSet> = LazyLock::new(ClusterSet::default);
static NO_BINDING: LazyLock<Binding> = LazyLock::new(Binding::default);

impl Fleet {
    /// The fleet of these states; only the existing ones are given.
    #[must_use]
    pub fn of(
        clusters: BTreeMap<String, Cluster>,
        sets: BTreeMap<String, ClusterSet>,
        bindings: BTreeMap<(String, String), Binding>,
    ) -> Self {
        let mut fleet = Self { clusters, sets, bindings, ..Self::default() };
        let names: Vec<String> = fleet.sets.keys().cloned().collect();
        names.iter().for_each(|name| fleet.regroup(name));
        fleet
    }

    /// The same fleet on a hub that speaks Kubernetes, or does not.
    #[must_use]
    pub fn speaking(self, kubernetes: bool) -> Self {
        Self { kubernetes, ..self }
    }

    /// Whether clusters are given rights, as objects of Kubernetes.
    #[must_use]
    pub const fn speaks_kubernetes(&self) -> bool {
        self.kubernetes
    }

    /// A cluster; the unborn one when there is none of the name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> &Cluster {
        self.clusters.get(name).unwrap_or(&NO_CLUSTER)
    }

    /// A set; the unborn one when there is none of the name.
    #[must_use]
    pub fn set(&self, name: &str) -> &ClusterSet {
        self.sets.get(name).unwrap_or(&NO_SET)
    }

    /// A binding; the unborn one when there is none of the name.
    #[must_use]
    pub fn binding(&self, key: &(String, String)) -> &Binding {
        self.bindings.get(key).unwrap_or(&NO_BINDING)
    }

    /// All clusters.
    #[must_use]
    pub const fn clusters(&self) -> &BTreeMap<String, Cluster> {
        &self.clusters
    }

    /// All sets.
    #[must_use]
    pub const fn sets(&self) -> &BTreeMap<String, ClusterSet> {
        &self.sets
    }

    /// All bindings, by namespace and name.
    #[must_use]
    pub const fn bindings(&self) -> &BTreeMap<(String, String), Binding> {
        &self.bindings
    }

    /// What follows from the end of these clusters' leases, for each that it changes anything for.
    /// One that is gone, or unknown already, is passed over.
    #[must_use]
    pub fn expire<'a>(
        &self,
        clusters: impl IntoIterator<Item = &'a str>,
        at: Timestamp,
    ) -> Vec<(&'a str, Vec<cluster_event::Event>)> {
        let expired = clusters.into_iter().filter_map(|name| {
            let events = self.cluster(name).decide(&ClusterCommand::NoteLeaseExpiry, at).ok()?;
            (!events.is_empty()).then_some((name, events))
        });
        expired.collect()
    }

    /// How many clusters a set selects.
    #[must_use]
    pub fn members(&self, set: &str) -> u64 {
        self.members.get(set).map_or(0, |(_, members)| *members)
    }

    /// The sets whose condition counts wrongly.
    pub fn miscounted(&self) -> impl Iterator<Item = &str> {
        let wrong = self.sets.iter().filter(|(name, set)| !set.counts(self.members(name)));
        wrong.map(|(name, _)| name.as_str())
    }

    /// What the last commit made untrue.
    #[must_use]
    pub const fn due(&self) -> &Due {
        &self.due
    }

    /// A new due list for every commit.
    fn due_at(&mut self, position: Position) -> &mut Due {
        if self.due.at != position {
            self.due = Due { at: position, ..Due::default() };
        }
        &mut self.due
    }

    /// Counts a set's members afresh: after a change of the set alone.
    fn regroup(&mut self, set: &str) {
        let Some(object) = self.sets.get(set).and_then(ClusterSet::object) else {
            self.members.remove(set);
            return;
        };
        let how = Members::of(set, object).unwrap_or(Members::None);
        let included = |cluster: &&Cluster| cluster.labels().is_some_and(|l| how.include(l));
        let members = self.clusters.values().filter(included).count() as u64;
        self.members.insert(set.to_owned(), (how, members));
    }

    /// Moves one cluster between sets, by its labels before and after; no other is looked at.
    fn resettle(&mut self, before: Option<&Labels>, after: Option<&Labels>) {
        for (name, (how, members)) in &mut self.members {
            let was = before.is_some_and(|labels| how.include(labels));
            let is = after.is_some_and(|labels| how.include(labels));
            if was == is {
                continue;
            }
            let set = self.sets.get(name);
            let right = set.is_some_and(|set| set.counts(*members));
            *members = if is { *members + 1 } else { members.saturating_sub(1) };
            if set.is_some_and(|set| set.counts(*members)) {
                self.due.counts.remove(name);
            } else if right {
                self.due.counts.insert(name.clone());
            }
        }
    }

    fn apply_cluster(&mut self, name: &str, event: &cluster_event::Event, position: Position) {
        use cluster_event::Event;
        let before = self.clusters.remove(name).unwrap_or_default();
        let (was, accepted) = (before.object().is_some(), before.accepted());
        let moves = matches!(event, Event::Specified(_) | Event::Deleted(_));
        let labels = if moves { before.labels().cloned() } else { None };
        let (awaited, grace) = (before.awaits_beats(), before.grace());
        let heard = before.available();
        let mut after = before.evolve(event);
        after.0.changed = position.0;
        let due = self.due_at(position);
        if !heard {
            due.unheard.insert(name.to_owned());
        }
        let asks = moves || matches!(event, Event::Accepted(_));
        let rhythm = asks && after.awaits_beats() && (!awaited || grace != after.grace());
        // Who says of itself that it is there has a whole grace from then on.
        let said = matches!(event, Event::StatusWritten(_)) && after.available();
        if rhythm || (said && due.unheard.contains(name)) {
            self.due.leases.insert(name.to_owned(), after.grace());
        }
        if moves {
            self.resettle(labels.as_ref(), after.labels());
        }
        let is = after.object().is_some();
        if is {
            self.clusters.insert(name.to_owned(), after);
        }
        self.note_rights(name, event, (accepted, was != is));
    }

    /// Notes what follows for the rights of a cluster that came, went, or stands otherwise now.
    fn note_rights(
        &mut self,
        name: &str,
        event: &cluster_event::Event,
        (accepted, came_or_went): (bool, bool),
    ) {
        use cluster_event::Event;
        if !self.kubernetes {
            return;
        }
        let standing = match event {
            Event::Accepted(_) => Some(Standing::Accepted),
            Event::Denied(_) if accepted => Some(Standing::Denied),
            Event::Deleted(_) => Some(Standing::Gone),
            _ => None,
        };
        if let Some(standing) = standing {
            self.due.rights.insert(name.to_owned(), standing);
        }
        match (came_or_went, self.clusters.len()) {
            (true, 0) => self.due.shared = Some(false),
            (true, 1) if !matches!(event, Event::Deleted(_)) => self.due.shared = Some(true),
            _ => {}
        }
    }

    fn apply_kubernetes(&mut self, speaks: bool, position: Position) {
        let begins = speaks && !self.kubernetes;
        self.kubernetes = speaks;
        let accepted = self.clusters.iter().filter(|(_, cluster)| begins && cluster.accepted());
        let rights = accepted.map(|(name, _)| (name.clone(), Standing::Accepted)).collect();
        let shared = (begins && !self.clusters.is_empty()).then_some(true);
        let due = self.due_at(position);
        (due.rights, due.shared) = (rights, shared);
    }

    /// An accepted cluster whose namespace went has its rights again: they went along.
    fn apply_namespace_gone(&mut self, name: &str, position: Position) {
        let has_rights = self.kubernetes && self.cluster(name).accepted();
        let due = self.due_at(position);
        if has_rights {
            due.rights.insert(name.to_owned(), Standing::Accepted);
        }
    }

    fn apply_set(&mut self, name: &str, event: &cluster_set_event::Event, position: Position) {
        let mut after = self.sets.remove(name).unwrap_or_default().evolve(event);
        after.0.changed = position.0;
        if after.object().is_some() {
            self.sets.insert(name.to_owned(), after);
        }
        if !matches!(event, cluster_set_event::Event::Counted(_)) {
            self.regroup(name);
        }
        let wrong = self.sets.get(name).is_some_and(|set| !set.counts(self.members(name)));
        let due = self.due_at(position);
        if wrong {
            due.counts.insert(name.to_owned());
        } else {
            due.counts.remove(name);
        }
    }

    fn apply_binding(
        &mut self,
        key: &(String, String),
        event: &binding_event::Event,
        position: Position,
    ) {
        let mut after = self.bindings.remove(key).unwrap_or_default().evolve(event);
        after.0.changed = position.0;
        if after.object().is_some() {
            self.bindings.insert(key.clone(), after);
        }
        self.due_at(position);
    }
}

impl Projection for Fleet {
    type Event = Change;

    fn apply(&mut self, change: &Change, position: Position) {
        match change {
            Change::Cluster(name, event) => self.apply_cluster(name, event, position),
            Change::Set(name, event) => self.apply_set(name, event, position),
            Change::Binding(key, event) => self.apply_binding(key, event, position),
            Change::Kubernetes(speaks) => self.apply_kubernetes(*speaks, position),
            Change::NamespaceGone(name) => self.apply_namespace_gone(name, position),
        }
    }
}
