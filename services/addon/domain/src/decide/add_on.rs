//! What is decided about one ManagedClusterAddOn.

use super::{after, check, check_name, keep_finalizer};
use crate::command::{Apply, Defined, Member, OfAddOn, Planned, Work};
use crate::config;
use crate::names::{DEFAULT_NAMESPACE, FINALIZER, HOSTING};
use crate::refusal::Refusal;
use crate::state::AddOn;
use fleetlog_kernel::{Timestamp, dns_label};
use fleetlog_messages::addon::{
    AddOnDeleted, AddOnDeletionRequested, AddOnProgressed, AddOnSpecified, ManagedClusterAddOn,
    ManagedClusterAddOnSpec, ManagedClusterAddOnStatus, add_on_event::Event,
};
use fleetlog_messages::common::{ObjectMeta, OwnerReference};
use fleetlog_rules::metadata::{self, Birth};

type Decision = Result<Vec<Event>, Refusal>;

pub(super) fn apply(
    add_on: &AddOn,
    asked: &OfAddOn,
    apply: &Apply<ManagedClusterAddOn>,
    at: Timestamp,
) -> Decision {
    let key = &asked.key;
    dns_label(&key.cluster)?;
    check_name(&key.name)?;
    let given = apply.object.metadata.clone().unwrap_or_default();
    let stands = add_on.object().map(|_| add_on.state().changed);
    check(apply, &given, (&key.cluster, &key.name), stands)?;
    if add_on.is_deleting() {
        return Err(Refusal::BeingDeleted { object: key.to_string() });
    }
    let owner = owner(asked)?;
    if let Some(host) = given.annotations.get(HOSTING) {
        let (add_on, host) = (key.to_string(), host.clone());
        return Err(Refusal::Hosted { add_on, host });
    }
    let spec = apply.object.spec.clone().unwrap_or_default();
    check_spec(&spec)?;
    let current = add_on.object();
    let none = ManagedClusterAddOnSpec::default();
    let before = current.map(|current| current.spec.as_ref().unwrap_or(&none));
    let moved = before.is_some_and(|before| *before != spec);
    let old = current.and_then(|current| current.metadata.as_ref());
    let mut meta = after(apply, &given, old, &birth(asked, at), moved);
    keep_finalizer(&mut meta, FINALIZER);
    own(&mut meta, owner);
    if old == Some(&meta) && !moved {
        return Ok(vec![]);
    }
    let object = ManagedClusterAddOn {
        metadata: Some(meta),
        spec: Some(spec),
        status: None,
        empties: apply.object.empties.clone(),
    };
    Ok(vec![Event::Specified(AddOnSpecified {
        add_on: Some(object),
        placement: add_on.state().placement.clone(),
        decision: add_on.state().decision,
    })])
}

/// The owner that its definition is; a cluster and a definition must be there.
fn owner(asked: &OfAddOn) -> Result<&OwnerReference, Refusal> {
    let OfAddOn { key, cluster, definition, .. } = asked;
    if *cluster == Member::Unknown {
        return Err(Refusal::NoSuchCluster { cluster: key.cluster.clone() });
    }
    match definition {
        Defined::Missing => Err(Refusal::NoDefinition { name: key.name.clone() }),
        Defined::Leaving => Err(Refusal::BeingDeleted { object: key.name.clone() }),
        Defined::Here(owner) => Ok(owner),
    }
}

fn check_spec(spec: &ManagedClusterAddOnSpec) -> Result<(), Refusal> {
    config::check(&spec.configs)?;
    match spec.install_namespace() {
        "" | DEFAULT_NAMESPACE => Ok(()),
        other => Err(Refusal::InstallNamespace { namespace: other.to_owned() }),
    }
}

fn birth(asked: &OfAddOn, at: Timestamp) -> Birth {
    let namespace = Some(asked.key.cluster.clone());
    Birth { namespace, name: asked.key.name.clone(), uid: asked.uid.clone(), at }
}

/// Puts the definition among the owners; an earlier incarnation of it goes.
fn own(meta: &mut ObjectMeta, owner: &OwnerReference) {
    meta.owner_references.retain(|o| o.kind != owner.kind || o.name != owner.name);
    meta.owner_references.insert(0, owner.clone());
}

pub(super) fn install(
    add_on: &AddOn,
    asked: &OfAddOn,
    (placement, decision, planned): (&str, u64, Planned),
    at: Timestamp,
) -> Decision {
    if planned == Planned::NoMore || add_on.is_deleting() {
        return Ok(vec![]);
    }
    dns_label(&asked.key.cluster)?;
    let owner = owner(asked)?;
    let mut object = match add_on.object() {
        Some(current) => current.clone(),
        None => ManagedClusterAddOn {
            metadata: Some(metadata::born(&ObjectMeta::default(), &birth(asked, at))),
            spec: Some(ManagedClusterAddOnSpec::default()),
            ..ManagedClusterAddOn::default()
        },
    };
    let meta = object.metadata.get_or_insert_default();
    keep_finalizer(meta, FINALIZER);
    own(meta, owner);
    // What a user installed stays the user's, also where a placement wants it.
    let placement = if add_on.is_users() { "" } else { placement };
    if add_on.object() == Some(&object) && add_on.state().placement == placement {
        return Ok(vec![]);
    }
    let placement = placement.to_owned();
    let add_on = Some(ManagedClusterAddOn { status: None, ..object });
    Ok(vec![Event::Specified(AddOnSpecified { add_on, placement, decision })])
}

pub(super) fn delete(add_on: &AddOn, asked: &OfAddOn, by: &str, at: Timestamp) -> Decision {
    if add_on.object().is_none() {
        return Err(Refusal::NotFound { object: asked.key.to_string() });
    }
    Ok(remove(add_on, asked, by, at))
}

pub(super) fn abandon(add_on: &AddOn, asked: &OfAddOn, by: &str, at: Timestamp) -> Vec<Event> {
    if add_on.object().is_none() || asked.cluster == Member::Known {
        return vec![];
    }
    remove(add_on, asked, by, at)
}

pub(super) fn uninstall(
    add_on: &AddOn,
    asked: &OfAddOn,
    by: &str,
    planned: Planned,
    at: Timestamp,
) -> Vec<Event> {
    let keeps = add_on.is_users() && matches!(asked.definition, Defined::Here(_));
    if add_on.object().is_none() || planned == Planned::Still || keeps {
        return vec![];
    }
    remove(add_on, asked, by, at)
}

/// On its way out until its work is gone; gone at once where there is none, or where no agent will
/// ever say so.
fn remove(add_on: &AddOn, asked: &OfAddOn, by: &str, at: Timestamp) -> Vec<Event> {
    let at = Some(fleetlog_rules::time(at));
    let requested = AddOnDeletionRequested { by: by.to_owned(), at };
    let requested = (!add_on.is_deleting()).then_some(Event::DeletionRequested(requested));
    let gone = asked.work == Work::None || asked.cluster == Member::Unknown;
    let gone = gone.then_some(Event::Deleted(AddOnDeleted {}));
    requested.into_iter().chain(gone).collect()
}

pub(super) fn assess(
    add_on: &AddOn,
    asked: &OfAddOn,
    status: &ManagedClusterAddOnStatus,
) -> Vec<Event> {
    let Some(object) = add_on.object() else { return vec![] };
    if add_on.is_deleting() && asked.work == Work::None {
        return vec![Event::Deleted(AddOnDeleted {})];
    }
    if object.status.as_ref() == Some(status) {
        return vec![];
    }
    vec![Event::Progressed(AddOnProgressed { status: Some(status.clone()) })]
}
