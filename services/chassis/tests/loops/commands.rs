//! From a command to its outcome, whatever goes wrong in between.

use crate::stage::{Performed, Stage, Tamper, accomplished, bounds, kill, pass, refused};
use crate::tally::{SCHEMA, tally};
use bytes::Bytes;
use fleetlog_bus::{Append, Broker as _, ClientError, EventLog, NewCommit, Publish, Space};
use fleetlog_chassis::Bounds;
use fleetlog_kernel::{CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::envelope::{CommitHeader, header};
use futures::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;

/// Longer than a queue waits before it delivers again.
const REDELIVERED: Duration = Duration::from_secs(31);

fn on_events(message: &Publish) -> bool {
    message.subject.starts_with("fl.ev.")
}

#[tokio::test(start_paused = true)]
async fn a_command_becomes_an_event_and_its_outcome_names_the_position() {
    let stage = Stage::new();
    let service = stage.start().await;
    let done = stage.client().command(&tally("a"), "add 3".into()).await.unwrap();
    let done = accomplished(done);
    assert_eq!((done.position, done.types), (1, vec!["Added".to_owned()]));
    assert_eq!(service.read(|h| h.machine().0["a"]), 3);
    let events = stage.stored("EVENTS").await;
    assert_eq!(events[0].headers[header::ACTOR], "alice");
    assert_eq!(events[0].headers[header::VERSION], "1");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_waits_for_more_like_it_is_hurried_by_any_other() {
    let stage = Stage::new();
    let hour = Duration::from_secs(3_600);
    let patient = Performed { patience: hour, ..Performed::default() };
    let service = stage.start_with(bounds(), Arc::new(patient)).await;
    let holds = || service.read(|h| h.machine().0.get("a").copied());
    stage.send(&tally("a"), "first", "add 1").await;
    stage.send(&tally("a"), "second", "add 1").await;
    pass(hour / 2).await;
    assert_eq!(holds(), None, "both wait, each for more like it");
    stage.send(&tally("a"), "third", "add 3").await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(holds(), Some(5), "in their order");
    stage.send(&tally("a"), "fourth", "add 1").await;
    pass(hour / 2).await;
    assert_eq!(holds(), Some(5), "it waits anew");
    pass(hour).await;
    assert_eq!(holds(), Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_command_id_gets_its_recorded_outcome_and_decides_nothing() {
    let stage = Stage::new();
    let service = stage.start().await;
    let (client, id) = (stage.client(), CommandId::new("once"));
    let first = client.command_as(&id, &tally("a"), "add 3".into()).await.unwrap();
    pass(Duration::from_secs(3_600)).await;
    let again = client.command_as(&id, &tally("a"), "add 3".into()).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(stage.stored("CMD").await.len(), 2, "it was asked twice");
    assert_eq!(service.read(|h| h.machine().0["a"]), 3);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_outcome_was_lost_in_a_crash_is_not_done_twice() {
    let stage = Stage::new();
    stage.tamper(|m| if m.subject.starts_with("fl.res.") { Tamper::Lose } else { Tamper::Pass });
    let service = stage.start().await;
    stage.send(&tally("a"), "once", "add 3").await;
    pass(Duration::from_millis(10)).await;
    assert_eq!(stage.stored("EVENTS").await.len(), 1, "it crashes after the append");
    kill(service).await;
    stage.tamper(|_| Tamper::Pass);
    let service = stage.start().await;
    pass(REDELIVERED).await;
    let outcome = stage.client().outcome(Service::Registration, &CommandId::new("once")).await;
    assert_eq!(accomplished(outcome.unwrap().unwrap()).position, 1);
    assert_eq!(service.read(|h| h.machine().0["a"]), 3);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_its_aggregate_has_forgotten_is_found_in_the_log() {
    let stage = Stage::new();
    stage.tamper(|m| match m.subject.as_str() {
        "fl.res.alice.old" => Tamper::Lose,
        _ => Tamper::Pass,
    });
    let service = stage.start().await;
    stage.send(&tally("a"), "old", "add 3").await;
    pass(Duration::from_millis(1)).await;
    kill(service).await;
    stage.tamper(|_| Tamper::Pass);
    // Another instance goes on with it before the old command comes again.
    for number in 2..=21 {
        assert_eq!(by_another(&stage, number, "1").await, Append::Appended(Position(number)));
    }
    let service = stage.start().await;
    pass(REDELIVERED).await;
    let outcome = stage.client().outcome(Service::Registration, &CommandId::new("old")).await;
    assert_eq!(accomplished(outcome.unwrap().unwrap()).position, 1);
    assert_eq!(service.read(|h| h.machine().0["a"]), 3 + 20);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_recorded_and_changes_nothing() {
    let stage = Stage::new();
    let _service = stage.start().await;
    let (client, id) = (stage.client(), CommandId::new("no"));
    let no = refused(client.command_as(&id, &tally("a"), "add 0".into()).await.unwrap());
    assert_eq!(no.code, "TST0001");
    let recorded = client.outcome(Service::Registration, &id).await.unwrap().unwrap();
    assert_eq!(refused(recorded), no);
    assert!(stage.stored("EVENTS").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_in_the_dead_letters_and_its_asker_is_told() {
    let stage = Stage::new();
    let _service = stage.start().await;
    let client = stage.client();
    let told = refused(client.command(&tally("a"), "dance".into()).await.unwrap());
    assert_eq!(told.code, "CHS0001");
    assert_eq!(stage.buried().await, ["\"dance\" is no command"]);
    accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_of_any_queue_stop_nothing() {
    let stage = Stage::new();
    let service = stage.start().await;
    let put = |subject: &str, headers: &[(&str, &str)]| Publish {
        subject: subject.to_owned(),
        headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        payload: Bytes::from_static(b"\xff"),
        ..Publish::default()
    };
    let long = "x".repeat(200);
    let far = [(header::COMMAND, "c"), (header::CAUSE, "99"), (header::INDEX, "0")];
    let bad = [
        put("fl.cmd.registration.alice", &[(header::COMMAND, "c")]),
        put("fl.cmd.registration.alice.tally.a", &[]),
        put("fl.cmd.registration.alice.tally.a", &[(header::COMMAND, &long)]),
        put("fl.cmd.registration.alice.tally.a", &[(header::COMMAND, "ü")]),
        put("fl.cmd.registration.service:work.tally.a", &[(header::COMMAND, "c")]),
        put("fl.do.registration.work.tally.a", &[(header::COMMAND, "c")]),
        put("fl.do.registration.work.tally.a", &far),
        put("fl.st.UPPER.cluster", &[]),
    ];
    let many = bad.len();
    for message in bad {
        stage.memory.publish(message).await.unwrap();
    }
    let large = Publish {
        payload: vec![b'a'; 600_000].into(),
        ..put("fl.cmd.registration.alice.tally.a", &[(header::COMMAND, "large")])
    };
    stage.memory.publish(large).await.unwrap();
    pass(Duration::from_secs(10)).await;
    let buried = stage.buried().await;
    assert_eq!(buried.len(), many + 1, "{buried:#?}");
    assert!(buried.contains(&"its cause 99 is not in the log".to_owned()), "{buried:#?}");
    accomplished(stage.client().command(&tally("a"), "add 1".into()).await.unwrap());
    let serve = service.metrics.serve.read();
    assert_eq!((serve.received, serve.handled, serve.failed), (10, 1, 9));
}

#[tokio::test(start_paused = true)]
async fn a_command_in_hand_waits_a_full_disk_out_and_is_done_once() {
    let stage = Stage::new();
    stage.send(&tally("a"), "once", "add 3").await;
    stage.memory.set_space(Space::None);
    let service = stage.start().await;
    pass(Duration::from_secs(1_800)).await;
    assert!(stage.stored("EVENTS").await.is_empty() && stage.stored("RESULT").await.is_empty());
    assert_eq!(service.metrics.waiting_for_space(), 1);
    let refused = stage.client().command(&tally("b"), "add 1".into()).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused(r) if r.code == "HUB0011"), "{refused:?}");
    stage.memory.set_space(Space::Ample);
    pass(Duration::from_secs(2)).await;
    let outcome = stage.client().outcome(Service::Registration, &CommandId::new("once")).await;
    assert_eq!(accomplished(outcome.unwrap().unwrap()).position, 1);
    pass(REDELIVERED).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 3);
    assert_eq!(stage.stored("EVENTS").await.len(), 1);
    assert!(stage.buried().await.is_empty());
    assert_eq!(service.metrics.waiting_for_space(), 0);
    let done = stage.client().command(&tally("b"), "add 1".into()).await.unwrap();
    assert_eq!(accomplished(done).position, 2);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stays_full_ends_the_service_at_last() {
    let stage = Stage::new();
    stage.send(&tally("a"), "once", "add 3").await;
    stage.memory.set_space(Space::None);
    let bounds = Bounds { space_wait: Duration::from_secs(60), ..bounds() };
    let service = stage.start_with(bounds, Arc::default()).await;
    let failed = service.ground.tasks.join().await.unwrap_err();
    assert!(failed.to_string().contains("no space left"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_again_on_what_the_other_did() {
    let stage = Stage::new();
    let (memory, mut first) = (stage.memory.clone(), true);
    stage.tamper(move |message| {
        if on_events(message) && std::mem::take(&mut first) {
            let rival = Publish { id: Some("rival".into()), payload: rival(), ..message.clone() };
            let rival = Publish { headers: rival_headers(message), ..rival };
            futures::executor::block_on(memory.publish(rival)).unwrap();
        }
        Tamper::Pass
    });
    let service = stage.start().await;
    let done = stage.client().command(&tally("a"), "set 5".into()).await.unwrap();
    assert_eq!(accomplished(done).position, 2);
    assert_eq!(service.read(|h| h.machine().0["a"]), 5);
    let events = stage.stored("EVENTS").await;
    assert_eq!(events[1].headers[header::VERSION], "2");
}

/// A commit that adds 2.
fn rival() -> Bytes {
    use prost::Message as _;
    fleetlog_messages::common::Commit { events: vec![Bytes::from_static(b"2")] }
        .encode_to_vec()
        .into()
}

fn rival_headers(of: &Publish) -> fleetlog_bus::Headers {
    let mut headers = of.headers.clone();
    headers.insert(header::COMMAND.to_owned(), "rival".to_owned());
    headers
}

#[tokio::test(start_paused = true)]
async fn an_append_without_an_answer_is_one_event() {
    let stage = Stage::new();
    let mut first = true;
    stage.tamper(move |m| match on_events(m) && std::mem::take(&mut first) {
        true => Tamper::LoseAnswer,
        false => Tamper::Pass,
    });
    let service = stage.start().await;
    let done = stage.client().command(&tally("a"), "add 5".into()).await.unwrap();
    assert_eq!(accomplished(done).position, 1);
    assert_eq!(stage.stored("EVENTS").await.len(), 1);
    assert_eq!(service.read(|h| h.machine().0["a"]), 5);
}

#[tokio::test(start_paused = true)]
async fn one_id_for_two_aggregates_stops_nothing() {
    let stage = Stage::new();
    for name in ["a", "b"] {
        let headers = [(header::COMMAND.to_owned(), "same".to_owned())].into();
        let subject = format!("fl.cmd.registration.alice.tally.{name}");
        let message = Publish { subject, headers, payload: "add 1".into(), ..Publish::default() };
        stage.memory.publish(message).await.unwrap();
    }
    let service = stage.start().await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(service.read(|h| h.machine().0.clone()), [("a", 1), ("b", 1)].map(own).into());
}

fn own((name, n): (&str, u64)) -> (String, u64) {
    (name.to_owned(), n)
}

#[tokio::test(start_paused = true)]
async fn commands_of_one_aggregate_are_decided_in_their_order() {
    let stage = Stage::new();
    for (id, text) in [("1", "set 2"), ("2", "add 1"), ("3", "set 7"), ("4", "add 2")] {
        stage.send(&tally("a"), id, text).await;
    }
    let service = stage.start().await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 9);
    let commands = stage.stored("EVENTS").await.into_iter();
    let commands: Vec<_> = commands.map(|m| m.headers[header::COMMAND].clone()).collect();
    assert_eq!(commands, ["1", "2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_breaks_the_service_every_time_is_given_up_alone() {
    let stage = Stage::new();
    for (name, id, text) in [("a", "poison", "panic"), ("a", "after", "add 1"), ("b", "1", "add 2")]
    {
        stage.send(&tally(name), id, text).await;
    }
    let service = stage.start().await;
    pass(REDELIVERED).await;
    let buried = stage.buried().await;
    assert_eq!(buried, ["given up after 5 tries: panicked: the machine broke"]);
    let outcome = stage.client().outcome(Service::Registration, &CommandId::new("poison")).await;
    assert_eq!(refused(outcome.unwrap().unwrap()).code, "CHS0006");
    assert_eq!(service.read(|h| h.machine().0.clone()), [("a", 1), ("b", 2)].map(own).into());
    assert!(service.ground.tasks.join().now_or_never().is_none(), "the service goes on");
}

#[tokio::test(start_paused = true)]
async fn what_others_commit_is_folded_too() {
    let stage = Stage::new();
    let service = stage.start().await;
    assert_eq!(by_another(&stage, 1, "4").await, Append::Appended(Position(1)));
    service.reached(Position(1)).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 4);
}

/// Appends the commit of this number to a tally that has the log for itself, as another instance
/// of the service would.
pub async fn by_another(stage: &Stage, number: u64, event: &'static str) -> Append {
    append(stage, number, SCHEMA, "Added", event).await
}

/// The same, with an event of any type.
pub async fn append(
    stage: &Stage,
    number: u64,
    schema: &str,
    kind: &str,
    event: &'static str,
) -> Append {
    let (log, group_commit) = EventLog::new(stage.memory.clone());
    let commit = NewCommit {
        aggregate: tally("a"),
        expected: Position(number - 1),
        header: CommitHeader {
            id: MessageId::new(format!("m{number}")),
            types: vec![kind.into()],
            schema: schema.into(),
            version: number,
            cause: Position::START,
            cause_index: 0,
            command: CommandId::new(format!("c{number}")),
            correlation: "c".into(),
            actor: "bob".into(),
            time: Timestamp::default(),
            service: Service::Registration,
        },
        events: vec![event.into()],
    };
    let append = async {
        let appended = log.append(commit).await;
        drop(log);
        appended
    };
    let (appended, ()) = futures::join!(append, group_commit.run());
    appended.unwrap()
}
