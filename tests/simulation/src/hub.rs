//! The hub: the broker in memory and the five services on it, each of which can die and start
//! again. They are the libraries that the processes run, with the chassis' own loops.

use crate::bug::Bug;
use crate::chance::Faults;
use crate::life::{Life, Who};
use crate::line::{Line, Sightings};
use crate::planted::{self, Arrivals};
use crate::pulse::Pulse;
use fleetlog_addon::AddOns;
use fleetlog_bus::{Broker as _, Fault, Memory, SharedBroker};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Ids, TaskFailed, Tasks};
use fleetlog_core::Core;
use fleetlog_kernel::{HubId, Position, Service, Timestamp};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject;
use fleetlog_placement::Scheduling;
use fleetlog_registration::Registration;
use fleetlog_work::Works;
use futures::FutureExt as _;
use nkeys::{KeyPair, KeyPairType};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The loops of one service, whichever it is.
#[derive(Clone)]
pub enum Running {
    /// Registration.
    Registration(Arc<Context<Registration>>),
    /// Placement.
    Placement(Arc<Context<Scheduling>>),
    /// Work.
    Work(Arc<Context<Works>>),
    /// Add-ons.
    Addon(Arc<Context<AddOns>>),
    /// Plain objects.
    Core(Arc<Context<Core>>),
}

impl Running {
    /// Where its state stands, and the hash of it; none while it reads the log in.
    #[must_use]
    pub fn state(&self) -> Option<(Position, String)> {
        match self {
            Self::Registration(context) => {
                context.is_live().then(|| context.read(|h| (h.position(), h.hash())))
            }
            Self::Placement(context) => {
                context.is_live().then(|| context.read(|h| (h.position(), h.hash())))
            }
            Self::Work(context) => {
                context.is_live().then(|| context.read(|h| (h.position(), h.hash())))
            }
            Self::Addon(context) => {
                context.is_live().then(|| context.read(|h| (h.position(), h.hash())))
            }
            Self::Core(context) => {
                context.is_live().then(|| context.read(|h| (h.position(), h.hash())))
            }
        }
    }
}

struct Alive {
    life: Arc<Life>,
    tasks: Tasks,
    running: Running,
}

/// The hub.
pub struct Hub {
    /// What is stored.
    pub memory: Arc<Memory>,
    /// What goes wrong.
    pub faults: Arc<Faults>,
    /// What was seen that must not be.
    pub sightings: Sightings,
    /// The time.
    pub clock: Clock,
    /// Which beats were taken, and since when the hub was there.
    pub pulse: Arc<Pulse>,
    pub(crate) bug: Option<Bug>,
    arrivals: Arc<Arrivals>,
    delivery_key: KeyPair,
    role_key: KeyPair,
    seed: u64,
    lives: u64,
    alive: BTreeMap<Service, Alive>,
    due: BTreeMap<Service, Instant>,
}

impl Hub {
    /// A hub without services.
    ///
    /// # Errors
    /// When its keys cannot be made of the seed.
    pub fn new(seed: u64, bug: Option<Bug>) -> Result<Self, Fault> {
        let start = Timestamp::of_seconds(1_800_000_000);
        let (streams, queues) = (fleetlog_topology::streams(), fleetlog_topology::queues());
        let memory = Memory::starting_at(streams, queues, start);
        let delivery_key = key(KeyPairType::Account, seed, 1)?;
        let again = key(KeyPairType::Account, seed, 1)?;
        let clock = Clock::tokio(start);
        Ok(Self {
            memory,
            faults: Arc::new(Faults::new(seed)),
            sightings: Sightings::default(),
            pulse: Arc::new(Pulse::new(clock.clone())),
            clock,
            bug,
            arrivals: Arc::new(Arrivals::new(again)),
            delivery_key,
            role_key: key(KeyPairType::Account, seed, 2)?,
            seed,
            lives: 0,
            alive: BTreeMap::new(),
            due: BTreeMap::new(),
        })
    }

    /// A line of somebody to the broker.
    #[must_use]
    pub fn line(&self, life: &Arc<Life>) -> SharedBroker {
        Arc::new(Line {
            memory: self.memory.clone(),
            faults: self.faults.clone(),
            life: life.clone(),
            bug: self.bug,
            sightings: self.sightings.clone(),
            losses: Arc::default(),
            arrivals: self.arrivals.clone(),
            pulse: self.pulse.clone(),
        })
    }

    /// A running service.
    #[must_use]
    pub fn service(&self, service: Service) -> Option<&Running> {
        self.alive.get(&service).map(|alive| &alive.running)
    }

    /// A service is to start at once.
    pub fn start(&mut self, service: Service) {
        self.due.insert(service, Instant::now());
    }

    /// Services die at once, and are away for a time.
    pub fn leave(&mut self, services: &[Service], lasts: Duration) {
        for service in services {
            if let Some(alive) = self.alive.remove(service) {
                alive.life.end();
                alive.tasks.abort();
            }
            self.due.insert(*service, Instant::now() + lasts);
        }
    }

