//! A placement as its events left it; `evolve` is total.

use crate::command::PlacementCommand;
use crate::decide;
use crate::names;
use crate::pages;
use crate::plan::Order;
use crate::refusal::Refusal;
use fleetlog_kernel::{Decider, Position, Timestamp};
use fleetlog_messages::common::Condition;
use fleetlog_messages::placement::{
    self as message, PlacementDecided, PlacementState, RemadePage, placement_event::Event,
};
use fleetlog_rules::finalizers;

/// A placement; the default one does not exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement(pub PlacementState);

impl Placement {
    /// The object; `None` when it does not exist.
    #[must_use]
    pub const fn object(&self) -> Option<&message::Placement> {
        self.0.object.as_ref()
    }

    /// The position it stands at; `None` when it does not exist.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.object().map(|_| Position(self.0.changed))
    }

    /// Its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        self.object().and_then(|o| o.status.as_ref()).map_or(&[], |s| &s.conditions)
    }

    /// Whether another scheduler decides on it.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        let meta = self.object().and_then(|o| o.metadata.as_ref());
        meta.and_then(|m| m.annotations.get(names::DISABLE)).is_some_and(|value| value == "true")
    }

    /// Whether it is on its way out.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        let meta = self.object().and_then(|o| o.metadata.as_ref());
        meta.is_some_and(finalizers::is_terminating)
    }

    /// Whether nothing is decided on it: it is not there, going, or another scheduler's.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        self.object().is_none() || self.is_leaving() || self.is_disabled()
    }

    /// Its generation; 0 when it does not exist.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.object().and_then(|o| o.metadata.as_ref()).map_or(0, |m| m.generation())
    }

    /// In which order its clusters are shown.
    #[must_use]
    pub fn order(&self) -> Order {
        let spec = self.object().and_then(|o| o.spec.as_ref());
        spec.map_or(Order::Name, Order::of)
    }

    /// When its scores were shown last; `None` where they never were.
    #[must_use]
    pub fn scores_shown(&self) -> Option<Timestamp> {
        let status = self.object().and_then(|o| o.status.as_ref());
        status.and_then(|s| s.last_score_update_time.as_ref()).map(fleetlog_rules::moment)
    }

    /// Takes a new revision over: its clusters, and what the status says of them.
    fn decided(&mut self, decided: &PlacementDecided) {
        let order = self.order();
        let Some(object) = &mut self.0.object else { return };
        for cluster in &decided.removed {
            self.0.decided.remove(cluster);
        }
        for cluster in &decided.added {
            self.0.decided.insert(cluster.cluster.clone(), cluster.clone());
        }
        self.0.revision = decided.revision;
        let name = object.metadata.as_ref().map_or("", |m| m.name());
        let groups = pages::groups(name, &self.0.decided, order);
        let status = object.status.get_or_insert_default();
        let number = i32::try_from(self.0.decided.len()).unwrap_or(i32::MAX);
        status.number_of_selected_clusters = Some(number);
        status.decision_groups = groups;
        if order != Order::Name {
            status.last_score_update_time.clone_from(&decided.at);
        }
    }
}

impl Decider for Placement {
    type Command = PlacementCommand;
    type Event = Event;
    type Refusal = Refusal;

    fn evolve(mut self, event: &Event) -> Self {
        match event {
            Event::Specified(specified) => {
                let status = self.0.object.take().and_then(|o| o.status);
                let after = specified.placement.clone();
                self.0.object = after.map(|p| message::Placement { status, ..p });
            }
            Event::DeletionRequested(asked) => {
                if let Some(object) = &mut self.0.object {
                    let meta = object.metadata.get_or_insert_default();
                    finalizers::terminate(meta, asked.at.as_ref());
                }
            }
            Event::Deleted(_) => return Self::default(),
            Event::Decided(decided) => self.decided(decided),
            Event::PageDiscarded(discarded) if self.object().is_some() => {
                let (uid, born) = (discarded.uid.clone(), discarded.at.clone());
                let remade = RemadePage { uid, born, changed: 0 };
                self.0.remade.insert(discarded.page.clone(), remade);
            }
            Event::PageDiscarded(_) => {}
            Event::Judged(judged) => {
                if let Some(object) = &mut self.0.object {
                    let status = object.status.get_or_insert_default();
                    status.conditions.clone_from(&judged.conditions);
                }
            }
        }
        self
    }

    fn decide(&self, command: &PlacementCommand, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            PlacementCommand::Apply(apply) => decide::apply(self, apply, at),
            PlacementCommand::Delete { target, by } => decide::delete(self, target, by, at),
            PlacementCommand::Discard { page, uid, by } => {
                Ok(decide::discard(self, (page, uid), by, at))
            }
            PlacementCommand::Schedule { schedule, inputs } => {
                Ok(decide::schedule(self, schedule, *inputs, at))
            }
        }
    }
}
