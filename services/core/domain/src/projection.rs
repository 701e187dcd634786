//! Everything the core service knows: its objects, and what lies in each namespace, whoever decides
//! on it. It decides nothing.

use crate::command::{Left, Place};
use crate::object::{finalizers, is_terminating};
use crate::state::Plain;
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::core::object_event::Event;
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::{KINDS, KindInfo};
use std::collections::{BTreeMap, BTreeSet};

/// The token of namespaces.
pub const NAMESPACE: &str = "namespace";

/// One commit that the service heeds.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of an object of its own.
    Own(AggregateId, &'static KindInfo, Vec<Event>),
    /// Of an object in a namespace that another service decides on: whether it is there now.
    Other(AggregateId, bool),
}

/// What the commit that was applied last brought to light. For the reactions to this commit alone:
/// no part of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Objects that must go with their namespace.
    pub doomed: Vec<AggregateId>,
    /// A namespace that is going, and may be empty.
    pub emptier: Option<String>,
    /// A secret that is gone, and its keys.
    pub keys: Option<(AggregateId, Vec<String>)>,
}

/// What lies in one namespace: the names of each kind of each service.
type Content = BTreeMap<(Service, Box<str>), BTreeSet<Box<str>>>;

/// Everything that the service knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    pub(crate) objects: BTreeMap<AggregateId, Plain>,
    /// What lies in each namespace.
    contents: BTreeMap<Box<str>, Content>,
    /// Objects of each namespace that wait for finalizers; derived.
    waiting: BTreeMap<String, BTreeSet<AggregateId>>,
    noticed: Noticed,
}

/// The kind of a service's token.
#[must_use]
pub fn kind_of(service: Service, token: &str) -> Option<&'static KindInfo> {
    KINDS.iter().copied().find(|info| info.service == Some(service) && info.token == token)
}

/// The aggregate of a namespace.
#[must_use]
pub fn namespace_id(name: &str) -> AggregateId {
    AggregateId::global(Service::Core, NAMESPACE, name)
}

impl World {
    /// One object, or the place of one.
    #[must_use]
    pub fn object(&self, id: &AggregateId) -> Option<&Plain> {
        self.objects.get(id)
    }

