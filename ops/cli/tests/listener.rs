//! Agents on other machines: they join through the listener under TLS, know the hub by its own
//! authority, and nothing else is answered there.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use fleetlog_agent::{Agent, Caller, Dialer as _, MemoryKeys, Nats, Parts, Settings};
use fleetlog_bus::{JoinToken, is_stranger};
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_kernel::ClusterName;
use fleetlog_simcluster::{Options, SimCluster};
use fleetlog_topology::Authority;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use support::{Dev, hello};

fn hub(dir: &Path) -> Dev {
    Dev::start_with(dir, &["--clusters", "0", "--listen", "127.0.0.1:0"])
}

/// What `hub token create` prints: the hub's address and the token.
fn invitation(dev: &Dev) -> (String, JoinToken) {
    let told: Value = dev.run(&["hub", "token", "create", "-o", "json"]).json();
    let url = told["hub"].as_str().unwrap().to_owned();
    assert!(url.starts_with("tls://127.0.0.1:"), "{url}");
    (url, JoinToken::of_text(told["token"].as_str().unwrap()).unwrap())
}

fn far() -> ClusterName {
    ClusterName::parse("far").unwrap()
}

fn agent(url: &str, token: JoinToken, tasks: &Tasks) -> Agent {
    let dialer = Nats::new(url, far(), Some(token.credentials)).trusting(token.authority);
    let epoch = Clock::System.now().whole_seconds();
    let member = SimCluster::new(Options { epoch, ..Options::new("far", 3) });
    let parts = Parts {
        client: member.client(),
        dialer: Arc::new(dialer),
        keys: Arc::new(MemoryKeys::fresh().unwrap()),
        clock: Clock::System,
        tasks: tasks.clone(),
    };
    Agent::start(Settings::new(far()), parts)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_joins_under_tls_with_the_token_alone_and_stays_a_member_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut dev = hub(dir.path());
    let (url, token) = invitation(&dev);
    let (tasks, authority) = (Tasks::default(), token.authority.clone());
    let _agent = agent(&url, token, &tasks);
    let available = "--for=condition=ManagedClusterConditionAvailable";
    support::until("a wish to join", || (dev.run(&["accept", "far"]).code == 0).then_some(()));
    dev.run(&["wait", "mcl/far", available, "--timeout", "60s"]).ok();
    dev.feed(&["apply", "-f", "-"], &hello("far")).ok();
    dev.run(&["wait", "manifestwork/hello", "-n", "far", "--for=condition=Available"]).ok();

    dev.kill();
    let dev = Dev::start_with(
        dir.path(),
        &["--clusters", "0", "--listen", url.trim_start_matches("tls://")],
    );
    assert_eq!(invitation(&dev).1.authority, authority, "agents know the hub by it");
    // Only the agent can say that what it applied is gone.
    dev.run(&["delete", "manifestwork", "hello", "-n", "far"]).ok();
    let gone = dev.run(&["get", "manifestwork", "hello", "-n", "far"]);
    assert!(gone.refused().contains("hello"));
    tasks.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_of_the_tokens_authority_is_refused_as_a_stranger() {
    let dir = tempfile::tempdir().unwrap();
    let dev = hub(dir.path());
    let (url, token) = invitation(&dev);
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::load_or_create(elsewhere.path(), Clock::System.now()).unwrap();
    let dial = async |authority| {
        let dialer = Nats::new(&url, far(), Some(token.credentials.clone())).trusting(authority);
        dialer.dial(&Caller::Newcomer).await
    };
    let fault = dial(Some(foreign.certificate)).await.err().unwrap();
    assert!(is_stranger(&fault), "{fault:?}");
    dial(token.authority.clone()).await.unwrap();
}

#[test]
fn plain_text_is_not_answered() {
    let dir = tempfile::tempdir().unwrap();
    let dev = hub(dir.path());
    let (url, _) = invitation(&dev);
    let mut plain = TcpStream::connect(url.trim_start_matches("tls://")).unwrap();
    plain.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
    let mut answer = vec![];
    let _ = plain.read_to_end(&mut answer);
    // A TLS alert at most: nothing of the server is heard.
    assert!(answer.len() <= 7 && !answer.starts_with(b"INFO"), "{answer:?}");
}

#[test]
fn an_address_that_cannot_be_listened_on_is_refused_before_anything_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let ran = support::fleetlog(&["dev", "--listen", &address, "--data", data.to_str().unwrap()]);
    assert!(ran.refused().contains("CLI0038"));
    assert!(!data.exists());
}

#[test]
fn a_token_for_tls_needs_a_hub_that_has_listened() {
    let dev = Dev::start(0);
    let plain = dev.run(&["hub", "token", "create", "-o", "name"]).ok();
    assert_eq!(JoinToken::of_text(&plain).unwrap().authority, None);
    let ran = dev.run(&["hub", "token", "create", "--url", "tls://hub.example.com:4443"]);
    assert!(ran.refused().contains("CLI0039"));
}
