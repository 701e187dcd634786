//! Statuses to commands: of the kinds whose status is written apart from the object.

use crate::command::{How, NoCommand, typed};
use fleetlog_messages::KindInfo;
use fleetlog_messages::addon::{
    AddOnCommand, ClusterManagementAddOn, DefinitionCommand, ManagedClusterAddOn, WriteAddOnStatus,
    WriteDefinitionStatus, add_on_command, definition_command,
};
use fleetlog_messages::registration::{
    ClusterCommand, ManagedCluster, WriteClusterStatus, cluster_command,
};
use fleetlog_messages::work::{ManifestWork, WorkCommand, WriteWorkStatus, work_command};
use prost::Message as _;
use serde_json::Value;

/// The command that makes the status of an object what was given; `None` for kinds whose status is
/// written with the object, or not at all.
pub(crate) fn write(
    info: &KindInfo,
    object: &Value,
    how: &How,
) -> Option<Result<Vec<u8>, NoCommand>> {
    let resource_version = how.resource_version.clone();
    match info.token {
        "cluster" => Some(typed::<ManagedCluster>(alone(object)).map(|cluster| {
            let status = cluster.and_then(|cluster| cluster.status);
            let write = WriteClusterStatus { status, resource_version };
            let command = Some(cluster_command::Command::WriteStatus(write));
            ClusterCommand { command }.encode_to_vec()
        })),
        "manifestwork" => Some(typed::<ManifestWork>(alone(object)).map(|work| {
            let status = work.and_then(|work| work.status);
            let write = WriteWorkStatus { status, resource_version };
            let command = Some(work_command::Command::WriteStatus(write));
            WorkCommand { command }.encode_to_vec()
        })),
        "clusteraddon" => Some(typed::<ManagedClusterAddOn>(alone(object)).map(|add_on| {
            let status = add_on.and_then(|add_on| add_on.status);
            let write = WriteAddOnStatus { status, resource_version };
            let command = Some(add_on_command::Command::WriteStatus(write));
            AddOnCommand { command }.encode_to_vec()
        })),
        "definition" => Some(typed::<ClusterManagementAddOn>(alone(object)).map(|definition| {
            let status = definition.and_then(|definition| definition.status);
            let write = WriteDefinitionStatus { status, resource_version };
            let command = Some(definition_command::Command::WriteStatus(write));
            DefinitionCommand { command }.encode_to_vec()
        })),
        _ => None,
    }
}

/// The object with nothing but its type and its status.
fn alone(object: &Value) -> Value {
    let mut alone = object.clone();
    if let Some(fields) = alone.as_object_mut() {
        fields.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "status"));
    }
    alone
}
