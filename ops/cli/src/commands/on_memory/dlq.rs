//! Dead letters of all three origins, through the command: a user's, a service's, an agent's.

use super::{Stage, soon};
use crate::args::{DlqCommand, LettersArgs};
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
