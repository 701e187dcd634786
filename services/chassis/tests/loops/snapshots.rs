//! Snapshots: the newest good one counts, any other is passed over and named; taking one holds
//! nothing up. And a log that is not what it was stops whoever saw it.

use crate::commands::by_another;
use crate::stage::{Performed, Running, Stage, Tamper, Warnings, accomplished, bounds, kill, pass};
use crate::tally::{Tally, tally};
use fleetlog_bus::{Append, Broker as _, Edition, Fault, SNAP_BUCKET, Snapshots, encode_snapshot};
use fleetlog_chassis::{Bounds, FORMAT, Hosted};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::common::Snapshot;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(1);
const SLOTS: [&str; 2] = ["registration-a", "registration-b"];

/// A service that takes a snapshot every three commits.
async fn start(stage: &Arc<Stage>) -> Result<Running, Fault> {
    let bounds = Bounds { snapshot_every: 3, ..bounds() };
    stage.try_start(bounds, Arc::new(Performed::default())).await
}

async fn saving(stage: &Arc<Stage>) -> Running {
    start(stage).await.unwrap()
}

async fn add(stage: &Arc<Stage>, times: usize, text: &'static str) {
    for _ in 0..times {
        accomplished(stage.client().command(&tally("a"), text.into()).await.unwrap());
        pass(SOON).await;
    }
}

/// Those that are whole, newest first.
pub async fn kept(stage: &Arc<Stage>) -> Vec<Snapshot> {
    let snapshots = Snapshots::new(stage.memory.clone());
    let (anywhere, any) = (0..=u64::MAX, Edition::default());
    let mut candidates = snapshots.candidates(Service::Registration, &anywhere, any).await.unwrap();
    let mut found = vec![];
    while let Some(snapshot) = candidates.next().await.unwrap() {
        found.push(snapshot);
    }
    found
}

/// A hub of eight commits and two snapshots, at 3 and 6, each changed so; nothing runs.
async fn with_changed(change: impl Fn(&mut Snapshot)) -> Arc<Stage> {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 8, "add 1").await;
    kill(service).await;
    for slot in SLOTS {
        let content = stage.memory.get_object(SNAP_BUCKET, slot).await.unwrap().unwrap();
        let mut snapshot: Snapshot = prost::Message::decode(content.slice(32..)).unwrap();
        change(&mut snapshot);
        stage.memory.put_object(SNAP_BUCKET, slot, encode_snapshot(&snapshot)).await.unwrap();
    }
    stage
}

/// The service comes back from the log alone, says why, and acts.
async fn is_passed_over(stage: Arc<Stage>, words: &[&str]) {
    let warnings = Warnings::heard();
    let service = saving(&stage).await;
    service.live().await;
    warnings.tell(words);
    let events = stage.stored("EVENTS").await.len() as u64;
    assert_eq!(service.metrics.project.read().received, events, "all of the log was folded");
    add(&stage, 1, "add 1").await;
    assert_eq!(service.read(|h| h.position().0), events + 1);
}

#[tokio::test(start_paused = true)]
async fn the_newest_two_are_kept() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 10, "add 1").await;
    let kept = kept(&stage).await;
    let positions: Vec<u64> = kept.iter().map(|snapshot| snapshot.position).collect();
    assert_eq!(positions, [9, 6]);
    let states = kept.iter().map(|s| Hosted::<Tally>::restore(s).unwrap().machine().0["a"]);
    assert_eq!(states.collect::<Vec<_>>(), [9, 6]);
    assert_eq!(service.read(|h| h.machine().0["a"]), 10);
}

#[tokio::test(start_paused = true)]
async fn one_of_another_format_is_passed_over_with_a_warning() {
    let stage = with_changed(|snapshot| snapshot.format += 1).await;
    let other = format!("in format {}", FORMAT + 1);
    is_passed_over(stage, &["passed over", "position=6", &other]).await;
}

#[tokio::test(start_paused = true)]
async fn one_of_another_version_of_the_state_is_passed_over_with_a_warning() {
    let stage = with_changed(|snapshot| snapshot.version += 1).await;
    is_passed_over(stage, &["passed over", "position=3", "it is of version 2"]).await;
}

