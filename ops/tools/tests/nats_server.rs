//! The guard of a real nats-server: found or installed, started on a free port, ended with its
//! owner.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fleetlog_tools::nats::server_info;
use fleetlog_tools::resolve::{NATS_SERVER, Search};
use fleetlog_tools::{NatsConfig, NatsServer, ToolError, nats_server, quiet};

const CHILD_DIR: &str = "FLEETLOG_TEST_CHILD_DIR";

fn server_in(dir: &Path) -> NatsServer {
    NatsServer::start(&NatsConfig::open(nats_server(&quiet).unwrap(), dir.to_path_buf())).unwrap()
}

#[cfg(unix)]
fn fake(dir: &Path, prints: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(dir).unwrap();
    let path = dir.join("nats-server");
    fs::write(&path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn two_servers_run_side_by_side_on_their_own_ports_and_end_on_drop() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (server_in(one.path()), server_in(two.path()));
    assert_ne!(first.url(), second.url());
    assert!(first.url().starts_with("nats://127.0.0.1:"), "{}", first.url());
    let url = first.url().to_owned();
    drop(first);
    assert_eq!(server_info(&url), None);
    assert!(server_info(second.url()).is_some());
}

#[test]
fn an_orderly_stop_ends_the_server_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = server_in(dir.path());
    let log = server.log().to_path_buf();
    server.stop();
    let said = fs::read_to_string(log).unwrap();
    assert!(said.contains("Server Exiting"), "{said}");
}

#[test]
fn a_start_that_fails_shows_the_end_of_the_servers_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.conf");
    fs::write(&file, "no_such_setting_here: { }\n").unwrap();
    let mut config = NatsConfig::open(nats_server(&quiet).unwrap(), dir.path().to_path_buf());
    config.config_file = Some(file);
    let refused = NatsServer::start(&config).unwrap_err();
    assert_eq!(refused.code(), "TOOL0005");
    assert!(refused.to_string().contains("no_such_setting_here"), "{refused}");
}

#[test]
fn a_port_in_use_is_refused_by_its_number() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let mut config = NatsConfig::open(nats_server(&quiet).unwrap(), dir.path().to_path_buf());
    config.port = Some(port);
    let refused = NatsServer::start(&config).unwrap_err();
    assert!(matches!(refused, ToolError::PortInUse { port: p } if p == port), "{refused}");
}

#[cfg(unix)]
#[test]
fn a_named_server_that_is_too_old_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let old = fake(dir.path(), "nats-server: v2.9.10");
    let search =
        Search { named: Some(old), path: vec![], cache: dir.path().into(), may_install: false };
    let refused = search.find(&NATS_SERVER, &quiet).unwrap_err();
    assert_eq!(refused.code(), "TOOL0002");
    let text = refused.to_string();
    assert!(text.contains("2.9.10") && text.contains("2.15.0"), "{text}");
}

#[cfg(unix)]
#[test]
fn an_old_server_on_path_is_passed_over_and_named_among_what_was_tried() {
    let dir = tempfile::tempdir().unwrap();
    fake(&dir.path().join("bin"), "nats-server: v2.10.0");
    let path = vec![dir.path().join("bin")];
    let cache = dir.path().join("cache");
    let refused = Search { named: None, path, cache, may_install: false }
        .find(&NATS_SERVER, &quiet)
        .unwrap_err();
    assert_eq!(refused.code(), "TOOL0001");
    let text = refused.to_string();
    assert!(text.contains("2.10.0") && text.contains("cache"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_new_enough_server_on_path_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let found = fake(&dir.path().join("bin"), "nats-server: v2.16.3");
    let path = vec![dir.path().join("empty"), dir.path().join("bin")];
    let cache = dir.path().join("cache");
    let search = Search { named: None, path, cache, may_install: false };
    assert_eq!(search.find(&NATS_SERVER, &quiet).unwrap(), found);
}

/// Not a behaviour: the process that the next test starts and kills. Does nothing on its own.
#[test]
fn child_that_holds_a_server() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let server = server_in(Path::new(&dir));
    let url = PathBuf::from(&dir).join("url");
    fs::write(url.with_extension("new"), server.url()).unwrap();
    fs::rename(url.with_extension("new"), &url).unwrap();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn a_server_ends_when_the_process_that_started_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_holds_a_server", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let file = dir.path().join("url");
    while !file.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child ended early");
        std::thread::yield_now();
    }
    let url = fs::read_to_string(&file).unwrap();
    assert!(server_info(&url).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    while server_info(&url).is_some() {
        std::thread::yield_now();
    }
}
