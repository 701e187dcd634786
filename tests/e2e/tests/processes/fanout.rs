//! A replica set to a thousand clusters, and the work service killed in the middle of it.

use crate::say;
use fleetlog_bus::SharedBroker;
use fleetlog_chassis::Ids;
use fleetlog_e2e_tests::{Fleetlog, History, Victim, Writing, programs, until_well};
use fleetlog_kernel::Service;
use fleetlog_messages::common::Query;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Clusters that are registered; no agent runs for any of them.
const TOTAL: usize = 1_000;
/// A fan-out that was over before the kill says nothing: then there is another one.
const TRIES: usize = 5;
/// How many clusters are registered at once.
const AT_ONCE: usize = 12;

fn everywhere() -> [Value; 2] {
    [
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1beta2",
            "kind": "ManagedClusterSetBinding",
            "metadata": { "name": "default", "namespace": "all" },
            "spec": { "clusterSet": "default" },
        }),
        // Nobody beats for them, so they are unreachable.
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1beta1", "kind": "Placement",
            "metadata": { "name": "everywhere", "namespace": "all" },
            "spec": { "tolerations": [{ "operator": "Exists" }] },
        }),
    ]
}

fn replica_set(name: &str) -> Value {
    let manifest = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default" }, "data": { "a": "b" },
    });
    json!({
        "apiVersion": "work.open-cluster-management.io/v1alpha1", "kind": "ManifestWorkReplicaSet",
        "metadata": { "name": name, "namespace": "all" },
        "spec": {
            "placementRefs": [{ "name": "everywhere" }],
            "manifestWorkTemplate": { "workload": { "manifests": [manifest] } },
        },
    })
}

/// The commits of each work of a replica set, by its subject.
async fn written(operator: &SharedBroker, set: &str) -> BTreeMap<String, usize> {
    let filter = subject::events_of_kind(Service::Work, "manifestwork");
    let mut reading = operator.read("EVENTS", &filter, 0).await.unwrap();
    let (mut left, mut found) = (reading.pending, BTreeMap::new());
    while left > 0 {
        let message = reading.messages.next().await.unwrap().unwrap();
        left = message.pending;
        if message.subject.contains(&format!(".{set}-")) {
            *found.entry(message.subject).or_default() += 1;
        }
    }
    found
}

async fn registered(writing: &Writing) {
    let clusters = futures::stream::iter(1..=TOTAL).map(async |number| {
        let cluster = json!({
            "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
            "metadata": { "name": format!("c{number}") }, "spec": { "hubAcceptsClient": true },
        });
        writing.apply(&cluster).await.unwrap();
    });
    clusters.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}

/// Applies a set and kills the work service once more than `after` works are written; answers how
/// many there were then.
async fn cut_short(
    whole: &mut Fleetlog,
    (writing, operator): (&Writing, &SharedBroker),
    set: &str,
    after: u64,
) -> usize {
    let filter = subject::events_of_kind(Service::Work, "manifestwork");
    let before = operator.last("EVENTS", &subject::events()).await.unwrap();
    let from = before.map_or(0, |last| last.sequence) + 1;
    let mut news = operator.read("EVENTS", &filter, from).await.unwrap();
    writing.apply(&replica_set(set)).await.unwrap();
    for _ in 0..after {
        news.messages.next().await.unwrap().unwrap();
    }
    whole.kill(&Victim::Service(Service::Work)).unwrap();
    written(operator, set).await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fan_out_that_is_cut_short_by_a_kill_is_finished_and_nothing_is_written_twice() {
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let (writing, operator) = (Writing::on(&whole), whole.hub().operator().await.unwrap());
    registered(&writing).await;
    for document in everywhere() {
        writing.apply(&document).await.unwrap();
    }
    let hub = whole.admin();
    let query = |kind: &str| Query { kind: kind.to_owned(), ..Query::default() };
    until_well("every cluster is chosen", async || {
        let placements = hub.objects(Service::Placement, query("placement")).await?;
        let chosen = placements[0]["status"]["numberOfSelectedClusters"].as_u64();
        anyhow::ensure!(chosen == Some(TOTAL as u64), "{chosen:?}");
        Ok(())
    })
    .await
    .unwrap();
    let random = Ids::seeded(7);
    let mut hit = None;
    for number in 1..=TRIES {
        let (set, after) = (format!("set{number}"), 1 + random.below(TOTAL as u64 / 4));
        let there = cut_short(&mut whole, (&writing, &operator), &set, after).await;
        say(&format!("fan-out: killed when {there} of {TOTAL} works were written"));
        if 0 < there && there < TOTAL {
            hit = Some(set);
            break;
        }
        whole.start_again(&Victim::Service(Service::Work)).unwrap();
    }
    let set = hit.expect("every fan-out was over before its kill");
    whole.start_again(&Victim::Service(Service::Work)).unwrap();
    until_well("the fan-out is finished", async || {
        let sets = hub.objects(Service::Work, query("replicaset")).await?;
        let own = sets.iter().find(|s| s["metadata"]["name"] == set.as_str());
        let total = own.and_then(|s| s["status"]["summary"]["total"].as_u64());
        anyhow::ensure!(total == Some(TOTAL as u64), "{total:?} of {TOTAL}");
        let (done, sent) = operator.in_hand("DO", "do-work").await?;
        anyhow::ensure!(done == sent, "commands after {done} are in hand");
        Ok(())
    })
    .await
    .unwrap();
    let works = written(&operator, &set).await;
    assert_eq!(works.len(), TOTAL);
    let twice: Vec<_> = works.iter().filter(|(_, commits)| **commits != 1).collect();
    assert_eq!(twice, Vec::<(&String, &usize)>::new(), "each is written once");
    History::of(&whole).await.unwrap().audit().await.unwrap();
    whole.verify().unwrap();
}
