//! The invariants that every commit has to keep, checked in the order of the log, and the states
//! that a fresh reading of it gives.

use fleetlog_addon::AddOns;
use fleetlog_bus::{Broker as _, Entry, Memory};
use fleetlog_chassis::{Hosted, Machine};
use fleetlog_kernel::{Position, Service, Timestamp};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{PlacementEvent, placement_event};
use fleetlog_messages::registration::{ClusterEvent, cluster_event};
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_placement::Scheduling;
use fleetlog_registration::Registration;
use fleetlog_work::Works;
use futures::StreamExt as _;
use prost::Message as _;
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
    /// The commit that each user's command led to, by actor and id.
    pub commands: BTreeMap<(String, String), Position>,
    /// What each placement has chosen.
    pub decided: BTreeMap<AggregateId, BTreeSet<String>>,
    /// The works (cluster and name) whose removal began or ended since the last look.
    pub removed: BTreeSet<(String, String)>,
    /// The leases that ran out since the last look, and when.
    pub expired: Vec<(String, Timestamp)>,
    hashes: BTreeMap<(Service, Position), String>,
    versions: BTreeMap<AggregateId, u64>,
    ids: BTreeSet<String>,
    told: BTreeSet<(AggregateId, String, Position, u64)>,
    available: BTreeMap<String, bool>,
}

impl History {
    /// Checks what the log has gained.
    ///
    /// # Errors
    /// The invariant that does not hold, and where.
    pub async fn read_on(&mut self, memory: &Memory) -> Result<(), String> {
        self.removed.clear();
        self.expired.clear();
        let reading = memory.read("EVENTS", &subject::events(), self.position.next().0).await;
        let reading = reading.map_err(|fault| fault.to_string())?;
        let mut messages =
            reading.messages.take(usize::try_from(reading.pending).unwrap_or(usize::MAX));
        while let Some(message) = messages.next().await {
            let message = message.map_err(|fault| fault.to_string())?;
            match Entry::read(&message) {
                Entry::Commit(commit, _) => self.check(&commit).map_err(|what| {
                    format!("position {} of \"{}\": {what}", commit.position, commit.aggregate)
                })?,
                Entry::Malformed { position, reason, .. } => {
                    return Err(format!("position {position} is no commit: {reason}"));
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

    /// Whether so many clusters are there, all of them available.
    #[must_use]
    pub fn all_available(&self, clusters: usize) -> bool {
        self.available.len() == clusters && self.available.values().all(|available| *available)
    }

    fn check(&mut self, commit: &Recorded) -> Result<(), String> {
        let types = commit.header.types.join(",");
        tracing::info!(position = %commit.position, aggregate = %commit.aggregate, types,
            actor = commit.header.actor, at = commit.header.time.seconds(), "commit");
        if commit.position != self.position.next() {
            return Err(format!("it follows position {} (invariant 4)", self.position));
        }
        self.position = commit.position;
        self.envelope(commit)?;
        match (commit.aggregate.service, commit.aggregate.kind.as_str()) {
            (Service::Registration, "cluster") => self.cluster(commit)?,
            (Service::Placement, "placement") => self.placement(commit)?,
            (Service::Work, "manifestwork") => self.note_removal(commit),
            _ => {}
        }
        fold(&mut self.registration, commit, &mut self.hashes)?;
        fold(&mut self.placement, commit, &mut self.hashes)?;
        fold(&mut self.work, commit, &mut self.hashes)?;
        fold(&mut self.addon, commit, &mut self.hashes)
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

    /// Invariant 5; leases that ran out are judged by who knows the agents.
    fn cluster(&mut self, commit: &Recorded) -> Result<(), String> {
        let name = &commit.aggregate.name;
        for event in &commit.events {
            let event = ClusterEvent::decode(event.clone()).map_err(|error| error.to_string())?;
            let available = match event.event {
                Some(cluster_event::Event::BecameAvailable(_)) => true,
                Some(cluster_event::Event::LeaseExpired(_)) => {
                    self.expired.push((name.clone(), commit.header.time));
                    false
                }
                Some(cluster_event::Event::Deleted(_)) => {
                    self.available.remove(name);
                    continue;
                }
                _ => continue,
            };
            if self.available.insert(name.clone(), available) == Some(available) {
                return Err(format!("available is {available} already (invariant 5)"));
            }
        }
        Ok(())
    }

    /// Invariant 11.
    fn placement(&mut self, commit: &Recorded) -> Result<(), String> {
        let decided = self.decided.entry(commit.aggregate.clone()).or_default();
        for event in &commit.events {
            let event = PlacementEvent::decode(event.clone()).map_err(|error| error.to_string())?;
            let Some(placement_event::Event::Decided(revision)) = event.event else { continue };
            let had = !decided.is_empty();
            revision.removed.iter().for_each(|cluster| {
                decided.remove(cluster);
            });
            decided.extend(revision.added.into_iter().map(|added| added.cluster));
            if had && decided.is_empty() {
                return Err("the decision passes through nothing (invariant 11)".to_owned());
            }
        }
        Ok(())
    }

    fn note_removal(&mut self, commit: &Recorded) {
        if commit.header.types.iter().any(|name| name.contains("Delet")) {
            let scope = commit.aggregate.scope.clone().unwrap_or_default();
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
