//! What follows from a commit: commands to the service itself and to work. From state alone, so a
//! repeat is harmless; every command is checked again when it is decided.

use crate::health::Source;
use crate::names::{AddOnKey, PlacementKey};
use crate::plan::CHUNK;
use crate::projection::{Change, Fleet, Presence};
use crate::render;
use crate::turns::Turn;
use fleetlog_kernel::{Position, Reaction};
use fleetlog_messages::addon::{
    AssessAddOn, DeleteAddOn, InstallAddOn, InstallPlanned, PlanInstall, RevisitInstall,
    SummarizeInstall, UninstallAddOn, add_on_command, add_on_event, definition_command,
    definition_event, template_event,
};
use fleetlog_messages::placement::placement_event;
use fleetlog_messages::work::{DeliverWork, WithdrawWork, work_command, work_event};
use std::collections::BTreeSet;

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Follow {
    /// A command on a definition.
    Definition(String, definition_command::Command),
    /// A command on an add-on.
    AddOn(AddOnKey, add_on_command::Command),
    /// A command on the work of an add-on.
    Work(AddOnKey, work_command::Command),
}

impl Reaction for &Fleet {
    type Event = (Change, Position);
    type Command = Follow;

    fn react(&mut self, (change, position): &Self::Event) -> Vec<Follow> {
        let mut follows = match change {
            Change::Definition(name, events) => of_definition(self, name, events),
            Change::AddOn(key, events) => of_add_on(self, key, events),
            Change::Template(name, events) => of_template(self, name, events),
            Change::Placement(key, events) if events.iter().any(decides) => {
                self.following(key).map(|name| plan(name, None)).collect()
            }
            Change::Placement(..) => vec![],
            Change::Work(key, events) => of_work(self, key, events),
            Change::Cluster(name, events) => of_cluster(self, name, events, *position),
        };
        let noticed = self.noticed();
        follows.extend(noticed.lost.iter().map(|key| plan(&key.name, Some(&key.cluster))));
        follows.extend(noticed.moved.iter().map(|name| plan(name, None)));
        let assess = || add_on_command::Command::Assess(AssessAddOn {});
        follows.extend(noticed.add_ons.iter().map(|key| Follow::AddOn(key.clone(), assess())));
        let summarize = || definition_command::Command::Summarize(SummarizeInstall {});
        let stale = noticed.definitions.iter();
        follows.extend(stale.map(|name| Follow::Definition(name.clone(), summarize())));
        follows
    }
}

fn decides(event: &placement_event::Event) -> bool {
    use placement_event::Event;
    matches!(event, Event::Decided(_) | Event::Deleted(_))
}

fn of_definition(fleet: &Fleet, name: &str, events: &[definition_event::Event]) -> Vec<Follow> {
    use definition_event::Event;
    let mut follows = Vec::new();
    let mut visited = None;
    for event in events {
        match event {
            Event::Specified(_) => {
                follows.push(plan(name, None));
                visited = Some(("", None));
            }
            Event::InstallPlanned(planned) => follows.extend(carry_out(fleet, name, planned)),
            Event::Progressed(_) => {}
            Event::DeletionRequested(_) | Event::Deleted(_) => visited = Some(("", None)),
            Event::Revisited(part) => visited = Some((part.after.as_str(), Some(&part.through))),
        }
    }
    if let Some((after, through)) = visited {
        let part = fleet.part(name, after);
        let part = part.filter(|key| through.is_none_or(|through| key.cluster <= *through));
        follows.extend(visit(fleet, name, part.collect()));
    }
    follows
}

/// What a part of a definition's add-ons is told because of what changed, and the next part when
/// there is one. Those that take turns are told by plans.
fn visit(fleet: &Fleet, name: &str, part: Vec<AddOnKey>) -> Vec<Follow> {
    let stays = fleet.definitions().get(name).is_some_and(|d| !d.is_deleting());
    let next = part.last().and_then(|last| revisit(fleet, name, &last.cluster));
    let told = part.into_iter().filter_map(|key| match stays {
        false => Some(uninstall(key)),
        true if fleet.takes_turns(&key) => None,
        true => deliver(fleet, &key),
    });
    told.chain(next).collect()
}

/// The next part of a definition's add-ons, when there is one.
fn revisit(fleet: &Fleet, name: &str, after: &str) -> Option<Follow> {
    fleet.part(name, after).next()?;
    let command = definition_command::Command::Revisit(RevisitInstall { after: after.to_owned() });
    Some(Follow::Definition(name.to_owned(), command))
}

/// A plan as commands, and the next plan when this one did not hold everything.
fn carry_out(fleet: &Fleet, name: &str, planned: &InstallPlanned) -> Vec<Follow> {
    let key = |cluster: &String| AddOnKey::new(cluster, name);
    let mut follows: Vec<Follow> =
        planned.remove.iter().map(|cluster| uninstall(key(cluster))).collect();
    follows.extend(planned.install.iter().map(|target| {
        let choice =
            PlacementKey::parse(&target.placement).and_then(|placement| fleet.choice(&placement));
        let decision = choice.map_or(planned.decision, |choice| choice.position);
        let install = InstallAddOn { placement: target.placement.clone(), decision };
        Follow::AddOn(key(&target.cluster), add_on_command::Command::Install(install))
    }));
    let turns = || planned.turns.iter().flat_map(|turn| &turn.clusters);
    follows.extend(turns().filter_map(|cluster| deliver(fleet, &key(cluster))));
    let full = planned.install.len() + planned.remove.len() >= CHUNK
        || turns().count() + planned.timed_out.len() >= CHUNK;
    if full {
        follows.push(plan(name, None));
    }
    follows
}

