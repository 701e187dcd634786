//! The agent as a process: what it says to whoever starts it with a token or a hub that is not
//! its own, and what it keeps in its member cluster. What it does as a member is the suite's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use fleetlog_agent::{KeyStore as _, Place as _, SecretKeys};
use fleetlog_bus::{Credentials, JoinToken};
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_kernel::ContentHash;
use fleetlog_messages::common::Credential;
use fleetlog_simcluster::{Options, SimCluster};
use fleetlog_test_support::{KubeMember, MADE, TestHub};
use fleetlog_topology::Authority;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

const KUBECONFIG: &str = r#"{"apiVersion":"v1","kind":"Config","current-context":"c",
"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],
"users":[{"name":"u","user":{}}]}"#;

/// Starts the agent, which has to end at once; what it said.
fn refused(dir: &Path, hub: &str, cluster: &str, token: Option<&str>) -> String {
    let kubeconfig = dir.join("kubeconfig");
    std::fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_fleetlog-agent"));
    agent.args(["--hub", hub, "--cluster", cluster, "--kubeconfig"]).arg(kubeconfig);
    agent.arg("--data").arg(dir.join("keys")).env_remove("FLEETLOG_TOKEN");
    agent.args(token.into_iter().flat_map(|token| ["--token", token]));
    let output = agent.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let from = said.find("error AGT").unwrap_or_else(|| panic!("no code in: {said}"));
    let said = said[from..].to_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("\n  try: "), "{said}");
    said
}

fn token(hub: &TestHub, credentials: Credentials) -> String {
    let id = hub.identity().unwrap().hub_id();
    let hub_hash = ContentHash::of(id.as_str().as_bytes()).to_string();
    JoinToken { credentials, hub_hash, authority: None }.to_text()
}

#[tokio::test]
async fn a_wrong_expired_or_foreign_token_joins_nothing_and_says_why() {
    let (hub, other) = (TestHub::start().await.unwrap(), TestHub::start().await.unwrap());
    let dir = tempfile::tempdir().unwrap();
    let refused = |token: Option<&str>| refused(dir.path(), hub.url(), "c1", token);

    let good = token(&hub, hub.boot_credentials().unwrap());
    assert!(refused(Some("nonsense")).starts_with("error AGT0001: "));
    assert!(refused(Some(&good[..good.len() - 9])).starts_with("error AGT0001: "));
    assert!(refused(None).starts_with("error AGT0005: "));

    let ended = hub.identity().unwrap().boot_token(Some(MADE.plus(Duration::from_secs(60))));
    let said = refused(Some(&token(&hub, ended.unwrap())));
    assert!(said.starts_with("error AGT0002: the join token expired "), "{said}");

    let foreign = token(&other, other.boot_credentials().unwrap());
    let said = refused(Some(&foreign));
    assert!(said.starts_with("error AGT0004: the hub at "), "{said}");
    // One that lies about its hub is not taken by the server.
    let said = refused(Some(&token(&hub, other.boot_credentials().unwrap())));
    assert!(said.starts_with("error AGT0003: "), "{said}");
    let kept = dir.path().join("keys/membership.json");
    assert!(!kept.exists(), "no membership is noted by those who are refused");
}

/// Shows a certificate to whoever comes, and hears no more of them.
async fn shows_certificate(of: Authority) -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(of.chain, of.key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::default();
    tasks.clone().spawn("stranger", async move {
        let _held = tasks;
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(client).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_certificate_of_the_hubs_authority_is_refused() {
    let hub = TestHub::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let made = |name: &str| {
        let folder = dir.path().join(name);
        Authority::load_or_create(&folder, Clock::System.now()).unwrap()
    };
    let address = shows_certificate(made("stranger")).await;
    let mut token = token(&hub, hub.boot_credentials().unwrap());
    let authority = Some(made("own").certificate);
    token = JoinToken { authority, ..JoinToken::of_text(&token).unwrap() }.to_text();
    let said = refused(dir.path(), &format!("tls://{address}"), "c1", Some(&token));
    assert!(said.starts_with("error AGT0004: the server at "), "{said}");
    assert!(said.contains("by its certificate"), "{said}");
    assert!(!dir.path().join("keys/membership.json").exists());
}

#[tokio::test]
async fn a_member_goes_to_no_other_hub_and_under_no_other_name() {
    let (hub, other) = (TestHub::start().await.unwrap(), TestHub::start().await.unwrap());
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::create_dir_all(&keys).unwrap();
    let id = hub.identity().unwrap().hub_id();
    let hash = ContentHash::of(id.as_str().as_bytes()).to_string();
    let kept = format!(r#"{{"cluster":"c1","hub":"{hash}","authority":""}}"#);
    std::fs::write(keys.join("membership.json"), kept).unwrap();

    let foreign = token(&other, other.boot_credentials().unwrap());
    let said = refused(dir.path(), other.url(), "c1", Some(&foreign));
    assert!(said.starts_with("error AGT0004: the hub of the join token"), "{said}");
    let own = token(&hub, hub.boot_credentials().unwrap());
    let said = refused(dir.path(), other.url(), "c1", Some(&own));
    assert!(said.starts_with("error AGT0004: the hub at "), "{said}");
    let said = refused(dir.path(), hub.url(), "c2", Some(&own));
    assert!(said.starts_with("error AGT0006: ") && said.contains("\"c1\""), "{said}");
}

#[tokio::test]
async fn a_secret_of_the_member_keeps_key_and_credential_and_goes_to_no_other_hub() {
    let mut clients = vec![SimCluster::new(Options::new("member", 7)).client()];
    let real = KubeMember::shared("an agent's secret on a real kube-apiserver");
    clients.extend(real.map(|member| member.client().unwrap()));
    for client in clients {
        let place = || SecretKeys::new(client.clone(), "fleetlog-agent", "fleetlog-agent");
        let first = place().load().await.unwrap();
        assert!(first.seed.starts_with("SU") && first.credential.is_none());
        let credential = Credential { hub_hash: "own".into(), ..Credential::default() };
        place().keep(Some(&credential)).await.unwrap();
        let again = place().load().await.unwrap();
        assert!(again.seed == first.seed && again.credential == Some(credential));

        let kept = br#"{"cluster":"c1","hub":"own","authority":""}"#;
        place().write("membership.json", kept).await.unwrap();
        let foreign = Credential { hub_hash: "foreign".into(), ..Credential::default() };
        let fault = place().keep(Some(&foreign)).await.err().unwrap().to_string();
        assert!(fault.contains("another hub"), "{fault}");
        let kept = place().load().await.unwrap().credential.unwrap();
        assert_eq!(kept.hub_hash, "own");
    }
}
