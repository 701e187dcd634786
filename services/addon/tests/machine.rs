//! The machine with its own commands, driven in one thread without a bus beside a model of work:
//! any order of users, placements, clusters and agents ends in the same place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use bytes::Bytes;
use fleetlog_addon::AddOns;
use fleetlog_addon_domain::names::{HASHES, definition_id};
use fleetlog_addon_domain::{AddOnKey, Fleet};
use fleetlog_chassis::{Decided, Effect, Hosted, Machine as _, Origin, Request};
use fleetlog_kernel::{Actor, CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::addon::{
    self, AddOnCommand, ApplyAddOn, ApplyDefinition, ApplyTemplate, DefinitionCommand,
    TemplateCommand, add_on_command, definition_command, template_command,
};
use fleetlog_messages::common::Condition;
use fleetlog_messages::envelope::{CommitHeader, Recorded};
use fleetlog_messages::placement::{self, PlacementEvent, placement_event};
use fleetlog_messages::registration::{self, ClusterEvent, cluster_event};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{self, WorkCommand, WorkEvent, work_command, work_event};
use proptest::prelude::*;
use prost::Message as _;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const NOW: Timestamp = Timestamp::of_seconds(1_700_000_000);
const CLUSTERS: [&str; 3] = ["c1", "c2", "c3"];
const GROUP: &str = "addon.open-cluster-management.io";

struct Told {
    to: AggregateId,
    cause: Position,
    index: u64,
    payload: Bytes,
}

/// The machine, its log, what it told, and the works that a work service would have.
#[derive(Default)]
struct Hub {
    hosted: Hosted<AddOns>,
    length: u64,
    inbox: VecDeque<Told>,
    /// Each work's add-on hashes and whether it is on its way out.
    works: BTreeMap<AddOnKey, (String, bool)>,
    fleet: BTreeSet<String>,
    decided: BTreeSet<String>,
    revision: u64,
    commands: u64,
}

impl Hub {
    fn append(&mut self, to: AggregateId, header: CommitHeader, events: Vec<Bytes>) {
        self.length += 1;
        let position = Position(self.length);
        let commit = Recorded { position, aggregate: to, header, events };
        for (index, effect) in (0..).zip(self.hosted.apply(&commit).unwrap()) {
            match effect {
                Effect::Tell { to, payload } => {
                    self.inbox.push_back(Told { to, cause: position, index, payload });
                }
                Effect::Own(_) => {}
            }
        }
    }

    fn foreign(&mut self, to: AggregateId, schema: &str, event: Vec<u8>) {
        let version = self.hosted.head(&to).version + 1;
        let id = (self.length + 1).to_string();
        let header = CommitHeader {
            id: MessageId::new(&id),
            types: vec!["X".to_owned()],
            schema: format!("fleetlog.{}.v1.{schema}", to.service),
            version,
            cause: Position::START,
            cause_index: 0,
            command: CommandId::new(&id),
            correlation: id,
            actor: "admin".to_owned(),
            time: NOW,
            service: to.service,
        };
        self.append(to, header, vec![event.into()]);
    }

    fn ask(&mut self, target: AggregateId, origin: Origin, payload: Bytes, index: u64) {
        self.commands += 1;
        let id = CommandId::new(self.commands.to_string());
        let cause = match &origin {
            Origin::Service { cause, .. } => *cause,
            Origin::User(_) | Origin::Agent(_) | Origin::Timer { .. } => Position::START,
        };
        let correlation = id.to_string();
        let request = Request { target, origin, id, correlation, at: NOW, payload };
        let Ok(decided) = self.hosted.machine().decide(&request) else { return };
        for Decided { aggregate, schema, events } in decided {
            let header = CommitHeader {
                id: MessageId::new(request.id.as_str()),
                types: events.iter().map(|(name, _)| (*name).to_owned()).collect(),
                schema: schema.to_owned(),
                version: self.hosted.head(&aggregate).version + 1,
                cause,
                cause_index: index,
                command: request.id.clone(),
                correlation: request.correlation.clone(),
                actor: request.origin.to_string(),
                time: request.at,
                service: Service::Addon,
            };
            self.append(aggregate, header, events.into_iter().map(|(_, e)| e).collect());
        }
    }

    fn user(&mut self, to: AggregateId, payload: Vec<u8>) {
        self.ask(to, Origin::User(Actor::new("alice")), payload.into(), 0);
    }

    fn work_event(&mut self, key: &AddOnKey, event: work_event::Event) {
        self.foreign(key.work(), "WorkEvent", WorkEvent { event: Some(event) }.encode_to_vec());
    }

    /// What work does with what it is told.
    fn work(&mut self, key: &AddOnKey, command: work_command::Command) {
        let found = self.works.get(key).cloned();
        match command {
            work_command::Command::Deliver(told) if self.fleet.contains(&key.cluster) => {
                let meta = told.work.as_ref().and_then(|work| work.metadata.as_ref());
                let hashes = meta.unwrap().annotations[HASHES].clone();
                if found.is_some_and(|(had, deleting)| deleting || had == hashes) {
                    return;
                }
                self.works.insert(key.clone(), (hashes, false));
                let specified = work::WorkSpecified {
                    work: told.work,
                    add_on: told.add_on,
                    ..work::WorkSpecified::default()
                };
                self.work_event(key, work_event::Event::Specified(specified));
            }
            work_command::Command::Withdraw(_) => {
                if let Some((_, deleting @ false)) = self.works.get_mut(key) {
                    *deleting = true;
                    let requested = work::WorkDeletionRequested::default();
                    self.work_event(key, work_event::Event::DeletionRequested(requested));
                }
            }
            _ => {}
        }
    }

    fn step(&mut self) -> bool {
        let Some(told) = self.inbox.pop_front() else { return false };
        if told.to.service == Service::Work {
            let scope = told.to.scope.clone().unwrap();
            let key = AddOnKey::of_work(&scope, &told.to.name).unwrap();
            let command = WorkCommand::decode(told.payload).unwrap().command.unwrap();
            self.work(&key, command);
            return true;
        }
        let (from, cause) = (Service::Addon, told.cause);
        if !self.hosted.has_handled(&told.to, from, cause, told.index) {
            self.ask(told.to, Origin::Service { from, cause }, told.payload, told.index);
        }
        true
    }

    /// An agent does what its cluster was told last, and reports.
    fn agent(&mut self, key: &AddOnKey) {
        match self.works.get(key) {
            Some((_, true)) => {
                self.works.remove(key);
                self.work_event(key, work_event::Event::Deleted(work::WorkDeleted {}));
            }
            Some((_, false)) => {
                let holds = |kind: &str| Condition {
                    r#type: Some(kind.into()),
                    status: Some("True".into()),
                    ..Condition::default()
                };
                let conditions = vec![holds("Applied"), holds("Available")];
                let status = work::ManifestWorkStatus { conditions, resource_status: None };
                let reported =
                    work::WorkStatusReported { generation: 0, status: Some(status), at: None };
                self.work_event(key, work_event::Event::StatusReported(reported));
            }
            None => {}
        }
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            let mut steps = 0;
            while self.step() {
                steps += 1;
                assert!(steps < 10_000, "the service talks to itself without an end");
            }
            let before = (self.works.clone(), self.hosted.hash());
            let keys: Vec<AddOnKey> = self.works.keys().cloned().collect();
            keys.iter().for_each(|key| self.agent(key));
            while self.step() {}
            let rows = |hub: &Self| hub.hosted.machine().rows();
            let quiet = self.works == before.0 && self.inbox.is_empty();
            if quiet && rows(self) == AddOns::restore(&rows(self)).unwrap().rows() {
                return;
            }
        }
        panic!("the fleet does not come to rest");
    }

    fn joins(&mut self, cluster: &str) {
        if self.fleet.insert(cluster.to_owned()) {
            let specified = registration::ClusterSpecified::default();
            self.cluster(cluster, cluster_event::Event::Specified(specified));
        }
    }

    /// It goes, and its works with it, as work sees to.
    fn leaves(&mut self, cluster: &str) {
        if self.fleet.remove(cluster) {
            let deleted = registration::ClusterDeleted::default();
            self.cluster(cluster, cluster_event::Event::Deleted(deleted));
            let own = |key: &&AddOnKey| key.cluster == cluster;
            let keys: Vec<AddOnKey> = self.works.keys().filter(own).cloned().collect();
            for key in keys {
                self.works.remove(&key);
                self.work_event(&key, work_event::Event::Deleted(work::WorkDeleted {}));
            }
        }
    }

    fn cluster(&mut self, name: &str, event: cluster_event::Event) {
        let to = AggregateId::global(Service::Registration, "cluster", name);
        self.foreign(to, "ClusterEvent", ClusterEvent { event: Some(event) }.encode_to_vec());
    }

    fn decides(&mut self, wanted: BTreeSet<String>) {
        let chosen = |cluster: &String| placement::DecidedCluster {
            cluster: cluster.clone(),
            ..placement::DecidedCluster::default()
        };
        self.revision += 1;
        let decided = placement::PlacementDecided {
            revision: self.revision,
            added: wanted.difference(&self.decided).map(chosen).collect(),
            removed: self.decided.difference(&wanted).cloned().collect(),
            ..placement::PlacementDecided::default()
        };
        self.decided = wanted;
        let to = AggregateId::namespaced(Service::Placement, "placement", "ops", "edge");
        let event = Some(placement_event::Event::Decided(decided));
        self.foreign(to, "PlacementEvent", PlacementEvent { event }.encode_to_vec());
    }

    fn applies_template(&mut self, revision: usize) {
        let manifest = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "m", "namespace": "default"},
            "data": {"revision": revision.to_string()},
        });
        let template = serde_json::from_value(json!({
            "metadata": {"name": "metrics"},
            "spec": {"addonName": "metrics", "agentSpec": {"workload": {"manifests": [manifest]}}},
        }));
        let apply = ApplyTemplate { template: Some(template.unwrap()), ..Default::default() };
        let command = Some(template_command::Command::Apply(apply));
        let to = AggregateId::global(Service::Addon, "template", "metrics");
        self.user(to, TemplateCommand { command }.encode_to_vec());
    }

    fn applies_definition(&mut self, by_hand: bool) {
        let strategy = match by_hand {
            true => json!({"type": "Manual"}),
            false => {
                let edge = json!({"namespace": "ops", "name": "edge"});
                json!({"type": "Placements", "placements": [edge]})
            }
        };
        let supported = json!([{
            "group": GROUP, "resource": "addontemplates", "defaultConfig": {"name": "metrics"},
        }]);
        let definition = serde_json::from_value(json!({
            "metadata": {"name": "metrics"},
            "spec": {"supportedConfigs": supported, "installStrategy": strategy},
        }));
        let apply = ApplyDefinition { definition: Some(definition.unwrap()), ..Default::default() };
        let command = Some(definition_command::Command::Apply(apply));
        self.user(definition_id("metrics"), DefinitionCommand { command }.encode_to_vec());
    }

    fn deletes_definition(&mut self) {
        let command = Some(definition_command::Command::Delete(addon::DeleteDefinition {}));
        self.user(definition_id("metrics"), DefinitionCommand { command }.encode_to_vec());
    }

    fn add_on(&mut self, cluster: &str, command: add_on_command::Command) {
        let command = Some(command);
        let to = AddOnKey::new(cluster, "metrics").aggregate();
        self.user(to, AddOnCommand { command }.encode_to_vec());
    }
}

