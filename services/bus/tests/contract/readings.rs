//! Ordered readings of the log: from the beginning, from a checkpoint, by kind, onwards.

use crate::hub::Hub;
use crate::samples::{appended, commit, commit_of, next, soon, stays_away, work};
use bytes::Bytes;
use fleetlog_bus::{Entry, EventLog, Publish};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::subject::{self, AggregateId};
use futures::StreamExt as _;
use futures::future::join_all;

async fn fill(log: &EventLog, count: u64) {
    let names: Vec<String> = (1..=count).map(|n| format!("w{n}")).collect();
    let appends = names.iter().map(|name| log.append(commit(name, name, 0)));
    for append in join_all(appends).await {
        appended(append.unwrap());
    }
}

pub async fn the_whole_log_comes_in_order_and_says_when_it_is_caught_up(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    fill(&log, 300).await;
    let mut reading = log.read(&subject::events(), Position::START).await.unwrap();
    assert_eq!(reading.pending, 300);
    for position in 1..=300 {
        let (commit, pending) = next(&mut reading).await;
        assert_eq!((commit.position, pending), (Position(position), 300 - position));
    }
    let empty = log.read(&subject::events(), Position(300)).await.unwrap();
    assert_eq!(empty.pending, 0);
}

pub async fn a_reading_from_a_checkpoint_begins_behind_it(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    fill(&log, 20).await;
    let mut reading = log.read(&subject::events(), Position(15)).await.unwrap();
    assert_eq!(reading.pending, 5);
    assert_eq!(next(&mut reading).await.0.position, Position(16));
}

pub async fn a_reading_follows_what_is_appended_later(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let mut reading = log.read(&subject::events(), Position::START).await.unwrap();
    assert_eq!(reading.pending, 0);
    assert!(stays_away(reading.entries.next()).await);
    for number in 1..=3 {
        let name = format!("w{number}");
        appended(log.append(commit(&name, &name, 0)).await.unwrap());
        let (commit, pending) = next(&mut reading).await;
        assert_eq!((commit.position, pending), (Position(number), 0));
        assert_eq!(commit.aggregate, work(&name));
    }
}

pub async fn a_reading_of_a_kind_leaves_out_the_others(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let set = |name: &str| AggregateId::namespaced(Service::Work, "replicaset", "ns", name);
    for name in ["a", "b", "c"] {
        let work = format!("work {name}");
        appended(log.append(commit(name, &work, 0)).await.unwrap());
        appended(log.append(commit_of(set(name), name, 0)).await.unwrap());
    }
    let sets = subject::events_of_kind(Service::Work, "replicaset");
    let mut reading = log.read(&sets, Position(2)).await.unwrap();
    assert_eq!(reading.pending, 2);
    for (name, position, left) in [("b", 4, 1), ("c", 6, 0)] {
        let (commit, pending) = next(&mut reading).await;
        assert_eq!((commit.aggregate, commit.position), (set(name), Position(position)));
        assert_eq!(pending, left);
    }
}

pub async fn a_wait_that_is_dropped_loses_nothing(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let mut reading = log.read(&subject::events(), Position::START).await.unwrap();
    for number in 1..=3 {
        assert!(stays_away(reading.entries.next()).await);
        let name = format!("w{number}");
        appended(log.append(commit(&name, &name, 0)).await.unwrap());
        assert_eq!(next(&mut reading).await.0.position, Position(number));
    }
}

pub async fn readers_do_not_disturb_each_other(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    fill(&log, 10).await;
    let other = hub.log(Service::Placement).await;
    let mut all = log.read(&subject::events(), Position::START).await.unwrap();
    let mut late = other.read(&subject::events(), Position(8)).await.unwrap();
    assert_eq!(next(&mut all).await.0.position, Position(1));
    assert_eq!(next(&mut late).await.0.position, Position(9));
    drop(all);
    assert_eq!(next(&mut late).await.0.position, Position(10));
}

pub async fn a_large_log_arrives_whole(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let body = Bytes::from(vec![b'x'; 4_096]);
    let names: Vec<String> = (0..3_000).map(|n| format!("w{n}")).collect();
    let appends = names.iter().map(|name| {
        let mut large = commit(name, name, 0);
        large.events.push(body.clone());
        large.header.types.push("filled".to_owned());
        log.append(large)
    });
    for append in join_all(appends).await {
        appended(append.unwrap());
    }
    let mut reading = log.read(&subject::events(), Position::START).await.unwrap();
    for position in 1..=3_000 {
        let (commit, _) = next(&mut reading).await;
        assert_eq!(commit.position, Position(position));
        assert_eq!(commit.events[1], body);
    }
}

pub async fn what_is_no_commit_comes_out_named_with_its_position(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    let subject = work("a").event().as_str().to_owned();
    let payload = Bytes::from_static(b"\xff\xff");
    let publish = Publish { subject: subject.clone(), payload, ..Publish::default() };
    broker.publish(publish).await.unwrap();
    let log = hub.log(Service::Work).await;
    appended(log.append(commit("b", "1", 0)).await.unwrap());
    let mut reading = log.read(&subject::events(), Position::START).await.unwrap();
    let first = soon("the entry", reading.entries.next()).await.unwrap().unwrap();
    let Entry::Malformed { position, subject: found, reason } = first.clone() else {
        panic!("{first:?}")
    };
    assert_eq!((position, found), (Position(1), subject));
    assert!(reason.contains("is missing"), "{reason}");
    let fault = first.into_commit().unwrap_err();
    assert!(fault.to_string().contains("position 1"), "{fault}");
    assert_eq!(next(&mut reading).await.0.position, Position(2));
}
