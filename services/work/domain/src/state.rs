//! Works and replica sets as their events left them. `evolve` is total: an event that cannot
//! follow changes nothing. Decides nothing.

use crate::command::Owner;
use crate::conditions;
use crate::metadata::mark;
use crate::name::Target;
use fleetlog_kernel::Position;
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::work::{
    Bundle, FanOutPlanned, LocalPlacementReference, ManifestWork, ManifestWorkReplicaSet,
    ManifestWorkReplicaSetSpec, ReplicaSetSpecified, ReplicaSetState, WorkSpecified, WorkState,
    replica_set_event, work_event,
};
use fleetlog_rules::rollout::{Kind, Strategy};

/// A ManifestWork; unborn by default, and again once it is gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work(WorkState);

/// A ManifestWorkReplicaSet; unborn by default, and again once it is gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaSet(ReplicaSetState);

/// What the metadata says of an object's life.
fn generation(meta: Option<&ObjectMeta>) -> i64 {
    meta.map_or(0, ObjectMeta::generation)
}

fn deleting(meta: Option<&ObjectMeta>) -> bool {
    meta.is_some_and(|meta| meta.deletion_timestamp.is_some())
}

impl Work {
    /// The state of a snapshot's row.
    #[must_use]
    pub const fn of(state: WorkState) -> Self {
        Self(state)
    }

    /// Everything that is kept of it.
    #[must_use]
    pub const fn state(&self) -> &WorkState {
        &self.0
    }

    /// The object as served, without manifests and resource version; `None` while unborn.
    #[must_use]
    pub const fn object(&self) -> Option<&ManifestWork> {
        self.0.object.as_ref()
    }

    /// Its metadata; `None` while unborn.
    #[must_use]
    pub fn metadata(&self) -> Option<&ObjectMeta> {
        self.object()?.metadata.as_ref()
    }

    /// Its manifests, by hash.
    #[must_use]
    pub fn bundle(&self) -> Option<&Bundle> {
        self.0.bundle.as_ref()
    }

    /// `metadata.generation`; 0 while unborn.
    #[must_use]
    pub fn generation(&self) -> i64 {
        generation(self.metadata())
    }

    /// Whether somebody asked for its deletion.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        deleting(self.metadata())
    }

    /// The replica set that made it, `<ns>/<name>`; empty when a user did.
    #[must_use]
    pub fn replica_set(&self) -> &str {
        &self.0.replica_set
    }

    /// Who keeps it in a user's stead; `None` while unborn, and when a user made it.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        match (self.0.replica_set.as_str(), self.0.add_on.as_str()) {
            ("", "") => None,
            (set, "") => Some(Owner::ReplicaSet(set.to_owned())),
            (_, add_on) => Some(Owner::AddOn(add_on.to_owned())),
        }
    }

    /// What a delivery carries as its generation.
    #[must_use]
    pub const fn delivered_at(&self) -> Position {
        Position(self.0.delivered_at)
    }

    /// Folds the events of the commit at `position`: what the object is served at, and, when what
    /// its agent gets has changed, the generation of its delivery.
    #[must_use]
    pub fn fold(self, events: &[work_event::Event], position: Position) -> Self {
        let gets = |work: &Self| {
            let spec = work.object().and_then(|object| object.spec.clone());
            (
                work.metadata().map(|meta| meta.uid.clone()),
                work.is_deleting(),
                spec,
                work.0.bundle.clone(),
            )
        };
        let only_status = events.iter().all(|e| matches!(e, work_event::Event::StatusReported(_)));
        let before = if only_status { None } else { Some(gets(&self)) };
        let mut after = events.iter().fold(self, Self::evolved);
        if after.0.object.is_some() {
            after.0.changed = position.0;
            if before.is_some_and(|before| before != gets(&after)) {
                after.0.delivered_at = position.0;
            }
        }
        after
    }

    pub(crate) fn evolved(mut self, event: &work_event::Event) -> Self {
        match event {
            work_event::Event::Specified(event) => self.specified(event),
            work_event::Event::StatusReported(event) => {
                if let Some(object) = &mut self.0.object {
                    object.status.clone_from(&event.status);
                    if self.0.reported_generation != event.generation {
                        self.0.spoke_at.clone_from(&event.at);
                    }
                    self.0.reported_generation = event.generation;
                }
            }
            work_event::Event::DeletionRequested(event) => {
                let meta = self.0.object.as_mut().and_then(|object| object.metadata.as_mut());
                mark(meta, event.at.as_ref(), event.generation);
            }
            work_event::Event::Deleted(_) => self = Self::default(),
        }
        self
    }

    fn specified(&mut self, event: &WorkSpecified) {
        let status = self.0.object.take().and_then(|object| object.status);
        self.0.object = event.work.clone().map(|work| ManifestWork { status, ..work });
        self.0.bundle.clone_from(&event.bundle);
        self.0.replica_set.clone_from(&event.replica_set);
        self.0.placement.clone_from(&event.placement);
        self.0.decision = event.decision;
        self.0.add_on.clone_from(&event.add_on);
    }
}

impl ReplicaSet {
    /// The state of a snapshot's row.
    #[must_use]
    pub const fn of(state: ReplicaSetState) -> Self {
        Self(state)
    }

