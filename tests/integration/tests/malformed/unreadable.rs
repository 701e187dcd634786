//! A log that cannot be read: every service that must understand the commit stops and names its
//! position, again after a restart; others go on. Registration's user alone may write such a one.

use crate::stage::{Stage, start_registration};
use bytes::Bytes;
use fleetlog_bus::{Client, Headers, Publish};
use fleetlog_chassis::Tasks;
use fleetlog_kernel::{Actor, CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::common::{Commit, Query};
use fleetlog_messages::envelope::{CommitHeader, header};
use fleetlog_messages::subject::AggregateId;
use fleetlog_registration::{cluster_id, set_id};
use fleetlog_test_support::eventually;
use futures::FutureExt as _;
use prost::Message as _;

/// Appends as registration's user; answers the position.
async fn append(stage: &Stage, to: &AggregateId, headers: Headers, payload: Bytes) -> Position {
    let broker = stage.hub.service(Service::Registration).await.unwrap();
    let subject = to.event().as_str().to_owned();
    let publish = Publish { subject, headers, payload, ..Publish::default() };
    Position(broker.publish(publish).await.unwrap().sequence)
}

/// A commit that is whole, with an event of a case that nobody here knows.
fn of_a_later_release(schema: &str) -> (Headers, Bytes) {
    let header = CommitHeader {
        id: MessageId::new("later"),
        types: vec!["SomethingNew".to_owned()],
        schema: schema.to_owned(),
        version: 1,
        cause: Position::START,
        cause_index: 0,
        command: CommandId::new("later"),
        correlation: "later".to_owned(),
        actor: "alice".to_owned(),
        time: Timestamp::of_seconds(1_700_000_000),
        service: Service::Registration,
    };
    let commit = Commit { events: vec![Bytes::new()] };
    (header.to_map(), commit.encode_to_vec().into())
}

/// Who does not heed what happens to cluster sets.
const HEEDLESS: [Service; 3] = [Service::Work, Service::Addon, Service::Core];

/// Waits until a task of the service fails; answers how.
async fn failure(service: Service, tasks: &Tasks) -> String {
    let failed = async || tasks.join().now_or_never();
    let ended = eventually(&format!("{service} stops"), failed).await.unwrap();
    ended.expect_err("it failed").to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_no_commit_stops_every_service_by_its_position() {
    let stage = Stage::start().await;
    let noise = Bytes::from_static(b"\xff\xff\xff");
    let position = append(&stage, &cluster_id("c9"), Headers::new(), noise).await;
    for (service, tasks) in &stage.tasks {
        let failure = failure(*service, tasks).await;
        assert!(failure.starts_with("task \"project\" failed"), "{service}: {failure}");
        assert!(failure.contains("CHS0032"), "{service}: {failure}");
        let named =
            format!("the commit at position {position} of \"fl.ev.registration.cluster.c9\"");
        assert!(failure.contains(&named), "{service}: {failure}");
        assert!(failure.contains(&format!("\"{}\" is missing", header::TYPES)), "{failure}");
    }
    let again = Tasks::default();
    let context = start_registration(&stage.hub, again.clone()).await;
    let failure = failure(Service::Registration, &again).await;
    assert!(failure.contains(&format!("position {position} ")), "{failure}");
    assert!(context.read(|hosted| hosted.position()) < position);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_later_release_stops_every_service_that_heeds_its_kind() {
    let stage = Stage::start().await;
    let (headers, payload) = of_a_later_release("fleetlog.registration.v1.ClusterEvent");
    let position = append(&stage, &cluster_id("c9"), headers, payload).await;
    // What is no object in a namespace is nothing to core.
    let heeding = stage.tasks.iter().filter(|(service, _)| *service != Service::Core);
    for (service, tasks) in heeding {
        let failure = failure(*service, tasks).await;
        let named = format!("the commit at position {position} of \"cluster/c9\"");
        assert!(failure.contains(&named), "{service}: {failure}");
        assert!(failure.contains("fleetlog.registration.v1.ClusterEvent"), "{failure}");
        assert!(failure.contains("CHS0031"), "{service}: {failure}");
        assert!(failure.contains("holds \"SomethingNew\" of "), "{service}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_need_not_understand_a_commit_goes_on() {
    let stage = Stage::start().await;
    let (headers, payload) = of_a_later_release("fleetlog.registration.v1.ClusterSetEvent");
    let position = append(&stage, &set_id("later"), headers, payload).await;
    for (service, tasks) in &stage.tasks {
        if !HEEDLESS.contains(service) {
            let failure = failure(*service, tasks).await;
            let named = format!("the commit at position {position} of \"clusterset/later\"");
            assert!(failure.contains(&named), "{service}: {failure}");
        }
    }
    let broker = stage.hub.user("alice").await.unwrap();
    let alice = Client::new(broker, Actor::new("alice"), || CommandId::new("none"));
    let question = Query { min_position: position.0, ..Query::default() };
    for goes_on in HEEDLESS {
        let answer = alice.ask(goes_on, "hash", question.clone()).await.unwrap();
        assert!(answer[0].position >= position.0, "{answer:?}");
        let (_, tasks) = stage.tasks.iter().find(|(service, _)| *service == goes_on).unwrap();
        assert!(tasks.join().now_or_never().is_none(), "{goes_on}");
    }
}
