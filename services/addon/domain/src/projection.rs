//! Everything the add-on service knows: definitions, add-ons with the sums over them, templates,
//! and what it heard of clusters, decisions and works. It decides nothing.

use crate::command::Chosen;
use crate::config;
use crate::health::{self, Source};
use crate::names::{AddOnKey, PlacementKey};
use crate::plan::CHUNK;
use crate::progress::{self, Counts};
use crate::state::{AddOn, Definition, Template};
use crate::turns::Turn;
use fleetlog_kernel::{Position, Projection, Timestamp};
use fleetlog_messages::addon::{
    ClusterManagementAddOnStatus, ManagedClusterAddOnStatus, SeenChoice, SeenMember, SeenWork,
    add_on_event, definition_event, template_event,
};
use fleetlog_messages::placement::placement_event;
use fleetlog_messages::work::work_event;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

mod heard;
mod staged;

/// One commit that the service heeds, and whom it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of a definition.
    Definition(String, Vec<definition_event::Event>),
    /// Of an add-on.
    AddOn(AddOnKey, Vec<add_on_event::Event>),
    /// Of a template.
    Template(String, Vec<template_event::Event>),
    /// Of a placement.
    Placement(PlacementKey, Vec<placement_event::Event>),
    /// Of a work that has the name of an add-on's; its owner is in its events.
    Work(AddOnKey, Vec<work_event::Event>),
    /// Of a cluster: what its events say of it in turn.
    Cluster(String, Vec<Presence>),
}

/// What one event says of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It belongs to the fleet.
    Here,
    /// It beats.
    Available,
    /// It stopped to beat.
    Silent,
    /// It left.
    Gone,
}

/// The add-ons of one definition and their sums; derived.
#[derive(Clone, Debug, Default, PartialEq)]
struct Members {
    /// Each cluster's placement and share.
    shares: BTreeMap<String, (String, Counts)>,
    counts: BTreeMap<String, Counts>,
    /// The served status is not what it should be, and a summary was asked for.
    stale: bool,
}

impl Members {
    fn remove(&mut self, cluster: &str) {
        let Some((placement, share)) = self.shares.remove(cluster) else { return };
        self.counts.entry(placement).or_default().take(share);
    }

    fn insert(&mut self, cluster: &str, placement: &str, share: Counts) {
        self.counts.entry(placement.to_owned()).or_default().add(share);
        self.shares.insert(cluster.to_owned(), (placement.to_owned(), share));
    }
}

/// What the commit that was applied last brought to light. For the reactions to this commit alone:
/// no part of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Add-ons whose status should be looked at.
    pub add_ons: BTreeSet<AddOnKey>,
    /// Definitions whose status should be summed up.
    pub definitions: BTreeSet<String>,
    /// Definitions whose clusters take turns, and it may be another one's turn.
    pub moved: BTreeSet<String>,
    /// Definitions whose clusters take turns, and it moved when time alone makes it another one's.
    pub timed: BTreeSet<String>,
    /// Definitions with more add-ons than the first part, all of which should be looked at.
    pub left: BTreeSet<String>,
    /// An add-on that is gone although its definition's plan has it.
    pub lost: Option<AddOnKey>,
}

/// When a status that is stale is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// When it was not before.
    Once,
    /// Also when it was before.
    Again,
    /// Not now.
    Later,
}

/// Everything that the add-on service knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    pub(crate) definitions: BTreeMap<String, Definition>,
    pub(crate) add_ons: BTreeMap<AddOnKey, AddOn>,
    pub(crate) templates: BTreeMap<String, Template>,
    pub(crate) clusters: BTreeMap<String, SeenMember>,
    pub(crate) choices: BTreeMap<PlacementKey, SeenChoice>,
    pub(crate) works: BTreeMap<AddOnKey, SeenWork>,
    members: BTreeMap<String, Members>,
    /// On how many clusters of the fleet each placement's decision lies; derived.
    reach: BTreeMap<PlacementKey, usize>,
    /// Add-ons whose served status is not what it should be, and a look was asked for.
    stale: BTreeSet<AddOnKey>,
    noticed: Noticed,
}

