//! How appends get to the server: alone, together, again; and how many of them may wait.

use crate::hub::{Hub, run};
use crate::samples::{appended, commit, work};
use crate::watched::{Call, Fate, Watched};
use fleetlog_bus::{Append, EventLog, NewCommit, Publish, PublishError};
use fleetlog_kernel::{Position, Service};
use fleetlog_test_support::eventually;
use futures::future::join_all;
use std::sync::Arc;

/// How many commits may wait for their verdicts.
const PLACES: usize = 1_024;
/// How many go in one batch.
const BATCH: usize = 200;

async fn watched(hub: &mut Hub) -> (EventLog, Arc<Watched>) {
    let watched = Watched::over(hub.service(Service::Work).await);
    let (log, group_commit) = EventLog::new(watched.clone());
    run(group_commit.run());
    (log, watched)
}

/// First commits of so many aggregates, appended while the first of them is held up.
async fn while_held(log: &EventLog, watched: &Watched, commits: Vec<NewCommit>) -> Vec<Append> {
    let (many, before) = (commits.len().min(PLACES), watched.calls().len());
    watched.hold();
    let mut commits = commits.into_iter();
    let first = log.append(commits.next().unwrap());
    let begun = async || (watched.calls().len() > before).then_some(());
    let others = async {
        eventually("the first is in flight", begun).await.unwrap();
        join_all(commits.map(|commit| log.append(commit))).await
    };
    let released = async {
        let wait = async || (log.waiting() == many).then_some(());
        eventually("the others wait", wait).await.unwrap();
        watched.release();
    };
    let (first, others, ()) = tokio::join!(first, others, released);
    std::iter::once(first).chain(others).map(Result::unwrap).collect()
}

fn firsts(many: usize) -> Vec<NewCommit> {
    (0..many).map(|n| commit(&format!("w{n}"), &format!("w{n}"), 0)).collect()
}

pub async fn an_append_alone_is_a_plain_publish(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    for (id, expected) in [("1", 0), ("2", 1), ("3", 2)] {
        appended(log.append(commit("a", id, expected)).await.unwrap());
    }
    assert_eq!(watched.calls(), [Call::Plain; 3]);
}

pub async fn what_waits_while_an_append_is_in_flight_goes_together(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    let verdicts = while_held(&log, &watched, firsts(50)).await;
    assert_eq!(watched.calls(), [Call::Plain, Call::Batch(49)]);
    let positions: Vec<u64> = verdicts.into_iter().map(appended).collect();
    assert_eq!(positions, (1..=50).collect::<Vec<_>>());
    assert_eq!(log.waiting(), 0);
}

pub async fn full_batches_go_side_by_side_and_the_rest_waits(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    let verdicts = while_held(&log, &watched, firsts(2 * BATCH + 31)).await;
    assert_eq!(verdicts.into_iter().map(appended).max(), Some(431));
    let calls = watched.calls();
    assert_eq!(calls[..2], [Call::Plain, Call::Batch(BATCH)]);
    let rest = calls[2..].iter().map(|call| match call {
        Call::Batch(many) if *many <= BATCH => *many,
        other => panic!("{other:?} in {calls:?}"),
    });
    assert_eq!(rest.sum::<usize>(), BATCH + 30);
    assert!(watched.at_once() >= 2, "a full batch does not wait: {}", watched.at_once());
}

pub async fn a_refused_batch_is_sent_again_singly_and_pipelined(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    appended(log.append(commit("w7", "before", 0)).await.unwrap());
    let mut commits = firsts(20);
    commits.insert(0, commit("first", "first", 0));
    let verdicts = while_held(&log, &watched, commits).await;
    let calls = watched.calls();
    assert_eq!(calls[..3], [Call::Plain, Call::Plain, Call::Batch(20)]);
    assert_eq!(calls[3..], [Call::Plain; 20], "each by itself");
    assert!(watched.at_once() >= 20, "they do not wait for each other: {}", watched.at_once());
    for (number, verdict) in verdicts.iter().skip(1).enumerate() {
        match verdict {
            Append::Conflict(Position(1)) => assert_eq!(number, 7),
            Append::Appended(_) => assert_ne!(number, 7),
            other => panic!("{other:?}"),
        }
    }
}

pub async fn a_batch_whose_answer_is_lost_is_known_by_its_retries(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    let mut lost = false;
    watched.judge(move |call| match call {
        Call::Batch(_) if !std::mem::replace(&mut lost, true) => Fate::LoseAnswer,
        _ => Fate::Pass,
    });
    let verdicts = while_held(&log, &watched, firsts(10)).await;
    assert_eq!(appended(verdicts[0].clone()), 1);
    assert!(verdicts[1..].iter().all(|v| matches!(v, Append::Unknown(_))), "{verdicts:?}");
    let retries = join_all(firsts(10).into_iter().map(|commit| log.append(commit))).await;
    for (position, retried) in (1..).zip(retries) {
        assert_eq!(retried.unwrap(), Append::AlreadyAppended(Position(position)));
    }
}

