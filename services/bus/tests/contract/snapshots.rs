//! SNAP and DLQ: what may be thrown away, and what must not be.

use crate::hub::Hub;
use crate::samples::{appended, commit, stays_away};
use bytes::Bytes;
use fleetlog_bus::{DeadLetters, Edition, LetterUse, SNAP_BUCKET, Snapshots, encode_snapshot};
use fleetlog_kernel::{CommandId, Service, Timestamp};
use fleetlog_messages::common::{DeadLetter, Row, Snapshot};
use fleetlog_messages::subject;
use prost::Message as _;
use std::ops::RangeInclusive;

const NOW: Edition = Edition { format: 1, version: 1, since: 0 };
const ANYWHERE: RangeInclusive<u64> = 0..=u64::MAX;

fn snapshot(position: u64, size: usize) -> Snapshot {
    let row = Row { key: "a".to_owned(), value: vec![7; size] };
    Snapshot {
        format: 1,
        service: "work".to_owned(),
        position,
        rows: vec![row],
        hash: "h".to_owned(),
        commit: "m".to_owned(),
        version: 1,
    }
}

async fn snapshots(hub: &Hub) -> Snapshots {
    Snapshots::new(hub.service(Service::Work).await)
}

async fn save(snapshots: &Snapshots, snapshot: &Snapshot) {
    save_under(snapshots, snapshot, NOW).await;
}

async fn save_under(snapshots: &Snapshots, snapshot: &Snapshot, edition: Edition) {
    let (service, position) = (&snapshot.service, snapshot.position);
    snapshots.keep(service, position, edition, encode_snapshot(snapshot)).await.unwrap();
}

/// Those that are whole, newest first.
async fn newest(snapshots: &Snapshots, service: Service) -> Vec<Snapshot> {
    let mut candidates = snapshots.candidates(service, &ANYWHERE, NOW).await.unwrap();
    let mut found = vec![];
    while let Some(snapshot) = candidates.next().await.unwrap() {
        found.push(snapshot);
    }
    found
}

pub async fn two_snapshots_are_kept_and_the_newest_comes_first(hub: &mut Hub) {
    let snapshots = snapshots(hub).await;
    assert_eq!(newest(&snapshots, Service::Work).await, []);
    for position in [10, 20, 30] {
        save(&snapshots, &snapshot(position, 10)).await;
    }
    let kept = newest(&snapshots, Service::Work).await;
    assert_eq!(kept, [snapshot(30, 10), snapshot(20, 10)]);
    assert_eq!(newest(&snapshots, Service::Placement).await, []);
}

pub async fn the_newest_snapshot_is_found_whatever_the_index_says(hub: &mut Hub) {
    let (snapshots, broker) = (snapshots(hub).await, hub.service(Service::Work).await);
    for position in [10, 20] {
        save(&snapshots, &snapshot(position, 10)).await;
    }
    let right = broker.get_object(SNAP_BUCKET, "work").await.unwrap().unwrap();
    assert_eq!(right, "a 10\nb 20\n");
    // The third and last is what a crash leaves between the index and the snapshot.
    for index in ["", "a 30\nb what", "a 30\nb 20\n"] {
        broker.put_object(SNAP_BUCKET, "work", Bytes::from_static(index.as_bytes())).await.unwrap();
        let mut found = snapshots.candidates(Service::Work, &ANYWHERE, NOW).await.unwrap();
        assert_eq!(found.next().await.unwrap(), Some(snapshot(20, 10)), "{index:?}");
        assert_eq!(found.next().await.unwrap(), Some(snapshot(10, 10)), "{index:?}");
        assert_eq!(found.next().await.unwrap(), None, "{index:?}");
    }
}

pub async fn a_moment_long_past_has_a_snapshot_near_by(hub: &mut Hub) {
    let (snapshots, broker) = (snapshots(hub).await, hub.service(Service::Work).await);
    let nearest = async |service, at| {
        let mut candidates = snapshots.candidates(service, &(0..=at), NOW).await.unwrap();
        candidates.next().await.unwrap().map(|snapshot| snapshot.position)
    };
    let before = async |at| nearest(Service::Work, at).await;
    assert_eq!(before(99).await, None);
    for position in [10, 20, 30, 40] {
        save(&snapshots, &snapshot(position, 10)).await;
    }
    for (at, found) in [(9, None), (10, Some(10)), (19, Some(10)), (25, Some(20)), (99, Some(40))] {
        assert_eq!(before(at).await, found, "{at}");
    }
    assert_eq!(nearest(Service::Addon, 99).await, None);
    broker.put_object(SNAP_BUCKET, "work-waypoint-1", Bytes::from_static(b"short")).await.unwrap();
    assert_eq!(before(25).await, Some(10), "a damaged one is passed over");
    broker.put_object(SNAP_BUCKET, "work-waypoints", Bytes::from_static(b"short")).await.unwrap();
    assert_eq!(before(25).await, None, "without the list the two newest are left");
    assert_eq!(before(35).await, Some(30));
}

