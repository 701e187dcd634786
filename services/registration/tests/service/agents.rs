//! What agents ask and are told: joining, renewing, beating, reporting.

use crate::stage::{Agent, START, Stage, condition, taints};
use bytes::Bytes;
use fleetlog_bus::{Broker as _, jwt};
use fleetlog_kernel::ContentHash;
use fleetlog_messages::common::{
    BeatAnswer, JoinAnswer, JoinRequest, Refusal, RenewRequest, join_answer::Answer,
};
use fleetlog_messages::registration::{
    ClusterFacts, DeleteCluster, DenyCluster, ManagedClusterClaim, ManagedClusterVersion,
    cluster_command::Command,
};
use fleetlog_messages::subject::{self, Report, Subject};
use fleetlog_registration::cluster_id;
use nkeys::KeyPair;
use prost::Message as _;
use serde_json::json;
use std::time::Duration;

fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Refused(refusal) => &refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

async fn renew(agent: &Agent, key: &KeyPair) -> Answer {
    let request = RenewRequest { public_key: key.public_key() };
    agent.link.renew(&request).await.unwrap().answer.unwrap()
}

/// Asks with bytes that are no request.
async fn garbage(stage: &Stage, subject: &Subject) -> Bytes {
    let bytes = Bytes::from_static(b"\xff\xff\xff");
    stage.memory.request(subject, bytes, Duration::from_secs(5)).await.unwrap().payload
}

#[tokio::test(start_paused = true)]
async fn an_agent_waits_until_it_is_accepted_and_then_has_a_credential_for_its_own_key() {
    let stage = Stage::new().await;
    let agent = stage.agent("c1");
    let Answer::Pending(pending) = agent.join().await else { panic!("not pending") };
    assert!(pending.sentence.contains("fleetlog accept c1"), "{}", pending.sentence);
    stage.settled().await;
    let cluster = stage.cluster("c1").await;
    assert_eq!(cluster["spec"]["hubAcceptsClient"], json!(false));
    assert_eq!(taints(&cluster), ["cluster.open-cluster-management.io/unreachable"]);
    let label = &cluster["metadata"]["labels"]["cluster.open-cluster-management.io/clusterset"];
    assert_eq!(label, "default");

    stage.accept("c1").await;
    let credential = agent.joined().await;
    let claims = jwt::claims_of(&credential.jwt).unwrap();
    assert_eq!(claims["name"], "c1");
    assert_eq!(claims["sub"], json!(agent.key.public_key()));
    assert_eq!(claims["iss"], json!(stage.settings.role_key.public_key()));
    assert_eq!(claims["nats"]["issuer_account"], "AAGENTS");
    assert_eq!(claims["exp"], json!(credential.expires_seconds));
    assert!((3_600..3_700).contains(&(credential.expires_seconds - START.seconds())));
    assert_eq!(credential.hub_hash, ContentHash::of(b"hub-1").to_string());
    assert_eq!(credential.work_key, stage.settings.work_key);
    assert_eq!(credential.lease_duration_seconds, 60);
}

#[tokio::test(start_paused = true)]
async fn asking_a_hundred_times_is_one_wish() {
    let stage = Stage::new().await;
    let agent = stage.agent("c1");
    for _ in 0..100 {
        assert!(matches!(agent.join().await, Answer::Pending(_)));
    }
    stage.settled().await;
    let born = ["ClusterSpecified", "TaintAdded", "ClusterJoinRequested"];
    assert_eq!(stage.story(&cluster_id("c1")).await, born);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_accepted_before_its_agent_came_adopts_it() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 7).await;
    let agent = stage.agent("c1");
    assert!(matches!(agent.join().await, Answer::Pending(_)), "its key is not durable yet");
    assert_eq!(agent.joined().await.lease_duration_seconds, 7);
    assert_eq!(code(&stage.agent("c1").join().await), "REG0006", "another key");
}

