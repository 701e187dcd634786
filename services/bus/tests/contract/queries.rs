//! Questions and what is handed over: core requests with one or several answers.

use crate::hub::{Hub, run};
use crate::samples::soon;
use bytes::Bytes;
use fleetlog_bus::{Client, ClientError, Headers, Message, Retry, SharedBroker};
use fleetlog_kernel::{Actor, CommandId, ContentHash, Service};
use fleetlog_messages::common::{Answer, BlobKept, BlobPut, Query, Refusal};
use fleetlog_messages::subject;
use futures::{StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use std::time::Duration;

fn client(broker: SharedBroker) -> Client {
    Client::new(broker, Actor::new("alice"), || CommandId::new("c-9"))
}

/// Answers every question to `work` with these pages; `end` says whether an answer is ended.
async fn answer_with(service: &SharedBroker, pages: Vec<Answer>, end: bool) {
    let filter = subject::queries_for(Service::Work);
    let mut asked = service.subscribe(&filter, Some("work")).await.unwrap();
    let service = service.clone();
    run(async move {
        while let Some(question) = asked.next().await {
            let mut payloads: Vec<Bytes> =
                pages.iter().map(|page| page.encode_to_vec().into()).collect();
            payloads.extend(end.then(Bytes::new));
            for payload in payloads {
                reply(&service, &question, payload).await;
            }
        }
    });
}

async fn reply(service: &SharedBroker, question: &Message, payload: Bytes) {
    let (subject, headers) = (question.reply.clone().unwrap(), Headers::new());
    service.send(Message { subject, headers, payload, reply: None }).await.unwrap();
}

fn page(number: u32) -> Answer {
    let objects = vec![vec![b'x'; 100_000]];
    Answer { position: 5, page: number, objects, ..Answer::default() }
}

pub async fn an_answer_of_several_pages_arrives_whole_and_in_order(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    answer_with(&service, (0..20).map(page).collect(), true).await;
    let pages = client(alice).ask(Service::Work, "get", Query::default()).await.unwrap();
    assert_eq!(pages, (0..20).map(page).collect::<Vec<_>>());
}

pub async fn a_refusal_is_an_answer(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let refusal = Refusal { code: "WRK0001".to_owned(), ..Refusal::default() };
    let page = Answer { refusal: Some(refusal.clone()), ..Answer::default() };
    answer_with(&service, vec![page], true).await;
    let error = client(alice).ask(Service::Work, "get", Query::default()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused(found) if *found == refusal), "{error}");
}

pub async fn a_question_that_nobody_answers_says_so_at_once(hub: &mut Hub) {
    let alice = hub.user("alice").await;
    let subject = subject::query(Service::Work, &Actor::new("alice"), "get");
    let asked = alice.request(&subject, Bytes::new(), Duration::from_secs(30));
    let fault = soon("the refusal", asked).await.unwrap_err();
    assert_eq!(fault.retry, Retry::NobodyThere, "{fault}");
    let error = client(alice).ask(Service::Work, "get", Query::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NobodyThere(Service::Work)), "{error}");
}

pub async fn an_answer_that_does_not_go_on_is_a_passing_fault(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    answer_with(&service, vec![page(0)], false).await;
    let subject = subject::query(Service::Work, &Actor::new("alice"), "get");
    let within = Duration::from_millis(300);
    let mut pages = alice.request_many(&subject, Bytes::new(), within).await.unwrap();
    let first = soon("a page", pages.try_next()).await.unwrap().unwrap();
    assert_eq!(Answer::decode(first.payload).unwrap(), page(0));
    let fault = soon("the end", pages.try_next()).await.unwrap_err();
    assert_eq!(fault.retry, Retry::MayHelp, "{fault}");
    assert!(soon("the end", pages.try_next()).await.unwrap().is_none());
}

pub async fn listeners_of_a_group_share_the_questions(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    answer_with(&service, vec![page(0)], true).await;
    answer_with(&service, vec![page(0)], true).await;
    for _ in 0..8 {
        let asked = client(alice.clone()).ask(Service::Work, "get", Query::default()).await;
        assert_eq!(asked.unwrap().len(), 1);
    }
}

pub async fn contents_are_handed_over_in_chunks(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let filter = subject::puts_for(Service::Work);
    let mut handed = service.subscribe(&filter, Some("work")).await.unwrap();
    run(async move {
        let mut whole = vec![];
        while let Some(message) = handed.next().await {
            let put = BlobPut::decode(message.payload.clone()).unwrap();
            whole.extend_from_slice(&put.body);
            let content = if put.chunks.is_empty() { &put.body[..] } else { &whole[..] };
            let hash = ContentHash::of(content).to_string();
            let kept = BlobKept { hash, size: content.len() as u64, ..BlobKept::default() };
            reply(&service, &message, kept.encode_to_vec().into()).await;
        }
    });
    let content = Bytes::from((0..1_300_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let hash = client(alice).put_blob(content.clone()).await.unwrap();
    assert_eq!(hash, ContentHash::of(&content));
}
