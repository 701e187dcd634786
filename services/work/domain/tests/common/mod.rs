//! What the tests of work's domain build their cases from.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use fleetlog_kernel::{Position, Timestamp, Uid};
use fleetlog_messages::common::{Condition, ObjectMeta, Time};
use fleetlog_messages::placement::{DecidedCluster, PlacementDecided, placement_event};
use fleetlog_messages::work::{
    Bundle, LocalPlacementReference, ManifestWork, ManifestWorkReplicaSet,
    ManifestWorkReplicaSetSpec, ManifestWorkSpec, ManifestWorkStatus, ReportWork, RolloutStrategy,
    replica_set_event, work_event,
};
use fleetlog_work_domain::command::{
    Apply, Chosen, Deliver, Member, OfSet, OfWork, Owner, Planned, SetCommand, WorkCommand,
};
use fleetlog_work_domain::metadata::{self, Metadata};
use fleetlog_work_domain::name::{
    PLACEMENT_LABEL, SET_FINALIZER, SET_LABEL, SetKey, Target, WORK_FINALIZER, WorkKey,
};
use std::collections::BTreeMap;

pub type WorkEvent = work_event::Event;
pub type SetEvent = replica_set_event::Event;

pub const UID: &str = "00000000-0000-5000-8000-000000000001";

pub fn key() -> WorkKey {
    WorkKey::new("c1", "shop")
}

pub fn set_key() -> SetKey {
    SetKey::new("apps", "shop")
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::of_seconds(seconds)
}

pub fn time(seconds: i64) -> Time {
    metadata::time(at(seconds))
}

pub fn bundle(hash: &str) -> Bundle {
    Bundle { hash: hash.into(), size: 100, count: 2 }
}

pub fn meta(scope: &str, name: &str) -> ObjectMeta {
    let (name, namespace) = (Some(name.to_owned()), Some(scope.to_owned()));
    ObjectMeta { name, namespace, ..ObjectMeta::default() }
}

pub fn work() -> ManifestWork {
    let metadata = Some(meta("c1", "shop"));
    ManifestWork { metadata, spec: Some(ManifestWorkSpec::default()), ..ManifestWork::default() }
}

pub fn labelled(mut work: ManifestWork, key: &str, value: &str) -> ManifestWork {
    let meta = work.metadata.get_or_insert_default();
    meta.labels.insert(key.into(), value.into());
    work
}

pub fn apply(object: ManifestWork, bundle: Option<Bundle>) -> Apply<ManifestWork> {
    let (resource_version, metadata) = (String::new(), Metadata::Add);
    Apply { object, bundle, resource_version, metadata }
}

pub fn of_work(command: WorkCommand) -> OfWork {
    OfWork { key: key(), cluster: Member::Known, uid: Uid::new(UID), command }
}

pub fn applying(object: ManifestWork, bundle: Option<Bundle>) -> OfWork {
    of_work(WorkCommand::Apply(Box::new(apply(object, bundle))))
}

/// The metadata that the hub gives a work at second `born`.
pub fn born(scope: &str, name: &str, born: i64, finalizer: &str) -> ObjectMeta {
    ObjectMeta {
        uid: Some(UID.into()),
        generation: Some(1),
        creation_timestamp: Some(time(born)),
        finalizers: vec![finalizer.into()],
        ..meta(scope, name)
    }
}

pub fn specified(hash: &str) -> WorkEvent {
    let metadata = Some(born("c1", "shop", 1, WORK_FINALIZER));
    WorkEvent::Specified(fleetlog_messages::work::WorkSpecified {
        work: Some(ManifestWork { metadata, ..work() }),
        bundle: Some(bundle(hash)),
        ..Default::default()
    })
}

pub fn deletion_requested(by: &str, second: i64) -> WorkEvent {
    let at = Some(time(second));
    WorkEvent::DeletionRequested(fleetlog_messages::work::WorkDeletionRequested {
        by: by.into(),
        at,
        generation: 2,
    })
}

pub fn deleted() -> WorkEvent {
    WorkEvent::Deleted(fleetlog_messages::work::WorkDeleted {})
}

pub fn condition(kind: &str, status: &str, generation: i64, moved: i64) -> Condition {
    Condition {
        r#type: Some(kind.into()),
        status: Some(status.into()),
        observed_generation: Some(generation),
        last_transition_time: Some(time(moved)),
        reason: Some("Said".into()),
        message: Some(String::new()),
    }
}

pub fn status(conditions: Vec<Condition>) -> ManifestWorkStatus {
    ManifestWorkStatus { conditions, ..ManifestWorkStatus::default() }
}

pub fn available(generation: i64, moved: i64) -> ManifestWorkStatus {
    let said = |kind| condition(kind, "True", generation, moved);
    status(vec![said("Applied"), said("Available")])
}

pub fn reporting(generation: i64, status: ManifestWorkStatus) -> OfWork {
    let report = ReportWork { generation, status: Some(status), gone: false };
    of_work(WorkCommand::Report(Box::new(report)))
}

pub fn reported(generation: i64, status: ManifestWorkStatus) -> WorkEvent {
    WorkEvent::StatusReported(fleetlog_messages::work::WorkStatusReported {
        generation,
        status: Some(status),
        at: None,
    })
}

/// As reported at a second.
pub fn reported_at(second: i64, generation: i64, status: ManifestWorkStatus) -> WorkEvent {
    WorkEvent::StatusReported(fleetlog_messages::work::WorkStatusReported {
        generation,
        status: Some(status),
        at: Some(time(second)),
    })
}

