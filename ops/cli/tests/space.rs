//! A hub whose disk fills up: it says so, refuses what is new with a reason, still answers, and
//! goes on by itself when there is space again, with everything that it acknowledged.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod support;

use fleetlog_cli::embedded::EmbeddedHub;
use fleetlog_topology::{Room, SpaceConfig};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Dev, Ran, fleetlog_in, until};

const MIB: u64 = 1 << 20;

fn set(name: &str) -> String {
    format!(
        "{{apiVersion: cluster.open-cluster-management.io/v1beta2, kind: ManagedClusterSet, \
        metadata: {{name: {name}}}}}"
    )
}

fn cluster() -> String {
    "{apiVersion: cluster.open-cluster-management.io/v1, kind: ManagedCluster, \
     metadata: {name: cluster1}, spec: {hubAcceptsClient: true}}"
        .to_owned()
}

/// A work of half a MiB for a cluster.
fn large_work(number: usize) -> String {
    let text = format!("{number}-").repeat(512 * 1024 / (number.to_string().len() + 1));
    format!(
        "{{apiVersion: work.open-cluster-management.io/v1, kind: ManifestWork, \
        metadata: {{name: large-{number}, namespace: cluster1}}, spec: {{workload: {{manifests: \
        [{{apiVersion: v1, kind: ConfigMap, metadata: {{name: large-{number}, \
        namespace: default}}, data: {{text: \"{text}\"}}}}]}}}}}}"
    )
}

/// Applies until it is done, or refused because the disk is full. A server that is just started
/// again answers neither way.
fn apply(dir: &Path, yaml: &str) -> Ran {
    until("an answer to apply", || {
        let ran = fleetlog_in(dir, &["apply", "-f", "-"], yaml);
        (ran.code == 0 || ran.err.contains("error HUB0011: ")).then_some(ran)
    })
}

fn the_story(dir: &Path, free: &AtomicU64) {
    assert!(apply(dir, &set("before")).ok().contains("before created"));
    free.store(10 * MIB, Ordering::SeqCst);
    let full = until("a refusal", || {
        let ran = fleetlog_in(dir, &["apply", "-f", "-"], &set("meanwhile"));
        (ran.code != 0 && ran.err.contains("HUB0011")).then_some(ran)
    });
    assert!(full.refused().contains("its disk is full"));
    let sets = fleetlog_in(dir, &["get", "managedclustersets", "-o", "name"], "").ok();
    assert!(sets.contains("before"), "it still answers: {sets}");
    let hub = std::fs::read_to_string(dir.join("hub.json")).unwrap();
    assert!(hub.contains("\"room\": \"full\""), "{hub}");
    free.store(1_000 * MIB, Ordering::SeqCst);
    until("space", || {
        let ran = fleetlog_in(dir, &["apply", "-f", "-"], &set("after"));
        (ran.code == 0).then_some(())
    });
    let sets = fleetlog_in(dir, &["get", "managedclustersets", "-o", "name"], "").ok();
    assert!(sets.contains("before") && sets.contains("after"), "{sets}");
    let equal = fleetlog_in(dir, &["replay", "--verify"], "").ok();
    assert_eq!(equal.matches(" equal ").count(), 6, "{equal}");
}

/// Plays a story on a hub whose disk has `free` bytes, of which 100 MiB are its reserve; what was
/// told of its room.
fn on_a_disk(free: u64, story: impl FnOnce(&Path, &AtomicU64) + Send + 'static) -> Vec<Room> {
    let folder = tempfile::tempdir().unwrap();
    let (free, told) = (Arc::new(AtomicU64::new(free)), Mutex::new(vec![]));
    let seen = free.clone();
    let space = SpaceConfig {
        reserve: 100 * MIB,
        every: Duration::from_millis(50),
        free: Arc::new(move |_| Some(seen.load(Ordering::SeqCst))),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let hub = EmbeddedHub::start_leaving(space, folder.path(), None, &|_| {}).await.unwrap();
        let dir = folder.path().to_owned();
        let story = tokio::task::spawn_blocking(move || story(&dir, &free));
        tokio::select! {
            told = story => told.unwrap(),
            ended = hub.tasks().join() => panic!("a service ended: {ended:?}"),
            gave_up = hub.keep_running(|change| told.lock().unwrap().push(change.room)) => {
                panic!("the hub gave up: {gave_up}")
            }
        }
        hub.stop().await;
    });
    told.into_inner().unwrap()
}