    /// The objects of a kind, in a namespace if one is given, in the order of their names.
    pub fn objects<'a>(
        &'a self,
        kind: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a AggregateId, &'a Plain)> {
        let scope = namespace.map(str::to_owned);
        let first =
            AggregateId { service: Service::Core, kind: kind.into(), scope, name: String::new() };
        let within = move |id: &AggregateId| {
            id.kind == kind && namespace.is_none_or(|ns| id.scope.as_deref() == Some(ns))
        };
        self.objects.range(first..).take_while(move |(id, _)| within(id))
    }

    /// How the namespace of an object stands.
    #[must_use]
    pub fn place(&self, id: &AggregateId) -> Place {
        let Some(scope) = &id.scope else { return Place::Everywhere };
        match self.objects.get(&namespace_id(scope)).and_then(Plain::object) {
            None => Place::Absent,
            Some(object) if is_terminating(object) => Place::Terminating,
            Some(_) => Place::Active,
        }
    }

    /// What is left in a namespace.
    #[must_use]
    pub fn left(&self, namespace: &str) -> Left {
        let mut left = Left::default();
        for ((service, token), names) in self.contents.get(namespace).into_iter().flatten() {
            let plural = kind_of(*service, token)
                .map_or_else(|| token.to_string(), |info| info.in_group(info.plural));
            left.objects.insert(plural, names.len());
        }
        for id in self.waiting.get(namespace).into_iter().flatten() {
            let object = self.objects.get(id).and_then(Plain::object);
            for finalizer in object.map(finalizers).unwrap_or_default() {
                *left.finalizers.entry(finalizer).or_default() += 1;
            }
        }
        left
    }

    /// What the last commit brought to light.
    #[must_use]
    pub const fn noticed(&self) -> &Noticed {
        &self.noticed
    }

    /// Folds one commit.
    pub fn apply(&mut self, change: &Change, position: Position) {
        self.noticed = Noticed::default();
        match change {
            Change::Own(id, info, events) => self.own(id, info, events, position),
            Change::Other(id, there) => self.note(id, *there),
        }
    }

    fn own(&mut self, id: &AggregateId, info: &KindInfo, events: &[Event], position: Position) {
        let plain = self.objects.entry(id.clone()).or_default();
        let keys = plain.keys().to_vec();
        events.iter().for_each(|event| plain.evolve(info, event, position));
        let there = plain.object().is_some();
        let waits = plain.object().is_some_and(|o| is_terminating(o) && !finalizers(o).is_empty());
        if !there {
            self.noticed.keys = (!keys.is_empty()).then(|| (id.clone(), keys));
            self.objects.remove(id);
        }
        if let Some(scope) = &id.scope {
            let waiting = self.waiting.entry(scope.clone()).or_default();
            waiting.remove(id);
            if waits {
                waiting.insert(id.clone());
            }
            if waiting.is_empty() {
                self.waiting.remove(scope);
            }
        }
        self.note(id, there);
        let requested = events.iter().any(|event| matches!(event, Event::DeletionRequested(_)));
        if id.kind == NAMESPACE && requested {
            self.noticed.doomed = self.content(&id.name).collect();
            self.noticed.emptier = Some(id.name.clone());
        }
    }

    /// Notes whether something lies in its namespace.
    fn note(&mut self, id: &AggregateId, there: bool) {
        let Some(scope) = &id.scope else { return };
        let of_kind = (id.service, id.kind.as_str().into());
        let kinds = self.contents.entry(scope.as_str().into()).or_default();
        let names = kinds.entry(of_kind.clone()).or_default();
        let new = if there { names.insert(id.name.as_str().into()) } else { false };
        if !there {
            names.remove(id.name.as_str());
        }
        if names.is_empty() {
            kinds.remove(&of_kind);
        }
        if kinds.is_empty() {
            self.contents.remove(scope.as_str());
        }
        if self.place(id) != Place::Terminating {
            return;
        }
        self.noticed.emptier = Some(scope.clone());
        // A work or an installation that is made anew here is still wanted by somebody: the
        // namespace waits and says so, for else each would undo the other's for ever.
        if new && !matches!(id.service, Service::Work | Service::Addon) {
            self.noticed.doomed.push(id.clone());
        }
    }

    /// Everything that lies in a namespace.
    pub(crate) fn content(&self, namespace: &str) -> impl Iterator<Item = AggregateId> {
        let scope = namespace.to_owned();
        let kinds = self.contents.get(namespace).into_iter().flatten();
        kinds.flat_map(move |((service, kind), names)| {
            let scope = scope.clone();
            names.iter().map(move |name| AggregateId {
                service: *service,
                kind: kind.to_string(),
                scope: Some(scope.clone()),
                name: name.to_string(),
            })
        })
    }

    /// Everything of other services.
    pub(crate) fn others(&self) -> impl Iterator<Item = AggregateId> {
        let all = self.contents.keys().flat_map(|namespace| self.content(namespace));
        all.filter(|id| id.service != Service::Core)
    }

    /// The world of these objects, and of what others have in namespaces.
    pub(crate) fn of(
        objects: BTreeMap<AggregateId, Plain>,
        others: impl Iterator<Item = AggregateId>,
    ) -> Self {
        let mut world = Self { objects, ..Self::default() };
        let own: Vec<AggregateId> = world.objects.keys().cloned().collect();
        own.iter().cloned().chain(others).for_each(|id| world.note(&id, true));
        for id in own {
            let object = world.objects.get(&id).and_then(Plain::object);
            let waits = object.is_some_and(|o| is_terminating(o) && !finalizers(o).is_empty());
            if let Some(scope) = id.scope.clone().filter(|_| waits) {
                world.waiting.entry(scope).or_default().insert(id);
            }
        }
        world.noticed = Noticed::default();
        world
    }
}
