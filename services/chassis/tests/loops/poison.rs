//! What breaks the service over and over: given up on after a bounded number of times, with all
//! that is known of it; others go on.

use crate::reactions::told;
use crate::stage::{Stage, Tamper, accomplished, pass, refused};
use crate::tally::tally;
use fleetlog_bus::{Broker as _, Publish};
use fleetlog_kernel::{CommandId, Service};
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::envelope::header;
use futures::FutureExt as _;
use prost::Message as _;
use std::time::Duration;

async fn letters(stage: &Stage) -> Vec<DeadLetter> {
    let stored = stage.stored("DLQ").await.into_iter();
    stored.map(|message| DeadLetter::decode(message.payload).unwrap()).collect()
}

fn commit_of(message: &Publish, command: &str) -> bool {
    message.subject.starts_with("fl.ev.")
        && message.headers.get(header::COMMAND).map(String::as_str) == Some(command)
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ends_the_service_each_time_is_given_up_on_and_others_go_on() {
    let stage = Stage::new();
    stage.tamper(|m| if commit_of(m, "poison") { Tamper::Lose } else { Tamper::Pass });
    stage.send(&tally("a"), "poison", "add 1").await;
    stage.send(&tally("a"), "behind", "add 2").await;
    let mut lives = 0;
    loop {
        lives += 1;
        let service = stage.start().await;
        // Others are handled in every life.
        let done = stage.client().command(&tally("b"), "add 1".into()).await.unwrap();
        assert!(accomplished(done).position >= lives);
        assert_eq!(service.read(|h| h.machine().0["b"]), lives);
        pass(Duration::from_secs(60)).await;
        match service.ground.tasks.join().now_or_never() {
            Some(ended) => assert!(ended.unwrap_err().to_string().contains("append")),
            None => break,
        }
        assert!(lives < 10, "it is given up on some time");
    }
    let buried = letters(&stage).await.into_iter();
    let buried: Vec<_> =
        buried.map(|l| (l.headers[header::COMMAND].clone(), l.reason.clone())).collect();
    assert_eq!(buried, [("poison".to_owned(), "given up after 5 deliveries".to_owned())]);
    let outcome = stage.client().outcome(Service::Registration, &CommandId::new("poison")).await;
    assert_eq!(refused(outcome.unwrap().unwrap()).code, "CHS0006");
    let behind = stage.client().outcome(Service::Registration, &CommandId::new("behind")).await;
    // It was in hand as often, and is not taken for the culprit.
    assert_eq!(accomplished(behind.unwrap().unwrap()).position, lives);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_always_meets_a_conflict_is_given_up_on_and_the_service_goes_on() {
    let stage = Stage::new();
    let (memory, mut rivals) = (stage.memory.clone(), 0);
    stage.tamper(move |message| {
        if commit_of(message, "late") {
            rivals += 1;
            let mut rival = Publish { id: Some(format!("rival{rivals}")), ..message.clone() };
            rival.headers.insert(header::COMMAND.to_owned(), format!("rival{rivals}"));
            futures::executor::block_on(memory.publish(rival)).unwrap();
        }
        Tamper::Pass
    });
    let service = stage.start().await;
    stage.send(&tally("a"), "late", "add 1").await;
    pass(Duration::from_secs(60)).await;
    let buried = letters(&stage).await;
    assert_eq!(buried.len(), 1);
    let reason = "given up after 5 tries: 8 decisions in a row met a conflict";
    assert_eq!(buried[0].reason, reason);
    // Each decision was made on what the rival before it had done.
    assert_eq!(service.read(|h| h.machine().0["a"]), 5 * 8);
    let done = stage.client().command(&tally("a"), "add 2".into()).await.unwrap();
    assert_eq!(accomplished(done).position, 41);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_says_what_it_was_where_it_lay_and_what_led_to_it() {
    let stage = Stage::new();
    let _service = stage.start().await;
    let done = stage.client().command(&tally("b"), "add 1".into()).await.unwrap();
    assert_eq!(accomplished(done).position, 1);
    told(&stage, "poison", 7, "dance").await;
    pass(Duration::from_secs(5)).await;
    let letter = letters(&stage).await.remove(0);
    assert_eq!(letter.reason, "\"dance\" is no command");
    assert_eq!((letter.stream.as_str(), letter.sequence), ("DO", 1));
    assert_eq!((letter.service.as_str(), &letter.payload[..]), ("registration", &b"dance"[..]));
    let header = |name: &str| letter.headers.get(name).map(String::as_str);
    let stored = &stage.stored("DO").await[0];
    assert_eq!(letter.subject, stored.subject);
    assert_eq!(header(header::COMMAND), Some("poison"));
    assert_eq!(header(header::CAUSE), stored.headers.get(header::CAUSE).map(String::as_str));
    assert_eq!(header(header::INDEX), Some("7"));
    assert!(header(header::CAUSE).is_some());
    assert!(letter.seconds >= 1_800_000_000);
}
