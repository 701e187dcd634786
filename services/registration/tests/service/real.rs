//! The story on a real nats-server: each speaker with its own user and permissions, real time.

use crate::stage::{Agent, every, get, one, run, settings, taints, until};
use fleetlog_bus::{Client, Credentials};
use fleetlog_chassis::{Clock, Ids};
use fleetlog_kernel::{Actor, Service};
use fleetlog_messages::common::{Query, join_answer::Answer};
use fleetlog_messages::registration::{
    AcceptCluster, ClusterCommand, ClusterFacts, ManagedClusterVersion, cluster_command::Command,
};
use fleetlog_messages::subject::Report;
use fleetlog_registration::{Settings, cluster_id};
use fleetlog_test_support::{TestHub, eventually};
use prost::Message as _;

const AVAILABLE: &str = "ManagedClusterConditionAvailable";

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_joins_is_accepted_beats_reports_falls_silent_and_comes_back()
-> anyhow::Result<()> {
    let hub = TestHub::start().await?;
    let role = hub.identity()?.agent_role()?;
    let settings = Settings { hub: hub.identity()?.hub_id(), ..settings(role.key, &role.account) };
    let service = run(hub.service(Service::Registration).await?, &settings, &Clock::System).await;
    let ids = Ids::Random;
    let client = Client::new(hub.user("ann").await?, Actor::new("ann"), move || ids.command());
    let command = async |command| {
        let command = ClusterCommand { command: Some(command) };
        crate::stage::ask(&client, &cluster_id("c1"), command).await.unwrap()
    };
    eventually("registration answers", async || {
        get(&client, Query { kind: "cluster".into(), ..Query::default() }).await.ok()
    })
    .await?;

    let (boot, token_key) = hub.boot().await?;
    let newcomer = Agent::on(boot, "c1");
    let join = async || newcomer.link.join(&token_key, &newcomer.wish()).await.ok()?.answer;
    let first = eventually("the hub answers", join).await?;
    assert!(matches!(first, Answer::Pending(_)), "{first:?}");
    eventually("the cluster is there", async || {
        one(&client, "cluster", "c1").await.is_object().then_some(())
    })
    .await?;
    command(Command::Accept(AcceptCluster {})).await;
    command(Command::Apply(every(1))).await;
    let credential = eventually("a credential", async || match join().await {
        Some(Answer::Credential(credential)) => Some(credential),
        _ => None,
    })
    .await?;

    let credentials = Credentials { jwt: credential.jwt, seed: newcomer.key.seed()? };
    let agent = Agent { key: newcomer.key, ..Agent::on(hub.connect(credentials).await?, "c1") };
    assert_eq!(agent.beat().await.lease_duration_seconds, 1);
    until(&client, "c1", AVAILABLE, "True").await;
    let facts = ClusterFacts {
        version: Some(ManagedClusterVersion { kubernetes: Some("v1.34.0".into()) }),
        ..ClusterFacts::default()
    };
    agent.link.report(&Report::Cluster, facts.encode_to_vec().into()).await?;
    eventually("the facts are served", async || {
        let cluster = one(&client, "cluster", "c1").await;
        (cluster["status"]["version"]["kubernetes"] == "v1.34.0").then_some(())
    })
    .await?;
    assert_eq!(taints(&one(&client, "cluster", "c1").await), Vec::<String>::new());

    until(&client, "c1", AVAILABLE, "Unknown").await;
    let silent = one(&client, "cluster", "c1").await;
    assert_eq!(taints(&silent), ["cluster.open-cluster-management.io/unreachable"]);
    agent.beat().await;
    until(&client, "c1", AVAILABLE, "True").await;
    service.ground.tasks.abort();
    Ok(())
}
