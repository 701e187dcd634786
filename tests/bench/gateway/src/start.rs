//! How long a gateway takes until it answers, and what it holds then: on an empty log, and on a
//! long one.

use crate::figure::{Better, Figure, median};
use crate::memory::resident_mib;
use crate::past;
use crate::server::{gateway, services};
use crate::world::World;
use anyhow::{Context as _, Result, ensure};
use fleetlog_bus::{Edition, JetStream};
use fleetlog_chassis::{Bus, Clock, Tasks};
use fleetlog_kernel::Service;
use fleetlog_topology::hub::{self, HubConfig};
use fleetlog_topology::{Folder, Identity, folder};
use std::path::Path;
use tokio::time::{Duration, Instant, sleep};

/// How often the start on an empty log is tried.
const TIMES: usize = 5;
/// How long it is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(1);
/// How long the services may take to save what they know of a long log.
const WITHIN: Duration = Duration::from_secs(180);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// `ready_empty_s` and `idle_mib`.
///
/// # Errors
/// A hub or a gateway that does not start.
pub async fn empty(_: &mut World) -> Result<Vec<Figure>> {
    let (mut took, mut held) = (vec![], vec![]);
    for _ in 0..TIMES {
        let dir = tempfile::tempdir()?;
        let _services = services(dir.path())?;
        let (gateway, ready) = gateway(dir.path()).await?;
        took.push(ready);
        sleep(REST).await;
        held.push(resident_mib(gateway.id())?);
    }
    let setting = "from the start of the gateway's process on a new hub, whose services run, \
                   until /readyz is ok; what every hub has from the start is made meanwhile";
    let memory = "resident memory of the gateway's process right after that";
    Ok(vec![
        Figure::new("ready_empty_s", median(&mut took), "s", Better::Lower)
            .measured(TIMES as u64, setting)
            .wanted(0.5),
        Figure::new("idle_mib", median(&mut held), "MiB", Better::Lower)
            .measured(TIMES as u64, memory)
            .wanted(40.0),
    ])
}

/// `ready_1m_events_s`.
///
/// # Errors
/// A hub that does not take the log, or does not start on it.
pub async fn million(world: &mut World) -> Result<Vec<Figure>> {
    let (events, clusters) = (world.scale.of(1_000_000, 2_000), world.scale.of(10_000, 100));
    let dir = tempfile::tempdir()?;
    written(dir.path(), events, clusters).await?;
    let hub = services(dir.path())?;
    // What a first start makes is there.
    let first = gateway(dir.path()).await?.0;
    let tasks = Tasks::default();
    saved(&bus(dir.path(), &tasks).await?, events).await?;
    tasks.abort();
    first.stop()?;
    hub.stop()?;
    let since = Instant::now();
    let _hub = services(dir.path())?;
    let started = since.elapsed().as_secs_f64();
    let (gateway, ready) = gateway(dir.path()).await?;
    let took = since.elapsed().as_secs_f64();
    let setting = format!(
        "{events} events of {clusters} clusters; from the start of a hub that was stopped in \
         order until /readyz is ok: nats-server and services, from their snapshots, {started:.2} \
         s, then the gateway's process {ready:.2} s; {:.0} MiB resident in that",
        resident_mib(gateway.id())?,
    );
    Ok(vec![
        Figure::new("ready_1m_events_s", took, "s", Better::Lower)
            .measured(events as u64, setting)
            .wanted(3.0),
    ])
}

/// Writes the log while no service reads it.
async fn written(dir: &Path, events: usize, clusters: usize) -> Result<()> {
    let binary = fleetlog_tools::nats_server(&fleetlog_tools::quiet)?;
    let folder = Folder::open(dir, Clock::System.now())?;
    let server = hub::start(folder, &HubConfig::standalone(binary)).await?;
    let tasks = Tasks::default();
    let bus = bus(dir, &tasks).await?;
    past::write(&bus.log, events, clusters).await?;
    tasks.abort();
    tokio::task::spawn_blocking(move || server.stop()).await?;
    Ok(())
}

/// The bus of a hub that runs on a folder, with the rights of registration, whose clusters are
/// written.
async fn bus(dir: &Path, tasks: &Tasks) -> Result<Bus> {
    let url = folder::find(dir)?.nats_url.context("the hub has no address")?;
    let user = Identity::read(dir, Clock::System.now())?.service(Service::Registration)?;
    let broker = JetStream::connect(&url, user, Service::Registration.token()).await?;
    Ok(Bus::new(broker, tasks))
}

/// Waits until registration has saved a snapshot of nearly everything.
async fn saved(bus: &Bus, events: usize) -> Result<()> {
    let since = Instant::now();
    loop {
        let (anywhere, any) = (0..=u64::MAX, Edition::default());
        let mut found = bus.snapshots.candidates(Service::Registration, &anywhere, any).await?;
        let newest = found.next().await?.map_or(0, |snapshot| snapshot.position);
        if newest as f64 >= events as f64 * 0.9 {
            return Ok(());
        }
        ensure!(since.elapsed() < WITHIN, "the newest snapshot is of {newest}");
        sleep(LOOK).await;
    }
}
