//! `restart_work_service_10000_works_s`: the work service as a process of its own, killed and
//! started again on a log with so many works, until it answers for the end of that log.

use crate::figure::{Better, Figure, median};
use crate::fleets;
use crate::idle::{Running, sibling};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use fleetlog_bus::{Client, JetStream, LogReading};
use fleetlog_chassis::{Clock, Ids};
use fleetlog_cli::embedded::EmbeddedHub;
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::{Actor, ContentHash, Position, Service};
use fleetlog_messages::common::{Query, outcome};
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_messages::wire::canonical;
use fleetlog_messages::work::{ApplyWork, Bundle, ManifestWork, WorkCommand, work_command};
use fleetlog_topology::hub::{RunningHub, start_in};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::time::{Duration, Instant, sleep};

const CLUSTERS: usize = 10;
/// How many commands are under way at once.
const AT_ONCE: usize = 64;
const ROUNDS: usize = 5;
const WITHIN: Duration = Duration::from_secs(120);
/// Between two questions to a service that does not answer yet.
const LOOK: Duration = Duration::from_millis(10);

/// The figure.
///
/// # Errors
/// A hub that does not take the works, or a service that does not start.
pub async fn restart_work_service(count: usize) -> Result<Figure> {
    let program = sibling("fleetlog-work")?;
    let folder = tempfile::tempdir()?;
    let hub = EmbeddedHub::start(folder.path(), None, &|_| {}).await?;
    write_works(&hub, count).await?;
    hub.stop().await;
    let hub = start_in(folder.path(), Clock::System.now()).await?;
    let (events, read) = plain_reading(&hub).await?;
    let admin = JetStream::connect(hub.url(), hub.identity().admin()?, "admin").await?;
    let admin = Hub::over(admin, Actor::new("admin"), Arc::new(Ids::Random));
    let secrets = tempfile::tempdir()?;
    let mut took = vec![];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut service = start(&program, &hub, secrets.path())?;
        let works = serving(&admin, &mut service, events).await?;
        took.push(started.elapsed().as_secs_f64());
        ensure!(works == count, "it serves {works} of {count} works");
        // Dropped here: killed, not asked to end.
        drop(service);
    }
    let worst = took.iter().copied().fold(0.0, f64::max);
    let setting = format!(
        "{count} works in a log of {events} commits; a process that was killed, from its start \
         until it answers for the end of the log, worst {worst:.2} s; baseline: reading that log"
    );
    hub.stop();
    Ok(Figure::new("restart_work_service_10000_works_s", median(&mut took), "s", Better::Lower)
        .measured(ROUNDS as u64, setting)
        .against(read)
        .wanted(2.0))
}

async fn write_works(hub: &EmbeddedHub, count: usize) -> Result<()> {
    let admin = hub.admin().await?;
    for number in 0..CLUSTERS {
        let cluster = format!(
            "apiVersion: cluster.open-cluster-management.io/v1\nkind: ManagedCluster\n\
             metadata: {{name: cluster{number}}}\nspec: {{hubAcceptsClient: true}}\n"
        );
        fleets::apply(&admin, &cluster).await?;
    }
    let manifest = json!([{
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "hello", "namespace": "default"}, "data": {"a": "b"},
    }]);
    let body = Bytes::from(canonical(&manifest));
    let size = body.len() as u64;
    let hash: ContentHash = admin.client().put_blob(body).await?;
    let bundle = Bundle { hash: hash.to_string(), size, count: 1 };
    let written = stream::iter(0..count).map(|number| write(admin.client(), &bundle, number));
    written.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(())
}

async fn write(client: &Client, bundle: &Bundle, number: usize) -> Result<()> {
    let (cluster, name) = (format!("cluster{}", number % CLUSTERS), format!("w{number}"));
    let work: ManifestWork = serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": cluster}, "spec": {"workload": {}},
    }))?;
    let apply =
        ApplyWork { work: Some(work), bundle: Some(bundle.clone()), ..ApplyWork::default() };
    let command = WorkCommand { command: Some(work_command::Command::Apply(apply)) };
    let to = AggregateId::namespaced(Service::Work, "manifestwork", &cluster, &name);
    let outcome = client.command(&to, command.encode_to_vec().into()).await?;
    let done = matches!(outcome.result, Some(outcome::Result::Accomplished(_)));
    ensure!(done, "work {cluster}/{name} was refused: {:?}", outcome.result);
    Ok(())
}

/// How many commits the log has, and the seconds that reading them takes.
async fn plain_reading(hub: &RunningHub) -> Result<(u64, f64)> {
    let operator = hub.identity().operator()?;
    let operator = JetStream::connect(hub.url(), operator, "operator").await?;
    let client = Client::new(operator, Actor::new("operator"), || Ids::Random.command());
    let started = Instant::now();
    let LogReading { pending, mut entries } =
        client.events(&subject::events(), Position::START).await?;
    for _ in 0..pending {
        entries.next().await.context("the log ended")??;
    }
    Ok((pending, started.elapsed().as_secs_f64()))
}

fn start(program: &Path, hub: &RunningHub, secrets: &Path) -> Result<Running> {
    let (user, key) = (secrets.join("work.creds"), secrets.join("delivery.key"));
    std::fs::write(&user, hub.identity().service(Service::Work)?.to_file())?;
    std::fs::write(&key, hub.identity().delivery_key()?.seed()?)?;
    let mut command = Command::new(program);
    command.args(["--nats", hub.url(), "--log", "warn", "--creds"]).arg(&user);
    command.arg("--delivery-key").arg(&key).stdin(Stdio::null()).stdout(Stdio::null());
    Ok(Running(command.spawn().context("start the work service")?))
}

/// How many works it serves, once it answers for a position.
async fn serving(admin: &Hub, service: &mut Running, position: u64) -> Result<usize> {
    let started = Instant::now();
    let one = Query {
        kind: "manifestwork".to_owned(),
        namespace: "cluster0".to_owned(),
        name: "w0".to_owned(),
        without_bodies: true,
        min_position: position,
        ..Query::default()
    };
    while admin.objects(Service::Work, one.clone()).await.is_err() {
        ensure!(service.0.try_wait()?.is_none(), "the work service ended");
        ensure!(started.elapsed() < WITHIN, "the work service does not answer");
        sleep(LOOK).await;
    }
    let all = Query { kind: one.kind, without_bodies: true, ..Query::default() };
    Ok(admin.objects(Service::Work, all).await?.len())
}
