//! The machine with its own commands, driven in one thread without a bus: any order of users,
//! placements, clusters and agents ends in the same place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use bytes::Bytes;
use common::*;
use fleetlog_chassis::{Decided, Effect, Hosted, Machine as _, Origin, Request};
use fleetlog_kernel::{Actor, ClusterName, CommandId, MessageId, Position, Service};
use fleetlog_messages::common::Query;
use fleetlog_messages::envelope::{CommitHeader, Recorded};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{
    Bundle, DeleteReplicaSet, DeleteWork, DeliverWork, Delivery, PlanFanOut, ReportWork, Summarize,
    WithdrawWork, replica_set_command, work_command,
};
use fleetlog_work::{Own, Works};
use fleetlog_work_domain::delivery;
use fleetlog_work_domain::name::{Target, WorkKey};
use proptest::prelude::*;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A command that work told itself.
#[derive(Clone)]
struct Told {
    to: AggregateId,
    cause: Position,
    index: u64,
    payload: Bytes,
}

/// The machine, its log, what it told itself and what agents would hear.
#[derive(Default)]
struct Hub {
    hosted: Hosted<Works>,
    log: Vec<Recorded>,
    inbox: VecDeque<Told>,
    handled: Vec<Told>,
    published: BTreeMap<WorkKey, Delivery>,
    commands: u64,
    revision: u64,
    decided: BTreeSet<String>,
}

impl Hub {
    fn append(&mut self, aggregate: AggregateId, header: CommitHeader, events: Vec<Bytes>) {
        let position = Position(self.log.len() as u64 + 1);
        let commit = Recorded { position, aggregate, header, events };
        self.log.push(commit.clone());
        for (index, effect) in self.hosted.apply(&commit).unwrap().into_iter().enumerate() {
            match effect {
                Effect::Tell { to, payload } => {
                    let index = index as u64;
                    self.inbox.push_back(Told { to, cause: position, index, payload });
                }
                Effect::Own(Own::Move(_)) => {}
                Effect::Own(Own::Deliver(delivery)) => {
                    let key = WorkKey::new(&delivery.cluster, &delivery.work);
                    self.published.insert(key, *delivery);
                }
            }
        }
    }

    fn foreign(&mut self, foreign: Foreign) {
        let mut header = header(&foreign, 1);
        header.id = MessageId::new(self.log.len().to_string());
        let events = foreign.2.into_iter().map(|(_, bytes)| bytes).collect();
        self.append(foreign.0, header, events);
    }

    fn ask(&mut self, target: AggregateId, origin: Origin, payload: Bytes, of: (Position, u64)) {
        self.commands += 1;
        let id = CommandId::new(self.commands.to_string());
        let correlation = id.to_string();
        let request = Request { target, origin, id, correlation, at: NOW, payload };
        let Ok(decided) = self.hosted.machine().decide(&request) else { return };
        for Decided { aggregate, schema, events } in decided {
            let head = self.hosted.head(&aggregate);
            let header = CommitHeader {
                id: MessageId::new(request.id.as_str()),
                types: events.iter().map(|(name, _)| (*name).to_owned()).collect(),
                schema: schema.to_owned(),
                version: head.version + 1,
                cause: of.0,
                cause_index: of.1,
                command: request.id.clone(),
                correlation: request.correlation.clone(),
                actor: request.origin.to_string(),
                time: request.at,
                service: Service::Work,
            };
            self.append(aggregate, header, events.into_iter().map(|(_, e)| e).collect());
        }
    }

    fn user(&mut self, target: AggregateId, payload: Bytes) {
        self.ask(target, Origin::User(Actor::new("alice")), payload, (Position::START, 0));
    }

    fn agent(&mut self, key: &WorkKey, report: &ReportWork) {
        let cluster = ClusterName::parse(&key.cluster).unwrap();
        let payload = report.encode_to_vec().into();
        self.ask(key.aggregate(), Origin::Agent(cluster), payload, (Position::START, 0));
    }

    /// Handles one told command, as the chassis does: what was handled before is done.
    fn hear(&mut self, told: Told) {
        let (from, cause) = (Service::Work, told.cause);
        if !self.hosted.has_handled(&told.to, from, cause, told.index) {
            let origin = Origin::Service { from, cause };
            self.ask(told.to.clone(), origin, told.payload.clone(), (cause, told.index));
        }
        self.handled.push(told);
    }

