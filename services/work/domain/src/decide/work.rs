//! What is decided about one ManifestWork but for its status.

use super::{check_metadata, check_version, check_workload, next_generation, now};
use crate::command::{Apply, Deliver, Member, OfWork, Owner, Planned};
use crate::metadata::{self, Metadata};
use crate::name::{WORK_FINALIZER, WorkKey};
use crate::refusal::Refusal;
use crate::state::Work;
use fleetlog_kernel::{NameError, Timestamp, dns_label, dns_subdomain};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::work::{
    ManifestWork, WorkDeleted, WorkDeletionRequested, WorkSpecified, work_event::Event,
};
use fleetlog_rules::finalizers::{self, Left};

type Decision = Result<Vec<Event>, Refusal>;

/// The longest name: the agent's record is named by a hash of 64 characters, a dash and it
/// (spec 1.4).
const MAX_NAME: usize = 188;

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
    if work.is_deleting() && (apply.metadata == Metadata::Add || moves(work, apply)) {
        return Err(Refusal::BeingDeleted { object: asked.key.to_string() });
    }
    check_owner(work, &asked.key, apply)?;
    check_workload(apply.object.spec.as_ref(), apply.bundle.as_ref(), "spec")?;
    let wanted = WorkSpecified {
        work: Some(apply.object.clone()),
        bundle: apply.bundle.clone(),
        ..as_it_is(work)
    };
    specify(work, asked, wanted, apply.metadata, at)
}

/// Whether it would bring something else to the cluster.
fn moves(work: &Work, apply: &Apply<ManifestWork>) -> bool {
    let spec = work.object().map(|object| &object.spec);
    spec != Some(&apply.object.spec) || work.bundle() != apply.bundle.as_ref()
}

/// What an owner keeps stays as he made it: of the rest, finalizers and whom it belongs to, users
/// say what they like.
fn check_owner(work: &Work, key: &WorkKey, apply: &Apply<ManifestWork>) -> Result<(), Refusal> {
    let Some(owner) = work.owner() else { return Ok(()) };
    let said = |meta: Option<&ObjectMeta>| {
        meta.map(|meta| (meta.labels.clone(), meta.annotations.clone())).unwrap_or_default()
    };
    let same = said(work.metadata()) == said(apply.object.metadata.as_ref());
    if same && apply.metadata == Metadata::Replace && !moves(work, apply) {
        return Ok(());
    }
    let work = key.to_string();
    Err(match owner {
        Owner::ReplicaSet(owner) => Refusal::OwnedByReplicaSet { work, owner },
        Owner::AddOn(add_on) => Refusal::OwnedByAddOn { work, add_on },
    })
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
    let mut given = deliver.work.clone();
    if let Some(before) = work.metadata() {
        // The owner knows nothing of who else holds it.
        let meta = given.metadata.get_or_insert_default();
        meta.finalizers.clone_from(&before.finalizers);
        meta.owner_references.clone_from(&before.owner_references);
    }
    let wanted = WorkSpecified {
        work: Some(given),
        bundle: deliver.bundle.clone(),
        replica_set,
        decision: deliver.decision,
        placement: deliver.placement.clone(),
        add_on,
    };
    specify(work, asked, wanted, Metadata::Replace, at)
}

/// The work as it is from now on; nothing when only bookkeeping would change. On its way out it
/// goes with its last finalizer; who takes that of its agent away says that nothing is left.
fn specify(
    work: &Work,
    asked: &OfWork,
    mut wanted: WorkSpecified,
    mode: Metadata,
    at: Timestamp,
) -> Decision {
    let Some(given) = wanted.work.take() else { return Ok(vec![]) };
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
            let mut meta = metadata::applied(&before, &metadata_given, mode);
            if finalizers::write(&before, &meta)? == Left::Goes {
                return Ok(vec![Event::Deleted(WorkDeleted {})]);
            }
            if !work.is_deleting() {
                finalizers::keep(None, &mut meta, WORK_FINALIZER);
            }
            let moved = current.spec != after.spec || work.bundle() != wanted.bundle.as_ref();
            if !moved && meta == before {
                return Ok(vec![]);
            }
            if moved {
                next_generation(&mut meta);
            }
            meta
        }
    });
    Ok(vec![Event::Specified(WorkSpecified { work: Some(after), ..wanted })])
}

/// The whole intent as it stands.
fn as_it_is(work: &Work) -> WorkSpecified {
    let state = work.state();
    let object = work.object().cloned();
    WorkSpecified {
        work: object.map(|object| ManifestWork { status: None, ..object }),
        bundle: state.bundle.clone(),
        replica_set: state.replica_set.clone(),
        decision: state.decision,
        placement: state.placement.clone(),
        add_on: state.add_on.clone(),
    }
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

/// On its way out until its agent says that nothing is left; where no agent will, it waits for
/// nobody but those who hold it by finalizers.
fn remove(work: &Work, cluster: Member, by: &str, at: Timestamp) -> Vec<Event> {
    let requested = (!work.is_deleting()).then(|| {
        let (by, generation) = (by.to_owned(), work.generation() + 1);
        Event::DeletionRequested(WorkDeletionRequested { by, at: now(at), generation })
    });
    let marked = requested.iter().fold(work.clone(), Work::evolved);
    let left = if cluster == Member::Unknown { let_go(&marked) } else { vec![] };
    requested.into_iter().chain(left).collect()
}

/// Nothing is left of it on its cluster: it goes, or waits for those who hold it beside its agent.
/// A work that is wanted stays: that was an answer to an older removal.
pub(super) fn let_go(work: &Work) -> Vec<Event> {
    let mut left = as_it_is(work);
    let meta = left.work.as_mut().and_then(|work| work.metadata.as_mut());
    let Some(meta) = meta.filter(|_| work.is_deleting()) else { return vec![] };
    match finalizers::release(meta, WORK_FINALIZER) {
        Some(Left::Goes) => vec![Event::Deleted(WorkDeleted {})],
        Some(Left::Stays) => vec![Event::Specified(left)],
        None => vec![],
    }
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
