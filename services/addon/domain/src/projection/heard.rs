//! One function per kind of commit: what it changes of what is known, and whose status should be
//! looked at because of it.

use super::{Fleet, Look, Presence};
use crate::config;
use crate::names::{AddOnKey, HASHES, PlacementKey};
use crate::turns;
use fleetlog_kernel::Position;
use fleetlog_messages::addon::{
    InstallPlanned, SeenChoice, SeenMember, add_on_event, definition_event, template_event,
};
use fleetlog_messages::common::IntOrString;
use fleetlog_messages::placement::{DecidedCluster, PlacementSpecified, placement_event};
use fleetlog_messages::work::{WorkSpecified, work_event};

impl Fleet {
    pub(super) fn apply_definition(
        &mut self,
        name: &str,
        events: &[definition_event::Event],
        position: Position,
    ) {
        let before = self.definitions.remove(name).unwrap_or_default();
        let after = before.fold(events, position);
        if after.object().is_some() {
            self.definitions.insert(name.to_owned(), after);
        }
        for event in events {
            match event {
                definition_event::Event::InstallPlanned(planned) => self.planned(name, planned),
                definition_event::Event::Specified(_) | definition_event::Event::Deleted(_) => {
                    self.look_at_all(name);
                    self.time(name);
                }
                definition_event::Event::Revisited(part) => {
                    let keys: Vec<AddOnKey> = self.part(name, &part.after).collect();
                    let within = keys.iter().filter(|key| key.cluster <= part.through);
                    within.for_each(|key| self.look_at(key, Look::Again));
                }
                definition_event::Event::Progressed(_)
                | definition_event::Event::DeletionRequested(_) => {}
            }
        }
        self.look_at_definition(name);
    }

    fn planned(&mut self, name: &str, planned: &InstallPlanned) {
        let key = |cluster: &String| AddOnKey::new(cluster, name);
        let installed = planned.install.iter().map(|target| &target.cluster);
        installed.chain(&planned.remove).for_each(|cluster| self.count(&key(cluster)));
        let turns = planned.turns.iter().flat_map(|turn| &turn.clusters);
        for cluster in turns.chain(&planned.timed_out) {
            self.count(&key(cluster));
            self.look_at(&key(cluster), Look::Once);
        }
        self.time(name);
    }

    /// When time alone moves clusters on moved.
    fn time(&mut self, name: &str) {
        if self.is_staged(name) {
            self.noticed.timed.insert(name.to_owned());
        }
    }

    pub(super) fn apply_add_on(
        &mut self,
        key: &AddOnKey,
        events: &[add_on_event::Event],
        position: Position,
    ) {
        let stood = self.standing(key);
        let before = self.add_ons.remove(key).unwrap_or_default();
        let was = before.object().is_some();
        let said = config::own(&before).map(str::to_owned);
        let after = before.fold(events, position);
        let chooses = was && config::own(&after).map(str::to_owned) != said;
        if after.object().is_some() {
            self.add_ons.insert(key.clone(), after);
        } else if was && self.is_planned(key) && self.has_cluster(&key.cluster) {
            self.noticed.lost = Some(key.clone());
        }
        let stands = self.standing(key);
        let turns = chooses && self.is_staged(&key.name);
        if turns || turns::makes_room(stood, stands) {
            self.noticed.moved.insert(key.name.clone());
        }
        if stood.map(|s| s.status) != stands.map(|s| s.status) {
            self.time(&key.name);
        }
        self.count(key);
        self.look_at(key, Look::Again);
        self.look_at_definition(&key.name);
    }

    pub(super) fn apply_template(
        &mut self,
        name: &str,
        events: &[template_event::Event],
        position: Position,
    ) {
        let before = self.templates.remove(name).unwrap_or_default();
        let mut add_ons = vec![before.object().cloned()];
        let after = before.fold(events, position);
        add_ons.push(after.object().cloned());
        if after.object().is_some() {
            self.templates.insert(name.to_owned(), after);
        }
        // A template is of one add-on; of another one after its add-on name changed.
        let specs = add_ons.into_iter().flatten().filter_map(|object| object.spec);
        let mut names: Vec<String> = specs.map(|spec| spec.addon_name().to_owned()).collect();
        names.dedup();
        for definition in names {
            self.look_at_all(&definition);
            self.look_at_definition(&definition);
        }
    }

