//! What follows from a commit: commands to the service itself and to work. From state alone, so a
//! repeat is harmless; every command is checked again when it is decided.

use crate::health::Source;
use crate::names::{AddOnKey, PlacementKey};
use crate::plan::CHUNK;
use crate::projection::{Change, Fleet, Presence};
use crate::render;
use fleetlog_kernel::{Position, Reaction};
use fleetlog_messages::addon::{
    AssessAddOn, DeleteAddOn, InstallAddOn, InstallPlanned, PlanInstall, SummarizeInstall,
    UninstallAddOn, add_on_command, add_on_event, definition_command, definition_event,
    template_event,
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
    let (mut specified, mut ends) = (false, false);
    for event in events {
        match event {
            Event::Specified(_) => specified = true,
            Event::InstallPlanned(planned) => follows.extend(carry_out(fleet, name, planned)),
            Event::Progressed(_) => {}
            Event::DeletionRequested(_) | Event::Deleted(_) => ends = true,
        }
    }
    if ends {
        follows.extend(fleet.add_ons_of(name).map(uninstall));
    } else if specified {
        follows.push(plan(name, None));
        follows.extend(fleet.add_ons_of(name).filter_map(|key| deliver(fleet, &key)));
    }
    follows
}

/// A plan as commands, and the next plan when this one did not hold everything.
fn carry_out(fleet: &Fleet, name: &str, planned: &InstallPlanned) -> Vec<Follow> {
    let key = |cluster: &String| AddOnKey::new(cluster, name);
    let mut follows: Vec<Follow> =
        planned.remove.iter().map(|cluster| uninstall(key(cluster))).collect();
    follows.extend(planned.install.iter().map(|target| {
        let placement =
            target.placement.split_once('/').map(|(ns, name)| PlacementKey::new(ns, name));
        let choice = placement.and_then(|placement| fleet.choice(&placement));
        let decision = choice.map_or(planned.decision, |choice| choice.position);
        let install = InstallAddOn { placement: target.placement.clone(), decision };
        Follow::AddOn(key(&target.cluster), add_on_command::Command::Install(install))
    }));
    if planned.install.len() + planned.remove.len() >= CHUNK {
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
    let specified = |e: &template_event::Event| matches!(e, template_event::Event::Specified(_));
    if !events.iter().any(specified) {
        return vec![];
    }
    let template = fleet.templates().get(name).and_then(|t| t.object()?.spec.as_ref());
    let Some(spec) = template else { return vec![] };
    let keys = fleet.add_ons_of(spec.addon_name());
    let uses = |key: &AddOnKey| match fleet.source(key) {
        Source::Found(found) => found.metadata().is_some_and(|meta| meta.name() == name),
        Source::Unnamed | Source::Missing(_) | Source::Foreign(_) => false,
    };
    keys.filter(uses).filter_map(|key| deliver(fleet, &key)).collect()
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
        return deliver(fleet, key).into_iter().collect();
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

/// The work of an add-on as its template makes it now; nothing while there is no template: what
/// runs stays.
fn deliver(fleet: &Fleet, key: &AddOnKey) -> Option<Follow> {
    let add_on = fleet.add_ons().get(key).filter(|add_on| !add_on.is_deleting())?;
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
