//! What version 1 of a binding's events left: a history and the state that the release of then made
//! of it, both as that release wrote them. Read by this one, they mean the same.

use crate::stage::Stage;
use bytes::Bytes;
use fleetlog_bus::{Broker as _, Entry, Publish, StoredMessage};
use fleetlog_chassis::{Hosted, Machine as _};
use fleetlog_kernel::Position;
use fleetlog_messages::common::{Head, Row};
use fleetlog_messages::envelope::{Recorded, header};
use fleetlog_messages::registration::{BindingCommand, DeleteBinding, binding_command};
use fleetlog_registration::{Registration, binding_id};
use prost::Message as _;
use serde_json::Value;

/// One JSON object a line: commits as they lie in the log, then rows of the state.
const WRITTEN: &str = include_str!("version_1.jsonl");

fn lines() -> impl Iterator<Item = Value> {
    WRITTEN.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn bytes(hex: &Value) -> Bytes {
    let hex = hex.as_str().unwrap();
    let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn stored() -> Vec<StoredMessage> {
    let commits = lines().filter(|line| line["payload"].is_string());
    let message = |(sequence, line): (u64, Value)| StoredMessage {
        sequence,
        subject: line["subject"].as_str().unwrap().to_owned(),
        headers: serde_json::from_value(line["headers"].clone()).unwrap(),
        payload: bytes(&line["payload"]),
        pending: 0,
    };
    (1..).zip(commits).map(message).collect()
}

fn rows() -> Vec<Row> {
    let rows = lines().filter(|line| line["row"].is_string());
    let row = |line: Value| Row {
        key: line["row"].as_str().unwrap().to_owned(),
        value: bytes(&line["value"]).to_vec(),
    };
    rows.map(row).collect()
}

fn read() -> Vec<Recorded> {
    stored().iter().map(|message| Entry::read(message).into_commit().unwrap()).collect()
}

#[test]
fn being_bound_and_not_being_bound_are_two_events_now() {
    let commits = read();
    let types: Vec<String> = commits.iter().map(|commit| commit.header.types.join(",")).collect();
    let expected = [
        "BindingSpecified,BindingUnbound",
        "BindingBound",
        "BindingSpecified,BindingBound",
        "BindingUnbound",
        "BindingSpecified,BindingBound",
        "BindingDeleted",
    ];
    assert_eq!(types, expected);
    for commit in commits {
        assert_eq!(commit.header.schema, "fleetlog.registration.v2.BindingEvent");
    }
}

#[test]
fn the_state_is_the_one_that_version_1_made() {
    let mut hosted = Hosted::<Registration>::default();
    for commit in read() {
        hosted.fold(&commit).unwrap();
    }
    let (heads, bindings): (Vec<Row>, Vec<Row>) =
        rows().into_iter().partition(|row| row.key.starts_with("head/"));
    assert_eq!((heads.len(), bindings.len()), (3, 2));
    assert_eq!(hosted.machine().rows(), bindings);
    let renamed = heads.into_iter().map(renamed).chain(bindings);
    let mut renamed: Vec<Row> = renamed.collect();
    renamed.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(hosted.rows(), renamed, "nothing but the names of events differs");
}

/// What is remembered of users' commands names events; the first one's has a name of its own now.
fn renamed(row: Row) -> Row {
    let mut head = Head::decode(row.value.as_slice()).unwrap();
    for done in head.recent.iter_mut().filter(|done| [1, 4].contains(&done.position)) {
        let bound = done.types.last_mut().unwrap();
        assert_eq!(bound, "BindingBound");
        "BindingUnbound".clone_into(bound);
    }
    Row { value: head.encode_to_vec(), ..row }
}

#[tokio::test(start_paused = true)]
async fn a_history_of_version_1_goes_on_in_version_2() {
    let stage = Stage::new().await;
    for StoredMessage { subject, headers, payload, .. } in stored() {
        let publish = Publish { subject, headers, payload, ..Publish::default() };
        stage.memory.publish(publish).await.unwrap();
    }
    let unbind = binding_command::Command::Delete(DeleteBinding {});
    let (blue, command) = (binding_id("shop", "blue"), BindingCommand { command: Some(unbind) });
    let position = stage.ask(&blue, command).await;
    let last = stage.memory.last("EVENTS", &blue.event()).await.unwrap().unwrap();
    assert_eq!(last.sequence, position);
    assert_eq!(last.headers[header::SCHEMA], "fleetlog.registration.v2.BindingEvent");
    assert_eq!(last.headers[header::TYPES], "BindingDeleted");
}

#[test]
fn what_version_1_cannot_have_written_is_named() {
    let reason = |payload: &'static [u8]| {
        let mut message = stored().swap_remove(1);
        message.payload = Bytes::from_static(payload);
        match Entry::read(&message) {
            Entry::Malformed { position: Position(2), reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    };
    let schema = "an event of \"fleetlog.registration.v1.BindingEvent\"";
    assert_eq!(reason(b"\x0a\x00"), format!("{schema} is empty"));
    let damaged = reason(b"\x0a\x01\xff");
    assert!(damaged.starts_with(&format!("{schema} is damaged: ")), "{damaged}");
}