impl Fleet {
    /// Makes again what is derived from the states.
    pub(crate) fn derive(mut self) -> Self {
        let choices: Vec<PlacementKey> = self.choices.keys().cloned().collect();
        choices.iter().for_each(|key| self.measure(key));
        let keys: Vec<AddOnKey> = self.add_ons.keys().cloned().collect();
        for key in &keys {
            self.count(key);
            self.look_at(key, Look::Later);
        }
        let names: Vec<String> = self.definitions.keys().cloned().collect();
        names.iter().for_each(|name| self.look_at_definition(name));
        self.noticed = Noticed::default();
        self
    }

    /// All definitions, by name.
    #[must_use]
    pub const fn definitions(&self) -> &BTreeMap<String, Definition> {
        &self.definitions
    }

    /// All add-ons, by cluster and name.
    #[must_use]
    pub const fn add_ons(&self) -> &BTreeMap<AddOnKey, AddOn> {
        &self.add_ons
    }

    /// All templates, by name.
    #[must_use]
    pub const fn templates(&self) -> &BTreeMap<String, Template> {
        &self.templates
    }

    /// The work of an add-on, if there is one.
    #[must_use]
    pub fn work(&self, key: &AddOnKey) -> Option<&SeenWork> {
        self.works.get(key)
    }

    /// Whether a cluster belongs to the fleet.
    #[must_use]
    pub fn has_cluster(&self, cluster: &str) -> bool {
        self.clusters.contains_key(cluster)
    }

    /// What the commit that was applied last brought to light.
    #[must_use]
    pub const fn noticed(&self) -> &Noticed {
        &self.noticed
    }

    /// The add-ons of a definition, those on their way out included.
    pub fn add_ons_of(&self, definition: &str) -> impl Iterator<Item = AddOnKey> {
        let members = self.members.get(definition);
        let clusters = members.into_iter().flat_map(|members| members.shares.keys());
        clusters.map(move |cluster| AddOnKey::new(cluster, definition))
    }

    /// The next part of a definition's add-ons, those on their way out included: as many as one
    /// commit leads to something for. Empty when none is left.
    pub fn part(&self, definition: &str, after: &str) -> impl Iterator<Item = AddOnKey> {
        let members = self.members.get(definition);
        let from = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
        let clusters = members.into_iter().flat_map(move |m| m.shares.range(from.clone()));
        clusters.take(CHUNK).map(move |(cluster, _)| AddOnKey::new(cluster, definition))
    }

    /// How many add-ons a definition has, those on their way out included.
    #[must_use]
    pub fn count_of(&self, definition: &str) -> usize {
        self.members.get(definition).map_or(0, |members| members.shares.len())
    }

    /// The add-ons of one cluster.
    pub fn add_ons_on(&self, cluster: &str) -> impl Iterator<Item = &AddOnKey> {
        let from = self.add_ons.range(AddOnKey::new(cluster, "")..).map(|(key, _)| key);
        from.take_while(move |key| key.cluster == cluster)
    }

    /// The placement of each add-on that a plan installed and nobody removes.
    #[must_use]
    pub fn installed(&self, definition: &str) -> BTreeMap<String, String> {
        let placed = |key: AddOnKey| {
            let add_on = self.add_ons.get(&key).filter(|add_on| !add_on.is_deleting())?;
            let placement = &add_on.state().placement;
            (!placement.is_empty()).then(|| (key.cluster, placement.clone()))
        };
        self.add_ons_of(definition).filter_map(placed).collect()
    }

    /// What the placements of a definition decided; those without a decision are missing.
    #[must_use]
    pub fn chosen(&self, definition: &Definition) -> BTreeMap<PlacementKey, Chosen> {
        let chosen = |key: PlacementKey| {
            let choice = self.choice(&key)?;
            let known = choice.clusters.keys().filter(|cluster| self.has_cluster(cluster));
            let (clusters, position) = (known.cloned().collect(), Position(choice.position));
            Some((key, Chosen { clusters, position }))
        };
        definition.placements().filter_map(chosen).collect()
    }