    pub(super) fn apply_placement(
        &mut self,
        key: &PlacementKey,
        events: &[placement_event::Event],
        position: Position,
    ) {
        for event in events {
            match event {
                placement_event::Event::Specified(specified) => {
                    let choice = self.choices.entry(key.clone()).or_default();
                    choice.group_size = group_size(specified);
                }
                placement_event::Event::Judged(_)
                | placement_event::Event::PageDiscarded(_)
                | placement_event::Event::DeletionRequested(_) => {}
                placement_event::Event::Deleted(_) => {
                    self.choices.remove(key);
                }
                placement_event::Event::Decided(decided) => {
                    let choice = self.choices.entry(key.clone()).or_default();
                    for cluster in &decided.removed {
                        choice.clusters.remove(cluster);
                        choice.group_of.remove(cluster);
                    }
                    decided.added.iter().for_each(|added| choose(choice, added));
                    choice.revision = decided.revision;
                    choice.position = position.0;
                }
            }
        }
        self.measure(key);
        let names: Vec<String> = self.following(key).cloned().collect();
        names.iter().for_each(|name| self.look_at_definition(name));
    }

    pub(super) fn apply_work(&mut self, key: &AddOnKey, events: &[work_event::Event]) {
        for event in events {
            match event {
                work_event::Event::Specified(specified) if is_ours(key, specified) => {
                    let work = self.works.entry(key.clone()).or_default();
                    let object = specified.work.as_ref();
                    let meta = object.and_then(|object| object.metadata.clone());
                    let mut meta = meta.unwrap_or_default();
                    work.generation = meta.generation();
                    work.config_hashes = meta.annotations.remove(HASHES).unwrap_or_default();
                }
                work_event::Event::Specified(_) => {
                    self.works.remove(key);
                }
                work_event::Event::StatusReported(reported) => {
                    if let Some(work) = self.works.get_mut(key) {
                        work.status.clone_from(&reported.status);
                        if work.reported_generation != reported.generation {
                            work.spoke_at.clone_from(&reported.at);
                        }
                        work.reported_generation = reported.generation;
                    }
                }
                work_event::Event::DeletionRequested(_) => {
                    if let Some(work) = self.works.get_mut(key) {
                        work.deleting = true;
                    }
                }
                work_event::Event::Deleted(_) => {
                    self.works.remove(key);
                }
            }
        }
        self.look_at(key, Look::Once);
    }

    pub(super) fn apply_cluster(&mut self, cluster: &str, events: &[Presence], position: Position) {
        let was = self.has_cluster(cluster);
        for presence in events {
            let seen = self.clusters.get_mut(cluster);
            match (presence, seen) {
                (Presence::Here, None) => {
                    let seen = SeenMember { since: position.0, available: None };
                    self.clusters.insert(cluster.to_owned(), seen);
                }
                (Presence::Available, Some(seen)) => seen.available = Some(true),
                (Presence::Silent, Some(seen)) => seen.available = Some(false),
                (Presence::Gone, _) => {
                    self.clusters.remove(cluster);
                }
                (Presence::Here, Some(_)) | (Presence::Available | Presence::Silent, None) => {}
            }
        }
        if was != self.has_cluster(cluster) {
            let chose: Vec<PlacementKey> = self.choosing(cluster).cloned().collect();
            for key in chose {
                let reach = self.reach(&key);
                let now = if was { reach.saturating_sub(1) } else { reach + 1 };
                self.reach.insert(key, now);
            }
        }
        let keys: Vec<AddOnKey> = self.add_ons_on(cluster).cloned().collect();
        keys.iter().for_each(|key| self.look_at(key, Look::Once));
    }
}

fn choose(choice: &mut SeenChoice, added: &DecidedCluster) {
    let (cluster, index) = (&added.cluster, added.group_index);
    choice.clusters.insert(cluster.clone(), true);
    choice.groups.insert(index, added.group.clone());
    match index {
        0 => choice.group_of.remove(cluster),
        _ => choice.group_of.insert(cluster.clone(), index),
    };
}

/// How many clusters a decision group of a placement has at most, where it says so.
fn group_size(specified: &PlacementSpecified) -> Option<IntOrString> {
    let spec = specified.placement.as_ref()?.spec.as_ref()?;
    let groups = spec.decision_strategy.as_ref()?.group_strategy.as_ref()?;
    groups.clusters_per_decision_group.clone()
}

/// Whether a work of an add-on's name is the add-on's, not a user's.
fn is_ours(key: &AddOnKey, specified: &WorkSpecified) -> bool {
    specified.add_on == key.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_messages::addon::SeenWork;

    #[test]
    fn a_work_of_an_add_ons_name_that_a_user_made_is_not_the_add_ons() {
        let key = AddOnKey::new("c1", "metrics");
        let mut fleet = Fleet::default();
        let mut specified = WorkSpecified { add_on: "c1/metrics".into(), ..Default::default() };
        fleet.apply_work(&key, &[work_event::Event::Specified(specified.clone())]);
        assert_eq!(fleet.work(&key), Some(&SeenWork::default()));
        specified.add_on.clear();
        fleet.apply_work(&key, &[work_event::Event::Specified(specified)]);
        assert_eq!(fleet.work(&key), None);
    }
}