pub async fn a_decision_over_several_aggregates_is_never_split(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    let before = appended(log.append(commit("b", "before", 0)).await.unwrap());
    let several = || vec![commit("a", "1", 0), commit("b", "2", 0)];
    assert_eq!(log.append_all(several()).await.unwrap(), Append::Conflict(Position(before)));
    let again = vec![commit("a", "1", 0), commit("b", "2", before)];
    let stored = log.append_all(again.clone()).await.unwrap();
    assert_eq!(stored, Append::Appended(Position(before + 2)));
    assert_eq!(log.append_all(again).await.unwrap(), Append::AlreadyAppended(Position(before + 2)));
    assert_eq!(watched.calls()[1..], [Call::Batch(2); 3]);
}

pub async fn no_more_commits_wait_than_have_places(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    let mut commits = firsts(PLACES + 300);
    // Even of one aggregate, of which only one is sent at a time.
    commits[1..400].iter_mut().for_each(|commit| commit.aggregate = work("w1"));
    let verdicts = while_held(&log, &watched, commits).await;
    let stored = verdicts.iter().filter(|verdict| matches!(verdict, Append::Appended(_))).count();
    assert_eq!(stored, PLACES + 300 - 398);
    assert_eq!(log.waiting(), 0);
}

pub async fn a_commit_refused_over_one_on_its_way_is_sent_again(hub: &mut Hub) {
    let (log, watched) = watched(hub).await;
    let mut left = 3;
    watched.judge(move |_| match left {
        0 => Fate::Pass,
        _ => {
            left -= 1;
            Fate::Answer(PublishError::WrongLast { actual: None })
        }
    });
    assert_eq!(appended(log.append(commit("a", "1", 0)).await.unwrap()), 1);
    assert_eq!(watched.calls(), [Call::Plain; 4]);
    let mut left = 2;
    watched.judge(move |_| match left {
        0 => Fate::Pass,
        _ => {
            left -= 1;
            Fate::Answer(PublishError::WrongLast { actual: None })
        }
    });
    let several = vec![commit("a", "2", 1), commit("b", "3", 0)];
    assert_eq!(appended(log.append_all(several).await.unwrap()), 3);
    watched.judge(|_| Fate::Answer(PublishError::WrongLast { actual: None }));
    let never = log.append(commit("c", "4", 0)).await.unwrap();
    assert!(
        matches!(never, Append::Unknown(_)),
        "it is tried a bounded number of times: {never:?}"
    );
}

pub async fn of_two_processes_one_wins_each_time_and_the_other_learns_where_it_stands(
    hub: &mut Hub,
) {
    let (one, other) = (hub.log(Service::Work).await, hub.log(Service::Work).await);
    let mut last = 0;
    for round in 0..40 {
        let id = |who: &str| format!("{who}-{round}");
        let (a, b) = tokio::join!(
            one.append(commit("a", &id("one"), last)),
            other.append(commit("a", &id("other"), last)),
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        let (won, lost) = if matches!(a, Append::Appended(_)) { (a, b) } else { (b, a) };
        let position = appended(won);
        assert!(position > last);
        assert_eq!(lost, Append::Conflict(Position(position)));
        last = position;
    }
}

pub async fn an_expectation_is_of_the_literal_subject_alone(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    let names = [
        "Nats-Expected-Last-Subject-Sequence-Subject",
        "Nats-Expected-Last-Subject-Sequence",
        "nats-expected-last-sequence",
        "Nats-Expected-Last-Msg-Id",
    ];
    for name in names {
        let publish = Publish {
            subject: work("a").event().as_str().to_owned(),
            headers: [(name.to_owned(), "0".to_owned())].into(),
            expect_last: Some(0),
            ..Publish::default()
        };
        let error = broker.publish(publish.clone()).await.unwrap_err();
        assert!(matches!(error, PublishError::Refused(_)), "{name}: {error:?}");
        let error = broker.publish_atomic(vec![publish]).await.unwrap_err();
        assert!(matches!(error, PublishError::Refused(_)), "{name}: {error:?}");
    }
    let wild = Publish {
        subject: work("a").event().as_str().replace("c1", "*"),
        expect_last: Some(0),
        ..Publish::default()
    };
    let error = broker.publish(wild).await.unwrap_err();
    assert!(matches!(&error, PublishError::Refused(why) if why.contains("literal")), "{error:?}");
}
