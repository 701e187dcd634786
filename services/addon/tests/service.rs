//! The service on a broker, in memory and on a real nats-server with a user of its own: placements
//! decide, works are told and report back, add-ons become available and leave after their works.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "service/parts.rs"]
mod parts;

use bytes::Bytes;
use fleetlog_addon::{AddOns, Settings};
use fleetlog_addon_domain::AddOnKey;
use fleetlog_addon_domain::names::{HASHES, definition_id};
use fleetlog_bus::{Append, Client, EventLog, Memory, NewCommit, SharedBroker};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Ids, Tasks};
use fleetlog_kernel::{Actor, CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::addon::{
    AddOnTemplate, ApplyDefinition, ApplyTemplate, ClusterManagementAddOn, DefinitionCommand,
    DeleteDefinition, TemplateCommand, definition_command, template_command,
};
use fleetlog_messages::common::{Condition, Outcome, Query, Refusal, outcome};
use fleetlog_messages::envelope::CommitHeader;
use fleetlog_messages::placement::{
    DecidedCluster, PlacementDecided, PlacementEvent, placement_event,
};
use fleetlog_messages::registration::{ClusterEvent, ClusterSpecified, cluster_event};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{
    DeliverWork, FeedbackValue, FieldValue, ManifestCondition, ManifestResourceMeta,
    ManifestResourceStatus, ManifestWorkStatus, StatusFeedbackResult, WithdrawWork, WorkCommand,
    WorkDeleted, WorkEvent, WorkSpecified, WorkStatusReported, work_command, work_event,
};
use fleetlog_test_support::{TestHub, eventually};
use prost::Message;
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::of_seconds(1_700_000_000);
const GROUP: &str = "addon.open-cluster-management.io";

/// The add-on service, and everyone whom it hears or tells.
struct Stage {
    _hub: Option<TestHub>,
    service: Arc<Context<AddOns>>,
    tasks: Tasks,
    user: Client,
    others: [EventLog; 3],
    reader: SharedBroker,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Stage {
    async fn in_memory() -> Self {
        let memory: SharedBroker = Memory::starting_at(
            fleetlog_topology::streams(),
            fleetlog_topology::queues(),
            Clock::System.now(),
        );
        let all = std::array::from_fn(|_| memory.clone());
        Self::on(None, all, memory.clone(), memory).await
    }

    async fn on_a_server() -> Self {
        let hub = TestHub::start().await.unwrap();
        let of = async |service| hub.service(service).await.unwrap();
        let all = [
            of(Service::Registration).await,
            of(Service::Placement).await,
            of(Service::Work).await,
            of(Service::Addon).await,
        ];
        let (user, reader) = (hub.user("alice").await.unwrap(), hub.operator().await.unwrap());
        Self::on(Some(hub), all, user, reader).await
    }

    async fn on(
        hub: Option<TestHub>,
        [registration, placement, work, addon]: [SharedBroker; 4],
        user: SharedBroker,
        reader: SharedBroker,
    ) -> Self {
        let tasks = Tasks::default();
        let ground = Ground {
            bus: Bus::new(addon, &tasks),
            clock: Clock::System,
            ids: Arc::new(Ids::Random),
            tasks: tasks.clone(),
            bounds: Bounds::default(),
        };
        let service = fleetlog_addon::start(ground, Settings::default()).await.unwrap();
        service.live().await;
        let others = [registration, placement, work].map(|broker| log(broker, &tasks));
        let ids = Ids::Random;
        let user = Client::new(user, Actor::new("alice"), move || ids.command());
        Self { _hub: hub, service, tasks, user, others, reader }
    }

    /// A commit of another service; waits until it is heard.
    async fn other(&self, to: AggregateId, schema: &str, kind: &str, event: Vec<u8>) {
        let log = &self.others[to.service as usize];
        let last = log.last(&to).await.unwrap();
        let expected = last.as_ref().map_or(Position::START, |last| last.position);
        let version = last.map_or(1, |last| last.header.version + 1);
        let header = header_of(&to, version, schema, kind);
        let commit = NewCommit { aggregate: to, expected, header, events: vec![event.into()] };
        match log.append(commit).await {
            Ok(Append::Appended(position)) => self.service.reached(position).await,
            other => panic!("{other:?}"),
        }
    }

    async fn joins(&self, cluster: &str) {
        let (to, event) = joined(cluster);
        self.other(to, "ClusterEvent", "ClusterSpecified", event).await;
    }

    async fn decides(&self, revision: u64, added: &[&str], removed: &[&str]) {
        let (to, event) = decided(revision, added, removed);
        self.other(to, "PlacementEvent", "PlacementDecided", event).await;
    }

    async fn works(&self, kind: &str, event: work_event::Event) {
        self.works_on("c1", kind, event).await;
    }

    async fn works_on(&self, cluster: &str, kind: &str, event: work_event::Event) {
        let event = WorkEvent { event: Some(event) }.encode_to_vec();
        self.other(on(cluster).work(), "WorkEvent", kind, event).await;
    }

    async fn command(&self, to: &AggregateId, payload: Vec<u8>) -> Result<u64, Refusal> {
        match self.user.command(to, Bytes::from(payload)).await.unwrap() {
            Outcome { result: Some(outcome::Result::Accomplished(done)), .. } => Ok(done.position),
            Outcome { result: Some(outcome::Result::Refused(refusal)), .. } => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    async fn get(&self, kind: &str) -> Vec<Value> {
        let query = Query { kind: kind.into(), ..Query::default() };
        let pages = self.user.ask(Service::Addon, "get", query).await.unwrap();
        let objects = pages.iter().flat_map(|page| &page.objects);
        objects.map(|object| serde_json::from_slice(object).unwrap()).collect()
    }

    /// The add-on once its condition says so.
    async fn says(&self, kind: &str, status: &str, reason: &str) -> Value {
        let said = |add_on: &Value| {
            let conditions = add_on.pointer("/status/conditions").and_then(Value::as_array);
            conditions.is_some_and(|all| {
                all.iter()
                    .any(|c| c["type"] == kind && c["status"] == status && c["reason"] == reason)
            })
        };
        eventually(&format!("{kind} is {status}: {reason}"), async || {
            self.get("clusteraddon").await.into_iter().find(&said)
        })
        .await
        .unwrap()
    }

    /// What work was told last of the add-on's work.
    async fn told(&self) -> Option<work_command::Command> {
        self.told_of("c1").await
    }

    async fn told_of(&self, cluster: &str) -> Option<work_command::Command> {
        let subject = on(cluster).work().told_by(Service::Addon);
        let last = self.reader.last("DO", &subject).await.unwrap()?;
        WorkCommand::decode(last.payload).unwrap().command
    }

    async fn is_told<T>(&self, what: &str, of: impl Fn(work_command::Command) -> Option<T>) -> T {
        eventually(what, async || self.told().await.and_then(&of)).await.unwrap()
    }
}

fn joined(cluster: &str) -> (AggregateId, Vec<u8>) {
    let event = Some(cluster_event::Event::Specified(ClusterSpecified::default()));
    let to = AggregateId::global(Service::Registration, "cluster", cluster);
    (to, ClusterEvent { event }.encode_to_vec())
}

/// The placement `ops/edge` decides.
fn decided(revision: u64, added: &[&str], removed: &[&str]) -> (AggregateId, Vec<u8>) {
    let chosen = |name: &&str| DecidedCluster { cluster: (*name).into(), ..Default::default() };
    let event = Some(placement_event::Event::Decided(PlacementDecided {
        revision,
        added: added.iter().map(chosen).collect(),
        removed: removed.iter().map(|name| (*name).to_owned()).collect(),
        ..PlacementDecided::default()
    }));
    let to = AggregateId::namespaced(Service::Placement, "placement", "ops", "edge");
    (to, PlacementEvent { event }.encode_to_vec())
}

/// The header of a commit of another service.
fn header_of(of: &AggregateId, version: u64, schema: &str, kind: &str) -> CommitHeader {
    let id = format!("{of}-{version}");
    CommitHeader {
        id: MessageId::new(&id),
        types: vec![kind.to_owned()],
        schema: format!("fleetlog.{}.v1.{schema}", of.service),
        version,
        cause: Position::START,
        cause_index: 0,
        command: CommandId::new(&id),
        correlation: id,
        actor: "admin".to_owned(),
        time: NOW,
        service: of.service,
    }
}

fn log(broker: SharedBroker, tasks: &Tasks) -> EventLog {
    let (log, commit) = EventLog::new(broker);
    tasks.spawn("group-commit", async move {
        commit.run().await;
        Ok(())
    });
    log
}

fn on(cluster: &str) -> AddOnKey {
    AddOnKey::new(cluster, "metrics")
}

fn apply_template() -> Vec<u8> {
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "agent", "namespace": "metrics"},
        "spec": {"template": {"spec": {"containers": [{"name": "agent", "image": "m:1"}]}}},
    });
    let template: AddOnTemplate = serde_json::from_value(json!({
        "metadata": {"name": "metrics-1"},
        "spec": {"addonName": "metrics", "agentSpec": {"workload": {"manifests": [deployment]}}},
    }))
    .unwrap();
    let apply = ApplyTemplate { template: Some(template), ..ApplyTemplate::default() };
    TemplateCommand { command: Some(template_command::Command::Apply(apply)) }.encode_to_vec()
}

fn apply_definition() -> Vec<u8> {
    define(&json!({"type": "All"}))
}

fn define(rollout: &Value) -> Vec<u8> {
    let definition: ClusterManagementAddOn = serde_json::from_value(json!({
        "metadata": {"name": "metrics"},
        "spec": {
            "supportedConfigs": [{
                "group": GROUP, "resource": "addontemplates",
                "defaultConfig": {"name": "metrics-1"},
            }],
            "installStrategy": {
                "type": "Placements",
                "placements": [{"namespace": "ops", "name": "edge", "rolloutStrategy": rollout}],
            },
        },
    }))
    .unwrap();
    let apply = ApplyDefinition { definition: Some(definition), ..ApplyDefinition::default() };
    let command = Some(definition_command::Command::Apply(apply));
    DefinitionCommand { command }.encode_to_vec()
}

fn delivered(command: work_command::Command) -> Option<DeliverWork> {
    match command {
        work_command::Command::Deliver(deliver) => Some(deliver),
        _ => None,
    }
}

fn withdrawn(command: work_command::Command) -> Option<WithdrawWork> {
    match command {
        work_command::Command::Withdraw(withdraw) => Some(withdraw),
        _ => None,
    }
}

/// What work makes of what it was told.
fn specified(told: &DeliverWork) -> work_event::Event {
    let mut work = told.work.clone();
    work.as_mut().unwrap().metadata.as_mut().unwrap().generation = Some(1);
    let add_on = told.add_on.clone();
    work_event::Event::Specified(WorkSpecified { work, add_on, ..WorkSpecified::default() })
}

/// Everything is applied; so many replicas of the agent are ready.
fn reported(ready: i64) -> work_event::Event {
    let holds = |kind: &str| Condition {
        r#type: Some(kind.into()),
        status: Some("True".into()),
        observed_generation: Some(1),
        ..Condition::default()
    };
    let value = |name: &str, integer| FeedbackValue {
        name: Some(name.into()),
        field_value: Some(FieldValue { integer: Some(integer), ..FieldValue::default() }),
    };
    let values = vec![value("Replicas", 1), value("ReadyReplicas", ready)];
    let manifest = ManifestCondition {
        resource_meta: Some(ManifestResourceMeta {
            kind: Some("Deployment".into()),
            name: Some("agent".into()),
            namespace: Some("metrics".into()),
            ..ManifestResourceMeta::default()
        }),
        status_feedback: Some(StatusFeedbackResult { values }),
        ..ManifestCondition::default()
    };
    let status = ManifestWorkStatus {
        conditions: vec![holds("Applied"), holds("Available")],
        resource_status: Some(ManifestResourceStatus { manifests: vec![manifest] }),
    };
    work_event::Event::StatusReported(WorkStatusReported {
        generation: 1,
        status: Some(status),
        at: None,
    })
}

/// From a decision to an available add-on, and away again with its work.
async fn an_add_on_lives(stage: &Stage) {
    stage.joins("c1").await;
    let template = AggregateId::global(Service::Addon, "template", "metrics-1");
    stage.command(&template, apply_template()).await.unwrap();
    stage.command(&definition_id("metrics"), apply_definition()).await.unwrap();
    stage.decides(1, &["c1", "c9"], &[]).await;
    let told = stage.is_told("the work is ordered", delivered).await;
    assert_eq!(told.add_on, "c1/metrics");
    let manifests: Value = serde_json::from_slice(&told.manifests).unwrap();
    let env = manifests.pointer("/0/spec/template/spec/containers/0/env/0").unwrap();
    assert_eq!(*env, json!({"name": "CLUSTER_NAME", "value": "c1"}));
    let annotations = told.work.clone().unwrap().metadata.unwrap().annotations;
    assert!(annotations[HASHES].contains("metrics-1"));

    stage.says("Available", "Unknown", "WorkNotFound").await;
    stage.works("WorkSpecified", specified(&told)).await;
    stage.says("Available", "Unknown", "WorkNotApplied").await;
    stage.works("WorkStatusReported", reported(0)).await;
    stage.says("Available", "False", "ProbeUnavailable").await;
    stage.works("WorkStatusReported", reported(1)).await;
    let add_on = stage.says("Available", "True", "ProbeAvailable").await;
    assert_eq!(add_on["metadata"]["ownerReferences"][0]["name"], "metrics");
    let config = &add_on["status"]["configReferences"][0];
    assert_eq!(config["desiredConfig"], config["lastAppliedConfig"]);
    let summed = eventually("the definition is summed up", async || {
        let definitions = stage.get("definition").await;
        let said = definitions[0].pointer("/status/installProgressions/0/conditions/0/reason");
        (said? == "Completed").then_some(())
    });
    summed.await.unwrap();

    stage.decides(2, &[], &["c1"]).await;
    let told = stage.is_told("the work is withdrawn", withdrawn).await;
    assert_eq!(told.add_on, "c1/metrics");
    let add_ons = stage.get("clusteraddon").await;
    assert!(add_ons[0]["metadata"]["deletionTimestamp"].is_string());
    stage.works("WorkDeleted", work_event::Event::Deleted(WorkDeleted {})).await;
    let gone = eventually("the add-on is gone", async || {
        stage.get("clusteraddon").await.is_empty().then_some(())
    });
    gone.await.unwrap();
    let delete = definition_command::Command::Delete(DeleteDefinition {});
    let delete = DefinitionCommand { command: Some(delete) }.encode_to_vec();
    stage.command(&definition_id("metrics"), delete.clone()).await.unwrap();
    let refusal = stage.command(&definition_id("metrics"), delete).await.unwrap_err();
    assert_eq!(refusal.code, "ADD0006");
}

#[tokio::test]
async fn an_add_on_lives_and_leaves_in_memory() {
    an_add_on_lives(&Stage::in_memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_add_on_lives_and_leaves_on_a_real_server() {
    an_add_on_lives(&Stage::on_a_server().await).await;
}

/// A changed template reaches one cluster at a time, the next after the success of the one before
/// has lasted a second: the timer tells.
async fn clusters_take_turns(stage: &Stage) {
    stage.joins("c1").await;
    stage.joins("c2").await;
    stage.decides(1, &["c1", "c2"], &[]).await;
    let template = AggregateId::global(Service::Addon, "template", "metrics-1");
    stage.command(&template, apply_template()).await.unwrap();
    let one = json!({"maxConcurrency": 1, "minSuccessTime": "1s"});
    let define = define(&json!({"type": "Progressive", "progressive": one}));
    stage.command(&definition_id("metrics"), define).await.unwrap();
    let told = stage.is_told("the first work is ordered", delivered).await;
    let waits = eventually("the second add-on waits", async || {
        let add_ons = stage.get("clusteraddon").await;
        let conditions = add_ons.get(1)?.pointer("/status/conditions")?.as_array()?.clone();
        conditions.into_iter().find(|c| c["reason"] == "WaitingForCanary").map(drop)
    });
    waits.await.unwrap();
    assert_eq!(stage.told_of("c2").await, None);
    stage.works("WorkSpecified", specified(&told)).await;
    stage.works("WorkStatusReported", reported(1)).await;
    let second = eventually("the second work is ordered", async || stage.told_of("c2").await);
    let told = delivered(second.await.unwrap()).unwrap();
    stage.works_on("c2", "WorkSpecified", specified(&told)).await;
    stage.works_on("c2", "WorkStatusReported", reported(1)).await;
    let done = eventually("the rollout is complete", async || {
        let definitions = stage.get("definition").await;
        let said = definitions[0].pointer("/status/installProgressions/0/conditions/0").cloned()?;
        (said["reason"] == "Completed").then_some(said)
    });
    let message = &done.await.unwrap()["message"];
    assert_eq!(message, "2/2 configured, 0 failed, 0 timeout");
}

#[tokio::test]
async fn clusters_take_turns_in_memory() {
    clusters_take_turns(&Stage::in_memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_take_turns_on_a_real_server() {
    clusters_take_turns(&Stage::on_a_server().await).await;
}
