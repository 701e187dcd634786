//! A failover where nothing else goes wrong: each step has its time, and nothing moves that need
//! not. All times are those of the run's own clock.

use crate::breach::{Breach, Invariant};
use crate::play::Run;
use crate::scenario::{CLUSTERS, PLACEMENT};
use fleetlog_kernel::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How long after its grace a silence is known of: the server looks for leases once a second.
const NOTICED: Duration = Duration::from_secs(3);
/// How long a decision and the deletion of a work take.
const MOVED: Duration = Duration::from_secs(5);
/// How long the replacement takes until it is known as available, or a returned cluster is clean.
const DONE: Duration = Duration::from_secs(30);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(500);

impl Run {
    /// A silence and a return, an absence of the hub, and edits.
    pub(super) async fn calm(&mut self) -> Result<(), Breach> {
        self.step = "a calm".to_owned();
        // The hub was there for a whole grace.
        self.pause(self.longest_grace() + NOTICED).await?;
        self.check().await?;
        self.calm_silence().await?;
        self.calm_absence().await?;
        self.calm_edits().await
    }

    /// Chosen, silent, replaced, back, clean.
    async fn calm_silence(&mut self) -> Result<(), Breach> {
        let chosen: Vec<String> = self.chosen().into_iter().collect();
        let Some(gone) = self.chance().pick(&chosen).cloned() else {
            return Err("nothing is chosen".to_owned().into());
        };
        let before = self.changes();
        self.step = format!("a calm silence of {gone}");
        for member in self.fleet.iter_mut().filter(|member| member.name.as_str() == gone) {
            member.silence(Duration::from_secs(1_000_000));
        }
        let within = self.grace(&gone) + NOTICED;
        self.until("it is Unknown", within, async |run: &Self| {
            !run.invariants.history.liveness.is_available(&gone)
        })
        .await?;
        let wanted = chosen.len();
        self.until("another is chosen", MOVED, async |run: &Self| {
            let now = run.chosen();
            now.len() == wanted && !now.contains(&gone)
        })
        .await?;
        self.until("it is replaced", DONE, async |run: &Self| run.is_replaced(&gone)).await?;
        self.step = format!("the calm return of {gone}");
        for member in self.fleet.iter_mut().filter(|member| member.name.as_str() == gone) {
            member.revive();
        }
        self.until("it is clean", DONE, async |run: &Self| run.settled().await.is_ok()).await?;
        let mut after = before;
        *after.entry(gone).or_default() += 2;
        self.availability_is(&after)
    }

    /// All chosen clusters have the placement's works, applied and available; the silent one has
    /// none of them any more.
    fn is_replaced(&self, gone: &str) -> bool {
        let chosen = self.chosen();
        let works = self.invariants.history.work.machine().fleet().works();
        let of = |cluster: &str| {
            let cluster = cluster.to_owned();
            works.iter().filter(move |(key, work)| {
                key.cluster == cluster && work.state().placement == PLACEMENT
            })
        };
        let available = |cluster: &String| {
            of(cluster).any(|(_, work)| {
                let status = work.object().and_then(|object| object.status.as_ref());
                let mut all = status.iter().flat_map(|status| &status.conditions);
                all.any(|c| c.r#type() == "Available" && c.status() == "True")
            })
        };
        let stays = of(gone).any(|(_, work)| !work.is_deleting());
        !stays && chosen.iter().all(available)
    }

    /// Everything of the hub is away and comes back: nothing follows.
    async fn calm_absence(&mut self) -> Result<(), Breach> {
        self.step = "a calm absence of the hub".to_owned();
        let (before, chosen) = (self.changes(), self.chosen());
        let lasts = self.longest_grace() + Duration::from_secs(10);
        self.hub.leave(&Service::ALL, lasts);
        self.pause(lasts / 2).await?;
        self.hub.restart_server();
        self.pause(lasts / 2 + self.longest_grace() * 2).await?;
        self.check().await?;
        self.availability_is(&before)?;
        if self.chosen() != chosen {
            let what = format!("{chosen:?} were chosen, {:?} are", self.chosen());
            return Err(Breach::of(Invariant::AbsenceMovesNothing, what));
        }
        Ok(())
    }

    /// Every lease is edited both ways while its agent beats: nobody is lost.
    async fn calm_edits(&mut self) -> Result<(), Breach> {
        let before = self.changes();
        for longer in [true, false, true] {
            self.step = format!("calm edits (longer: {longer})");
            for name in CLUSTERS {
                self.during(async |scenario| scenario.edit_lease(name, longer).await).await?;
            }
            self.check().await?;
            self.pause(self.longest_grace() * 2).await?;
            self.check().await?;
            self.availability_is(&before)?;
        }
        Ok(())
    }

    fn chosen(&self) -> BTreeSet<String> {
        let decided = self.invariants.history.choices.decided.iter();
        let mut found = decided.filter(|(placement, _)| placement.name == PLACEMENT);
        found.next().map(|(_, clusters)| clusters.clone()).unwrap_or_default()
    }

    fn changes(&self) -> BTreeMap<String, u64> {
        self.invariants.history.liveness.changes.clone()
    }

    fn availability_is(&self, should: &BTreeMap<String, u64>) -> Result<(), Breach> {
        let changes = self.changes();
        if changes == *should {
            return Ok(());
        }
        let what = format!("availability changed {changes:?} times, should have {should:?}");
        Err(Breach::of(Invariant::NothingFlaps, what))
    }

    async fn until(
        &mut self,
        what: &str,
        within: Duration,
        holds: impl AsyncFn(&Self) -> bool,
    ) -> Result<(), Breach> {
        let since = Instant::now();
        loop {
            self.check().await?;
            if holds(self).await {
                return Ok(());
            }
            if since.elapsed() > within {
                let what = format!("not so after {within:?}: {what}");
                return Err(Breach::of(Invariant::InTime, what));
            }
            self.pause(LOOK).await?;
        }
    }
}
