//! `failover_s`: from the last beat of a cluster until its application is available on another.

use crate::figure::{Better, Figure, median};
use crate::fleets;
use anyhow::{Context as _, Result, ensure};
use fleetlog_cli::embedded::{EmbeddedHub, Fleet};
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::{ClusterName, Service};
use fleetlog_messages::subject;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

/// How many clusters fall silent, one after the other.
const ROUNDS: usize = 5;
/// The grace of a lease of one second, in seconds.
const GRACE: f64 = 5.0;
/// How long one step may take.
const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at a lease: so much too early the last beat is taken to be, at most.
const BEAT_LOOK: Duration = Duration::from_millis(5);
/// Between two looks at works.
const LOOK: Duration = Duration::from_millis(10);
const AVAILABLE: &str = "ManagedClusterConditionAvailable";
const ONE: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: default, namespace: shop}
spec: {clusterSet: default}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: boutique, namespace: shop}
spec: {numberOfClusters: 1}
";

/// The figure: one of three simulated clusters has the boutique, falls silent, returns; again.
///
/// # Errors
/// A hub that does not get there.
pub async fn failover(hub: &EmbeddedHub) -> Result<Figure> {
    let admin = hub.admin().await?;
    let (fleet, _) = fleets::joined(hub, &admin, 3).await?;
    for name in fleet.names() {
        let cluster = format!(
            "apiVersion: cluster.open-cluster-management.io/v1\nkind: ManagedCluster\n\
             metadata: {{name: {name}}}\nspec: {{leaseDurationSeconds: 1}}\n"
        );
        fleets::apply(&admin, &cluster).await?;
    }
    fleets::apply(&admin, ONE).await?;
    fleets::apply(&admin, fleets::BOUTIQUE).await?;
    let mut took = vec![];
    let mut holder = available_on(&admin, None).await?;
    for _ in 0..ROUNDS {
        let last_beat = silenced(hub, &fleet, &holder).await?;
        let next = available_on(&admin, Some(&holder)).await?;
        took.push(last_beat.elapsed().as_secs_f64());
        ensure!(fleet.set_line(&holder, true), "there is no {holder}");
        returned(&admin).await?;
        holder = next;
    }
    let worst = took.iter().copied().fold(0.0, f64::max);
    let setting = format!(
        "35 objects, one of 3 simulated clusters, a beat each second; from the last beat to \
         Available of the work on another, worst {worst:.2} s; baseline: the grace itself"
    );
    Ok(Figure::new("failover_s", median(&mut took), "s", Better::Lower)
        .measured(ROUNDS as u64, setting)
        .against(GRACE)
        .wanted(6.0))
}

/// The cluster that has an available work, once it is another one than `before`.
async fn available_on(admin: &Hub, before: Option<&str>) -> Result<String> {
    let started = Instant::now();
    loop {
        let works = fleets::get(admin, Service::Work, "manifestwork").await?;
        let on = |work: &Value| work["metadata"]["namespace"].as_str().map(str::to_owned);
        let available = works.iter().filter(|work| fleets::condition(work, "Available"));
        if let Some(found) = available.filter_map(on).find(|on| Some(on.as_str()) != before) {
            return Ok(found);
        }
        ensure!(started.elapsed() < WITHIN, "no cluster but {before:?} has the work available");
        sleep(LOOK).await;
    }
}

/// Cuts a cluster's line right after a beat; answers a moment before that beat was seen.
async fn silenced(hub: &EmbeddedHub, fleet: &Fleet, cluster: &str) -> Result<Instant> {
    let name = ClusterName::parse(cluster)?;
    let broker = hub.registration().ground.bus.broker.clone();
    let (started, mut seen) = (Instant::now(), None);
    loop {
        let looked = Instant::now();
        let lease = broker.last("LEASE", &subject::lease(&name)).await?;
        let lease = lease.map(|lease| lease.sequence);
        if seen.is_some() && seen != lease {
            ensure!(fleet.set_line(cluster, false), "there is no {cluster}");
            return Ok(looked);
        }
        seen = lease;
        (started.elapsed() < WITHIN).then_some(()).context("it does not beat")?;
        sleep(BEAT_LOOK).await;
    }
}

/// Holds once every cluster is available and only one work is left.
async fn returned(admin: &Hub) -> Result<()> {
    fleets::until(admin, Service::Registration, "cluster", |clusters| {
        clusters.iter().all(|cluster| fleets::condition(cluster, AVAILABLE))
    })
    .await?;
    fleets::until(admin, Service::Work, "manifestwork", |works| works.len() == 1).await
}
