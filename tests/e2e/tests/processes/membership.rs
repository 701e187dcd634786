//! Who joins and who does not, through the real registration: tokens and credentials that are
//! wrong, expired, used before or of another hub; and a member that stays one without a token.

use crate::CONNECTED;
use fleetlog_agent::{FileKeys, KeyStore, SecretKeys};
use fleetlog_bus::{AgentLink, Credentials, JetStream, JoinToken, Retry};
use fleetlog_e2e_tests::{Fleetlog, History, Line, Member, Victim, programs, until_well};
use fleetlog_kernel::{ClusterName, ContentHash, Service};
use fleetlog_messages::common::{Beat, Credential, Query};
use fleetlog_test_support::{MADE, TestHub};
use nkeys::KeyPair;
use std::path::PathBuf;
use std::time::Duration;

/// A token of a hub for its own boot users, or for others.
fn token(hub: &TestHub, credentials: Credentials) -> String {
    let id = hub.identity().unwrap().hub_id();
    let hub_hash = ContentHash::of(id.as_str().as_bytes()).to_string();
    JoinToken { credentials, hub_hash, authority: None }.to_text()
}

fn victim(cluster: &str) -> Victim {
    Victim::Agent(cluster.to_owned())
}

/// The names of all clusters.
async fn clusters(whole: &Fleetlog) -> Vec<String> {
    let query = Query { kind: "cluster".to_owned(), ..Query::default() };
    let found = whole.admin().objects(Service::Registration, query).await.unwrap();
    found.iter().map(|c| c["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// Where the agent of a member keeps its key.
fn folder(whole: &Fleetlog, cluster: &str) -> PathBuf {
    whole.hub().dir().join("agents").join(cluster)
}

/// Waits until an agent's process says something.
async fn says(whole: &mut Fleetlog, cluster: &str, words: &str) {
    until_well(&format!("the agent of {cluster} says \"{words}\""), async || {
        let said = whole.process(&victim(cluster)).unwrap().said();
        anyhow::ensure!(said.contains(words), "it said: {said}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_token_joins_nothing() {
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let other = TestHub::start().await.unwrap();
    let boot = |hub: &TestHub| hub.boot_credentials().unwrap();
    let (own, foreign) = (boot(whole.hub()), boot(&other));
    let ended = whole.hub().identity().unwrap();
    let ended = ended.boot_token(Some(MADE.plus(Duration::from_secs(60)))).unwrap();
    let whose = Credentials { seed: foreign.seed.clone(), ..own.clone() };
    let mut forged = own.clone();
    let signature = forged.jwt.pop().unwrap();
    forged.jwt.push(if signature == 'A' { 'Q' } else { 'A' });
    let bad = [
        ("garbage", "nonsense".to_owned(), "AGT0001"),
        ("expired", token(whole.hub(), ended), "AGT0002"),
        ("foreign", token(&other, foreign.clone()), "AGT0004"),
        ("liar", token(whole.hub(), foreign), "AGT0003"),
        ("thief", token(whole.hub(), whose), "AGT0003"),
        ("forger", token(whole.hub(), forged), "AGT0003"),
    ];
    for (name, token, code) in &bad {
        let member = Member::simulated(name, 1).await.unwrap();
        whole.agent(&member, Some(token), None).unwrap();
        says(&mut whole, name, &format!("error {code}: ")).await;
        until_well(&format!("the agent of {name} ends"), async || {
            let ended = whole.process(&victim(name))?.ended();
            anyhow::ensure!(ended.is_some_and(|status| !status.success()), "{ended:?}");
            Ok(())
        })
        .await
        .unwrap();
    }
    assert_eq!(clusters(&whole).await, Vec::<String>::new());
    let operator = whole.hub().operator().await.unwrap();
    let asked = fleetlog_messages::subject::events_of_kind(Service::Registration, "cluster");
    assert_eq!(operator.last("EVENTS", &asked).await.unwrap(), None, "nobody was heard of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_that_was_used_lets_nobody_take_another_s_place() {
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let token = whole.token("first").unwrap();
    let member = Member::simulated("first", 1).await.unwrap();
    whole.agent(&member, Some(&token), None).unwrap();
    whole.accept("first").await.unwrap();
    whole.available("first").unwrap();
    let kept = FileKeys::new(folder(&whole, "first")).load().await.unwrap();

    // The same token under a name of its own: it may ask, and is judged by people.
    let second = Member::simulated("second", 2).await.unwrap();
    whole.agent(&second, Some(&token), None).unwrap();
    says(&mut whole, "second", "waits to be accepted: fleetlog accept second").await;
    whole.run(&["deny", "second"]).unwrap().ok().unwrap();
    says(&mut whole, "second", "REG0007").await;
    let none = FileKeys::new(folder(&whole, "second")).load().await.unwrap();
    assert!(none.credential.is_none(), "who is not accepted has no credential");

    // The same token and name, with another key: the place is taken.
    whole.kill(&victim("first")).unwrap();
    let again = ["--data".to_owned(), folder(&whole, "copy").display().to_string()];
    whole.agent_with(&member, Some(&token), None, again.to_vec()).unwrap();
    says(&mut whole, "first", "REG0006").await;
    let none = FileKeys::new(folder(&whole, "copy")).load().await.unwrap();
    assert!(none.credential.is_none());

    // The rightful agent needs no token, and is what it was.
    let before = whole.process(&victim("first")).unwrap().said().matches(CONNECTED).count();
    whole.agent(&member, None, None).unwrap();
    until_well("the rightful agent is connected again", async || {
        let said = whole.process(&victim("first")).unwrap().said();
        anyhow::ensure!(said.matches(CONNECTED).count() > before, "{said}");
        Ok(())
    })
    .await
    .unwrap();
    let now = FileKeys::new(folder(&whole, "first")).load().await.unwrap();
    assert!(now.seed == kept.seed);
    History::of(&whole).await.unwrap().audit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_credential_speaks_for_nobody() {
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let other = TestHub::start().await.unwrap();
    let member = Member::simulated("own", 1).await.unwrap();
    whole.join(&member, None).await.unwrap();
    let kept = FileKeys::new(folder(&whole, "own")).load().await.unwrap();
    let own = Credentials { jwt: kept.credential.unwrap().jwt, seed: kept.seed };
    let (role, key) = (whole.hub().identity().unwrap().agent_role().unwrap(), KeyPair::new_user());
    let ended = MADE.plus(Duration::from_secs(60));
    let ended = role.mint("own", &key.public_key(), MADE, ended).unwrap();
    let bad = [
        ("another key", Credentials { seed: key.seed().unwrap(), ..own.clone() }),
        ("another hub", other.agent_credentials("own").unwrap()),
        ("an end that is past", Credentials { jwt: ended, seed: key.seed().unwrap() }),
        ("no sense", Credentials { jwt: "nonsense".to_owned(), ..own.clone() }),
    ];
    for (what, credentials) in bad {
        let fault = JetStream::connect(whole.hub().url(), credentials, "own").await.err().unwrap();
        assert_eq!(fault.retry, Retry::Useless, "{what}: {fault}");
    }
    // One that is good speaks for its own cluster only.
    let broker = JetStream::connect(whole.hub().url(), own, "own").await.unwrap();
    let as_cluster = |name: &str| AgentLink::new(broker.clone(), ClusterName::parse(name).unwrap());
    as_cluster("own").beat(&Beat { count: 0 }).await.unwrap();
    let fault = as_cluster("neighbour").beat(&Beat { count: 0 }).await.unwrap_err();
    assert_eq!(fault.retry, Retry::Useless, "{fault}");
    // One of a cluster that nobody accepted is heard, and is told so.
    let ghost = whole.hub().agent("ghost").await.unwrap();
    let ghost = AgentLink::new(ghost, ClusterName::parse("ghost").unwrap());
    let told = ghost.beat(&Beat { count: 0 }).await.unwrap();
    assert_eq!(told.refused.unwrap().code, "REG0002");
    assert_eq!(clusters(&whole).await, ["own"]);
}

/// Waits until a credential is kept that ends after `before`.
async fn newer(keys: &dyn KeyStore, before: i64) -> (String, Credential) {
    let mut found = None;
    until_well("a newer credential is kept", async || {
        let kept = keys.load().await?;
        let ends = kept.credential.as_ref().map_or(0, |c| c.expires_seconds);
        anyhow::ensure!(ends > before, "it ends at {ends}");
        found = Some((kept.seed, kept.credential.unwrap_or_default()));
        Ok(())
    })
    .await
    .unwrap();
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_renews_its_credential_and_needs_its_token_never_again() {
    let mut whole = Fleetlog::without_services(programs!()).await.unwrap();
    whole.serve(Service::Registration, None, &["--credential-seconds", "10"]).unwrap();
    for service in [Service::Placement, Service::Work, Service::Addon] {
        whole.serve(service, None, &[]).unwrap();
    }
    whole.answering().await.unwrap();
    let (in_folder, in_secret) = (
        Member::simulated("in-folder", 1).await.unwrap(),
        Member::simulated("in-secret", 2).await.unwrap(),
    );
    let secret = || vec!["--key-secret".to_owned(), "fleet/key".to_owned()];
    let token = whole.token("in-secret").unwrap();
    whole.agent_with(&in_secret, Some(&token), None, secret()).unwrap();
    whole.accept("in-secret").await.unwrap();
    whole.join(&in_folder, None).await.unwrap();
    whole.available("in-secret").unwrap();
    let stores: [Box<dyn KeyStore>; 2] = [
        Box::new(FileKeys::new(folder(&whole, "in-folder"))),
        Box::new(SecretKeys::new(in_secret.client().clone(), "fleet", "key")),
    ];
    let mut renewed = vec![];
    for keys in &stores {
        let (seed, first) = newer(keys.as_ref(), 0).await;
        renewed.push((seed, first.clone(), newer(keys.as_ref(), first.expires_seconds).await.1));
    }
    for cluster in ["in-folder", "in-secret"] {
        whole.kill(&victim(cluster)).unwrap();
    }
    // The hub has moved: it is known by its id, not by its address.
    let line = Line::to(whole.hub().url()).await.unwrap();
    whole.agent(&in_folder, None, Some(line.url())).unwrap();
    whole.agent_with(&in_secret, None, Some(line.url()), secret()).unwrap();
    for (keys, (seed, first, second)) in stores.iter().zip(&renewed) {
        let (kept, _) = newer(keys.as_ref(), second.expires_seconds).await;
        assert!(kept == *seed, "the key is the one that was born there");
        // By now the first one has ended.
        let old = Credentials { jwt: first.jwt.clone(), seed: seed.clone() };
        until_well("the server takes the first credential no more", async || {
            match JetStream::connect(whole.hub().url(), old.clone(), "in-folder").await {
                Err(fault) if fault.retry == Retry::Useless => Ok(()),
                _ => anyhow::bail!("it does still"),
            }
        })
        .await
        .unwrap();
    }
    let said = whole.run(&["log", "-o", "json"]).unwrap().ok().unwrap();
    let wishes = said.matches("\"ClusterJoinRequested\"").count();
    assert_eq!(wishes, 2, "each of them asked to join once:\n{said}");
}
