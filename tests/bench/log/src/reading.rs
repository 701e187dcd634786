//! How fast the log is read again: as it lies there, folded for a comparison, and by a service that
//! starts with it, from a snapshot and from nothing.

use crate::figure::{Better, Figure};
use crate::ground::{Ground, Scale};
use crate::memory::resident_mib;
use crate::past;
use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::consumer::push::OrderedConfig;
use fleetlog_bus::{Edition, JetStream};
use fleetlog_chassis::{Bounds, Bus, Clock, Hosted, Ids, Tasks};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::subject;
use fleetlog_registration::{Registration, Settings};
use fleetlog_topology::server::Sync;
use futures::StreamExt as _;
use std::sync::Arc;
use tokio::time::{Duration, Instant, sleep, timeout};

/// How long a life may take to be done with what it is for.
const WITHIN: Duration = Duration::from_secs(600);
/// Between two looks whether a snapshot is there.
const LOOK: Duration = Duration::from_millis(200);

/// `replay_*` and `cold_start_*`.
///
/// # Errors
/// A server that does not take or give the log, a service that does not start on it.
pub async fn reading(scale: Scale) -> Result<Vec<Figure>> {
    let (events, clusters) = (scale.of(1_000_000, 2_000), scale.of(100_000, 200));
    let ground = Ground::start(Sync::Default).await?;
    let bus = bus(&ground, &ground.tasks).await?;
    past::write(&bus.log, events, clusters).await?;
    let plain = plain(&ground, events).await?;
    let read = read(&bus, events).await?;
    // What follows from the log is told once, so that the lives after it have nothing to tell.
    let never = u64::MAX;
    let before = resident_mib(std::process::id())?;
    let first = started(&ground, events, never).await?;
    let grown = resident_mib(std::process::id())? - before;
    first.settled(events).await?;
    let compared = compared(&bus, events).await?;
    let cold_s = started(&ground, events, never).await?.end();
    started(&ground, events, events as u64 / 20).await?.saved(&bus, events).await?;
    let warm = started(&ground, events, never).await?.end();
    ground.stop();
    let size = format!("{events} events of {clusters} clusters");
    let each = grown * 1_024.0 * 1_024.0 / clusters as f64;
    let one = |name, value, unit, better, setting: String| {
        Figure::new(name, value, unit, better).measured(events as u64, setting)
    };
    let rest = |what: &str| format!("{size}; {what}");
    let (higher, lower) = (Better::Higher, Better::Lower);
    Ok(vec![
        one("replay_read_per_s", read, "/s", higher, rest("typed headers"))
            .against(plain)
            .wanted(120_000.0),
        one("replay_read_ratio", read / plain, "x", higher, rest("over an ordered consumer"))
            .wanted(0.8),
        one("replay_compare_per_s", compared, "/s", higher, rest("read, folded, hashed"))
            .wanted(100_000.0),
        one(
            "cold_start_1m_events_s",
            cold_s,
            "s",
            lower,
            rest(&format!("{each:.0} B resident each")),
        )
        .wanted(10.0),
        one(
            "cold_start_1m_snapshot_s",
            warm,
            "s",
            lower,
            rest("a snapshot at 0.9 of them or later"),
        )
        .wanted(3.0),
    ])
}

/// The bus as registration has it.
///
/// # Errors
/// A server that does not let it in.
pub async fn bus(ground: &Ground, tasks: &Tasks) -> Result<Bus> {
    let user = ground.hub.identity().service(Service::Registration)?;
    let broker = JetStream::connect(ground.hub.url(), user, Service::Registration.token()).await?;
    Ok(Bus::new(broker, tasks))
}

