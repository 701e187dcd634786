//! The story of a failover: clusters fall silent, flap and return, the hub is away, leases are
//! edited, while everything else goes wrong too. The same once more in a calm is `calm`'s.

mod calm;

use crate::breach::Breach;
use crate::chance::Chance;
use crate::happening::Happening;
use crate::play::Run;
use crate::scenario::CLUSTERS;
use fleetlog_kernel::Service;
use std::time::Duration;

/// How many things happen.
const STEPS: usize = 10;
/// Beats in a grace.
const BEATS: u64 = 5;

impl Run {
    pub(crate) async fn failover(&mut self) -> Result<(), Breach> {
        self.step = "setting up".to_owned();
        self.during(async |scenario| scenario.set_up_failover().await).await?;
        self.all_available().await?;
        for number in 1..=STEPS {
            let Some(what) = self.chance().pick(&Happening::ACTS).copied() else { continue };
            self.step = format!("step {number} ({what:?})");
            tracing::info!("{}", self.step);
            if self.happens(what).await? {
                *self.happened.entry(what).or_default() += 1;
            }
            self.check().await?;
            let pause = self.chance().between(100, 30_000);
            self.pause(pause).await?;
            self.check().await?;
        }
        self.settle().await?;
        self.calm().await
    }

    pub(crate) fn chance(&self) -> &Chance {
        self.hub.faults.chance()
    }

    /// Lets it happen; false when it cannot now.
    async fn happens(&mut self, what: Happening) -> Result<bool, Breach> {
        match what {
            Happening::Silence => self.silence(1, Length::Long),
            Happening::TwoSilences => self.silence(2, Length::Long),
            Happening::EverySilence => self.silence(CLUSTERS.len(), Length::Long),
            Happening::ShortSilence => self.silence(1, Length::Short),
            Happening::Flapping => self.flaps().await?,
            Happening::HubAbsence => self.absence(&Service::ALL, Server::Stays).await?,
            Happening::RegistrationAbsence => {
                self.absence(&[Service::Registration], Server::Stays).await?;
            }
            Happening::ServerAbsence => self.absence(&Service::ALL, Server::Restarts).await?,
            Happening::LongerLease => return self.edit(true).await,
            Happening::ShorterLease => return self.edit(false).await,
            Happening::EditInSilence => {
                let longer = self.chance().below(2) == 0;
                self.silence(CLUSTERS.len(), Length::Long);
                let within = self.longest_grace().as_millis().try_into().unwrap_or(u64::MAX);
                let pause = self.chance().between(100, within);
                self.pause(pause).await?;
                return self.edit(longer).await;
            }
            Happening::Scale => self.during(async |scenario| scenario.scale().await).await?,
            Happening::Template => self.during(async |scenario| scenario.template().await).await?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Cuts so many clusters off.
    fn silence(&mut self, many: usize, length: Length) {
        let first = usize::try_from(self.chance().below(CLUSTERS.len() as u64)).unwrap_or(0);
        for number in 0..many {
            self.silence_one((first + number) % CLUSTERS.len(), length);
        }
    }

    fn silence_one(&mut self, number: usize, length: Length) {
        let Some(name) = CLUSTERS.get(number) else { return };
        let grace = self.grace(name).as_millis().try_into().unwrap_or(u64::MAX);
        let lasts = match length {
            Length::Short => self.chance().between(grace / 10, grace * 7 / 10),
            Length::Long => self.chance().between(grace * 11 / 10, grace * 2 + 10_000),
        };
        if let Some(member) = self.fleet.get_mut(number) {
            tracing::info!(cluster = name, ?lasts, "is silent");
            member.silence(lasts);
        }
    }

    /// One cluster is cut off again and again, for longer and for shorter than its grace.
    async fn flaps(&mut self) -> Result<(), Breach> {
        let number = usize::try_from(self.chance().below(CLUSTERS.len() as u64)).unwrap_or(0);
        for _ in 0..4 {
            let long = self.chance().below(2) == 0;
            self.silence_one(number, if long { Length::Long } else { Length::Short });
            while self.fleet.get(number).is_some_and(|member| !member.gate.is_open()) {
                self.pause(Duration::from_secs(1)).await?;
            }
            let back = self.chance().between(100, 8_000);
            self.pause(back).await?;
            self.check().await?;
        }
        Ok(())
    }

    /// Services are away for longer than every grace.
    async fn absence(&mut self, services: &[Service], server: Server) -> Result<(), Breach> {
        let extra = self.chance().between(1_000, 40_000);
        let lasts = self.longest_grace() + extra;
        tracing::info!(?services, ?server, ?lasts, "away");
        self.hub.leave(services, lasts);
        if server == Server::Restarts {
            self.pause(lasts / 2).await?;
            self.hub.restart_server();
            self.pause(lasts / 2).await?;
        } else {
            self.pause(lasts).await?;
        }
        Ok(())
    }

    async fn edit(&mut self, longer: bool) -> Result<bool, Breach> {
        self.during(async |scenario| {
            let Some(cluster) = scenario.editable(longer) else { return false };
            scenario.edit_lease(cluster, longer).await;
            true
        })
        .await
    }

    /// The grace of a cluster, as the user has asked for it.
    pub(crate) fn grace(&self, cluster: &str) -> Duration {
        let fleet = self.invariants.history.registration.machine().fleet();
        Duration::from_secs(u64::from(fleet.cluster(cluster).lease_seconds()) * BEATS)
    }

    pub(crate) fn longest_grace(&self) -> Duration {
        CLUSTERS.iter().map(|name| self.grace(name)).max().unwrap_or_default()
    }
}

/// How long a silence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// Shorter than the grace.
    Short,
    /// Longer.
    Long,
}

/// What the server does while services are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// It is there.
    Stays,
    /// It restarts: what it kept in memory is gone.
    Restarts,
}
