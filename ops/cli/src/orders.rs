//! Objects to commands: the typed message of each kind, its manifests taken out into one bundle.

use crate::documents::Given;
use crate::failure::Failure;
use crate::target::Target;
use fleetlog_bus::MAX_COMMAND;
use fleetlog_kernel::ContentHash;
use fleetlog_messages::ApiObject;
use fleetlog_messages::addon::{
    AddOnCommand, ApplyAddOn, ApplyDefinition, ApplyTemplate, DefinitionCommand, DeleteAddOn,
    DeleteDefinition, DeleteTemplate, TemplateCommand, add_on_command, definition_command,
    template_command,
};
use fleetlog_messages::common::{ProjectionCommand, RebuildProjection, projection_command};
use fleetlog_messages::placement::{
    ApplyPlacement, ApplyScore, DeletePlacement, DeleteScore, PlacementCommand, Rebalance,
    ScoreCommand, placement_command, score_command,
};
use fleetlog_messages::registration::{
    AcceptCluster, ApplyBinding, ApplyCluster, ApplyClusterSet, BindingCommand, ClusterCommand,
    ClusterSetCommand, DeleteBinding, DeleteCluster, DeleteClusterSet, DenyCluster,
    binding_command, cluster_command, cluster_set_command,
};
use fleetlog_messages::work::{
    ApplyReplicaSet, ApplyWork, Bundle, DeleteReplicaSet, DeleteWork, ReplicaSetCommand,
    WorkCommand, replica_set_command, work_command,
};
use fleetlog_objects::{Loss, Refusal, canonical, read};
use prost::Message as _;
use serde_json::Value;

/// How an object is laid over the one that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Refuse unless it stands at this resource version; empty: wherever it stands.
    pub resource_version: String,
    /// Labels and annotations given are all there are, instead of being added.
    pub replace_metadata: bool,
}

/// An object ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Which object.
    pub target: Target,
    /// The encoded command message of its kind.
    pub command: Vec<u8>,
    /// The manifests, to be handed over before the command.
    pub bundle: Option<Vec<u8>>,
}

/// The command that makes an object what was given.
///
/// # Errors
/// Kinds that nobody applies, works without manifests, commands that are too large.
pub fn apply(given: Given, how: &How) -> Result<Order, Failure> {
    let Given { target, place, mut object } = given;
    let failed = |failure: Failure| failure.at(&place);
    let manifests = take_manifests(&target, &mut object).map_err(failed)?;
    let bundle = manifests.as_deref().map(bundle_of);
    let command = command(&target, object, bundle.as_ref().map(|(b, _)| b), how);
    let command = command.map_err(failed)?;
    if command.len() > MAX_COMMAND {
        let size = command.len();
        let sentence = format!("the command has {size} bytes, at most {MAX_COMMAND} are taken");
        let advice = "take large annotations and lists out; manifests do not count";
        return Err(failed(Failure::new("CLI0014", sentence, advice)));
    }
    Ok(Order { target, command, bundle: bundle.map(|(_, body)| body) })
}

/// The command that removes an object.
///
/// # Errors
/// Kinds that nobody removes.
pub fn delete(target: &Target) -> Result<Vec<u8>, Failure> {
    Ok(match target.info.token {
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
        _ => return Err(not_written(target)),
    })
}

/// The command that takes a cluster in.
#[must_use]
pub fn accept() -> Vec<u8> {
    let command = Some(cluster_command::Command::Accept(AcceptCluster {}));
    ClusterCommand { command }.encode_to_vec()
}

/// The command that refuses a cluster.
#[must_use]
pub fn deny() -> Vec<u8> {
    let command = Some(cluster_command::Command::Deny(DenyCluster {}));
    ClusterCommand { command }.encode_to_vec()
}

/// The command that lets a placement choose afresh.
#[must_use]
pub fn rebalance() -> Vec<u8> {
    let command = Some(placement_command::Command::Rebalance(Rebalance {}));
    PlacementCommand { command }.encode_to_vec()
}

/// The command that has a projection folded anew.
#[must_use]
pub fn rebuild() -> Vec<u8> {
    let command = Some(projection_command::Command::Rebuild(RebuildProjection {}));
    ProjectionCommand { command }.encode_to_vec()
}

fn command(
    target: &Target,
    object: Value,
    bundle: Option<&Bundle>,
    how: &How,
) -> Result<Vec<u8>, Failure> {
    let How { resource_version, replace_metadata } = how.clone();
    let bundle = bundle.cloned();
    Ok(match target.info.token {
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
        "placement" => {
            let placement = typed(object)?;
            let apply = ApplyPlacement { placement, resource_version, replace_metadata };
            let command = Some(placement_command::Command::Apply(apply));
            PlacementCommand { command }.encode_to_vec()
        }
        "score" => {
            let apply = ApplyScore { score: typed(object)?, resource_version, replace_metadata };
            let command = Some(score_command::Command::Apply(apply));
            ScoreCommand { command }.encode_to_vec()
        }
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
        _ => return Err(not_written(target)),
    })
}

