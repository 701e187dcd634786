//! What must hold after each step, whatever went wrong: of the log, of the services' states, of
//! what agents are told and of what they made; and what must have come about when nothing goes
//! wrong any more.

mod add_ons;
mod failover;

use crate::breach::Breach;
use crate::fleet::{Made, Member};
use crate::history::{Expiry, History};
use crate::hub::Hub;
use crate::scenario::{Contents, Scenario};
use crate::user::{ACTOR, Sent, User};
use fleetlog_bus::{Broker as _, Works};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::common::{DeadLetter, outcome};
use fleetlog_messages::subject::Subject;
use fleetlog_messages::work::Delivery;
use futures::StreamExt as _;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How much longer than its grace a heard cluster's lease may seem to run out: a step's length.
const SLACK: Duration = Duration::from_secs(40);
/// From this grace on, chance does not lose all beats of one.
const LONG_GRACE: Duration = Duration::from_secs(50);

/// What agents are told now: cluster and work, with the delivery.
type Told = BTreeMap<(String, String), Delivery>;

/// What the log says that clusters should run: cluster and work, with its uid and its bundle.
type Wanted = BTreeMap<(String, String), (String, String)>;

/// The invariants, and what they remember.
#[derive(Default)]
pub struct Invariants {
    /// The log, checked.
    pub history: History,
    told: Told,
    wanted: Wanted,
    made: BTreeMap<(String, String), Made>,
    newest: BTreeMap<(String, String), u64>,
    now: Position,
}

