//! The commands against the five services on the in-memory broker: what a user's day comes to,
//! without a server. What agents add is tested with `fleetlog dev`.

#[cfg(test)]
mod dlq;
#[cfg(test)]
mod dry_runs;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod past;
#[cfg(test)]
mod why;

use super::apply::{Applied, Change, apply_documents, prepare};
use super::delete::{delete, gone};
use super::get::{get_objects, targets};
use super::wait::{Until, wait_for};
use crate::args::{ScopeArgs, WhatArgs};
use crate::documents::Source;
use crate::failure::Failure;
use crate::hub::{Bodies, Hub};
use crate::target::{Target, Wanted};
use crate::{explain, log, orders};
use fleetlog_bus::{Memory, SharedBroker};
use fleetlog_chassis::{Bounds, Bus, Clock, Ground, Ids, Tasks};
use fleetlog_kernel::{Actor, HubId};
use nkeys::KeyPair;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const FLEET: &str = "
apiVersion: work.open-cluster-management.io/v1
kind: ManifestWork
metadata: {name: hello, namespace: c1}
spec:
  workload:
    manifests:
    - {apiVersion: v1, kind: ConfigMap, metadata: {name: hello, namespace: default}, data: {a: b}}
---
apiVersion: work.open-cluster-management.io/v1alpha1
kind: ManifestWorkReplicaSet
metadata: {name: shop, namespace: team}
spec:
  placementRefs: [{name: anywhere}]
  manifestWorkTemplate:
    workload:
      manifests:
      - {apiVersion: v1, kind: ConfigMap, metadata: {name: shop, namespace: default}}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: anywhere, namespace: team}
spec: {tolerations: [{operator: Exists}]}
---
apiVersion: cluster.open-cluster-management.io/v1
kind: ManagedCluster
metadata: {name: c1, labels: {region: east}}
spec: {hubAcceptsClient: true}
---
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: default, namespace: team}
spec: {clusterSet: default}
";

/// A hub in memory; its services end with it.
struct Stage {
    hub: Hub,
    tasks: Tasks,
}

impl Stage {
    async fn new() -> Self {
        let (streams, queues) = (fleetlog_topology::streams(), fleetlog_topology::queues());
        let broker: SharedBroker = Memory::new(streams, queues);
        let tasks = Tasks::default();
        let ground = || Ground {
            bus: Bus::new(broker.clone(), &tasks),
            clock: Clock::System,
            ids: Arc::new(Ids::Random),
            tasks: tasks.clone(),
            bounds: Bounds::default(),
        };
        let work_key = KeyPair::new_account();
        let settings = fleetlog_registration::Settings::new(
            HubId::new("hub"),
            KeyPair::new_account().public_key(),
            KeyPair::new_account(),
            work_key.public_key(),
        );
        let started = async {
            fleetlog_registration::start(ground(), settings).await?.live().await;
            let settings = fleetlog_placement::Settings::default();
            fleetlog_placement::start(ground(), settings).await?.live().await;
            let settings = fleetlog_work::Settings::new(work_key);
            fleetlog_work::start(ground(), settings).await?.live().await;
            let settings = fleetlog_addon::Settings::default();
            fleetlog_addon::start(ground(), settings).await?.live().await;
            let settings = fleetlog_core::Settings::default();
            fleetlog_core::start(ground(), settings).await?.live().await;
            Ok::<_, fleetlog_bus::Fault>(())
        };
        started.await.unwrap();
        let hub = Hub::over(broker.clone(), Actor::new("admin"), Arc::new(Ids::Random));
        Self { hub: hub.with_operator(broker), tasks }
    }

    async fn apply(&self, text: &str) -> Result<Vec<Applied>, Failure> {
        let source = Source { name: "f".into(), text: text.into() };
        apply_documents(&self.hub, prepare(&[source], None)?, &mut |_| {}).await
    }

