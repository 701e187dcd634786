//! A live state that is not what the log says is found by `replay --verify`, row by name.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use fleetlog_chassis::Machine as _;
use fleetlog_cli::embedded::EmbeddedHub;
use fleetlog_messages::registration::ClusterSetState;
use fleetlog_registration::Registration;
use prost::Message as _;
use support::fleetlog;

/// Changes one row of the running service behind the log's back; answers the row's key.
fn falsify(hub: &EmbeddedHub) -> String {
    hub.registration().write(|hosted| {
        let mut rows = hosted.machine().rows();
        let row = rows.iter_mut().find(|row| row.key.ends_with("default")).unwrap();
        let mut state = ClusterSetState::decode(row.value.as_slice()).unwrap();
        let metadata = state.object.as_mut().unwrap().metadata.as_mut().unwrap();
        metadata.labels.insert("never".to_owned(), "said".to_owned());
        row.value = state.encode_to_vec();
        let key = row.key.clone();
        *hosted.machine_mut() = Registration::restore(&rows).unwrap();
        key
    })
}

#[test]
fn an_altered_row_is_named_and_the_command_fails() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hub = runtime.block_on(EmbeddedHub::start(folder.path(), None, &|_| {})).unwrap();
    // The services go on in the runtime's own threads.
    let before = fleetlog(&["replay", "--verify", "--data", dir]).ok();
    assert_eq!(before.matches(" equal ").count(), 6, "{before}");

    let key = falsify(&hub);
    let after = fleetlog(&["replay", "--verify", "--data", dir]);
    assert_eq!(after.code, 1);
    assert!(after.out.contains(&key), "\"{key}\" is not named in: {}", after.out);
    assert!(after.out.contains("registration  DIFFERS"), "{}", after.out);
    assert_eq!(after.out.matches(" equal ").count(), 5, "{}", after.out);
    assert!(after.refused().contains("registration"));

    let rebuilt = fleetlog(&["projection", "rebuild", "registration", "work", "--data", dir]).ok();
    let row = format!("1 was not what the log says: {key}");
    assert!(rebuilt.contains(&row) && rebuilt.contains("all as before"), "{rebuilt}");
    let right = fleetlog(&["replay", "--verify", "--data", dir]).ok();
    assert_eq!(right.matches(" equal ").count(), 6, "{right}");
    let log = fleetlog(&["log", "--data", dir]).ok();
    assert!(log.contains("admin has the projection of registration rebuilt"), "{log}");
    let list = fleetlog(&["projection", "list", "--data", dir]).ok();
    assert!(list.lines().filter(|line| line.contains("<none>")).count() == 3, "{list}");
    runtime.block_on(hub.stop());
}
