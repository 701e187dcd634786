//! Definitions, add-ons and templates as their events left them. `evolve` is total: an event that
//! cannot follow changes nothing. Decides nothing.

use crate::config::Config;
use crate::names::{FINALIZER, PLACEMENTS, PlacementKey};
use fleetlog_kernel::{ContentHash, Position, Timestamp};
use fleetlog_messages::addon::{
    AddOnState, AddOnTemplate, ClusterManagementAddOn, ConfigTurn, DefinitionState, GivenConfig,
    GivenTurn, InstallPlanned, ManagedClusterAddOn, PlacementStrategy, TemplateState, add_on_event,
    definition_event, template_event,
};
use fleetlog_messages::common::{ObjectMeta, Time};
use serde_json::Value;
use std::collections::BTreeSet;

/// A ClusterManagementAddOn; unborn by default, and again once it is gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition(DefinitionState);

/// A ManagedClusterAddOn; unborn by default, and again once it is gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddOn(AddOnState);

/// The last turn of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it got.
    pub config: Config,
    /// When.
    pub at: Timestamp,
    /// Whether it took longer than it may.
    pub timed_out: bool,
}

/// An AddOnTemplate; unborn by default, and again once it is gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template(TemplateState, Said);

/// What a template says, read once; derived.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    hash: String,
    manifests: Vec<Value>,
}

fn deleting(meta: Option<&ObjectMeta>) -> bool {
    meta.is_some_and(|meta| meta.deletion_timestamp.is_some())
}

/// Marks an object that is on its way out; `generation` is what it has from now on, 0 as it was.
fn mark(meta: Option<&mut ObjectMeta>, at: Option<&Time>, generation: i64) {
    let Some(meta) = meta else { return };
    meta.deletion_timestamp = at.cloned();
    if generation > 0 {
        meta.generation = Some(generation);
        meta.deletion_grace_period_seconds = Some(0);
    }
}

impl Definition {
    /// The state of a snapshot's row.
    #[must_use]
    pub const fn of(state: DefinitionState) -> Self {
        Self(state)
    }

    /// Everything that is kept of it.
    #[must_use]
    pub const fn state(&self) -> &DefinitionState {
        &self.0
    }

    /// The object as served, without resource version; `None` while unborn.
    #[must_use]
    pub const fn object(&self) -> Option<&ClusterManagementAddOn> {
        self.0.object.as_ref()
    }

    /// Its metadata; `None` while unborn.
    #[must_use]
    pub fn metadata(&self) -> Option<&ObjectMeta> {
        self.object()?.metadata.as_ref()
    }

