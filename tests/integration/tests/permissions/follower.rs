//! What a hostile follower tries: consumers whose deliveries are aimed at others, filters wider
//! than its subjects, other people's consumers. Each attempt is written out.

use crate::everything;
use crate::raw::Raw;
use fleetlog_kernel::Service;
use fleetlog_test_support::{MADE, TestHub, eventually};
use fleetlog_topology::{audit, followers};
use serde_json::{Value, json};

const API: &str = "$JS.API.CONSUMER.CREATE.AUDIT";

async fn follower(hub: &TestHub, name: &str, subject: &str) -> Raw {
    let subjects = [subject.to_owned()];
    let credentials = followers::create(hub.dir(), hub.url(), name, &subjects, MADE).await.unwrap();
    let mut raw = Raw::connect(hub.url(), &credentials).await.unwrap();
    raw.subscribe(&format!("_INBOX_{name}.>"), "").await.unwrap();
    raw
}

/// Two commits, one of each of two services, in EVENTS and in the mirror.
async fn two_commits(hub: &TestHub) {
    for service in [Service::Work, Service::Placement] {
        let mut raw = Raw::connect(hub.url(), &hub.identity().unwrap().service(service).unwrap())
            .await
            .unwrap();
        raw.publish(&format!("fl.ev.{service}.x.y"), "secret").await.unwrap();
        raw.settle().await.unwrap();
    }
    let auditor = hub.identity().unwrap().auditor().unwrap();
    let auditor = fleetlog_topology::apply::connect(hub.url(), &auditor).await.unwrap();
    let there = async || {
        let mirror = audit::look(&auditor).await.unwrap()?;
        (mirror.position == 2).then_some(())
    };
    eventually("the mirror has both", there).await.unwrap();
}

