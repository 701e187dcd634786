//! TIMER: a deadline fires once, the newest of an aggregate, also one that is over already.

use crate::hub::Hub;
use crate::samples::{soon, stays_away};
use bytes::Bytes;
use fleetlog_bus::{Delivery, Publish, PublishError, Queue, Timers};
use fleetlog_kernel::{Position, Service, Timestamp};
use fleetlog_messages::subject::AggregateId;

const LONG_AGO: Timestamp = Timestamp::of_seconds(1_000_000_000);
const FAR_AWAY: Timestamp = Timestamp::of_seconds(4_000_000_000);

fn whom(name: &str) -> AggregateId {
    AggregateId::namespaced(Service::Placement, "placement", "ns", name)
}

async fn due(hub: &Hub) -> Box<dyn Queue> {
    let service = hub.service(Service::Placement).await;
    service.queue("TIMER", "due-placement").await.unwrap()
}

async fn next(queue: &mut Box<dyn Queue>) -> Box<dyn Delivery> {
    soon("the timer", queue.next()).await.unwrap()
}

pub async fn a_timer_fires_once_with_what_it_was_given(hub: &mut Hub) {
    let timers = Timers::new(hub.service(Service::Placement).await);
    let mut queue = due(hub).await;
    timers.set(&whom("p"), LONG_AGO, Position(7), Bytes::from_static(b"look")).await.unwrap();
    let delivery = next(&mut queue).await;
    let message = delivery.message();
    assert_eq!(AggregateId::of_timer_due(&message.subject), Some(whom("p")));
    assert_eq!(message.payload, "look");
    let header = |name: &str| message.headers.get(name).map(String::as_str);
    assert_eq!((header("Fl-Cause"), header("Fl-Due")), (Some("7"), Some("1000000000")));
    assert_eq!(header("Nats-Scheduler"), Some(whom("p").timer_set().as_str()));
    assert_eq!(header("Nats-Schedule"), None, "it is no schedule any more");
    delivery.ack().await.unwrap();
    assert!(stays_away(queue.next()).await);
}

pub async fn a_newer_timer_takes_the_place_of_an_older(hub: &mut Hub) {
    let timers = Timers::new(hub.service(Service::Placement).await);
    let mut queue = due(hub).await;
    let set = async |name: &str, at: Timestamp, payload: &'static str| {
        timers.set(&whom(name), at, Position(1), Bytes::from_static(payload.as_bytes())).await
    };
    set("p", FAR_AWAY, "far").await.unwrap();
    set("q", FAR_AWAY, "never").await.unwrap();
    set("p", LONG_AGO, "now").await.unwrap();
    let delivery = next(&mut queue).await;
    assert_eq!(delivery.message().payload, "now");
    delivery.ack().await.unwrap();
    assert!(stays_away(queue.next()).await);
}

pub async fn a_schedule_stays_in_a_stream_that_takes_them(hub: &mut Hub) {
    let broker = hub.service(Service::Placement).await;
    let publish = |subject: &str, target: &str| Publish {
        subject: subject.to_owned(),
        headers: [
            ("Nats-Schedule".to_owned(), "@at 2001-09-09T01:46:40Z".to_owned()),
            ("Nats-Schedule-Target".to_owned(), target.to_owned()),
        ]
        .into(),
        ..Publish::default()
    };
    let set = "fl.timer.set.placement.placement.ns.p";
    for (subject, target) in [
        (set, set),
        (set, "fl.timer.due.>"),
        (set, "fl.do.work.placement.x.y"),
        ("fl.ev.placement.placement.ns.p", "fl.ev.placement.placement.ns.q"),
    ] {
        let refused = broker.publish(publish(subject, target)).await;
        assert!(matches!(refused, Err(PublishError::Refused(_))), "{target}: {refused:?}");
    }
}
