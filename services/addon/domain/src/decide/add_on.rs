//! What is decided about one ManagedClusterAddOn.

use super::{after, check, check_leaving, check_name, check_size, check_version};
use crate::command::{Apply, Defined, Member, OfAddOn, Planned, Work};
use crate::config;
use crate::names::{DEFAULT_NAMESPACE, FINALIZER, HOSTING};
use crate::refusal::Refusal;
use crate::state::AddOn;
use fleetlog_kernel::{Timestamp, dns_label};
use fleetlog_messages::addon::{
    AddOnDeleted, AddOnDeletionRequested, AddOnProgressed, AddOnSpecified, ManagedClusterAddOn,
    ManagedClusterAddOnSpec, ManagedClusterAddOnStatus, WriteAddOnStatus, add_on_event::Event,
};
use fleetlog_messages::common::{ObjectMeta, OwnerReference};
use fleetlog_rules::finalizers::{self, Left};
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
    let spec = apply.object.spec.clone().unwrap_or_default();
    let current = add_on.object();
    let none = ManagedClusterAddOnSpec::default();
    let before = current.map(|current| current.spec.as_ref().unwrap_or(&none));
    let moved = before.is_some_and(|before| *before != spec);
    check_leaving(apply, add_on.is_deleting(), moved, key)?;
    // Whose it is on its way out, nothing asks any more.
    let owner = if add_on.is_deleting() { None } else { Some(owner(asked)?) };
    if let Some(host) = given.annotations.get(HOSTING) {
        let (add_on, host) = (key.to_string(), host.clone());
        return Err(Refusal::Hosted { add_on, host });
    }
    check_spec(&spec)?;
    let old = current.and_then(|current| current.metadata.as_ref());
    let mut meta = after(apply, &given, old, &birth(asked, at), moved);
    finalizers::keep(old, &mut meta, FINALIZER);
    owner.into_iter().for_each(|owner| own(&mut meta, owner));
    if let Some(old) = old
        && finalizers::write(old, &meta)? == Left::Goes
    {
        return Ok(vec![Event::Deleted(AddOnDeleted {})]);
    }
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
    finalizers::keep(None, meta, FINALIZER);
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
    let (at, generation) = (Some(fleetlog_rules::time(at)), add_on.generation() + 1);
    let requested = AddOnDeletionRequested { by: by.to_owned(), at, generation };
    let requested = (!add_on.is_deleting()).then_some(Event::DeletionRequested(requested));
    let marked = requested.iter().fold(add_on.clone(), AddOn::evolved);
    let gone = asked.work == Work::None || asked.cluster == Member::Unknown;
    let left = if gone { let_go(&marked) } else { vec![] };
    requested.into_iter().chain(left).collect()
}

/// Its work is gone: so is it, unless others hold it by finalizers.
fn let_go(add_on: &AddOn) -> Vec<Event> {
    let object = add_on.object().cloned();
    let mut left = object.map(|object| ManagedClusterAddOn { status: None, ..object });
    let meta = left.as_mut().and_then(|add_on| add_on.metadata.as_mut());
    match meta.and_then(|meta| finalizers::release(meta, FINALIZER)) {
        Some(Left::Goes) => vec![Event::Deleted(AddOnDeleted {})],
        Some(Left::Stays) => {
            let (placement, decision) = (add_on.state().placement.clone(), add_on.state().decision);
            vec![Event::Specified(AddOnSpecified { add_on: left, placement, decision })]
        }
        None => vec![],
    }
}

pub(super) fn assess(
    add_on: &AddOn,
    asked: &OfAddOn,
    status: &ManagedClusterAddOnStatus,
) -> Vec<Event> {
    let Some(object) = add_on.object() else { return vec![] };
    let left =
        if add_on.is_deleting() && asked.work == Work::None { let_go(add_on) } else { vec![] };
    if !left.is_empty() {
        return left;
    }
    if object.status.as_ref() == Some(status) {
        return vec![];
    }
    vec![Event::Progressed(AddOnProgressed { status: Some(status.clone()), written: vec![] })]
}

/// The status whole, as its manager or an agent writes it, and which conditions are theirs.
pub(super) fn write_status(add_on: &AddOn, asked: &OfAddOn, write: &WriteAddOnStatus) -> Decision {
    let name = asked.key.to_string();
    let Some(object) = add_on.object() else { return Err(Refusal::NotFound { object: name }) };
    check_version(&write.resource_version, name, Some(add_on.state().changed))?;
    check_size(write)?;
    if object.status == write.status {
        return Ok(vec![]);
    }
    let conditions = |status: Option<&ManagedClusterAddOnStatus>| {
        status.map(|status| status.conditions.clone()).unwrap_or_default()
    };
    let before = conditions(object.status.as_ref());
    let new = conditions(write.status.as_ref()).into_iter().filter(|said| !before.contains(said));
    let written = new.map(|said| said.r#type().to_owned()).collect();
    Ok(vec![Event::Progressed(AddOnProgressed { status: write.status.clone(), written })])
}
