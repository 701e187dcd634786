//! One run: a seed decides everything, from the keys to the last fault.

use crate::breach::Breach;
use crate::bug::Bug;
use crate::chance::Kind;
use crate::fleet::Member;
use crate::happening::Happening;
use crate::hub::Hub;
use crate::invariants::Invariants;
use crate::scenario::{CLUSTERS, Scenario};
use crate::user::User;
use fleetlog_kernel::{ClusterName, Service};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// How many things the user does.
const STEPS: usize = 16;
/// How many where choices are made.
const CHOICES: usize = 24;
/// How long a command may be without an outcome: a few redeliveries.
const OUTCOME_WITHIN: Duration = Duration::from_secs(300);
/// How long it may take until all is well once nothing goes wrong any more.
const SETTLED_WITHIN: Duration = Duration::from_secs(900);

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// A user changes everything, while everything goes wrong.
    Storm,
    /// Clusters fall silent and return, the hub is away, leases are edited; while everything goes
    /// wrong, and then once more in a calm.
    Failover,
    /// A user edits a placement and taints, labels and scores clusters, while everything goes
    /// wrong.
    Choices,
}

/// What a run was.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often each kind of fault struck.
    pub faults: BTreeMap<Kind, u64>,
    /// How often each thing happened that a failover is made of.
    pub happened: BTreeMap<Happening, u64>,
    /// How many commits the log has.
    pub commits: u64,
    /// How much time it took, on its own clock.
    pub lasted: Duration,
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// The step after which it was seen.
    pub step: String,
    /// When, on the run's own clock.
    pub at: Duration,
    /// What does not hold.
    pub breach: Breach,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, at, breach } = self;
        write!(f, "seed {seed}, after {step}, {at:?} in: {breach}")
    }
}

/// Plays a seed, with or without a planted bug.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(story: Story, seed: u64, bug: Option<Bug>) -> Result<Report, Violation> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let violation = |breach: Breach| {
        let (step, at) = ("the start".to_owned(), Duration::ZERO);
        Violation { seed, step, at, breach }
    };
    let runtime = builder.enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| violation(error.to_string().into()))?;
    runtime.block_on(async {
        let mut run = Run::new(story, seed, bug).map_err(|what| violation(what.into()))?;
        let played = match story {
            Story::Storm => run.storm().await,
            Story::Failover => run.failover().await,
            Story::Choices => run.choices().await,
        };
        let (at, step) = (run.begun.elapsed(), run.step.clone());
        played.map(|()| run.report()).map_err(|breach| Violation { seed, step, at, breach })
    })
}

/// A run under way.
pub(crate) struct Run {
    story: Story,
    pub(crate) hub: Hub,
    pub(crate) fleet: Vec<Member>,
    user: User,
    pub(crate) invariants: Invariants,
    scenario: Option<Scenario>,
    begun: Instant,
    pub(crate) step: String,
    pub(crate) happened: BTreeMap<Happening, u64>,
}

impl Run {
    fn new(story: Story, seed: u64, bug: Option<Bug>) -> Result<Self, String> {
        let mut hub = Hub::new(seed, bug).map_err(|fault| fault.to_string())?;
        Service::ALL.into_iter().for_each(|service| hub.start(service));
        let mut fleet = vec![];
        for (number, name) in (0..).zip(CLUSTERS) {
            let name = ClusterName::parse(name).map_err(|error| error.to_string())?;
            fleet.push(Member::new(name, seed, number).map_err(|fault| fault.to_string())?);
        }
        let user = User::new(&hub);
        let scenario = Some(Scenario::new(seed, user.clone()));
        let invariants = Invariants::default();
        let (begun, step) = (Instant::now(), "the start".to_owned());
        let happened = BTreeMap::new();
        Ok(Self { story, hub, fleet, user, invariants, scenario, begun, step, happened })
    }

    fn report(&self) -> Report {
        let history = &self.invariants.history;
        let mut happened = self.happened.clone();
        let (expiries, returns) = history.liveness.totals;
        happened.insert(Happening::Expiry, expiries);
        happened.insert(Happening::Return, returns);
        happened.insert(Happening::Move, history.choices.moved);
        happened.insert(Happening::Withdrawal, history.removals);
        happened.insert(Happening::Revision, history.judge.compared);
        Report {
            faults: self.hub.faults.counts(),
            happened,
            commits: history.position.0,
            lasted: self.begun.elapsed(),
        }
    }

    /// Waits until every cluster is available: from here on there is one to choose.
    pub(crate) async fn all_available(&mut self) -> Result<(), Breach> {
        let until = Instant::now() + SETTLED_WITHIN;
        while !self.invariants.history.liveness.all_available(CLUSTERS.len()) {
            if Instant::now() >= until {
                return Err(format!("{SETTLED_WITHIN:?} on: a cluster is not available").into());
            }
            self.pause(Duration::from_secs(1)).await?;
            self.check().await?;
        }
        Ok(())
    }

    async fn storm(&mut self) -> Result<(), Breach> {
        self.step = "setting up".to_owned();
        self.during(async |scenario| scenario.set_up().await).await?;
        self.all_available().await?;
        for number in 1..=STEPS {
            let what = self.during(async |scenario| scenario.act().await).await?;
            self.step = format!("step {number} ({what})");
            tracing::info!(at = ?self.begun.elapsed(), "{}", self.step);
            self.check().await?;
            let pause = self.hub.faults.chance().between(10, 8_000);
            self.pause(pause).await?;
            self.check().await?;
        }
        self.settle().await
    }

