//! The stage of these tests: a broker that can be cut off, registration on it, a user, agents.

use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{
    AgentLink, Broker, Client, ClientError, Fault, Memory, Message, Publish, PublishError, Queue,
    Reading, SharedBroker, Stored, StoredMessage,
};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Ids, Tasks};
use fleetlog_kernel::{Actor, ClusterName, HubId, Service, Timestamp};
use fleetlog_messages::common::{
    Beat, BeatAnswer, Credential, DeadLetter, JoinAnswer, JoinRequest, Outcome, Query, Refusal,
    join_answer::Answer, outcome,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::registration::{
    AcceptCluster, ApplyCluster, ClusterCommand, ManagedCluster, ManagedClusterSpec,
    cluster_command::Command,
};
use fleetlog_messages::subject::{AggregateId, Subject};
use fleetlog_registration::{Registration, Settings, cluster_id, signed_content, start};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use nkeys::KeyPair;
use prost::Message as _;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

pub const START: Timestamp = Timestamp::of_seconds(1_800_000_000);

/// Registration and everything around it.
pub struct Stage {
    pub memory: Arc<Memory>,
    pub line: Arc<Line>,
    pub client: Client,
    pub settings: Settings,
    pub clock: Clock,
    pub service: Arc<Context<Registration>>,
}

impl Stage {
    pub async fn new() -> Self {
        let memory = Memory::new(fleetlog_topology::streams(), fleetlog_topology::queues());
        let (cut, lost) = (AtomicBool::new(false), Notify::new());
        let line = Arc::new(Line { memory: memory.clone(), cut, lost });
        let settings = settings(KeyPair::new_account(), "AAGENTS");
        let clock = Clock::tokio(START);
        let service = run(line.clone(), &settings, &clock).await;
        let ids = Ids::seeded(7);
        let client = Client::new(memory.clone(), Actor::new("ann"), move || ids.command());
        let stage = Self { memory, line, client, settings, clock, service };
        stage.settled().await;
        stage
    }

    /// Ends the service as if its process were killed; nobody runs then.
    pub async fn kill(&self) {
        self.service.ground.tasks.abort();
        let _ = self.service.ground.tasks.join().await;
    }

    /// Starts it again on what the bus holds.
    pub async fn start(&mut self) {
        self.service = run(self.line.clone(), &self.settings, &self.clock).await;
        self.settled().await;
    }

    /// Waits until the built-in sets are there and every set is counted.
    pub async fn settled(&self) {
        fleetlog_test_support::eventually("the sets are counted", async || {
            self.service.read(|hosted| {
                let fleet = hosted.machine().fleet();
                let there = ["default", "global"].iter().all(|s| fleet.sets().contains_key(*s));
                (there && fleet.miscounted().count() == 0).then_some(())
            })
        })
        .await
        .unwrap();
    }

    pub fn agent(&self, cluster: &str) -> Agent {
        Agent::on(self.memory.clone(), cluster)
    }

    /// The command's commit.
    pub async fn ask(&self, to: &AggregateId, command: impl prost::Message) -> u64 {
        match self.try_ask(to, command).await {
            Ok(position) => position,
            Err(refusal) => panic!("{to} is refused: {refusal:?}"),
        }
    }

    /// The command's commit, or why it has none.
    pub async fn try_ask(
        &self,
        to: &AggregateId,
        command: impl prost::Message,
    ) -> Result<u64, Refusal> {
        ask(&self.client, to, command).await
    }

    pub async fn on_cluster(&self, name: &str, command: Command) -> u64 {
        self.ask(&cluster_id(name), ClusterCommand { command: Some(command) }).await
    }

    pub async fn accept(&self, name: &str) -> u64 {
        self.on_cluster(name, Command::Accept(AcceptCluster {})).await
    }

    /// Makes an accepted cluster, or changes how often its agent beats.
    pub async fn beats_every(&self, name: &str, seconds: i32) -> u64 {
        self.on_cluster(name, Command::Apply(every(seconds))).await
    }

    pub async fn get(&self, query: Query) -> Vec<Value> {
        get(&self.client, query).await.unwrap()
    }

    /// A cluster as it is served.
    pub async fn cluster(&self, name: &str) -> Value {
        one(&self.client, "cluster", name).await
    }

    pub async fn set(&self, name: &str) -> Value {
        one(&self.client, "clusterset", name).await
    }

    /// Waits until a condition of a cluster has a status.
    pub async fn until(&self, name: &str, kind: &str, status: &str) {
        until(&self.client, name, kind, status).await;
    }

    /// Lets time pass, a second at a time, as everything else goes on.
    pub async fn passes(&self, seconds: u64) {
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The types of all events about one subject, in order.
    pub async fn story(&self, to: &AggregateId) -> Vec<String> {
        let commits = self.stored("EVENTS", to.event()).await;
        let types = commits.iter().filter_map(|m| m.headers.get(header::TYPES));
        types.flat_map(|types| types.split(',')).map(ToOwned::to_owned).collect()
    }

    pub async fn stored(&self, stream: &str, filter: Subject) -> Vec<StoredMessage> {
        let reading = self.memory.read(stream, &filter, 0).await.unwrap();
        let held = usize::try_from(reading.pending).unwrap();
        reading.messages.take(held).map(Result::unwrap).collect().await
    }

    /// Subjects and reasons in DLQ.
    pub async fn buried(&self) -> Vec<(String, String)> {
        let letters = self.stored("DLQ", Subject::raw("fl.dlq.>")).await;
        let letters = letters.into_iter().map(|m| DeadLetter::decode(m.payload).unwrap());
        letters.map(|letter| (letter.subject, letter.reason)).collect()
    }
}

pub fn settings(role: KeyPair, account: &str) -> Settings {
    let work = KeyPair::new_user().public_key();
    Settings::new(HubId::new("hub-1"), account, role, work)
}

pub async fn run(
    broker: SharedBroker,
    settings: &Settings,
    clock: &Clock,
) -> Arc<Context<Registration>> {
    let tasks = Tasks::default();
    let ground = Ground {
        bus: Bus::new(broker, &tasks),
        clock: clock.clone(),
        ids: Arc::new(Ids::seeded(1)),
        tasks,
        bounds: Bounds::default(),
    };
    start(ground, settings.clone()).await.unwrap()
}

/// An accepted cluster whose agent beats every so many seconds.
pub fn every(seconds: i32) -> ApplyCluster {
    let spec = ManagedClusterSpec {
        hub_accepts_client: Some(true),
        lease_duration_seconds: Some(seconds),
        ..ManagedClusterSpec::default()
    };
    let cluster = ManagedCluster { spec: Some(spec), ..ManagedCluster::default() };
    ApplyCluster { cluster: Some(cluster), ..ApplyCluster::default() }
}

pub async fn ask(
    client: &Client,
    to: &AggregateId,
    command: impl prost::Message,
) -> Result<u64, Refusal> {
    let Outcome { result, .. } = client.command(to, command.encode_to_vec().into()).await.unwrap();
    match result.unwrap() {
        outcome::Result::Accomplished(done) => Ok(done.position),
        outcome::Result::Refused(refusal) => Err(refusal),
    }
}

pub async fn get(client: &Client, query: Query) -> Result<Vec<Value>, ClientError> {
    let pages = client.ask(Service::Registration, "get", query).await?;
    let objects = pages.iter().flat_map(|page| &page.objects);
    Ok(objects.map(|object| serde_json::from_slice(object).unwrap()).collect())
}

pub async fn one(client: &Client, kind: &str, name: &str) -> Value {
    let query = Query { kind: kind.into(), name: name.into(), ..Query::default() };
    get(client, query).await.unwrap().pop().unwrap_or_default()
}

/// Waits until a condition of a cluster has a status.
pub async fn until(client: &Client, name: &str, kind: &str, status: &str) {
    let what = format!("{kind} of {name} is {status}");
    fleetlog_test_support::eventually(&what, async || {
        (condition(&one(client, "cluster", name).await, kind) == status).then_some(())
    })
    .await
    .unwrap();
}

/// The status of a condition; empty when it is not there.
pub fn condition(object: &Value, kind: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == kind);
    found.and_then(|c| c["status"].as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// The keys of a cluster's taints.
pub fn taints(cluster: &Value) -> Vec<String> {
    let taints = cluster["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints.iter().map(|taint| taint["key"].as_str().unwrap_or_default().to_owned()).collect()
}

/// An agent as it speaks, without what it does in its cluster.
pub struct Agent {
    pub key: KeyPair,
    pub link: AgentLink,
    pub cluster: ClusterName,
}

impl Agent {
    pub fn on(broker: SharedBroker, cluster: &str) -> Self {
        let cluster = ClusterName::parse(cluster).unwrap();
        let link = AgentLink::new(broker, cluster.clone());
        Self { key: KeyPair::new_user(), link, cluster }
    }

    pub fn wish(&self) -> JoinRequest {
        let (cluster, public_key) = (self.cluster.to_string(), self.key.public_key());
        let signature = self.key.sign(&signed_content(&cluster, &public_key)).unwrap();
        JoinRequest { cluster, public_key, signature, ..JoinRequest::default() }
    }

    pub async fn join(&self) -> Answer {
        self.join_with(self.wish()).await
    }

    pub async fn join_with(&self, wish: JoinRequest) -> Answer {
        let JoinAnswer { answer } = self.link.join("UTOKEN", &wish).await.unwrap();
        answer.unwrap()
    }

    /// Asks until there is a credential.
    pub async fn joined(&self) -> Credential {
        fleetlog_test_support::eventually("a credential", async || match self.join().await {
            Answer::Credential(credential) => Some(credential),
            Answer::Pending(_) => None,
            Answer::Refused(refusal) => panic!("{refusal:?}"),
        })
        .await
        .unwrap()
    }

    pub async fn beat(&self) -> BeatAnswer {
        self.link.beat(&Beat::default()).await.unwrap()
    }
}

/// The way to the broker, which can be cut: nothing gets there then, what comes back still does.
pub struct Line {
    memory: Arc<Memory>,
    cut: AtomicBool,
    lost: Notify,
}

impl Line {
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
        if cut {
            self.lost.notify_waiters();
        }
    }

    fn check(&self) -> Result<(), Fault> {
        if self.cut.load(Ordering::Relaxed) {
            return Err(Fault::passing("reach the server", "the line is cut"));
        }
        Ok(())
    }

    fn check_publish(&self) -> Result<(), PublishError> {
        self.check().map_err(|fault| PublishError::Unknown(fault.to_string()))
    }
}

#[async_trait]
impl Broker for Line {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        self.check_publish()?;
        self.memory.publish(message).await
    }

    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError> {
        self.check_publish()?;
        self.memory.publish_atomic(messages).await
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        self.check()?;
        self.memory.last(stream, subject).await
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        self.check()?;
        self.memory.get(stream, sequence).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        self.check()?;
        self.memory.last_of_each(stream, filter).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        self.check()?;
        self.memory.read(stream, filter, from).await
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        self.check()?;
        self.memory.queue(stream, durable).await
    }

    async fn in_hand(&self, stream: &str, durable: &str) -> Result<(u64, u64), Fault> {
        self.check()?;
        self.memory.in_hand(stream, durable).await
    }

    async fn lost(&self) {
        self.lost.notified().await;
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        self.check()?;
        self.memory.send(message).await
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        self.check()?;
        self.memory.request(subject, payload, within).await
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        self.check()?;
        self.memory.request_many(subject, payload, within).await
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        self.check()?;
        self.memory.subscribe(filter, group).await
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        self.check()?;
        self.memory.put_object(bucket, name, content).await
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        self.check()?;
        self.memory.get_object(bucket, name).await
    }
}
