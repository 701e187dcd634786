//! The failure detector: a lease that ran out makes its cluster's state unknown, but only when we
//! were there to take beats for the whole of its grace. The hub's own absence expires nobody.

use crate::attendance::Attendance;
use crate::config::Settings;
use crate::handlers::Running;
use crate::told;
use fleetlog_bus::{Fault, LeaseChange, LeaseKind, Leases};
use fleetlog_kernel::{ClusterName, Decider as _, Service};
use fleetlog_messages::subject;
use fleetlog_registration_domain::command::ClusterCommand;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How much of a grace a lease is seen too late, or ends too early.
const SLACK: Duration = Duration::from_secs(1);
/// How long until a watch that ended is opened again.
const AGAIN: Duration = Duration::from_millis(200);

/// Watches leases until the tasks are asked to stop.
pub(crate) async fn watch(
    context: Running,
    settings: Arc<Settings>,
    attendance: Arc<Attendance>,
) -> Result<(), Fault> {
    context.live().await;
    let tasks = context.ground.tasks.clone();
    let mut detector = Detector::new(context, settings, attendance);
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
    /// When that was last seen to be so.
    seen: Instant,
    /// When each lease was last seen to be written by another.
    written: BTreeMap<ClusterName, Instant>,
    /// The sequences of what this wrote last.
    own: BTreeMap<ClusterName, u64>,
}

impl Detector {
    fn new(context: Running, settings: Arc<Settings>, attendance: Arc<Attendance>) -> Self {
        let leases = Leases::new(context.ground.bus.broker.clone());
        let (seen, written, own) = (Instant::now(), BTreeMap::new(), BTreeMap::new());
        Self { context, settings, leases, attendance, seen, written, own }
    }

    /// From a start, or from the loss of all leases, to the next loss.
    async fn run(&mut self) -> Result<(), Fault> {
        self.attendance.begin();
        self.seen = Instant::now();
        self.renew_all().await?;
        let broker = self.context.ground.bus.broker.clone();
        let mut lost = broker.lost();
        let mut changes = self.leases.watch().await?;
        let mut probes = tokio::time::interval(self.settings.probe_every);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut lost => {
                    tracing::warn!("the connection was lost; every grace begins anew");
                    self.attendance.begin();
                    lost = broker.lost();
                }
                _ = probes.tick() => self.probe().await,
                change = changes.next() => match change {
                    Some(Ok(change)) if change.kind == LeaseKind::Expired => {
                        self.expired(&change).await?;
                    }
                    Some(Ok(change)) => self.noted(change),
                    Some(Err(fault)) => return Err(fault),
                    None => return Err(Fault::passing("watch the leases", "the watch ended")),
                },
            }
        }
    }

    /// One full lease for every cluster whose silence would mean something.
    async fn renew_all(&self) -> Result<(), Fault> {
        let awaited: Vec<(ClusterName, Duration)> = self.context.read(|hosted| {
            let clusters = hosted.machine().fleet().clusters().iter();
            let awaited = clusters.filter(|(_, cluster)| cluster.awaits_beats());
            awaited
                .filter_map(|(name, c)| Some((ClusterName::parse(name).ok()?, c.grace())))
                .collect()
        });
        let renewed = stream::iter(awaited).map(|(cluster, grace)| async move {
            self.context.patiently(|| self.leases.beat(&cluster, grace)).await
        });
        renewed
            .buffer_unordered(self.context.ground.bounds.window)
            .try_for_each(|_| futures::future::ready(Ok(())))
            .await
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

    fn noted(&mut self, LeaseChange { cluster, sequence, .. }: LeaseChange) {
        if self.own.get(&cluster) != Some(&sequence) {
            self.written.insert(cluster, Instant::now());
        }
    }

    async fn expired(&mut self, change: &LeaseChange) -> Result<(), Fault> {
        let (cluster, context) = (&change.cluster, self.context.clone());
        let (matters, grace) = self.context.read(|hosted| {
            let known = hosted.machine().fleet().cluster(cluster.as_str());
            let at = self.context.ground.clock.now();
            let events = known.decide(&ClusterCommand::NoteLeaseExpiry, at);
            (events.is_ok_and(|events| !events.is_empty()), known.grace())
        });
        if !matters {
            self.written.remove(cluster);
            self.own.remove(cluster);
            return Ok(());
        }
        self.probe().await;
        let answers = self.seen.elapsed() <= self.settings.absence;
        let attended = answers && self.attendance.covers(grace);
        // It may have been written for a shorter grace than the cluster has now, by one who did
        // not know that yet.
        let quiet = self.written.get(cluster).map_or(grace, Instant::elapsed);
        let left = if attended { grace.saturating_sub(quiet + SLACK) } else { grace };
        if left.is_zero() {
            tracing::info!(%cluster, "no beat for a whole grace");
            self.written.remove(cluster);
            return told::expiry(&context, cluster.as_str(), change.sequence).await;
        }
        let left = (left + SLACK).min(grace);
        let own = context.patiently(|| self.leases.beat(cluster, left)).await?;
        self.own.insert(cluster.clone(), own);
        Ok(())
    }
}