#[tokio::test(start_paused = true)]
async fn one_of_another_service_is_passed_over_with_a_warning() {
    let stage = with_changed(|snapshot| snapshot.service = "work".to_owned()).await;
    is_passed_over(stage, &["passed over", "it is of work"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_one_is_passed_over_with_a_warning() {
    let stage = with_changed(|_| {}).await;
    for slot in SLOTS {
        let content = stage.memory.get_object(SNAP_BUCKET, slot).await.unwrap().unwrap();
        let half = content.slice(..content.len() / 2);
        stage.memory.put_object(SNAP_BUCKET, slot, half).await.unwrap();
    }
    is_passed_over(stage, &["a damaged snapshot is passed over", "registration-a"]).await;
}

#[tokio::test(start_paused = true)]
async fn one_ahead_of_the_log_is_passed_over_with_a_warning() {
    let stage = with_changed(|_| {}).await;
    stage.memory.shorten("EVENTS", 2);
    let ahead = "it is ahead of the log, which ends at position 2";
    is_passed_over(stage, &["passed over", "position=6", ahead]).await;
}

#[tokio::test(start_paused = true)]
async fn one_of_another_log_is_passed_over_with_a_warning() {
    let stage = with_changed(|_| {}).await;
    stage.memory.shorten("EVENTS", 2);
    for number in 3..=9 {
        assert_eq!(by_another(&stage, number, "1").await, Append::Appended(Position(number)));
    }
    let other = "the log holds another commit at its position";
    is_passed_over(stage, &["passed over", "position=6", other]).await;
}

#[tokio::test(start_paused = true)]
async fn the_older_one_counts_where_the_newer_is_ahead_of_the_log() {
    let stage = with_changed(|_| {}).await;
    stage.memory.shorten("EVENTS", 4);
    let service = saving(&stage).await;
    service.live().await;
    assert_eq!(service.metrics.project.read().received, 1, "three commits were in the older one");
    assert_eq!(service.read(|h| h.machine().0["a"]), 4);
}

#[tokio::test(start_paused = true)]
async fn taking_one_holds_nothing_up() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    stage.keep_objects(false);
    add(&stage, 20, "add 1").await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 20);
    assert!(kept(&stage).await.is_empty(), "the first is still being taken");
    stage.keep_objects(true);
    pass(SOON).await;
    let positions: Vec<u64> = kept(&stage).await.iter().map(|s| s.position).collect();
    assert_eq!(positions, [18, 3], "of those that fell due meanwhile, the last");
}

#[tokio::test(start_paused = true)]
async fn one_is_made_of_the_log_and_not_of_the_state_that_decides() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 2, "add 1").await;
    service.write(|hosted| hosted.machine_mut().0.insert("false".to_owned(), 1));
    add(&stage, 1, "add 1").await;
    let snapshot = kept(&stage).await.remove(0);
    let keys: Vec<&str> = snapshot.rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["head/fl.ev.registration.tally.a", "tally/a"]);
    assert_ne!(service.read(|hosted| hosted.hash()), snapshot.hash);
}

#[tokio::test(start_paused = true)]
async fn a_large_state_is_saved_when_a_quarter_of_it_may_have_changed() {
    let stage = Stage::new();
    let _service = saving(&stage).await;
    for number in 0..40 {
        let tally = tally(&format!("t{number}"));
        accomplished(stage.client().command(&tally, "add 1".into()).await.unwrap());
    }
    pass(SOON).await;
    let first = kept(&stage).await[0].position;
    let mut after = vec![];
    for _ in 0..10 {
        add(&stage, 1, "add 1").await;
        after.push(kept(&stage).await[0].position);
    }
    let last = after[9];
    assert!(last - first >= 10, "41 aggregates: at least ten commits apart; {first} {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_told_more_than_the_log_holds_does_not_start_and_says_why() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 2, "add 11").await;
    kill(service).await;
    stage.memory.shorten("EVENTS", 2);
    stage.send(&tally("b"), "new", "add 1").await;
    let why = start(&stage).await.err().unwrap().to_string();
    let said = "CHS0061: the log ends at position 2, this service has seen 3; restore the whole \
                log, nothing is decided on this one";
    assert_eq!(why, said);
    pass(SOON).await;
    assert_eq!(stage.stored("EVENTS").await.len(), 2);
    assert!(stage.stored("RESULT").await.iter().all(|m| !m.subject.ends_with(".new")));
}

/// What ended the service, once nothing is decided any more.
async fn why(stage: &Stage, service: Running) -> String {
    let failed = service.ground.tasks.join().await.unwrap_err().to_string();
    let events = stage.stored("EVENTS").await.len();
    stage.send(&tally("b"), "new", "add 1").await;
    pass(SOON).await;
    assert_eq!(stage.stored("EVENTS").await.len(), events);
    assert!(stage.stored("RESULT").await.iter().all(|m| !m.subject.ends_with(".new")));
    failed
}

#[tokio::test(start_paused = true)]
async fn a_log_that_gets_shorter_stops_the_service_that_saw_it_and_it_says_why() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 5, "add 1").await;
    stage.memory.shorten("EVENTS", 4);
    let why = why(&stage, service).await;
    assert!(why.contains("the log ends at position 4, this service has seen 5"), "{why}");
    assert!(why.contains("CHS0061"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_went_another_way_stops_the_service_that_saw_it() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 5, "add 1").await;
    stage.memory.shorten("EVENTS", 4);
    // Before anybody looks: what is there now is longer again.
    for number in 5..=6 {
        let appended = by_another(&stage, number, "1");
        assert_eq!(futures::executor::block_on(appended), Append::Appended(Position(number)));
    }
    let why = why(&stage, service).await;
    assert!(why.contains("another commit at position 5 than this service saw"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_append_at_a_position_that_was_seen_before_stops_the_service() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    add(&stage, 5, "add 1").await;
    let memory = stage.memory.clone();
    stage.tamper(move |message| {
        if message.subject == "fl.ev.registration.tally.b" {
            memory.shorten("EVENTS", 3);
        }
        Tamper::Pass
    });
    stage.send(&tally("b"), "late", "add 1").await;
    let failed = service.ground.tasks.join().await.unwrap_err().to_string();
    assert!(failed.contains("the log ends at position 4, this service has seen 5"), "{failed}");
    assert!(stage.stored("RESULT").await.iter().all(|m| !m.subject.ends_with(".late")));
}
