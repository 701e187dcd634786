//! How an agent comes to its hub and stays with it.

use crate::hub::cluster;
use crate::member::Member;
use crate::stage::{Stage, is_well};
use fleetlog_agent::Standing;
use fleetlog_messages::common::SyncRequest;
use fleetlog_test_support::eventually;
use nkeys::KeyPair;
use std::time::Duration;

pub async fn an_agent_asks_until_it_is_accepted_and_reports_its_cluster(member: Box<dyn Member>) {
    let stage = Stage::joining(member, |hub, _| hub.known().accepted = false).await;
    stage.hub.until("it asked three times", |known| known.joins.len() >= 3).await;
    let told = stage.agent.standing();
    assert_eq!(told, Standing::Joining("cluster \"c1\" is not accepted yet".into()));
    let request = stage.hub.known().joins[0].clone();
    assert_eq!((request.cluster.as_str(), request.labels["region"].as_str()), ("c1", "west"));
    let signed = format!("{}\n{}\n", request.cluster, request.public_key);
    let key = KeyPair::from_public_key(&request.public_key).unwrap();
    key.verify(signed.as_bytes(), &request.signature).unwrap();
    stage.hub.known().accepted = true;
    stage.agent.connected().await;
    let facts = stage.hub.facts(|facts| facts.version.is_some()).await;
    assert!(facts.version.unwrap().kubernetes.unwrap().starts_with('v'));
    let claim = |name: &str| {
        facts.cluster_claims.iter().find(|claim| claim.name.as_deref() == Some(name)).is_some()
    };
    assert!(claim("id.k8s.io") && claim("kubeversion.open-cluster-management.io"));
    // A claim that somebody makes is reported too.
    let claims = "/apis/cluster.open-cluster-management.io/v1alpha1/clusterclaims";
    let object = serde_json::json!({
        "apiVersion": "cluster.open-cluster-management.io/v1alpha1", "kind": "ClusterClaim",
        "metadata": { "name": stage.shop }, "spec": { "value": "gold" },
    });
    // The agent makes the kind itself, as it begins.
    let served = async || stage.api.get(claims).await;
    eventually("the claims' kind is served", served).await.unwrap();
    stage.api.create(claims, object).await;
    let tier = stage.hub.facts(|facts| {
        facts.cluster_claims.iter().any(|claim| claim.value.as_deref() == Some("gold"))
    });
    assert!(!tier.await.cluster_claims.is_empty());
}

pub async fn an_agent_that_has_joined_needs_no_token_again(member: Box<dyn Member>) {
    let mut stage = Stage::connected(member).await;
    stage.hub.known().accepted = false;
    let joins = stage.hub.known().joins.len();
    stage.restart();
    stage.agent.connected().await;
    assert_eq!(stage.hub.known().joins.len(), joins);
    assert_eq!(stage.agent.cluster(), &cluster());
}

pub async fn a_credential_is_renewed_before_it_ends(member: Box<dyn Member>) {
    let stage = Stage::joining(member, |hub, times| hub.known().life = times.life).await;
    stage.agent.connected().await;
    stage.hub.until("it renewed twice", |known| known.renewals >= 2).await;
    assert_eq!(stage.hub.known().joins.len(), 1, "it never had to join again");
    let delivery = stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    stage.hub.report("a", |report| is_well(report, delivery.object_generation)).await;
}

pub async fn a_shorter_lease_is_beaten_at_once(member: Box<dyn Member>) {
    let stage = Stage::joining(member, |hub, _| hub.known().lease = 3_600).await;
    stage.agent.connected().await;
    stage.hub.until("it beat once", |known| known.beats == 1).await;
    stage.hub.beat_every(1).await;
    let begun = tokio::time::Instant::now();
    stage.hub.until("it beats every second", |known| known.beats >= 12).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(9), "ten beats of a second took {took:?}");
}

pub async fn an_agent_beats_when_told_and_never_without_a_pause(member: Box<dyn Member>) {
    let stage = Stage::joining(member, |hub, _| hub.known().lease = 3_600).await;
    stage.agent.connected().await;
    stage.hub.until("it beat once", |known| known.beats == 1).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..20 {
        stage.hub.beat_every(3_600).await;
    }
    stage.hub.until("it beat for each", |known| known.beats == 21).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1_900), "twenty beats took {took:?}");
    let delivery = stage.hub.want("a", &[stage.namespace()]).await;
    stage.hub.report("a", |report| is_well(report, delivery.object_generation)).await;
}

pub async fn a_silent_line_is_taken_up_again_and_nothing_is_lost(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    let delivery = stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
    stage.gate.close();
    stage.hub.want("b", &[stage.config_map("y", "1")]).await;
    let beats = stage.hub.known().beats;
    tokio::time::timeout(stage.times.silence, stage.hub.tasks.stopped()).await.unwrap_err();
    assert_eq!(stage.hub.known().beats, beats, "a cut line carries no beat");
    assert_eq!(stage.agent.standing(), Standing::Connecting);
    assert!(
        stage.api.get(&stage.at("x")).await.is_some()
            && stage.api.get(&stage.at("y")).await.is_none()
    );
    stage.gate.open();
    stage.hub.report("b", |report| is_well(report, 1)).await;
    let held = [("a".to_owned(), delivery.generation)].into();
    assert_eq!(stage.hub.known().syncs.last(), Some(&SyncRequest { held }));
    assert_eq!(stage.hub.known().joins.len(), 1);
}

pub async fn a_refused_agent_asks_to_join_and_tries_its_credential_again(member: Box<dyn Member>) {
    let stage = Stage::connected(member).await;
    stage.hub.known().accepted = false;
    stage.door.refuse_agents(true);
    stage.gate.close();
    stage.gate.open();
    stage.hub.until("it asked to join again", |known| known.joins.len() >= 3).await;
    // Nobody accepts it anew, but its credential is as good as it was.
    stage.door.refuse_agents(false);
    stage.agent.connected().await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    stage.hub.report("a", |report| is_well(report, 1)).await;
}
