//! Questions: answered from the projection, with its position, in pages.

use crate::reactions::told;
use crate::stage::{Performed, Stage, accomplished, bounds, pass, refused};
use crate::tally::tally;
use fleetlog_bus::{Broker as _, ClientError};
use fleetlog_chassis::Bounds;
use fleetlog_kernel::{CommandId, Service};
use fleetlog_messages::common::{Answer, Query};
use fleetlog_messages::subject;
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;

const SERVICE: Service = Service::Registration;

fn objects(pages: &[Answer]) -> Vec<Vec<String>> {
    let text = |object: &Vec<u8>| String::from_utf8(object.clone()).unwrap();
    pages.iter().map(|page| page.objects.iter().map(|o| text(&o.to_vec())).collect()).collect()
}

async fn refusal(stage: &Arc<Stage>, verb: &str, query: Query) -> String {
    match stage.client().ask(SERVICE, verb, query).await {
        Err(ClientError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_in_pages_with_the_position_it_stands_at() {
    let stage = Stage::new();
    let bounds = Bounds { page_objects: 2, ..bounds() };
    let _service = stage.start_with(bounds, Arc::new(Performed::default())).await;
    let client = stage.client();
    for name in ["a", "b", "c", "d", "e"] {
        accomplished(client.command(&tally(name), "add 1".into()).await.unwrap());
    }
    let pages = client.ask(SERVICE, "get", Query::default()).await.unwrap();
    assert_eq!(objects(&pages), [vec!["a=1", "b=1"], vec!["c=1", "d=1"], vec!["e=1"]]);
    assert!(pages.iter().all(|page| page.position == 5));
    let none = Query { name: "nobody".to_owned(), ..Query::default() };
    let pages = client.ask(SERVICE, "get", none).await.unwrap();
    assert_eq!(objects(&pages), [Vec::<String>::new()], "one page without objects");
}

#[tokio::test(start_paused = true)]
async fn pages_are_bounded_in_bytes() {
    let stage = Stage::new();
    let bounds = Bounds { page_bytes: 4, ..bounds() };
    let _service = stage.start_with(bounds, Arc::new(Performed::default())).await;
    let client = stage.client();
    for name in ["a", "bbbbbbbb", "c"] {
        accomplished(client.command(&tally(name), "add 1".into()).await.unwrap());
    }
    let pages = client.ask(SERVICE, "get", Query::default()).await.unwrap();
    assert_eq!(objects(&pages), [vec!["a=1"], vec!["bbbbbbbb=1"], vec!["c=1"]]);
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_for_the_position_it_asks_for() {
    let stage = Stage::new();
    let _service = stage.start().await;
    pass(Duration::from_millis(1)).await;
    let client = stage.client();
    let late = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
    };
    let query = Query { min_position: 1, ..Query::default() };
    let (pages, ()) = tokio::join!(client.ask(SERVICE, "get", query), late);
    assert_eq!(objects(&pages.unwrap()), [vec!["a=1"]]);
    let never = Query { min_position: 99, ..Query::default() };
    assert_eq!(refusal(&stage, "get", never).await, "CHS0004");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_told_to_its_asker_only() {
    let stage = Stage::new();
    let _service = stage.start().await;
    let (client, id) = (stage.client(), CommandId::new("mine"));
    let done = client.command_as(&id, &tally("a"), "add 1".into()).await.unwrap();
    assert_eq!(client.outcome(SERVICE, &id).await.unwrap(), Some(done));
    let mallory = fleetlog_kernel::Actor::new("mallory");
    let mallory = fleetlog_bus::Client::new(stage.memory.clone(), mallory, || unreachable!());
    assert_eq!(mallory.outcome(SERVICE, &id).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_hash_and_the_rows_are_those_of_the_state() {
    let stage = Stage::new();
    let service = stage.start().await;
    let client = stage.client();
    accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
    let hash = client.ask(SERVICE, "hash", Query::default()).await.unwrap().remove(0);
    assert_eq!((hash.position, hash.hash), (1, service.read(|h| h.hash())));
    let rows = client.ask(SERVICE, "rows", Query::default()).await.unwrap().remove(0);
    let keys: Vec<_> = rows.rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["head/fl.ev.registration.tally.a", "tally/a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_question_is_refused() {
    let stage = Stage::new();
    let service = stage.start().await;
    pass(Duration::from_millis(1)).await;
    assert_eq!(refusal(&stage, "sing", Query::default()).await, "CHS0003");
    let garbage = subject::query(SERVICE, &fleetlog_kernel::Actor::new("alice"), "get");
    let within = Duration::from_secs(1);
    let asked = stage.memory.request_many(&garbage, "\u{ff}\u{ff}".into(), within).await.unwrap();
    let answers: Vec<_> = asked.collect().await;
    assert_eq!(answers.len(), 1);
    let query = service.metrics.query.read();
    assert_eq!((query.received, query.handled, query.refused), (2, 0, 2));
}

fn redo(sequence: u64) -> Query {
    Query { sequence, ..Query::default() }
}

#[tokio::test(start_paused = true)]
async fn the_operator_has_a_command_handled_again_once_what_broke_it_is_mended() {
    let stage = Stage::new();
    let service = stage.start().await;
    told(&stage, "poison", 0, "panic").await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(stage.buried().await.len(), 1);
    let operator = stage.client_of("operator");
    let again = operator.ask(SERVICE, "redo", redo(1)).await;
    assert!(matches!(again, Err(ClientError::Refused(refusal)) if refusal.code == "CHS0006"));
    accomplished(stage.client().command(&tally("mended"), "add 1".into()).await.unwrap());
    for _ in 0..2 {
        let answer = operator.ask(SERVICE, "redo", redo(1)).await.unwrap().remove(0);
        accomplished(answer.outcome.unwrap());
        assert_eq!(service.read(|h| h.machine().0["a"]), 1, "it is handled once");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_handled_again_never_comes_after_something_newer() {
    let stage = Stage::new();
    let slow = Arc::new(Performed::slow(Duration::from_secs(1)));
    let service = stage.start_with(bounds(), slow).await;
    told(&stage, "poison", 0, "panic").await;
    pass(Duration::from_secs(60)).await;
    accomplished(stage.client().command(&tally("mended"), "add 1".into()).await.unwrap());
    told(&stage, "newer", 1, "add 5").await;
    pass(Duration::from_millis(500)).await;
    let operator = stage.client_of("operator");
    let answer = operator.ask(SERVICE, "redo", redo(1)).await.unwrap().remove(0);
    accomplished(answer.outcome.unwrap());
    assert_eq!(service.read(|h| h.machine().0["a"]), 5);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_what_is_handled_again_is_its_outcome() {
    let stage = Stage::new();
    let _service = stage.start().await;
    told(&stage, "nothing", 0, "add 0").await;
    pass(Duration::from_millis(1)).await;
    let operator = stage.client_of("operator");
    let answer = operator.ask(SERVICE, "redo", redo(1)).await.unwrap().remove(0);
    assert_eq!(refused(answer.outcome.unwrap()).code, "TST0001");
}

#[tokio::test(start_paused = true)]
async fn nobody_else_has_a_command_handled_again_and_none_that_is_not_there() {
    let stage = Stage::new();
    let _service = stage.start().await;
    pass(Duration::from_millis(1)).await;
    assert_eq!(refusal(&stage, "redo", redo(1)).await, "CHS0021");
    let operator = stage.client_of("operator");
    let missing = operator.ask(SERVICE, "redo", redo(7)).await;
    assert!(matches!(missing, Err(ClientError::Refused(refusal)) if refusal.code == "CHS0022"));
}
