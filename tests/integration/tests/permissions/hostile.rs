//! What a hostile cluster, user or bearer of a token tries beyond plain subjects: headers, sizes,
//! names, keys. Each attempt is written out with the answer it must get.

use crate::raw::{Cut, Raw};
use crate::{everything, forbidden};
use fleetlog_bus::Credentials;
use fleetlog_bus::jwt::{NewUser, mint_user, sign_claims};
use fleetlog_kernel::Service;
use fleetlog_messages::subject;
use fleetlog_test_support::{MADE, TestHub, eventually};
use fleetlog_topology::accounts::Account;
use futures::StreamExt as _;
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::time::Duration;

async fn agent(hub: &TestHub, cluster: &str) -> Raw {
    Raw::connect(hub.url(), &hub.agent_credentials(cluster).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_cluster_reaches_nothing_of_another_and_nothing_of_the_hub() {
    let hub = TestHub::start().await.unwrap();
    let mut c1 = agent(&hub, "c1").await;
    let publishes = [
        "fl.st.c2.cluster",
        "fl.a.c2.beat",
        "fl.work.c1.x",
        "fl.ev.work.x.y",
        "fl.cmd.work.c1.x.y",
        "fl.do.work.work.x.y",
        "fl.qry.work.c1.get",
        "fl.qry.work.c1.try",
        "fl.put.work.c1.blob",
        "fl.res.c1.x",
        "fl.lease.c1",
        "fl.lead.work",
        "fl.join.c1",
        "fl.blob.x",
        "fl.dlq.work.x",
        "fl.live.c1.x",
        "fl.live.c2.x",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.EVENTS",
        "$SYS.REQ.USER.INFO",
        "_R_.abc",
        "_INBOX_c2.x",
        "$O.SNAP.M.x",
        "fl.a.c1.x.y",
    ];
    for subject in publishes {
        c1.publish(subject, "x").await.unwrap();
    }
    assert_eq!(forbidden(&c1.settle().await.unwrap()), publishes);
    let filters = [
        "fl.live.>",
        "fl.live.*.>",
        "fl.live.c2.>",
        "_INBOX.>",
        "_INBOX_*.>",
        "_INBOX_c2.>",
        "_R_.>",
        ">",
        "fl.st.>",
        "fl.a.>",
        "$SYS.>",
        "fl.res.>",
        "fl.ev.>",
    ];
    for group in ["", "q"] {
        for filter in filters {
            c1.subscribe(filter, group).await.unwrap();
        }
        assert_eq!(forbidden(&c1.settle().await.unwrap()), filters);
    }
    assert_eq!(everything(&hub.operator().await.unwrap()).await, []);
}

#[tokio::test]
async fn a_person_speaks_for_nobody_else_and_the_gateway_only_commands_and_tries_for_others() {
    let hub = TestHub::start().await.unwrap();
    let identity = hub.identity().unwrap();
    let mut alice = Raw::connect(hub.url(), &identity.new_user("alice").unwrap()).await.unwrap();
    let foreign = [
        "fl.cmd.work.bob.x.y",
        "fl.qry.work.bob.try",
        "fl.qry.work.bob.get",
        "fl.put.work.bob.blob",
        "fl.ev.work.x.y",
    ];
    let mut gateway = Raw::connect(hub.url(), &identity.gateway().unwrap()).await.unwrap();
    let beyond = [
        "fl.qry.work.bob.get",
        "fl.qry.work.operator.redo",
        "fl.qry.work.bob.x.try",
        "fl.do.work.work.x.y",
        "fl.ev.work.x.y",
    ];
    for (raw, subjects) in [(&mut alice, foreign), (&mut gateway, beyond)] {
        for subject in subjects {
            raw.publish(subject, "x").await.unwrap();
        }
        assert_eq!(forbidden(&raw.settle().await.unwrap()), subjects);
    }
    assert_eq!(everything(&hub.operator().await.unwrap()).await, []);
}

#[tokio::test]
async fn no_header_of_a_report_does_more_than_a_report() {
    let hub = TestHub::start().await.unwrap();
    let mut c1 = agent(&hub, "c1").await;
    c1.subscribe("_INBOX_c1.>", "").await.unwrap();
    let headers = [
        ("Nats-Rollup", "all"),
        ("Nats-Rollup", "sub"),
        ("Nats-TTL", "5s"),
        ("Nats-Schedule", "@at 2030-01-01T00:00:00Z"),
        ("Nats-Batch-Id", "b"),
        ("Nats-Incr", "1"),
        ("Nats-Expected-Last-Sequence", "9"),
        ("Nats-Expected-Stream", "EVENTS"),
    ];
    for (index, header) in headers.into_iter().enumerate() {
        let reply = format!("_INBOX_c1.{index}");
        c1.ask_with("fl.st.c1.cluster", &reply, header, "x").await.unwrap();
        let answered = async || {
            c1.settle().await.unwrap();
            c1.take(|heard| heard.subject == reply).pop()
        };
        let answer = eventually("the report is refused", answered).await.unwrap();
        assert!(answer.payload.contains("err_code"), "{header:?}: {answer:?}");
    }
    assert_eq!(everything(&hub.operator().await.unwrap()).await, []);
    let foreign = ["fl.live.c2.x", "fl.st.c2.cluster", "fl.ev.work.x.y", "_INBOX_c2.x"];
    for subject in foreign {
        let trace = ("Nats-Trace-Dest", subject);
        c1.ask_with("fl.st.c1.cluster", "_INBOX_c1.t", trace, "x").await.unwrap();
        let errors = c1.settle().await.unwrap();
        assert!(!errors.is_empty(), "a trace to {subject} was taken");
    }
}

#[tokio::test]
async fn who_takes_more_than_its_share_is_cut() {
    let hub = TestHub::start().await.unwrap();
    let mut greedy = agent(&hub, "c1").await;
    for _ in 0..11 {
        greedy.subscribe("fl.live.c1.>", "").await.unwrap();
    }
    assert!(refused(greedy.settle().await), "the eleventh subscription was taken");
    let mut loud = agent(&hub, "c1").await;
    let payload = "x".repeat(262_145);
    let sent = loud.publish("fl.st.c1.cluster", &payload).await;
    let settled = if sent.is_ok() { loud.settle().await } else { Ok(vec!["cut".to_owned()]) };
    assert!(refused(settled), "a report over the limit was taken");
    assert_eq!(everything(&hub.operator().await.unwrap()).await, []);
}

fn refused(settled: Result<Vec<String>, Cut>) -> bool {
    settled.map_or(true, |errors| !errors.is_empty())
}

fn by_hand(signer: &KeyPair, name: &str, nats: Value, expires: Option<i64>) -> Credentials {
    let key = KeyPair::new_user();
    let mut claims = json!({
        "iat": MADE.seconds(), "sub": key.public_key(), "name": name, "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    Credentials { jwt: sign_claims(signer, claims).unwrap(), seed: key.seed().unwrap() }
}

#[tokio::test]
async fn the_agents_key_lets_in_nobody_but_agents() {
    let hub = TestHub::start().await.unwrap();
    let (identity, url) = (hub.identity().unwrap(), hub.url());
    let role = identity.agent_role().unwrap();
    let agents = role.account.as_str();
    let all = json!({ "allow": [">"] });
    let user = |account: &str| json!({ "type": "user", "version": 2, "issuer_account": account });
    let mut free = user(agents);
    free["pub"] = all.clone();
    free["sub"] = all;
    let hub_account = identity.account(Account::Hub).0;
    let past = Some(MADE.plus(Duration::from_secs(60)).seconds());
    let attempts = [
        ("permissions of its own", by_hand(&role.key, "c1", free, None)),
        ("a user of HUB", by_hand(&role.key, "c1", user(hub_account), None)),
        ("an expired one", by_hand(&role.key, "c1", user(agents), past)),
        ("a key of nobody's", by_hand(&KeyPair::new_account(), "c1", user(agents), None)),
    ];
    for (what, credentials) in attempts {
        let refused = Raw::connect(url, &credentials).await.err();
        assert!(refused.is_some(), "{what} was let in");
    }
    let stolen = Credentials {
        seed: KeyPair::new_user().seed().unwrap(),
        ..hub.agent_credentials("c1").unwrap()
    };
    assert!(Raw::connect(url, &stolen).await.is_err(), "a JWT without its key was let in");
    Raw::connect(url, &by_hand(&role.key, "c1", user(agents), None)).await.unwrap();
}

#[test]
fn no_name_that_stands_for_more_than_itself_is_minted() {
    let (role, key) = (KeyPair::new_account(), KeyPair::new_user().public_key());
    for name in ["*", ">", "", "c1.>", "c*", "a b", "C1", "_", "-"] {
        let (public_key, account) = (&*key, "A");
        let user = NewUser { name, public_key, account, issued: MADE, expires: None, tags: &[] };
        assert!(mint_user(&role, &user).is_err(), "\"{name}\" was minted");
    }
}

#[tokio::test]
async fn a_join_token_can_ask_to_join_and_nothing_else() {
    let hub = TestHub::start().await.unwrap();
    let token = hub.boot_credentials().unwrap();
    let other = KeyPair::from_seed(&hub.boot_credentials().unwrap().seed).unwrap().public_key();
    let own = KeyPair::from_seed(&token.seed).unwrap().public_key();
    let mut boot = Raw::connect(hub.url(), &token).await.unwrap();
    boot.publish(&format!("fl.join.{own}"), "x").await.unwrap();
    let foreign =
        [format!("fl.join.{other}"), "fl.a.boot.beat".to_owned(), "fl.st.boot.cluster".to_owned()];
    for subject in &foreign {
        boot.publish(subject, "x").await.unwrap();
    }
    assert_eq!(forbidden(&boot.settle().await.unwrap()), foreign);
    let filters = [format!("_INBOX_boot_{other}.>"), "_INBOX_boot.>".to_owned()];
    for filter in &filters {
        boot.subscribe(filter, "").await.unwrap();
    }
    assert_eq!(forbidden(&boot.settle().await.unwrap()), filters);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_would_go_where_only_a_service_writes_is_not_given() {
    let hub = TestHub::start().await.unwrap();
    let service = hub.service(Service::Registration).await.unwrap();
    let filter = subject::queries_for(Service::Registration);
    let mut asked = service.subscribe(&filter, None).await.unwrap();
    let gateway = hub.identity().unwrap().gateway().unwrap();
    let mut raw = Raw::connect(hub.url(), &gateway).await.unwrap();
    let question = "fl.qry.registration.gateway.get";
    for reply in ["fl.ev.registration.cluster.x", "fl.res.alice.1", "_INBOX_gateway.1"] {
        raw.ask(question, reply, "").await.unwrap();
    }
    assert_eq!(raw.settle().await.unwrap(), Vec::<String>::new());
    let mut replies = vec![];
    for _ in 0..3 {
        replies.push(asked.next().await.unwrap().reply);
    }
    assert_eq!(replies, [None, None, Some("_INBOX_gateway.1".to_owned())]);
}