fn of_add_on(fleet: &Fleet, key: &AddOnKey, events: &[add_on_event::Event]) -> Vec<Follow> {
    let mut follows = Vec::new();
    for event in events {
        match event {
            add_on_event::Event::Specified(specified) => {
                // Decided while its cluster, its definition or its plan was leaving.
                let defined = fleet.definitions().get(&key.name).is_some_and(|d| !d.is_deleting());
                let unplanned = !specified.placement.is_empty() && !fleet.is_planned(key);
                let follow = if !fleet.has_cluster(&key.cluster) {
                    Some(abandon(key.clone()))
                } else if !defined || (unplanned && is_placed(fleet, key)) {
                    Some(uninstall(key.clone()))
                } else {
                    deliver(fleet, key)
                };
                follows.extend(follow);
            }
            add_on_event::Event::DeletionRequested(_) => follows.push(withdraw(key)),
            add_on_event::Event::Progressed(_) | add_on_event::Event::Deleted(_) => {}
        }
    }
    follows
}

/// Whether placements say where the add-on is.
fn is_placed(fleet: &Fleet, key: &AddOnKey) -> bool {
    fleet.definitions().get(&key.name).is_some_and(crate::Definition::by_placements)
}

fn of_template(fleet: &Fleet, name: &str, events: &[template_event::Event]) -> Vec<Follow> {
    let left = fleet.noticed().left.iter().filter_map(|definition| {
        let last = fleet.part(definition, "").last()?;
        revisit(fleet, definition, &last.cluster)
    });
    let mut follows: Vec<Follow> = left.collect();
    let specified = |e: &template_event::Event| matches!(e, template_event::Event::Specified(_));
    let template = fleet.templates().get(name).and_then(|t| t.object()?.spec.as_ref());
    let Some(spec) = template.filter(|_| events.iter().any(specified)) else { return follows };
    let definition = spec.addon_name();
    if fleet.is_staged(definition) {
        follows.push(plan(definition, None));
    }
    let uses = |key: &AddOnKey| match fleet.source(key) {
        Source::Found(found) => found.metadata().is_some_and(|meta| meta.name() == name),
        Source::Unnamed | Source::Missing(_) | Source::Foreign(_) => false,
    };
    let told = fleet.part(definition, "").filter(uses).filter(|key| !fleet.takes_turns(key));
    follows.extend(told.filter_map(|key| deliver(fleet, &key)));
    follows
}

fn of_work(fleet: &Fleet, key: &AddOnKey, events: &[work_event::Event]) -> Vec<Follow> {
    use work_event::Event;
    let wanted = fleet.add_ons().get(key).is_some_and(|add_on| !add_on.is_deleting());
    let made = |e: &Event| matches!(e, Event::Specified(s) if s.add_on == key.to_string());
    if !wanted && fleet.work(key).is_some_and(|work| !work.deleting) && events.iter().any(made) {
        return vec![withdraw(key)];
    }
    let gone = events.iter().any(|e| matches!(e, Event::Deleted(_)));
    if gone && wanted && fleet.work(key).is_none() {
        // It is made again, at once or in its turn.
        let turn = || fleet.takes_turns(key).then(|| plan(&key.name, None));
        return deliver(fleet, key).or_else(turn).into_iter().collect();
    }
    vec![]
}

fn of_cluster(
    fleet: &Fleet,
    cluster: &str,
    events: &[Presence],
    position: Position,
) -> Vec<Follow> {
    let Some(seen) = fleet.clusters.get(cluster) else {
        if !events.contains(&Presence::Gone) {
            return vec![];
        }
        return fleet.add_ons_on(cluster).cloned().map(abandon).collect();
    };
    if seen.since != position.0 {
        return vec![];
    }
    let following = fleet.choosing(cluster).flat_map(|key| fleet.following(key));
    let names: BTreeSet<&String> = following.collect();
    // What was planned while it was away was never installed.
    names.into_iter().map(|name| plan(name, Some(cluster))).collect()
}

fn plan(definition: &str, lost: Option<&str>) -> Follow {
    let lost = lost.into_iter().map(str::to_owned).collect();
    let command = definition_command::Command::Plan(PlanInstall { lost });
    Follow::Definition(definition.to_owned(), command)
}

fn abandon(key: AddOnKey) -> Follow {
    Follow::AddOn(key, add_on_command::Command::Delete(DeleteAddOn {}))
}

fn uninstall(key: AddOnKey) -> Follow {
    Follow::AddOn(key, add_on_command::Command::Uninstall(UninstallAddOn {}))
}

/// The work of an add-on as its template makes it now; nothing while there is no template, and
/// before its turn: what runs stays.
fn deliver(fleet: &Fleet, key: &AddOnKey) -> Option<Follow> {
    let add_on = fleet.add_ons().get(key).filter(|add_on| !add_on.is_deleting())?;
    if fleet.turn(key) != Turn::Come {
        return None;
    }
    let Source::Found(template) = fleet.source(key) else { return None };
    let rendered = render::render(template, key)?;
    let command = work_command::Command::Deliver(DeliverWork {
        work: Some(rendered.work),
        add_on: key.to_string(),
        manifests: rendered.manifests,
        placement: add_on.state().placement.clone(),
        decision: add_on.state().decision,
        ..DeliverWork::default()
    });
    Some(Follow::Work(key.clone(), command))
}

fn withdraw(key: &AddOnKey) -> Follow {
    let withdraw = WithdrawWork { add_on: key.to_string(), ..WithdrawWork::default() };
    Follow::Work(key.clone(), work_command::Command::Withdraw(withdraw))
}