impl Invariants {
    /// Checks everything that must hold at any time.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub async fn check(
        &mut self,
        hub: &Hub,
        fleet: &[Member],
        user: &User,
        contents: &Contents,
    ) -> Result<(), Breach> {
        let sighting = hub.sightings.lock().ok().and_then(|mut seen| seen.pop());
        if let Some(sighting) = sighting {
            return Err(sighting.into());
        }
        self.history.read_on(&hub.memory).await?;
        self.now = self.history.position;
        self.absences(hub, fleet)?;
        self.silences(&hub.pulse)?;
        self.states(hub)?;
        for (id, sent) in user.sent() {
            self.outcome(&id, &sent)?;
        }
        self.deliveries(hub, fleet, contents).await?;
        Ok(())
    }

    /// Invariant 13: only a cluster that was silent loses its lease.
    fn absences(&self, hub: &Hub, fleet: &[Member]) -> Result<(), String> {
        for Expiry { cluster, at, grace, .. } in &self.history.liveness.expired {
            if *grace < LONG_GRACE {
                continue;
            }
            let member = fleet.iter().find(|member| member.name.as_str() == cluster);
            let heard = member.map_or(Duration::ZERO, |m| m.heard_since.elapsed());
            let since = hub.clock.now().since(*at);
            if heard > since + *grace + SLACK {
                return Err(format!(
                    "the lease of \"{cluster}\" ran out {since:?} ago, though its agent was there \
                     for {heard:?} (invariant 13)"
                ));
            }
        }
        Ok(())
    }

    /// Invariant 8: a running service's state is what a fresh reading of the log gives.
    fn states(&self, hub: &Hub) -> Result<(), String> {
        for service in Service::ALL {
            let Some((position, hash)) = hub.service(service).and_then(|s| s.state()) else {
                continue;
            };
            match self.history.hash(service, position) {
                Some(fresh) if fresh != hash => {
                    return Err(format!(
                        "{service} at position {position} is not what the log gives (invariant 8)"
                    ));
                }
                None if position > self.now => {
                    return Err(format!("{service} stands at {position}, the log at {}", self.now));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Invariant 10: what the user was told of is in the log.
    fn outcome(&self, id: &str, sent: &Sent) -> Result<(), String> {
        let Some(outcome) = &sent.outcome else { return Ok(()) };
        let committed = self.history.commands.get(&(ACTOR.to_owned(), id.to_owned()));
        match (&outcome.result, committed) {
            (Some(outcome::Result::Accomplished(done)), None) if !done.types.is_empty() => {
                Err(format!("command \"{id}\" is acknowledged and not in the log (invariant 10)"))
            }
            (Some(outcome::Result::Accomplished(done)), Some(at)) if done.position != at.0 => {
                Err(format!("command \"{id}\" led to {at}, its outcome says {}", done.position))
            }
            (Some(outcome::Result::Refused(refusal)), Some(at)) => Err(format!(
                "command \"{id}\" led to {at} and is refused: {} {}",
                refusal.code, refusal.sentence
            )),
            _ => Ok(()),
        }
    }

    /// Invariant 6, of what agents are told and of what they made; and that nothing wanted is
    /// ever taken away.
    async fn deliveries(
        &mut self,
        hub: &Hub,
        fleet: &[Member],
        contents: &Contents,
    ) -> Result<(), String> {
        let told = told(hub).await?;
        for (key, delivery) in &told {
            let before = self.told.get(key).map_or(0, |before| before.generation);
            if delivery.generation < before {
                let now = delivery.generation;
                return Err(format!("{key:?} goes from {before} back to {now} (invariant 6)"));
            }
        }
        let mut made = BTreeMap::new();
        for member in fleet {
            let cluster = member.name.to_string();
            for thing in member.made() {
                made.insert((cluster.clone(), thing.name.clone()), thing);
            }
        }
        for (key, thing) in &made {
            let newest = self.newest.entry(key.clone()).or_default();
            if thing.revision < *newest {
                return Err(format!(
                    "{key:?} went from revision {newest} back to {} (invariant 6)",
                    thing.revision
                ));
            }
            *newest = thing.revision;
        }
        let wanted = self.wanted_by_log();
        self.nothing_is_taken_away(&wanted, &made, contents)?;
        (self.told, self.wanted, self.made) = (told, wanted, made);
        Ok(())
    }

    fn wanted_by_log(&self) -> Wanted {
        let works = self.history.work.machine().fleet().works().iter();
        let wanted = works.filter(|(_, work)| work.object().is_some() && !work.is_deleting());
        wanted
            .map(|(key, work)| {
                let uid = work.metadata().map(|metadata| metadata.uid().to_owned());
                let bundle = work.bundle().map(|bundle| bundle.hash.clone());
                let name = (key.cluster.clone(), key.name.clone());
                (name, (uid.unwrap_or_default(), bundle.unwrap_or_default()))
            })
            .collect()
    }

    /// What a work made stays, the same object, as long as the log wants the work.
    fn nothing_is_taken_away(
        &self,
        wanted: &Wanted,
        made: &BTreeMap<(String, String), Made>,
        contents: &Contents,
    ) -> Result<(), String> {
        for (key, (uid, bundle)) in wanted {
            let stayed = self.wanted.get(key).is_some_and(|(before, _)| before == uid);
            if !stayed || self.history.removed.contains(key) {
                continue;
            }
            let Some((name, _)) = contents.get(bundle) else { continue };
            let thing = (key.0.clone(), name.clone());
            let Some(before) = self.made.get(&thing).filter(|before| !before.going) else {
                continue;
            };
            if made.get(&thing).is_none_or(|now| now.uid != before.uid || now.going) {
                return Err(format!("{thing:?} was taken away though \"{}\" wants it", key.1));
            }
        }
        Ok(())
    }

    /// What has not come about yet of what must when nothing goes wrong any more.
    ///
    /// # Errors
    /// What is still missing.
    pub async fn settled(
        &self,
        hub: &Hub,
        fleet: &[Member],
        scenario: &Scenario,
    ) -> Result<(), Breach> {
        for service in Service::ALL {
            let state = hub.service(service).and_then(|running| running.state());
            if state.is_none_or(|(position, _)| position != self.history.position) {
                return Err(format!("{service} does not stand at the end of the log").into());
            }
        }
        for queue in fleetlog_topology::queues() {
            let in_hand = hub.memory.in_hand(queue.stream, &queue.durable).await;
            let (from, to) = in_hand.map_err(|fault| fault.to_string())?;
            if from != to {
                let whose = queue.durable;
                return Err(format!("\"{whose}\" has messages after {from} in hand").into());
            }
        }
        for (placement, decided) in &self.history.choices.decided {
            let now = hub.clock.now().seconds();
            let wanted = self.history.judge.wanted(placement, now);
            let told = scenario.chosen(&placement.name);
            if wanted != Some(decided.len()) || told.is_some_and(|told| Some(told) != wanted) {
                return Err(format!("\"{placement}\" chose {decided:?}").into());
            }
        }
        self.returned_are_untainted()?;
        self.works_follow_decisions()?;
        self.works_are_told()?;
        self.add_ons_are_there()?;
        self.works_are_made(fleet, &scenario.contents)?;
        Ok(())
    }

    /// WORK holds what the log says, no more and no less.
    fn works_are_told(&self) -> Result<(), String> {
        let fleet = self.history.work.machine().fleet();
        for (key, work) in fleet.works() {
            let name = (key.cluster.clone(), key.name.clone());
            let told = self.told.get(&name).map(|told| told.generation);
            let should = i64::try_from(work.delivered_at().0).ok();
            if work.object().is_some() && told != should {
                return Err(format!("{name:?} is told at {told:?}, should be at {should:?}"));
            }
            if work.is_deleting() {
                return Err(format!("{name:?} is still to be removed"));
            }
        }
        let told = self.told.iter().filter(|(_, delivery)| !delivery.deleted);
        for ((cluster, work), _) in told {
            let mut there = fleet.works().iter();
            if !there.any(|(k, w)| k.cluster == *cluster && k.name == *work && w.object().is_some())
            {
                return Err(format!("{cluster}/{work} is told and not in the log (invariant 8)"));
            }
        }
        Ok(())
    }

    /// Members run what they are told, and nothing else of ours; and the hub knows.
    fn works_are_made(&self, fleet: &[Member], contents: &Contents) -> Result<(), String> {
        let told = self.told.iter().filter(|(_, delivery)| !delivery.deleted);
        let should: BTreeSet<(String, String, u64)> = told
            .filter_map(|((cluster, _), delivery)| {
                let (name, revision) = content(contents, delivery)?;
                Some((cluster.clone(), name.clone(), *revision))
            })
            .collect();
        let made = fleet.iter().flat_map(|member| {
            let cluster = member.name.to_string();
            member.made().into_iter().map(move |m| (cluster.clone(), m.name, m.revision))
        });
        let made: BTreeSet<(String, String, u64)> = made.collect();
        if made != should {
            return Err(format!("members have {made:?}, should have {should:?}"));
        }
        for (key, work) in self.history.work.machine().fleet().works() {
            let status = work.object().and_then(|object| object.status.as_ref());
            for kind in ["Applied", "Available"] {
                let mut conditions = status.iter().flat_map(|status| &status.conditions);
                if !conditions.any(|c| c.r#type() == kind && c.status() == "True") {
                    return Err(format!("{}/{} is not known as {kind}", key.cluster, key.name));
                }
            }
        }
        Ok(())
    }

    /// Every command has its recorded outcome, and DLQ holds what nobody can read and nothing else.
    ///
    /// # Errors
    /// What is missing or too much.
    pub async fn concluded(
        &self,
        hub: &Hub,
        user: &User,
        scenario: &Scenario,
    ) -> Result<(), String> {
        let outcomes = fleetlog_bus::Outcomes::new(hub.memory.clone());
        for (id, sent) in user.sent() {
            let command = fleetlog_kernel::CommandId::new(id.as_str());
            let recorded =
                outcomes.find(ACTOR, &command).await.map_err(|fault| fault.to_string())?;
            if recorded.is_none() || recorded != sent.outcome {
                return Err(format!(
                    "command \"{id}\" was answered {:?}, recorded is {recorded:?}",
                    sent.outcome
                ));
            }
        }
        let buried = hub.memory.read("DLQ", &Subject::raw("fl.dlq.>"), 0).await;
        let buried = buried.map_err(|fault| fault.to_string())?;
        let many = usize::try_from(buried.pending).unwrap_or(usize::MAX);
        let mut letters = buried.messages.take(many);
        while let Some(letter) = letters.next().await {
            let letter = letter.map_err(|fault| fault.to_string())?;
            let letter = DeadLetter::decode(letter.payload).map_err(|error| error.to_string())?;
            let id = letter.headers.get(fleetlog_messages::envelope::header::COMMAND);
            if id.is_none_or(|id| !scenario.babbled.contains(id)) {
                return Err(format!("\"{}\" was buried: {}", letter.subject, letter.reason));
            }
        }
        Ok(())
    }
}

fn content<'a>(contents: &'a Contents, delivery: &Delivery) -> Option<&'a (String, u64)> {
    contents.get(&delivery.bundle.as_ref()?.hash)
}

async fn told(hub: &Hub) -> Result<Told, String> {
    let all = Works::new(hub.memory.clone()).all().await.map_err(|fault| fault.to_string())?;
    let read = |desired: fleetlog_bus::Desired| {
        let delivery = Delivery::decode(desired.message.payload).ok()?;
        Some(((desired.cluster, desired.work), delivery))
    };
    Ok(all.into_iter().filter_map(read).collect())
}
