//! What users command and ask, what follows by itself, and that the state survives as rows.

use crate::stage::{Stage, condition, every, get};
use fleetlog_bus::{Client, ClientError, Entry};
use fleetlog_chassis::{Hosted, Ids, Machine as _};
use fleetlog_kernel::{Actor, Position, Service};
use fleetlog_messages::common::{ObjectMeta, Query};
use fleetlog_messages::registration::{
    ApplyBinding, ApplyCluster, ApplyClusterSet, BindingCommand, ClusterCommand, ClusterFacts,
    ClusterSetCommand, CountClusterSet, DeleteClusterSet, LeaseCommand, ManagedCluster,
    ManagedClusterSet, ManagedClusterSetBinding, ManagedClusterSetBindingSpec, NoteBeat, NoteBound,
    NoteLeaseExpiries, NoteLeaseExpiry, ReportCluster, RequestJoin, binding_command,
    cluster_command::Command, cluster_set_command, lease_command,
};
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_registration::{Registration, binding_id, cluster_id, set_id};
use serde_json::json;
use std::time::Duration;

fn set(command: cluster_set_command::Command) -> ClusterSetCommand {
    ClusterSetCommand { command: Some(command) }
}

fn make_set() -> ClusterSetCommand {
    let set_object = Some(ManagedClusterSet::default());
    set(cluster_set_command::Command::Apply(ApplyClusterSet {
        set: set_object,
        ..Default::default()
    }))
}

fn delete_set() -> ClusterSetCommand {
    set(cluster_set_command::Command::Delete(DeleteClusterSet {}))
}

fn bind(name: &str) -> BindingCommand {
    let spec = ManagedClusterSetBindingSpec { cluster_set: Some(name.into()) };
    let binding = ManagedClusterSetBinding { spec: Some(spec), ..Default::default() };
    let apply = ApplyBinding { binding: Some(binding), ..Default::default() };
    BindingCommand { command: Some(binding_command::Command::Apply(apply)) }
}

fn labelled(pairs: &[(&str, &str)]) -> ApplyCluster {
    let labels = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let metadata = Some(ObjectMeta { labels, ..ObjectMeta::default() });
    let cluster = Some(ManagedCluster { metadata, ..ManagedCluster::default() });
    ApplyCluster { cluster, ..ApplyCluster::default() }
}

fn of_kind(kind: &str) -> Query {
    Query { kind: kind.into(), ..Query::default() }
}

