//! A development hub whose nats-server dies or freezes, and what it shows of itself.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use support::{Dev, signal, until};

const SET: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSet
metadata: {name: retail}
";

/// Kills the server, and waits until another one runs in its place.
fn kill_server(dev: &Dev) {
    let before = dev.server_pid();
    signal("KILL", before);
    until("another nats-server", || (dev.server_pid() != before).then_some(()));
}

/// Waits until the services are back on their server.
fn services_answer(dev: &Dev) {
    for kind in ["managedclusters", "placements", "manifestworks", "addons"] {
        until(kind, || (dev.run(&["get", kind, "-A"]).code == 0).then_some(()));
    }
}

#[test]
fn a_killed_server_is_started_again_and_the_hub_goes_on_where_it_was() {
    let dev = Dev::start(2);
    dev.clusters_available();
    let url = |dev: &Dev| {
        let hub = std::fs::read_to_string(dev.dir().join("hub.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&hub).unwrap()["natsUrl"].clone()
    };
    let before = url(&dev);
    kill_server(&dev);
    assert_eq!(url(&dev), before);
    services_answer(&dev);
    let created = dev.feed(&["apply", "-f", "-"], SET).ok();
    assert!(created.contains("retail created"), "{created}");
    dev.clusters_available();
    kill_server(&dev);
    services_answer(&dev);
    let again = dev.feed(&["apply", "-f", "-"], SET).ok();
    assert!(again.contains("retail unchanged"), "{again}");
    dev.clusters_available();
    let log = dev.run(&["log"]).ok();
    assert!(!log.contains("is silent"), "the hub's own absence moved something:\n{log}");
    let equal = dev.run(&["replay", "--verify"]).ok();
    assert_eq!(equal.matches(" equal ").count(), 6, "{equal}");
}

#[test]
fn a_server_that_is_killed_too_often_ends_the_hub_with_a_reason() {
    let mut dev = Dev::start(1);
    for _ in 0..5 {
        kill_server(&dev);
    }
    signal("KILL", dev.server_pid());
    assert_eq!(dev.ended(), 1);
    dev.says("error HUB0010: nats-server ended 6 times within 60 s");
    dev.says("try: see its log");
}

#[test]
fn a_first_signal_ends_a_hub_in_order() {
    let mut dev = Dev::start(1);
    dev.clusters_available();
    dev.signal("TERM");
    assert_eq!(dev.ended(), 0);
    let refused = dev.run(&["get", "managedclusters"]).refused();
    assert!(refused.contains("HUB0007"), "{refused}");
}

#[test]
fn a_second_signal_ends_a_hub_whose_server_is_frozen() {
    for name in ["INT", "TERM"] {
        let mut dev = Dev::start(1);
        signal("STOP", dev.server_pid());
        dev.signal(name);
        dev.says("a second signal ends it at once");
        dev.signal(name);
        assert_eq!(dev.ended(), 1);
        dev.says("error CLI0037");
    }
}

/// What is answered under HTTP: the whole answer.
fn asked(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The value of a figure, with its labels in any order.
fn figure(shown: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut lines = shown.lines().filter(|line| line.starts_with(name));
    let line = lines.find(|line| labels.iter().all(|label| line.contains(label)))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn figures_and_health_are_shown_where_they_were_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start_with(dir.path(), &["--clusters", "1", "--metrics", "127.0.0.1:0"]);
    dev.clusters_available();
    let said = dev.said();
    let address = said.lines().find_map(|line| line.strip_prefix("figures at http://"));
    let address = address.unwrap().strip_suffix("/metrics").unwrap();
    let shown = asked(address, "/metrics");
    assert!(shown.starts_with("HTTP/1.0 200"), "{shown}");
    for service in ["registration", "placement", "work", "addon"] {
        let service = format!("service=\"{service}\"");
        for of in ["serve", "project", "react", "query"] {
            let labels = [&*service, &format!("loop=\"{of}\"")];
            for name in ["received_total", "handled_total", "refused_total", "failed_total", "lag"]
            {
                let found = figure(&shown, &format!("fleetlog_{name}"), &labels);
                assert!(found.is_some(), "no {name} of {labels:?} in {shown}");
            }
        }
        for name in ["waiting_for_space", "events_behind"] {
            let found = figure(&shown, &format!("fleetlog_{name}"), &[&service]);
            assert!(found.is_some(), "no {name} of {service} in {shown}");
        }
    }
    for name in ["fleetlog_mirror_behind", "fleetlog_mirror_silent_seconds"] {
        assert_eq!(figure(&shown, name, &[]), Some(0.0), "nobody follows");
    }
    let decided = ["service=\"registration\"", "loop=\"serve\""];
    let decided = |shown: &str| figure(shown, "fleetlog_handled_total", &decided).unwrap();
    let before = decided(&shown);
    assert!(before >= 1.0, "a cluster was accepted: {shown}");
    dev.run(&["label", "mcl", "cluster1", "tier=gold"]).ok();
    until("one more", || (decided(&asked(address, "/metrics")) > before).then_some(()));
    for path in ["/healthz", "/readyz"] {
        let answer = asked(address, path);
        assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("ok\n"), "{answer}");
    }
}
