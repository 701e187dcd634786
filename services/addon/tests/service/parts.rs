//! Add-ons on more clusters than one part takes, of a service that stops between and in the middle
//! of parts: every start goes on where the log says, and nothing is ordered twice.

use crate::{apply_template, decided, define, header_of, joined, log};
use bytes::Bytes;
use fleetlog_addon::{AddOns, Settings};
use fleetlog_addon_domain::Fleet;
use fleetlog_addon_domain::names::definition_id;
use fleetlog_addon_domain::plan::CHUNK;
use fleetlog_bus::{Append, Commands, Entry, EventLog, Memory, NewCommit, SharedBroker};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Hosted, Ids, Tasks};
use fleetlog_kernel::{Actor, CommandId, Position, Service, Timestamp};
use fleetlog_messages::addon::{
    DefinitionCommand, DefinitionEvent, DeleteDefinition, definition_command, definition_event,
};
use fleetlog_messages::envelope::{Recorded, header};
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_test_support::crash::{CrashPoint, Crashing, Fuse, PART, Story};
use prost::Message as _;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp::of_seconds(1_800_000_000);
/// A whole part and a little of another.
const CLUSTERS: usize = CHUNK + 30;
/// How long a story may take, by its own clock.
const SECONDS: usize = 600;
/// Where its lives end while it installs: in the first part, between the two, in the second.
const INSTALLING: [CrashPoint; 7] = [
    CrashPoint::BeforePlan,
    CrashPoint::AfterPlanBeforeAnswer,
    CrashPoint::InPart,
    CrashPoint::BetweenParts,
    CrashPoint::AfterNextPartBeforeAnswer,
    CrashPoint::BeforePlan,
    CrashPoint::AfterPlanBeforeAnswer,
];
/// The same while it takes all away: the first part needs no plan.
const REMOVING: [CrashPoint; 5] = [
    CrashPoint::InPart,
    CrashPoint::BetweenParts,
    CrashPoint::AfterNextPartBeforeAnswer,
    CrashPoint::BeforePlan,
    CrashPoint::AfterPlanBeforeAnswer,
];

/// The add-on service in memory, one life after the other.
struct Lives {
    memory: SharedBroker,
    clock: Clock,
    fuse: Arc<Fuse>,
    service: Arc<Context<AddOns>>,
}

impl Lives {
    /// On a log in which a placement chose more clusters than fit a part.
    async fn new() -> Self {
        let (streams, queues) = (fleetlog_topology::streams(), fleetlog_topology::queues());
        let memory: SharedBroker = Memory::starting_at(streams, queues, START);
        let tasks = Tasks::default();
        let others = log(memory.clone(), &tasks);
        let names: Vec<String> = (0..CLUSTERS).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let joins = names
            .iter()
            .map(|name| append(&others, joined(name), "ClusterEvent", "ClusterSpecified"));
        futures::future::join_all(joins).await;
        let decision = decided(1, &names, &[]);
        append(&others, decision, "PlacementEvent", "PlacementDecided").await;
        tasks.abort();
        let (clock, fuse) = (Clock::tokio(START), Arc::default());
        let service = start(&memory, &clock, &fuse).await;
        Self { memory, clock, fuse, service }
    }

    async fn again(&mut self) {
        self.service.ground.tasks.abort();
        let _ = self.service.ground.tasks.join().await;
        self.service = start(&self.memory, &self.clock, &self.fuse).await;
    }

    async fn says(&self, id: &str, to: &AggregateId, command: Vec<u8>) {
        let (alice, id) = (Actor::new("alice"), CommandId::new(id));
        let commands = Commands::new(self.memory.clone());
        commands.send(&alice, to, &id, command.into()).await.unwrap();
    }

    /// Lives on, over the deaths at the places it is armed for, until the fleet is so.
    async fn go_on_until(&mut self, done: impl Fn(&Fleet) -> bool) {
        for _ in 0..SECONDS {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let is_done = || self.service.read(|hosted| done(hosted.machine().fleet()));
            if self.fuse.has_blown() {
                self.again().await;
            } else if self.fuse.left().is_empty() && is_done() {
                // What was ordered twice comes too.
                tokio::time::sleep(Duration::from_secs(120)).await;
                return;
            }
        }
        panic!("it is not done; never met: {:?}", self.fuse.left());
    }

    async fn commits(&self) -> Vec<Recorded> {
        let mut found = vec![];
        while let Some(message) = self.memory.get("EVENTS", found.len() as u64 + 1).await.unwrap() {
            match Entry::read(&message) {
                Entry::Commit(commit, _) => found.push(commit),
                malformed => panic!("{malformed:?}"),
            }
        }
        found
    }

    /// How many events of a type each add-on had.
    async fn add_ons(&self, event: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for commit in self.commits().await {
            let of_type = commit.header.types.iter().filter(|name| *name == event).count();
            if commit.aggregate.kind == "clusteraddon" && of_type > 0 {
                *found.entry(commit.aggregate.to_string()).or_default() += of_type;
            }
        }
        found
    }

