//! A cluster of the fleet: asked for, accepted, joined, available or not, gone.

mod decide;
mod spec;
mod state;
mod status;

use crate::command::ClusterCommand;
use crate::names::{self, kind};
use crate::refusal::Refusal;
use fleetlog_kernel::{Decider, Position, Timestamp};
use fleetlog_messages::common::Condition;
use fleetlog_messages::registration::{ClusterState, ManagedCluster, Taint, cluster_event::Event};
use fleetlog_rules::condition::{self, Status};
use fleetlog_rules::finalizers;
use std::collections::BTreeMap;
use std::time::Duration;

/// A cluster as its events left it; the default one does not exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster(pub ClusterState);

impl Cluster {
    /// The object; `None` when it does not exist.
    #[must_use]
    pub const fn object(&self) -> Option<&ManagedCluster> {
        self.0.object.as_ref()
    }

    /// Its name; empty when it does not exist.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object().and_then(|o| o.metadata.as_ref()).map_or("", |m| m.name())
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> Option<&BTreeMap<String, String>> {
        self.object().and_then(|o| o.metadata.as_ref()).map(|m| &m.labels)
    }

    /// The position it stands at; `None` when it does not exist.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.object().map(|_| Position(self.0.changed))
    }

    /// Whether the hub takes it in.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.object().and_then(|o| o.spec.as_ref()).is_some_and(|s| s.hub_accepts_client())
    }

    /// Whether beats arrive, as far as its events say.
    #[must_use]
    pub fn available(&self) -> bool {
        condition::is(self.conditions(), kind::AVAILABLE, Status::True)
    }

    /// Seconds between two beats.
    #[must_use]
    pub fn lease_seconds(&self) -> u32 {
        let given = self.object().and_then(|o| o.spec.as_ref()).map(|s| s.lease_duration_seconds());
        let seconds = given.filter(|s| *s > 0).unwrap_or(names::LEASE_SECONDS);
        seconds.unsigned_abs()
    }

    /// How long it may be silent before its state counts as unknown: five beats.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_secs(u64::from(self.lease_seconds()) * names::BEATS_OF_GRACE)
            .min(names::LONGEST_GRACE)
    }

    /// Whether it is on its way out of the fleet.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        let meta = self.object().and_then(|o| o.metadata.as_ref());
        meta.is_some_and(finalizers::is_terminating)
    }

    /// Whether its silence would mean something: it is accepted and not known to be unreachable.
    #[must_use]
    pub fn awaits_beats(&self) -> bool {
        self.accepted() && !condition::is(self.conditions(), kind::AVAILABLE, Status::Unknown)
    }

    /// Whether a person said no to it since it was last accepted.
    #[must_use]
    pub const fn denied(&self) -> bool {
        self.0.denied
    }

    /// The key that may be its agent's; empty while none asked.
    #[must_use]
    pub fn agent_key(&self) -> &str {
        &self.0.agent_key
    }

    /// Its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        self.object().and_then(|o| o.status.as_ref()).map_or(&[], |s| &s.conditions)
    }

    /// Its taints.
    #[must_use]
    pub fn taints(&self) -> &[Taint] {
        self.object().and_then(|o| o.spec.as_ref()).map_or(&[], |s| &s.taints)
    }
}

impl Decider for Cluster {
    type Command = ClusterCommand;
    type Event = Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Event) -> Self {
        state::evolve(self, event)
    }

    fn decide(&self, command: &ClusterCommand, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            ClusterCommand::Apply(apply) => decide::apply(self, apply, at),
            ClusterCommand::Accept { by } => decide::accept(self, by, at),
            ClusterCommand::Deny { by } => decide::deny(self, by, at),
            ClusterCommand::Delete { by } => decide::delete(self, by, at),
            ClusterCommand::RequestJoin { name, public_key, labels, uid } => {
                let wish = decide::Wish { name, public_key, labels, uid };
                decide::request_join(self, &wish, at)
            }
            ClusterCommand::Report(facts) => decide::report(self, facts, at),
            ClusterCommand::WriteStatus { status, expected } => {
                status::write(self, status, *expected, at)
            }
            ClusterCommand::NoteBeat => decide::note_beat(self, at),
            ClusterCommand::NoteLeaseExpiry => decide::note_lease_expiry(self, at),
        }
    }
}
