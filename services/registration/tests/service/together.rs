//! Leases that run out together: one word about many, an event of its own for each cluster, and
//! nothing for whom was heard before that is decided.

use crate::stage::{Agent, Stage};
use fleetlog_bus::{Commands, StoredMessage, Told};
use fleetlog_chassis::Hosted;
use fleetlog_kernel::{CommandId, Service};
use fleetlog_messages::envelope::header;
use fleetlog_messages::registration::{LeaseCommand, NoteLeaseExpiries, lease_command};
use fleetlog_messages::subject::{self, AggregateId, Subject};
use fleetlog_registration::{Registration, cluster_id};
use fleetlog_test_support::eventually;
use prost::Message as _;
use std::time::Duration;

/// More than one word has place for.
const MANY: usize = 250;
const UNKNOWN: &str = "LeaseExpired";

/// Clusters that beat every second, and whose lease was just written.
async fn beating(stage: &Stage, names: &[&str]) -> Vec<Agent> {
    let mut agents = vec![];
    for name in names {
        stage.beats_every(name, 1).await;
        let agent = stage.agent(name);
        agent.joined().await;
        agent.beat().await;
        stage.until(name, "ManagedClusterConditionAvailable", "True").await;
        agents.push(agent);
    }
    for agent in &agents {
        agent.beat().await;
    }
    agents
}

/// The commits of a cluster that say that it is silent.
async fn silences(stage: &Stage, name: &str) -> Vec<StoredMessage> {
    let commits = stage.stored("EVENTS", cluster_id(name).event()).await;
    let says = |message: &StoredMessage| message.headers[header::TYPES].contains(UNKNOWN);
    commits.into_iter().filter(says).collect()
}

/// Waits for the moment at which these leases run out: nobody has judged them then.
async fn run_out(stage: &Stage, names: &[&str]) {
    loop {
        let leases = stage.stored("LEASE", subject::leases()).await;
        let is_marker =
            |message: &&StoredMessage| message.headers.contains_key("Nats-Marker-Reason");
        let over: Vec<_> = leases.iter().filter(is_marker).map(|m| m.subject.clone()).collect();
        if names.iter().all(|name| over.contains(&format!("fl.lease.{name}"))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Registration's word of several leases, as it may wait to be handled.
async fn told_of(stage: &Stage, id: &str, clusters: &[&str]) {
    let expired =
        NoteLeaseExpiries { clusters: clusters.iter().map(ToString::to_string).collect() };
    let command = LeaseCommand { command: Some(lease_command::Command::NoteExpiries(expired)) };
    let stands = stage.service.read(Hosted::<Registration>::position);
    let told = Told {
        to: AggregateId::global(Service::Registration, "lease", clusters[0]),
        id: CommandId::new(id),
        cause: stands,
        index: 2,
        reacted: stands,
        correlation: id.to_owned(),
        payload: command.encode_to_vec().into(),
    };
    Commands::new(stage.memory.clone()).tell(Service::Registration, told).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn many_that_fall_silent_together_are_told_of_in_few_words_and_each_has_its_own_event() {
    let stage = Stage::new().await;
    let names: Vec<String> = (0..MANY).map(|number| format!("c{number}")).collect();
    for name in &names {
        stage.beats_every(name, 1).await;
    }
    eventually("all are unknown", async || {
        let fleet = |hosted: &Hosted<Registration>| {
            hosted.machine().fleet().clusters().values().any(|c| c.awaits_beats())
        };
        (!stage.service.read(fleet)).then_some(())
    })
    .await
    .unwrap();
    stage.passes(30).await;
    for name in &names {
        let commits = stage.stored("EVENTS", cluster_id(name).event()).await;
        let silences = silences(&stage, name).await;
        assert_eq!(silences.len(), 1, "{name} fell silent once");
        let before = commits.iter().rev().find(|commit| commit.sequence < silences[0].sequence);
        let cause = silences[0].headers[header::CAUSE].parse().ok();
        assert_eq!(cause, before.map(|commit| commit.sequence), "the cause is its own last commit");
    }
    let words = stage.stored("DO", Subject::raw("fl.do.registration.registration.lease.*")).await;
    let fewest = MANY.div_ceil(fleetlog_bus::MAX_BATCH);
    assert!((fewest..MANY / 4).contains(&words.len()), "{} words of {MANY}", words.len());
    assert_eq!(stage.buried().await, []);
}

#[tokio::test(start_paused = true)]
async fn who_is_heard_before_several_are_judged_together_stays() {
    let stage = Stage::new().await;
    let agents = beating(&stage, &["c1", "c2"]).await;
    run_out(&stage, &["c1", "c2"]).await;
    agents[0].beat().await;
    stage.until("c2", "ManagedClusterConditionAvailable", "Unknown").await;
    assert_eq!(silences(&stage, "c1").await.len(), 0);
    stage.until("c1", "ManagedClusterConditionAvailable", "Unknown").await;
    assert_eq!(silences(&stage, "c1").await.len(), 1, "a silence still counts");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_of_several_counts_only_for_those_whose_lease_still_is_over() {
    let stage = Stage::new().await;
    let agents = beating(&stage, &["c1", "c2"]).await;
    run_out(&stage, &["c1", "c2"]).await;
    agents[0].beat().await;
    told_of(&stage, "told-before", &["c1", "c2", "nobody"]).await;
    stage.until("c2", "ManagedClusterConditionAvailable", "Unknown").await;
    let silences_of_c2 = silences(&stage, "c2").await;
    assert_eq!(silences_of_c2[0].headers[header::COMMAND], "told-before");
    assert_eq!(silences(&stage, "c1").await.len(), 0);
    told_of(&stage, "told-again", &["c1", "c2"]).await;
    stage.passes(2).await;
    assert_eq!(silences(&stage, "c1").await.len(), 0);
    assert_eq!(silences(&stage, "c2").await.len(), 1, "who is unknown already has no more events");
    assert_eq!(stage.buried().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_of_several_that_an_earlier_life_told_begins_their_graces_anew() {
    let mut stage = Stage::new().await;
    beating(&stage, &["c1", "c2"]).await;
    stage.kill().await;
    stage.passes(60).await;
    told_of(&stage, "told-before", &["c1", "c2"]).await;
    stage.start().await;
    stage.passes(3).await;
    for name in ["c1", "c2"] {
        assert_eq!(silences(&stage, name).await.len(), 0, "nobody took beats for so long");
    }
    for name in ["c1", "c2"] {
        stage.until(name, "ManagedClusterConditionAvailable", "Unknown").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_of_more_leases_than_a_decision_takes_is_buried() {
    let stage = Stage::new().await;
    let names: Vec<String> = (0..=fleetlog_bus::MAX_BATCH).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    told_of(&stage, "too-many", &names).await;
    let buried = eventually("it is buried", async || stage.buried().await.pop()).await.unwrap();
    assert_eq!(buried.1, "it names 201 clusters, not 1 to 200");
}
