//! Baselines: the same with nothing of Fleetlog in it.

use anyhow::{Context as _, Result};
use fleetlog_tools::{NatsConfig, NatsServer};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::pinned_kind;
use serde_json::Value;
use tokio::time::Instant;

/// Seconds for so many bare connections to a plain server, each proven by a round trip.
///
/// # Errors
/// A server that does not answer.
pub async fn connects(count: usize) -> Result<f64> {
    let (_folder, server) = plain_server()?;
    let started = Instant::now();
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let connection = async_nats::connect(server.url()).await.context("connect")?;
        connection.flush().await?;
        connections.push(connection);
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Seconds for so many acknowledged publishes, one after the other.
///
/// # Errors
/// A server that does not answer.
pub async fn publishes(count: usize) -> Result<f64> {
    let (_folder, server) = plain_server()?;
    let context = async_nats::jetstream::new(async_nats::connect(server.url()).await?);
    let config = async_nats::jetstream::stream::Config {
        name: "PLAIN".to_owned(),
        subjects: vec!["plain.*".to_owned()],
        ..Default::default()
    };
    context.create_stream(config).await.context("create a stream")?;
    let started = Instant::now();
    for number in 0..count {
        context.publish(format!("plain.{number}"), vec![7; 500].into()).await?.await?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn plain_server() -> Result<(tempfile::TempDir, NatsServer)> {
    let folder = tempfile::tempdir()?;
    let binary = fleetlog_tools::nats_server(&fleetlog_tools::quiet)?;
    let server = NatsServer::start(&NatsConfig::open(binary, folder.path().to_owned()))?;
    Ok((folder, server))
}

/// The manifests of a replica set's template.
///
/// # Errors
/// A text that is none.
pub fn manifests(text: &str) -> Result<Vec<Value>> {
    let set = fleetlog_objects::yaml(text)?.into_iter().next().context("no document")?;
    let manifests = set.pointer("/spec/manifestWorkTemplate/workload/manifests");
    manifests.and_then(Value::as_array).cloned().context("no manifests")
}

/// Applies one object, in the namespace `default` when it names none.
///
/// # Errors
/// A cluster that refuses it.
pub async fn apply(client: &kube::Client, object: &Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let types = object.types.clone().context("an object without kind")?;
    let kind = kube::core::GroupVersionKind::try_from(types)?;
    let (resource, _) = pinned_kind(client, &kind).await?;
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let name = object.metadata.name.clone().context("an object without name")?;
    api.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(&object)).await?;
    Ok(())
}
