//! One function per kind of commit: what it changes of what is known, and whose status should be
//! looked at because of it.

use super::{Fleet, Presence};
use crate::names::{AddOnKey, HASHES, PlacementKey};
use fleetlog_kernel::Position;
use fleetlog_messages::addon::{SeenMember, add_on_event, definition_event, template_event};
use fleetlog_messages::placement::placement_event;
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
            let definition_event::Event::InstallPlanned(planned) = event else { continue };
            let installed = planned.install.iter().map(|target| &target.cluster);
            for cluster in installed.chain(&planned.remove) {
                self.count(&AddOnKey::new(cluster, name));
            }
        }
        let specified = events.iter().any(|e| {
            use definition_event::Event;
            matches!(e, Event::Specified(_) | Event::Deleted(_))
        });
        if specified {
            let keys: Vec<AddOnKey> = self.add_ons_of(name).collect();
            keys.iter().for_each(|key| self.look_at(key, false));
        }
        self.look_at_definition(name);
    }

    pub(super) fn apply_add_on(
        &mut self,
        key: &AddOnKey,
        events: &[add_on_event::Event],
        position: Position,
    ) {
        let before = self.add_ons.remove(key).unwrap_or_default();
        let was = before.object().is_some();
        let after = before.fold(events, position);
        if after.object().is_some() {
            self.add_ons.insert(key.clone(), after);
        } else if was && self.is_planned(key) && self.has_cluster(&key.cluster) {
            self.noticed.lost = Some(key.clone());
        }
        self.count(key);
        self.look_at(key, true);
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
            let keys: Vec<AddOnKey> = self.add_ons_of(&definition).collect();
            keys.iter().for_each(|key| self.look_at(key, false));
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
                placement_event::Event::Specified(_) => {
                    self.choices.entry(key.clone()).or_default();
                }
                placement_event::Event::Judged(_) => {}
                placement_event::Event::Deleted(_) => {
                    self.choices.remove(key);
                }
                placement_event::Event::Decided(decided) => {
                    let choice = self.choices.entry(key.clone()).or_default();
                    for cluster in &decided.removed {
                        choice.clusters.remove(cluster);
                    }
                    let added = decided.added.iter().map(|c| (c.cluster.clone(), true));
                    choice.clusters.extend(added);
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
        self.look_at(key, false);
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
        keys.iter().for_each(|key| self.look_at(key, false));
    }
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