pub async fn a_moment_before_another_edition_is_not_looked_for_in_its_waypoints(hub: &mut Hub) {
    let snapshots = snapshots(hub).await;
    let rebuilt = Edition { since: 25, ..NOW };
    for position in [10, 20] {
        save(&snapshots, &snapshot(position, 10)).await;
    }
    for position in [30, 40, 50] {
        save_under(&snapshots, &snapshot(position, 10), rebuilt).await;
    }
    let before = async |at, edition| {
        let mut candidates = snapshots.candidates(Service::Work, &(0..=at), edition).await.unwrap();
        candidates.next().await.unwrap().map(|snapshot| snapshot.position)
    };
    assert_eq!(before(25, rebuilt).await, None);
    assert_eq!(before(35, rebuilt).await, Some(30));
    assert_eq!(before(35, NOW).await, Some(20), "they lie where they lay while there is room");
}

pub async fn a_damaged_snapshot_is_passed_over(hub: &mut Hub) {
    let (snapshots, broker) = (snapshots(hub).await, hub.service(Service::Work).await);
    save(&snapshots, &snapshot(10, 10)).await;
    save(&snapshots, &snapshot(20, 10)).await;
    for slot in ["work-a", "work-b"] {
        let content = broker.get_object(SNAP_BUCKET, slot).await.unwrap().unwrap();
        let mut damaged = content.to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        broker.put_object(SNAP_BUCKET, slot, damaged.into()).await.unwrap();
        let left = newest(&snapshots, Service::Work).await;
        assert!(left.len() == 1, "{left:?}");
        broker.put_object(SNAP_BUCKET, slot, content).await.unwrap();
    }
    broker.put_object(SNAP_BUCKET, "work-a", Bytes::from_static(b"short")).await.unwrap();
    save(&snapshots, &snapshot(30, 10)).await;
    let kept = newest(&snapshots, Service::Work).await;
    assert_eq!(kept[0], snapshot(30, 10));
    assert_eq!(kept.len(), 2);
}

pub async fn a_large_snapshot_comes_back_whole(hub: &mut Hub) {
    let snapshots = snapshots(hub).await;
    save(&snapshots, &snapshot(10, 5_000_000)).await;
    let kept = newest(&snapshots, Service::Work).await;
    assert_eq!(kept, [snapshot(10, 5_000_000)]);
}

fn letter(sequence: u64) -> DeadLetter {
    DeadLetter {
        subject: "fl.cmd.work.alice.x".to_owned(),
        payload: b"\xff".to_vec(),
        reason: "it cannot be read".to_owned(),
        stream: "CMD".to_owned(),
        sequence,
        service: "work".to_owned(),
        ..DeadLetter::default()
    }
}

pub async fn a_dead_letter_is_kept_once(hub: &mut Hub) {
    let letters = DeadLetters::new(hub.service(Service::Work).await);
    let letter = letter(3);
    letters.bury(Service::Work, &letter).await.unwrap();
    letters.bury(Service::Work, &letter).await.unwrap();
    let operator = hub.operator().await;
    let grave = subject::dead_letter(Service::Work, "CMD");
    let reading = operator.read("DLQ", &grave, 0).await.unwrap();
    assert_eq!(reading.pending, 1);
    let kept = operator.last("DLQ", &grave).await.unwrap().unwrap();
    assert_eq!(DeadLetter::decode(kept.payload).unwrap(), letter);
}

pub async fn a_dead_letter_is_taken_out_once(hub: &mut Hub) {
    let letters = DeadLetters::new(hub.service(Service::Work).await);
    letters.bury(Service::Work, &letter(3)).await.unwrap();
    letters.bury(Service::Work, &letter(4)).await.unwrap();
    let letters = DeadLetters::new(hub.operator().await);
    let numbers = |kept: Vec<(u64, DeadLetter)>| -> Vec<_> {
        kept.into_iter().map(|(number, letter)| (number, letter.sequence)).collect()
    };
    assert_eq!(numbers(letters.all().await.unwrap()), [(1, 3), (2, 4)]);
    assert!(letters.remove(1).await.unwrap());
    assert!(!letters.remove(1).await.unwrap(), "it is gone");
    assert!(!letters.remove(99).await.unwrap(), "it never was");
    assert_eq!(numbers(letters.all().await.unwrap()), [(2, 4)]);
    assert!(letters.remove(2).await.unwrap());
    assert_eq!(letters.all().await.unwrap(), []);
}

pub async fn uses_of_dead_letters_are_on_record_for_good(hub: &mut Hub) {
    let (operator, service) = (hub.operator().await, hub.service(Service::Work).await);
    let letters = DeadLetters::new(operator.clone());
    let letter = DeadLetter { reason: "torn".to_owned(), ..DeadLetter::default() };
    let noted = |id: &str, verb: &str, letter| LetterUse {
        id: CommandId::new(id),
        at: Timestamp::of_nanos(1_700_000_000_123_000_000),
        verb: verb.to_owned(),
        letter,
    };
    let uses = [noted("1", "list", None), noted("2", "drop", Some((7, letter)))];
    for used in &uses {
        letters.note(used).await.unwrap();
    }
    assert_eq!(letters.uses().await.unwrap(), uses);
    assert!(operator.delete("CMD", 1).await.is_err(), "nobody takes it out");
    let mut queue = service.queue("CMD", "cmd-work").await.unwrap();
    assert!(stays_away(queue.next()).await, "no service takes it");
}

pub async fn nothing_is_taken_out_of_the_log(hub: &mut Hub) {
    let (log, operator) = (hub.log(Service::Work).await, hub.operator().await);
    appended(log.append(commit("a", "1", 0)).await.unwrap());
    let refused = operator.delete("EVENTS", 1).await.unwrap_err();
    assert_eq!(refused.retry, fleetlog_bus::Retry::Useless, "{refused}");
}
