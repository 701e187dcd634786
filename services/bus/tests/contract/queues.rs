//! Work queues on CMD and DO: explicit acknowledgement, redelivery, sharing, what is in hand.

use crate::hub::Hub;
use crate::samples::{soon, stays_away, told, work};
use bytes::Bytes;
use fleetlog_bus::{Commands, Delivery, LastTold, Queue, Retry, SharedBroker};
use fleetlog_kernel::{Actor, CommandId, Position, Service};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::AggregateId;
use fleetlog_test_support::eventually;
use std::time::Duration;

async fn next(queue: &mut Box<dyn Queue>) -> Box<dyn Delivery> {
    soon("a delivery", queue.next()).await.unwrap()
}

async fn send(broker: &SharedBroker, name: &str) -> u64 {
    let (alice, id) = (Actor::new("alice"), CommandId::new(name));
    let payload = Bytes::from(name.to_owned());
    Commands::new(broker.clone()).send(&alice, &work(name), &id, payload).await.unwrap()
}

pub async fn a_users_command_reaches_its_service_once(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let sequence = send(&alice, "shop").await;
    assert_eq!(send(&alice, "shop").await, sequence);
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let delivery = next(&mut queue).await;
    let message = delivery.message();
    assert_eq!((message.sequence, delivery.deliveries()), (sequence, 1));
    let found = AggregateId::of_command(&message.subject);
    assert_eq!(found, Some((work("shop"), Actor::new("alice"))));
    assert_eq!(message.headers.get(header::COMMAND).map(String::as_str), Some("shop"));
    assert_eq!(message.payload, Bytes::from_static(b"shop"));
    delivery.ack().await.unwrap();
    assert!(stays_away(queue.next()).await);
    let other = hub.service(Service::Placement).await;
    let mut others = other.queue("CMD", "cmd-placement").await.unwrap();
    assert!(stays_away(others.next()).await);
}

pub async fn a_told_command_carries_its_cause_and_is_stored_once(hub: &mut Hub) {
    let commands = Commands::new(hub.service(Service::Placement).await);
    let command = told(work("shop"), 7, 1);
    let sequence = commands.tell(Service::Placement, command.clone()).await.unwrap();
    assert_eq!(commands.tell(Service::Placement, command.clone()).await.unwrap(), sequence);
    let service = hub.service(Service::Work).await;
    let mut queue = service.queue("DO", "do-work").await.unwrap();
    let delivery = next(&mut queue).await;
    let message = delivery.message();
    let found = AggregateId::of_told(&message.subject);
    assert_eq!(found, Some((work("shop"), Service::Placement)));
    let header = |name| message.headers.get(name).map(String::as_str);
    assert_eq!((header(header::CAUSE), header(header::INDEX)), (Some("7"), Some("1")));
    assert_eq!(header(header::COMMAND), Some(command.id.as_str()));
    delivery.ack().await.unwrap();
    assert!(stays_away(queue.next()).await);
}

pub async fn a_services_checkpoint_is_in_what_it_told_last(hub: &mut Hub) {
    let commands = Commands::new(hub.service(Service::Placement).await);
    assert_eq!(commands.last_told_by(Service::Placement).await.unwrap(), None);
    let set = AggregateId::global(Service::Registration, "clusterset", "default");
    for (cause, to) in [(3, work("a")), (9, set)] {
        commands.tell(Service::Placement, told(to, cause, 0)).await.unwrap();
    }
    let last = commands.last_told_by(Service::Placement).await.unwrap();
    assert_eq!(last, Some(LastTold { reacted: Position(9), cause: Position(9) }));
    assert_eq!(commands.last_told_by(Service::Work).await.unwrap(), None);
}

pub async fn what_is_not_handled_comes_again(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let first = send(&alice, "a").await;
    let second = send(&alice, "b").await;
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let delivery = next(&mut queue).await;
    assert_eq!(delivery.message().sequence, first);
    delivery.again(Duration::ZERO).await.unwrap();
    let mut seen = vec![];
    for _ in 0..2 {
        let delivery = next(&mut queue).await;
        seen.push((delivery.message().sequence, delivery.deliveries()));
        delivery.ack().await.unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, [(first, 2), (second, 1)]);
    assert!(stays_away(queue.next()).await);
}

pub async fn what_comes_again_later_waits_as_long_as_it_was_told(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    send(&alice, "a").await;
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let delay = Duration::from_millis(800);
    next(&mut queue).await.again(delay).await.unwrap();
    assert!(stays_away(queue.next()).await);
    let delivery = next(&mut queue).await;
    assert_eq!(delivery.deliveries(), 2);
    delivery.ack().await.unwrap();
}

pub async fn a_new_reader_takes_over_what_was_given_back(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let sequence = send(&alice, "a").await;
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let delivery = next(&mut queue).await;
    drop(queue);
    delivery.again(Duration::ZERO).await.unwrap();
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let delivery = next(&mut queue).await;
    assert_eq!((delivery.message().sequence, delivery.deliveries()), (sequence, 2));
    delivery.ack().await.unwrap();
}

pub async fn a_new_reader_gets_at_once_what_an_earlier_one_had_in_hand(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let mut sent = vec![];
    for name in ["a", "b", "c"] {
        sent.push(send(&alice, name).await);
    }
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let _never_settled = next(&mut queue).await;
    next(&mut queue).await.ack().await.unwrap();
    let _neither = next(&mut queue).await;
    drop(queue);
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    for sequence in [sent[0], sent[2]] {
        let delivery = next(&mut queue).await;
        assert_eq!((delivery.message().sequence, delivery.deliveries()), (sequence, 2));
        delivery.ack().await.unwrap();
    }
    assert!(stays_away(queue.next()).await);
}

pub async fn readers_of_a_queue_share_it(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let mut one = service.queue("CMD", "cmd-work").await.unwrap();
    let mut other = service.queue("CMD", "cmd-work").await.unwrap();
    let mut sent = vec![];
    for name in ["a", "b", "c", "d"] {
        sent.push(send(&alice, name).await);
    }
    let mut seen = vec![];
    while seen.len() < sent.len() {
        let delivery = soon("a delivery", async {
            tokio::select! {
                delivery = one.next() => delivery.unwrap(),
                delivery = other.next() => delivery.unwrap(),
            }
        })
        .await;
        seen.push(delivery.message().sequence);
        delivery.ack().await.unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, sent);
    assert!(stays_away(one.next()).await);
    assert!(stays_away(other.next()).await);
}

pub async fn what_is_in_hand_is_known(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let in_hand = async || service.in_hand("CMD", "cmd-work").await.unwrap();
    assert_eq!(in_hand().await, (0, 0));
    let first = send(&alice, "a").await;
    let second = send(&alice, "b").await;
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    let (one, two) = (next(&mut queue).await, next(&mut queue).await);
    assert_eq!(in_hand().await, (0, second));
    one.ack().await.unwrap();
    let settled = async || (in_hand().await == (first, second)).then_some(());
    eventually("the first is out of hand", settled).await.unwrap();
    two.ack().await.unwrap();
    let settled = async || (in_hand().await == (second, second)).then_some(());
    eventually("nothing is in hand", settled).await.unwrap();
}

pub async fn a_queue_that_topology_did_not_make_is_refused(hub: &mut Hub) {
    let operator = hub.operator().await;
    for (stream, durable) in [("CMD", "cmd-nobody"), ("NONE", "cmd-work")] {
        let fault = operator.queue(stream, durable).await.err().unwrap();
        assert_eq!(fault.retry, Retry::Useless, "{fault}");
    }
}
