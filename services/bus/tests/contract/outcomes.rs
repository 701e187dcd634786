//! Outcomes of users' commands: heard at once, kept, asked for later, and only by their user.

use crate::hub::{Hub, run};
use crate::samples::{soon, stays_away, work};
use crate::watched::{Call, Fate, Watched};
use bytes::Bytes;
use fleetlog_bus::{Client, ClientError, Headers, MAX_COMMAND, Message, Outcomes, SharedBroker};
use fleetlog_kernel::{Actor, CommandId, Service};
use fleetlog_messages::common::{Accomplished, Answer, Outcome, Query, outcome};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use prost::Message as _;

fn accomplished(command: &str, position: u64) -> Outcome {
    let types = vec!["changed".to_owned()];
    let result = outcome::Result::Accomplished(Accomplished { position, types });
    Outcome { command: command.to_owned(), result: Some(result) }
}

pub async fn an_outcome_is_heard_by_its_user_and_kept(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let (id, outcomes) = (CommandId::new("c-1"), Outcomes::new(service));
    assert_eq!(outcomes.find("alice", &id).await.unwrap(), None);
    let mut heard = alice.subscribe(&subject::outcome("alice", &id), None).await.unwrap();
    outcomes.record("alice", &accomplished("c-1", 7)).await.unwrap();
    let message = soon("the outcome", heard.next()).await.unwrap();
    assert_eq!(Outcome::decode(message.payload).unwrap(), accomplished("c-1", 7));
    assert!(message.headers.contains_key(header::OUTCOME));
    let kept = outcomes.find("alice", &id).await.unwrap();
    assert_eq!(kept, Some(accomplished("c-1", 7)));
}

pub async fn an_outcome_recorded_again_replaces_itself(hub: &mut Hub) {
    let outcomes = Outcomes::new(hub.service(Service::Work).await);
    let id = CommandId::new("c-1");
    for _ in 0..3 {
        outcomes.record("alice", &accomplished("c-1", 7)).await.unwrap();
    }
    assert_eq!(outcomes.find("alice", &id).await.unwrap(), Some(accomplished("c-1", 7)));
    assert_eq!(outcomes.find("bob", &id).await.unwrap(), None);
}

pub async fn outcomes_of_others_are_not_heard(hub: &mut Hub) {
    let (bob, service) = (hub.user("bob").await, hub.service(Service::Work).await);
    let mut heard = bob.subscribe(&subject::outcomes_of(&Actor::new("bob")), None).await.unwrap();
    let outcomes = Outcomes::new(service);
    outcomes.record("alice", &accomplished("c-1", 1)).await.unwrap();
    outcomes.record("bob", &accomplished("c-2", 2)).await.unwrap();
    let message = soon("bob's outcome", heard.next()).await.unwrap();
    assert_eq!(Outcome::decode(message.payload).unwrap().command, "c-2");
    assert!(stays_away(heard.next()).await);
}

/// Takes one command and records its outcome, before or after `heard` says so.
async fn decide_one(service: &SharedBroker) {
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let delivery = queue.next().await.unwrap();
    let id = delivery.message().headers[header::COMMAND].clone();
    let outcomes = Outcomes::new(service.clone());
    outcomes.record("alice", &accomplished(&id, 4)).await.unwrap();
    delivery.ack().await.unwrap();
}

fn client(broker: SharedBroker) -> Client {
    Client::new(broker, Actor::new("alice"), || CommandId::new("c-9"))
}

pub async fn a_client_gets_the_outcome_of_its_command(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    run(async move { decide_one(&service).await });
    let outcome = client(alice).command(&work("shop"), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(outcome, accomplished("c-9", 4));
}

/// Answers questions about outcomes, as a service does.
async fn answering(service: SharedBroker) {
    let outcomes = Outcomes::new(service.clone());
    let filter = subject::queries_for(Service::Work);
    let mut asked = service.subscribe(&filter, Some("work")).await.unwrap();
    run(async move {
        while let Some(question) = asked.next().await {
            let id = CommandId::new(Query::decode(question.payload).unwrap().command);
            let outcome = outcomes.find("alice", &id).await.unwrap();
            let answer = Answer { position: 4, outcome, ..Answer::default() };
            for payload in [answer.encode_to_vec().into(), Bytes::new()] {
                let (subject, headers) = (question.reply.clone().unwrap(), Headers::new());
                let page = Message { subject, headers, payload, reply: None };
                service.send(page).await.unwrap();
            }
        }
    });
}

pub async fn a_client_that_missed_an_outcome_asks_for_it(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let outcomes = Outcomes::new(service.clone());
    outcomes.record("alice", &accomplished("c-9", 4)).await.unwrap();
    answering(service).await;
    let outcome = client(alice).outcome(Service::Work, &CommandId::new("c-9")).await.unwrap();
    assert_eq!(outcome, Some(accomplished("c-9", 4)));
}

pub async fn a_caller_that_hears_nothing_any_more_learns_its_outcome(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let watched = Watched::over(alice);
    watched.deafen();
    answering(service.clone()).await;
    run(async move { decide_one(&service).await });
    let outcome = client(watched).command(&work("shop"), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(outcome, accomplished("c-9", 4));
}

pub async fn a_command_whose_answer_is_lost_is_sent_again_and_counts_once(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let watched = Watched::over(alice);
    let mut lost = false;
    watched.judge(move |_| match std::mem::replace(&mut lost, true) {
        false => Fate::LoseAnswer,
        true => Fate::Pass,
    });
    let deciding = service.clone();
    run(async move { decide_one(&deciding).await });
    let outcome = client(watched.clone()).command(&work("shop"), Bytes::from_static(b"x")).await;
    assert_eq!(outcome.unwrap(), accomplished("c-9", 4));
    assert_eq!(watched.calls(), [Call::Plain; 2]);
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    assert!(stays_away(queue.next()).await, "it lies in CMD once");
    watched.judge(|_| Fate::LoseAnswer);
    let error = client(watched.clone()).command(&work("shop"), Bytes::new()).await.unwrap_err();
    assert!(matches!(error, ClientError::Fault(_)), "{error}");
    assert_eq!(watched.calls().len(), 2 + 3, "a bounded number of times");
}

pub async fn a_command_that_is_too_large_is_refused_before_it_is_sent(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let payload = Bytes::from(vec![0; MAX_COMMAND + 1]);
    let error = client(alice).command(&work("shop"), payload).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { .. }), "{error}");
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    assert!(stays_away(queue.next()).await);
}