/// Events per second of an ordered consumer of async-nats.
async fn plain(ground: &Ground, events: usize) -> Result<f64> {
    let operator = ground.hub.identity().operator()?;
    let client = fleetlog_topology::apply::connect(ground.hub.url(), &operator).await?;
    let inbox = client.new_inbox();
    let stream = async_nats::jetstream::new(client).get_stream_no_info("EVENTS").await?;
    let config = OrderedConfig {
        name: Some(inbox.replace('.', "-")),
        deliver_subject: inbox,
        filter_subject: subject::events().as_str().to_owned(),
        ..OrderedConfig::default()
    };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    let since = Instant::now();
    for _ in 0..events {
        let message = messages.next().await.context("the consumer ended")??;
        ensure!(message.headers.is_some(), "a commit has headers");
    }
    Ok(events as f64 / since.elapsed().as_secs_f64())
}

/// Events per second of the log as services read it.
async fn read(bus: &Bus, events: usize) -> Result<f64> {
    let since = Instant::now();
    let mut reading = bus.log.read(&subject::events(), Position::START).await?;
    for _ in 0..events {
        let commit = reading.entries.next().await.context("the log ended")??.into_commit()?;
        ensure!(!commit.events.is_empty(), "a commit holds an event");
    }
    Ok(events as f64 / since.elapsed().as_secs_f64())
}

/// Events per second of a fresh fold with its hash, as `replay --verify` makes it.
async fn compared(bus: &Bus, events: usize) -> Result<f64> {
    let since = Instant::now();
    let mut hosted = Hosted::<Registration>::default();
    let mut reading = bus.log.read(&subject::events(), Position::START).await?;
    for _ in 0..events {
        let commit = reading.entries.next().await.context("the log ended")??.into_commit()?;
        hosted.fold(&commit).map_err(|unreadable| anyhow::anyhow!("{unreadable}"))?;
    }
    ensure!(!hosted.hash().is_empty(), "a state has a hash");
    Ok(events as f64 / since.elapsed().as_secs_f64())
}

/// One life of the service.
struct Life {
    context: Arc<fleetlog_chassis::Context<Registration>>,
    tasks: Tasks,
    /// The seconds until everything in the log was folded in.
    took: f64,
}

/// Starts it, and waits until everything in the log is folded in.
async fn started(ground: &Ground, events: usize, snapshot_every: u64) -> Result<Life> {
    let tasks = Tasks::default();
    let identity = ground.hub.identity();
    let (role, work_key) = (identity.agent_role()?, identity.delivery_key()?.public_key());
    let settings = Settings::new(identity.hub_id(), role.account, role.key, work_key);
    let since = Instant::now();
    let stands_on = fleetlog_chassis::Ground {
        bus: bus(ground, &tasks).await?,
        clock: Clock::System,
        ids: Arc::new(Ids::Random),
        tasks: tasks.clone(),
        bounds: Bounds { snapshot_every, ..Bounds::default() },
    };
    let context = fleetlog_registration::start(stands_on, settings).await?;
    timeout(WITHIN, context.live()).await.context("the service does not come to the end")?;
    let took = since.elapsed().as_secs_f64();
    ensure!(context.read(|hosted| hosted.position().0) >= events as u64, "not all is folded in");
    Ok(Life { context, tasks, took })
}

impl Life {
    /// Waits until what follows from the log is told.
    async fn settled(self, events: usize) -> Result<()> {
        let told = self.context.performed(Position(events as u64));
        timeout(WITHIN, told).await.context("the service does not tell what follows")?;
        self.end();
        Ok(())
    }

    /// Waits until a snapshot of nearly everything is saved.
    async fn saved(self, bus: &Bus, events: usize) -> Result<()> {
        let saved = async {
            loop {
                let (anywhere, any) = (0..=u64::MAX, Edition::default());
                let found = bus.snapshots.candidates(Service::Registration, &anywhere, any);
                let mut found = found.await?;
                let newest = found.next().await?.map_or(0, |snapshot| snapshot.position);
                if newest as f64 >= events as f64 * 0.9 {
                    return Ok::<_, anyhow::Error>(());
                }
                sleep(LOOK).await;
            }
        };
        timeout(WITHIN, saved).await.context("no snapshot is taken")??;
        self.end();
        Ok(())
    }

    fn end(self) -> f64 {
        self.tasks.abort();
        self.took
    }
}