/// What may happen to a hub.
#[derive(Clone, Debug)]
enum Turn {
    Join(usize),
    Leave(usize),
    Decide(Vec<usize>),
    Template(usize),
    Define { by_hand: bool },
    Undefine,
    Install(usize),
    Delete(usize),
    Agent(usize),
    Hear(usize),
}

fn turn() -> impl Strategy<Value = Turn> {
    let cluster = 0..CLUSTERS.len();
    prop_oneof![
        2 => cluster.clone().prop_map(Turn::Join),
        1 => cluster.clone().prop_map(Turn::Leave),
        3 => prop::collection::vec(cluster.clone(), 0..4).prop_map(Turn::Decide),
        2 => (0_usize..3).prop_map(Turn::Template),
        2 => prop::bool::weighted(0.2).prop_map(|by_hand| Turn::Define { by_hand }),
        1 => Just(Turn::Undefine),
        1 => cluster.clone().prop_map(Turn::Install),
        1 => cluster.clone().prop_map(Turn::Delete),
        3 => cluster.prop_map(Turn::Agent),
        6 => (1_usize..8).prop_map(Turn::Hear),
    ]
}

fn play(hub: &mut Hub, turn: Turn) {
    match turn {
        Turn::Join(cluster) => hub.joins(CLUSTERS[cluster]),
        Turn::Leave(cluster) => hub.leaves(CLUSTERS[cluster]),
        Turn::Decide(clusters) => {
            hub.decides(clusters.into_iter().map(|c| CLUSTERS[c].to_owned()).collect());
        }
        Turn::Template(revision) => hub.applies_template(revision),
        Turn::Define { by_hand } => hub.applies_definition(by_hand),
        Turn::Undefine => hub.deletes_definition(),
        Turn::Install(cluster) => {
            let add_on = Some(addon::ManagedClusterAddOn::default());
            let apply = ApplyAddOn { add_on, ..ApplyAddOn::default() };
            hub.add_on(CLUSTERS[cluster], add_on_command::Command::Apply(apply));
        }
        Turn::Delete(cluster) => {
            let delete = add_on_command::Command::Delete(addon::DeleteAddOn {});
            hub.add_on(CLUSTERS[cluster], delete);
        }
        Turn::Agent(cluster) => hub.agent(&AddOnKey::new(CLUSTERS[cluster], "metrics")),
        Turn::Hear(many) => (0..many).for_each(|_| {
            hub.step();
        }),
    }
}

