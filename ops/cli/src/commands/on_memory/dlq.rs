//! Dead letters of all three origins, through the command: a user's, a service's, an agent's.

use super::{Stage, soon};
use crate::args::{DlqCommand, LettersArgs, Output, OutputArgs};
use crate::commands::dlq::run;
use crate::failure::Failure;
use fleetlog_bus::{Commands, DeadLetters, Publish, Told};
use fleetlog_kernel::{Actor, CommandId, Position, Service};
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::subject::AggregateId;
use tokio::time::Instant;

const GARBAGE: &[u8] = b"\xff\xff";

fn work(name: &str) -> AggregateId {
    AggregateId::namespaced(Service::Work, "manifestwork", "c1", name)
}

async fn letters(stage: &Stage) -> Vec<(u64, DeadLetter)> {
    let operator = stage.hub.operator().await.unwrap().clone();
    DeadLetters::new(operator).all().await.unwrap()
}

/// The streams that letters came from, once there are so many.
async fn come(stage: &Stage, many: usize) -> Vec<(u64, String)> {
    let until = soon();
    loop {
        let found = letters(stage).await;
        if found.len() == many {
            return found.into_iter().map(|(number, letter)| (number, letter.stream)).collect();
        }
        assert!(Instant::now() < until, "{found:?}");
        tokio::task::yield_now().await;
    }
}

async fn by_user(stage: &Stage, id: &str) {
    let commands = Commands::new(stage.hub.operator().await.unwrap().clone());
    let (alice, id) = (Actor::new("alice"), CommandId::new(id));
    commands.send(&alice, &work("a"), &id, GARBAGE.into()).await.unwrap();
}

async fn by_service(stage: &Stage) {
    let commands = Commands::new(stage.hub.operator().await.unwrap().clone());
    let told = Told {
        to: work("b"),
        id: CommandId::new("told"),
        cause: Position::START,
        index: 0,
        reacted: Position::START,
        correlation: String::new(),
        payload: GARBAGE.into(),
    };
    commands.tell(Service::Placement, told).await.unwrap();
}

async fn by_agent(stage: &Stage) {
    let report = Publish {
        subject: "fl.st.c1.work.a".to_owned(),
        payload: GARBAGE.into(),
        ..Publish::default()
    };
    stage.hub.operator().await.unwrap().publish(report).await.unwrap();
}

fn these(numbers: &[u64]) -> LettersArgs {
    LettersArgs { numbers: numbers.to_vec(), all: false }
}

async fn retry(stage: &Stage, number: u64) -> Failure {
    run(&DlqCommand::Retry(these(&[number])), &stage.hub).await.unwrap_err()
}

#[tokio::test]
async fn what_still_cannot_be_read_says_so_and_stays_in_the_list_once() {
    let stage = Stage::new().await;
    by_user(&stage, "one").await;
    assert_eq!(come(&stage, 1).await, [(1, "CMD".to_owned())]);
    assert_eq!(retry(&stage, 1).await.code, "CHS0001");
    assert_eq!(come(&stage, 1).await, [(2, "CMD".to_owned())], "sent again, buried again");
    by_service(&stage).await;
    assert_eq!(come(&stage, 2).await[1], (3, "DO".to_owned()));
    assert_eq!(retry(&stage, 3).await.code, "CHS0006");
    assert_eq!(come(&stage, 2).await[1].1, "DO");
}

#[tokio::test]
async fn a_report_is_not_sent_again_by_anybody_else() {
    let stage = Stage::new().await;
    by_agent(&stage).await;
    assert_eq!(come(&stage, 1).await, [(1, "STATUS".to_owned())]);
    assert_eq!(retry(&stage, 1).await.code, "CLI0051");
    assert_eq!(come(&stage, 1).await.len(), 1);
}

#[tokio::test]
async fn letters_are_dropped_by_number_or_all_and_a_number_that_is_none_is_named() {
    let stage = Stage::new().await;
    for (count, id) in (1..).zip(["one", "two", "three"]) {
        by_user(&stage, id).await;
        come(&stage, count).await;
    }
    run(&DlqCommand::Drop(these(&[2])), &stage.hub).await.unwrap();
    assert_eq!(come(&stage, 2).await[1].0, 3);
    let missing = run(&DlqCommand::Drop(these(&[1, 2])), &stage.hub).await.unwrap_err();
    assert_eq!((missing.code.as_str(), missing.exit), ("CLI0050", 1));
    assert_eq!(come(&stage, 2).await.len(), 2, "nothing is half done");
    let all = LettersArgs { numbers: vec![], all: true };
    run(&DlqCommand::Drop(all), &stage.hub).await.unwrap();
    assert_eq!(come(&stage, 0).await, []);
}

#[tokio::test]
async fn every_use_is_recorded_with_the_letter_as_it_was() {
    let stage = Stage::new().await;
    by_user(&stage, "one").await;
    come(&stage, 1).await;
    let output = || OutputArgs { output: Output::Json };
    run(&DlqCommand::List(output()), &stage.hub).await.unwrap();
    run(&DlqCommand::Show { number: 1, output: output() }, &stage.hub).await.unwrap();
    retry(&stage, 1).await;
    come(&stage, 1).await;
    let letter = letters(&stage).await.remove(0);
    run(&DlqCommand::Drop(these(&[letter.0])), &stage.hub).await.unwrap();
    run(&DlqCommand::Drop(these(&[9])), &stage.hub).await.unwrap_err();
    run(&DlqCommand::Uses(output()), &stage.hub).await.unwrap();
    let operator = stage.hub.operator().await.unwrap().clone();
    let uses = DeadLetters::new(operator.clone()).uses().await.unwrap();
    let done = uses.iter().map(|used| {
        let number = used.letter.as_ref().map(|(number, _)| *number);
        (used.verb.as_str(), number)
    });
    let done: Vec<_> = done.collect();
    let expected = [
        ("list", None),
        ("show", Some(1)),
        ("retry", Some(1)),
        ("drop", Some(letter.0)),
        ("uses", None),
    ];
    assert_eq!(done, expected);
    assert_eq!(uses[3].letter, Some(letter), "what is dropped is on record as it was");
    assert!(uses.iter().all(|used| used.at.seconds() > 0 && used.id.made().is_some()));
    let no = operator.delete("CMD", 1).await.unwrap_err();
    assert!(no.to_string().contains("CMD"), "nobody takes a record out: {no}");
}