#[test]
fn a_full_disk_is_announced_refused_and_recovered_from() {
    assert_eq!(on_a_disk(1_000 * MIB, the_story), [Room::Full, Room::Ample]);
}

#[test]
fn a_hub_takes_what_a_grown_disk_has_room_for() {
    let told = on_a_disk(110 * MIB, |dir, free| {
        fleetlog_in(dir, &["apply", "-f", "-"], &cluster()).ok();
        free.store(1_000 * MIB, Ordering::SeqCst);
        // Twice as much as it was given at its start.
        for number in 0..40 {
            until("a work is taken", || (apply(dir, &large_work(number)).code == 0).then_some(()));
        }
    });
    assert_eq!(told, [Room::Ample], "it was never full");
}

#[test]
fn a_hub_does_not_start_where_there_is_no_more_space_than_its_reserve() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let ran = support::fleetlog(&["dev", "--reserve", "9999999Gi", "--data", dir]);
    assert!(ran.refused().contains("HUB0012"));
}

/// A file system of its own, of so many MiB; it goes with this value.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`, by name, where that is not allowed.
    fn of(mib: u64, what: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if mount.is_ok_and(|done| done.status.success()) {
            return Some(Self(dir));
        }
        // Past the runner, which keeps what a test prints to itself.
        let _ = writeln!(std::io::stdout(), "\nskipped: {what}: no file system can be mounted");
        None
    }

    fn grow_to(&self, mib: u64) {
        let size = format!("remount,size={mib}m");
        let done = Command::new("mount").args(["-o", &size]).arg(self.0.path()).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_hub_fills_a_real_disk_to_its_reserve_and_no_further() {
    let Some(disk) = Disk::of(28, "a hub on a real full disk") else { return };
    let dir = disk.0.path().join("hub");
    let dev = Dev::start_with(&dir, &["--clusters", "1", "--reserve", "12Mi"]);
    dev.clusters_available();
    let mut taken = 0;
    let refused = loop {
        let ran = apply(&dir, &large_work(taken));
        if ran.code != 0 {
            break ran;
        }
        taken += 1;
        assert!(taken < 56, "28 MiB took {taken} works of half a MiB");
    };
    assert!(taken > 10, "only {taken} were taken");
    assert!(refused.refused().contains("its disk is full"));
    dev.says("HUB0011: the disk is full");
    let free = fleetlog_topology::space::free_space(&dir).unwrap();
    assert!(free > 6 * MIB, "{free} bytes are left of a reserve of 12 MiB");

    disk.grow_to(256);
    dev.says("there is space again");
    apply(&dir, &large_work(taken)).ok();
    let works = dev.run(&["get", "manifestworks", "-A", "-o", "name"]).ok();
    assert_eq!(works.lines().count(), taken + 1, "{works}");
    dev.run(&["wait", "manifestworks", "-A", "--for=condition=Available", "--timeout", "120s"])
        .ok();
    let equal = dev.run(&["replay", "--verify"]).ok();
    assert_eq!(equal.matches(" equal ").count(), 6, "{equal}");
}

#[test]
fn another_program_that_fills_the_disk_to_the_end_is_survived() {
    let Some(disk) = Disk::of(64, "a disk that another program fills") else { return };
    let dir = disk.0.path().join("hub");
    let dev = Dev::start_with(&dir, &["--clusters", "1", "--reserve", "16Mi"]);
    dev.clusters_available();
    apply(&dir, &set("before")).ok();
    let file = disk.0.path().join("of-another");
    let mut other = std::fs::File::create(&file).unwrap();
    let chunk = vec![1; 1 << 16];
    let filled = std::iter::repeat_with(|| other.write_all(&chunk)).find_map(Result::err);
    assert_eq!(filled.unwrap().kind(), std::io::ErrorKind::StorageFull);
    dev.says("HUB0011: the disk is full");
    drop(other);
    std::fs::remove_file(&file).unwrap();
    dev.says("there is space again");
    apply(&dir, &set("after")).ok();
    let sets = dev.run(&["get", "managedclustersets", "-o", "name"]).ok();
    assert!(sets.contains("before") && sets.contains("after"), "{sets}");
    dev.clusters_available();
}
