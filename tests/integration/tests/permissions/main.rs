//! Who may say and hear what, tried on a real server: every kind of user against every subject that
//! topology speaks of, then what a hostile one would try. The matrix is compared with topology's
//! data; the hostile attempts are written out, so that the data cannot be wrong unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod aimed;
mod follower;
mod hostile;
mod raw;
mod table;

use fleetlog_bus::SharedBroker;
use fleetlog_messages::subject::Subject;
use fleetlog_test_support::TestHub;
use fleetlog_topology::streams;
use futures::StreamExt as _;
use raw::Raw;
use table::{User, literals, patterns, users};

/// Marks what a test published, with who did.
const BY: &str = "published by ";

/// Everything that lies in any stream.
async fn everything(operator: &SharedBroker) -> Vec<(String, fleetlog_bus::StoredMessage)> {
    let mut found = vec![];
    for stream in streams() {
        let mut reading = operator.read(stream.name, &Subject::raw(">"), 0).await.unwrap();
        let mut left = reading.pending;
        while left > 0 {
            let message = reading.messages.next().await.unwrap().unwrap();
            left = message.pending;
            found.push((stream.name.to_owned(), message));
        }
    }
    found
}

/// What the server forbade, by the subject it names.
fn forbidden(errors: &[String]) -> Vec<String> {
    let subject = |error: &String| {
        assert!(error.starts_with("Permissions Violation"), "{error}");
        error.split('"').nth(1).unwrap().to_owned()
    };
    errors.iter().map(subject).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_publishes_where_its_role_says_and_nowhere_else() {
    let hub = TestHub::start().await.unwrap();
    let users = users(&hub);
    let subjects = literals(&patterns(&users));
    let mut tried = 0;
    for user in &users {
        let mut raw = Raw::connect(hub.url(), &user.credentials).await.unwrap();
        let mut refused = vec![];
        for subject in &subjects {
            let may = user.may_publish(subject);
            // Their calls would do what they say.
            if may && ["operator", "keeper", "auditor"].contains(&user.role) {
                continue;
            }
            raw.publish(subject, &format!("{BY}{}", user.label)).await.unwrap();
            tried += 1;
            if !may {
                refused.push(subject.clone());
            }
        }
        let errors = raw.settle().await.unwrap();
        assert_eq!(forbidden(&errors), refused, "{}", user.label);
    }
    assert!(tried > 1_000, "{tried}");
    nothing_lies_where_its_author_may_not_write(&hub, &users).await;
}

async fn nothing_lies_where_its_author_may_not_write(hub: &TestHub, users: &[User]) {
    let stored = everything(&hub.operator().await.unwrap()).await;
    assert!(stored.len() > 20, "{stored:?}");
    for (stream, message) in stored {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let author = text.strip_prefix(BY).unwrap_or_else(|| panic!("{stream}: {message:?}"));
        let author = users.iter().find(|user| user.label == author).unwrap();
        assert!(author.may_publish(&message.subject), "{} wrote {message:?}", author.label);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_hears_what_its_role_says_and_nothing_else() {
    let hub = TestHub::start().await.unwrap();
    let users = users(&hub);
    let patterns = patterns(&users);
    let filters: Vec<&String> = patterns.iter().collect();
    let literals = literals(&patterns);
    for user in &users {
        let mut raw = Raw::connect(hub.url(), &user.credentials).await.unwrap();
        for group in ["", "queue"] {
            for filter in filters.iter().copied().chain(&literals) {
                let number = raw.subscribe(filter, group).await.unwrap();
                raw.unsubscribe(number).await.unwrap();
                let errors = raw.settle().await.unwrap();
                let refused = !errors.is_empty();
                assert_eq!(refused, !user.may_subscribe(filter), "{} {filter}", user.label);
                if refused {
                    assert_eq!(forbidden(&errors), [filter.as_str()]);
                }
            }
        }
    }
}
