//! Figures of simulated fleets, the agents' own code over connections of their own: an application
//! on two clusters, and a thousand clusters that join and get a work.

use crate::figure::{Better, Figure};
use anyhow::{Context as _, Result, ensure};
use fleetlog_cli::commands::apply::{apply_documents, prepare};
use fleetlog_cli::documents::Source;
use fleetlog_cli::embedded::{EmbeddedHub, Fleet, FleetOptions, dev};
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::Service;
use fleetlog_messages::common::Query;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::{Duration, Instant, sleep};

const WITHIN: Duration = Duration::from_secs(300);
/// The boutique of the demo.
pub(crate) const BOUTIQUE: &str = include_str!("../../../ops/cli/demo/boutique.yaml");
const TWO: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: default, namespace: shop}
spec: {clusterSet: default}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: boutique, namespace: shop}
spec: {numberOfClusters: 2}
";
const EVERYWHERE: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: default, namespace: all}
spec: {clusterSet: default}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: everywhere, namespace: all}
spec: {}
";
const HELLO: &str = "
apiVersion: work.open-cluster-management.io/v1alpha1
kind: ManifestWorkReplicaSet
metadata: {name: hello, namespace: all}
spec:
  placementRefs: [{name: everywhere}]
  manifestWorkTemplate:
    workload:
      manifests:
        - apiVersion: v1
          kind: ConfigMap
          metadata: {name: hello, namespace: default}
          data: {a: b}
";

/// A fleet of `count` clusters, started, accepted and available; and how long that took in seconds.
///
/// # Errors
/// A hub that does not take them in.
pub async fn joined(hub: &EmbeddedHub, admin: &Hub, count: usize) -> Result<(Fleet, f64)> {
    let options = FleetOptions {
        url: hub.url().to_owned(),
        token: hub.identity().boot_token(None)?,
        keys: None,
        seed: 7,
    };
    let mut fleet = Fleet::new(options, hub.tasks().clone());
    let started = Instant::now();
    for number in 1..=count {
        fleet.start(&format!("cluster{number}"), BTreeMap::new())?;
    }
    let names: Vec<&str> = fleet.names().collect();
    dev::accept(admin, &names, None).await?;
    until(admin, Service::Registration, "cluster", |clusters| {
        let available = |c: &&Value| condition(c, "ManagedClusterConditionAvailable");
        clusters.iter().filter(available).count() == count
    })
    .await?;
    Ok((fleet, started.elapsed().as_secs_f64()))
}

/// `boutique_available_s`: from the apply until 12 of 12 Deployments are ready on both clusters.
///
/// # Errors
/// A hub that does not get there.
pub async fn boutique(hub: &EmbeddedHub) -> Result<Figure> {
    let admin = hub.admin().await?;
    let (fleet, _) = joined(hub, &admin, 2).await?;
    apply(&admin, TWO).await?;
    until(&admin, Service::Placement, "placement", |found| {
        found.iter().any(|p| condition(p, "PlacementSatisfied"))
    })
    .await?;
    let started = Instant::now();
    apply(&admin, BOUTIQUE).await?;
    until(&admin, Service::Work, "manifestwork", |works| {
        let done = |work: &Value| condition(work, "Available") && ready(work) == 12;
        works.len() == 2 && works.iter().all(done)
    })
    .await?;
    let took = started.elapsed().as_secs_f64();
    let baseline = directly(&fleet).await?;
    Ok(Figure::new("boutique_available_s", took, "s", Better::Lower)
        .measured(
            1,
            "35 objects, 2 simulated clusters; baseline: the same objects, applied with a \
                      kube client to one such cluster until ready",
        )
        .against(baseline)
        .wanted(2.0))
}

