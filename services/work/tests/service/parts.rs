//! Fan-outs that are more than one part, of a service that stops between and in the middle of
//! parts: every start goes on where the log says, and nothing is ordered twice.

use crate::common::{self, apply_set, bundle, cluster_joins, decision, set_key};
use crate::{Stage, log};
use fleetlog_bus::{Blobs, Commands, Entry, Memory, SharedBroker};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Hosted, Ids, Tasks};
use fleetlog_kernel::{Actor, CommandId, Timestamp};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::work::{
    DeleteReplicaSet, FanOutPlanned, FanOutTarget, ReplicaSetEvent, replica_set_command as on_set,
    replica_set_event,
};
use fleetlog_test_support::crash::{CrashPoint, Crashing, Fuse, PART, Story};
use fleetlog_work::{Settings, Works};
use fleetlog_work_domain::Fleet;
use fleetlog_work_domain::fanout::CHUNK;
use nkeys::KeyPair;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp::of_seconds(1_800_000_000);
/// A whole part and a little of another.
const CLUSTERS: usize = CHUNK + 30;
/// How long a story may take, by its own clock.
const SECONDS: usize = 600;
/// Where its lives end: in the first part, between the two, in the second.
const STOPS: [CrashPoint; 7] = [
    CrashPoint::BeforePlan,
    CrashPoint::AfterPlanBeforeAnswer,
    CrashPoint::InPart,
    CrashPoint::BetweenParts,
    CrashPoint::AfterNextPartBeforeAnswer,
    CrashPoint::BeforePlan,
    CrashPoint::AfterPlanBeforeAnswer,
];

/// The work service in memory, one life after the other.
struct Lives {
    memory: SharedBroker,
    clock: Clock,
    fuse: Arc<Fuse>,
    key: KeyPair,
    service: Arc<Context<Works>>,
}

impl Lives {
    /// On a log in which a placement chose more clusters than fit a part.
    async fn new() -> Self {
        let (streams, queues) = (fleetlog_topology::streams(), fleetlog_topology::queues());
        let memory: SharedBroker = Memory::starting_at(streams, queues, START);
        let tasks = Tasks::default();
        let others = log(memory.clone(), &tasks).await;
        let names: Vec<String> = (0..CLUSTERS).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let joins = names.iter().map(|name| Stage::append(&others, cluster_joins(name), 0, 1));
        futures::future::join_all(joins).await;
        Stage::append(&others, decision(1, &names, &[]), 0, 1).await;
        tasks.abort();
        let (clock, fuse, key) = (Clock::tokio(START), Arc::default(), KeyPair::new_user());
        let service = start(&memory, &clock, &fuse, &key).await;
        Self { memory, clock, fuse, key, service }
    }

    async fn again(&mut self) {
        self.service.ground.tasks.abort();
        let _ = self.service.ground.tasks.join().await;
        self.service = start(&self.memory, &self.clock, &self.fuse, &self.key).await;
    }

