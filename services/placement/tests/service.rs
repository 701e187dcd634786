//! The service on the bus: commands and registration's events in, decisions out by question. Each
//! case runs on a real nats-server with each user's own permissions, and on the in-memory twin.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use anyhow::Context as _;
use fleetlog_bus::{Client, Memory, NewCommit, SharedBroker};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Hosted, Ids, Machine as _, Tasks};
use fleetlog_kernel::{Actor, CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::common::{ObjectMeta, Outcome, Query, outcome};
use fleetlog_messages::envelope::CommitHeader;
use fleetlog_messages::placement::{
    AddOnPlacementScore, AddOnPlacementScoreItem, AddOnPlacementScoreStatus, AddOnScore,
    ApplyPlacement, ApplyScore, ClusterPredicate, ClusterSelector, DeletePlacement, Placement,
    PlacementCommand, PlacementSpec, PrioritizerConfig, PrioritizerPolicy, Rebalance, Schedule,
    ScoreCommand, ScoreCoordinate, Toleration, placement_command::Command, score_command,
};
use fleetlog_messages::registration::{
    BindingEvent, BindingSpecified, ClusterAccepted, ClusterDeleted, ClusterEvent, ClusterSetEvent,
    ClusterSetSpecified, ClusterSpecified, ManagedCluster, ManagedClusterSet,
    ManagedClusterSetBinding, Taint, TaintAdded, binding_event, cluster_event, cluster_set_event,
};
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_placement::{Scheduling, Settings, placement_id, start};
use fleetlog_test_support::{TestHub, eventually};
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SET_LABEL: &str = "cluster.open-cluster-management.io/clusterset";

/// A hub on which placement runs and registration's words are spoken by the test.
struct Stage {
    placement: SharedBroker,
    registration: Bus,
    client: Client,
    tasks: Tasks,
    service: Arc<Context<Scheduling>>,
    running: Tasks,
    ids: AtomicU64,
}

impl Stage {
    async fn on(
        placement: SharedBroker,
        registration: SharedBroker,
        user: SharedBroker,
    ) -> anyhow::Result<Self> {
        let tasks = Tasks::default();
        let ids = Arc::new(Ids::Random);
        let client = Client::new(user, Actor::new("ann"), move || ids.command());
        let (service, running) = run(placement.clone()).await?;
        let registration = Bus::new(registration, &tasks);
        let ids = AtomicU64::new(0);
        Ok(Self { placement, registration, client, tasks, service, running, ids })
    }

    /// Ends the service and starts it again on what the bus holds.
    async fn restart(&mut self) -> anyhow::Result<()> {
        self.running.abort();
        (self.service, self.running) = run(self.placement.clone()).await?;
        Ok(())
    }

    /// Appends events of registration.
    async fn tell(
        &self,
        aggregate: AggregateId,
        schema: &str,
        events: Vec<Vec<u8>>,
    ) -> anyhow::Result<Position> {
        let log = &self.registration.log;
        let last = log.last(&aggregate).await?;
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        let header = CommitHeader {
            id: MessageId::new(format!("told-{number}")),
            types: vec!["Told".to_owned(); events.len()],
            schema: format!("fleetlog.registration.v1.{schema}"),
            version: last.as_ref().map_or(1, |last| last.header.version + 1),
            cause: Position::START,
            cause_index: 0,
            command: CommandId::new(format!("told-{number}")),
            correlation: String::new(),
            actor: "test".to_owned(),
            time: Timestamp::default(),
            service: Service::Registration,
        };
        let expected = last.map_or(Position::START, |last| last.position);
        let events = events.into_iter().map(Into::into).collect();
        let commit = NewCommit { aggregate, expected, header, events };
        match log.append(commit).await? {
            fleetlog_bus::Append::Appended(position) => Ok(position),
            other => anyhow::bail!("not appended: {other:?}"),
        }
    }

    async fn set(&self, name: &str) -> anyhow::Result<Position> {
        let set = Some(ManagedClusterSet::default());
        let event = cluster_set_event::Event::Specified(ClusterSetSpecified { set });
        let id = AggregateId::global(Service::Registration, "clusterset", name);
        let event = ClusterSetEvent { event: Some(event) };
        self.tell(id, "ClusterSetEvent", vec![event.encode_to_vec()]).await
    }

    async fn bind(&self, namespace: &str, set: &str) -> anyhow::Result<Position> {
        let binding = Some(ManagedClusterSetBinding::default());
        let event = binding_event::Event::Specified(BindingSpecified { binding });
        let id = AggregateId::namespaced(Service::Registration, "binding", namespace, set);
        let event = BindingEvent { event: Some(event) };
        self.tell(id, "BindingEvent", vec![event.encode_to_vec()]).await
    }

    async fn cluster(&self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<Position> {
        let labels = labels.iter().chain([&(SET_LABEL, "s")]);
        let labels = labels.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let metadata = Some(ObjectMeta { labels, ..ObjectMeta::default() });
        let cluster = Some(ManagedCluster { metadata, ..ManagedCluster::default() });
        let events = [
            cluster_event::Event::Specified(ClusterSpecified { cluster }),
            cluster_event::Event::Accepted(ClusterAccepted::default()),
        ];
        self.cluster_events(name, events.into()).await
    }

    async fn cluster_events(
        &self,
        name: &str,
        events: Vec<cluster_event::Event>,
    ) -> anyhow::Result<Position> {
        let id = AggregateId::global(Service::Registration, "cluster", name);
        let encoded = events.into_iter().map(|e| ClusterEvent { event: Some(e) }.encode_to_vec());
        self.tell(id, "ClusterEvent", encoded.collect()).await
    }

    async fn command(&self, name: &str, command: Command) -> anyhow::Result<Outcome> {
        let payload = PlacementCommand { command: Some(command) }.encode_to_vec();
        Ok(self.client.command(&placement_id("ns", name), payload.into()).await?)
    }

    async fn apply(&self, name: &str, spec: PlacementSpec) -> anyhow::Result<Outcome> {
        let placement = Some(Placement { spec: Some(spec), ..Placement::default() });
        let apply = ApplyPlacement { placement, ..ApplyPlacement::default() };
        self.command(name, Command::Apply(apply)).await
    }

    /// Gives a cluster a score.
    async fn score(&self, cluster: &str, value: i32) -> anyhow::Result<Outcome> {
        let item = AddOnPlacementScoreItem { name: Some("cpu".to_owned()), value: Some(value) };
        let status = AddOnPlacementScoreStatus { scores: vec![item], ..Default::default() };
        let score = AddOnPlacementScore { status: Some(status), ..Default::default() };
        let apply = ApplyScore { score: Some(score), ..ApplyScore::default() };
        let command = ScoreCommand { command: Some(score_command::Command::Apply(apply)) };
        let id = AggregateId::namespaced(Service::Placement, "score", cluster, "demo");
        Ok(self.client.command(&id, command.encode_to_vec().into()).await?)
    }

    async fn get(&self, kind: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        let query = Query {
            kind: kind.to_owned(),
            namespace: "ns".to_owned(),
            name: name.to_owned(),
            ..Query::default()
        };
        let pages = self.client.ask(Service::Placement, "get", query).await?;
        let objects = pages.iter().flat_map(|page| &page.objects);
        Ok(objects.map(|object| serde_json::from_slice(object)).collect::<Result<_, _>>()?)
    }

    /// Waits until the first page of a placement's decision holds exactly these clusters.
    async fn decides(&self, name: &str, clusters: &[&str]) -> anyhow::Result<Value> {
        let what = format!("\"{name}\" decides on {clusters:?}");
        let page = format!("{name}-decision-1");
        let found = eventually(&what, async || {
            let pages = self.get("placementdecision", &page).await.ok()?;
            let page = pages.into_iter().next()?;
            let decisions = page["status"]["decisions"].as_array()?;
            let names: Vec<_> =
                decisions.iter().filter_map(|d| d["clusterName"].as_str()).collect();
            (names == clusters).then_some(page)
        });
        found.await
    }

    /// The live state's hash equals that of a fresh fold to the same position.
    async fn replays(&self) -> anyhow::Result<()> {
        let (position, hash) = self.service.read(|h| (h.position(), h.hash()));
        let mut fresh = Hosted::<Scheduling>::default();
        let mut reading = self.registration.log.read(&subject::events(), Position::START).await?;
        while fresh.position() < position {
            let entry = futures_next(&mut reading).await?;
            fresh.apply(&entry.into_commit()?)?;
        }
        assert_eq!(fresh.hash(), hash);
        let rows = fresh.machine().rows();
        let again = Scheduling::restore(&rows).map_err(anyhow::Error::msg)?;
        assert_eq!(again.rows(), rows);
        Ok(())
    }
}

async fn futures_next(
    reading: &mut fleetlog_bus::LogReading,
) -> anyhow::Result<fleetlog_bus::Entry> {
    use futures::StreamExt as _;
    Ok(reading.entries.next().await.context("the reading ended")??)
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.running.abort();
        self.tasks.abort();
    }
}

async fn run(broker: SharedBroker) -> anyhow::Result<(Arc<Context<Scheduling>>, Tasks)> {
    let tasks = Tasks::default();
    let ground = Ground {
        bus: Bus::new(broker, &tasks),
        clock: Clock::System,
        ids: Arc::new(Ids::Random),
        tasks: tasks.clone(),
        bounds: Bounds::default(),
    };
    Ok((start(ground, Settings::default()).await?, tasks))
}

/// Runs a case on both adapters.
async fn on_both(case: impl AsyncFn(Stage) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let streams = fleetlog_topology::streams::streams();
    let queues = fleetlog_topology::streams::queues();
    let now = Clock::System.now();
    let memory: SharedBroker = Memory::starting_at(streams, queues, now);
    let stage = Stage::on(memory.clone(), memory.clone(), memory).await?;
    case(stage).await.context("in memory")?;
    let hub = TestHub::start().await?;
    let (placement, registration) =
        (hub.service(Service::Placement).await?, hub.service(Service::Registration).await?);
    let stage = Stage::on(placement, registration, hub.user("ann").await?).await?;
    case(stage).await.context("on a server")
}

fn number(number: i32) -> PlacementSpec {
    PlacementSpec { number_of_clusters: Some(number), ..PlacementSpec::default() }
}

fn selecting(label: (&str, &str)) -> PlacementSpec {
    let labels: BTreeMap<_, _> = [(label.0.to_owned(), label.1.to_owned())].into();
    let mut selector = ClusterSelector::default();
    selector.label_selector.get_or_insert_default().match_labels = labels;
    let predicate = ClusterPredicate { required_cluster_selector: Some(selector) };
    PlacementSpec { predicates: vec![predicate], ..number(2) }
}

fn refused(outcome: Outcome) -> String {
    match outcome.result {
        Some(outcome::Result::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_placement_is_decided_and_follows_the_fleet() -> anyhow::Result<()> {
    on_both(async |stage| {
        stage.set("s").await?;
        stage.bind("ns", "s").await?;
        for (name, tier) in [("c1", "web"), ("c2", "web"), ("c3", "db"), ("c4", "web")] {
            stage.cluster(name, &[("tier", tier)]).await?;
        }
        let outcome = stage.apply("p", selecting(("tier", "web"))).await?;
        assert!(matches!(outcome.result, Some(outcome::Result::Accomplished(_))), "{outcome:?}");
        let page = stage.decides("p", &["c1", "c2"]).await?;
        assert_eq!(page["kind"], "PlacementDecision");
        let label = &page["metadata"]["labels"]["cluster.open-cluster-management.io/placement"];
        assert_eq!(label, "p");
        assert_eq!(page["status"]["decisions"][0], json!({"clusterName": "c1", "reason": ""}));
        let placement = &stage.get("placement", "p").await?[0];
        assert_eq!(placement["status"]["numberOfSelectedClusters"], 2);
        assert_eq!(placement["spec"]["sortBy"], "ClusterName");
        assert_eq!(placement["status"]["conditions"][0]["reason"], "AllDecisionsScheduled");
        let gone = cluster_event::Event::Deleted(ClusterDeleted::default());
        stage.cluster_events("c1", vec![gone]).await?;
        stage.decides("p", &["c2", "c4"]).await?;
        stage.replays().await
    })
    .await
}

/// One cluster, the best by an add-on's score.
fn best() -> PlacementSpec {
    let add_on =
        AddOnScore { resource_name: Some("demo".to_owned()), score_name: Some("cpu".to_owned()) };
    let coordinate = ScoreCoordinate {
        r#type: Some("AddOn".to_owned()),
        add_on: Some(add_on),
        ..ScoreCoordinate::default()
    };
    let config = PrioritizerConfig { score_coordinate: Some(coordinate), weight: Some(1) };
    let policy = PrioritizerPolicy { configurations: vec![config], ..PrioritizerPolicy::default() };
    PlacementSpec { prioritizer_policy: Some(policy), ..number(1) }
}

#[tokio::test]
async fn scores_of_add_ons_move_a_decision_and_a_rebalance_lets_go_of_it() -> anyhow::Result<()> {
    on_both(async |stage| {
        stage.set("s").await?;
        stage.bind("ns", "s").await?;
        for name in ["c1", "c2"] {
            stage.cluster(name, &[]).await?;
        }
        stage.score("c2", 10).await?;
        stage.apply("p", best()).await?;
        stage.decides("p", &["c2"]).await?;
        assert_eq!(refused(stage.score("c1", 101).await?), "OBJ0008");
        stage.score("c1", 20).await?;
        stage.apply("q", best()).await?;
        stage.decides("q", &["c1"]).await?;
        stage.decides("p", &["c2"]).await?;
        stage.score("c1", 90).await?;
        stage.command("p", Command::Rebalance(Rebalance {})).await?;
        stage.apply("last", number(0)).await?;
        stage.decides("last", &[]).await?;
        stage.decides("p", &["c2"]).await?;
        stage.command("q", Command::Delete(DeletePlacement {})).await?;
        stage.command("p", Command::Rebalance(Rebalance {})).await?;
        stage.decides("p", &["c1"]).await?;
        let query = Query { kind: "score".to_owned(), ..Query::default() };
        let pages = stage.client.ask(Service::Placement, "get", query).await?;
        assert_eq!(pages.iter().flat_map(|page| &page.objects).count(), 2);
        let nobody = stage.command("none", Command::Rebalance(Rebalance {})).await?;
        assert_eq!(refused(nobody), "PLC0002");
        stage.replays().await
    })
    .await
}

#[tokio::test]
async fn a_toleration_ends_by_its_timer_also_after_a_restart() -> anyhow::Result<()> {
    on_both(async |mut stage| {
        stage.set("s").await?;
        stage.bind("ns", "s").await?;
        let toleration = Toleration {
            operator: Some("Exists".to_owned()),
            toleration_seconds: Some(2),
            ..Toleration::default()
        };
        let tolerant = PlacementSpec { tolerations: vec![toleration], ..PlacementSpec::default() };
        for name in ["c1", "c2"] {
            stage.cluster(name, &[]).await?;
        }
        stage.apply("p", tolerant).await?;
        stage.decides("p", &["c1", "c2"]).await?;
        let taint = |name: &str| Taint {
            key: Some(name.to_owned()),
            effect: Some("NoSelect".to_owned()),
            time_added: Some(fleetlog_rules::time(Clock::System.now())),
            ..Taint::default()
        };
        let tainted = |name: &str| {
            vec![cluster_event::Event::TaintAdded(TaintAdded { taint: Some(taint(name)) })]
        };
        stage.cluster_events("c1", tainted("gone")).await?;
        stage.decides("p", &["c2"]).await?;
        stage.cluster_events("c2", tainted("gone")).await?;
        stage.restart().await?;
        stage.decides("p", &[]).await?;
        stage.replays().await
    })
    .await
}

#[tokio::test]
async fn a_restarted_service_continues_where_it_was() -> anyhow::Result<()> {
    on_both(async |mut stage| {
        stage.set("s").await?;
        stage.bind("ns", "s").await?;
        stage.cluster("c1", &[]).await?;
        stage.apply("p", number(3)).await?;
        stage.decides("p", &["c1"]).await?;
        let hash = stage.service.read(|h| h.hash());
        stage.restart().await?;
        stage.service.live().await;
        assert_eq!(stage.service.read(|h| h.hash()), hash);
        stage.running.abort();
        stage.cluster("c2", &[]).await?;
        stage.restart().await?;
        stage.decides("p", &["c1", "c2"]).await?;
        stage.replays().await
    })
    .await
}

#[tokio::test]
async fn a_burst_of_clusters_is_one_revision() -> anyhow::Result<()> {
    on_both(async |mut stage| {
        stage.set("s").await?;
        stage.bind("ns", "s").await?;
        stage.apply("p", PlacementSpec::default()).await?;
        stage.decides("p", &[]).await?;
        stage.running.abort();
        for n in 0..150 {
            stage.cluster(&format!("c{n:03}"), &[]).await?;
        }
        stage.restart().await?;
        let selected = eventually("all clusters are chosen", async || {
            let placement = stage.get("placement", "p").await.ok()?.into_iter().next()?;
            (placement["status"]["numberOfSelectedClusters"] == 150).then_some(placement)
        });
        let placement = selected.await?;
        let pages = &placement["status"]["decisionGroups"][0]["decisions"];
        assert_eq!(pages, &json!(["p-decision-1", "p-decision-2"]));
        let key = fleetlog_placement_domain::PlacementKey::new("ns", "p");
        let placed = |h: &Hosted<Scheduling>| h.machine().world().placement(&key).cloned();
        let revision = stage.service.read(placed).map(|placement| placement.0.revision);
        assert_eq!(revision, Some(2));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_refused_has_its_code_and_stops_nothing() -> anyhow::Result<()> {
    on_both(async |stage| {
        let refusal = stage.command("p", Command::Delete(DeletePlacement {})).await?;
        assert_eq!(refused(refusal), "PLC0002");
        let refusal = stage.command("p", Command::Schedule(Schedule {})).await?;
        assert_eq!(refused(refusal), "PLC0010");
        let other = AggregateId::namespaced(Service::Placement, "page", "ns", "p");
        let delete = PlacementCommand { command: Some(Command::Delete(DeletePlacement {})) };
        let outcome = stage.client.command(&other, delete.encode_to_vec().into()).await?;
        assert_eq!(refused(outcome), "PLC0007");
        let placement = placement_id("ns", "p");
        for bad in [&b"\xff\xff"[..], b""] {
            let outcome = stage.client.command(&placement, bad.into()).await?;
            assert_eq!(refused(outcome), "CHS0001");
        }
        let placement = Some(Placement { spec: Some(number(1)), ..Placement::default() });
        let apply =
            ApplyPlacement { placement, resource_version: "x".to_owned(), ..Default::default() };
        assert_eq!(refused(stage.command("p", Command::Apply(apply)).await?), "PLC0009");
        assert_eq!(refused(stage.apply("p", number(-1)).await?), "OBJ0008");
        stage.apply("p", number(1)).await?;
        stage.decides("p", &[]).await?;
        let asked = stage.get("nothing", "").await.unwrap_err().to_string();
        assert!(asked.starts_with("PLC0007"), "{asked}");
        Ok(())
    })
    .await
}
