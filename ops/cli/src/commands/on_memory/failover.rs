//! A failover, explained: one chain from the lease that ran out to the work that replaces the
//! withdrawn one, each step with its position.

use super::Stage;
use crate::explain::{Chain, explain};
use crate::log;
use crate::target::Target;
use fleetlog_bus::AgentLink;
use fleetlog_kernel::ClusterName;
use fleetlog_messages::common::Beat;
use serde_json::Value;
use std::time::Duration;

const AVAILABLE: &str = "ManagedClusterConditionAvailable";
const FLEET: &str = "
apiVersion: cluster.open-cluster-management.io/v1
kind: ManagedCluster
metadata: {name: c1}
spec: {hubAcceptsClient: true, leaseDurationSeconds: 1}
---
apiVersion: cluster.open-cluster-management.io/v1
kind: ManagedCluster
metadata: {name: c2}
spec: {hubAcceptsClient: true, leaseDurationSeconds: 1}
---
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: default, namespace: team}
spec: {clusterSet: default}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: one, namespace: team}
spec: {numberOfClusters: 1}
---
apiVersion: work.open-cluster-management.io/v1alpha1
kind: ManifestWorkReplicaSet
metadata: {name: shop, namespace: team}
spec:
  placementRefs: [{name: one}]
  manifestWorkTemplate:
    workload:
      manifests:
      - {apiVersion: v1, kind: ConfigMap, metadata: {name: shop, namespace: default}}
";

impl Stage {
    async fn beat(&self, cluster: &str) {
        let broker = self.hub.operator().await.unwrap().clone();
        let link = AgentLink::new(broker, ClusterName::parse(cluster).unwrap());
        let answer = link.beat(&Beat { count: 1 }).await.unwrap();
        assert!(answer.refused.is_none(), "{answer:?}");
    }

    /// Beats for some clusters, once a second of the paused clock, until what holds.
    async fn beats_until(&self, clusters: &[&str], holds: impl AsyncFn() -> bool) {
        for _ in 0..60 {
            for cluster in clusters {
                self.beat(cluster).await;
            }
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("it did not come about in a minute");
    }

    async fn is_available(&self, cluster: &str) -> bool {
        let cluster = self.get("mcl", cluster).await.unwrap();
        let conditions = cluster.pointer("/status/conditions").and_then(Value::as_array);
        let mut all = conditions.into_iter().flatten();
        all.any(|c| c["type"] == AVAILABLE && c["status"] == "True")
    }

    /// The work of a cluster that a replica set made, unless it is on its way out.
    async fn work_on(&self, cluster: &str) -> Option<Target> {
        let set = log::read(&self.hub, None, 1..=u64::MAX).await.unwrap();
        let prefix = format!("ManifestWork/{cluster}/shop-");
        let object = set.into_iter().find(|line| line.object.starts_with(&prefix))?.object;
        Target::parse(&object).ok()
    }

    /// Where the last event of a type lies in an object's log.
    async fn position(&self, object: &Target, kind: &str) -> u64 {
        let lines = log::read(&self.hub, Some(object), 1..=u64::MAX).await.unwrap();
        let found = lines.iter().rfind(|line| line.kind == kind);
        found.unwrap_or_else(|| panic!("no {kind} of {object:?} in {lines:#?}")).position
    }
}

/// Where the last step of a name lies whose words hold all of these.
#[track_caller]
fn step(chain: &Chain, name: &str, words: &[&str]) -> u64 {
    let says = |says: &str| words.iter().all(|word| says.contains(word));
    let named = chain.steps.iter().filter(|step| step.step == name);
    let mut lines = named.filter_map(|step| step.line.as_ref());
    let found = lines.rfind(|line| says(&line.says));
    found.unwrap_or_else(|| panic!("no {name} {words:?} in {chain:#?}")).position
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_explained_from_the_lease_that_ran_out_to_both_works() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let both = ["c1", "c2"];
    stage.beats_until(&both, async || stage.work_on("c1").await.is_some()).await;
    assert!(stage.is_available("c1").await && stage.is_available("c2").await);
    assert!(stage.work_on("c2").await.is_none(), "one is chosen");
    // c1 is silent from here on.
    stage.beats_until(&["c2"], async || stage.work_on("c2").await.is_some()).await;

    let (old, new) = (stage.work_on("c1").await.unwrap(), stage.work_on("c2").await.unwrap());
    let chain = explain(&stage.hub, &new).await.unwrap();
    let (c1, placement) = (Target::parse("mcl/c1").unwrap(), "placement/team/one");
    let placement = Target::parse(placement).unwrap();
    let set = Target::parse("mwrs/team/shop").unwrap();
    let order = [
        (step(&chain, "command", &["creates replica set team/shop"]), &set, "ReplicaSetSpecified"),
        (step(&chain, "work", &["work c1/shop-"]), &old, "WorkSpecified"),
        (step(&chain, "silent", &["cluster c1", "lease"]), &c1, "LeaseExpired"),
        (step(&chain, "taint", &["cluster c1", "unreachable"]), &c1, "TaintAdded"),
        (step(&chain, "decision", &["chooses c2", "gives up c1"]), &placement, "PlacementDecided"),
        (step(&chain, "plan", &["delivers to c2", "withdraws from c1"]), &set, "FanOutPlanned"),
        (step(&chain, "removal", &["work c1/shop-"]), &old, "WorkDeletionRequested"),
        (step(&chain, "work", &["work c2/shop-"]), &new, "WorkSpecified"),
    ];
    for (position, object, kind) in &order {
        assert_eq!(*position, stage.position(object, kind).await, "{kind} in {chain:#?}");
    }
    let positions: Vec<u64> = order.iter().map(|(position, ..)| *position).collect();
    let silent = positions[2];
    assert_eq!(positions[3], silent, "the taint comes with the silence");
    assert!(positions.is_sorted_by_key(|position| *position), "{positions:?} in {chain:#?}");
    let told: Vec<u64> =
        chain.steps.iter().filter_map(|step| Some(step.line.as_ref()?.position)).collect();
    assert!(told.is_sorted(), "{chain:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_work_that_replaces_nothing_tells_of_no_silence() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    stage.beats_until(&["c1", "c2"], async || stage.work_on("c1").await.is_some()).await;
    let work = stage.work_on("c1").await.unwrap();
    let chain = explain(&stage.hub, &work).await.unwrap();
    step(&chain, "work", &["work c1/shop-"]);
    let others = ["silent", "removal"];
    assert!(chain.steps.iter().all(|step| !others.contains(&step.step)), "{chain:#?}");
}
