//! Other people's services, as they are made, listed, deleted and run: one of them in Python, on a
//! plain NATS client.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod support;

use fleetlog_kernel::decode_token;
use fleetlog_tools::cache;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Dev, hello};

fn python_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/python")
}

/// The libraries that follow.py needs, in the cache of the tools; installed by the first test.
fn libraries() -> PathBuf {
    let requirements = python_folder().join("requirements.txt");
    let text = std::fs::read(&requirements).unwrap();
    let name = fleetlog_kernel::ContentHash::of(&text).to_string();
    let dir = cache::tools_dir().unwrap();
    let _one = cache::lock(&dir, "python").unwrap();
    let there = dir.join(format!("python-{}", &name[..16]));
    if !there.exists() {
        let installed = cache::place(&there, |target| {
            let mut pip = Command::new("python3");
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--target",
            ]);
            let ran = pip.arg(target).arg("--requirement").arg(&requirements).output();
            let ran = ran.unwrap_or_else(|error| panic!("{MISSING} ({error})"));
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert!(ran.status.success(), "{MISSING}:\n{said}");
            Ok(())
        });
        installed.unwrap();
    }
    there
}

const MISSING: &str = "this test needs Python 3 with pip: apt-get install python3 python3-pip";

fn follow_in_python(arguments: &[&str]) -> std::process::Output {
    let mut python = Command::new("python3");
    python.arg(python_folder().join("follow.py")).args(arguments);
    let ran = python.env("PYTHONPATH", libraries()).output();
    ran.unwrap_or_else(|error| panic!("{MISSING} ({error})"))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Position, name and types of each commit: from one line an event, or from one line a commit.
fn commits_of_log(log: &str) -> Vec<(u64, String, Vec<String>)> {
    let mut commits: Vec<(u64, String, Vec<String>)> = vec![];
    for line in lines(log) {
        let position = line["position"].as_u64().unwrap();
        let name = line["object"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let kind = line["type"].as_str().unwrap().to_owned();
        match commits.last_mut().filter(|commit| commit.0 == position) {
            Some(commit) => commit.2.push(kind),
            None => commits.push((position, name, vec![kind])),
        }
    }
    commits
}

fn commits_of_python(said: &str) -> Vec<(u64, String, Vec<String>)> {
    let commit = |line: Value| {
        let subject = line["subject"].as_str().unwrap();
        assert!(subject.starts_with("fl.ev."), "{subject}");
        let name = decode_token(subject.rsplit('.').next().unwrap()).unwrap();
        let types = line["types"].as_array().unwrap().iter();
        let types = types.map(|kind| kind.as_str().unwrap().to_owned()).collect();
        (line["position"].as_u64().unwrap(), name, types)
    };
    lines(said).into_iter().map(commit).collect()
}

#[test]
fn a_follower_in_python_is_told_what_the_log_shows() {
    let dev = Dev::start(1);
    dev.clusters_available();
    dev.feed(&["apply", "-f", "-"], &hello("cluster1")).ok();
    dev.run(&["wait", "manifestwork/hello", "-n", "cluster1", "--for=condition=Available"]).ok();
    let made = dev.run(&["hub", "follower", "create", "audit"]).ok();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.creds");
    std::fs::write(&file, &made).unwrap();
    let file = file.to_str().unwrap();

    let log = commits_of_log(&dev.run(&["log", "-o", "json"]).ok());
    let last = log.last().unwrap().0.to_string();
    let all = follow_in_python(&[file, "--until", &last]);
    let said = String::from_utf8(all.stdout).unwrap();
    assert!(all.status.success(), "{}", String::from_utf8_lossy(&all.stderr));
    let of_work = log.iter().filter(|(_, name, _)| name == "hello").count();
    assert!(of_work >= 2 && log.len() >= 10, "specified and reported, after all else: {log:?}");
    assert_eq!(commits_of_python(&said), log);

    let middle = log[log.len() / 2].0;
    let later = follow_in_python(&[file, "--after", &middle.to_string(), "--until", &last]);
    let later = commits_of_python(&String::from_utf8(later.stdout).unwrap());
    assert_eq!(later, log[log.len() / 2 + 1..]);
}

#[test]
fn followers_are_listed_and_deleted() {
    let dev = Dev::start(0);
    let made =
        dev.run(&["hub", "follower", "create", "billing", "--subjects", "fl.ev.work.>"]).ok();
    assert!(made.contains("BEGIN NATS USER JWT") && made.contains("# hub: nats://"), "{made}");
    let again = dev.run(&["hub", "follower", "create", "billing"]).refused();
    assert!(again.contains("HUB0032"), "{again}");
    let wide = dev.run(&["hub", "follower", "create", "x", "--subjects", "fl.cmd.>"]).refused();
    assert!(wide.contains("HUB0031"), "{wide}");
    let listed = dev.run(&["hub", "follower", "list", "-o", "json"]).json();
    assert_eq!(listed[0]["name"], "billing");
    assert_eq!(listed[0]["subjects"][0], "fl.ev.work.>");
    let table = dev.run(&["hub", "follower", "list"]).ok();
    assert!(table.starts_with("billing\t"), "{table}");
    dev.run(&["hub", "follower", "delete", "billing"]).ok();
    assert_eq!(dev.run(&["hub", "follower", "list", "-o", "name"]).ok(), "");
    assert!(dev.run(&["hub", "follower", "delete", "billing"]).refused().contains("HUB0033"));
}
