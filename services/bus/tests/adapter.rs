//! What only the JetStream adapter has: a server that is away or silent, users that are refused,
//! forbidden subjects, credentials that are renewed while connected.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use bytes::Bytes;
use fleetlog_bus::{
    AgentLink, Commands, Credentials, Delivery, JetStream, Publish, PublishError, Retry,
    SharedBroker, Signed, Works,
};
use fleetlog_kernel::{Actor, ClusterName, CommandId, Service, Timestamp};
use fleetlog_messages::common::Time;
use fleetlog_messages::subject::{self, AggregateId, Report, Subject};
use fleetlog_test_support::{MADE, TestHub, eventually};
use fleetlog_topology::SpaceConfig;
use futures::StreamExt as _;
use nkeys::KeyPair;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

fn cluster() -> ClusterName {
    ClusterName::parse("c1").unwrap()
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_passing_fault_within_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", silent.local_addr().unwrap());
    let (jwt, seed) = (String::new(), KeyPair::new_user().seed().unwrap());
    let since = Instant::now();
    let fault = JetStream::connect(&url, Credentials { jwt, seed }, "x").await.err().unwrap();
    assert_eq!(fault.retry, Retry::MayHelp, "{fault}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_user_that_is_not_let_in_is_a_lasting_fault() {
    let hub = TestHub::start().await.unwrap();
    let good = hub.agent_credentials("c1").unwrap();
    let seed = KeyPair::new_user().seed().unwrap();
    for bad in [Credentials { seed, ..good.clone() }, Credentials { seed: "S".into(), ..good }] {
        let fault = JetStream::connect(hub.url(), bad, "c1").await.err().unwrap();
        assert_eq!(fault.retry, Retry::Useless, "{fault}");
    }
}

#[tokio::test]
async fn a_forbidden_subject_is_named_at_once() {
    let hub = TestHub::start().await.unwrap();
    let (work, agent) = (hub.service(Service::Work).await.unwrap(), hub.agent("c1").await.unwrap());
    let since = Instant::now();
    let subject = "fl.ev.placement.placement.ns.p".to_owned();
    let error = work.publish(Publish { subject: subject.clone(), ..Publish::default() }).await;
    assert!(matches!(error, Err(PublishError::Refused(text)) if text.contains(&subject)));
    let foreign = subject::live(&ClusterName::parse("c2").unwrap());
    let fault = agent.subscribe(&foreign, None).await.err().unwrap();
    assert_eq!(fault.retry, Retry::Useless);
    assert!(fault.to_string().contains(foreign.as_str()), "{fault}");
    let question = Subject::raw("fl.qry.work.c1.get");
    let asked = agent.request(&question, Bytes::new(), Duration::from_secs(60)).await;
    assert_eq!(asked.unwrap_err().retry, Retry::Useless);
    let asked = agent.request_many(&question, Bytes::new(), Duration::from_secs(60)).await;
    assert_eq!(asked.err().unwrap().retry, Retry::Useless);
    let fault = agent.last("EVENTS", &subject::events()).await.unwrap_err();
    assert_eq!(fault.retry, Retry::Useless);
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_server_that_may_store_no_more_says_so_and_keeps_what_it_has() {
    let mib = 1 << 20;
    let free = Arc::new(move |_: &Path| Some(20 * mib));
    let space = SpaceConfig { reserve: 18 * mib, free, ..SpaceConfig::default() };
    let hub = TestHub::start_leaving(space).await.unwrap();
    let work = hub.service(Service::Work).await.unwrap();
    let message = |name: &str| Publish {
        subject: format!("fl.work.c1.{name}"),
        payload: vec![7; 400_000].into(),
        ..Publish::default()
    };
    work.publish(message("first")).await.unwrap();
    let mut taken = 1;
    let error = loop {
        match work.publish(message(&format!("next-{taken}"))).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1_000, "2 MiB took {taken} messages");
    };
    assert_eq!(error, PublishError::NoSpace);
    let events = ["a", "b"].map(|name| Publish {
        subject: format!("fl.ev.work.manifestwork.c1.{name}"),
        ..Publish::default()
    });
    let refused = work.publish_atomic(events.to_vec()).await;
    assert_eq!(refused, Err(PublishError::NoSpace));
    assert_eq!(work.last("EVENTS", &subject::events()).await.unwrap(), None);
    let first = Subject::raw("fl.work.c1.first");
    assert!(work.last("WORK", &first).await.unwrap().is_some());
    let lease = Publish { subject: "fl.lead.work".to_owned(), ..Publish::default() };
    work.publish(lease).await.unwrap();
}

async fn publish(work: &SharedBroker, text: &str) {
    let payload = Bytes::from(text.to_owned());
    let signed = Signed { payload, signature: "x".to_owned(), generation: 1 };
    Works::new(work.clone()).publish("c1", "shop", signed).await.unwrap();
}

/// The server's clock, as it stamps a delivery.
async fn server_time(work: &SharedBroker, agent: &SharedBroker) -> Timestamp {
    let mut live = agent.subscribe(&subject::live(&cluster()), None).await.unwrap();
    publish(work, "what time is it").await;
    let message = live.next().await.unwrap();
    Timestamp::of_seconds(Time::parse(&message.headers["Nats-Time-Stamp"]).unwrap().seconds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_credential_takes_over_when_the_old_one_ends() {
    let hub = TestHub::start().await.unwrap();
    let work = hub.service(Service::Work).await.unwrap();
    let start = server_time(&work, &hub.agent("c1").await.unwrap()).await;
    let (role, key) = (hub.identity().unwrap().agent_role().unwrap(), KeyPair::new_user());
    let handshakes = Arc::new(AtomicU64::new(0));
    let counted = handshakes.clone();
    let source = move || {
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        let expires = start.plus(Duration::from_secs(2 * number));
        let jwt = role.mint("c1", &key.public_key(), MADE, expires).unwrap();
        Credentials { jwt, seed: key.seed().unwrap() }
    };
    let agent =
        JetStream::connect_renewable(hub.url(), Arc::new(source), "c1", None).await.unwrap();
    let link = AgentLink::new(agent, cluster());
    let mut live = link.live().await.unwrap();
    let again = async || (handshakes.load(Ordering::SeqCst) >= 3).then_some(());
    eventually("the third handshake", again).await.unwrap();
    let reported = async || link.report(&Report::Cluster, Bytes::new()).await.ok();
    eventually("a report is taken", reported).await.unwrap();
    let heard = async || {
        publish(&work, "after all that").await;
        let next = tokio::time::timeout(Duration::from_millis(200), live.next()).await;
        next.ok().flatten().filter(|delivery| delivery.payload == "after all that")
    };
    eventually("a delivery is heard", heard).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_hand_when_the_connection_broke_comes_again_at_once() {
    let mut hub = TestHub::start().await.unwrap();
    let work = hub.service(Service::Work).await.unwrap();
    let to = AggregateId::namespaced(Service::Work, "manifestwork", "c1", "shop");
    let (ann, id) = (Actor::new("ann"), CommandId::new("1"));
    let commands = Commands::new(hub.user("ann").await.unwrap());
    commands.send(&ann, &to, &id, Bytes::new()).await.unwrap();
    let mut queue = work.queue("CMD", "cmd-work").await.unwrap();
    let in_hand = queue.next().await.unwrap();
    let since = Instant::now();
    hub.restart().await.unwrap();
    let again = queue.next().await.unwrap();
    let sequence = |delivery: &dyn Delivery| delivery.message().sequence;
    assert_eq!((sequence(&*again), again.deliveries()), (sequence(&*in_hand), 2));
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_questions_of_one_agent_stay_within_its_subscriptions() {
    let hub = TestHub::start().await.unwrap();
    let work = hub.service(Service::Work).await.unwrap();
    let mut asked = work.subscribe(&subject::asks("blob"), Some("work")).await.unwrap();
    let agent = AgentLink::new(hub.agent("c1").await.unwrap(), cluster());
    let _live = agent.live().await.unwrap();
    let hash = fleetlog_kernel::ContentHash::of(b"x");
    let fetches = futures::future::join_all((0..40).map(|_| agent.blob(&hash)));
    let answers = async {
        for _ in 0..40 {
            let request = asked.next().await.unwrap();
            for payload in [Bytes::from_static(b"x"), Bytes::new()] {
                let (subject, headers) = (request.reply.clone().unwrap(), Default::default());
                let message = fleetlog_bus::Message { subject, headers, payload, reply: None };
                work.send(message).await.unwrap();
            }
        }
    };
    let (fetched, ()) = tokio::join!(fetches, answers);
    for blob in fetched {
        assert_eq!(blob.unwrap(), Some(Bytes::from_static(b"x")));
    }
}
