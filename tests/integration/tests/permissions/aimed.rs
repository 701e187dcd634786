//! Replies aimed at others: a request whose answer, made by the hub, is to land where its author
//! may not write. In HUB nothing of it is stored and no handler hears it.

use crate::raw::{Heard, Raw};
use crate::table::{User, literals, patterns, users};
use crate::{BY, everything};
use fleetlog_messages::envelope::header;
use fleetlog_test_support::{TestHub, eventually};
use fleetlog_topology::streams;
use std::collections::BTreeMap;

/// What handlers answer.
const ANSWER: &str = "the answer of a handler";

/// The requests whose answers are aimed: each is permitted to its user.
const REQUESTS: [(&str, &[&str]); 2] = [
    ("c1", &["fl.st.c1.cluster", "fl.st.c1.work.x", "fl.a.c1.beat", "fl.a.c1.sync"]),
    ("alice", &["fl.cmd.work.alice.x.y", "fl.qry.work.alice.get", "fl.put.work.alice.blob"]),
];

/// A service that answers everything it hears.
async fn handler(hub: &TestHub, user: &User) -> Raw {
    let mut raw = Raw::connect(hub.url(), &user.credentials).await.unwrap();
    for filter in &user.subscribe {
        raw.subscribe(filter, "").await.unwrap();
    }
    assert_eq!(raw.settle().await.unwrap(), [""; 0]);
    raw
}

async fn answer_all(handler: &mut Raw, requests: &mut Vec<Heard>) {
    handler.settle().await.unwrap();
    let heard = std::mem::take(&mut handler.heard);
    for request in &heard {
        if let Some(reply) = &request.reply {
            handler.publish(reply, ANSWER).await.unwrap();
        }
    }
    handler.settle().await.unwrap();
    requests.extend(heard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aimed_reply_is_stored_nowhere_and_moves_no_handler() {
    let hub = TestHub::start().await.unwrap();
    let users = users(&hub);
    let find = |label: &str| users.iter().find(|user| user.label == label).unwrap();
    let (mut registration, mut work) =
        (handler(&hub, find("registration")).await, handler(&hub, find("work")).await);
    let mut victim = handler(&hub, find("c2")).await;
    let targets = literals(&patterns(&users));
    let (mut asked, mut heard) = (BTreeMap::<String, usize>::new(), vec![]);
    for (label, requests) in REQUESTS {
        let mut raw = Raw::connect(hub.url(), &find(label).credentials).await.unwrap();
        for target in &targets {
            for request in requests {
                raw.ask(request, target, &format!("{BY}{label}")).await.unwrap();
                let errors = raw.settle().await.unwrap();
                // The server refuses replies that look like its own acknowledgements.
                if errors.is_empty() {
                    *asked.entry((*request).to_owned()).or_default() += 1;
                }
            }
            answer_all(&mut registration, &mut heard).await;
            answer_all(&mut work, &mut heard).await;
        }
    }
    let operator = hub.operator().await.unwrap();
    let commands = asked["fl.cmd.work.alice.x.y"];
    let all_stored = async || {
        let stored = everything(&operator).await;
        (stored.iter().filter(|(stream, _)| stream == "CMD").count() == commands).then_some(stored)
    };
    let stored = eventually("every command is stored", all_stored).await.unwrap();
    for (stream, message) in &stored {
        let own = REQUESTS.iter().any(|(_, own)| own.contains(&message.subject.as_str()));
        assert!(own && message.payload.starts_with(BY.as_bytes()), "{stream}: {message:?}");
    }
    for message in &heard {
        let own = message.payload.starts_with(BY) && asked.contains_key(&message.subject);
        assert!(own, "a handler heard {message:?}");
    }
    assert!(heard.len() > 100, "{}", heard.len());
    what_reaches_another_cluster_is_unsigned(&mut victim).await;
}

/// The known limit of accounts that clusters share: an answer can be dropped on another cluster's
/// own subjects. It says nothing there, because the agent believes signatures only.
async fn what_reaches_another_cluster_is_unsigned(victim: &mut Raw) {
    victim.settle().await.unwrap();
    for message in &victim.heard {
        assert!(!message.headers.contains(header::SIGNATURE), "{message:?}");
        let known = message.payload == ANSWER || message.payload.contains("\"seq\":");
        assert!(known || message.payload.is_empty(), "{message:?}");
    }
}

#[test]
fn the_requests_reach_every_stream_that_others_than_services_write() {
    let inward = ["fl.cmd.", "fl.st."];
    let stored = streams().into_iter().flat_map(|stream| stream.subjects);
    let open: Vec<String> =
        stored.filter(|subject| inward.iter().any(|prefix| subject.starts_with(prefix))).collect();
    assert_eq!(open, ["fl.cmd.>", "fl.st.>"]);
}
