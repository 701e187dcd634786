//! Deadlines of a process that stops around its timers: each is acted on once and not before its
//! moment, and none that was given up.

use crate::deadlines::{START, Stage, reminder};
use fleetlog_bus::{Commands, Entry};
use fleetlog_kernel::{Actor, CommandId, Timestamp};
use fleetlog_messages::subject;
use fleetlog_test_support::crash::{CrashPoint, Story};
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a process stops at one place.
const CRASHES: usize = 3;
/// What users say, and after how many seconds.
const SAID: [(u64, &str, &str); 8] = [
    (0, "a", "in 20"),
    (0, "b", "in 20"),
    (1, "c", "in 25"),
    (2, "moved", "in 30"),
    (3, "given-up", "in 22"),
    (10, "moved", "in 40"),
    (12, "given-up", "off"),
    (15, "d", "in 21"),
];
/// When each of them rings, in seconds; by the end all that could ring has.
const RINGS: [(&str, u64); 4] = [("a", 20), ("b", 20), ("c", 25), ("d", 21)];
const END: u64 = 60;

/// Plays it with a process that stops at `point` when it gets there for the `nth` time; answers how
/// often it did.
async fn play(point: CrashPoint, nth: usize) -> usize {
    let mut stage = Stage::new().await;
    stage.fuse.arm(std::iter::repeat_n((point, nth), CRASHES));
    let mut crashes = 0;
    for second in 0..END {
        for (_, name, text) in SAID.iter().filter(|(at, ..)| *at == second) {
            let (commands, id) = (Commands::new(stage.broker.clone()), format!("{name}-{second}"));
            let (alice, id, text) = (Actor::new("alice"), CommandId::new(id), text.as_bytes());
            commands.send(&alice, &reminder(name), &id, text.into()).await.unwrap();
        }
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            if stage.fuse.has_blown() {
                crashes += 1;
                stage.kill().await;
                stage.start().await;
            }
        }
    }
    stage.fuse.disarm();
    rang_once(&stage, point).await;
    crashes
}

/// Each rang once, at its moment or after it: the log says so, and so does the state.
async fn rang_once(stage: &Stage, point: CrashPoint) {
    let mut rang: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    let reading = stage.broker.read("EVENTS", &subject::events(), 0).await.unwrap();
    let held = usize::try_from(reading.pending).unwrap();
    let messages: Vec<_> = reading.messages.take(held).collect().await;
    for message in messages {
        let commit = match Entry::read(&message.unwrap()) {
            Entry::Commit(commit, _) => commit,
            malformed => panic!("{malformed:?}"),
        };
        if commit.events.iter().any(|event| event == "ring") {
            rang.entry(commit.aggregate.name).or_default().push(commit.header.time);
        }
    }
    let expected = RINGS.into_iter().chain([("moved", 40)]);
    for (name, second) in expected.clone() {
        let due = START.plus(Duration::from_secs(second));
        let times = rang.get(name).map_or(&[][..], Vec::as_slice);
        assert_eq!(times.len(), 1, "{name} around {point}: {times:?}");
        assert!(times[0] >= due, "{name} rang at {:?}, before {due:?}", times[0]);
        assert_eq!(stage.rang(name, END).await, 1, "{name} around {point}");
    }
    assert_eq!(rang.len(), expected.count(), "what was given up does not ring: {rang:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_may_stop_around_a_timer_and_each_deadline_is_acted_on_once() {
    for point in CrashPoint::of(Story::Deadlines) {
        let mut crashes = 0;
        for nth in 1..=3 {
            crashes += play(point, nth).await;
        }
        println!("{point}: {crashes} crashes");
        assert!(crashes > 0, "{point} was never met");
    }
}
