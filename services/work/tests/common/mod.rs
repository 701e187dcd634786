//! What the tests of the work service build their cases from: objects, bundles, and the commits
//! that registration and placement would make.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use bytes::Bytes;
use fleetlog_kernel::{CommandId, ContentHash, MessageId, Position, Service, Timestamp};
use fleetlog_messages::common::{Condition, ObjectMeta, Time};
use fleetlog_messages::envelope::CommitHeader;
use fleetlog_messages::placement::{
    DecidedCluster, PlacementDecided, PlacementEvent, placement_event,
};
use fleetlog_messages::registration::{
    ClusterDeleted, ClusterEvent, ClusterSpecified, cluster_event,
};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{
    ApplyReplicaSet, ApplyWork, Bundle, LocalPlacementReference, ManifestWork,
    ManifestWorkReplicaSet, ManifestWorkReplicaSetSpec, ManifestWorkSpec, ManifestWorkStatus,
    ReplicaSetCommand, ReportWork, RolloutStrategy, WorkCommand, replica_set_command, work_command,
};
use fleetlog_work_domain::name::{SetKey, WorkKey};
use prost::Message as _;

pub const NOW: Timestamp = Timestamp::of_seconds(1_700_000_000);

/// A bundle of config maps with these names: its body, and what is said of it.
pub fn bundle(names: &[&str]) -> (Bytes, Bundle) {
    let manifest = |name: &&str| {
        serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "default" },
        })
    };
    let list: serde_json::Value = names.iter().map(manifest).collect();
    let body = Bytes::from(fleetlog_objects::canonical(&list));
    let said = Bundle {
        hash: ContentHash::of(&body).to_string(),
        size: body.len() as u64,
        count: u32::try_from(names.len()).unwrap(),
    };
    (body, said)
}

pub fn work_key(cluster: &str, name: &str) -> WorkKey {
    WorkKey::new(cluster, name)
}

pub fn set_key() -> SetKey {
    SetKey::new("apps", "shop")
}

fn meta(scope: &str, name: &str) -> ObjectMeta {
    let (name, namespace) = (Some(name.to_owned()), Some(scope.to_owned()));
    ObjectMeta { name, namespace, ..ObjectMeta::default() }
}

pub fn apply_work(key: &WorkKey, bundle: &Bundle) -> Bytes {
    let work = ManifestWork {
        metadata: Some(meta(&key.cluster, &key.name)),
        spec: Some(ManifestWorkSpec::default()),
        ..ManifestWork::default()
    };
    let apply =
        ApplyWork { work: Some(work), bundle: Some(bundle.clone()), ..ApplyWork::default() };
    work_command(work_command::Command::Apply(apply))
}

pub fn work_command(command: work_command::Command) -> Bytes {
    WorkCommand { command: Some(command) }.encode_to_vec().into()
}

/// The set `apps/shop` over placement `east`.
pub fn apply_set(bundle: &Bundle, cascade: &str) -> Bytes {
    apply_set_by(bundle, cascade, None)
}

/// The set `apps/shop` over placement `east`, by a rollout strategy.
pub fn apply_set_by(bundle: &Bundle, cascade: &str, by: Option<RolloutStrategy>) -> Bytes {
    let east = LocalPlacementReference { name: Some("east".into()), rollout_strategy: by };
    let spec = ManifestWorkReplicaSetSpec {
        manifest_work_template: Some(ManifestWorkSpec::default()),
        placement_refs: vec![east],
        cascade_deletion_policy: Some(cascade.to_owned()),
    };
    let set = ManifestWorkReplicaSet {
        metadata: Some(meta("apps", "shop")),
        spec: Some(spec),
        ..ManifestWorkReplicaSet::default()
    };
    let (replica_set, bundle) = (Some(set), Some(bundle.clone()));
    let apply = ApplyReplicaSet { replica_set, bundle, ..ApplyReplicaSet::default() };
    set_command(replica_set_command::Command::Apply(apply))
}

pub fn set_command(command: replica_set_command::Command) -> Bytes {
    ReplicaSetCommand { command: Some(command) }.encode_to_vec().into()
}

/// A report that everything is applied and available, and that nothing is left to do.
pub fn done(generation: i64) -> ReportWork {
    let mut report = report(generation);
    let conditions = &mut report.status.get_or_insert_default().conditions;
    let settled = conditions.first().cloned().unwrap_or_default();
    let (kind, status) = (Some("Progressing".into()), Some("False".into()));
    conditions.push(Condition { r#type: kind, status, ..settled });
    report
}

/// A report that everything is applied and available.
pub fn report(generation: i64) -> ReportWork {
    let condition = |kind: &str| Condition {
        r#type: Some(kind.into()),
        status: Some("True".into()),
        observed_generation: Some(generation),
        last_transition_time: Some(Time { seconds: NOW.seconds(), ..Time::default() }),
        reason: Some("Said".into()),
        message: Some(String::new()),
    };
    let conditions = vec![condition("Applied"), condition("Available")];
    let status = ManifestWorkStatus { conditions, resource_status: None };
    ReportWork { generation, status: Some(status), gone: false }
}

/// A commit of another service: whose, its schema, its events by type.
pub type Foreign = (AggregateId, &'static str, Vec<(&'static str, Bytes)>);

pub fn cluster_joins(name: &str) -> Foreign {
    let event = cluster_event::Event::Specified(ClusterSpecified::default());
    cluster(name, "ClusterSpecified", event)
}

pub fn cluster_leaves(name: &str) -> Foreign {
    cluster(name, "ClusterDeleted", cluster_event::Event::Deleted(ClusterDeleted::default()))
}

fn cluster(name: &str, of: &'static str, event: cluster_event::Event) -> Foreign {
    let aggregate = AggregateId::global(Service::Registration, "cluster", name);
    let bytes = ClusterEvent { event: Some(event) }.encode_to_vec().into();
    (aggregate, "fleetlog.registration.v1.ClusterEvent", vec![(of, bytes)])
}

/// The placement `apps/east` decides.
pub fn decision(revision: u64, added: &[&str], removed: &[&str]) -> Foreign {
    let chosen =
        |name: &&str| DecidedCluster { cluster: (*name).to_owned(), ..DecidedCluster::default() };
    let decided = PlacementDecided {
        revision,
        added: added.iter().map(chosen).collect(),
        removed: removed.iter().map(|name| (*name).to_owned()).collect(),
        ..PlacementDecided::default()
    };
    let event = Some(placement_event::Event::Decided(decided));
    let aggregate = AggregateId::namespaced(Service::Placement, "placement", "apps", "east");
    let bytes = PlacementEvent { event }.encode_to_vec().into();
    (aggregate, "fleetlog.placement.v1.PlacementEvent", vec![("PlacementDecided", bytes)])
}

/// The header of a foreign commit that is the aggregate's `version`th.
pub fn header(foreign: &Foreign, version: u64) -> CommitHeader {
    let (aggregate, schema, events) = foreign;
    let id = format!("{aggregate}-{version}");
    CommitHeader {
        id: MessageId::new(&id),
        types: events.iter().map(|(name, _)| (*name).to_owned()).collect(),
        schema: (*schema).to_owned(),
        version,
        cause: Position::START,
        cause_index: 0,
        command: CommandId::new(&id),
        correlation: id,
        actor: "admin".to_owned(),
        time: NOW,
        service: aggregate.service,
    }
}
