//! From a command to its durable outcome, and through three services: on a whole hub, one at a
//! time, the server's default sync. The baseline says as many messages with a plain client, one
//! after the other, each with the server's answer.

use crate::figure::{Better, Figure};
use crate::ground::{Ground, Scale, commit, publish, quantile};
use crate::orders::{change_set, label};
use anyhow::{Context as _, Result};
use fleetlog_bus::Client;
use fleetlog_cli::commands::apply::{apply_documents, prepare};
use fleetlog_cli::documents::Source;
use fleetlog_cli::embedded::EmbeddedHub;
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::{Actor, Position, Service};
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_topology::server::Sync;
use futures::StreamExt as _;
use tokio::time::{Duration, Instant, timeout};

/// How many cluster sets the commands take turns with.
const SETS: usize = 100;
/// How long one command may take to get through three services.
const WITHIN: Duration = Duration::from_secs(30);
/// The messages of one command: itself, its commit, its outcome.
const MESSAGES_OF_COMMAND: usize = 3;
/// A commit in each of three services, and what two of them tell the next.
const MESSAGES_OF_CHAIN: usize = 6;
/// What the chain runs through: a placement by label, and works for whom it chooses.
const FLEET: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: global, namespace: bench}
spec: {clusterSet: global}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: chosen, namespace: bench}
spec:
  tolerations: [{operator: Exists}]
  predicates:
  - requiredClusterSelector: {labelSelector: {matchLabels: {bench: chosen}}}
---
apiVersion: work.open-cluster-management.io/v1alpha1
kind: ManifestWorkReplicaSet
metadata: {name: shop, namespace: bench}
spec:
  placementRefs: [{name: chosen}]
  manifestWorkTemplate:
    workload:
      manifests:
      - {apiVersion: v1, kind: ConfigMap, metadata: {name: shop, namespace: default}}
";

/// `command_outcome_p50_ms` and `command_outcome_p99_ms`.
///
/// # Errors
/// A hub that does not do what it is asked.
pub async fn command(scale: Scale) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let hub = EmbeddedHub::start(folder.path(), None, &|_| {}).await?;
    let client = hub.admin().await?.client().clone();
    for set in 0..SETS.min(scale.of(SETS, 10)) {
        change_set(&client, set, 0).await?;
    }
    let mut took = vec![];
    for number in 1..=scale.of(5_000, 50) {
        let since = Instant::now();
        change_set(&client, number % SETS, number).await?;
        took.push(since.elapsed().as_secs_f64() * 1e3);
    }
    hub.stop().await;
    let mut plain = plainly(took.len(), MESSAGES_OF_COMMAND).await?;
    let figure = |name, part, goal, took: &mut [f64], plain: &mut [f64]| {
        Figure::new(name, quantile(took, part), "ms", Better::Lower)
            .measured(took.len() as u64, "one at a time; baseline: three plain publishes")
            .against(quantile(plain, part))
            .wanted(goal)
    };
    Ok(vec![
        figure("command_outcome_p50_ms", 0.5, 2.0, &mut took, &mut plain),
        figure("command_outcome_p99_ms", 0.99, 10.0, &mut took, &mut plain),
    ])
}

/// The milliseconds of so many rounds of so many plain publishes, one after the other.
async fn plainly(rounds: usize, each: usize) -> Result<Vec<f64>> {
    let ground = Ground::start(Sync::Default).await?;
    let plain = ground.plain().await?;
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let since = Instant::now();
        for number in (round * each)..(round + 1) * each {
            publish(&plain, commit(number, number, 0)).await?;
        }
        took.push(since.elapsed().as_secs_f64() * 1e3);
    }
    ground.stop();
    Ok(took)
}

/// `chain_3_hops_p50_ms`: a cluster gets a label (registration), a placement chooses it, it gets a
/// work.
///
/// # Errors
/// A hub that does not get there.
pub async fn chain(scale: Scale) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let hub = EmbeddedHub::start(folder.path(), None, &|_| {}).await?;
    let (admin, count) = (hub.admin().await?, scale.of(301, 11));
    apply(&admin, FLEET).await?;
    let reader = Client::new(hub.operator().await?, Actor::new("operator"), || {
        fleetlog_chassis::Ids::Random.command()
    });
    for number in 0..count {
        label(admin.client(), &cluster_name(number), ("bench", "none")).await?;
    }
    let mut works = reader.events(&subject::events(), Position::START).await?.entries;
    let mut took = vec![];
    for number in 0..count {
        let since = Instant::now();
        let name = cluster_name(number);
        label(admin.client(), &name, ("bench", "chosen")).await?;
        let arrived = async {
            while let Some(entry) = works.next().await {
                let commit = entry?.into_commit()?;
                let AggregateId { service, kind, scope, .. } = &commit.aggregate;
                let its_work = *service == Service::Work && kind == "manifestwork";
                if its_work && scope.as_deref() == Some(&*name) {
                    return Ok(());
                }
            }
            anyhow::bail!("the log ended")
        };
        timeout(WITHIN, arrived).await.with_context(|| format!("no work for {name}"))??;
        took.push(since.elapsed().as_secs_f64() * 1e3);
    }
    hub.stop().await;
    let mut plain = plainly(count, MESSAGES_OF_CHAIN).await?;
    let setting = "a label's command until the work that follows is read from the log, through \
                   registration, placement and work; baseline: six plain publishes";
    Ok(vec![
        Figure::new("chain_3_hops_p50_ms", quantile(&mut took, 0.5), "ms", Better::Lower)
            .measured(count as u64, setting)
            .against(quantile(&mut plain, 0.5))
            .wanted(15.0),
    ])
}

fn cluster_name(number: usize) -> String {
    format!("cluster{number}")
}

async fn apply(hub: &Hub, text: &str) -> Result<()> {
    let source = Source { name: "bench".to_owned(), text: text.to_owned() };
    apply_documents(hub, prepare(&[source], None)?, &mut |_| {}).await?;
    Ok(())
}
