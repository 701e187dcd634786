//! Objects to commands: the typed message of each kind, its manifests taken out into one bundle.
//! The command line and the gateway write objects by it.

use crate::Refusal;
use crate::status;
use crate::typed::{Loss, ReadError, read};
use crate::values::take_values;
use fleetlog_kernel::{ContentHash, Service};
use fleetlog_messages::addon::{
    AddOnCommand, ApplyAddOn, ApplyDefinition, ApplyTemplate, DefinitionCommand, DeleteAddOn,
    DeleteDefinition, DeleteTemplate, TemplateCommand, add_on_command, definition_command,
    template_command,
};
use fleetlog_messages::core::{
    ApplyObject, DeleteObject, FinalizeNamespace, ObjectCommand, Sealed, object_command,
};
use fleetlog_messages::placement::{
    ApplyDecision, ApplyPlacement, ApplyScore, DecisionCommand, DeleteDecision, DeletePlacement,
    DeleteScore, PlacementCommand, ScoreCommand, decision_command, placement_command,
    score_command,
};
use fleetlog_messages::registration::{
    ApplyBinding, ApplyCluster, ApplyClusterSet, BindingCommand, ClusterCommand, ClusterSetCommand,
    DeleteBinding, DeleteCluster, DeleteClusterSet, binding_command, cluster_command,
    cluster_set_command,
};
use fleetlog_messages::wire::canonical;
use fleetlog_messages::work::{
    ApplyReplicaSet, ApplyWork, Bundle, DeleteReplicaSet, DeleteWork, ReplicaSetCommand,
    WorkCommand, replica_set_command, work_command,
};
use fleetlog_messages::{ApiObject, KindInfo};
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// How an object is laid over the one that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Refuse unless it stands at this resource version, `0` where there must be none; empty:
    /// wherever it stands.
    pub resource_version: String,
    /// Labels and annotations given are all there are, instead of being added.
    pub replace_metadata: bool,
    /// The values of a secret stay as they are, whatever the object says.
    pub keep_values: bool,
    /// Only the status is meant.
    pub status: bool,
}

/// What is to be sent to have an object applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Applying {
    /// The encoded command message of its kind.
    pub command: Vec<u8>,
    /// The manifests, to be handed over before the command.
    pub bundle: Option<Vec<u8>>,
    /// The values of a secret in base64, to be handed over and put into the command sealed
    /// ([`with_sealed`]).
    pub values: Option<BTreeMap<String, String>>,
}

/// The command of a secret with its values.
#[must_use]
pub fn with_sealed(command: &[u8], sealed: Sealed) -> Vec<u8> {
    let mut command = ObjectCommand::decode(command).unwrap_or_default();
    if let Some(object_command::Command::Apply(apply)) = &mut command.command {
        apply.sealed = Some(sealed);
    }
    command.encode_to_vec()
}

