//! Every step of the ways of a command and of a reaction is a place where the process may stop. At
//! each of them it does, several times over; after each restart what architecture's invariants say
//! must hold. The places are one list, and one that was never met fails the test.

use crate::stage::{Performed, Running, Stage, accomplished, bounds, kill, pass, refused};
use crate::tally::{Tally, tally};
use bytes::Bytes;
use fleetlog_bus::{Entry, StoredMessage};
use fleetlog_chassis::{Bounds, Hosted, Machine as _, projection_id};
use fleetlog_kernel::{Actor, CommandId, Position, Service};
use fleetlog_messages::common::{DeadLetter, Outcome, Query, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use fleetlog_test_support::crash::{CrashPoint, Story};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often a process stops at one place; less than what makes a command poison.
const CRASHES: usize = 3;
/// What the user sends, twice over: one of each way a command can end.
const COMMANDS: [(&str, &str, Ends); 9] = [
    ("a", "add 11", Ends::Done),
    ("b", "add 12", Ends::Done),
    ("c", "add 5", Ends::Done),
    ("a", "add 4003", Ends::Done),
    ("d", "add 0", Ends::Refused),
    ("e", "dance", Ends::Buried),
    ("b", "add 1", Ends::Done),
    ("c", "add 3002", Ends::Done),
    ("a", "add 2", Ends::Done),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Done,
    Refused,
    Buried,
}

fn id(wave: usize, number: usize) -> String {
    format!("w{wave}-{number}")
}

async fn start(stage: &Arc<Stage>) -> Option<Running> {
    let bounds = Bounds { snapshot_every: 4, ..bounds() };
    let shell = Arc::new(Performed { fuse: Some(stage.fuse.clone()), ..Performed::default() });
    // A start that is cut short does not come back.
    let starting = stage.try_start(bounds, shell);
    tokio::time::timeout(Duration::from_secs(1), starting).await.ok().map(Result::unwrap)
}

/// Keeps the service alive for a while; answers how often it had to be started again.
async fn tend(stage: &Arc<Stage>, service: &mut Option<Running>, time: Duration) -> usize {
    let (mut crashes, mut prefix) = (0, vec![]);
    for _ in 0..time.as_millis() / 50 {
        pass(Duration::from_millis(50)).await;
        if stage.fuse.has_blown() {
            crashes += 1;
            if let Some(dead) = service.take() {
                kill(dead).await;
            }
            let events = stage.stored("EVENTS").await;
            is_continued(&prefix, &events);
            prefix = events;
            *service = start(stage).await;
        }
    }
    is_continued(&prefix, &stage.stored("EVENTS").await);
    crashes
}

/// An event is never edited or renumbered.
fn is_continued(before: &[StoredMessage], now: &[StoredMessage]) {
    let bare = |message: &StoredMessage| StoredMessage { pending: 0, ..message.clone() };
    assert!(now.len() >= before.len());
    assert!(before.iter().zip(now).all(|(then, now)| bare(then) == bare(now)));
}

/// Plays the history with a process that stops at `point`, at the `nth` time that it gets there in
/// each life; answers how often it did.
async fn play(point: CrashPoint, nth: usize) -> usize {
    let stage = Stage::new();
    let mut service = start(&stage).await;
    let stops = || std::iter::repeat_n((point, nth), CRASHES);
    // A snapshot may be folded from all of the log too: a rebuild is met once it is asked for.
    if point != CrashPoint::InRebuild {
        stage.fuse.arm(stops());
    }
    let mut crashes = 0;
    for wave in 0..2 {
        for (number, (name, text, _)) in COMMANDS.iter().enumerate() {
            stage.send(&tally(name), &id(wave, number), text).await;
        }
        crashes += tend(&stage, &mut service, Duration::from_secs(40)).await;
        if point == CrashPoint::InRebuild {
            stage.fuse.arm(stops());
            stage.ask_for_rebuild().await;
            crashes += tend(&stage, &mut service, Duration::from_secs(40)).await;
        }
        if matches!(point, CrashPoint::InColdStart | CrashPoint::InRecovery) {
            kill(service.take().unwrap()).await;
            stage.drop_snapshots().await;
            service = start(&stage).await;
            crashes += tend(&stage, &mut service, Duration::from_secs(40)).await;
        }
    }
    stage.fuse.disarm();
    let service = service.unwrap();
    keeps_its_word(&stage, &service, point).await;
    let (hash, rows) = service.read(|hosted| (hosted.hash(), hosted.rows()));
    kill(service).await;
    comes_back(&stage, &hash, &rows).await;
    crashes
}

/// The invariants of section 9 that a single service can keep or break.
async fn keeps_its_word(stage: &Arc<Stage>, service: &Running, point: CrashPoint) {
    let commits = commits(stage).await;
    acknowledged_and_done_once(stage, &commits).await;
    told_once(service, point);
    in_order(&commits);
    buried_once(stage).await;
    let mut fold = Hosted::<Tally>::default();
    let mut past = vec![];
    for commit in &commits {
        assert!(fold.fold(commit).unwrap());
        past.push(fold.machine().answer(&Query::default()).unwrap());
    }
    assert_eq!(service.read(|h| h.hash()), fold.hash(), "8: the state is what the log says");
    is_as_it_was(stage, &past).await;
}

/// 8: so is every state that was. Asked backwards, each is folded from the waypoint before it.
async fn is_as_it_was(stage: &Arc<Stage>, past: &[Vec<Bytes>]) {
    for (place, then) in past.iter().enumerate().rev() {
        let as_of = place as u64 + 1;
        let query = Query { as_of, ..Query::default() };
        let pages = stage.client().ask(Service::Registration, "get", query).await.unwrap();
        let objects: Vec<_> = pages.into_iter().flat_map(|page| page.objects).collect();
        assert_eq!(objects, *then, "as of {as_of}");
    }
}

/// 10: an acknowledged command is never lost, and a retried one is never done twice; 7: each
/// refusal has a code.
async fn acknowledged_and_done_once(stage: &Arc<Stage>, commits: &[Recorded]) {
    let by_alice = commits.iter().filter(|commit| commit.header.actor == "alice");
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    by_alice.for_each(|commit| *done.entry(commit.header.command.as_str()).or_default() += 1);
    for wave in 0..2 {
        for (number, (_, _, ends)) in COMMANDS.iter().enumerate() {
            let id = id(wave, number);
            let command = CommandId::new(&id);
            let outcome = stage.client().outcome(Service::Registration, &command).await.unwrap();
            let outcome: Outcome = outcome.unwrap_or_else(|| panic!("{id} has no outcome"));
            let times = done.get(id.as_str()).copied().unwrap_or_default();
            assert_eq!(times, usize::from(*ends == Ends::Done), "{id} was done so often");
            match ends {
                Ends::Done => {
                    let position = Position(accomplished(outcome).position);
                    let commit = commits.iter().find(|commit| commit.position == position);
                    assert_eq!(commit.unwrap().header.command, command, "{id}");
                }
                Ends::Refused => assert_eq!(refused(outcome).code, "TST0001"),
                Ends::Buried => assert_eq!(refused(outcome).code, "CHS0001"),
            }
        }
    }
}

/// What follows from each commit happened once: the sums say so.
fn told_once(service: &Running, point: CrashPoint) {
    let holds = |name: &str| service.read(|h| h.machine().0.get(name).copied().unwrap_or_default());
    let sums = [("a", 2 * (11 + 4_003 + 2)), ("b", 2 * (12 + 1)), ("c", 2 * (5 + 3_002))];
    let echoes = [("a-echo", 2), ("b-echo", 4)];
    let parts = [("a-1", 6), ("a-4", 6), ("c-1", 4), ("c-3", 4), ("c-4", 0)];
    for (name, sum) in sums.into_iter().chain(echoes).chain(parts) {
        assert_eq!(holds(name), sum, "{name} after crashes at {point:?}");
    }
}

/// 2, 4 and 12: only the owner appends, versions count, a cause lies before what it led to.
fn in_order(commits: &[Recorded]) {
    let mut versions: BTreeMap<&AggregateId, u64> = BTreeMap::new();
    for (number, commit) in (1..).zip(commits) {
        assert_eq!(commit.position, Position(number), "positions have no gaps");
        assert!(commit.header.cause < commit.position);
        assert_eq!(commit.header.service, Service::Registration);
        assert_eq!(commit.aggregate.service, Service::Registration);
        let version = versions.entry(&commit.aggregate).or_default();
        *version += 1;
        assert_eq!(commit.header.version, *version, "{}", commit.aggregate);
    }
}

/// What cannot be handled lies in DLQ once.
async fn buried_once(stage: &Arc<Stage>) {
    let letters = stage.stored("DLQ").await.into_iter();
    let letters: Vec<u64> =
        letters.map(|m| DeadLetter::decode(m.payload).unwrap().sequence).collect();
    let distinct: BTreeSet<&u64> = letters.iter().collect();
    assert_eq!((letters.len(), distinct.len()), (2, 2), "{letters:?}");
}

/// 8: from its snapshots and the log, and from the log alone, the same state comes back.
async fn comes_back(stage: &Arc<Stage>, hash: &str, rows: &[Row]) {
    for from in ["its snapshots", "the log alone"] {
        if from == "the log alone" {
            stage.drop_snapshots().await;
        }
        let service = start(stage).await.unwrap();
        service.live().await;
        assert_eq!(service.read(|hosted| hosted.rows()), rows, "from {from}");
        assert_eq!(service.read(|hosted| hosted.hash()), hash, "from {from}");
        kill(service).await;
    }
}

async fn commits(stage: &Arc<Stage>) -> Vec<Recorded> {
    let read = |message: &StoredMessage| match Entry::read(message) {
        Entry::Commit(commit, _) => commit,
        malformed => panic!("{malformed:?}"),
    };
    stage.stored("EVENTS").await.iter().map(read).collect()
}

#[tokio::test(start_paused = true)]
async fn a_process_may_stop_at_every_step_and_nothing_is_lost_or_doubled() {
    for point in CrashPoint::of(Story::Commands) {
        let mut crashes = 0;
        for nth in 1..=3 {
            crashes += play(point, nth).await;
        }
        println!("{point:?}: {crashes} crashes");
        assert!(crashes > 0, "{point:?} was never met");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_crash_the_same_holds() {
    let stage = Stage::new();
    let mut service = start(&stage).await;
    for wave in 0..2 {
        for (number, (name, text, _)) in COMMANDS.iter().enumerate() {
            stage.send(&tally(name), &id(wave, number), text).await;
        }
        assert_eq!(tend(&stage, &mut service, Duration::from_secs(40)).await, 0);
    }
    keeps_its_word(&stage, &service.unwrap(), CrashPoint::BeforeAppend).await;
}

impl Stage {
    /// As the administrator does, without waiting for the outcome.
    async fn ask_for_rebuild(&self) {
        use fleetlog_messages::common::{ProjectionCommand, RebuildProjection, projection_command};
        let command = projection_command::Command::Rebuild(RebuildProjection {});
        let command = ProjectionCommand { command: Some(command) };
        let commands = fleetlog_bus::Commands::new(self.memory.clone());
        let id = CommandId::new(format!("rebuild-{}", self.stored("EVENTS").await.len()));
        let payload = command.encode_to_vec().into();
        let to = projection_id(Service::Registration);
        commands.send(&Actor::new("admin"), &to, &id, payload).await.unwrap();
    }
}