fn few() -> ProptestConfig {
    ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few())]

    /// Where a fleet comes to rest follows from what is wanted, not from the way there.
    #[test]
    fn any_history_ends_with_the_add_ons_that_are_wanted(
        turns in prop::collection::vec(turn(), 0..60),
    ) {
        let mut hub = Hub::default();
        turns.into_iter().for_each(|turn| play(&mut hub, turn));
        hub.settle();
        hub.applies_template(9);
        hub.applies_definition(false);
        hub.settle();
        let fleet = hub.hosted.machine().fleet();
        let wanted: BTreeSet<&String> =
            hub.decided.iter().filter(|c| hub.fleet.contains(*c)).collect();
        for cluster in &wanted {
            let key = AddOnKey::new(cluster.as_str(), "metrics");
            prop_assert!(fleet.add_ons().contains_key(&key), "{} is not there", key);
        }
        // What is summed up along the way is what is summed up from the rows.
        let restored = AddOns::restore(&hub.hosted.machine().rows()).unwrap();
        for name in fleet.definitions().keys() {
            let summary = |fleet: &Fleet| fleet.summary(name, Timestamp::default());
            prop_assert_eq!(summary(fleet), summary(restored.fleet()));
            let progress = &summary(fleet).install_progressions[0].conditions[0];
            let reason = if wanted.is_empty() { "Progressing" } else { "Completed" };
            prop_assert_eq!(progress.reason(), reason, "{}", progress.message());
        }
        for (key, add_on) in fleet.add_ons() {
            let planned = !add_on.state().placement.is_empty();
            prop_assert!(!planned || wanted.contains(&key.cluster), "{} is too much", key);
            prop_assert!(!add_on.is_deleting());
            prop_assert!(hub.works.contains_key(key), "{} has no work", key);
            let status = add_on.object().and_then(|object| object.status.as_ref()).unwrap();
            let available = status.conditions.iter().find(|c| c.r#type() == "Available").unwrap();
            prop_assert_eq!(available.status(), "True");
        }
        for key in hub.works.keys() {
            prop_assert!(fleet.add_ons().contains_key(key), "the work of {} outlives it", key);
        }
        hub.deletes_definition();
        hub.settle();
        let fleet = hub.hosted.machine().fleet();
        prop_assert!(fleet.definitions().is_empty() && fleet.add_ons().is_empty());
        prop_assert!(hub.works.is_empty());
    }
}