    async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let target = Target::parse(&format!("{kind}/{name}")).unwrap();
        let Target { info, namespace, name } = target;
        let found = self.hub.object(info, namespace.as_deref(), &name, Bodies::Wanted).await;
        found.unwrap()
    }

    /// The work that the replica set makes, once it is there.
    async fn made_work(&self) -> Target {
        let args = WhatArgs {
            what: vec!["manifestworks".into()],
            scope: ScopeArgs { namespace: None, all_namespaces: true },
            ..WhatArgs::default()
        };
        let until = soon();
        loop {
            let all = targets(&self.hub, &args).await.unwrap();
            if let Some(found) = all.into_iter().find(|target| target.name.starts_with("shop-")) {
                return found;
            }
            assert!(Instant::now() < until, "the replica set made no work");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn changes(applied: &[Applied]) -> Vec<Change> {
    applied.iter().map(|applied| applied.change).collect()
}

#[tokio::test]
async fn kinds_in_any_order_are_created_then_unchanged_then_configured() {
    let stage = Stage::new().await;
    let first = stage.apply(FLEET).await.unwrap();
    assert_eq!(changes(&first), [Change::Created; 5]);
    let again = stage.apply(FLEET).await.unwrap();
    assert_eq!(changes(&again), [Change::Unchanged; 5]);
    let changed = stage.apply(&FLEET.replace("a: b", "a: c")).await.unwrap();
    let configured: Vec<_> =
        changed.iter().filter(|a| a.change == Change::Configured).map(|a| &a.target.name).collect();
    assert_eq!(configured, ["hello"]);
}

#[tokio::test]
async fn what_get_answers_can_be_applied_and_changes_nothing() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    stage.made_work().await;
    let names = [
        ("mcl", "c1"),
        ("placement", "team/anywhere"),
        ("mclsetbinding", "team/default"),
        ("manifestwork", "c1/hello"),
        ("mwrs", "team/shop"),
    ];
    for (kind, name) in names {
        let object = stage.get(kind, name).await.unwrap();
        for text in [object.to_string(), fleetlog_objects::to_yaml(&object)] {
            let applied = stage.apply(&text).await.unwrap();
            assert_eq!(changes(&applied), [Change::Unchanged], "{text}");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_its_object_and_counts_what_was_not_sent() {
    let stage = Stage::new().await;
    let lost = FLEET.replace("namespace: c1", "namespace: nowhere");
    let failure = stage.apply(&lost).await.unwrap_err();
    assert_eq!(failure.code, "WRK0001");
    let words = "ManifestWork/nowhere/hello (1 after it not sent): namespace \"nowhere\"";
    assert!(failure.sentence.starts_with(words), "{failure}");
    assert!(!failure.advice.is_empty());
    stage.apply(FLEET).await.unwrap();
}

#[tokio::test]
async fn a_work_of_a_replica_set_is_explained_from_command_to_work() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let work = stage.made_work().await;
    let chain = explain::explain(&stage.hub, &work).await.unwrap();
    let steps: Vec<&str> = chain.steps.iter().map(|step| step.step).collect();
    let place = |step: &str| steps.iter().position(|other| *other == step);
    let order = ["command", "decision", "plan", "work", "applied", "available"].map(place);
    assert!(order.iter().all(Option::is_some), "{steps:?}");
    let sorted =
        chain.steps.iter().filter_map(|s| s.line.as_ref()).is_sorted_by_key(|l| l.position);
    assert!(sorted, "{chain:?}");
    let ends = chain.steps.iter().rev().take(2).all(|step| step.line.is_none());
    assert!(ends, "no agent ran, so nothing can be applied: {chain:?}");
    let placement = Target::parse("placement/team/anywhere").unwrap();
    let chain = explain::explain(&stage.hub, &placement).await.unwrap();
    assert!(chain.steps.iter().any(|step| step.step == "decision"), "{chain:?}");
}

#[tokio::test]
async fn the_log_tells_every_event_of_an_object_and_only_those() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let target = Target::parse("manifestwork/c1/hello").unwrap();
    let lines = log::read(&stage.hub, Some(&target), 1..=u64::MAX).await.unwrap();
    assert_eq!(lines[0].says, "admin creates work c1/hello of 1 object");
    assert_eq!((lines[0].actor.as_str(), lines[0].service.as_str()), ("admin", "work"));
    assert!(lines.iter().all(|line| line.object == "ManifestWork/c1/hello"));
    let all = log::read(&stage.hub, None, 1..=u64::MAX).await.unwrap();
    assert!(all.is_sorted_by_key(|line| line.position));
    assert!(all.iter().all(|line| !line.says.contains("cannot be told")), "{all:#?}");
    let later = log::read(&stage.hub, None, lines[0].position..=u64::MAX).await.unwrap();
    assert_eq!(later[0], lines[0]);
    let nobody = Target::parse("mcl/nobody").unwrap();
    assert_eq!(
        log::read(&stage.hub, Some(&nobody), 1..=u64::MAX).await.unwrap_err().code,
        "CLI0006"
    );
}

#[tokio::test]
async fn labels_are_set_changed_and_removed_on_the_object_as_it_stands() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let label = async |words: &[&str], overwrite| {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let args = crate::args::LabelArgs {
            words,
            filename: vec![],
            selector: None,
            scope: ScopeArgs { namespace: Some("c1".into()), all_namespaces: false },
            overwrite,
        };
        super::label::run(&args, &stage.hub).await
    };
    let labels =
        async |kind, name| stage.get(kind, name).await.unwrap()["metadata"]["labels"].take();
    label(&["mcl", "c1", "tier=gold"], false).await.unwrap();
    assert_eq!(label(&["mcl", "c1", "tier=lead"], false).await.unwrap_err().code, "CLI0029");
    label(&["mcl/c1", "tier=lead"], true).await.unwrap();
    let found = labels("mcl", "c1").await;
    assert_eq!((&found["tier"], &found["region"]), (&"lead".into(), &"east".into()));
    label(&["mcl", "c1", "tier-"], false).await.unwrap();
    assert_eq!(labels("mcl", "c1").await.get("tier"), None);
    label(&["manifestwork", "hello", "a=b"], false).await.unwrap();
    let work = stage.get("manifestwork", "c1/hello").await.unwrap();
    assert_eq!(work["metadata"]["labels"]["a"], "b");
    assert_eq!(work["metadata"]["generation"], 1);
    let manifest = &work["spec"]["workload"]["manifests"][0];
    assert_eq!(manifest["data"]["a"], "b");
}

#[tokio::test]
async fn what_is_deleted_is_waited_for_and_what_never_was_is_named() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let target = Target::parse("placement/team/anywhere").unwrap();
    let uid = delete(&stage.hub, &target).await.unwrap();
    gone(&stage.hub, &target, &uid, soon()).await.unwrap();
    wait_for(&stage.hub, &target, &Until::Deleted, soon()).await.unwrap();
    assert_eq!(delete(&stage.hub, &target).await.unwrap_err().code, "CLI0006");
    // A work stays until its agent has removed everything, and nobody answers here.
    let work = Target::parse("manifestwork/c1/hello").unwrap();
    let uid = delete(&stage.hub, &work).await.unwrap();
    let late = gone(&stage.hub, &work, &uid, Instant::now()).await.unwrap_err();
    assert_eq!((late.exit, late.code.as_str()), (3, "CLI0002"));
}

