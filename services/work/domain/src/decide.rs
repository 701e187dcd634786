//! The two deciders: one function per command, refusals first. What a decision needs beyond its
//! own history rides in the command.

mod set;
mod status;
mod work;

use crate::command::{OfSet, OfWork, SetCommand, WorkCommand};
use crate::manifests;
use crate::metadata;
use crate::refusal::Refusal;
use crate::state::{ReplicaSet, Work};
use fleetlog_kernel::{Decider, Position, Timestamp};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::work::{Bundle, ManifestWorkSpec, replica_set_event, work_event};

impl Decider for Work {
    type Command = OfWork;
    type Event = work_event::Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Self::Event) -> Self {
        self.evolved(event)
    }

    fn decide(&self, asked: &OfWork, at: Timestamp) -> Result<Vec<Self::Event>, Refusal> {
        match &asked.command {
            WorkCommand::Apply(apply) => work::apply(self, asked, apply, at),
            WorkCommand::Delete { by } => work::delete(self, asked, by, at),
            WorkCommand::Abandon { by } => Ok(work::abandon(self, asked, by, at)),
            WorkCommand::Deliver(deliver) => work::deliver(self, asked, deliver, at),
            WorkCommand::Withdraw(owner) => work::withdraw(self, asked, owner, at),
            WorkCommand::Report(report) => status::report(self, asked, report, at),
            WorkCommand::WriteStatus(write) => status::write_status(self, asked, write, at),
        }
    }
}

impl Decider for ReplicaSet {
    type Command = OfSet;
    type Event = replica_set_event::Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Self::Event) -> Self {
        self.evolved(event)
    }

    fn decide(&self, asked: &OfSet, at: Timestamp) -> Result<Vec<Self::Event>, Refusal> {
        match &asked.command {
            SetCommand::Apply(apply) => set::apply(self, asked, apply, at),
            SetCommand::Delete { by, works } => set::delete(self, asked, by, *works, at),
            SetCommand::Plan { chosen, lost } => Ok(set::plan(self, &asked.key, chosen, lost, at)),
            SetCommand::Summarize(tally) => Ok(set::summarize(self, &asked.key, tally, at)),
        }
    }
}

/// Refuses an object that is sent under another namespace or name than its own, and labels that
/// no object can have.
fn check_metadata(given: &ObjectMeta, (scope, name): (&str, &str)) -> Result<(), Refusal> {
    let same = |given: &str, wanted| given.is_empty() || given == wanted;
    if !same(given.namespace(), scope) || !same(given.name(), name) {
        let given = format!("{}/{}", given.namespace(), given.name());
        return Err(Refusal::Misaddressed { given, addressed: format!("{scope}/{name}") });
    }
    fleetlog_rules::metadata::check(given).map_err(Refusal::BadLabel)
}

/// Refuses a change of what the asker has not seen.
fn check_version(given: &str, current: Option<u64>, object: impl ToString) -> Result<(), Refusal> {
    let stands = Position(current.unwrap_or_default()).resource_version(0);
    if given.is_empty() || given == stands {
        return Ok(());
    }
    let object = object.to_string();
    if current.is_none() {
        return Err(Refusal::NotFound { object });
    }
    Err(Refusal::Outdated { object, given: given.to_owned(), current: stands })
}

/// Refuses a spec without manifests, with too large ones, or with manifests that were not handed
/// over as a bundle.
fn check_workload(
    spec: Option<&ManifestWorkSpec>,
    bundle: Option<&Bundle>,
    missing: &'static str,
) -> Result<(), Refusal> {
    let spec = spec.ok_or(Refusal::Incomplete { missing })?;
    if spec.workload.as_ref().is_some_and(|workload| !workload.manifests.is_empty()) {
        return Err(Refusal::Incomplete { missing: "bundle" });
    }
    manifests::fits(bundle.ok_or(Refusal::NoManifests)?)
}

fn next_generation(meta: &mut ObjectMeta) {
    meta.generation = Some(meta.generation() + 1);
}

fn now(at: Timestamp) -> Option<fleetlog_messages::common::Time> {
    Some(metadata::time(at))
}
