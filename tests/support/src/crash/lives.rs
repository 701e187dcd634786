//! A service in memory, one life after the other: a life ends at each place that it is armed for,
//! and the next goes on with what the broker holds. For a paused clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use super::{Crashing, Fuse};
use bytes::Bytes;
use fleetlog_bus::{Commands, Entry, Fault, Memory, SharedBroker};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Hosted, Ids, Machine, Tasks};
use fleetlog_kernel::{Actor, CommandId, Timestamp};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many seconds a story may take, by its own clock.
const SECONDS: usize = 600;
/// How long it goes on once it is done: what was ordered twice comes too.
const AFTERWARDS: Duration = Duration::from_secs(120);

type Started<M> = BoxFuture<'static, Result<Arc<Context<M>>, Fault>>;

/// The lives of one service.
pub struct Lives<M: Machine> {
    /// What outlives them.
    pub memory: SharedBroker,
    /// The places at which they end.
    pub fuse: Arc<Fuse>,
    clock: Clock,
    start: Box<dyn Fn(Ground) -> Started<M>>,
    service: Arc<Context<M>>,
}

impl<M: Machine + Default> Lives<M> {
    /// An empty hub in memory, at a moment.
    #[must_use]
    pub fn memory(at: Timestamp) -> SharedBroker {
        Memory::starting_at(fleetlog_topology::streams(), fleetlog_topology::queues(), at)
    }

    /// The first life, on a memory of that moment.
    pub async fn on(
        memory: SharedBroker,
        at: Timestamp,
        start: impl Fn(Ground) -> Started<M> + 'static,
    ) -> Self {
        let (clock, fuse) = (Clock::tokio(at), Arc::default());
        let service = start(ground(&memory, &clock, &fuse)).await.unwrap();
        Self { memory, fuse, clock, start: Box::new(start), service }
    }

    /// Alice sends a command.
    pub async fn says(&self, id: &str, to: &AggregateId, command: Bytes) {
        let (alice, id) = (Actor::new("alice"), CommandId::new(id));
        Commands::new(self.memory.clone()).send(&alice, to, &id, command).await.unwrap();
    }

    /// What the state says now.
    pub fn read<T>(&self, ask: impl FnOnce(&M) -> T) -> T {
        self.service.read(|hosted| ask(hosted.machine()))
    }

    /// Lives on, over the deaths at all places that the fuse is armed for, until the state is so.
    pub async fn go_on_until(&mut self, done: impl Fn(&M) -> bool) {
        for _ in 0..SECONDS {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.fuse.has_blown() {
                self.service.ground.tasks.abort();
                let _ = self.service.ground.tasks.join().await;
                let ground = ground(&self.memory, &self.clock, &self.fuse);
                self.service = (self.start)(ground).await.unwrap();
            } else if self.fuse.left().is_empty() && self.read(&done) {
                tokio::time::sleep(AFTERWARDS).await;
                return;
            }
        }
        panic!("it is not done; never met: {:?}", self.fuse.left());
    }

    /// The log.
    pub async fn commits(&self) -> Vec<Recorded> {
        let mut found = vec![];
        while let Some(message) = self.memory.get("EVENTS", found.len() as u64 + 1).await.unwrap() {
            match Entry::read(&message) {
                Entry::Commit(commit, _) => found.push(commit),
                malformed => panic!("{malformed:?}"),
            }
        }
        found
    }

    /// So many aggregates of a kind had an event of a type, each of them once.
    pub async fn had_once(&self, kind: &str, event: &str, aggregates: usize) {
        let mut had: BTreeMap<String, usize> = BTreeMap::new();
        for commit in self.commits().await.into_iter().filter(|c| c.aggregate.kind == kind) {
            let times = commit.header.types.iter().filter(|name| *name == event).count();
            if times > 0 {
                *had.entry(commit.aggregate.to_string()).or_default() += times;
            }
        }
        let otherwise: Vec<_> = had.iter().filter(|(_, times)| **times != 1).collect();
        assert_eq!((had.len(), otherwise), (aggregates, vec![]), "{event}");
    }

    /// The state is what the log says; answers that.
    pub async fn is_what_the_log_says(&self) -> Hosted<M> {
        let mut fold = Hosted::<M>::default();
        self.commits().await.iter().for_each(|commit| assert!(fold.fold(commit).unwrap()));
        assert_eq!(self.service.read(|hosted| hosted.hash()), fold.hash());
        fold
    }
}

/// The ground of a life that ends where the fuse says.
fn ground(memory: &SharedBroker, clock: &Clock, fuse: &Arc<Fuse>) -> Ground {
    let tasks = Tasks::default();
    let life = tasks.clone();
    fuse.lives(move || life.abort());
    Ground {
        bus: Bus::new(Crashing::over(memory.clone(), fuse.clone()), &tasks),
        clock: clock.clone(),
        ids: Arc::new(Ids::seeded(1)),
        tasks,
        bounds: Bounds { lag_every: Duration::from_secs(3_600), ..Bounds::default() },
    }
}
