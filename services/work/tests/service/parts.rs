//! Fan-outs that are more than one part, of a service that stops between and in the middle of
//! parts: every start goes on where the log says, and nothing is ordered twice.

use crate::common::{self, apply_set, bundle, cluster_joins, decision, set_key};
use crate::{Stage, log};
use bytes::Bytes;
use fleetlog_bus::Blobs;
use fleetlog_chassis::Tasks;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::work::{
    DeleteReplicaSet, FanOutPlanned, FanOutTarget, ReplicaSetEvent, replica_set_command as on_set,
    replica_set_event,
};
use fleetlog_test_support::crash::{CrashPoint, IN_PARTS, Lives, PART, Story};
use fleetlog_work::{Settings, Works};
use fleetlog_work_domain::fanout::CHUNK;
use fleetlog_work_domain::name::WORK;
use nkeys::KeyPair;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

const START: Timestamp = Timestamp::of_seconds(1_800_000_000);
/// A whole part and a little of another.
const CLUSTERS: usize = CHUNK + 30;
/// On a log in which a placement chose more clusters than fit a part.
async fn lives() -> Lives<Works> {
    let memory = Lives::<Works>::memory(START);
    let tasks = Tasks::default();
    let others = log(memory.clone(), &tasks).await;
    let names: Vec<String> = (0..CLUSTERS).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let joins = names.iter().map(|name| Stage::append(&others, cluster_joins(name), 0, 1));
    futures::future::join_all(joins).await;
    Stage::append(&others, decision(1, &names, &[]), 0, 1).await;
    tasks.abort();
    let key = KeyPair::new_user();
    Lives::on(memory, START, move |ground| fleetlog_work::start(ground, Settings::new(key.clone())))
        .await
}

async fn plans(lives: &Lives<Works>) -> Vec<FanOutPlanned> {
    let commits = lives.commits().await;
    let events = commits.iter().filter(|commit| commit.aggregate == set_key().aggregate());
    let event = |bytes: &Bytes| ReplicaSetEvent::decode(bytes.clone()).unwrap().event;
    let plans = events.flat_map(|commit| &commit.events).filter_map(|bytes| match event(bytes) {
        Some(replica_set_event::Event::FanOutPlanned(plan)) => Some(plan),
        _ => None,
    });
    plans.filter(|plan| !plan.deliver.is_empty() || !plan.withdraw.is_empty()).collect()
}

/// The state is what the log says, and WORK holds what the state says.
async fn is_what_the_log_says(lives: &Lives<Works>) {
    let fold = lives.is_what_the_log_says().await;
    let held = fleetlog_bus::Works::new(lives.memory.clone()).all().await.unwrap();
    let payload = |desired: fleetlog_bus::Desired| desired.message.payload;
    let held = held.into_iter().map(|d| ((d.cluster.clone(), d.work.clone()), payload(d)));
    let held: BTreeMap<_, _> = held.collect();
    let said = fold.machine().deliveries().into_iter();
    let said = said.map(|(key, d)| ((key.cluster, key.name), Bytes::from(d.encode_to_vec())));
    assert!(held == said.collect(), "neither more nor less, and nothing else");
}

/// The sizes of parts that name each target once.
fn sizes(parts: &[Vec<FanOutTarget>]) -> Vec<usize> {
    let targets: Vec<_> = parts.iter().flatten().map(|t| (&t.placement, &t.cluster)).collect();
    let distinct: BTreeSet<_> = targets.iter().collect();
    assert_eq!(distinct.len(), targets.len(), "no target is in two parts");
    parts.iter().map(Vec::len).collect()
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_goes_on_in_the_middle_of_a_part_and_between_parts() {
    assert_eq!(PART, CHUNK as u64, "a part is what the places take for one");
    let met: BTreeSet<CrashPoint> = IN_PARTS.into_iter().collect();
    assert_eq!(met, CrashPoint::of(Story::Parts).collect(), "every place of a fan-out is met");
    let mut lives = lives().await;
    let (body, said) = bundle(&["a"]);
    Blobs::new(lives.memory.clone()).put(body).await.unwrap();
    let set = set_key().aggregate();

    lives.fuse.arm(IN_PARTS.map(|stop| (stop, 1)));
    lives.says("apply", &set, apply_set(&said, "Background")).await;
    lives.go_on_until(|works| works.fleet().works().len() == CLUSTERS).await;
    lives.had_once(WORK, "WorkSpecified", CLUSTERS).await;
    let delivered: Vec<_> = plans(&lives).await.into_iter().map(|plan| plan.deliver).collect();
    assert_eq!(sizes(&delivered), [CHUNK, CLUSTERS - CHUNK]);
    is_what_the_log_says(&lives).await;

    lives.fuse.arm(IN_PARTS.map(|stop| (stop, 1)));
    let delete = on_set::Command::Delete(DeleteReplicaSet {});
    lives.says("delete", &set, common::set_command(delete)).await;
    lives.go_on_until(|works| works.fleet().works().values().all(|w| w.is_deleting())).await;
    lives.had_once(WORK, "WorkDeletionRequested", CLUSTERS).await;
    let plans = plans(&lives).await.split_off(2);
    let withdrawn: Vec<_> = plans.into_iter().map(|plan| plan.withdraw).collect();
    assert_eq!(sizes(&withdrawn), [CHUNK, CLUSTERS - CHUNK]);
    lives.had_once(WORK, "WorkSpecified", CLUSTERS).await;
    let gone = lives.read(|works| works.fleet().sets().is_empty());
    assert!(gone, "the set goes with its last part");
    is_what_the_log_says(&lives).await;
}