pub fn gone() -> OfWork {
    let report = ReportWork { gone: true, ..ReportWork::default() };
    of_work(WorkCommand::Report(Box::new(report)))
}

/// The work that the set `apps/shop` makes on `c1` for placement `east`.
pub fn made() -> ManifestWork {
    let made = labelled(work(), SET_LABEL, "apps.shop");
    labelled(made, PLACEMENT_LABEL, "east")
}

pub fn delivering(planned: Planned) -> OfWork {
    of_work(WorkCommand::Deliver(Box::new(Deliver {
        work: made(),
        bundle: Some(bundle("b1")),
        owner: Owner::ReplicaSet("apps/shop".into()),
        placement: "east".into(),
        decision: 7,
        planned,
    })))
}

pub fn delivered() -> WorkEvent {
    let made = made();
    let labels = made.metadata.as_ref().map(|m| m.labels.clone()).unwrap_or_default();
    let metadata = ObjectMeta { labels, ..born("c1", "shop", 1, WORK_FINALIZER) };
    WorkEvent::Specified(fleetlog_messages::work::WorkSpecified {
        work: Some(ManifestWork { metadata: Some(metadata), ..made }),
        bundle: Some(bundle("b1")),
        replica_set: "apps/shop".into(),
        placement: "east".into(),
        decision: 7,
        ..Default::default()
    })
}

pub fn set(placements: &[&str]) -> ManifestWorkReplicaSet {
    let refs = placements.iter().map(|name| LocalPlacementReference {
        name: Some((*name).to_owned()),
        rollout_strategy: None,
    });
    let spec = ManifestWorkReplicaSetSpec {
        manifest_work_template: Some(ManifestWorkSpec::default()),
        placement_refs: refs.collect(),
        cascade_deletion_policy: Some("Background".into()),
    };
    let metadata = Some(meta("apps", "shop"));
    ManifestWorkReplicaSet { metadata, spec: Some(spec), ..ManifestWorkReplicaSet::default() }
}

pub fn foreground(mut set: ManifestWorkReplicaSet) -> ManifestWorkReplicaSet {
    let spec = set.spec.get_or_insert_default();
    spec.cascade_deletion_policy = Some("Foreground".into());
    set
}

pub fn rollout(mut set: ManifestWorkReplicaSet, strategy: &str) -> ManifestWorkReplicaSet {
    for placement in &mut set.spec.get_or_insert_default().placement_refs {
        let r#type = Some(strategy.to_owned());
        placement.rollout_strategy = Some(RolloutStrategy { r#type, ..Default::default() });
    }
    set
}

pub fn of_set(command: SetCommand) -> OfSet {
    OfSet { key: set_key(), uid: Uid::new(UID), command }
}

pub fn applying_set(object: ManifestWorkReplicaSet, bundle: Option<Bundle>) -> OfSet {
    let (resource_version, metadata) = (String::new(), Metadata::Add);
    let apply = Apply { object, bundle, resource_version, metadata };
    of_set(SetCommand::Apply(Box::new(apply)))
}

pub fn set_specified(set: ManifestWorkReplicaSet, hash: &str) -> SetEvent {
    let metadata = Some(born("apps", "shop", 1, SET_FINALIZER));
    SetEvent::Specified(fleetlog_messages::work::ReplicaSetSpecified {
        replica_set: Some(ManifestWorkReplicaSet { metadata, ..set }),
        bundle: Some(bundle(hash)),
    })
}

pub fn set_deletion_requested(by: &str, second: i64) -> SetEvent {
    let at = Some(time(second));
    SetEvent::DeletionRequested(fleetlog_messages::work::ReplicaSetDeletionRequested {
        by: by.into(),
        at,
        generation: 2,
    })
}

pub fn set_deleted() -> SetEvent {
    SetEvent::Deleted(fleetlog_messages::work::ReplicaSetDeleted {})
}

pub fn chosen(placement: &str, clusters: &[&str], position: u64) -> BTreeMap<String, Chosen> {
    let clusters = clusters.iter().map(|c| (*c).to_owned()).collect();
    let chosen = Chosen { clusters, position: Position(position), ..Chosen::default() };
    [(placement.to_owned(), chosen)].into()
}

pub fn targets(placement: &str, clusters: &[&str]) -> Vec<fleetlog_messages::work::FanOutTarget> {
    clusters.iter().map(|cluster| Target::new(placement, *cluster).message()).collect()
}

/// A plan that delivers to these clusters of placement `east` and says that all is decided.
pub fn planned(plan: u64, deliver: &[&str], withdraw: &[&str]) -> SetEvent {
    SetEvent::FanOutPlanned(fleetlog_messages::work::FanOutPlanned {
        plan,
        generation: 1,
        deliver: targets("east", deliver),
        withdraw: targets("east", withdraw),
        decision: 5,
        conditions: vec![],
    })
}

pub fn decided(revision: u64, added: &[&str], removed: &[&str]) -> placement_event::Event {
    let cluster =
        |name: &&str| DecidedCluster { cluster: (*name).to_owned(), ..DecidedCluster::default() };
    placement_event::Event::Decided(PlacementDecided {
        revision,
        added: added.iter().map(cluster).collect(),
        removed: removed.iter().map(|c| (*c).to_owned()).collect(),
        ..PlacementDecided::default()
    })
}