    /// `metadata.generation`; 0 while unborn.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.metadata().map_or(0, ObjectMeta::generation)
    }

    /// Whether somebody asked for its deletion.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        deleting(self.metadata())
    }

    /// Whether the decisions of placements say where it is installed.
    #[must_use]
    pub fn by_placements(&self) -> bool {
        let spec = self.object().and_then(|object| object.spec.as_ref());
        spec.and_then(|s| s.install_strategy.as_ref()).is_some_and(|s| s.r#type() == PLACEMENTS)
    }

    /// What it says of its placements, in the user's order; none where nothing is installed by
    /// itself.
    #[must_use]
    pub fn strategies(&self) -> &[PlacementStrategy] {
        let spec = self.object().and_then(|object| object.spec.as_ref());
        let strategy = spec.and_then(|spec| spec.install_strategy.as_ref());
        strategy.filter(|_| self.by_placements()).map_or(&[], |strategy| &strategy.placements)
    }

    /// Its placements, in the user's order.
    pub fn placements(&self) -> impl DoubleEndedIterator<Item = PlacementKey> {
        self.strategies().iter().map(|s| PlacementKey::new(s.namespace(), s.name()))
    }

    /// What it says of one placement.
    #[must_use]
    pub fn strategy(&self, placement: &PlacementKey) -> Option<&PlacementStrategy> {
        let mut all = self.strategies().iter();
        all.find(|s| s.namespace() == placement.namespace && s.name() == placement.name)
    }

    /// What a cluster got last in its turn; `None` before its first.
    #[must_use]
    pub fn given(&self, cluster: &str) -> Option<Given> {
        let turn = self.0.given.get(cluster)?;
        let config = self.0.configs.get(&turn.config)?;
        let config = Config { template: config.template.clone(), hash: config.spec_hash.clone() };
        let at = moment(turn.at.as_ref()).unwrap_or_default();
        Some(Given { config, at, timed_out: turn.timed_out })
    }

    /// Folds the events of the commit at `position`.
    #[must_use]
    pub fn fold(self, events: &[definition_event::Event], position: Position) -> Self {
        let mut after = events.iter().fold(self, Self::evolved);
        if after.0.object.is_some() {
            after.0.changed = position.0;
        }
        after
    }

    pub(crate) fn evolved(mut self, event: &definition_event::Event) -> Self {
        match event {
            definition_event::Event::Specified(event) => {
                let status = self.0.object.take().and_then(|object| object.status);
                let object = event.definition.clone();
                self.0.object = object.map(|o| ClusterManagementAddOn { status, ..o });
                if !self.by_placements() {
                    // What was planned stays where it is, and is no plan's any more.
                    self.0.planned.clear();
                    self.0.given.clear();
                    self.0.configs.clear();
                }
            }
            definition_event::Event::InstallPlanned(event) => self.planned(event),
            definition_event::Event::Revisited(_) => {}
            definition_event::Event::Progressed(event) => {
                if let Some(object) = &mut self.0.object {
                    object.status.clone_from(&event.status);
                }
            }
            definition_event::Event::DeletionRequested(event) => {
                let meta = self.0.object.as_mut().and_then(|object| object.metadata.as_mut());
                mark(meta, event.at.as_ref(), event.generation);
            }
            definition_event::Event::Deleted(_) => self = Self::default(),
        }
        self
    }

    fn planned(&mut self, event: &InstallPlanned) {
        if self.0.object.is_none() {
            return;
        }
        self.0.plan = event.plan;
        for cluster in &event.remove {
            self.0.planned.remove(cluster);
            self.0.given.remove(cluster);
        }
        for target in &event.install {
            self.0.planned.insert(target.cluster.clone(), target.placement.clone());
            if let (Some(turn), Some(at)) = (self.0.given.get_mut(&target.cluster), &event.at) {
                // Installed again: it begins again.
                *turn = GivenTurn { at: Some(at.clone()), timed_out: false, ..*turn };
            }
        }
        event.turns.iter().for_each(|turn| self.give(turn, event.at.as_ref()));
        for cluster in &event.timed_out {
            if let Some(turn) = self.0.given.get_mut(cluster) {
                turn.timed_out = true;
            }
        }
        let used: BTreeSet<u64> = self.0.given.values().map(|turn| turn.config).collect();
        self.0.configs.retain(|number, _| used.contains(number));
    }

    fn give(&mut self, turn: &ConfigTurn, at: Option<&Time>) {
        let config =
            GivenConfig { template: turn.template.clone(), spec_hash: turn.spec_hash.clone() };
        let known = self.0.configs.iter().find(|(_, known)| **known == config);
        let next = || self.0.configs.last_key_value().map_or(1, |(number, _)| number + 1);
        let number = known.map_or_else(next, |(number, _)| *number);
        self.0.configs.insert(number, config);
        for cluster in &turn.clusters {
            let given = GivenTurn { config: number, at: at.cloned(), timed_out: false };
            self.0.given.insert(cluster.clone(), given);
        }
    }
}

/// A time of a message as a value.
pub(crate) fn moment(time: Option<&Time>) -> Option<Timestamp> {
    let time = time?;
    let nanos = i128::from(time.nanos);
    Some(Timestamp::of_nanos(i128::from(time.seconds) * 1_000_000_000 + nanos))
}

impl AddOn {
    /// The state of a snapshot's row.
    #[must_use]
    pub const fn of(state: AddOnState) -> Self {
        Self(state)
    }

    /// Everything that is kept of it.
    #[must_use]
    pub const fn state(&self) -> &AddOnState {
        &self.0
    }

    /// The object as served, without resource version; `None` while unborn.
    #[must_use]
    pub const fn object(&self) -> Option<&ManagedClusterAddOn> {
        self.0.object.as_ref()
    }

    /// Its metadata; `None` while unborn.
    #[must_use]
    pub fn metadata(&self) -> Option<&ObjectMeta> {
        self.object()?.metadata.as_ref()
    }