/// `join_1000_s` and `fanout_1000_s`; the goal of 30 s is for both together.
///
/// # Errors
/// A hub that does not get there.
pub async fn thousand(hub: &EmbeddedHub, count: usize) -> Result<Vec<Figure>> {
    let admin = hub.admin().await?;
    let (fleet, join) = joined(hub, &admin, count).await?;
    apply(&admin, EVERYWHERE).await?;
    until(&admin, Service::Placement, "placement", |found| {
        let chosen = |p: &Value| p.pointer("/status/numberOfSelectedClusters").cloned();
        found.iter().any(|p| chosen(p) == Some(Value::from(count)))
    })
    .await?;
    let started = Instant::now();
    apply(&admin, HELLO).await?;
    until(&admin, Service::Work, "replicaset", |sets| {
        let applied = |s: &Value| s.pointer("/status/summary/applied").cloned();
        sets.iter().any(|s| applied(s) == Some(Value::from(count)))
    })
    .await?;
    let fanout = started.elapsed().as_secs_f64();
    let works = get(&admin, Service::Work, "manifestwork").await?;
    ensure!(works.len() == count, "{} works for {count} clusters", works.len());
    let connects = crate::plain::connects(count).await?;
    let publishes = crate::plain::publishes(count).await?;
    drop(fleet);
    let setting =
        |what: &str| format!("{count} simulated clusters, each with key and connection; {what}");
    // The goal is for both together; each alone is held to it as well.
    let together = Figure::new("join_and_fanout_1000_s", join + fanout, "s", Better::Lower);
    Ok(vec![
        Figure::new("join_1000_s", join, "s", Better::Lower)
            .measured(1, setting("start to all Available; baseline: as many bare connections"))
            .against(connects)
            .wanted(30.0),
        Figure::new("fanout_1000_s", fanout, "s", Better::Lower)
            .measured(1, setting("apply to all Applied; baseline: as many publishes, one by one"))
            .against(publishes)
            .wanted(30.0),
        together.measured(1, setting("both")).against(connects + publishes).wanted(30.0),
    ])
}

/// Applies the boutique's objects to a cluster of its own and waits until they are ready.
async fn directly(fleet: &Fleet) -> Result<f64> {
    use fleetlog_simcluster::{Options, SimCluster};
    ensure!(fleet.names().count() > 0, "there is no cluster to compare with");
    let cluster = SimCluster::new(Options::new("plain", 7));
    let client = cluster.client();
    let objects = crate::plain::manifests(BOUTIQUE)?;
    let started = Instant::now();
    for object in &objects {
        crate::plain::apply(&client, object).await?;
    }
    loop {
        let deployments: Vec<Value> =
            cluster.objects().into_iter().filter(|o| o["kind"] == "Deployment").collect();
        let ready = |d: &&Value| d.pointer("/status/readyReplicas").is_some();
        if deployments.len() == 12 && deployments.iter().filter(ready).count() == 12 {
            return Ok(started.elapsed().as_secs_f64());
        }
        ensure!(started.elapsed() < WITHIN, "the baseline did not become ready");
        sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn apply(hub: &Hub, text: &str) -> Result<()> {
    let source = Source { name: "bench".to_owned(), text: text.to_owned() };
    apply_documents(hub, prepare(&[source], None)?, &mut |_| {}).await?;
    Ok(())
}

pub(crate) async fn get(hub: &Hub, service: Service, kind: &str) -> Result<Vec<Value>> {
    let query = Query { kind: kind.to_owned(), without_bodies: true, ..Query::default() };
    Ok(hub.objects(service, query).await?)
}

pub(crate) async fn until(
    hub: &Hub,
    service: Service,
    kind: &str,
    holds: impl Fn(&[Value]) -> bool,
) -> Result<()> {
    let started = Instant::now();
    while !holds(&get(hub, service, kind).await?) {
        let context = || format!("the {kind}s did not get there within {WITHIN:?}");
        (started.elapsed() < WITHIN).then_some(()).with_context(context)?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub(crate) fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is = |c: &Value| c["type"] == kind && c["status"] == "True";
    conditions.is_some_and(|all| all.iter().any(is))
}

/// Deployments of a work whose replicas are all ready, by feedback.
fn ready(work: &Value) -> usize {
    let manifests = work.pointer("/status/resourceStatus/manifests").and_then(Value::as_array);
    let value = |manifest: &Value, name: &str| {
        let values = manifest.pointer("/statusFeedback/values")?.as_array()?;
        let found = values.iter().find(|value| value["name"] == name)?;
        found.pointer("/fieldValue/integer")?.as_i64()
    };
    let is_ready = |manifest: &&Value| {
        let ready = value(manifest, "ReadyReplicas");
        ready.is_some_and(|n| n > 0) && ready == value(manifest, "Replicas")
    };
    manifests.map_or(0, |all| all.iter().filter(is_ready).count())
}
