//! The failure detector: a silent cluster becomes unknown after its whole grace, and nobody does
//! because the hub was away.

use crate::stage::{Agent, Stage, condition, taints};
use fleetlog_bus::{Commands, Leases, Told};
use fleetlog_kernel::{ClusterName, CommandId, Position, Service};
use fleetlog_messages::registration::{ClusterCommand, NoteLeaseExpiry, cluster_command};
use fleetlog_registration::cluster_id;
use futures::stream::{BoxStream, StreamExt as _};
use prost::Message as _;
use std::time::Duration;

const AVAILABLE: &str = "ManagedClusterConditionAvailable";
const UNREACHABLE: &str = "cluster.open-cluster-management.io/unreachable";

/// A cluster that beats every `seconds`, now.
async fn beating(stage: &Stage, name: &str, seconds: i32) -> Agent {
    stage.beats_every(name, seconds).await;
    let agent = stage.agent(name);
    agent.joined().await;
    agent.beat().await;
    stage.until(name, AVAILABLE, "True").await;
    agent
}

async fn availability(stage: &Stage, name: &str) -> String {
    condition(&stage.cluster(name).await, AVAILABLE)
}

async fn times_expired(stage: &Stage, name: &str) -> usize {
    let story = stage.story(&cluster_id(name)).await;
    story.iter().filter(|kind| *kind == "LeaseExpired").count()
}

