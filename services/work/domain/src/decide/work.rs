//! What is decided about one ManifestWork.

use super::{check_metadata, check_version, check_workload, next_generation, now};
use crate::command::{Apply, Deliver, Member, OfWork, Owner, Planned};
use crate::feedback;
use crate::metadata::{self, Metadata};
use crate::name::{WORK_FINALIZER, WorkKey};
use crate::refusal::Refusal;
use crate::state::Work;
use fleetlog_kernel::{NameError, Timestamp, dns_label, dns_subdomain};
use fleetlog_messages::work::{
    ManifestWork, ManifestWorkStatus, ReportWork, WorkDeleted, WorkDeletionRequested,
    WorkSpecified, WorkStatusReported, work_event::Event,
};
use prost::Message as _;

type Decision = Result<Vec<Event>, Refusal>;

/// The longest name: the agent's record is named by a hash of 64 characters, a dash and it
/// (spec 1.4).
const MAX_NAME: usize = 188;
/// The largest report, so that the event that keeps it fits a message.
const MAX_REPORT: usize = 512 * 1024;

pub(super) fn apply(
    work: &Work,
    asked: &OfWork,
    apply: &Apply<ManifestWork>,
    at: Timestamp,
) -> Decision {
    check_name(&asked.key)?;
    let given = apply.object.metadata.clone().unwrap_or_default();
    check_metadata(&given, (&asked.key.cluster, &asked.key.name))?;
    check_cluster(work, asked)?;
    check_version(
        &apply.resource_version,
        work.object().map(|_| work.state().changed),
        &asked.key,
    )?;
    if work.is_deleting() {
        return Err(Refusal::BeingDeleted { object: asked.key.to_string() });
    }
    match work.owner() {
        None => {}
        Some(Owner::ReplicaSet(owner)) => {
            let work = asked.key.to_string();
            return Err(Refusal::OwnedByReplicaSet { work, owner });
        }
        Some(Owner::AddOn(add_on)) => {
            return Err(Refusal::OwnedByAddOn { work: asked.key.to_string(), add_on });
        }
    }
    check_workload(apply.object.spec.as_ref(), apply.bundle.as_ref(), "spec")?;
    let wanted = WorkSpecified {
        work: Some(apply.object.clone()),
        bundle: apply.bundle.clone(),
        ..WorkSpecified::default()
    };
    Ok(specify(work, asked, wanted, apply.metadata, at))
}

pub(super) fn deliver(work: &Work, asked: &OfWork, deliver: &Deliver, at: Timestamp) -> Decision {
    if deliver.planned == Planned::NoMore {
        return Ok(vec![]);
    }
    check_name(&asked.key)?;
    check_cluster(work, asked)?;
    if work.object().is_some() && work.owner().as_ref() != Some(&deliver.owner) {
        return Err(Refusal::OwnedByReplicaSet {
            work: asked.key.to_string(),
            owner: work.owner().map_or_else(String::new, |owner| owner.to_string()),
        });
    }
    if work.is_deleting() {
        return Err(Refusal::BeingDeleted { object: asked.key.to_string() });
    }
    check_workload(deliver.work.spec.as_ref(), deliver.bundle.as_ref(), "spec")?;
    let (replica_set, add_on) = match deliver.owner.clone() {
        Owner::ReplicaSet(name) => (name, String::new()),
        Owner::AddOn(name) => (String::new(), name),
    };
    let wanted = WorkSpecified {
        work: Some(deliver.work.clone()),
        bundle: deliver.bundle.clone(),
        replica_set,
        decision: deliver.decision,
        placement: deliver.placement.clone(),
        add_on,
    };
    Ok(specify(work, asked, wanted, Metadata::Replace, at))
}

