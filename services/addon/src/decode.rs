//! Commits as the add-on service heeds them: its own, and what registration, placement and work
//! decided.

use fleetlog_addon_domain::Change;
use fleetlog_addon_domain::names::{ADD_ON, AddOnKey, DEFINITION, PlacementKey, TEMPLATE};
use fleetlog_addon_domain::projection::Presence;
use fleetlog_chassis::Unreadable;
use fleetlog_kernel::Service;
use fleetlog_messages::addon::{AddOnEvent, DefinitionEvent, TemplateEvent};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::PlacementEvent;
use fleetlog_messages::registration::{ClusterEvent, cluster_event};
use fleetlog_messages::work::WorkEvent;
use prost::Message;

/// The message type of a definition's events.
pub(crate) const DEFINITION_EVENT: &str = "fleetlog.addon.v1.DefinitionEvent";
/// The message type of an add-on's events.
pub(crate) const ADD_ON_EVENT: &str = "fleetlog.addon.v1.AddOnEvent";
/// The message type of a template's events.
pub(crate) const TEMPLATE_EVENT: &str = "fleetlog.addon.v1.TemplateEvent";
const CLUSTER_EVENT: &str = "fleetlog.registration.v1.ClusterEvent";
const PLACEMENT_EVENT: &str = "fleetlog.placement.v1.PlacementEvent";
const WORK_EVENT: &str = "fleetlog.work.v1.WorkEvent";

/// A commit as a change of what the service knows; `None` for those it does not heed.
///
/// # Errors
/// A commit that must be understood and cannot be.
pub(crate) fn change(commit: &Recorded) -> Result<Option<Change>, Unreadable> {
    let id = &commit.aggregate;
    let nameless = || Unreadable::of(commit, "its aggregate has no namespace");
    let scope = || id.scope.as_deref().ok_or_else(nameless);
    Ok(Some(match (id.service, id.kind.as_str()) {
        (Service::Addon, DEFINITION) => {
            let events = events(commit, DEFINITION_EVENT, |m: DefinitionEvent| m.event)?;
            Change::Definition(id.name.clone(), events)
        }
        (Service::Addon, ADD_ON) => {
            let key = AddOnKey::new(scope()?, &id.name);
            Change::AddOn(key, events(commit, ADD_ON_EVENT, |m: AddOnEvent| m.event)?)
        }
        (Service::Addon, TEMPLATE) => {
            let events = events(commit, TEMPLATE_EVENT, |m: TemplateEvent| m.event)?;
            Change::Template(id.name.clone(), events)
        }
        (Service::Addon, kind) => {
            return Err(Unreadable::of(commit, format!("add-ons have no kind \"{kind}\"")));
        }
        (Service::Placement, "placement") => {
            let key = PlacementKey::new(scope()?, &id.name);
            Change::Placement(key, events(commit, PLACEMENT_EVENT, |m: PlacementEvent| m.event)?)
        }
        (Service::Work, "manifestwork") => {
            let Some(key) = AddOnKey::of_work(scope()?, &id.name) else { return Ok(None) };
            Change::Work(key, events(commit, WORK_EVENT, |m: WorkEvent| m.event)?)
        }
        (Service::Registration, "cluster") => {
            let events = events(commit, CLUSTER_EVENT, |m: ClusterEvent| m.event)?;
            let presence: Vec<Presence> = events.iter().filter_map(presence).collect();
            if presence.is_empty() {
                return Ok(None);
            }
            Change::Cluster(id.name.clone(), presence)
        }
        (Service::Placement | Service::Registration | Service::Work | Service::Core, _) => {
            return Ok(None);
        }
    }))
}

fn presence(event: &cluster_event::Event) -> Option<Presence> {
    match event {
        cluster_event::Event::Specified(_) => Some(Presence::Here),
        cluster_event::Event::BecameAvailable(_) => Some(Presence::Available),
        cluster_event::Event::LeaseExpired(_) => Some(Presence::Silent),
        cluster_event::Event::Deleted(_) => Some(Presence::Gone),
        _ => None,
    }
}

fn events<M: Message + Default, E>(
    commit: &Recorded,
    schema: &str,
    event: impl Fn(M) -> Option<E>,
) -> Result<Vec<E>, Unreadable> {
    if commit.header.schema != schema {
        let reason = format!("its schema is \"{}\", not \"{schema}\"", commit.header.schema);
        return Err(Unreadable::of(commit, reason));
    }
    let types = commit.header.types.iter().map(String::as_str).chain(std::iter::repeat("?"));
    let read = |(bytes, name): (&bytes::Bytes, &str)| {
        let message = M::decode(bytes.clone())
            .map_err(|error| Unreadable::of(commit, format!("\"{name}\" of {schema}: {error}")))?;
        event(message).ok_or_else(|| {
            Unreadable::of(commit, format!("\"{name}\" of {schema} is of a later version"))
        })
    };
    commit.events.iter().zip(types).map(read).collect()
}
