//! The failure detector: a lease that ran out makes its cluster's state unknown, but only when we
//! were there to take beats for the whole of its grace. The hub's own absence expires nobody.
//! Leases that run out together are judged together: one probe, and one word about many.

use crate::attendance::Attendance;
use crate::config::Settings;
use crate::handlers::Running;
use crate::sight::Sight;
use crate::told;
use fleetlog_bus::{Fault, LeaseChange, LeaseKind, LeaseNews, Leases};
use fleetlog_kernel::{ClusterName, Service};
use fleetlog_messages::subject;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How much of a grace a lease is seen too late, or ends too early.
const SLACK: Duration = Duration::from_secs(1);
/// How long until a watch that ended is opened again.
const AGAIN: Duration = Duration::from_millis(200);
/// How long the first lease that ran out waits for others.
const GATHER: Duration = Duration::from_millis(20);
/// How many are judged together at most, and written anew between two probes.
const TOGETHER: usize = 1_000;

/// Watches leases until the tasks are asked to stop.
pub(crate) async fn watch(
    context: Running,
    settings: Arc<Settings>,
    records: (Arc<Attendance>, Arc<Sight>),
) -> Result<(), Fault> {
    context.live().await;
    let tasks = context.ground.tasks.clone();
    let mut detector = Detector::new(context, settings, records);
    loop {
        tokio::select! {
            biased;
            () = tasks.stopped() => return Ok(()),
            ended = detector.run() => {
                if let Err(fault) = ended {
                    tracing::warn!(%fault, "leases cannot be watched; every grace begins anew");
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

struct Detector {
    context: Running,
    settings: Arc<Settings>,
    leases: Leases,
    /// Since when beats could be taken without a gap.
    attendance: Arc<Attendance>,
    /// What the watch saw.
    sight: Arc<Sight>,
    /// Those that ran out and were not judged yet, and until when they wait for others.
    waiting: (Vec<LeaseChange>, Instant),
    /// When that was last seen to be so.
    seen: Instant,
    /// When each lease was last seen to be written by another.
    written: BTreeMap<ClusterName, Instant>,
    /// The sequences of what this wrote last.
    own: BTreeMap<ClusterName, u64>,
}

impl Detector {
    fn new(
        context: Running,
        settings: Arc<Settings>,
        (attendance, sight): (Arc<Attendance>, Arc<Sight>),
    ) -> Self {
        let leases = Leases::new(context.ground.bus.broker.clone());
        let (seen, written, own) = (Instant::now(), BTreeMap::new(), BTreeMap::new());
        let waiting = (vec![], seen);
        Self { context, settings, leases, attendance, sight, waiting, seen, written, own }
    }

    /// From a start, or from the loss of all leases, to the next loss.
    async fn run(&mut self) -> Result<(), Fault> {
        self.attendance.begin();
        self.seen = Instant::now();
        self.waiting.0.clear();
        // The server may have lost what was seen: nothing is known until the watch tells.
        self.sight.begin();
        self.renew_all().await?;
        let broker = self.context.ground.bus.broker.clone();
        let mut lost = broker.lost();
        let mut news = self.leases.watch().await?;
        let mut probes = tokio::time::interval(self.settings.probe_every);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (waiting, until) = (!self.waiting.0.is_empty(), self.waiting.1);
            tokio::select! {
                biased;
                () = &mut lost => {
                    tracing::warn!("the connection was lost; every grace begins anew");
                    self.attendance.begin();
                    lost = broker.lost();
                }
                _ = probes.tick() => self.probe().await,
                () = tokio::time::sleep_until(until), if waiting => self.judge().await?,
                heard = news.next() => match heard {
                    Some(Ok(heard)) => self.noted(heard),
                    Some(Err(fault)) => return Err(fault),
                    None => return Err(Fault::passing("watch the leases", "the watch ended")),
                },
            }
        }
    }

    /// One full lease for every cluster whose silence would mean something.
    async fn renew_all(&mut self) -> Result<(), Fault> {
        let awaited: Vec<(ClusterName, Duration)> = self.context.read(|hosted| {
            let clusters = hosted.machine().fleet().clusters().iter();
            let awaited = clusters.filter(|(_, cluster)| cluster.awaits_beats());
            awaited
                .filter_map(|(name, c)| Some((ClusterName::parse(name).ok()?, c.grace())))
                .collect()
        });
        // In parts, so that the writing itself is not taken for an absence, and one in it is seen.
        for part in awaited.chunks(TOGETHER) {
            self.renew(part.to_vec()).await?;
            self.probe().await;
        }
        Ok(())
    }

    /// Writes leases anew, and remembers that it was no cluster's doing.
    async fn renew(&mut self, leases: Vec<(ClusterName, Duration)>) -> Result<(), Fault> {
        let at_once = self.settings.renewals;
        self.own.extend(renew(&self.context, &self.leases, leases, at_once).await?);
        Ok(())
    }

    /// Looks whether the server that keeps the leases answers; a gap begins every grace anew.
    async fn probe(&mut self) {
        let leader = subject::lead(Service::Registration);
        let answered = self.context.ground.bus.broker.last("LEASE", &leader).await;
        let now = Instant::now();
        if now - self.seen > self.settings.absence {
            tracing::warn!(away = ?(now - self.seen), "the hub was away; every grace begins anew");
            self.attendance.begin();
        }
        match answered {
            Ok(_) => self.seen = now,
            Err(fault) => tracing::warn!(%fault, "the leases' server does not answer"),
        }
    }

    fn noted(&mut self, news: LeaseNews) {
        self.sight.note(&news);
        let LeaseNews::Changed(change) = news else { return };
        match change.kind {
            LeaseKind::Beat if self.own.get(&change.cluster) == Some(&change.sequence) => {}
            LeaseKind::Beat => {
                self.written.insert(change.cluster, Instant::now());
            }
            LeaseKind::Expired => self.gathers(change),
        }
    }

    fn gathers(&mut self, change: LeaseChange) {
        let (waiting, until) = &mut self.waiting;
        if waiting.is_empty() {
            *until = Instant::now() + GATHER;
        }
        waiting.push(change);
        if waiting.len() >= TOGETHER {
            *until = Instant::now();
        }
    }

    /// What the leases that ran out mean for their clusters.
    async fn judge(&mut self) -> Result<(), Fault> {
        let waiting = std::mem::take(&mut self.waiting.0);
        let silent = self.that_matter(waiting);
        if silent.is_empty() {
            return Ok(());
        }
        self.probe().await;
        let answers = self.seen.elapsed() <= self.settings.absence;
        let (mut over, mut anew) = (vec![], vec![]);
        for (cluster, marker, grace) in silent {
            let attended = answers && self.attendance.covers(grace);
            // It may have been written for a shorter grace than the cluster has now, by one who did
            // not know that yet.
            let quiet = self.written.get(&cluster).map_or(grace, Instant::elapsed);
            let left = if attended { grace.saturating_sub(quiet + SLACK) } else { grace };
            if left.is_zero() {
                tracing::debug!(%cluster, "no beat for a whole grace");
                self.written.remove(&cluster);
                over.push((cluster, marker));
            } else {
                anew.push((cluster, (left + SLACK).min(grace)));
            }
        }
        if !over.is_empty() {
            tracing::info!(clusters = over.len(), "no beat for a whole grace");
        }
        told::expiries(&self.context, &over).await?;
        self.renew(anew).await
    }

    /// Those of the leases that ran out, and did not begin again, whose clusters' silence means
    /// something: with their markers and their graces.
    fn that_matter(&mut self, mut expired: Vec<LeaseChange>) -> Vec<(ClusterName, u64, Duration)> {
        let at = self.context.ground.clock.now();
        expired.retain(|change| self.sight.marker(&change.cluster) == Some(change.sequence));
        let graces: BTreeMap<String, Duration> = self.context.read(|hosted| {
            let fleet = hosted.machine().fleet();
            let names = expired.iter().map(|change| change.cluster.as_str());
            let matter = fleet.expire(names, at).into_iter();
            matter.map(|(name, _)| (name.to_owned(), fleet.cluster(name).grace())).collect()
        });
        let mut matter = vec![];
        for LeaseChange { cluster, sequence, .. } in expired {
            if let Some(grace) = graces.get(cluster.as_str()) {
                matter.push((cluster, sequence, *grace));
            } else {
                self.written.remove(&cluster);
                self.own.remove(&cluster);
                self.sight.forget(&cluster);
            }
        }
        matter
    }
}

/// Writes leases, each for so long, so many at once; answers their sequences.
///
/// # Errors
/// A server that does not take them.
pub(crate) async fn renew(
    context: &Running,
    leases: &Leases,
    clusters: Vec<(ClusterName, Duration)>,
    at_once: usize,
) -> Result<Vec<(ClusterName, u64)>, Fault> {
    let renewed = stream::iter(clusters).map(|(cluster, lasts)| async move {
        let sequence = context.patiently(|| leases.beat(&cluster, lasts)).await?;
        Ok((cluster, sequence))
    });
    renewed.buffer_unordered(at_once).try_collect().await
}