    fn step(&mut self) -> bool {
        let Some(told) = self.inbox.pop_front() else { return false };
        self.hear(told);
        true
    }

    fn drain(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "work talks to itself without an end");
        }
    }

    /// Every agent does what it was last told, until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.drain();
            let works: Vec<(WorkKey, bool, i64)> = self
                .hosted
                .machine()
                .fleet()
                .works()
                .iter()
                .map(|(key, work)| (key.clone(), work.is_deleting(), work.generation()))
                .collect();
            let before = self.log.len();
            for (key, deleting, generation) in works {
                let gone = ReportWork { gone: true, ..ReportWork::default() };
                self.agent(&key, &if deleting { gone } else { report(generation) });
            }
            self.drain();
            if self.log.len() == before {
                return;
            }
        }
        panic!("the fleet does not come to rest");
    }

    fn decide(&mut self, clusters: &[&str]) {
        let wanted: BTreeSet<String> = clusters.iter().map(|c| (*c).to_owned()).collect();
        let removed: Vec<&str> = self.decided.difference(&wanted).map(String::as_str).collect();
        let added: Vec<&str> = wanted.difference(&self.decided).map(String::as_str).collect();
        self.revision += 1;
        let decision = decision(self.revision, &added, &removed);
        self.foreign(decision);
        self.decided = wanted;
    }

    fn made(&self) -> BTreeSet<WorkKey> {
        self.hosted.machine().fleet().works_made_by(&set_key()).cloned().collect()
    }
}

fn on(cluster: &str) -> WorkKey {
    set_key().work(&Target::new("east", cluster))
}

fn said(names: &[&str]) -> Bundle {
    bundle(names).1
}

#[test]
fn a_decision_fans_out_and_a_smaller_one_takes_back() {
    let mut hub = Hub::default();
    ["c1", "c2", "c3"].into_iter().for_each(|c| hub.foreign(cluster_joins(c)));
    hub.user(set_key().aggregate(), apply_set(&said(&["a"]), "Background"));
    hub.drain();
    hub.decide(&["c1", "c2", "c3"]);
    hub.settle();
    assert_eq!(hub.made(), ["c1", "c2", "c3"].map(on).into());
    let status = |hub: &Hub| {
        let set = hub.hosted.machine().fleet().set(&set_key());
        set.object().and_then(|o| o.status.clone()).unwrap()
    };
    let summary = status(&hub).summary.unwrap();
    assert_eq!((summary.total(), summary.available(), summary.updated()), (3, 3, 3));
    hub.decide(&["c1", "c3"]);
    hub.settle();
    assert_eq!(hub.made(), ["c1", "c3"].map(on).into());
    assert_eq!(status(&hub).summary.unwrap().total(), 2);
    assert!(hub.published[&on("c2")].deleted);
}

