//! A binding: lets the placements of a namespace choose from a set.

use crate::command::{Apply, BindingCommand};
use crate::names::{self, kind};
use crate::object;
use crate::refusal::Refusal;
use fleetlog_kernel::{Decider, Position, Timestamp, dns_label, dns_subdomain};
use fleetlog_messages::common::Time;
use fleetlog_messages::registration::{
    BindingDeleted, BindingSpecified, BindingState, ManagedClusterSetBinding,
};
use fleetlog_messages::registration_v2::{
    BindingBound, BindingDeletionRequested, BindingUnbound, binding_event::Event,
};
use fleetlog_rules::condition::{self, Status};
use fleetlog_rules::{finalizers, metadata, time};

/// A binding as its events left it; the default one does not exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Binding(pub BindingState);

impl Binding {
    /// The object; `None` when it does not exist.
    #[must_use]
    pub const fn object(&self) -> Option<&ManagedClusterSetBinding> {
        self.0.object.as_ref()
    }

    /// The position it stands at; `None` when it does not exist.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.object().map(|_| Position(self.0.changed))
    }

    /// Whether its condition says that its set exists (or does not).
    #[must_use]
    pub fn says(&self, exists: bool) -> bool {
        let status = self.object().and_then(|o| o.status.as_ref());
        status.is_some_and(|s| condition::is(&s.conditions, kind::BOUND, Status::from(exists)))
    }

    fn apply(
        &self,
        apply: &Apply<ManagedClusterSetBinding>,
        exists: bool,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let name = &apply.target.name;
        dns_subdomain(name).map_err(Refusal::Name)?;
        dns_label(apply.target.namespace.as_deref().unwrap_or_default()).map_err(Refusal::Name)?;
        let given = apply.object.metadata.clone().unwrap_or_default();
        object::check(apply, &given, self.position())?;
        let set = apply.object.spec.as_ref().map_or("", |s| s.cluster_set());
        if set != name {
            let (name, set) = (name.clone(), set.to_owned());
            return Err(Refusal::BindingName { name, set });
        }
        let current = self.object();
        let meta = object::after(apply, &given, current.and_then(|c| c.metadata.as_ref()), at);
        if object::goes(current.and_then(|c| c.metadata.as_ref()), &meta)? {
            return Ok(vec![Event::Deleted(BindingDeleted { by: apply.by.clone() })]);
        }
        let mut after = ManagedClusterSetBinding {
            metadata: Some(meta),
            spec: apply.object.spec.clone(),
            status: current.and_then(|c| c.status.clone()),
            empties: apply.object.empties.clone(),
        };
        if current.is_some_and(|c| c.spec != after.spec) {
            metadata::next_generation(after.metadata.get_or_insert_default());
        }
        let changed = current != Some(&after);
        after.status = None;
        let specified =
            changed.then_some(Event::Specified(BindingSpecified { binding: Some(after) }));
        let bound = current.is_none().then(|| bound(exists, at));
        Ok(specified.into_iter().chain(bound).collect())
    }
}

fn bound(exists: bool, at: Timestamp) -> Event {
    let at = Some(time(at));
    if exists { Event::Bound(BindingBound { at }) } else { Event::Unbound(BindingUnbound { at }) }
}

/// Sets the condition Bound.
fn say(state: &mut BindingState, says: condition::Say, at: Option<&Time>) {
    if let Some(object) = &mut state.object {
        let at = Timestamp::of_seconds(at.map_or(0, |time| time.seconds));
        let status = object.status.get_or_insert_default();
        condition::set(&mut status.conditions, says, at);
    }
}

impl Decider for Binding {
    type Command = BindingCommand;
    type Event = Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Event) -> Self {
        let Self(mut state) = self;
        match event {
            Event::Specified(specified) => {
                let status = state.object.take().and_then(|o| o.status);
                let after = specified.binding.clone();
                state.object = after.map(|b| ManagedClusterSetBinding { status, ..b });
            }
            Event::DeletionRequested(asked) => {
                if let Some(object) = &mut state.object {
                    let meta = object.metadata.get_or_insert_default();
                    finalizers::terminate(meta, asked.at.as_ref());
                }
            }
            Event::Deleted(_) => return Self::default(),
            Event::Bound(bound) => say(&mut state, names::BOUND, bound.at.as_ref()),
            Event::Unbound(unbound) => say(&mut state, names::UNBOUND, unbound.at.as_ref()),
        }
        Self(state)
    }

    fn decide(&self, command: &BindingCommand, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        let known = self.object().is_some();
        let absent = || Refusal::NotFound { kind: "ManagedClusterSetBinding", name: String::new() };
        match command {
            BindingCommand::Apply { apply, exists } => self.apply(apply, *exists, at),
            _ if !known => Err(absent()),
            BindingCommand::Delete { by } => {
                let meta = self.object().and_then(|binding| binding.metadata.as_ref());
                let gone = Event::Deleted(BindingDeleted { by: by.clone() });
                let (by, at) = (by.clone(), Some(time(at)));
                let asked = Event::DeletionRequested(BindingDeletionRequested { by, at });
                Ok(object::deletion(meta, gone, asked))
            }
            BindingCommand::NoteBound { exists } if self.says(*exists) => Ok(vec![]),
            BindingCommand::NoteBound { exists } => Ok(vec![bound(*exists, at)]),
        }
    }
}