    /// Everything that is kept of it.
    #[must_use]
    pub const fn state(&self) -> &ReplicaSetState {
        &self.0
    }

    /// The object as served, without manifests and resource version; `None` while unborn.
    #[must_use]
    pub const fn object(&self) -> Option<&ManifestWorkReplicaSet> {
        self.0.object.as_ref()
    }

    /// Its metadata; `None` while unborn.
    #[must_use]
    pub fn metadata(&self) -> Option<&ObjectMeta> {
        self.object()?.metadata.as_ref()
    }

    /// Its spec; `None` while unborn.
    #[must_use]
    pub fn spec(&self) -> Option<&ManifestWorkReplicaSetSpec> {
        self.object()?.spec.as_ref()
    }

    /// Its template's manifests, by hash.
    #[must_use]
    pub fn bundle(&self) -> Option<&Bundle> {
        self.0.bundle.as_ref()
    }

    /// `metadata.generation`; 0 while unborn.
    #[must_use]
    pub fn generation(&self) -> i64 {
        generation(self.metadata())
    }

    /// Whether somebody asked for its deletion.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        deleting(self.metadata())
    }

    /// The names of its placements, each once, in the user's order.
    #[must_use]
    pub fn placements(&self) -> Vec<&str> {
        let refs = self.spec().map_or(&[][..], |spec| &spec.placement_refs);
        let mut names: Vec<&str> = Vec::with_capacity(refs.len());
        for name in refs.iter().map(LocalPlacementReference::name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// How the template reaches the clusters of a placement; what cannot be read is all at once.
    #[must_use]
    pub fn strategy(&self, placement: &str) -> Strategy {
        let refs = self.spec().map_or(&[][..], |spec| &spec.placement_refs);
        let named = refs.iter().find(|named| named.name() == placement);
        let given = named.and_then(|named| named.rollout_strategy.as_ref());
        Strategy::of(given).unwrap_or_default()
    }

    /// Whether clusters of a placement take turns.
    #[must_use]
    pub fn is_staged(&self, placement: &str) -> bool {
        self.strategy(placement).kind != Kind::All
    }

    /// The works that the plans so far ask for, each with whether it has the current template.
    pub fn planned(&self) -> impl Iterator<Item = (Target, bool)> {
        let template = self.0.template;
        let planned = self.0.delivered.iter();
        planned.filter_map(move |(key, given)| Some((Target::parse(key)?, *given == template)))
    }

    /// Whether the plans so far ask for a target.
    #[must_use]
    pub fn has_planned(&self, target: &Target) -> bool {
        self.0.delivered.contains_key(&target.to_string())
    }

    /// Whether a plan gave the current template to a target.
    #[must_use]
    pub fn has_current(&self, target: &Target) -> bool {
        self.0.delivered.get(&target.to_string()) == Some(&self.0.template)
    }

    /// Folds the events of the commit at `position`.
    #[must_use]
    pub fn fold(self, events: &[replica_set_event::Event], position: Position) -> Self {
        let mut after = events.iter().fold(self, Self::evolved);
        if after.0.object.is_some() {
            after.0.changed = position.0;
        }
        after
    }

    pub(crate) fn evolved(mut self, event: &replica_set_event::Event) -> Self {
        match event {
            replica_set_event::Event::Specified(event) => self.specified(event),
            replica_set_event::Event::FanOutPlanned(event) => self.fan_out_planned(event),
            replica_set_event::Event::Summarized(event) => {
                if let Some(object) = &mut self.0.object {
                    object.status.clone_from(&event.status);
                }
            }
            replica_set_event::Event::DeletionRequested(event) => {
                let meta = self.0.object.as_mut().and_then(|object| object.metadata.as_mut());
                mark(meta, event.at.as_ref(), event.generation);
            }
            replica_set_event::Event::Deleted(_) => self = Self::default(),
        }
        self
    }

    fn specified(&mut self, event: &ReplicaSetSpecified) {
        let given = |set: &ManifestWorkReplicaSet| {
            let template = set.spec.as_ref().and_then(|s| s.manifest_work_template.clone());
            let labels = set.metadata.as_ref().map(|meta| meta.labels.clone());
            (template, labels)
        };
        let before = self.0.object.take();
        let same = self.0.bundle == event.bundle
            && before.as_ref().map(given) == event.replica_set.as_ref().map(given);
        if !same {
            self.0.template += 1;
        }
        let status = before.and_then(|object| object.status);
        let object = event.replica_set.clone();
        self.0.object = object.map(|set| ManifestWorkReplicaSet { status, ..set });
        self.0.bundle.clone_from(&event.bundle);
    }

    fn fan_out_planned(&mut self, event: &FanOutPlanned) {
        let Some(object) = &mut self.0.object else { return };
        self.0.plan = event.plan;
        for target in &event.deliver {
            self.0.delivered.insert(Target::from(target).to_string(), self.0.template);
        }
        for target in &event.withdraw {
            self.0.delivered.remove(&Target::from(target).to_string());
        }
        let status = object.status.get_or_insert_default();
        for condition in &event.conditions {
            let now = condition.last_transition_time.clone().unwrap_or_default();
            conditions::set(&mut status.conditions, condition.clone(), &now);
        }
    }
}