    async fn says(&self, id: &str, command: bytes::Bytes) {
        let (alice, id) = (Actor::new("alice"), CommandId::new(id));
        let commands = Commands::new(self.memory.clone());
        commands.send(&alice, &set_key().aggregate(), &id, command).await.unwrap();
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

    /// How many events of a type each work had.
    async fn works(&self, event: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for commit in self.commits().await {
            let of_type = commit.header.types.iter().filter(|name| *name == event).count();
            if commit.aggregate.kind == "manifestwork" && of_type > 0 {
                *found.entry(commit.aggregate.to_string()).or_default() += of_type;
            }
        }
        found
    }

    /// Every work had one such event, and no more.
    async fn once(&self, event: &str) {
        let works = self.works(event).await;
        let twice: Vec<_> = works.iter().filter(|(_, times)| **times != 1).collect();
        assert_eq!((works.len(), twice), (CLUSTERS, vec![]), "{event}");
    }

    async fn plans(&self) -> Vec<FanOutPlanned> {
        let commits = self.commits().await;
        let events = commits.iter().filter(|commit| commit.aggregate == set_key().aggregate());
        let event = |bytes: &bytes::Bytes| ReplicaSetEvent::decode(bytes.clone()).unwrap().event;
        let plans =
            events.flat_map(|commit| &commit.events).filter_map(|bytes| match event(bytes) {
                Some(replica_set_event::Event::FanOutPlanned(plan)) => Some(plan),
                _ => None,
            });
        plans.filter(|plan| !plan.deliver.is_empty() || !plan.withdraw.is_empty()).collect()
    }

    /// The state is what the log says, and WORK holds what the state says.
    async fn is_what_the_log_says(&self) {
        let mut fold = Hosted::<Works>::default();
        self.commits().await.iter().for_each(|commit| assert!(fold.fold(commit).unwrap()));
        assert_eq!(self.service.read(|hosted| hosted.hash()), fold.hash());
        let held = fleetlog_bus::Works::new(self.memory.clone()).all().await.unwrap();
        let payload = |desired: fleetlog_bus::Desired| desired.message.payload;
        let held = held.into_iter().map(|d| ((d.cluster.clone(), d.work.clone()), payload(d)));
        let held: BTreeMap<_, _> = held.collect();
        for (key, delivery) in fold.machine().deliveries() {
            assert_eq!(held[&(key.cluster, key.name)], delivery.encode_to_vec());
        }
    }
}

async fn start(
    memory: &SharedBroker,
    clock: &Clock,
    fuse: &Arc<Fuse>,
    key: &KeyPair,
) -> Arc<Context<Works>> {
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
    fleetlog_work::start(ground, Settings::new(key.clone())).await.unwrap()
}

/// The sizes of parts that name each target once.
fn sizes(parts: &[Vec<FanOutTarget>]) -> Vec<usize> {
    let targets: Vec<_> = parts.iter().flatten().map(|t| (&t.placement, &t.cluster)).collect();
    let distinct: BTreeSet<_> = targets.iter().collect();
    assert_eq!(distinct.len(), targets.len(), "no target is in two parts");
    parts.iter().map(Vec::len).collect()
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_goes_on_in_the_middle_of_a_part_and_between_parts() {
    assert_eq!(PART, CHUNK as u64, "a part is what the places take for one");
    let all: BTreeSet<CrashPoint> = STOPS.into_iter().collect();
    assert_eq!(all, CrashPoint::of(Story::Parts).collect(), "every place of a fan-out is met");
    let mut lives = Lives::new().await;
    let (body, said) = bundle(&["a"]);
    Blobs::new(lives.memory.clone()).put(body).await.unwrap();

    lives.fuse.arm(STOPS.map(|stop| (stop, 1)));
    lives.says("apply", apply_set(&said, "Background")).await;
    lives.go_on_until(|fleet| fleet.works().len() == CLUSTERS).await;
    lives.once("WorkSpecified").await;
    let plans = lives.plans().await;
    let delivered: Vec<_> = plans.into_iter().map(|plan| plan.deliver).collect();
    assert_eq!(sizes(&delivered), [CHUNK, CLUSTERS - CHUNK]);
    lives.is_what_the_log_says().await;

    lives.fuse.arm(STOPS.map(|stop| (stop, 1)));
    let delete = on_set::Command::Delete(DeleteReplicaSet {});
    lives.says("delete", common::set_command(delete)).await;
    lives.go_on_until(|fleet| fleet.works().values().all(|work| work.is_deleting())).await;
    lives.once("WorkDeletionRequested").await;
    let plans = lives.plans().await.split_off(2);
    let withdrawn: Vec<_> = plans.into_iter().map(|plan| plan.withdraw).collect();
    assert_eq!(sizes(&withdrawn), [CHUNK, CLUSTERS - CHUNK]);
    lives.once("WorkSpecified").await;
    let gone = lives.service.read(|hosted| hosted.machine().fleet().sets().is_empty());
    assert!(gone, "the set goes with its last part");
    lives.is_what_the_log_says().await;
}
