//! What follows from a commit: commands to work itself, and what agents should get. From state
//! alone, so a repeat is harmless; every command is checked again when it is decided.

use crate::delivery;
use crate::fanout;
use crate::name::{SetKey, Target, WorkKey};
use crate::projection::{Change, Fleet, Presence};
use crate::state::ReplicaSet;
use fleetlog_kernel::{Position, Reaction};
use fleetlog_messages::placement::placement_event;
use fleetlog_messages::work::{
    DeleteWork, DeliverWork, Delivery, FanOutPlanned, PlanFanOut, Summarize, WithdrawWork,
    replica_set_command, replica_set_event, work_command, work_event,
};
use std::collections::{BTreeMap, BTreeSet};

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Follow {
    /// A command on a work.
    Work(WorkKey, work_command::Command),
    /// A command on a replica set.
    Set(SetKey, replica_set_command::Command),
    /// What an agent should get from now on.
    Publish(Box<Delivery>),
}

impl Reaction for &Fleet {
    type Event = (Change, Position);
    type Command = Follow;

    fn react(&mut self, (change, position): &Self::Event) -> Vec<Follow> {
        let mut follows = match change {
            Change::Work(key, events) => of_work(self, key, events, *position),
            Change::Set(key, events) => of_set(self, key, events),
            Change::Placement(key, events) if events.iter().any(decides) => {
                self.sets_of(key).map(|set| plan(set, &[])).collect()
            }
            Change::Placement(..) => vec![],
            Change::Cluster(name, events) => of_cluster(self, name, events, *position),
        };
        let noticed = self.noticed();
        follows.extend(noticed.lost.iter().map(|(set, target)| plan(set, &[target])));
        follows.extend(noticed.moved.iter().map(|set| plan(set, &[])));
        let summarize = || replica_set_command::Command::Summarize(Summarize {});
        follows.extend(noticed.stale.iter().map(|set| Follow::Set(set.clone(), summarize())));
        follows
    }
}

fn decides(event: &placement_event::Event) -> bool {
    use placement_event::Event;
    matches!(event, Event::Decided(_) | Event::Deleted(_))
}

fn of_work(
    fleet: &Fleet,
    key: &WorkKey,
    events: &[work_event::Event],
    position: Position,
) -> Vec<Follow> {
    let Some(work) = fleet.works().get(key) else {
        // An agent that reported the end got its removal before; others never did.
        let untold = events.iter().any(|e| matches!(e, work_event::Event::DeletionRequested(_)));
        let removal = || Follow::Publish(Box::new(delivery::removal(key, position)));
        return untold.then(removal).into_iter().collect();
    };
    let mut follows = Vec::new();
    if work.delivered_at() == position {
        follows.extend(delivery::of(key, work).map(|d| Follow::Publish(Box::new(d))));
    }
    let specified = events.iter().any(|e| matches!(e, work_event::Event::Specified(_)));
    if specified && !fleet.has_cluster(&key.cluster) {
        // Decided while its cluster was leaving.
        follows.push(abandon(key.clone()));
    }
    let of = SetKey::parse(work.replica_set()).filter(|_| specified);
    let planned = |of: &SetKey| fleet.planned(of, &work.state().placement, key).is_some();
    let unplanned = of.filter(|of| !planned(of));
    follows.extend(unplanned.map(|of| withdraw(&of, key.clone())));
    follows
}

fn of_set(fleet: &Fleet, key: &SetKey, events: &[replica_set_event::Event]) -> Vec<Follow> {
    use replica_set_event::Event;
    let mut follows = Vec::new();
    let mut ends = false;
    for event in events {
        match event {
            Event::Specified(_) => follows.push(plan(key, &[])),
            Event::FanOutPlanned(planned) => follows.extend(carry_out(fleet, key, planned)),
            Event::DeletionRequested(_) => ends = true,
            Event::Summarized(_) | Event::Deleted(_) => {}
        }
    }
    if ends {
        follows.extend(end(fleet, key));
    }
    follows
}

/// The withdrawal of a set's works: at once, or by plans when there are more than one commit may
/// lead to.
fn end(fleet: &Fleet, key: &SetKey) -> Vec<Follow> {
    if fleet.sets().contains_key(key) && fleet.works_made_by(key).count() > fanout::CHUNK {
        return vec![plan(key, &[])];
    }
    let works = fleet.works_made_by(key);
    let wanted = works.filter(|work| fleet.works().get(work).is_some_and(|w| !w.is_deleting()));
    wanted.map(|work| withdraw(key, work.clone())).collect()
}

/// A plan as commands, and the next plan when this one did not hold everything.
fn carry_out(fleet: &Fleet, key: &SetKey, planned: &FanOutPlanned) -> Vec<Follow> {
    let Some(set) = fleet.sets().get(key) else { return vec![] };
    let mut decisions = BTreeMap::new();
    let mut follows: Vec<Follow> = planned
        .withdraw
        .iter()
        .map(|target| withdraw(key, key.work(&Target::from(target))))
        .collect();
    for target in &planned.deliver {
        let target = Target::from(target);
        let at = *decisions
            .entry(target.placement.clone())
            .or_insert_with(|| fleet.decided_at(key, &target.placement));
        follows.extend(deliver(key, set, &target, at));
    }
    let chosen = fleet.chosen(key, set);
    let left = fanout::difference(key, set, &chosen, &BTreeSet::new(), None);
    if !left.is_empty() || fanout::is_full(planned) || set.is_deleting() {
        follows.push(plan(key, &[]));
    }
    follows
}

fn of_cluster(
    fleet: &Fleet,
    cluster: &str,
    events: &[Presence],
    position: Position,
) -> Vec<Follow> {
    if !fleet.has_cluster(cluster) {
        if !events.contains(&Presence::Gone) {
            return vec![];
        }
        return fleet.works_of(cluster).map(|(key, _)| abandon(key.clone())).collect();
    }
    if fleet.clusters.get(cluster) != Some(&position) {
        return vec![];
    }
    let chose = fleet.decisions().filter(|(_, seen)| seen.decided.contains_key(cluster));
    let sets: BTreeSet<&SetKey> = chose.flat_map(|(key, _)| fleet.sets_of(key)).collect();
    sets.into_iter().map(|set| plan(set, &[])).collect()
}

fn plan(set: &SetKey, lost: &[&Target]) -> Follow {
    let lost = lost.iter().map(|target| target.message()).collect();
    Follow::Set(set.clone(), replica_set_command::Command::PlanFanOut(PlanFanOut { lost }))
}

fn abandon(work: WorkKey) -> Follow {
    Follow::Work(work, work_command::Command::Delete(DeleteWork {}))
}

fn withdraw(set: &SetKey, work: WorkKey) -> Follow {
    let replica_set = set.to_string();
    let withdraw = WithdrawWork { replica_set, ..WithdrawWork::default() };
    Follow::Work(work, work_command::Command::Withdraw(withdraw))
}

fn deliver(key: &SetKey, set: &ReplicaSet, target: &Target, decision: Position) -> Option<Follow> {
    let command = work_command::Command::Deliver(DeliverWork {
        work: Some(fanout::work(key, set, target)?),
        bundle: set.bundle().cloned(),
        replica_set: key.to_string(),
        decision: decision.0,
        placement: target.placement.clone(),
        ..DeliverWork::default()
    });
    Some(Follow::Work(key.work(target), command))
}
