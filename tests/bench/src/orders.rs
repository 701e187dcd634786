//! The commands that several figures give, each until it is accomplished.

use anyhow::{Result, ensure};
use fleetlog_bus::Client;
use fleetlog_kernel::Service;
use fleetlog_messages::common::{ObjectMeta, outcome};
use fleetlog_messages::registration::{
    ApplyCluster, ApplyClusterSet, ClusterCommand, ClusterSetCommand, ManagedCluster,
    ManagedClusterSet, ManagedClusterSpec, cluster_command, cluster_set_command,
};
use fleetlog_messages::subject::AggregateId;
use prost::Message as _;

/// Gives a command, and waits for its outcome.
///
/// # Errors
/// A hub that does not answer, and a refusal.
pub async fn accomplish(client: &Client, to: &AggregateId, payload: Vec<u8>) -> Result<()> {
    let outcome = client.command(to, payload.into()).await?;
    let done = matches!(outcome.result, Some(outcome::Result::Accomplished(_)));
    ensure!(done, "a command was refused: {:?}", outcome.result);
    Ok(())
}

/// Makes or changes the cluster set of this number.
///
/// # Errors
/// As [`accomplish`].
pub async fn change_set(client: &Client, number: usize, value: usize) -> Result<()> {
    let name = format!("bench-{number}");
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        annotations: [("bench".to_owned(), value.to_string())].into(),
        ..ObjectMeta::default()
    };
    let set = ManagedClusterSet { metadata: Some(metadata), ..ManagedClusterSet::default() };
    let apply = ApplyClusterSet { set: Some(set), ..ApplyClusterSet::default() };
    let command = Some(cluster_set_command::Command::Apply(apply));
    let to = AggregateId::global(Service::Registration, "clusterset", &name);
    accomplish(client, &to, ClusterSetCommand { command }.encode_to_vec()).await
}

/// Makes an accepted cluster, or changes it, so that it has this one label.
///
/// # Errors
/// As [`accomplish`].
pub async fn label(client: &Client, cluster: &str, (key, value): (&str, &str)) -> Result<()> {
    let labels = [(key.to_owned(), value.to_owned())].into();
    let metadata = ObjectMeta { name: Some(cluster.to_owned()), labels, ..ObjectMeta::default() };
    let spec =
        ManagedClusterSpec { hub_accepts_client: Some(true), ..ManagedClusterSpec::default() };
    let object =
        ManagedCluster { metadata: Some(metadata), spec: Some(spec), ..ManagedCluster::default() };
    let apply = ApplyCluster { cluster: Some(object), ..ApplyCluster::default() };
    let command = Some(cluster_command::Command::Apply(apply));
    let to = AggregateId::global(Service::Registration, "cluster", cluster);
    accomplish(client, &to, ClusterCommand { command }.encode_to_vec()).await
}