#[tokio::test]
async fn waiting_ends_with_the_condition_or_says_how_it_stands() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let cluster = Target::parse("mcl/c1").unwrap();
    let accepted = Until::parse("condition=HubAcceptedManagedCluster").unwrap();
    wait_for(&stage.hub, &cluster, &accepted, soon()).await.unwrap();
    let joined = Until::parse("condition=ManagedClusterJoined").unwrap();
    let late = wait_for(&stage.hub, &cluster, &joined, Instant::now()).await.unwrap_err();
    assert_eq!(late.exit, 3);
    let binding = Target::parse("mclsetbinding/team/default").unwrap();
    let bound = Until::parse("condition=Bound").unwrap();
    wait_for(&stage.hub, &binding, &bound, soon()).await.unwrap();
}

#[tokio::test]
async fn selectors_namespaces_and_names_choose_what_is_shown() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let count = async |what: &str, scope: ScopeArgs, selector: &str| {
        let wanted = Wanted::parse(&[what.to_owned()], &scope).unwrap();
        let found = get_objects(&stage.hub, &wanted, &scope, selector, Bodies::LeftOut).await;
        found.unwrap().listings.iter().map(|listing| listing.objects.len()).sum::<usize>()
    };
    let team = || ScopeArgs { namespace: Some("team".into()), all_namespaces: false };
    let all = || ScopeArgs { namespace: None, all_namespaces: true };
    assert_eq!(count("mcl", all(), "region=east").await, 1);
    assert_eq!(count("mcl", all(), "region!=east").await, 0);
    assert_eq!(count("placement", team(), "").await, 1);
    assert_eq!(count("placement", ScopeArgs::default(), "").await, 0);
    assert_eq!(count("placement,mclsetbinding", all(), "").await, 2);
    assert_eq!(count("mclset", all(), "").await, 2);
}

#[tokio::test]
async fn acceptance_is_said_once_and_can_be_taken_back() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let accepted =
        async || stage.get("mcl", "c1").await.unwrap()["spec"]["hubAcceptsClient"].take();
    let say = async |command: Vec<u8>| {
        let cluster = Target::parse("mcl/c1").unwrap();
        let id = crate::kinds::aggregate(cluster.info, None, &cluster.name).unwrap();
        stage.hub.command(&id, command).await.unwrap().1
    };
    assert!(say(orders::accept()).await.is_empty());
    assert!(!say(orders::deny()).await.is_empty());
    assert_ne!(accepted().await, Value::Bool(true));
    assert!(!say(orders::accept()).await.is_empty());
    assert_eq!(accepted().await, Value::Bool(true));
}
