//! The invariants that every commit has to keep, checked in the order of the log, and the states
//! that a fresh reading of it gives.

mod choices;
mod judge;
mod liveness;

pub use choices::Choices;
pub use judge::Judge;
pub use liveness::{Expiry, Liveness};

use crate::breach::Breach;
use fleetlog_addon::AddOns;
use fleetlog_bus::{Broker as _, Entry, Memory};
use fleetlog_chassis::{Hosted, Machine};
use fleetlog_core::Core;
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_placement::Scheduling;
use fleetlog_registration::Registration;
use fleetlog_work::Works;
use futures::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet};

/// The log as far as it was checked.
#[derive(Default)]
pub struct History {
    /// The last commit checked.
    pub position: Position,
    /// What a fresh reading makes of it.
    pub registration: Hosted<Registration>,
    /// The same for placement.
    pub placement: Hosted<Scheduling>,
    /// The same for work.
    pub work: Hosted<Works>,
    /// The same for add-ons.
    pub addon: Hosted<AddOns>,
    /// The same for plain objects.
    pub core: Hosted<Core>,
    /// The commit that each user's command led to, by actor and id.
    pub commands: BTreeMap<(String, String), Position>,
    /// Who is available, and since when.
    pub liveness: Liveness,
    /// What placements have chosen.
    pub choices: Choices,
    /// The same, held against the reference.
    pub judge: Judge,
    /// The works (cluster and name) whose removal began or ended since the last look.
    pub removed: BTreeSet<(String, String)>,
    /// How many works' removals began or ended, in all.
    pub removals: u64,
    hashes: BTreeMap<(Service, Position), String>,
    versions: BTreeMap<AggregateId, u64>,
    ids: BTreeSet<String>,
    told: BTreeSet<(AggregateId, String, Position, u64)>,
}

impl History {
    /// Checks what the log has gained.
    ///
    /// # Errors
    /// The invariant that does not hold, and where.
    pub async fn read_on(&mut self, memory: &Memory) -> Result<(), Breach> {
        self.removed.clear();
        self.liveness.look();
        let reading = memory.read("EVENTS", &subject::events(), self.position.next().0).await;
        let reading = reading.map_err(|fault| fault.to_string())?;
        let mut messages =
            reading.messages.take(usize::try_from(reading.pending).unwrap_or(usize::MAX));
        while let Some(message) = messages.next().await {
            let message = message.map_err(|fault| fault.to_string())?;
            match Entry::read(&message) {
                Entry::Commit(commit, _) => self.check(&commit).map_err(|breach| {
                    let (at, whose) = (commit.position, &commit.aggregate);
                    breach.told(|what| format!("position {at} of \"{whose}\": {what}"))
                })?,
                Entry::Malformed { position, reason, .. } => {
                    return Err(format!("position {position} is no commit: {reason}").into());
                }
            }
        }
        Ok(())
    }

    /// The hash that a service's state has at a position.
    #[must_use]
    pub fn hash(&self, service: Service, position: Position) -> Option<&str> {
        self.hashes.get(&(service, position)).map(String::as_str)
    }

    fn check(&mut self, commit: &Recorded) -> Result<(), Breach> {
        let types = commit.header.types.join(",");
        tracing::info!(position = %commit.position, aggregate = %commit.aggregate, types,
            actor = commit.header.actor, at = commit.header.time.seconds(), "commit");
        if commit.position != self.position.next() {
            return Err(format!("it follows position {} (invariant 4)", self.position).into());
        }
        self.position = commit.position;
        self.envelope(commit)?;
        match (commit.aggregate.service, commit.aggregate.kind.as_str()) {
            (Service::Registration, "cluster") => {
                self.liveness.note(commit, self.registration.machine())?;
            }
            (Service::Placement, "placement") => {
                let liveness = &self.liveness;
                self.choices.note(commit, |at| liveness.eligible(at))?;
            }
            (Service::Work, "manifestwork") => self.note_removal(commit),
            _ => {}
        }
        self.judge.note(commit)?;
        fold(&mut self.registration, commit, &mut self.hashes)?;
        self.liveness.stand(commit.position, self.registration.machine());
        fold(&mut self.placement, commit, &mut self.hashes)?;
        fold(&mut self.work, commit, &mut self.hashes)?;
        fold(&mut self.addon, commit, &mut self.hashes)?;
        fold(&mut self.core, commit, &mut self.hashes)?;
        Ok(())
    }

    /// Invariants 2, 4 and 10. That a cause lies before its commit (12) is part of reading it.
    fn envelope(&mut self, commit: &Recorded) -> Result<(), String> {
        let (header, aggregate) = (&commit.header, &commit.aggregate);
        if header.service != aggregate.service {
            return Err(format!("{} wrote it (invariant 2)", header.service));
        }
        let version = self.versions.entry(aggregate.clone()).or_default();
        *version += 1;
        if header.version != *version {
            return Err(format!(
                "version {} follows {} (invariant 4)",
                header.version,
                *version - 1
            ));
        }
        if !self.ids.insert(header.id.to_string()) {
            return Err("it was committed twice (invariant 10)".to_owned());
        }
        let (actor, command) = (header.actor.clone(), header.command.to_string());
        if actor.starts_with("service:") {
            let told = (aggregate.clone(), actor, header.cause, header.cause_index);
            if !self.told.insert(told) {
                return Err(format!("what follows from {} was done twice", header.cause));
            }
        } else if !actor.starts_with("cluster:") {
            let again = self.commands.insert((actor, command.clone()), commit.position);
            if let Some(first) = again {
                return Err(format!("command \"{command}\" led to {first} too (invariant 10)"));
            }
        }
        Ok(())
    }

    fn note_removal(&mut self, commit: &Recorded) {
        if commit.header.types.iter().any(|name| name.contains("Delet")) {
            let scope = commit.aggregate.scope.clone().unwrap_or_default();
            self.removals += 1;
            self.removed.insert((scope, commit.aggregate.name.clone()));
        }
    }
}

fn fold<M: Machine>(
    hosted: &mut Hosted<M>,
    commit: &Recorded,
    hashes: &mut BTreeMap<(Service, Position), String>,
) -> Result<(), String> {
    hosted.fold(commit).map_err(|unreadable| unreadable.to_string())?;
    hashes.insert((M::SERVICE, commit.position), hosted.hash());
    Ok(())
}