fn names(objects: &[serde_json::Value]) -> Vec<&str> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_built_in_sets_are_there_from_the_first_start_and_come_back() {
    let stage = Stage::new().await;
    let sets = stage.get(of_kind("clusterset")).await;
    assert_eq!(names(&sets), ["default", "global"]);
    assert_eq!(sets[0]["spec"]["clusterSelector"]["selectorType"], "ExclusiveClusterSetLabel");
    assert_eq!(sets[1]["spec"]["clusterSelector"]["labelSelector"], json!({}));
    assert_eq!(condition(&sets[0], "ClusterSetEmpty"), "True");
    stage.ask(&set_id("default"), delete_set()).await;
    stage.settled().await;
    let again = stage.set("default").await;
    assert_ne!(again["metadata"]["uid"], sets[0]["metadata"]["uid"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_start_makes_no_second_sets() {
    let mut stage = Stage::new().await;
    let before = stage.stored("EVENTS", subject::events()).await.len();
    stage.kill().await;
    stage.start().await;
    stage.passes(5).await;
    assert_eq!(stage.stored("EVENTS", subject::events()).await.len(), before);
}

#[tokio::test(start_paused = true)]
async fn objects_are_served_as_kubernetes_writes_them() {
    let stage = Stage::new().await;
    let position = stage.on_cluster("c1", Command::Apply(labelled(&[("region", "east")]))).await;
    let cluster = stage.cluster("c1").await;
    assert_eq!(cluster["apiVersion"], "cluster.open-cluster-management.io/v1");
    assert_eq!(cluster["kind"], "ManagedCluster");
    let version = Position(position).resource_version(0);
    assert_eq!(cluster["metadata"]["resourceVersion"], json!(version));
    assert_eq!(cluster["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert!(cluster["metadata"]["creationTimestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(cluster["spec"]["leaseDurationSeconds"], json!(60));
}

#[tokio::test(start_paused = true)]
async fn questions_select_by_name_namespace_and_labels() {
    let stage = Stage::new().await;
    for (name, region) in [("c1", "east"), ("c2", "west"), ("c3", "east")] {
        stage.on_cluster(name, Command::Apply(labelled(&[("region", region)]))).await;
    }
    for namespace in ["a", "b"] {
        stage.ask(&binding_id(namespace, "default"), bind("default")).await;
    }
    let east = Query { label_selector: "region=east".into(), ..of_kind("cluster") };
    assert_eq!(names(&stage.get(east).await), ["c1", "c3"]);
    let one = Query { name: "c2".into(), ..of_kind("cluster") };
    assert_eq!(names(&stage.get(one).await), ["c2"]);
    let absent = Query { name: "c9".into(), ..of_kind("cluster") };
    assert_eq!(stage.get(absent).await, Vec::<serde_json::Value>::new());
    let bindings = |namespace: &str| Query { namespace: namespace.into(), ..of_kind("binding") };
    assert_eq!(stage.get(bindings("")).await.len(), 2);
    assert_eq!(stage.get(bindings("b")).await[0]["metadata"]["namespace"], "b");
    let refused = async |query| match get(&stage.client, query).await {
        Err(ClientError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(of_kind("placement")).await, "REG0018");
    let bad = Query { label_selector: "a in b".into(), ..of_kind("cluster") };
    assert_eq!(refused(bad).await, "REG0010");
}

#[tokio::test(start_paused = true)]
async fn a_binding_follows_its_set() {
    let stage = Stage::new().await;
    let blue = binding_id("shop", "blue");
    stage.ask(&blue, bind("blue")).await;
    let bound = async |status: &str| {
        fleetlog_test_support::eventually(&format!("Bound is {status}"), async || {
            let found = stage.get(of_kind("binding")).await;
            (condition(&found[0], "Bound") == status).then_some(())
        })
        .await
        .unwrap();
    };
    bound("False").await;
    stage.ask(&set_id("blue"), make_set()).await;
    bound("True").await;
    stage.ask(&set_id("blue"), delete_set()).await;
    bound("False").await;
    assert_eq!(stage.try_ask(&blue, bind("red")).await.unwrap_err().code, "REG0009");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_clusters_is_counted_once_a_second() {
    let stage = Stage::new().await;
    let before = stage.story(&set_id("default")).await.len();
    for number in 0..50 {
        stage.on_cluster(&format!("c{number}"), Command::Apply(labelled(&[]))).await;
    }
    stage.settled().await;
    let counted = stage.story(&set_id("default")).await.len() - before;
    assert!((1..=3).contains(&counted), "counted {counted} times");
    let set = stage.set("default").await;
    assert_eq!(set["status"]["conditions"][0]["message"], "50 ManagedClusters selected");
    assert_eq!(stage.set("global").await["status"]["conditions"][0]["status"], "False");
}

#[tokio::test(start_paused = true)]
async fn a_count_after_a_quiet_time_is_at_once() {
    let stage = Stage::new().await;
    stage.passes(5).await;
    let before = tokio::time::Instant::now();
    stage.on_cluster("c1", Command::Apply(labelled(&[]))).await;
    stage.settled().await;
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_moved_on_is_not_overwritten() {
    let stage = Stage::new().await;
    let first = stage.on_cluster("c1", Command::Apply(labelled(&[]))).await;
    let on = |position: u64, pairs| ApplyCluster {
        resource_version: Position(position).resource_version(0),
        ..labelled(pairs)
    };
    let second = stage.on_cluster("c1", Command::Apply(on(first, &[("a", "b")]))).await;
    assert!(second > first);
    let late = ClusterCommand { command: Some(Command::Apply(on(first, &[("a", "c")]))) };
    assert_eq!(stage.try_ask(&cluster_id("c1"), late).await.unwrap_err().code, "REG0005");
    let odd = ApplyCluster { resource_version: "new".into(), ..labelled(&[]) };
    let odd = ClusterCommand { command: Some(Command::Apply(odd)) };
    assert_eq!(stage.try_ask(&cluster_id("c1"), odd).await.unwrap_err().code, "REG0021");
}

#[tokio::test(start_paused = true)]
async fn what_only_registration_tells_itself_is_refused_to_users() {
    let stage = Stage::new().await;
    stage.on_cluster("c1", Command::Apply(every(1))).await;
    let before = stage.stored("EVENTS", subject::events()).await.len();
    let facts = Some(ClusterFacts::default());
    for command in [
        Command::RequestJoin(RequestJoin::default()),
        Command::Report(ReportCluster { facts }),
        Command::NoteBeat(NoteBeat {}),
        Command::NoteLeaseExpiry(NoteLeaseExpiry {}),
    ] {
        let command = ClusterCommand { command: Some(command) };
        let refusal = stage.try_ask(&cluster_id("c1"), command).await.unwrap_err();
        assert_eq!(refusal.code, "REG0020");
        assert!(refusal.sentence.contains("\"ann\""), "{}", refusal.sentence);
    }
    let expired = NoteLeaseExpiries { clusters: vec!["c1".to_owned()] };
    let leases = LeaseCommand { command: Some(lease_command::Command::NoteExpiries(expired)) };
    let of_leases = AggregateId::global(Service::Registration, "lease", "c1");
    let refusal = stage.try_ask(&of_leases, leases).await.unwrap_err();
    assert_eq!(refusal.code, "REG0020");
    let count = set(cluster_set_command::Command::Count(CountClusterSet { clusters: 9 }));
    let refusal = stage.try_ask(&set_id("default"), count).await.unwrap_err();
    assert_eq!(refusal.code, "REG0020");
    stage.ask(&binding_id("a", "default"), bind("default")).await;
    let note = binding_command::Command::NoteBound(NoteBound { exists: false });
    let note = BindingCommand { command: Some(note) };
    let refusal = stage.try_ask(&binding_id("a", "default"), note).await.unwrap_err();
    assert_eq!(refusal.code, "REG0020");
    stage.settled().await;
    let more = stage.stored("EVENTS", subject::events()).await.len() - before;
    assert!(more <= 3, "one binding and at most two counts, not {more}");
}

#[tokio::test(start_paused = true)]
async fn commands_to_nothing_are_refused_by_name() {
    let stage = Stage::new().await;
    let refusal = stage.try_ask(&set_id("blue"), delete_set()).await.unwrap_err();
    assert_eq!(refusal.code, "REG0002");
    assert_eq!(refusal.sentence, "ManagedClusterSet \"blue\" does not exist");
    let odd = AggregateId::global(fleetlog_kernel::Service::Registration, "widget", "x");
    assert_eq!(stage.try_ask(&odd, delete_set()).await.unwrap_err().code, "REG0018");
}

#[tokio::test(start_paused = true)]
async fn the_state_survives_as_rows_and_a_fresh_reading_gives_the_same() {
    let stage = Stage::new().await;
    for name in ["c1", "c2"] {
        stage.beats_every(name, 1).await;
        let agent = stage.agent(name);
        agent.joined().await;
        agent.beat().await;
    }
    stage.ask(&binding_id("shop", "blue"), bind("blue")).await;
    stage.until("c1", "ManagedClusterConditionAvailable", "Unknown").await;
    stage.settled().await;
    stage.passes(3).await;
    let (rows, hash, snapshot) =
        stage.service.read(|hosted| (hosted.machine().rows(), hosted.hash(), hosted.snapshot()));
    let restored = Hosted::<Registration>::restore(&snapshot).unwrap();
    assert_eq!((restored.hash(), restored.machine().rows()), (hash.clone(), rows.clone()));
    let mut fresh = Hosted::<Registration>::default();
    for message in stage.stored("EVENTS", subject::events()).await {
        let commit = Entry::read(&message).into_commit().unwrap();
        fresh.apply(&commit).unwrap();
    }
    assert_eq!((fresh.hash(), fresh.machine().rows()), (hash, rows));
    let mut torn = snapshot.rows;
    torn[0].value = vec![0xff];
    assert!(Registration::restore(&torn).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_a_later_release_is_named() {
    let stage = Stage::new().await;
    let messages = stage.stored("EVENTS", subject::events()).await;
    let commit = Entry::read(&messages[0]).into_commit().unwrap();
    let reason = |change: &dyn Fn(&mut fleetlog_messages::envelope::Recorded)| {
        let mut commit = commit.clone();
        change(&mut commit);
        Registration::default().apply(&commit).unwrap_err().to_string()
    };
    let later = reason(&|commit| commit.events = vec![bytes::Bytes::new()]);
    assert!(later.contains("of a later release"), "{later}");
    let schema = reason(&|commit| commit.header.schema = "fleetlog.registration.v2.X".into());
    assert!(schema.contains("fleetlog.registration.v2.X"), "{schema}");
    let damaged = reason(&|commit| commit.events = vec![bytes::Bytes::from_static(b"\xff")]);
    assert!(damaged.contains("damaged"), "{damaged}");
    let kind = reason(&|commit| commit.aggregate.kind = "widget".into());
    assert!(kind.contains("widget") && kind.contains("position 1"), "{kind}");
}

#[tokio::test(start_paused = true)]
async fn two_users_at_once_lose_nothing() {
    let stage = Stage::new().await;
    let other = Client::new(stage.memory.clone(), Actor::new("bob"), {
        let ids = Ids::seeded(9);
        move || ids.command()
    });
    let label =
        |key: &str| ClusterCommand { command: Some(Command::Apply(labelled(&[(key, "x")]))) };
    let c1 = cluster_id("c1");
    for number in 0..10 {
        let (ann, bob) = (format!("ann{number}"), format!("bob{number}"));
        let both = tokio::join!(
            crate::stage::ask(&stage.client, &c1, label(&ann)),
            crate::stage::ask(&other, &c1, label(&bob)),
        );
        assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    }
    let labels = stage.cluster("c1").await["metadata"]["labels"].clone();
    assert_eq!(labels.as_object().unwrap().len(), 21);
}