fn not_written(target: &Target) -> Failure {
    let kind = target.info.kind;
    let sentence = format!("a {kind} is written by the hub, not by users");
    Failure::new("CLI0024", sentence, "change what it follows from instead")
}

/// The struct of a checked object; a loss here would be a change nobody asked for.
fn typed<T: ApiObject>(object: Value) -> Result<Option<T>, Failure> {
    let (object, losses) = read::<T>(object).map_err(|error| {
        Failure::new("CLI0025", error.to_string(), "write the value as the kind's schema has it")
    })?;
    match losses.into_iter().next() {
        None => Ok(Some(object)),
        Some(Loss::Unknown(path)) => Err(Refusal::UnknownField { path, near: None }.into()),
        Some(Loss::Changed(path)) => {
            let sentence = format!("\"{path}\" cannot be sent as it stands");
            Err(Failure::new("CLI0025", sentence, "write the value in its plain form"))
        }
    }
}

/// Takes the manifests out of a work or a template; `None` for kinds that have none.
fn take_manifests(target: &Target, object: &mut Value) -> Result<Option<Vec<Value>>, Failure> {
    let pointer = match target.info.token {
        "manifestwork" => "/spec/workload",
        "replicaset" => "/spec/manifestWorkTemplate/workload",
        _ => return Ok(None),
    };
    let workload = object.pointer_mut(pointer).and_then(Value::as_object_mut);
    match workload.and_then(|workload| workload.remove("manifests")) {
        Some(Value::Array(manifests)) if !manifests.is_empty() => Ok(Some(manifests)),
        _ => {
            let path = format!("{}/manifests", pointer.trim_start_matches('/')).replace('/', ".");
            let sentence = format!("there are no manifests in \"{path}\"");
            Err(Failure::new("CLI0013", sentence, "put at least one object there"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{Source, read as read_documents};

    const WORK: &str = "apiVersion: work.open-cluster-management.io/v1\nkind: ManifestWork\n\
        metadata: {name: w, namespace: c1}\nspec: {workload: {manifests: [\
        {kind: ConfigMap, apiVersion: v1, metadata: {name: m}, data: {b: '1', a: '2'}}]}}\n";

    fn order(text: &str) -> Result<Order, Failure> {
        let sources = [Source { name: "f".into(), text: text.into() }];
        apply(read_documents(&sources, None)?.remove(0), &How::default())
    }

    #[test]
    fn the_manifests_of_a_work_travel_apart_and_are_named_by_hash() {
        let order = order(WORK).unwrap();
        let body = order.bundle.unwrap();
        let text = "[{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\",\"b\":\"1\"},\
                    \"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"}}]";
        assert_eq!(String::from_utf8(body.clone()).unwrap(), text);
        let command = WorkCommand::decode(order.command.as_slice()).unwrap();
        let Some(work_command::Command::Apply(apply)) = command.command else {
            panic!("not an apply")
        };
        let hash = ContentHash::of(&body).to_string();
        let size = body.len() as u64;
        assert_eq!(apply.bundle, Some(Bundle { hash, size, count: 1 }));
        assert_eq!(apply.work.unwrap().spec.unwrap().workload.unwrap().manifests, []);
    }

    #[test]
    fn a_work_without_manifests_is_refused_before_it_is_sent() {
        let start = WORK.find("[{").unwrap();
        let end = WORK.rfind("}]").unwrap() + 2;
        let empty = format!("{}[]{}", &WORK[..start], &WORK[end..]);
        let failure = order(&empty).unwrap_err();
        assert_eq!(failure.code, "CLI0013");
        assert!(failure.sentence.contains("\"spec.workload.manifests\""), "{failure}");
    }

    #[test]
    fn a_command_over_its_bound_is_refused_before_it_is_sent() {
        let text = "x".repeat(MAX_COMMAND);
        let large = WORK.replace("name: w,", &format!("name: w, annotations: {{a: {text}}},"));
        assert_eq!(order(&large).unwrap_err().code, "CLI0014");
        let manifests = WORK.replace("'1'", &format!("'{text}'"));
        assert!(order(&manifests).is_ok());
    }

    #[test]
    fn what_the_hub_derives_is_not_written_by_users() {
        let score = "apiVersion: cluster.open-cluster-management.io/v1alpha1\n\
            kind: AddOnPlacementScore\nmetadata: {name: s, namespace: c1}\n\
            status: {scores: [{name: cpu, value: 90}]}\n";
        let command = ScoreCommand::decode(&*order(score).unwrap().command).unwrap().command;
        let Some(score_command::Command::Apply(apply)) = command else { panic!("{command:?}") };
        let status = apply.score.unwrap().status.unwrap();
        assert_eq!(status.scores[0].value(), 90, "the status of scores is their user's");
        let target = Target::parse("placementdecision/team/p-1").unwrap();
        assert_eq!(delete(&target).unwrap_err().code, "CLI0024");
        for (kind, at) in [("mcl", "c"), ("mclset", "s"), ("placement", "t/p")] {
            assert!(delete(&Target::parse(&format!("{kind}/{at}")).unwrap()).is_ok());
        }
    }
}