    /// `metadata.generation`; 0 while unborn.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.metadata().map_or(0, ObjectMeta::generation)
    }

    /// Whether somebody asked for its deletion.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        deleting(self.metadata())
    }

    /// Whether it waits for its work, on its way out.
    #[must_use]
    pub fn awaits_work(&self) -> bool {
        let holds = |meta: &ObjectMeta| meta.finalizers.iter().any(|one| one == FINALIZER);
        self.is_deleting() && self.metadata().is_some_and(holds)
    }

    /// Whether a condition was written by another than the service.
    #[must_use]
    pub fn is_written(&self, kind: &str) -> bool {
        self.0.written.iter().any(|written| written == kind)
    }

    /// Whether a user installed it, so that placements neither take it over nor remove it.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.object().is_some() && self.0.placement.is_empty()
    }

    /// Folds the events of the commit at `position`.
    #[must_use]
    pub fn fold(self, events: &[add_on_event::Event], position: Position) -> Self {
        let mut after = events.iter().fold(self, Self::evolved);
        if after.0.object.is_some() {
            after.0.changed = position.0;
        }
        after
    }

    pub(crate) fn evolved(mut self, event: &add_on_event::Event) -> Self {
        match event {
            add_on_event::Event::Specified(event) => {
                let status = self.0.object.take().and_then(|object| object.status);
                let object = event.add_on.clone();
                self.0.object = object.map(|o| ManagedClusterAddOn { status, ..o });
                self.0.placement.clone_from(&event.placement);
                self.0.decision = event.decision;
            }
            add_on_event::Event::Progressed(event) => {
                if let Some(object) = &mut self.0.object {
                    object.status.clone_from(&event.status);
                    self.0.written.extend(event.written.iter().cloned());
                    self.0.written.sort_unstable();
                    self.0.written.dedup();
                }
            }
            add_on_event::Event::DeletionRequested(event) => {
                let meta = self.0.object.as_mut().and_then(|object| object.metadata.as_mut());
                mark(meta, event.at.as_ref(), event.generation);
            }
            add_on_event::Event::Deleted(_) => self = Self::default(),
        }
        self
    }
}

impl Template {
    /// The state of a snapshot's row.
    #[must_use]
    pub fn of(state: TemplateState) -> Self {
        let said = state
            .object
            .as_ref()
            .map(|object| Said { hash: hash_of(object), manifests: manifests_of(object) });
        Self(state, said.unwrap_or_default())
    }

    /// Everything that is kept of it.
    #[must_use]
    pub const fn state(&self) -> &TemplateState {
        &self.0
    }

    /// The object as served, without resource version; `None` while unborn.
    #[must_use]
    pub const fn object(&self) -> Option<&AddOnTemplate> {
        self.0.object.as_ref()
    }

    /// Its metadata; `None` while unborn.
    #[must_use]
    pub fn metadata(&self) -> Option<&ObjectMeta> {
        self.object()?.metadata.as_ref()
    }

    /// The hash of what it says (spec 2.5); empty while unborn.
    #[must_use]
    pub fn spec_hash(&self) -> &str {
        &self.1.hash
    }

    /// Its manifests as given, in the user's order.
    #[must_use]
    pub fn manifests(&self) -> &[Value] {
        &self.1.manifests
    }

    /// Folds the events of the commit at `position`.
    #[must_use]
    pub fn fold(self, events: &[template_event::Event], position: Position) -> Self {
        let mut after = events.iter().fold(self, Self::evolved);
        if after.0.object.is_some() {
            after.0.changed = position.0;
        }
        after
    }

    pub(crate) fn evolved(self, event: &template_event::Event) -> Self {
        match event {
            template_event::Event::Specified(event) => {
                Self::of(TemplateState { object: event.template.clone(), ..self.0 })
            }
            template_event::Event::DeletionRequested(event) => {
                let Self(mut state, said) = self;
                let meta = state.object.as_mut().and_then(|object| object.metadata.as_mut());
                mark(meta, event.at.as_ref(), event.generation);
                Self(state, said)
            }
            template_event::Event::Deleted(_) => Self::default(),
        }
    }
}

/// SHA-256 of the canonical JSON without what is not configuration (spec 2.5).
fn hash_of(template: &AddOnTemplate) -> String {
    let mut value = fleetlog_objects::write(template);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, _| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
    }
    ContentHash::of(&fleetlog_objects::canonical(&value)).to_string()
}

/// What is no JSON is left out; such a template is refused.
fn manifests_of(template: &AddOnTemplate) -> Vec<Value> {
    let agent = template.spec.as_ref().and_then(|spec| spec.agent_spec.as_ref());
    let workload = agent.and_then(|agent| agent.workload.as_ref());
    let manifests = workload.map_or(&[][..], |workload| &workload.manifests);
    manifests.iter().filter_map(|raw| serde_json::from_slice(&raw.json).ok()).collect()
}
