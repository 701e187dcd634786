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
use fleetlog_registration_domain::rights::{HUB, SWITCH, Want, Whose};
use prost::Message as _;
use serde_json::Value;

/// The namespace by which a hub speaks Kubernetes.
pub(crate) fn hub_id() -> AggregateId {
    AggregateId::global(Service::Core, "namespace", HUB)
}

/// Whether, after a commit of that namespace, the hub speaks Kubernetes and gives clusters rights.
pub(crate) fn speaks(commit: &Recorded) -> Result<bool, String> {
    let last = commit.events.last().ok_or("a commit without events")?;
    let event = ObjectEvent::decode(last.clone()).map_err(|error| error.to_string())?.event;
    Ok(match event {
        Some(object_event::Event::Written(written)) => {
            let object: Value =
                serde_json::from_slice(&written.object).map_err(|error| error.to_string())?;
            object["metadata"]["annotations"][SWITCH] != "false"
        }
        _ => false,
    })
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
