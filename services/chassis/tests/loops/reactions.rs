//! What follows from events: told once in effect, in order, and never again in a rebuild.

use crate::stage::{Performed, Stage, Tamper, accomplished, bounds, kill, pass};
use crate::tally::tally;
use fleetlog_bus::{Broker as _, Publish};
use fleetlog_chassis::{Bounds, TOLD_PER_COMMIT};
use fleetlog_messages::envelope::header;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(1);
/// Longer than DO remembers ids.
const FORGOTTEN: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_reaction_becomes_a_command_with_its_cause() {
    let stage = Stage::new();
    let service = stage.start().await;
    accomplished(stage.client().command(&tally("a"), "add 13".into()).await.unwrap());
    pass(SOON).await;
    assert_eq!(service.read(|h| h.machine().0["a-echo"]), 3);
    let events = stage.stored("EVENTS").await;
    assert_eq!(events[1].headers[header::CAUSE], "1");
    assert_eq!(events[1].headers[header::ACTOR], "service:registration");
    assert_eq!(events[1].headers[header::CORRELATION], events[0].headers[header::CORRELATION]);
}

#[tokio::test(start_paused = true)]
async fn a_command_told_twice_at_any_age_is_done_once() {
    let stage = Stage::new();
    let service = stage.start().await;
    accomplished(stage.client().command(&tally("a"), "add 13".into()).await.unwrap());
    pass(FORGOTTEN).await;
    let told = stage.stored("DO").await.remove(0);
    let (subject, headers, payload) = (told.subject, told.headers, told.payload);
    let again = Publish { subject, headers, payload, ..Publish::default() };
    stage.memory.publish(again).await.unwrap();
    pass(SOON).await;
    assert_eq!(stage.stored("DO").await.len(), 2, "it was told twice");
    assert_eq!(service.read(|h| h.machine().0["a-echo"]), 3);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_after_the_checkpoint() {
    let stage = Stage::new();
    let service = stage.start().await;
    for _ in 0..3 {
        accomplished(stage.client().command(&tally("a"), "add 13".into()).await.unwrap());
        pass(SOON).await;
    }
    let told = stage.stored("DO").await;
    let reacted: Vec<u64> =
        told.iter().map(|m| m.headers[header::REACTED].parse().unwrap()).collect();
    assert_eq!(reacted, [0, 2, 4], "each is sent when all before its cause was reacted to");
    kill(service).await;
    pass(FORGOTTEN).await;
    let service = stage.start().await;
    pass(SOON).await;
    let again: Vec<_> = stage.stored("DO").await.into_iter().skip(3).collect();
    assert!(again.iter().all(|m| m.headers[header::CAUSE] == "5"), "{again:?}");
    assert_eq!(service.read(|h| h.machine().0["a-echo"]), 9);
    assert_eq!(stage.stored("EVENTS").await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_kept_from_being_told_is_told_after_it() {
    let stage = Stage::new();
    stage.tamper(|m| if m.subject.starts_with("fl.do.") { Tamper::Lose } else { Tamper::Pass });
    let service = stage.start().await;
    accomplished(stage.client().command(&tally("a"), "add 13".into()).await.unwrap());
    kill(service).await;
    stage.tamper(|_| Tamper::Pass);
    let service = stage.start().await;
    pass(SOON).await;
    assert_eq!(service.read(|h| h.machine().0["a-echo"]), 3);
}

#[tokio::test(start_paused = true)]
async fn a_crash_amid_the_many_that_one_commit_leads_to_loses_and_doubles_none() {
    const MANY: u64 = 2_000;
    let stage = Stage::new();
    let told = AtomicU64::new(0);
    stage.tamper(move |message| {
        let is_told = message.subject.starts_with("fl.do.");
        let amid = is_told && told.fetch_add(1, Ordering::Relaxed) >= MANY / 2;
        if amid { Tamper::Lose } else { Tamper::Pass }
    });
    let service = stage.start().await;
    let payload = format!("add {}", MANY * 1_000 + 1);
    accomplished(stage.client().command(&tally("a"), payload.into()).await.unwrap());
    pass(SOON).await;
    kill(service).await;
    stage.tamper(|_| Tamper::Pass);
    pass(FORGOTTEN).await;
    let service = stage.start().await;
    pass(FORGOTTEN).await;
    let held = service.read(|h| h.machine().0.clone());
    assert_eq!(held.len() as u64, MANY + 1);
    assert!((1..=MANY).all(|n| held[&format!("a-{n}")] == 1));
}

#[tokio::test(start_paused = true)]
async fn a_cause_has_a_million_commands_and_no_more() {
    let stage = Stage::new();
    let service = stage.start().await;
    told(&stage, "first", 20_000, "add 1").await;
    told(&stage, "last", TOLD_PER_COMMIT - 1, "add 2").await;
    told(&stage, "more", TOLD_PER_COMMIT, "add 4").await;
    pass(SOON).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 3);
    let buried = stage.buried().await;
    assert!(matches!(&buried[..], [why] if why.contains("more than a cause has")), "{buried:?}");
}

#[tokio::test(start_paused = true)]
async fn effects_of_its_own_are_performed_once_and_not_in_a_rebuild() {
    let stage = Stage::new();
    let first = Arc::new(Performed::default());
    let service = stage.start_with(bounds(), first.clone()).await;
    accomplished(stage.client().command(&tally("a"), "add 13".into()).await.unwrap());
    pass(SOON).await;
    assert_eq!(*first.done.lock().unwrap(), ["a"]);
    kill(service).await;
    let second = Arc::new(Performed::default());
    let _service = stage.start_with(bounds(), second.clone()).await;
    pass(SOON).await;
    assert!(second.done.lock().unwrap().is_empty());
    accomplished(stage.client().command(&tally("b"), "add 10".into()).await.unwrap());
    pass(SOON).await;
    assert_eq!(*second.done.lock().unwrap(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn commands_that_a_crash_found_in_hand_come_before_newer_ones() {
    let stage = Stage::new();
    stage.tamper(|m| if m.subject.starts_with("fl.ev.") { Tamper::Lose } else { Tamper::Pass });
    let service = stage.start().await;
    told(&stage, "first", 0, "add 1").await;
    pass(Duration::from_millis(1)).await;
    assert_eq!(stage.memory.in_hand("DO", "do-registration").await.unwrap(), (0, 1));
    kill(service).await;
    stage.tamper(|_| Tamper::Pass);
    told(&stage, "second", 1, "add 2").await;
    let service = stage.start().await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 3);
}

#[tokio::test(start_paused = true)]
async fn a_command_lost_with_its_connection_comes_before_newer_ones() {
    let stage = Stage::new();
    let service = stage.start().await;
    pass(SOON).await;
    stage.lose_next_delivery();
    told(&stage, "first", 0, "add 1").await;
    told(&stage, "second", 1, "add 2").await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 3);
    assert_eq!(stage.stored("EVENTS").await.len(), 2);
    assert_eq!(stage.memory.in_hand("DO", "do-registration").await.unwrap(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_service_among_what_was_in_hand_is_buried_once_and_holds_nothing_up() {
    let stage = Stage::new();
    let service = stage.start().await;
    pass(SOON).await;
    stage.lose_next_delivery();
    told(&stage, "poison", 0, "panic").await;
    told(&stage, "after", 1, "add 2").await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 2);
    let buried = stage.buried().await;
    assert_eq!(buried, ["given up after 5 tries: panicked: the machine broke"]);
    assert_eq!(stage.memory.in_hand("DO", "do-registration").await.unwrap(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_queue_holds_up_no_other() {
    let stage = Stage::new();
    let slow = Arc::new(Performed::slow(Duration::from_secs(10)));
    let service = stage.start_with(Bounds { window: 2, ..bounds() }, slow).await;
    for id in ["1", "2", "3", "4", "5", "6"] {
        stage.send(&tally("b"), id, "add 1").await;
    }
    pass(SOON).await;
    told(&stage, "meanwhile", 0, "add 5").await;
    pass(Duration::from_secs(12)).await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 5);
    assert_eq!(service.read(|h| h.machine().0["b"]), 1);
}

pub async fn told(stage: &Stage, id: &str, index: u64, text: &'static str) {
    let headers =
        [(header::COMMAND, id), (header::CAUSE, "0"), (header::INDEX, &index.to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let message = Publish {
        subject: "fl.do.registration.work.tally.a".to_owned(),
        headers: headers.into(),
        payload: text.into(),
        ..Publish::default()
    };
    stage.memory.publish(message).await.unwrap();
}