#[test]
fn a_thousand_reports_do_not_make_a_thousand_summaries() {
    let mut hub = Hub::default();
    let names: Vec<String> = (0..1_000).map(|i| format!("c{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.iter().for_each(|name| hub.foreign(cluster_joins(name)));
    hub.decide(&names);
    hub.user(set_key().aggregate(), apply_set(&said(&["a"]), "Background"));
    hub.drain();
    assert_eq!(hub.made().len(), 1_000);
    names.iter().for_each(|name| hub.agent(&on(name), &report(1)));
    assert_eq!(hub.inbox.len(), 1, "one summary is on its way");
    hub.drain();
    let set = hub.hosted.machine().fleet().set(&set_key());
    let summary = set.object().and_then(|o| o.status.as_ref()?.summary).unwrap();
    assert_eq!(summary.available(), 1_000);
}

#[test]
fn commands_of_work_itself_are_not_for_users() {
    let mut hub = Hub::default();
    hub.foreign(cluster_joins("c1"));
    let refused = |hub: &Hub, target: AggregateId, payload| {
        let (id, at) = (CommandId::new("1"), NOW);
        let origin = Origin::User(Actor::new("alice"));
        let request = Request { target, origin, id, correlation: String::new(), at, payload };
        match hub.hosted.machine().decide(&request) {
            Err(fleetlog_chassis::Denied::Refused(refusal)) => refusal.code,
            other => panic!("{other:?}"),
        }
    };
    let (work, set) = (work_key("c1", "shop").aggregate(), set_key().aggregate());
    for command in [
        work_command::Command::Deliver(DeliverWork::default()),
        work_command::Command::Withdraw(WithdrawWork::default()),
        work_command::Command::Report(report(1)),
    ] {
        assert_eq!(refused(&hub, work.clone(), work_command(command)), "WRK0010");
    }
    for command in [
        replica_set_command::Command::PlanFanOut(PlanFanOut::default()),
        replica_set_command::Command::Summarize(Summarize {}),
    ] {
        assert_eq!(refused(&hub, set.clone(), set_command(command)), "WRK0010");
    }
}

#[test]
fn questions_choose_by_namespace_name_and_labels() {
    let mut hub = Hub::default();
    ["c1", "c10"].into_iter().for_each(|c| hub.foreign(cluster_joins(c)));
    for (cluster, name) in [("c1", "a"), ("c1", "b"), ("c10", "a")] {
        let key = work_key(cluster, name);
        hub.user(key.aggregate(), apply_work(&key, &said(&["m"])));
    }
    let ask = |namespace: &str, name: &str, selector: &str| {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let (kind, label_selector) = ("manifestwork".to_owned(), selector.to_owned());
        let query = Query { kind, namespace, name, label_selector, ..Query::default() };
        hub.hosted.machine().answer(&query)
    };
    let count = |namespace, name, selector| ask(namespace, name, selector).unwrap().len();
    assert_eq!((count("", "", ""), count("c1", "", ""), count("c1", "a", "")), (3, 2, 1));
    assert_eq!((count("", "a", ""), count("c9", "", ""), count("", "", "x=y")), (2, 0, 0));
    assert_eq!(ask("", "", "x in (").unwrap_err().code, "WRK0018");
    let other = Query { kind: "else".into(), ..Query::default() };
    assert_eq!(hub.hosted.machine().answer(&other).unwrap_err().code, "WRK0024");
    let object: serde_json::Value =
        serde_json::from_slice(&ask("c10", "a", "").unwrap()[0]).unwrap();
    assert_eq!(object["metadata"]["resourceVersion"], Position(5).resource_version(0));
}

/// What may happen to a hub.
#[derive(Clone, Debug)]
enum Turn {
    Join(usize),
    Leave(usize),
    Decide(Vec<usize>),
    ApplySet { bundle: usize, foreground: bool },
    DeleteSet,
    ApplyWork(usize),
    DeleteWork { cluster: usize, of_set: bool },
    Report(usize),
    Gone(usize),
    Hear(usize),
    HearAgain(usize),
}

const CLUSTERS: [&str; 4] = ["c1", "c2", "c3", "c4"];

fn turn() -> impl Strategy<Value = Turn> {
    let cluster = 0..CLUSTERS.len();
    prop_oneof![
        2 => cluster.clone().prop_map(Turn::Join),
        1 => cluster.clone().prop_map(Turn::Leave),
        3 => prop::collection::vec(cluster.clone(), 0..4).prop_map(Turn::Decide),
        2 => (0_usize..2, any::<bool>())
            .prop_map(|(bundle, foreground)| Turn::ApplySet { bundle, foreground }),
        1 => Just(Turn::DeleteSet),
        1 => cluster.clone().prop_map(Turn::ApplyWork),
        1 => (cluster.clone(), any::<bool>())
            .prop_map(|(cluster, of_set)| Turn::DeleteWork { cluster, of_set }),
        3 => cluster.clone().prop_map(Turn::Report),
        3 => cluster.prop_map(Turn::Gone),
        6 => (1_usize..8).prop_map(Turn::Hear),
        1 => (0_usize..50).prop_map(Turn::HearAgain),
    ]
}

fn play(hub: &mut Hub, turn: Turn) {
    let users = |cluster: usize| work_key(CLUSTERS[cluster], "own");
    match turn {
        Turn::Join(cluster) => hub.foreign(cluster_joins(CLUSTERS[cluster])),
        Turn::Leave(cluster) => hub.foreign(cluster_leaves(CLUSTERS[cluster])),
        Turn::Decide(clusters) => {
            let names: Vec<&str> = clusters.iter().map(|c| CLUSTERS[*c]).collect();
            hub.decide(&names);
        }
        Turn::ApplySet { bundle, foreground } => {
            let bundle = said(&["a", "b"][..=bundle]);
            let cascade = if foreground { "Foreground" } else { "Background" };
            hub.user(set_key().aggregate(), apply_set(&bundle, cascade));
        }
        Turn::DeleteSet => {
            let delete = replica_set_command::Command::Delete(DeleteReplicaSet {});
            hub.user(set_key().aggregate(), set_command(delete));
        }
        Turn::ApplyWork(cluster) => {
            let key = users(cluster);
            hub.user(key.aggregate(), apply_work(&key, &said(&["a"])));
        }
        Turn::DeleteWork { cluster, of_set } => {
            let key = if of_set { on(CLUSTERS[cluster]) } else { users(cluster) };
            let delete = work_command::Command::Delete(DeleteWork {});
            hub.user(key.aggregate(), work_command(delete));
        }
        Turn::Report(cluster) => {
            let key = on(CLUSTERS[cluster]);
            let generation = hub.hosted.machine().fleet().work(&key).generation();
            hub.agent(&key, &report(generation));
        }
        Turn::Gone(cluster) => {
            let gone = ReportWork { gone: true, ..ReportWork::default() };
            hub.agent(&on(CLUSTERS[cluster]), &gone);
        }
        Turn::Hear(steps) => (0..steps).for_each(|_| {
            hub.step();
        }),
        Turn::HearAgain(which) => {
            if let Some(told) = hub.handled.get(which).cloned() {
                hub.hear(told);
            }
        }
    }
}

/// What holds once nobody does anything any more.
fn check(hub: &Hub) {
    let fleet = hub.hosted.machine().fleet();
    let set = fleet.set(&set_key());
    let Some(object) = set.object() else {
        assert!(hub.made().is_empty(), "works outlive their set: {:?}", hub.made());
        return check_deliveries(hub);
    };
    assert!(!set.is_deleting(), "the set waits for nothing");
    if hub.revision > 0 {
        let chosen = hub.decided.iter().filter(|cluster| fleet.has_cluster(cluster));
        assert_eq!(hub.made(), chosen.map(|c| on(c)).collect());
    }
    for key in hub.made() {
        let work = fleet.work(&key);
        assert_eq!(work.bundle(), set.bundle(), "{key} has the template");
        assert!(!work.is_deleting());
    }
    let tally = fleet.tally(&set_key(), &set);
    let status = fleetlog_work_domain::summary::status(&set_key(), &set, &tally, NOW);
    assert_eq!(object.status.as_ref(), Some(&status), "the summary is the last one");
    check_deliveries(hub);
}

fn check_deliveries(hub: &Hub) {
    let works = hub.hosted.machine().fleet().works();
    for (key, work) in works {
        assert_eq!(hub.published.get(key), delivery::of(key, work).as_ref());
        assert!(hub.hosted.machine().fleet().has_cluster(&key.cluster));
    }
    for (key, delivery) in &hub.published {
        assert!(works.contains_key(key) || delivery.deleted, "{key} is still delivered");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_fleet_comes_to_what_is_wanted(
        turns in prop::collection::vec(turn(), 1..60),
    ) {
        let mut hub = Hub::default();
        ["c1", "c2", "c3"].into_iter().for_each(|c| hub.foreign(cluster_joins(c)));
        for turn in turns {
            play(&mut hub, turn);
        }
        hub.settle();
        check(&hub);
        let mut again = Hosted::<Works>::default();
        hub.log.iter().for_each(|commit| {
            again.apply(commit).unwrap();
        });
        prop_assert_eq!(again.hash(), hub.hosted.hash(), "replay is the live state");
        let restored = Hosted::<Works>::restore(&hub.hosted.snapshot()).unwrap();
        prop_assert_eq!(restored.hash(), hub.hosted.hash(), "so is a snapshot");
    }

    #[test]
    fn no_payload_makes_the_machine_panic(
        payload in prop::collection::vec(any::<u8>(), 0..64),
        kind in prop::sample::select(vec!["manifestwork", "replicaset", "else"]),
        scope in prop::option::of("[a-z*.>/]{0,5}"),
    ) {
        let (service, name) = (Service::Work, "n".to_owned());
        let target = AggregateId { service, kind: kind.into(), scope, name };
        let mut hub = Hub::default();
        for origin in [
            Origin::User(Actor::new("alice")),
            Origin::Service { from: Service::Work, cause: Position(1) },
            Origin::Agent(ClusterName::parse("c1").unwrap()),
        ] {
            hub.ask(target.clone(), origin, payload.clone().into(), (Position::START, 0));
        }
        let query = Query { kind: kind.into(), ..Query::default() };
        prop_assert_eq!(hub.hosted.machine().answer(&query).is_ok(), kind != "else");
    }
}