    async fn choices(&mut self) -> Result<(), Breach> {
        self.step = "setting up".to_owned();
        self.during(async |scenario| scenario.set_up_choices().await).await?;
        self.all_available().await?;
        for number in 1..=CHOICES {
            let what = self.during(async |scenario| scenario.choose().await).await?;
            *self.happened.entry(what).or_default() += 1;
            if self.chance().below(3) == 0 {
                self.fall_silent();
            }
            self.step = format!("step {number} ({what:?})");
            tracing::info!(at = ?self.begun.elapsed(), "{}", self.step);
            let pause = self.chance().between(10, 12_000);
            self.pause(pause).await?;
            self.check().await?;
        }
        self.settle().await
    }

    /// One cluster is cut off, if it is there: for longer than its grace, begun anew once or twice.
    fn fall_silent(&mut self) {
        let lasts = self.chance().between(70_000, 160_000);
        let number = usize::try_from(self.chance().below(CLUSTERS.len() as u64)).unwrap_or(0);
        let Some(member) = self.fleet.get_mut(number).filter(|m| m.gate.is_open()) else { return };
        tracing::info!(cluster = %member.name, "is silent");
        member.silence(lasts);
        *self.happened.entry(Happening::Silence).or_default() += 1;
    }

    /// Lets the user do something, while everything else goes on and goes wrong.
    pub(crate) async fn during<T>(
        &mut self,
        act: impl AsyncFnOnce(&mut Scenario) -> T,
    ) -> Result<T, Breach> {
        let Some(mut scenario) = self.scenario.take() else { return Err(no_user()) };
        let done = {
            let mut acting = pin!(act(&mut scenario));
            loop {
                let tick = self.hub.faults.chance().between(5, 150);
                tokio::select! {
                    biased;
                    what = &mut acting => break Ok(what),
                    () = tokio::time::sleep(tick) => self.tend().await?,
                }
                if self.user.waited() >= OUTCOME_WITHIN {
                    let what = format!("no outcome after {OUTCOME_WITHIN:?} (invariant 10)");
                    break Err(what.into());
                }
            }
        };
        self.scenario = Some(scenario);
        done
    }

    pub(crate) async fn pause(&mut self, lasts: Duration) -> Result<(), Breach> {
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            let tick = self.hub.faults.chance().between(5, 400);
            tokio::time::sleep_until(until.min(Instant::now() + tick)).await;
            self.tend().await?;
        }
        Ok(())
    }

    /// What happens by itself: the dead are buried, others born, servers and lines fail.
    async fn tend(&mut self) -> Result<(), Breach> {
        self.hub.tend().await.map_err(|failed| failed.to_string())?;
        for member in &mut self.fleet {
            member.tend(&self.hub).map_err(|failed| failed.to_string())?;
        }
        let faults = self.hub.faults.clone();
        // One at a time, so that there is always a cluster to choose.
        let all_there = self.story != Story::Failover
            && self.fleet.iter().all(|member| member.gate.is_open())
            && self.invariants.history.liveness.all_available(CLUSTERS.len());
        if all_there && faults.strikes(Kind::Silence) {
            let number = faults.chance().below(self.fleet.len() as u64);
            if let Some(member) = usize::try_from(number).ok().and_then(|n| self.fleet.get_mut(n)) {
                tracing::info!(cluster = %member.name, "is silent");
                member.silence(faults.chance().between(55_000, 90_000));
            }
        }
        if faults.strikes(Kind::ServerRestart) {
            tracing::info!("the server restarts");
            self.hub.restart_server();
        }
        Ok(())
    }

    pub(crate) async fn check(&mut self) -> Result<(), Breach> {
        let Some(scenario) = &self.scenario else { return Err(no_user()) };
        self.invariants.check(&self.hub, &self.fleet, &self.user, &scenario.contents).await
    }

    /// Whether all is as it should be when nothing goes on any more.
    pub(crate) async fn settled(&self) -> Result<(), Breach> {
        let Some(scenario) = &self.scenario else { return Err(no_user()) };
        if !self.hub.is_whole() {
            return Err("a service is away".to_owned().into());
        }
        self.invariants.settled(&self.hub, &self.fleet, scenario).await
    }

    /// Nothing goes wrong any more: all has to be well soon.
    pub(crate) async fn settle(&mut self) -> Result<(), Breach> {
        self.step = "the storm".to_owned();
        self.hub.faults.calm();
        self.hub.revive();
        self.fleet.iter_mut().for_each(Member::revive);
        let until = Instant::now() + SETTLED_WITHIN;
        loop {
            self.pause(Duration::from_secs(5)).await?;
            self.check().await?;
            match self.settled().await {
                Ok(()) => break,
                Err(missing) if Instant::now() >= until => {
                    return Err(missing.told(|it| format!("{SETTLED_WITHIN:?} on: {it}")));
                }
                Err(_) => {}
            }
        }
        let Some(scenario) = &self.scenario else { return Err(no_user()) };
        Ok(self.invariants.concluded(&self.hub, &self.user, scenario).await?)
    }
}

fn no_user() -> Breach {
    "no user".to_owned().into()
}
