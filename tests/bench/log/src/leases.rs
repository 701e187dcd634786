//! Leases of a large fleet: how long until all that run out together are events, and what it costs
//! to take the beats. On nats-server and the registration service, each a process of its own; the
//! clusters have no agents, their beats come over one connection.

use crate::cpu::cpu_seconds;
use crate::figure::{Better, Figure};
use crate::fleet::{self, Times};
use crate::ground::{Ground, Scale, quantile};
use anyhow::{Context as _, Result, ensure};
use fleetlog_topology::server::Sync;
use std::collections::BTreeMap;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep};

/// What the goals are for.
const CLUSTERS: usize = 100_000;
/// How often the clusters whose leases run out would beat: a lease is written for five times that.
const SHORT: u32 = 6;
/// How often the clusters beat whose beats are taken.
const PERIOD: u32 = 60;
/// How many beats of the first round come in a second; those measured are paced over the period.
const FIRST_PER_SECOND: f64 = 2_000.0;
/// How many agents a service that starts has beat in a second, and how long each is told.
const NUDGED_PER_SECOND: f64 = 1_000.0;
const NUDGED_FOR: f64 = 6.0;
/// How often beats are sent: what is due since the last time.
const PACE: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(250);
const WITHIN: Duration = Duration::from_secs(600);

/// `lease_100k_expiry_s`: a service starts on a fleet that is silent, and writes every lease; from
/// when a lease was due, by the server's clock, to the commit that says so.
///
/// # Errors
/// A server or a service that does not do what it should.
pub async fn expiry(scale: Scale) -> Result<Vec<Figure>> {
    let clusters = scale.of(CLUSTERS, 200);
    let ground = Ground::start(Sync::Default).await?;
    fleet::write(&ground, clusters, SHORT).await?;
    let service = fleet::service(&ground)?;
    let operator = fleet::operator(&ground).await?;
    fleet::until(&operator, "LEASE", WITHIN, |state| state.subjects_count >= clusters as u64)
        .await
        .context("not every lease is written")?;
    let lasts = Duration::from_secs(u64::from(SHORT) * 5);
    let due = fleet::leases(&operator, clusters, |time| time + lasts.as_secs_f64()).await?;
    let before = fleet::state(&operator, "EVENTS").await?.last_sequence;
    let decided = before + clusters as u64;
    fleet::until(&operator, "EVENTS", WITHIN, |state| state.last_sequence >= decided)
        .await
        .context("not every lease that ran out is an event")?;
    let events = fleet::expiries(&operator, before, clusters).await?;
    let markers = fleet::leases(&operator, clusters, |time| time).await?;
    drop(service);
    ground.stop();
    let mut late = lateness(&due, &events)?;
    let mut server = lateness(&due, &markers)?;
    let (spread, after) = (last(&due) - first(&due), last(&events) - last(&due));
    let setting = format!(
        "{clusters} leases of {} s written by a service that starts, within {spread:.2} s; each \
         from its end by the server's clock to its commit with LeaseExpired, the latest (p50 \
         {:.2} s; from the last end to the last commit {after:.2} s); baseline: the server's own \
         marker of the end, the latest",
        lasts.as_secs(),
        quantile(&mut late, 0.5),
    );
    Ok(vec![
        Figure::new("lease_100k_expiry_s", quantile(&mut late, 1.0), "s", Better::Lower)
            .measured(clusters as u64, setting)
            .against(quantile(&mut server, 1.0))
            .wanted(3.0),
    ])
}

/// How much later the second are than the first, each.
fn lateness(due: &Times, then: &Times) -> Result<Vec<f64>> {
    let each = due.iter().map(|(cluster, due)| {
        let then = then.get(cluster).with_context(|| format!("nothing came of {cluster}"))?;
        Ok(then - due)
    });
    each.collect()
}

fn first(times: &Times) -> f64 {
    times.values().copied().fold(f64::MAX, f64::min)
}

fn last(times: &Times) -> f64 {
    times.values().copied().fold(0.0, f64::max)
}

/// `lease_100k_core_share`: the processor time of server and service in a second while every
/// cluster beats once in a period.
///
/// # Errors
/// A server or a service that does not do what it should.
pub async fn core_share(scale: Scale) -> Result<Vec<Figure>> {
    let clusters = scale.of(CLUSTERS, 200);
    let ground = Ground::start(Sync::Default).await?;
    fleet::write(&ground, clusters, PERIOD).await?;
    let service = fleet::service(&ground)?;
    let started = Instant::now();
    let operator = fleet::operator(&ground).await?;
    fleet::until(&operator, "LEASE", WITHIN, |state| state.subjects_count >= clusters as u64)
        .await
        .context("not every lease is written")?;
    let mut agents = fleet::Agents::connect(&ground).await?;
    beat(&mut agents, clusters, clusters as f64 / FIRST_PER_SECOND).await?;
    // A service that starts has every agent told to beat.
    let nudged = clusters as f64 / NUDGED_PER_SECOND + NUDGED_FOR;
    sleep(Duration::from_secs_f64(nudged).saturating_sub(started.elapsed())).await;
    let processes = BTreeMap::from([
        ("nats-server", ground.hub.server_pid().context("the server has no process")?),
        ("registration", service.id()),
    ]);
    let spent = || processes.values().map(|pid| cpu_seconds(*pid)).collect::<Result<Vec<_>>>();
    // At a smaller scale the same rhythm for a part of the period.
    let seconds = (f64::from(PERIOD) * scale.0).clamp(5.0, f64::from(PERIOD));
    let part = (clusters as f64 * seconds / f64::from(PERIOD)).ceil() as usize;
    let (since, before) = (Instant::now(), spent()?);
    beat(&mut agents, part, seconds).await?;
    let (took, after) = (since.elapsed().as_secs_f64(), spent()?);
    let events = fleet::state(&operator, "EVENTS").await?.last_sequence;
    ensure!(events < 2 * clusters as u64, "beats in time are no events");
    drop(service);
    ground.stop();
    let each: Vec<f64> = after.iter().zip(&before).map(|(a, b)| (a - b) / took).collect();
    let shares = processes.keys().zip(&each).map(|(name, share)| format!("{name} {share:.3}"));
    let setting = format!(
        "{part} beats of {clusters} clusters evenly over {took:.1} s, each answered; {}; the \
         sender is not counted",
        shares.collect::<Vec<_>>().join(", "),
    );
    Ok(vec![
        Figure::new("lease_100k_core_share", each.iter().sum(), "core", Better::Lower)
            .measured(part as u64, setting)
            .wanted(0.25),
    ])
}

/// So many clusters beat once, in turn, evenly over so many seconds; every beat is answered.
async fn beat(agents: &mut fleet::Agents, clusters: usize, seconds: f64) -> Result<()> {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (since, mut sent) = (Instant::now(), 0);
    while sent < clusters {
        ticks.tick().await;
        let part = (since.elapsed().as_secs_f64() / seconds).min(1.0);
        let due = ((clusters as f64 * part) as usize).min(clusters);
        for number in sent..due {
            agents.beat(number).await?;
        }
        sent = due;
        agents.take_answers()?;
    }
    let answered = Instant::now();
    while agents.waits() {
        ensure!(answered.elapsed() < WITHIN, "beats get no answers");
        sleep(LOOK / 10).await;
        agents.take_answers()?;
    }
    Ok(())
}