    /// What a placement decided, once it has.
    #[must_use]
    pub fn choice(&self, key: &PlacementKey) -> Option<&SeenChoice> {
        self.choices.get(key).filter(|choice| choice.revision > 0)
    }

    /// The placements that chose a cluster.
    pub fn choosing(&self, cluster: &str) -> impl Iterator<Item = &PlacementKey> {
        let chose = self.choices.iter().filter(move |(_, c)| c.clusters.contains_key(cluster));
        chose.map(|(key, _)| key)
    }

    /// The definitions that follow a placement.
    pub fn following(&self, placement: &PlacementKey) -> impl Iterator<Item = &String> {
        let follows = |d: &&Definition| d.placements().any(|key| key == *placement);
        let all = self.definitions.iter();
        all.filter(move |(_, definition)| follows(definition)).map(|(name, _)| name)
    }

    /// Whether a plan of a definition that stays has the add-on.
    #[must_use]
    pub fn is_planned(&self, key: &AddOnKey) -> bool {
        self.definitions.get(&key.name).is_some_and(|definition| {
            !definition.is_deleting() && definition.state().planned.contains_key(&key.cluster)
        })
    }

    /// What an add-on is rendered from.
    #[must_use]
    pub fn source(&self, key: &AddOnKey) -> Source<'_> {
        let add_on = self.add_ons.get(key);
        let both = add_on.zip(self.definitions.get(&key.name));
        let named = both.and_then(|(a, d)| config::template_of(Some(a), d, &a.state().placement));
        self.template(&key.name, named)
    }

    /// The template of a name, for an add-on.
    fn template<'a>(&'a self, add_on: &str, name: Option<&'a str>) -> Source<'a> {
        let Some(name) = name else { return Source::Unnamed };
        let Some(template) = self.templates.get(name) else { return Source::Missing(name) };
        let spec = template.object().and_then(|object| object.spec.as_ref());
        match spec.is_some_and(|spec| spec.addon_name() == add_on) {
            true => Source::Found(template),
            false => Source::Foreign(name),
        }
    }

    /// The status of an add-on as everything is now.
    #[must_use]
    pub fn status(&self, key: &AddOnKey, at: Timestamp) -> ManagedClusterAddOnStatus {
        let unborn = AddOn::default();
        let turn = self.turn(key);
        let has = match &turn {
            Turn::Waits(Some(has)) => self.templates.get(&has.template).filter(|t| has.is(t)),
            Turn::Waits(None) | Turn::Come => None,
        };
        let scene = health::Scene {
            key,
            add_on: self.add_ons.get(key).unwrap_or(&unborn),
            definition: self.definitions.get(&key.name),
            template: self.source(key),
            turn: &turn,
            has,
            work: self.works.get(key),
            cluster: self.clusters.get(&key.cluster),
        };
        health::status(scene, at)
    }

    /// The status of a definition as everything is now.
    #[must_use]
    pub fn summary(&self, name: &str, at: Timestamp) -> ClusterManagementAddOnStatus {
        let (unborn, none) = (Definition::default(), BTreeMap::new());
        let definition = self.definitions.get(name).unwrap_or(&unborn);
        let wanted = definition.placements().filter(|key| self.choice(key).is_some());
        let scene = progress::Scene {
            definition,
            templates: &self.templates,
            counts: self.members.get(name).map_or(&none, |members| &members.counts),
            wanted: wanted.map(|key| (key.to_string(), self.reach(&key))).collect(),
        };
        progress::status(&scene, at)
    }

    fn reach(&self, placement: &PlacementKey) -> usize {
        self.reach.get(placement).copied().unwrap_or_default()
    }

    /// Counts on how many clusters of the fleet a placement's decision lies: after its own change.
    fn measure(&mut self, placement: &PlacementKey) {
        let Some(choice) = self.choices.get(placement) else {
            self.reach.remove(placement);
            return;
        };
        let known = choice.clusters.keys().filter(|cluster| self.clusters.contains_key(*cluster));
        self.reach.insert(placement.clone(), known.count());
    }

    /// Whom an add-on counts for: the placement that installed it, or, where a user did, the one
    /// whose plan wants it there.
    fn counts_for(&self, key: &AddOnKey, add_on: &AddOn) -> String {
        let placement = &add_on.state().placement;
        let planned = self.definitions.get(&key.name);
        let planned = planned.and_then(|d| d.state().planned.get(&key.cluster));
        if placement.is_empty() { planned.cloned().unwrap_or_default() } else { placement.clone() }
    }

    /// Puts an add-on's share into its definition's sums.
    fn count(&mut self, key: &AddOnKey) {
        let share = self.add_ons.get(key).map(|add_on| {
            let status = add_on.object().and_then(|object| object.status.as_ref());
            let conditions = status.map_or(&[][..], |status| &status.conditions);
            let current = status.and_then(health::desired) == self.wanted(key);
            let given = self.definitions.get(&key.name).and_then(|d| d.given(&key.cluster));
            let over = given.is_some_and(|given| given.timed_out);
            let share = Counts::of(health::progress(conditions), current, over);
            (self.counts_for(key, add_on), share)
        });
        let members = self.members.entry(key.name.clone()).or_default();
        members.remove(&key.cluster);
        if let Some((placement, share)) = share {
            members.insert(&key.cluster, &placement, share);
        }
    }

    /// Looks at all add-ons of a definition; what is stale of those after the first part is noticed
    /// when their part comes.
    fn look_at_all(&mut self, definition: &str) {
        let keys: Vec<AddOnKey> = self.add_ons_of(definition).collect();
        if keys.len() > CHUNK {
            self.noticed.left.insert(definition.to_owned());
        }
        for (index, key) in keys.iter().enumerate() {
            self.count(key);
            self.look_at(key, if index < CHUNK { Look::Once } else { Look::Later });
        }
    }

    /// Notices when an add-on's status goes stale.
    fn look_at(&mut self, key: &AddOnKey, look: Look) {
        let Some(add_on) = self.add_ons.get(key) else {
            self.stale.remove(key);
            return;
        };
        let leaves = add_on.awaits_work() && !self.works.contains_key(key);
        let status = self.status(key, Timestamp::default());
        let served = add_on.object().and_then(|object| object.status.as_ref());
        if !leaves && served == Some(&status) {
            self.stale.remove(key);
            return;
        }
        let new = self.stale.insert(key.clone());
        if look == Look::Again || (new && look == Look::Once) {
            self.noticed.add_ons.insert(key.clone());
        }
    }

    /// Notices when a definition's status goes stale, or its last add-on is gone.
    fn look_at_definition(&mut self, name: &str) {
        let stale = self.definitions.get(name).is_some_and(|definition| {
            if definition.is_deleting() {
                return self.count_of(name) == 0;
            }
            let status = self.summary(name, Timestamp::default());
            let none = ClusterManagementAddOnStatus::default();
            let served = definition.object().and_then(|object| object.status.as_ref());
            served.unwrap_or(&none) != &status
        });
        let members = self.members.entry(name.to_owned()).or_default();
        if stale && !members.stale {
            self.noticed.definitions.insert(name.to_owned());
        }
        members.stale = stale;
        if members.shares.is_empty() && !self.definitions.contains_key(name) {
            self.members.remove(name);
        }
    }
}

impl Projection for Fleet {
    type Event = Change;

    fn apply(&mut self, change: &Change, position: Position) {
        self.noticed = Noticed::default();
        match change {
            Change::Definition(name, events) => self.apply_definition(name, events, position),
            Change::AddOn(key, events) => self.apply_add_on(key, events, position),
            Change::Template(name, events) => self.apply_template(name, events, position),
            Change::Placement(key, events) => self.apply_placement(key, events, position),
            Change::Work(key, events) => self.apply_work(key, events),
            Change::Cluster(cluster, events) => self.apply_cluster(cluster, events, position),
        }
    }
}