#[tokio::test(start_paused = true)]
async fn of_two_agents_that_come_at_once_one_is_let_in() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 1).await;
    let (one, other) = (stage.agent("c1"), stage.agent("c1"));
    let first = tokio::join!(one.join(), other.join());
    assert!(matches!(first, (Answer::Pending(_), Answer::Pending(_))));
    stage.settled().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = tokio::join!(one.join(), other.join());
    let let_in = |answer: &Answer| matches!(answer, Answer::Credential(_));
    assert_ne!(let_in(&second.0), let_in(&second.1), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn wishes_that_are_refused_say_why() {
    let stage = Stage::new().await;
    let agent = stage.agent("c1");
    let forged = JoinRequest { cluster: "c2".into(), ..agent.wish() };
    assert_eq!(code(&agent.join_with(forged).await), "REG0017");
    let unsigned = JoinRequest { signature: vec![], ..agent.wish() };
    assert_eq!(code(&agent.join_with(unsigned).await), "REG0017");
    let no_key = JoinRequest { public_key: "x".into(), ..agent.wish() };
    assert_eq!(code(&agent.join_with(no_key).await), "REG0017");
    let account = KeyPair::new_account();
    let content = fleetlog_registration::signed_content("c1", &account.public_key());
    let not_a_user = JoinRequest {
        public_key: account.public_key(),
        signature: account.sign(&content).unwrap(),
        ..agent.wish()
    };
    assert_eq!(code(&agent.join_with(not_a_user).await), "REG0017");
    let label = JoinRequest { labels: [("a b".into(), "c".into())].into(), ..agent.wish() };
    assert_eq!(code(&agent.join_with(label).await), "REG0011");
    let upper = "UPPER_case";
    let content = fleetlog_registration::signed_content(upper, &agent.key.public_key());
    let signature = agent.key.sign(&content).unwrap();
    let named = JoinRequest { cluster: upper.into(), signature, ..agent.wish() };
    assert_eq!(code(&agent.join_with(named).await), "REG0001");
    assert_eq!(stage.story(&cluster_id("c1")).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_denied_cluster_gets_no_credential_and_its_beats_do_not_count() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 1).await;
    let agent = stage.agent("c1");
    agent.joined().await;
    agent.beat().await;
    stage.until("c1", "ManagedClusterConditionAvailable", "True").await;
    stage.on_cluster("c1", Command::Deny(DenyCluster {})).await;
    assert_eq!(code(&agent.join().await), "REG0007");
    assert_eq!(code(&renew(&agent, &agent.key).await), "REG0007");
    assert_eq!(agent.beat().await.refused.unwrap().code, "REG0007");
    stage.until("c1", "ManagedClusterConditionAvailable", "Unknown").await;

    stage.accept("c1").await;
    agent.joined().await;
    agent.beat().await;
    stage.until("c1", "ManagedClusterConditionAvailable", "True").await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_cluster_may_come_back_as_another() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 1).await;
    let agent = stage.agent("c1");
    agent.joined().await;
    let before = stage.cluster("c1").await["metadata"]["uid"].clone();
    stage.on_cluster("c1", Command::Delete(DeleteCluster {})).await;
    assert_eq!(agent.beat().await.refused.unwrap().code, "REG0002");
    assert!(matches!(agent.join().await, Answer::Pending(_)));
    stage.settled().await;
    stage.accept("c1").await;
    agent.joined().await;
    assert_ne!(stage.cluster("c1").await["metadata"]["uid"], before);
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_renewed_for_the_agent_s_key_only() {
    let stage = Stage::new().await;
    let agent = stage.agent("c1");
    assert_eq!(code(&renew(&agent, &agent.key).await), "REG0002", "unknown");
    agent.join().await;
    stage.settled().await;
    assert_eq!(code(&renew(&agent, &agent.key).await), "REG0008", "not accepted");
    stage.accept("c1").await;
    let first = agent.joined().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let Answer::Credential(next) = renew(&agent, &agent.key).await else { panic!("refused") };
    assert!(next.expires_seconds >= first.expires_seconds + 600);
    assert_eq!(code(&renew(&agent, &KeyPair::new_user()).await), "REG0019");
}

#[tokio::test(start_paused = true)]
async fn a_first_beat_makes_a_cluster_available_and_the_next_ones_are_no_events() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 3).await;
    let agent = stage.agent("c1");
    agent.joined().await;
    for _ in 0..10 {
        let BeatAnswer { lease_duration_seconds, refused } = agent.beat().await;
        assert_eq!((lease_duration_seconds, refused), (3, None));
    }
    stage.until("c1", "ManagedClusterConditionAvailable", "True").await;
    stage.passes(1).await;
    let cluster = stage.cluster("c1").await;
    assert_eq!(condition(&cluster, "ManagedClusterJoined"), "True");
    assert_eq!(taints(&cluster), Vec::<String>::new());
    let story = stage.story(&cluster_id("c1")).await;
    let became = ["ClusterJoined", "ClusterBecameAvailable", "TaintRemoved"];
    assert_eq!(story[story.len() - 3..], became);
    assert_eq!(story.iter().filter(|t| *t == "ClusterBecameAvailable").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_accepted_beats_and_reports_in_vain() {
    let stage = Stage::new().await;
    let agent = stage.agent("c1");
    assert_eq!(agent.beat().await.refused.unwrap().code, "REG0002");
    agent.join().await;
    stage.settled().await;
    assert_eq!(agent.beat().await.refused.unwrap().code, "REG0008");
    let version = Some(ManagedClusterVersion { kubernetes: Some("v1.34.0".into()) });
    let facts = ClusterFacts { version, ..ClusterFacts::default() }.encode_to_vec();
    agent.link.report(&Report::Cluster, facts.into()).await.unwrap();
    fleetlog_test_support::eventually("the report is refused", async || {
        (stage.service.metrics.serve.read().refused > 0).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(stage.stored("LEASE", Subject::raw("fl.lease.*")).await, []);
}

#[tokio::test(start_paused = true)]
async fn facts_are_served_and_the_same_ones_again_are_no_event() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 1).await;
    let agent = stage.agent("c1");
    agent.joined().await;
    let claim = ManagedClusterClaim { name: Some("region".into()), value: Some("east".into()) };
    let facts = ClusterFacts {
        version: Some(ManagedClusterVersion { kubernetes: Some("v1.34.0".into()) }),
        capacity: [("cpu".to_owned(), "4".to_owned())].into(),
        cluster_claims: vec![claim],
        ..ClusterFacts::default()
    };
    let report = async || {
        let payload = facts.encode_to_vec().into();
        agent.link.report(&Report::Cluster, payload).await.unwrap();
        stage.passes(1).await;
    };
    report().await;
    report().await;
    let cluster = stage.cluster("c1").await;
    assert_eq!(cluster["status"]["version"]["kubernetes"], "v1.34.0");
    assert_eq!(cluster["status"]["capacity"]["cpu"], "4");
    assert_eq!(cluster["status"]["clusterClaims"][0]["value"], "east");
    let story = stage.story(&cluster_id("c1")).await;
    assert_eq!(story.iter().filter(|t| *t == "ClusterStatusReported").count(), 1);
    assert_eq!(story.iter().filter(|t| *t == "ClusterJoined").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_buried_and_refused_and_stops_nothing() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 1).await;
    let agent = stage.agent("c1");
    let unreadable = |refused: Option<Refusal>| assert_eq!(refused.unwrap().code, "REG0021");
    let of_join = |payload| match JoinAnswer::decode(payload).unwrap().answer {
        Some(Answer::Refused(refusal)) => Some(refusal),
        _ => None,
    };
    let (join, renew) = (subject::join("UTOKEN"), subject::ask(&agent.cluster, "renew"));
    let beat = subject::ask(&agent.cluster, "beat");
    unreadable(of_join(garbage(&stage, &join).await));
    unreadable(of_join(garbage(&stage, &renew).await));
    unreadable(BeatAnswer::decode(garbage(&stage, &beat).await).unwrap().refused);
    let answer = stage.memory.request(&Subject::raw("fl.a.=2A.beat"), Bytes::new(), SECOND).await;
    unreadable(BeatAnswer::decode(answer.unwrap().payload).unwrap().refused);
    let buried: Vec<String> = stage.buried().await.into_iter().map(|(about, _)| about).collect();
    let expected = [join.as_str(), renew.as_str(), beat.as_str(), "fl.a.=2A.beat"];
    assert_eq!(buried, expected);
    assert!(stage.buried().await.iter().all(|(_, reason)| !reason.is_empty()));
    agent.link.report(&Report::Cluster, Bytes::new()).await.unwrap();
    fleetlog_test_support::eventually("the empty report is buried", async || {
        stage.buried().await.iter().any(|(about, _)| about == "fl.st.c1.cluster").then_some(())
    })
    .await
    .unwrap();
    agent.joined().await;
    assert_eq!(agent.beat().await.refused, None);
}

const SECOND: Duration = Duration::from_secs(1);
