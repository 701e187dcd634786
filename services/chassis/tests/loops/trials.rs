//! Commands that are only tried: answered as their outcomes would be, and nothing comes of them.

use crate::stage::{Stage, accomplished, pass};
use crate::tally::tally;
use fleetlog_bus::{Client, ClientError, MAX_BESIDE};
use fleetlog_kernel::{Actor, Position, Service};
use fleetlog_messages::common::{Accomplished, Query, Refusal, Try, outcome};
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;

async fn tried(client: &Client, command: &'static str) -> Result<Accomplished, Refusal> {
    let said = client.try_out(&tally("a"), command.into(), vec![], Position::START).await;
    match said.unwrap() {
        outcome::Result::Accomplished(done) => Ok(done),
        outcome::Result::Refused(refusal) => Err(refusal),
    }
}

async fn stored(stage: &Arc<Stage>) -> Vec<usize> {
    let mut all = vec![];
    for stream in ["EVENTS", "CMD", "DO", "RESULT", "DLQ"] {
        all.push(stage.stored(stream).await.len());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_tried_is_answered_and_leaves_nothing_behind() {
    let stage = Stage::new();
    let service = stage.start().await;
    let client = stage.client();
    accomplished(client.command(&tally("a"), "set 3".into()).await.unwrap());
    pass(Duration::from_secs(1)).await;
    let (before, hash) = (stored(&stage).await, service.read(|hosted| hosted.hash()));
    let done = tried(&client, "add 5").await.unwrap();
    assert_eq!((done.position, done.types), (0, vec!["Added".to_owned()]));
    assert_eq!(tried(&client, "set 3").await.unwrap().types, [""; 0], "nothing would change");
    assert_eq!(tried(&client, "add 0").await.unwrap_err().code, "TST0001");
    assert_eq!(tried(&client, "sing").await.unwrap_err().code, "CHS0001");
    let broken = tried(&client, "panic").await.unwrap_err();
    assert_eq!(broken.code, "CHS0006", "{broken:?}");
    pass(Duration::from_secs(1)).await;
    assert_eq!(stored(&stage).await, before);
    assert_eq!(service.read(|hosted| hosted.hash()), hash);
    accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
    assert_eq!(service.read(|hosted| hosted.machine().0["a"]), 4, "the service lives");
}

#[tokio::test(start_paused = true)]
async fn only_users_try_and_only_on_what_there_is_now() {
    let stage = Stage::new();
    let _service = stage.start().await;
    pass(Duration::from_millis(1)).await;
    let asked = Try { command: b"add 1".to_vec(), beside: vec![] }.encode_to_vec();
    let whole = Query { kind: "tally".into(), name: "a".into(), asked, ..Query::default() };
    let code = |actor: &'static str, query: Query| {
        let client = stage.client_of(actor);
        async move {
            match client.ask(Service::Registration, "try", query).await {
                Err(ClientError::Refused(refusal)) => refusal.code,
                other => panic!("{other:?}"),
            }
        }
    };
    for other in ["service:work", "cluster:c1", "timer:work"] {
        assert_eq!(code(other, whole.clone()).await, "CHS0002", "{other}");
    }
    let wrong = [
        Query { as_of: 1, ..whole.clone() },
        Query { as_of_time: 1, ..whole.clone() },
        Query { name: String::new(), ..whole.clone() },
        Query { kind: String::new(), ..whole.clone() },
        Query { asked: vec![0xff], ..whole.clone() },
    ];
    for query in wrong {
        assert_eq!(code("alice", query).await, "CHS0002");
    }
    assert_eq!(code("alice", Query { min_position: 9, ..whole }).await, "CHS0004");
}

#[tokio::test]
async fn what_does_not_fit_a_question_is_refused_before_it_is_asked() {
    let stage = Stage::new();
    let client = Client::new(stage.memory.clone(), Actor::new("alice"), || unreachable!());
    let beside = vec![0; MAX_BESIDE + 1];
    let said = client.try_out(&tally("a"), "add 1".into(), beside, Position::START).await;
    assert!(matches!(said, Err(ClientError::TooMuch { .. })), "{said:?}");
    let command = vec![0; fleetlog_bus::MAX_COMMAND + 1].into();
    let said = client.try_out(&tally("a"), command, vec![], Position::START).await;
    assert!(matches!(said, Err(ClientError::TooLarge { .. })), "{said:?}");
}
