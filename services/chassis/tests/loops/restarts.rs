//! States come back from snapshots and the log, or the service stops and says why.

use crate::snapshots::kept;
use crate::stage::{Performed, Running, Stage, accomplished, bounds, kill, pass};
use crate::tally::tally;
use bytes::Bytes;
use fleetlog_bus::{Broker as _, Edition, Publish, SNAP_BUCKET, Snapshots, encode_snapshot};
use fleetlog_chassis::Bounds;
use fleetlog_kernel::Position;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(1);

/// A service that saves a snapshot every three commits.
async fn saving(stage: &Arc<Stage>) -> Running {
    let bounds = Bounds { snapshot_every: 3, ..bounds() };
    stage.start_with(bounds, Arc::new(Performed::default())).await
}

async fn add(stage: &Arc<Stage>, times: usize) {
    for _ in 0..times {
        accomplished(stage.client().command(&tally("a"), "add 1".into()).await.unwrap());
        pass(SOON).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_comes_back_from_its_newest_snapshot_and_the_rest_of_the_log() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 8).await;
    let hash = service.read(|h| h.hash());
    kill(service).await;
    let service = saving(&stage).await;
    service.live().await;
    assert_eq!(service.read(|h| h.hash()), hash);
    assert_eq!(service.metrics.project.read().received, 2, "six commits were in the snapshot");
    accomplished(stage.client().command(&tally("b"), "add 1".into()).await.unwrap());
    assert_eq!(service.read(|h| h.position()), Position(9));
}

#[tokio::test(start_paused = true)]
async fn what_a_snapshot_would_keep_from_being_told_is_told_first() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    for _ in 0..9 {
        accomplished(stage.client().command(&tally("a"), "add 11".into()).await.unwrap());
    }
    kill(service).await;
    let service = saving(&stage).await;
    pass(SOON).await;
    assert_eq!(service.read(|h| h.machine().0["a-echo"]), 9);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_snapshot_is_passed_over() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 8).await;
    let hash = service.read(|h| h.hash());
    kill(service).await;
    for slot in ["registration-a", "registration-b"] {
        let damaged = Bytes::from_static(b"not a snapshot at all, longer than its hash");
        stage.memory.put_object(SNAP_BUCKET, slot, damaged).await.unwrap();
    }
    let service = saving(&stage).await;
    service.live().await;
    assert_eq!(service.read(|h| h.hash()), hash);
    assert_eq!(service.metrics.project.read().received, 8);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_whose_rows_were_changed_is_passed_over() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 4).await;
    kill(service).await;
    let mut snapshot = kept(&stage).await.remove(0);
    snapshot.position += 1;
    let snapshots = Snapshots::new(stage.memory.clone());
    let (position, content) = (snapshot.position, encode_snapshot(&snapshot));
    snapshots.keep(&snapshot.service, position, Edition::default(), content).await.unwrap();
    let service = saving(&stage).await;
    service.live().await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 4);
    assert_eq!(service.metrics.project.read().received, 1, "the older one is good");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_stops_the_service_and_is_named() {
    let stage = Stage::new();
    let service = stage.start().await;
    add(&stage, 1).await;
    let mut last = stage.stored("EVENTS").await.remove(0);
    last.headers.remove("Nats-Expected-Last-Subject-Sequence");
    last.headers.insert("Nats-Msg-Id".to_owned(), "other".to_owned());
    let commit =
        fleetlog_messages::common::Commit { events: vec![bytes::Bytes::from_static(b"many")] };
    let payload = prost::Message::encode_to_vec(&commit).into();
    let unreadable =
        Publish { subject: last.subject, headers: last.headers, payload, ..Publish::default() };
    stage.memory.publish(unreadable).await.unwrap();
    let failed = service.ground.tasks.join().await.unwrap_err();
    assert_eq!(failed.task, "project");
    assert_eq!(
        failed.reason,
        "CHS0032: the commit at position 2 of \"tally/a\" cannot be read: no number; find out who \
         wrote it, nothing was skipped"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_in_the_log_that_is_no_commit_stops_the_service_and_is_named() {
    let stage = Stage::new();
    let garbage = Publish {
        subject: "fl.ev.registration.tally.a".to_owned(),
        payload: Bytes::from_static(b"garbage"),
        ..Publish::default()
    };
    stage.memory.publish(garbage).await.unwrap();
    let failed = stage.start().await.ground.tasks.join().await.unwrap_err();
    assert_eq!(failed.task, "project");
    let named =
        "CHS0032: the commit at position 1 of \"fl.ev.registration.tally.a\" cannot be read: ";
    assert!(failed.reason.starts_with(named), "{}", failed.reason);
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_is_in_hand_and_takes_nothing_new() {
    let stage = Stage::new();
    let slow = Performed::slow(Duration::from_millis(50));
    let service = stage.start_with(bounds(), Arc::new(slow)).await;
    stage.send(&tally("a"), "1", "add 12").await;
    pass(Duration::from_millis(10)).await;
    assert!(stage.stored("EVENTS").await.is_empty(), "it is in hand");
    assert!(service.drain().await);
    stage.send(&tally("a"), "2", "add 1").await;
    pass(SOON).await;
    assert_eq!(stage.stored("EVENTS").await.len(), 1);
    assert_eq!(stage.stored("RESULT").await.len(), 1);
    assert_eq!(stage.stored("DO").await.len(), 1, "what followed was told");
    kill(service).await;
    let service = stage.start().await;
    pass(SOON).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 13);
    assert_eq!(service.read(|h| h.position()), Position(3));
}