/// The work as it is from now on; nothing when only bookkeeping would change.
fn specify(
    work: &Work,
    asked: &OfWork,
    mut wanted: WorkSpecified,
    mode: Metadata,
    at: Timestamp,
) -> Vec<Event> {
    let Some(given) = wanted.work.take() else { return vec![] };
    let metadata_given = given.metadata.unwrap_or_default();
    let mut after =
        ManifestWork { metadata: None, spec: given.spec, status: None, empties: given.empties };
    after.metadata = Some(match work.object() {
        None => {
            let name = (asked.key.cluster.as_str(), asked.key.name.as_str());
            metadata::born(&metadata_given, name, &asked.uid, at, WORK_FINALIZER)
        }
        Some(current) => {
            let before = current.metadata.clone().unwrap_or_default();
            let mut meta = metadata::applied(&before, &metadata_given, mode, WORK_FINALIZER);
            let moved = current.spec != after.spec || work.bundle() != wanted.bundle.as_ref();
            if !moved && meta == before {
                return vec![];
            }
            if moved {
                next_generation(&mut meta);
            }
            meta
        }
    });
    vec![Event::Specified(WorkSpecified { work: Some(after), ..wanted })]
}

pub(super) fn delete(work: &Work, asked: &OfWork, by: &str, at: Timestamp) -> Decision {
    if work.object().is_none() {
        return Err(Refusal::NotFound { object: asked.key.to_string() });
    }
    Ok(remove(work, asked.cluster, by, at))
}

pub(super) fn abandon(work: &Work, asked: &OfWork, by: &str, at: Timestamp) -> Vec<Event> {
    if work.object().is_none() || asked.cluster == Member::Known {
        return vec![];
    }
    remove(work, asked.cluster, by, at)
}

pub(super) fn withdraw(work: &Work, asked: &OfWork, owner: &Owner, at: Timestamp) -> Decision {
    if work.object().is_none() || work.owner().as_ref() != Some(owner) {
        return Ok(vec![]);
    }
    Ok(remove(work, asked.cluster, &owner.to_string(), at))
}

/// On its way out until its agent says that nothing is left; gone at once where no agent will.
fn remove(work: &Work, cluster: Member, by: &str, at: Timestamp) -> Vec<Event> {
    let requested = WorkDeletionRequested { by: by.to_owned(), at: now(at) };
    let requested = (!work.is_deleting()).then_some(Event::DeletionRequested(requested));
    let gone = (cluster == Member::Unknown).then_some(Event::Deleted(WorkDeleted {}));
    requested.into_iter().chain(gone).collect()
}

pub(super) fn report(work: &Work, asked: &OfWork, report: &ReportWork, at: Timestamp) -> Decision {
    let Some(object) = work.object() else {
        return Err(Refusal::NotFound { object: asked.key.to_string() });
    };
    if report.gone {
        // Of a work that is wanted it is an answer to an older removal.
        let gone = work.is_deleting().then_some(Event::Deleted(WorkDeleted {}));
        return Ok(gone.into_iter().collect());
    }
    let size = report.encoded_len();
    if size > MAX_REPORT {
        return Err(Refusal::ReportTooLarge { size, limit: MAX_REPORT });
    }
    if report.generation != work.generation() {
        let (reported, current) = (report.generation, work.generation());
        return Err(Refusal::OtherGeneration { reported, current });
    }
    let reported = report.status.as_ref().ok_or(Refusal::Incomplete { missing: "status" })?;
    let served = object.status.clone();
    let none = ManifestWorkStatus::default();
    let status = feedback::merge(served.as_ref().unwrap_or(&none), reported, at);
    if served.as_ref() == Some(&status) && work.state().reported_generation == report.generation {
        return Ok(vec![]);
    }
    let (generation, status, at) = (report.generation, Some(status), now(at));
    Ok(vec![Event::StatusReported(WorkStatusReported { generation, status, at })])
}

fn check_name(key: &WorkKey) -> Result<(), Refusal> {
    dns_label(&key.cluster)?;
    dns_subdomain(&key.name)?;
    if key.name.len() > MAX_NAME {
        let rule = "a work's name has at most 188 characters";
        return Err(Refusal::BadName(NameError { name: key.name.clone(), rule }));
    }
    Ok(())
}

fn check_cluster(work: &Work, asked: &OfWork) -> Result<(), Refusal> {
    if work.object().is_none() && asked.cluster == Member::Unknown {
        return Err(Refusal::NoSuchCluster { cluster: asked.key.cluster.clone() });
    }
    Ok(())
}