    /// Every add-on had one such event, and no more.
    async fn once(&self, event: &str) {
        let add_ons = self.add_ons(event).await;
        let twice: Vec<_> = add_ons.iter().filter(|(_, times)| **times != 1).collect();
        assert_eq!((add_ons.len(), twice), (CLUSTERS, vec![]), "{event}");
    }

    /// The clusters of each part that was planned.
    async fn planned(&self) -> Vec<Vec<String>> {
        let commits = self.commits().await;
        let events = commits.iter().filter(|commit| commit.aggregate == definition_id("metrics"));
        let event = |bytes: &Bytes| DefinitionEvent::decode(bytes.clone()).unwrap().event;
        let plans =
            events.flat_map(|commit| &commit.events).filter_map(|bytes| match event(bytes) {
                Some(definition_event::Event::InstallPlanned(plan)) => Some(plan.install),
                _ => None,
            });
        let clusters = plans.map(|plan| plan.into_iter().map(|target| target.cluster).collect());
        clusters.filter(|part: &Vec<String>| !part.is_empty()).collect()
    }

    /// The ids under which work was told of each cluster.
    async fn told(&self) -> BTreeMap<String, BTreeSet<String>> {
        let (to_work, mut told) = (subject::told_to(Service::Work), BTreeMap::new());
        for sequence in 1.. {
            let Some(message) = self.memory.get("DO", sequence).await.unwrap() else { break };
            if to_work.covers(&message.subject) {
                let ids: &mut BTreeSet<String> = told.entry(message.subject).or_default();
                ids.insert(message.headers[header::COMMAND].clone());
            }
        }
        told
    }

    /// The state is what the log says.
    async fn is_what_the_log_says(&self) {
        let mut fold = Hosted::<AddOns>::default();
        self.commits().await.iter().for_each(|commit| assert!(fold.fold(commit).unwrap()));
        assert_eq!(self.service.read(|hosted| hosted.hash()), fold.hash());
    }
}

async fn append(
    log: &EventLog,
    (aggregate, event): (AggregateId, Vec<u8>),
    schema: &str,
    kind: &str,
) {
    let header = header_of(&aggregate, 1, schema, kind);
    let (expected, events) = (Position::START, vec![event.into()]);
    match log.append(NewCommit { aggregate, expected, header, events }).await {
        Ok(Append::Appended(_)) => {}
        other => panic!("{other:?}"),
    }
}

async fn start(memory: &SharedBroker, clock: &Clock, fuse: &Arc<Fuse>) -> Arc<Context<AddOns>> {
    let tasks = Tasks::default();
    let life = tasks.clone();
    fuse.lives(move || life.abort());
    let ground = Ground {
        bus: Bus::new(Crashing::over(memory.clone(), fuse.clone()), &tasks),
        clock: clock.clone(),
        ids: Arc::new(Ids::seeded(1)),
        tasks,
        bounds: Bounds { lag_every: Duration::from_secs(3_600), ..Bounds::default() },
    };
    fleetlog_addon::start(ground, Settings::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_add_on_for_many_clusters_goes_on_in_the_middle_of_a_part_and_between_parts() {
    assert_eq!(PART, CHUNK as u64, "a part is what the places take for one");
    for stops in [&INSTALLING[..], &REMOVING[..]] {
        let all: BTreeSet<CrashPoint> = stops.iter().copied().collect();
        assert_eq!(all, CrashPoint::of(Story::Parts).collect(), "every place of it is met");
    }
    let mut lives = Lives::new().await;
    lives.fuse.arm(INSTALLING.map(|stop| (stop, 1)));
    let template = AggregateId::global(Service::Addon, "template", "metrics-1");
    lives.says("template", &template, apply_template()).await;
    let definition = define(&json!({ "type": "All" }));
    lives.says("define", &definition_id("metrics"), definition).await;
    lives.go_on_until(|fleet| fleet.add_ons().len() == CLUSTERS).await;
    lives.once("AddOnSpecified").await;
    let planned = lives.planned().await;
    let distinct: BTreeSet<&String> = planned.iter().flatten().collect();
    assert_eq!(distinct.len(), CLUSTERS, "no cluster is in two parts");
    assert_eq!(planned.iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK, CLUSTERS - CHUNK]);
    let told = lives.told().await;
    let twice: Vec<_> = told.iter().filter(|(_, ids)| ids.len() != 1).collect();
    assert_eq!((told.len(), twice), (CLUSTERS, vec![]), "work is told of each once");
    lives.is_what_the_log_says().await;

    lives.fuse.arm(REMOVING.map(|stop| (stop, 1)));
    let delete = Some(definition_command::Command::Delete(DeleteDefinition {}));
    let delete = DefinitionCommand { command: delete }.encode_to_vec();
    lives.says("delete", &definition_id("metrics"), delete).await;
    lives.go_on_until(|fleet| fleet.definitions().is_empty()).await;
    lives.once("AddOnDeletionRequested").await;
    lives.once("AddOnDeleted").await;
    lives.once("AddOnSpecified").await;
    let gone = lives.service.read(|hosted| hosted.machine().fleet().definitions().is_empty());
    assert!(gone, "the definition goes with its last part");
    lives.is_what_the_log_says().await;
}
