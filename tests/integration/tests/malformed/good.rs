//! The proof that services still work: good commands of a user, good requests and reports of an
//! agent, a good wish to join, and what the services tell themselves because of them.

use crate::stage::{Stage, stored};
use bytes::Bytes;
use fleetlog_bus::{AgentLink, Client};
use fleetlog_kernel::{Actor, ClusterName, CommandId, Position, Service};
use fleetlog_messages::common::{
    Beat, Condition, JoinRequest, ObjectMeta, Query, SyncRequest, join_answer, outcome,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::placement::{
    ApplyPlacement, Placement, PlacementCommand, PlacementSpec, placement_command,
};
use fleetlog_messages::registration::{
    ApplyCluster, ClusterCommand, ClusterFacts, ManagedCluster, ManagedClusterSpec,
    ManagedClusterVersion, cluster_command,
};
use fleetlog_messages::subject::{AggregateId, Report};
use fleetlog_messages::work::{
    ApplyWork, Bundle, ManifestWork, ManifestWorkSpec, ManifestWorkStatus, ReportWork, WorkCommand,
    work_command,
};
use fleetlog_placement::placement_id;
use fleetlog_registration::{cluster_id, signed_content};
use fleetlog_test_support::eventually;
use nkeys::KeyPair;
use prost::Message as _;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every way in, once, with something good.
pub async fn everything_works(stage: &Stage) {
    let ids = AtomicU64::new(0);
    let id = move || CommandId::new(format!("good-{}", ids.fetch_add(1, Ordering::Relaxed)));
    let alice = Client::new(stage.hub.user("alice").await.unwrap(), Actor::new("alice"), id);
    let known = done(&alice, &cluster_id("c1"), apply_cluster()).await;
    for service in Service::ALL {
        let question = Query { min_position: known.0, ..Query::default() };
        let answer = alice.ask(service, "hash", question).await.unwrap();
        assert!(!answer[0].hash.is_empty(), "{service}");
    }
    let placement = placement_command::Command::Apply(ApplyPlacement {
        placement: Some(Placement {
            metadata: meta("shop", "all"),
            spec: Some(PlacementSpec::default()),
            ..Placement::default()
        }),
        ..ApplyPlacement::default()
    });
    let placement = PlacementCommand { command: Some(placement) };
    done(&alice, &placement_id("shop", "all"), placement.encode_to_vec().into()).await;
    let work = AggregateId::namespaced(Service::Work, "manifestwork", "c1", "shop");
    let command = apply_work(&alice).await;
    done(&alice, &work, command).await;
    an_agent_is_heard(stage).await;
    a_wish_to_join_is_heard(stage).await;
    let by = [
        (cluster_id("c1"), "service:registration"),
        (cluster_id("c1"), "cluster:c1"),
        (placement_id("shop", "all"), "service:placement"),
        (work, "cluster:c1"),
    ];
    for (aggregate, actor) in by {
        let what = format!("\"{aggregate}\" is changed by {actor}");
        eventually(&what, async || is_changed_by(stage, &aggregate, actor).await).await.unwrap();
    }
}

async fn is_changed_by(stage: &Stage, aggregate: &AggregateId, actor: &str) -> Option<()> {
    let operator = stage.hub.operator().await.unwrap();
    let events = stored(&operator, "EVENTS").await;
    let mut own = events.iter().filter(|event| event.subject == aggregate.event().as_str());
    own.any(|event| event.headers[header::ACTOR] == actor).then_some(())
}

async fn done(alice: &Client, to: &AggregateId, command: Bytes) -> Position {
    let outcome = alice.command(to, command).await.unwrap();
    match outcome.result {
        Some(outcome::Result::Accomplished(done)) if done.position > 0 => Position(done.position),
        other => panic!("{to}: {other:?}"),
    }
}

async fn an_agent_is_heard(stage: &Stage) {
    let broker = stage.hub.agent("c1").await.unwrap();
    let link = AgentLink::new(broker, ClusterName::parse("c1").unwrap());
    let beat = link.beat(&Beat { count: 1 }).await.unwrap();
    assert_eq!((beat.refused, beat.lease_duration_seconds), (None, 60));
    let (deliveries, end) = link.sync(&SyncRequest::default()).await.unwrap();
    assert_eq!((deliveries.len(), end.works), (1, 1));
    let version = Some(ManagedClusterVersion { kubernetes: Some("v1.34.0".to_owned()) });
    let facts = ClusterFacts { version, ..ClusterFacts::default() };
    link.report(&Report::Cluster, facts.encode_to_vec().into()).await.unwrap();
    let applied = Condition {
        r#type: Some("Applied".to_owned()),
        status: Some("True".to_owned()),
        reason: Some("Applied".to_owned()),
        observed_generation: Some(1),
        ..Condition::default()
    };
    let status = ManifestWorkStatus { conditions: vec![applied], ..ManifestWorkStatus::default() };
    let report = ReportWork { generation: 1, status: Some(status), gone: false };
    let about = Report::Work("shop".to_owned());
    link.report(&about, report.encode_to_vec().into()).await.unwrap();
}

async fn a_wish_to_join_is_heard(stage: &Stage) {
    let (broker, token) = stage.hub.boot().await.unwrap();
    let key = KeyPair::new_user();
    let link = AgentLink::new(broker, ClusterName::parse("c2").unwrap());
    let request = JoinRequest {
        cluster: "c2".to_owned(),
        public_key: key.public_key(),
        signature: key.sign(&signed_content("c2", &key.public_key())).unwrap(),
        ..JoinRequest::default()
    };
    let answer = link.join(&token, &request).await.unwrap().answer;
    assert!(matches!(answer, Some(join_answer::Answer::Pending(_))), "{answer:?}");
}

fn meta(namespace: &str, name: &str) -> Option<ObjectMeta> {
    let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    Some(ObjectMeta { name: Some(name.to_owned()), namespace, ..ObjectMeta::default() })
}

fn apply_cluster() -> Bytes {
    let spec = ManagedClusterSpec {
        hub_accepts_client: Some(true),
        lease_duration_seconds: Some(60),
        ..ManagedClusterSpec::default()
    };
    let cluster =
        ManagedCluster { metadata: meta("", "c1"), spec: Some(spec), ..ManagedCluster::default() };
    let apply = ApplyCluster { cluster: Some(cluster), ..ApplyCluster::default() };
    let command = Some(cluster_command::Command::Apply(apply));
    ClusterCommand { command }.encode_to_vec().into()
}

async fn apply_work(alice: &Client) -> Bytes {
    let manifests = json!([{
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "shop", "namespace": "default" },
    }]);
    let body = Bytes::from(fleetlog_objects::canonical(&manifests));
    let size = body.len() as u64;
    let hash = alice.put_blob(body).await.unwrap().to_string();
    let work = ManifestWork {
        metadata: meta("c1", "shop"),
        spec: Some(ManifestWorkSpec::default()),
        ..ManifestWork::default()
    };
    let bundle = Some(Bundle { hash, size, count: 1 });
    let apply = ApplyWork { work: Some(work), bundle, ..ApplyWork::default() };
    WorkCommand { command: Some(work_command::Command::Apply(apply)) }.encode_to_vec().into()
}
