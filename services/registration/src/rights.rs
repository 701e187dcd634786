//! The rights of clusters as commands for core, and what core says of the hub.

use crate::machine::Own;
use fleetlog_chassis::Effect;
use fleetlog_kernel::Service;
use fleetlog_messages::core::{
    DeleteObject, EnsureObject, ObjectCommand, ObjectEvent, object_command, object_event,
};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::wire::canonical;
use fleetlog_registration_domain::Change;
use fleetlog_registration_domain::rights::{HUB, SWITCH, Want, Whose};
use prost::Message as _;
use serde_json::Value;

/// What a commit of core says of the fleet: whether the hub speaks Kubernetes and gives clusters
/// rights, or that the namespace of a cluster may be gone.
pub(crate) fn change(commit: &Recorded) -> Result<Option<Change>, String> {
    let AggregateId { kind, scope, name, .. } = &commit.aggregate;
    if kind != "namespace" || scope.is_some() {
        return Ok(None);
    }
    let last = commit.events.last().ok_or("a commit without events")?;
    let event = ObjectEvent::decode(last.clone()).map_err(|error| error.to_string())?.event;
    let is_gone = matches!(event, Some(object_event::Event::Deleted(_)));
    if name != HUB {
        return Ok(is_gone.then(|| Change::NamespaceGone(name.clone())));
    }
    let Some(object_event::Event::Written(written)) = event else {
        return Ok(Some(Change::Kubernetes(false)));
    };
    let object: Value =
        serde_json::from_slice(&written.object).map_err(|error| error.to_string())?;
    let metadata = &object["metadata"];
    let stays = metadata["deletionTimestamp"].is_null();
    Ok(Some(Change::Kubernetes(stays && metadata["annotations"][SWITCH] != "false")))
}

/// What is wanted, as commands.
pub(crate) fn told(wants: Vec<Want>) -> Vec<Effect<Own>> {
    wants.into_iter().map(tell).collect()
}

fn tell(want: Want) -> Effect<Own> {
    let (Whose { kind, namespace, name }, command) = match want {
        Want::Ensure(whose, object) => {
            let ensure = EnsureObject { object: canonical(&object), once: false };
            (whose, object_command::Command::Ensure(ensure))
        }
        Want::Remove(whose) => (whose, object_command::Command::Delete(DeleteObject::default())),
    };
    let to = AggregateId { service: Service::Core, kind: kind.to_owned(), scope: namespace, name };
    let payload = ObjectCommand { command: Some(command) }.encode_to_vec().into();
    Effect::Tell { to, payload }
}
