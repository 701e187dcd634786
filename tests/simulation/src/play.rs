//! One run: a seed decides everything, from the keys to the last fault.

use crate::bug::Bug;
use crate::chance::Kind;
use crate::fleet::Member;
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
/// How long a command may be without an outcome: a few redeliveries.
const OUTCOME_WITHIN: Duration = Duration::from_secs(300);
/// How long it may take until all is well once nothing goes wrong any more.
const SETTLED_WITHIN: Duration = Duration::from_secs(900);

/// What a run was.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often each kind of fault struck.
    pub faults: BTreeMap<Kind, u64>,
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
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, at, what } = self;
        write!(f, "seed {seed}, after {step}, {at:?} in: {what}")
    }
}

/// Plays a seed, with or without a planted bug.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Report, Violation> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let violation =
        |what: String| Violation { seed, step: "the start".to_owned(), at: Duration::ZERO, what };
    let runtime = builder.enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| violation(error.to_string()))?;
    runtime.block_on(async {
        let mut run = Run::new(seed, bug).map_err(violation)?;
        let played = run.play().await;
        let at = run.begun.elapsed();
        let step = run.step.clone();
        played.map_err(|what| Violation { seed, step, at, what })
    })
}

struct Run {
    hub: Hub,
    fleet: Vec<Member>,
    user: User,
    invariants: Invariants,
    scenario: Option<Scenario>,
    begun: Instant,
    step: String,
}

impl Run {
    fn new(seed: u64, bug: Option<Bug>) -> Result<Self, String> {
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
        let begun = Instant::now();
        Ok(Self { hub, fleet, user, invariants, scenario, begun, step: "the start".to_owned() })
    }

    async fn play(&mut self) -> Result<Report, String> {
        self.step = "setting up".to_owned();
        self.during(async |scenario| {
            scenario.set_up().await;
            "setting up"
        })
        .await?;
        // From here on there is always a cluster to choose.
        while !self.invariants.history.all_available(CLUSTERS.len()) {
            self.pause(Duration::from_secs(1)).await?;
            self.check().await?;
        }
        for number in 1..=STEPS {
            let what = self.during(async |scenario| scenario.act().await).await?;
            self.step = format!("step {number} ({what})");
            tracing::info!(at = ?self.begun.elapsed(), "{}", self.step);
            self.check().await?;
            let pause = self.hub.faults.chance().between(10, 8_000);
            self.pause(pause).await?;
            self.check().await?;
        }
        self.settle().await?;
        Ok(Report {
            faults: self.hub.faults.counts(),
            commits: self.invariants.history.position.0,
            lasted: self.begun.elapsed(),
        })
    }

    /// Lets the user do something, while everything else goes on and goes wrong.
    async fn during(
        &mut self,
        act: impl AsyncFnOnce(&mut Scenario) -> &'static str,
    ) -> Result<&'static str, String> {
        let Some(mut scenario) = self.scenario.take() else { return Err("no user".to_owned()) };
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
                    break Err(format!("no outcome after {OUTCOME_WITHIN:?} (invariant 10)"));
                }
            }
        };
        self.scenario = Some(scenario);
        done
    }

    async fn pause(&mut self, lasts: Duration) -> Result<(), String> {
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            let tick = self.hub.faults.chance().between(5, 400);
            tokio::time::sleep_until(until.min(Instant::now() + tick)).await;
            self.tend().await?;
        }
        Ok(())
    }

    /// What happens by itself: the dead are buried, others born, servers and lines fail.
    async fn tend(&mut self) -> Result<(), String> {
        self.hub.tend().await.map_err(|failed| failed.to_string())?;
        for member in &mut self.fleet {
            member.tend(&self.hub).map_err(|failed| failed.to_string())?;
        }
        let faults = self.hub.faults.clone();
        // One at a time, so that there is always a cluster to choose.
        let all_there = self.fleet.iter().all(|member| member.gate.is_open())
            && self.invariants.history.all_available(CLUSTERS.len());
        if all_there && faults.strikes(Kind::Silence) {
            let number = faults.chance().below(self.fleet.len() as u64);
            if let Some(member) = usize::try_from(number).ok().and_then(|n| self.fleet.get_mut(n)) {
                tracing::info!(cluster = %member.name, "is silent");
                member.silence(faults.chance().between(55_000, 90_000));
            }
        }
        if faults.strikes(Kind::ServerRestart) {
            tracing::info!("the server restarts");
            self.hub.memory.restart();
        }
        Ok(())
    }

    async fn check(&mut self) -> Result<(), String> {
        let Some(scenario) = &self.scenario else { return Err("no user".to_owned()) };
        self.invariants.check(&self.hub, &self.fleet, &self.user, &scenario.contents).await
    }

    /// Nothing goes wrong any more: all has to be well soon.
    async fn settle(&mut self) -> Result<(), String> {
        self.step = "the storm".to_owned();
        self.hub.faults.calm();
        self.hub.revive();
        self.fleet.iter_mut().for_each(Member::revive);
        let until = Instant::now() + SETTLED_WITHIN;
        loop {
            self.pause(Duration::from_secs(5)).await?;
            self.check().await?;
            let Some(scenario) = &self.scenario else { return Err("no user".to_owned()) };
            let settled = self.invariants.settled(&self.hub, &self.fleet, scenario).await;
            match settled {
                Ok(()) if self.hub.is_whole() => {
                    return self.invariants.concluded(&self.hub, &self.user, scenario).await;
                }
                Err(missing) if Instant::now() >= until => {
                    return Err(format!("{SETTLED_WITHIN:?} after the storm: {missing}"));
                }
                _ => {}
            }
        }
    }
}