/// Asks for a consumer; answers what the server says, `None` when it forbids to ask.
async fn create(raw: &mut Raw, name: &str, subject: &str, config: Value) -> Option<Value> {
    let reply = format!("_INBOX_{name}.answer");
    let body = json!({ "stream_name": "AUDIT", "config": config, "action": "create" });
    raw.ask(subject, &reply, &body.to_string()).await.unwrap();
    if !raw.settle().await.unwrap().is_empty() {
        return None;
    }
    let answered = async || {
        raw.settle().await.unwrap();
        raw.take(|heard| heard.subject == reply).pop()
    };
    let heard = eventually("the API answers", answered).await.unwrap();
    Some(serde_json::from_str(&heard.payload).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_wider_than_its_subjects_is_forbidden_however_it_is_said() {
    let hub = TestHub::start().await.unwrap();
    let mut part = follower(&hub, "part", "fl.ev.work.>").await;
    two_commits(&hub).await;
    let push = |filter: &str| {
        json!({
            "name": "c", "deliver_subject": "_INBOX_part.c", "filter_subject": filter,
            "ack_policy": "none",
        })
    };
    for wide in ["fl.ev.>", "fl.ev.placement.>", "fl.ev.*.x.y", ">"] {
        let subject = format!("{API}.c.{wide}");
        assert_eq!(create(&mut part, "part", &subject, push(wide)).await, None, "{wide}");
    }
    for bare in [API.to_owned(), format!("{API}.c")] {
        assert_eq!(create(&mut part, "part", &bare, push("fl.ev.>")).await, None, "{bare}");
    }
    // The subject says one filter and the body another, or several.
    let mine = format!("{API}.c.fl.ev.work.>");
    let several = json!({
        "name": "c", "deliver_subject": "_INBOX_part.c", "ack_policy": "none",
        "filter_subjects": ["fl.ev.work.>", "fl.ev.placement.>"],
    });
    for body in [push("fl.ev.>"), push("fl.ev.placement.>"), several] {
        let answer = create(&mut part, "part", &mine, body).await.unwrap();
        assert!(answer.get("error").is_some(), "{answer}");
    }
    assert!(part.take(|heard| heard.payload.contains("secret")).is_empty());
    let made = create(&mut part, "part", &mine, push("fl.ev.work.>")).await.unwrap();
    assert!(made.get("error").is_none(), "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_aimed_elsewhere_store_nothing_and_reach_nobody() {
    let hub = TestHub::start().await.unwrap();
    let mut all = follower(&hub, "all", "fl.ev.>").await;
    two_commits(&hub).await;
    let operator = hub.operator().await.unwrap();
    let before = everything(&operator).await;
    let mut alice =
        Raw::connect(hub.url(), &hub.identity().unwrap().new_user("alice").unwrap()).await.unwrap();
    alice.subscribe("fl.res.alice.>", "").await.unwrap();
    let targets = [
        "fl.cmd.work.alice.x.y",
        "fl.do.work.work.x.y",
        "fl.ev.work.x.z",
        "fl.res.alice.x",
        "fl.st.c1.cluster",
        "$JS.API.STREAM.DELETE.AUDIT",
        "$JS.API.STREAM.PURGE.AUDIT",
        "$JS.API.STREAM.CREATE.AUDIT",
        "JS.HUB.API.CONSUMER.CREATE.EVENTS.x.fl.ev.>",
        "$JS.FC.EVENTS.x",
    ];
    for (number, target) in targets.into_iter().enumerate() {
        // Without payloads, for what takes empty requests.
        for empty in [false, true] {
            let name = format!("a{number}-{empty}");
            let config = json!({
                "name": name, "deliver_subject": target, "headers_only": empty,
                "filter_subject": "fl.ev.>", "ack_policy": "none",
            });
            create(&mut all, "all", &format!("{API}.{name}.fl.ev.>"), config).await.unwrap();
        }
        let reply =
            all.ask(&format!("$JS.API.CONSUMER.INFO.AUDIT.a{number}-true"), target, "").await;
        reply.unwrap();
        all.settle().await.unwrap();
    }
    one_commit_more(&hub).await;
    alice.settle().await.unwrap();
    assert_eq!(alice.heard, [], "nothing of READERS reaches a user");
    let after = everything(&operator).await;
    let places = |all: &[(String, fleetlog_bus::StoredMessage)]| -> Vec<(String, u64, String)> {
        all.iter().map(|(name, m)| (name.clone(), m.sequence, m.subject.clone())).collect()
    };
    let mut expected = places(&before);
    expected.push(("EVENTS".to_owned(), 3, "fl.ev.work.x.y".to_owned()));
    assert_eq!(places(&after), expected, "one commit more, and nothing else");
    let auditor = hub.identity().unwrap().auditor().unwrap();
    let auditor = fleetlog_topology::apply::connect(hub.url(), &auditor).await.unwrap();
    let still = async || audit::look(&auditor).await.unwrap().filter(|m| m.position == 3);
    eventually("the mirror goes on", still).await.unwrap();
}

async fn one_commit_more(hub: &TestHub) {
    let credentials = hub.identity().unwrap().service(Service::Work).unwrap();
    let mut raw = Raw::connect(hub.url(), &credentials).await.unwrap();
    raw.publish("fl.ev.work.x.y", "secret").await.unwrap();
    raw.settle().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_deleted_is_cut_while_it_listens_and_hears_nothing_more() {
    let hub = TestHub::start().await.unwrap();
    let mut gone = listening(&hub, "gone").await;
    let mut stays = listening(&hub, "stays").await;
    two_commits(&hub).await;
    hears(&mut gone, 2).await;
    hears(&mut stays, 2).await;

    followers::delete(hub.dir(), hub.url(), "gone", MADE).await.unwrap();

    let is_cut = async || gone.settle().await.err();
    eventually("the deleted one is cut", is_cut).await.unwrap();
    one_commit_more(&hub).await;
    hears(&mut stays, 1).await;
    assert!(gone.settle().await.is_err(), "its connection is no more");
    assert_eq!(gone.take(|heard| heard.payload.contains("secret")), []);
}

/// A follower of everything that hears what comes. The server delivers where somebody listens to
/// the very subject, not to one that covers it.
async fn listening(hub: &TestHub, name: &str) -> Raw {
    let mut raw = follower(hub, name, "fl.ev.>").await;
    let (wide, to) = (1, format!("_INBOX_{name}.c"));
    raw.subscribe(&to, "").await.unwrap();
    let config = json!({
        "name": name, "deliver_subject": to, "filter_subject": "fl.ev.>", "ack_policy": "none",
    });
    let made = create(&mut raw, name, &format!("{API}.{name}.fl.ev.>"), config).await.unwrap();
    assert!(made.get("error").is_none(), "{made}");
    raw.unsubscribe(wide).await.unwrap();
    raw
}

/// Waits until so many commits have come since the last time.
async fn hears(raw: &mut Raw, commits: usize) {
    let mut heard = 0;
    let all = async || {
        raw.settle().await.unwrap();
        heard += raw.take(|heard| heard.payload.contains("secret")).len();
        (heard == commits).then_some(())
    };
    eventually("the commits come", all).await.unwrap();
}