/// Why there is no command for an object.
#[derive(Debug, thiserror::Error)]
pub enum NoCommand {
    /// The hub derives objects of this kind.
    #[error("a {0} is written by the hub, not by users")]
    Derived(&'static str),
    /// A work without anything to deliver.
    #[error("there are no manifests in \"{0}\"")]
    NoManifests(String),
    /// A value that the kind's message cannot hold.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// A field that the kind does not have.
    #[error(transparent)]
    Unknown(#[from] Refusal),
    /// A value that would be sent as another.
    #[error("\"{0}\" cannot be sent as it stands")]
    Changed(String),
}

/// The command that makes an object of this kind what was given.
///
/// # Errors
/// Kinds that nobody applies, works without manifests, values that cannot be sent.
pub fn apply(info: &KindInfo, mut object: Value, how: &How) -> Result<Applying, NoCommand> {
    if let Some(command) = how.status.then(|| status::write(info, &object, how)).flatten() {
        return Ok(Applying { command: command?, bundle: None, values: None });
    }
    let values = take_values(info, &mut object).filter(|_| !how.keep_values);
    let manifests = take_manifests(info, &mut object)?;
    let bundle = manifests.as_deref().map(bundle_of);
    let command = command(info, object, bundle.as_ref().map(|(named, _)| named), how)?;
    Ok(Applying { command, bundle: bundle.map(|(_, body)| body), values })
}

/// The command that has the spec of a namespace wait for these alone, if it stands at this resource
/// version.
#[must_use]
pub fn finalize(finalizers: Vec<String>, resource_version: String) -> Vec<u8> {
    let finalize = FinalizeNamespace { finalizers, resource_version };
    ObjectCommand { command: Some(object_command::Command::Finalize(finalize)) }.encode_to_vec()
}

/// The command that removes an object: of plain ones this incarnation, if `uid` names one.
///
/// # Errors
/// Kinds that nobody removes.
pub fn delete(info: &KindInfo, uid: &str) -> Result<Vec<u8>, NoCommand> {
    if info.service == Some(Service::Core) {
        let command = Some(object_command::Command::Delete(DeleteObject { uid: uid.to_owned() }));
        return Ok(ObjectCommand { command }.encode_to_vec());
    }
    Ok(match info.token {
        "cluster" => {
            let command = Some(cluster_command::Command::Delete(DeleteCluster {}));
            ClusterCommand { command }.encode_to_vec()
        }
        "clusterset" => {
            let command = Some(cluster_set_command::Command::Delete(DeleteClusterSet {}));
            ClusterSetCommand { command }.encode_to_vec()
        }
        "binding" => {
            let command = Some(binding_command::Command::Delete(DeleteBinding {}));
            BindingCommand { command }.encode_to_vec()
        }
        "placement" => {
            let command = Some(placement_command::Command::Delete(DeletePlacement {}));
            PlacementCommand { command }.encode_to_vec()
        }
        "placementdecision" => {
            let command = Some(decision_command::Command::Delete(DeleteDecision {}));
            DecisionCommand { command }.encode_to_vec()
        }
        "score" => {
            let command = Some(score_command::Command::Delete(DeleteScore {}));
            ScoreCommand { command }.encode_to_vec()
        }
        "manifestwork" => {
            let command = Some(work_command::Command::Delete(DeleteWork {}));
            WorkCommand { command }.encode_to_vec()
        }
        "replicaset" => {
            let command = Some(replica_set_command::Command::Delete(DeleteReplicaSet {}));
            ReplicaSetCommand { command }.encode_to_vec()
        }
        "definition" => {
            let command = Some(definition_command::Command::Delete(DeleteDefinition {}));
            DefinitionCommand { command }.encode_to_vec()
        }
        "clusteraddon" => {
            let command = Some(add_on_command::Command::Delete(DeleteAddOn {}));
            AddOnCommand { command }.encode_to_vec()
        }
        "template" => {
            let command = Some(template_command::Command::Delete(DeleteTemplate {}));
            TemplateCommand { command }.encode_to_vec()
        }
        _ => return Err(NoCommand::Derived(info.kind)),
    })
}

fn command(
    info: &KindInfo,
    object: Value,
    bundle: Option<&Bundle>,
    how: &How,
) -> Result<Vec<u8>, NoCommand> {
    if info.service == Some(Service::Core) {
        return Ok(plain(&object, how));
    }
    let How { resource_version, replace_metadata, .. } = how.clone();
    let bundle = bundle.cloned();
    Ok(match info.token {
        "cluster" => {
            let cluster = typed(object)?;
            let apply = ApplyCluster { cluster, resource_version, replace_metadata };
            let command = Some(cluster_command::Command::Apply(apply));
            ClusterCommand { command }.encode_to_vec()
        }
        "clusterset" => {
            let apply = ApplyClusterSet { set: typed(object)?, resource_version, replace_metadata };
            let command = Some(cluster_set_command::Command::Apply(apply));
            ClusterSetCommand { command }.encode_to_vec()
        }
        "binding" => {
            let binding = typed(object)?;
            let apply = ApplyBinding { binding, resource_version, replace_metadata };
            let command = Some(binding_command::Command::Apply(apply));
            BindingCommand { command }.encode_to_vec()
        }
        "placement" | "placementdecision" | "score" => of_placement(info, object, how)?,
        "manifestwork" => {
            let work = typed(object)?;
            let apply = ApplyWork { work, bundle, resource_version, replace_metadata };
            WorkCommand { command: Some(work_command::Command::Apply(apply)) }.encode_to_vec()
        }
        "replicaset" => {
            let replica_set = typed(object)?;
            let apply = ApplyReplicaSet { replica_set, bundle, resource_version, replace_metadata };
            let command = Some(replica_set_command::Command::Apply(apply));
            ReplicaSetCommand { command }.encode_to_vec()
        }
        "definition" => {
            let definition = typed(object)?;
            let apply = ApplyDefinition { definition, resource_version, replace_metadata };
            let command = Some(definition_command::Command::Apply(apply));
            DefinitionCommand { command }.encode_to_vec()
        }
        "clusteraddon" => {
            let apply = ApplyAddOn { add_on: typed(object)?, resource_version, replace_metadata };
            AddOnCommand { command: Some(add_on_command::Command::Apply(apply)) }.encode_to_vec()
        }
        "template" => {
            let template = typed(object)?;
            let apply = ApplyTemplate { template, resource_version, replace_metadata };
            TemplateCommand { command: Some(template_command::Command::Apply(apply)) }
                .encode_to_vec()
        }
        _ => return Err(NoCommand::Derived(info.kind)),
    })
}

/// The command on an object that the placement service decides on.
fn of_placement(info: &KindInfo, object: Value, how: &How) -> Result<Vec<u8>, NoCommand> {
    let How { resource_version, replace_metadata, .. } = how.clone();
    Ok(match info.token {
        "placement" => {
            let placement = typed(object)?;
            let apply = ApplyPlacement { placement, resource_version, replace_metadata };
            let command = Some(placement_command::Command::Apply(apply));
            PlacementCommand { command }.encode_to_vec()
        }
        "placementdecision" => {
            let (decision, status) = (typed(object)?, how.status);
            let apply = ApplyDecision { decision, resource_version, replace_metadata, status };
            let command = Some(decision_command::Command::Apply(apply));
            DecisionCommand { command }.encode_to_vec()
        }
        "score" => {
            let apply = ApplyScore { score: typed(object)?, resource_version, replace_metadata };
            let command = Some(score_command::Command::Apply(apply));
            ScoreCommand { command }.encode_to_vec()
        }
        _ => return Err(NoCommand::Derived(info.kind)),
    })
}

/// The command on a plain object.
fn plain(object: &Value, how: &How) -> Vec<u8> {
    let How { resource_version, replace_metadata, keep_values, status } = how.clone();
    let (object, sealed) = (canonical(object), None);
    let apply =
        ApplyObject { object, resource_version, replace_metadata, sealed, status, keep_values };
    ObjectCommand { command: Some(object_command::Command::Apply(apply)) }.encode_to_vec()
}

/// The struct of a checked object; a loss here would be a change nobody asked for.
pub(crate) fn typed<T: ApiObject>(object: Value) -> Result<Option<T>, NoCommand> {
    let (object, losses) = read::<T>(object)?;
    match losses.into_iter().next() {
        None => Ok(Some(object)),
        Some(Loss::Unknown(path)) => Err(Refusal::UnknownField { path, near: None }.into()),
        Some(Loss::Changed(path)) => Err(NoCommand::Changed(path)),
    }
}

/// Takes the manifests out of a work or a template; `None` for kinds that have none.
fn take_manifests(info: &KindInfo, object: &mut Value) -> Result<Option<Vec<Value>>, NoCommand> {
    let pointer = match info.token {
        "manifestwork" => "/spec/workload",
        "replicaset" => "/spec/manifestWorkTemplate/workload",
        _ => return Ok(None),
    };
    let workload = object.pointer_mut(pointer).and_then(Value::as_object_mut);
    match workload.and_then(|workload| workload.remove("manifests")) {
        Some(Value::Array(manifests)) if !manifests.is_empty() => Ok(Some(manifests)),
        _ => {
            let path = format!("{}/manifests", pointer.trim_start_matches('/')).replace('/', ".");
            Err(NoCommand::NoManifests(path))
        }
    }
}

/// The bundle of some manifests: a JSON array of canonical manifests, in order.
fn bundle_of(manifests: &[Value]) -> (Bundle, Vec<u8>) {
    let mut body = vec![b'['];
    for (index, manifest) in manifests.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend(canonical(manifest));
    }
    body.push(b']');
    let bundle = Bundle {
        hash: ContentHash::of(&body).to_string(),
        size: body.len() as u64,
        count: u32::try_from(manifests.len()).unwrap_or(u32::MAX),
    };
    (bundle, body)
}