/// Beats every second, for so long.
async fn beats_for(agent: &Agent, seconds: u64) {
    for _ in 0..seconds {
        agent.beat().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_cluster_becomes_unknown_and_tainted_after_five_beats_and_not_before() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 2).await;
    agent.beat().await;
    stage.passes(9).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    stage.passes(2).await;
    let cluster = stage.cluster("c1").await;
    assert_eq!(condition(&cluster, AVAILABLE), "Unknown");
    assert_eq!(taints(&cluster), [UNREACHABLE]);
    stage.passes(600).await;
    assert_eq!(times_expired(&stage, "c1").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_returning_beat_heals() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    stage.until("c1", AVAILABLE, "Unknown").await;
    agent.beat().await;
    stage.until("c1", AVAILABLE, "True").await;
    assert_eq!(taints(&stage.cluster("c1").await), Vec::<String>::new());
    stage.until("c1", AVAILABLE, "Unknown").await;
    assert_eq!(times_expired(&stage, "c1").await, 2, "each silence is an event of its own");
}

#[tokio::test(start_paused = true)]
async fn beats_in_time_keep_a_cluster_available() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    beats_for(&agent, 60).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    assert_eq!(times_expired(&stage, "c1").await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_cluster_that_never_speaks_becomes_unknown() {
    let stage = Stage::new().await;
    stage.beats_every("c1", 1).await;
    stage.passes(4).await;
    assert_eq!(availability(&stage, "c1").await, "");
    stage.until("c1", AVAILABLE, "Unknown").await;
    assert_eq!(taints(&stage.cluster("c1").await), [UNREACHABLE]);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_was_away_for_an_hour_expires_nobody_who_beats_again() {
    let mut stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    stage.kill().await;
    stage.passes(3_600).await;
    stage.start().await;
    stage.passes(4).await;
    assert_eq!(availability(&stage, "c1").await, "True", "a whole grace from the start on");
    beats_for(&agent, 20).await;
    assert_eq!(times_expired(&stage, "c1").await, 0);
}

#[tokio::test(start_paused = true)]
async fn who_stays_silent_after_a_start_expires_one_grace_later() {
    let mut stage = Stage::new().await;
    beating(&stage, "c1", 1).await;
    stage.kill().await;
    stage.passes(3_600).await;
    stage.start().await;
    stage.passes(4).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    stage.passes(3).await;
    assert_eq!(availability(&stage, "c1").await, "Unknown");
}

#[tokio::test(start_paused = true)]
async fn losing_all_leases_expires_nobody() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    stage.passes(3).await;
    stage.memory.restart();
    stage.passes(3).await;
    assert_eq!(availability(&stage, "c1").await, "True", "its grace began anew");
    beats_for(&agent, 10).await;
    assert_eq!(times_expired(&stage, "c1").await, 0);
    stage.memory.restart();
    stage.until("c1", AVAILABLE, "Unknown").await;
    assert_eq!(times_expired(&stage, "c1").await, 1, "a silent one still expires");
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_expires_nobody_though_leases_run_out_meanwhile() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    stage.passes(2).await;
    stage.line.cut(true);
    stage.passes(8).await;
    stage.line.cut(false);
    stage.passes(4).await;
    assert_eq!(times_expired(&stage, "c1").await, 0, "its lease ran out while we were away");
    beats_for(&agent, 10).await;
    assert_eq!(times_expired(&stage, "c1").await, 0);
    stage.until("c1", AVAILABLE, "Unknown").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_lost_for_a_moment_begins_every_grace_anew() {
    let stage = Stage::new().await;
    beating(&stage, "c1", 1).await;
    stage.passes(3).await;
    stage.line.cut(true);
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.line.cut(false);
    stage.passes(4).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    stage.passes(5).await;
    assert_eq!(availability(&stage, "c1").await, "Unknown");
}

/// How often an agent is told to beat within so many milliseconds.
async fn told_within(told: &mut BoxStream<'static, ()>, millis: u64) -> usize {
    told.take_until(tokio::time::sleep(Duration::from_millis(millis))).count().await
}

#[tokio::test(start_paused = true)]
async fn a_shorter_rhythm_is_told_at_once_and_expires_nobody_who_follows_it() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 30).await;
    stage.passes(20).await;
    let mut told = agent.link.told_to_beat().await.unwrap();
    stage.beats_every("c1", 1).await;
    let within = Duration::from_secs(1);
    assert_eq!(tokio::time::timeout(within, told.next()).await, Ok(Some(())));
    assert_eq!(agent.beat().await.lease_duration_seconds, 1);
    stage.passes(4).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    stage.passes(3).await;
    assert_eq!(availability(&stage, "c1").await, "Unknown");
    assert_eq!(told_within(&mut told, 60_000).await, 0, "it was heard");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_grace_counts_from_the_change_on() {
    let stage = Stage::new().await;
    beating(&stage, "c1", 60).await;
    stage.passes(30).await;
    stage.beats_every("c1", 1).await;
    stage.passes(4).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    stage.passes(3).await;
    assert_eq!(availability(&stage, "c1").await, "Unknown");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_not_heard_is_told_again_as_long_as_the_shortest_grace_lasts() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 30).await;
    let mut told = agent.link.told_to_beat().await.unwrap();
    stage.beats_every("c1", 60).await;
    assert_eq!(told_within(&mut told, 2_500).await, 3);
    agent.beat().await;
    assert_eq!(told_within(&mut told, 60_000).await, 0, "it was heard");
    stage.beats_every("c1", 30).await;
    assert_eq!(told_within(&mut told, 60_000).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_longer_rhythm_counts_at_once() {
    let stage = Stage::new().await;
    beating(&stage, "c1", 1).await;
    stage.beats_every("c1", 60).await;
    stage.passes(250).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    stage.passes(60).await;
    assert_eq!(availability(&stage, "c1").await, "Unknown");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_comes_and_goes_is_told_of_once_for_each_time() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    for round in 1..=3 {
        stage.until("c1", AVAILABLE, "Unknown").await;
        assert_eq!(taints(&stage.cluster("c1").await), [UNREACHABLE]);
        beats_for(&agent, 20).await;
        assert_eq!(availability(&stage, "c1").await, "True");
        assert_eq!(taints(&stage.cluster("c1").await), [""; 0]);
        assert_eq!(times_expired(&stage, "c1").await, round);
    }
}

/// Registration's own word that a lease ran out, as it may still wait to be handled.
async fn expiry_is_told(stage: &Stage, name: &str) {
    let to = cluster_id(name);
    let cause = stage.stored("EVENTS", to.event()).await.last().map_or(0, |last| last.sequence);
    let note = cluster_command::Command::NoteLeaseExpiry(NoteLeaseExpiry {});
    let told = Told {
        to,
        id: CommandId::new("told-before"),
        cause: Position(cause),
        index: 2,
        reacted: Position(cause),
        correlation: "told-before".to_owned(),
        payload: ClusterCommand { command: Some(note) }.encode_to_vec().into(),
    };
    Commands::new(stage.memory.clone()).tell(Service::Registration, told).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_beat_that_comes_before_an_expiry_is_decided_makes_it_void() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    stage.passes(10).await;
    agent.beat().await;
    stage.until("c1", AVAILABLE, "True").await;
    let before = times_expired(&stage, "c1").await;
    expiry_is_told(&stage, "c1").await;
    stage.passes(2).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    assert_eq!(times_expired(&stage, "c1").await, before);
    stage.until("c1", AVAILABLE, "Unknown").await;
    assert_eq!(times_expired(&stage, "c1").await, before + 1, "a silence still counts");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_an_earlier_life_told_is_void_until_a_whole_grace_was_attended() {
    let mut stage = Stage::new().await;
    let agent = beating(&stage, "c1", 2).await;
    stage.kill().await;
    stage.passes(60).await;
    expiry_is_told(&stage, "c1").await;
    stage.start().await;
    stage.passes(5).await;
    assert_eq!(availability(&stage, "c1").await, "True");
    agent.beat().await;
    stage.passes(5).await;
    assert_eq!(times_expired(&stage, "c1").await, 0);
    stage.until("c1", AVAILABLE, "Unknown").await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_written_late_for_an_older_grace_expires_nobody() {
    let stage = Stage::new().await;
    let agent = beating(&stage, "c1", 1).await;
    beats_for(&agent, 120).await;
    stage.beats_every("c1", 20).await;
    stage.passes(1).await;
    // A beat from before the edit, whose writing took so long.
    let late = Leases::new(stage.memory.clone());
    late.beat(&ClusterName::parse("c1").unwrap(), Duration::from_secs(5)).await.unwrap();
    stage.passes(95).await;
    assert_eq!(availability(&stage, "c1").await, "True", "its grace is 100 s now");
    stage.until("c1", AVAILABLE, "Unknown").await;
}

#[tokio::test(start_paused = true)]
async fn every_agent_is_told_to_beat_after_a_start_for_a_change_may_not_have_been_told() {
    let mut stage = Stage::new().await;
    let agent = beating(&stage, "c1", 60).await;
    let mut told = agent.link.told_to_beat().await.unwrap();
    stage.kill().await;
    stage.start().await;
    let within = Duration::from_secs(1);
    assert_eq!(tokio::time::timeout(within, told.next()).await, Ok(Some(())));
}