    /// The server restarts: what it kept in memory is gone.
    pub fn restart_server(&self) {
        self.memory.restart();
        self.pulse.begins();
    }

    /// Buries the dead, starts what is due, and looks whether something failed.
    ///
    /// # Errors
    /// A task that failed: nothing but our own faults may, and those are borne.
    pub async fn tend(&mut self) -> Result<(), TaskFailed> {
        for (service, alive) in &self.alive {
            if let Some(Err(failed)) = alive.tasks.join().now_or_never() {
                return Err(failed);
            }
            if alive.life.is_dead() {
                alive.tasks.abort();
                let away = self.faults.chance().between(50, 4_000);
                self.due.insert(*service, Instant::now() + away);
            }
        }
        self.alive.retain(|_, alive| !alive.life.is_dead());
        let due: Vec<Service> = self
            .due
            .iter()
            .filter(|(_, at)| **at <= Instant::now())
            .map(|(service, _)| *service)
            .collect();
        for service in due {
            self.due.remove(&service);
            self.bear(service).await?;
        }
        Ok(())
    }

    /// Everybody who is dead or away comes back at the next look.
    pub fn revive(&mut self) {
        self.due.values_mut().for_each(|at| *at = Instant::now());
    }

    /// Whether every service runs.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.alive.len() == Service::ALL.len()
            && self.alive.values().all(|alive| !alive.life.is_dead())
    }

    async fn bear(&mut self, service: Service) -> Result<(), TaskFailed> {
        tracing::info!(%service, "starts");
        let reacted_before = self.reacted(service).await;
        let life = Arc::new(Life::new(Who::Service(service), reacted_before));
        let tasks = Tasks::default();
        self.lives += 1;
        if service == Service::Registration {
            self.pulse.begins();
            planted::compare_at_once(self).await;
        }
        let ground = Ground {
            bus: Bus::new(self.line(&life), &tasks),
            clock: self.clock.clone(),
            ids: Arc::new(Ids::seeded(self.seed ^ self.lives)),
            tasks: tasks.clone(),
            bounds: bounds(),
        };
        let starting = self.run(service, ground);
        // A life may end while it starts.
        let ends = async {
            while !life.is_dead() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let running = tokio::select! {
            biased;
            running = starting => running,
            () = ends => {
                tasks.abort();
                self.due.insert(service, Instant::now() + Duration::from_millis(500));
                return Ok(());
            }
        };
        let failed = |fault: Fault| TaskFailed { task: "start", reason: fault.to_string() };
        let running = running.map_err(failed)?;
        self.alive.insert(service, Alive { life, tasks, running });
        Ok(())
    }

    async fn run(&self, service: Service, ground: Ground) -> Result<Running, Fault> {
        match service {
            Service::Registration => {
                let hub = HubId::new("simulated");
                let work_key = self.delivery_key.public_key();
                let (account, role) = (self.role_key.public_key(), self.role_key.clone());
                let settings = fleetlog_registration::Settings::new(hub, account, role, work_key);
                fleetlog_registration::start(ground, settings).await.map(Running::Registration)
            }
            Service::Placement => {
                let settings = fleetlog_placement::Settings::default();
                fleetlog_placement::start(ground, settings).await.map(Running::Placement)
            }
            Service::Work => {
                let settings = fleetlog_work::Settings::new(self.delivery_key.clone());
                fleetlog_work::start(ground, settings).await.map(Running::Work)
            }
            Service::Addon => {
                let settings = fleetlog_addon::Settings::default();
                fleetlog_addon::start(ground, settings).await.map(Running::Addon)
            }
            Service::Core => {
                let settings = fleetlog_core::Settings::default();
                fleetlog_core::start(ground, settings).await.map(Running::Core)
            }
        }
    }

    /// How far a service is known to have reacted: what its newest command to others says.
    async fn reacted(&self, service: Service) -> Position {
        let last = self.memory.last("DO", &subject::told_by(service)).await.ok().flatten();
        let reacted = last.and_then(|last| last.headers.get(header::REACTED)?.parse().ok());
        Position(reacted.unwrap_or_default())
    }
}

/// Bounds that make much happen in a short history.
fn bounds() -> Bounds {
    Bounds { snapshot_every: 9, tries: 200, ..Bounds::default() }
}

/// A key that a seed decides.
///
/// # Errors
/// When it cannot be made.
pub fn key(kind: KeyPairType, seed: u64, number: u64) -> Result<KeyPair, Fault> {
    let mut bytes = [0_u8; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let mixed = crate::chance::Chance::new(seed, number * 100 + index as u64).below(256);
        *byte = u8::try_from(mixed).unwrap_or_default();
    }
    KeyPair::new_from_raw(kind, bytes).map_err(|error| Fault::lasting("make a key", error))
}
