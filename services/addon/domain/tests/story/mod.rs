//! The add-on service's domain driven by its own reactions, beside a work service and agents that
//! do what they are told: everything that follows is decided and folded until nothing does.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use super::common::{key, meta, uid};
use fleetlog_addon_domain::command::{
    AddOnCommand, Defined, DefinitionCommand, Member, OfAddOn, OfDefinition, Planned, Work,
};
use fleetlog_addon_domain::names::{DEFINITION_FINALIZER, HASHES, PlacementKey};
use fleetlog_addon_domain::projection::Presence;
use fleetlog_addon_domain::{AddOn, AddOnKey, Change, Definition, Fleet, Follow};
use fleetlog_kernel::{Decider, Position, Projection as _, Reaction as _, Timestamp};
use fleetlog_messages::addon::{
    AddOnTemplate, ClusterManagementAddOn, DefinitionSpecified, TemplateSpecified, add_on_command,
    definition_command, definition_event, template_event,
};
use fleetlog_messages::common::Condition;
use fleetlog_messages::placement::{DecidedCluster, PlacementDecided, placement_event};
use fleetlog_messages::work::{
    ManifestWorkStatus, WorkDeleted, WorkSpecified, WorkStatusReported, work_command, work_event,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub struct Story {
    pub fleet: Fleet,
    pub position: Position,
    pub now: Timestamp,
    pub inbox: VecDeque<(Follow, Position)>,
    /// How often each cluster was told to run which image, in order.
    pub told: BTreeMap<String, Vec<String>>,
    /// The most that followed from one commit.
    pub most: usize,
    /// The newest commit.
    pub last: Option<(Change, Position)>,
}

impl Story {
    /// A fleet of these clusters, all chosen by the placement `edge`, each in a group.
    pub fn of(groups: &[(&str, &[&str])]) -> Self {
        let mut story = Self {
            fleet: Fleet::default(),
            position: Position(0),
            now: super::common::NOW,
            inbox: VecDeque::new(),
            told: BTreeMap::new(),
            most: 0,
            last: None,
        };
        groups.iter().flat_map(|(_, clusters)| *clusters).for_each(|c| story.joins(c));
        story.decides(groups);
        story
    }

    pub fn joins(&mut self, cluster: &str) {
        self.apply(Change::Cluster(cluster.to_owned(), vec![Presence::Here]));
    }

    pub fn decides(&mut self, groups: &[(&str, &[&str])]) {
        let of = |index: usize, group: &str, cluster: &str| DecidedCluster {
            cluster: cluster.to_owned(),
            group: group.to_owned(),
            group_index: u32::try_from(index).unwrap(),
            ..DecidedCluster::default()
        };
        let added = groups.iter().enumerate().flat_map(|(index, (group, clusters))| {
            clusters.iter().map(move |cluster| of(index, group, cluster))
        });
        let decided = PlacementDecided {
            revision: self.position.0 + 1,
            added: added.collect(),
            ..PlacementDecided::default()
        };
        let edge = PlacementKey::new("ops", "edge");
        self.apply(Change::Placement(edge, vec![placement_event::Event::Decided(decided)]));
        self.settle();
    }

    /// The template says this image from now on, and what follows is done.
    pub fn templates(&mut self, name: &str, image: &str) {
        self.says(name, image);
        self.settle();
    }

    /// The template says this image from now on.
    pub fn says(&mut self, name: &str, image: &str) {
        let template: AddOnTemplate = super::common::object(json!({
            "apiVersion": "addon.open-cluster-management.io/v1alpha1", "kind": "AddOnTemplate",
            "metadata": {"name": name},
            "spec": {"addonName": "metrics", "agentSpec": {"workload": {"manifests": [{
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "agent", "namespace": "metrics"}, "data": {"image": image},
            }]}}},
        }));
        let template = Some(AddOnTemplate { metadata: Some(meta("", name, &[])), ..template });
        let event = template_event::Event::Specified(TemplateSpecified { template });
        self.apply(Change::Template(name.to_owned(), vec![event]));
    }

    /// The definition `metrics` of a template, rolled out like this.
    pub fn defines(&mut self, template: &str, rollout: Value) {
        let definition: ClusterManagementAddOn = super::common::object(json!({
            "apiVersion": "addon.open-cluster-management.io/v1alpha1",
            "kind": "ClusterManagementAddOn", "metadata": {"name": "metrics"},
            "spec": {
                "supportedConfigs": [{
                    "group": "addon.open-cluster-management.io", "resource": "addontemplates",
                    "defaultConfig": {"name": template},
                }],
                "installStrategy": {"type": "Placements", "placements": [
                    {"namespace": "ops", "name": "edge", "rolloutStrategy": rollout},
                ]},
            },
        }));
        let metadata = Some(meta("", "metrics", &[DEFINITION_FINALIZER]));
        let definition = Some(ClusterManagementAddOn { metadata, ..definition });
        let event = definition_event::Event::Specified(DefinitionSpecified { definition });
        self.apply(Change::Definition("metrics".to_owned(), vec![event]));
        self.settle();
    }

    /// The agent says of its work that it is applied, or that it cannot be.
    pub fn reports(&mut self, cluster: &str, applied: &str) {
        let condition = |kind: &str| Condition {
            r#type: Some(kind.to_owned()),
            status: Some(applied.to_owned()),
            observed_generation: Some(1),
            ..Condition::default()
        };
        let of = AddOnKey { cluster: cluster.to_owned(), ..key() };
        let generation = self.fleet.work(&of).unwrap().generation;
        let reported = WorkStatusReported {
            generation,
            status: Some(ManifestWorkStatus {
                conditions: vec![condition("Applied"), condition("Available")],
                ..ManifestWorkStatus::default()
            }),
            at: Some(fleetlog_rules::time(self.now)),
        };
        self.apply(Change::Work(of, vec![work_event::Event::StatusReported(reported)]));
        self.settle();
    }

    /// Time goes by, and the timer that comes due is acted on.
    pub fn passes(&mut self, by: Duration) {
        let until = self.now.plus(by);
        while let Some(due) = self.fleet.deadline("metrics", self.now).filter(|at| *at <= until) {
            self.now = due;
            self.plans();
        }
        self.now = until;
    }

    pub fn plans(&mut self) {
        let plan = definition_command::Command::Plan(Default::default());
        self.inbox.push_back((Follow::Definition("metrics".to_owned(), plan), self.position));
        self.settle();
    }

    /// Which image each cluster was told last.
    pub fn runs(&self) -> Vec<&str> {
        self.told.values().filter_map(|told| told.last().map(String::as_str)).collect()
    }

    pub fn apply(&mut self, change: Change) {
        self.position = Position(self.position.0 + 1);
        self.fleet.apply(&change, self.position);
        let last = (change, self.position);
        let follows = (&self.fleet).react(&last);
        self.last = Some(last);
        self.most = self.most.max(follows.len());
        self.inbox.extend(follows.into_iter().map(|follow| (follow, self.position)));
    }

    pub fn settle(&mut self) {
        while self.step() {}
    }

    /// Decides what was told first; `false` when nothing is left.
    pub fn step(&mut self) -> bool {
        let Some((follow, _)) = self.inbox.pop_front() else { return false };
        match follow {
            Follow::Definition(name, command) => self.definition(&name, command),
            Follow::AddOn(key, command) => self.add_on(key, command),
            Follow::Work(key, command) => self.work(key, command),
        }
        true
    }

    fn definition(&mut self, name: &str, command: definition_command::Command) {
        let unborn = Definition::default();
        let definition = self.fleet.definitions().get(name).unwrap_or(&unborn);
        let command = match command {
            definition_command::Command::Plan(message) => {
                let chosen = self.fleet.chosen(definition);
                DefinitionCommand::Plan {
                    stages: self.fleet.stages(name, &chosen),
                    chosen,
                    installed: self.fleet.installed(name),
                    lost: message.lost.into_iter().collect(),
                }
            }
            definition_command::Command::Summarize(_) => DefinitionCommand::Summarize {
                add_ons: self.fleet.count_of(name),
                status: Box::new(self.fleet.summary(name, self.now)),
            },
            definition_command::Command::Revisit(message) => {
                let part = self.fleet.part(name, &message.after);
                let through = part.last().map(|key| key.cluster);
                DefinitionCommand::Revisit { after: message.after, through }
            }
            other => panic!("{other:?}"),
        };
        let asked = OfDefinition { name: name.to_owned(), uid: uid(), command };
        let events = definition.decide(&asked, self.now).unwrap();
        if !events.is_empty() {
            self.apply(Change::Definition(name.to_owned(), events));
        }
    }

    fn add_on(&mut self, key: AddOnKey, command: add_on_command::Command) {
        let unborn = AddOn::default();
        let still = self.fleet.is_planned(&key);
        let planned = if still { Planned::Still } else { Planned::NoMore };
        let command = match command {
            add_on_command::Command::Install(told) => {
                let (placement, decision) = (told.placement, told.decision);
                AddOnCommand::Install { placement, decision, planned }
            }
            add_on_command::Command::Uninstall(_) => {
                AddOnCommand::Uninstall { by: "service:addon".into(), planned }
            }
            add_on_command::Command::Assess(_) => {
                AddOnCommand::Assess(Box::new(self.fleet.status(&key, self.now)))
            }
            other => panic!("{other:?}"),
        };
        let definition = self.fleet.definitions().get(&key.name);
        let definition = match definition {
            None => Defined::Missing,
            Some(definition) if definition.is_deleting() => Defined::Leaving,
            Some(_) => Defined::Here(Box::new(super::common::owner())),
        };
        let work = if self.fleet.work(&key).is_some() { Work::Here } else { Work::None };
        let asked = OfAddOn {
            key: key.clone(),
            uid: uid(),
            cluster: Member::Known,
            definition,
            work,
            command,
        };
        let add_on = self.fleet.add_ons().get(&key).unwrap_or(&unborn);
        let events = add_on.decide(&asked, self.now).unwrap();
        if !events.is_empty() {
            self.apply(Change::AddOn(key, events));
        }
    }

    fn work(&mut self, key: AddOnKey, command: work_command::Command) {
        let events = match command {
            work_command::Command::Deliver(told) => {
                let manifests: Value = serde_json::from_slice(&told.manifests).unwrap();
                let image = manifests[0]["data"]["image"].as_str().unwrap().to_owned();
                self.told.entry(key.cluster.clone()).or_default().push(image);
                let mut work = told.work.unwrap();
                let hashes = &work.metadata.as_ref().unwrap().annotations[HASHES];
                let had = self.fleet.work(&key);
                if had.is_some_and(|had| had.config_hashes == *hashes) {
                    return;
                }
                let generation = had.map_or(1, |had| had.generation + 1);
                work.metadata.as_mut().unwrap().generation = Some(generation);
                let (work, add_on) = (Some(work), told.add_on);
                let specified = WorkSpecified { work, add_on, ..WorkSpecified::default() };
                vec![work_event::Event::Specified(specified)]
            }
            work_command::Command::Withdraw(_) if self.fleet.work(&key).is_some() => {
                vec![work_event::Event::Deleted(WorkDeleted {})]
            }
            _ => return,
        };
        self.apply(Change::Work(key, events));
    }
}
