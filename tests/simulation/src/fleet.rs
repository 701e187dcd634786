//! The member clusters and their agents: simulated Kubernetes, the agent's own code.

use crate::hub::{Hub, key};
use crate::life::{Life, Who};
use fleetlog_agent::{Agent, Gate, Gated, MemoryKeys, Pace, Parts, Settings, Shared};
use fleetlog_bus::Fault;
use fleetlog_chassis::{TaskFailed, Tasks};
use fleetlog_kernel::{ClusterName, Position};
use fleetlog_simcluster::{Options, SimCluster};
use futures::FutureExt as _;
use nkeys::KeyPairType;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What an agent asks as before it has a credential.
const TOKEN: &str = "UTOKEN";

struct Alive {
    life: Arc<Life>,
    tasks: Tasks,
    _agent: Agent,
}

/// One member cluster with its agent.
pub struct Member {
    /// Its name.
    pub name: ClusterName,
    /// Its Kubernetes.
    pub kubernetes: SimCluster,
    /// Its agent's line to the hub.
    pub gate: Gate,
    /// When the line is open again, if it is cut.
    silent_until: Option<Instant>,
    /// When the agent was last away or silent.
    pub heard_since: Instant,
    keys: Arc<MemoryKeys>,
    alive: Option<Alive>,
    due: Instant,
}

impl Member {
    /// A cluster whose agent starts at the next look.
    ///
    /// # Errors
    /// When its key cannot be made of the seed.
    pub fn new(name: ClusterName, seed: u64, number: u64) -> Result<Self, Fault> {
        let agent = key(KeyPairType::User, seed, 10 + number)?;
        let agent = agent.seed().map_err(|error| Fault::lasting("make a key", error))?;
        Ok(Self {
            kubernetes: SimCluster::new(Options::new(name.as_str(), seed ^ number)),
            name,
            gate: Gate::default(),
            silent_until: None,
            heard_since: Instant::now(),
            keys: Arc::new(MemoryKeys::new(agent)),
            alive: None,
            due: Instant::now(),
        })
    }

    /// Buries the agent if it is dead, starts it when it is due, opens its line again.
    ///
    /// # Errors
    /// A task that failed.
    pub fn tend(&mut self, hub: &Hub) -> Result<(), TaskFailed> {
        if self.silent_until.is_some_and(|until| until <= Instant::now()) {
            self.silent_until = None;
            self.gate.open();
        }
        if let Some(alive) = &self.alive {
            if let Some(Err(failed)) = alive.tasks.join().now_or_never() {
                return Err(failed);
            }
            if alive.life.is_dead() {
                alive.tasks.abort();
                self.alive = None;
                self.due = Instant::now() + hub.faults.chance().between(50, 4_000);
            }
        }
        if self.alive.is_none() && self.due <= Instant::now() {
            self.start(hub);
        }
        if self.alive.is_none() || !self.gate.is_open() {
            self.heard_since = Instant::now();
        }
        Ok(())
    }

    fn start(&mut self, hub: &Hub) {
        let life = Arc::new(Life::new(Who::Agent, Position::START));
        let tasks = Tasks::default();
        let settings = Settings { pace: pace(), ..Settings::new(self.name.clone()) };
        let parts = Parts {
            client: self.kubernetes.client(),
            dialer: Arc::new(Gated::new(
                Arc::new(Shared::new(hub.line(&life), TOKEN)),
                self.gate.clone(),
            )),
            keys: self.keys.clone(),
            clock: hub.clock.clone(),
            tasks: tasks.clone(),
        };
        let agent = Agent::start(settings, parts);
        self.alive = Some(Alive { life, tasks, _agent: agent });
    }

    /// Cuts the line for a time.
    pub fn silence(&mut self, lasts: Duration) {
        self.gate.close();
        self.silent_until = Some(Instant::now() + lasts);
        self.heard_since = Instant::now();
    }

    /// The agent comes back and its line is open at the next look.
    pub fn revive(&mut self) {
        self.due = Instant::now();
        self.silent_until = self.silent_until.map(|_| Instant::now());
    }

    /// The config maps that the scenario's works made here: name, uid and revision.
    #[must_use]
    pub fn made(&self) -> Vec<Made> {
        let objects = self.kubernetes.objects();
        objects.iter().filter(|object| object["kind"] == "ConfigMap").filter_map(made).collect()
    }
}

/// What a work made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The config map's name: the name of what asked for it.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its revision.
    pub revision: u64,
    /// Whether it is going.
    pub going: bool,
}

fn made(object: &Value) -> Option<Made> {
    let metadata = &object["metadata"];
    let revision = object["data"]["revision"].as_str()?.parse().ok()?;
    let text = |field: &str| metadata[field].as_str().map(str::to_owned);
    let going = !metadata["deletionTimestamp"].is_null();
    Some(Made { name: text("name")?, uid: text("uid")?, revision, going })
}

/// A pace at which a missed message is made up for in a minute.
fn pace() -> Pace {
    Pace { resync: Duration::from_secs(60), ..Pace::default() }
}
