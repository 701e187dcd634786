//! A restart of the server: what outlives it, and what says that it did not.

use crate::hub::Hub;
use crate::samples::{appended, commit, next, soon, stays_away, work};
use bytes::Bytes;
use fleetlog_bus::{Append, Commands, EventLog, LeaseNews, Leases, Retry};
use fleetlog_kernel::{Actor, ClusterName, CommandId, Position, Service};
use fleetlog_messages::subject;
use fleetlog_test_support::eventually;
use futures::StreamExt as _;
use std::time::Duration;

/// Appends as a service does: until somebody knows.
async fn append(log: &EventLog, name: &str) -> u64 {
    let known = async || match log.append(commit(name, name, 0)).await.unwrap() {
        Append::Appended(position) | Append::AlreadyAppended(position) => Some(position.0),
        Append::Unknown(_) => None,
        Append::Conflict(position) => panic!("a conflict at {position}"),
    };
    eventually("the append is known", known).await.unwrap()
}

pub async fn the_log_and_its_readings_outlive_a_restart_of_the_server(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let mut reading = log.read(&subject::events(), Position::START).await.unwrap();
    appended(log.append(commit("a", "a", 0)).await.unwrap());
    assert_eq!(next(&mut reading).await.0.position, Position(1));
    hub.restart().await;
    assert_eq!(append(&log, "b").await, 2);
    assert_eq!(next(&mut reading).await.0.position, Position(2));
    let retried = async || match log.append(commit("a", "a", 0)).await.unwrap() {
        Append::Unknown(_) => None,
        known => Some(known),
    };
    let retried = eventually("the retry is known", retried).await.unwrap();
    assert_eq!(retried, Append::AlreadyAppended(Position(1)));
    assert_eq!(log.last(&work("b")).await.unwrap().unwrap().position, Position(2));
}

pub async fn a_reading_of_a_log_that_lost_its_end_says_so_and_does_not_wait(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    for name in ["a", "b"] {
        append(&log, name).await;
    }
    let copy = hub.copy().await;
    let mut reading = log.read(&subject::events(), Position::START).await.unwrap();
    append(&log, "c").await;
    for position in 1..=3 {
        assert_eq!(next(&mut reading).await.0.position, Position(position));
    }
    assert!(log.id_at(Position(3)).await.unwrap().is_some());
    hub.restart_from(&copy).await;
    let ended = soon("the end", reading.entries.next()).await.unwrap().unwrap_err();
    assert_eq!(ended.retry, Retry::MayHelp, "{ended}");
    let end = async || log.end().await.ok();
    assert_eq!(eventually("the server answers", end).await.unwrap(), Position(2));
    assert_eq!(log.id_at(Position(3)).await.unwrap(), None);
    assert!(log.id_at(Position(2)).await.unwrap().is_some());
}

pub async fn a_restart_of_the_server_is_told_as_a_loss(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    for _ in 0..2 {
        let mut lost = std::pin::pin!(broker.lost());
        assert!(stays_away(&mut lost).await);
        hub.restart().await;
        soon("the loss", lost).await;
        let found = async || broker.last("EVENTS", &subject::events()).await.ok();
        assert_eq!(eventually("the server answers", found).await.unwrap(), None);
    }
}

pub async fn a_queue_outlives_a_restart_of_the_server(hub: &mut Hub) {
    let (alice, service) = (hub.user("alice").await, hub.service(Service::Work).await);
    let commands = Commands::new(alice);
    let actor = Actor::new("alice");
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    for (name, restart) in [("a", false), ("b", true), ("c", false)] {
        if restart {
            hub.restart().await;
        }
        let id = CommandId::new(name);
        let sent = async || {
            let sent = commands.send(&actor, &work(name), &id, Bytes::new()).await;
            sent.inspect_err(|fault| assert_eq!(fault.retry, Retry::MayHelp, "{fault}")).ok()
        };
        let sequence = eventually("the command is taken", sent).await.unwrap();
        let delivery = soon("the command", queue.next()).await.unwrap();
        assert_eq!(delivery.message().sequence, sequence);
        delivery.ack().await.unwrap();
    }
}

pub async fn leases_do_not_outlive_a_restart_and_their_readings_say_so(hub: &mut Hub) {
    let leases = Leases::new(hub.service(Service::Registration).await);
    let cluster = ClusterName::parse("c1").unwrap();
    leases.beat(&cluster, Duration::from_secs(60)).await.unwrap();
    let mut changes = leases.watch().await.unwrap();
    soon("the beat", changes.next()).await.unwrap().unwrap();
    hub.restart().await;
    let ended = soon("the end", changes.next()).await.unwrap().unwrap_err();
    assert_eq!(ended.retry, Retry::MayHelp, "{ended}");
    assert!(soon("the end", changes.next()).await.is_none());
    let current = async || leases.current().await.ok();
    assert_eq!(eventually("leases are listed", current).await.unwrap(), []);
    let mut anew = leases.watch().await.unwrap();
    leases.beat(&cluster, Duration::from_secs(60)).await.unwrap();
    let beat = soon("the beat", anew.next()).await.unwrap().unwrap();
    assert!(matches!(beat, LeaseNews::Changed(beat) if beat.cluster == cluster));
}
