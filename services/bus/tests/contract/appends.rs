//! Appends: expectations, ids, group commit, decisions over several aggregates.

use crate::hub::Hub;
use crate::samples::{appended, commit, commit_of, work};
use bytes::Bytes;
use fleetlog_bus::{Append, Publish, PublishError, Retry};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::subject::{self, AggregateId};
use futures::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;

pub async fn a_first_append_expects_nothing_and_gets_a_position(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    assert_eq!(log.append(commit("a", "1", 0)).await.unwrap(), Append::Appended(Position(1)));
    assert_eq!(log.append(commit("b", "2", 0)).await.unwrap(), Append::Appended(Position(2)));
    assert_eq!(log.append(commit("a", "3", 1)).await.unwrap(), Append::Appended(Position(3)));
}

pub async fn a_stale_expectation_is_a_conflict_that_tells_where_the_aggregate_stands(
    hub: &mut Hub,
) {
    let log = hub.log(Service::Work).await;
    appended(log.append(commit("a", "1", 0)).await.unwrap());
    let second = appended(log.append(commit("a", "2", 1)).await.unwrap());
    appended(log.append(commit("b", "3", 0)).await.unwrap());
    for stale in [0, 1] {
        let refused = log.append(commit("a", "4", stale)).await.unwrap();
        assert_eq!(refused, Append::Conflict(Position(second)));
    }
    assert_eq!(log.last(&work("a")).await.unwrap().unwrap().position, Position(second));
}

pub async fn an_expectation_ahead_of_the_aggregate_is_a_conflict(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let ahead = log.append(commit("a", "1", 5)).await.unwrap();
    assert_eq!(ahead, Append::Conflict(Position::START));
    let first = appended(log.append(commit("a", "1", 0)).await.unwrap());
    let ahead = log.append(commit("a", "2", first + 7)).await.unwrap();
    assert_eq!(ahead, Append::Conflict(Position(first)));
}

pub async fn a_retry_after_a_lost_answer_is_already_appended(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let first = appended(log.append(commit("a", "1", 0)).await.unwrap());
    let retried = log.append(commit("a", "1", 0)).await.unwrap();
    assert_eq!(retried, Append::AlreadyAppended(Position(first)));
    let second = appended(log.append(commit("a", "2", first)).await.unwrap());
    let retried = log.append(commit("a", "2", first)).await.unwrap();
    assert_eq!(retried, Append::AlreadyAppended(Position(second)));
}

pub async fn a_retry_is_found_behind_later_commits(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let mut last = 0;
    for id in ["1", "2", "3", "4"] {
        last = appended(log.append(commit("a", id, last)).await.unwrap());
    }
    let retried = log.append(commit("a", "2", 1)).await.unwrap();
    assert_eq!(retried, Append::AlreadyAppended(Position(2)));
    let stranger = log.append(commit("a", "9", 1)).await.unwrap();
    assert_eq!(stranger, Append::Conflict(Position(last)));
}

pub async fn the_id_of_a_refused_append_is_free(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let refused = log.append(commit("a", "1", 9)).await.unwrap();
    assert_eq!(refused, Append::Conflict(Position::START));
    assert_eq!(appended(log.append(commit("a", "1", 0)).await.unwrap()), 1);
}

pub async fn an_id_that_another_aggregate_used_is_an_alarm(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    appended(log.append(commit("a", "1", 0)).await.unwrap());
    let fault = log.append(commit("b", "1", 0)).await.unwrap_err();
    assert_eq!(fault.retry, Retry::Useless);
    assert!(fault.to_string().contains("message id"), "{fault}");
    assert_eq!(log.last(&work("b")).await.unwrap(), None);
}

pub async fn appends_that_wait_together_are_each_stored_once(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let names: Vec<String> = (0..500).map(|n| format!("w{n}")).collect();
    let appends = names.iter().map(|name| log.append(commit(name, name, 0)));
    let positions: BTreeSet<u64> =
        join_all(appends).await.into_iter().map(|append| appended(append.unwrap())).collect();
    assert_eq!(positions, (1..=500).collect());
    for name in ["w0", "w250", "w499"] {
        let last = log.last(&work(name)).await.unwrap().unwrap();
        assert_eq!(last.events, [Bytes::from(name)]);
    }
}

pub async fn one_stale_commit_among_many_spoils_no_other(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    appended(log.append(commit("w5", "before", 0)).await.unwrap());
    let names: Vec<String> = (0..20).map(|n| format!("w{n}")).collect();
    let appends = names.iter().map(|name| log.append(commit(name, name, 0)));
    let verdicts: Vec<Append> =
        join_all(appends).await.into_iter().map(|append| append.unwrap()).collect();
    for (index, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Append::Conflict(position) => assert_eq!((index, *position), (5, Position(1))),
            stored => assert!(matches!(stored, Append::Appended(_)) && index != 5, "{verdict:?}"),
        }
    }
}

pub async fn two_commits_that_expect_the_same_are_one_commit_and_one_conflict(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let (one, other) =
        tokio::join!(log.append(commit("a", "1", 0)), log.append(commit("a", "2", 0)));
    let verdicts = [one.unwrap(), other.unwrap()];
    assert!(verdicts.contains(&Append::Appended(Position(1))), "{verdicts:?}");
    assert!(verdicts.contains(&Append::Conflict(Position(1))), "{verdicts:?}");
}

fn of_kinds(first: u64) -> Vec<fleetlog_bus::NewCommit> {
    let set = AggregateId::namespaced(Service::Work, "replicaset", "ns", "shop");
    vec![commit("a", "1", first), commit("b", "2", 0), commit_of(set, "3", 0)]
}

pub async fn commits_of_several_aggregates_are_stored_together(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let last = appended(log.append_all(of_kinds(0)).await.unwrap());
    assert_eq!(last, 3);
    assert_eq!(log.last(&work("b")).await.unwrap().unwrap().position, Position(2));
}

pub async fn a_decision_over_several_aggregates_is_all_or_none(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let before = appended(log.append(commit("b", "before", 0)).await.unwrap());
    let refused = log.append_all(of_kinds(0)).await.unwrap();
    assert_eq!(refused, Append::Conflict(Position(before)));
    assert_eq!(log.last(&work("a")).await.unwrap(), None);
    let next = appended(log.append(commit("c", "after", 0)).await.unwrap());
    assert_eq!(next, before + 1);
}

pub async fn a_retried_decision_over_several_aggregates_is_already_appended(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    let last = appended(log.append_all(of_kinds(0)).await.unwrap());
    let retried = log.append_all(of_kinds(0)).await.unwrap();
    assert_eq!(retried, Append::AlreadyAppended(Position(last)));
}

pub async fn nobody_knows_of_a_message_that_no_stream_takes(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    let subject = "$JS.FC.EVENTS.nobody".to_owned();
    let error = broker.publish(Publish { subject, ..Publish::default() }).await.unwrap_err();
    assert!(matches!(error, PublishError::Unknown(_)), "{error:?}");
}

pub async fn what_is_too_large_is_refused_and_not_stored(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    let publish = Publish {
        subject: work("a").event().as_str().to_owned(),
        payload: vec![0; 1_048_577].into(),
        ..Publish::default()
    };
    let error = broker.publish(publish).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    assert_eq!(broker.last("EVENTS", &subject::events()).await.unwrap(), None);
}

pub async fn what_cannot_be_a_message_is_refused_before_it_is_sent(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    let good = Publish { subject: work("a").event().as_str().to_owned(), ..Publish::default() };
    let header = |value: &str| [("Fl-X".to_owned(), value.to_owned())].into();
    let bad = [
        Publish { subject: "fl.ev.work.>".to_owned(), ..good.clone() },
        Publish { subject: "fl.ev.work.a b".to_owned(), ..good.clone() },
        Publish { headers: header("two\r\nlines"), ..good.clone() },
        Publish { id: Some(String::new()), ..good.clone() },
        Publish { ttl: Some(Duration::from_millis(1_500)), ..good.clone() },
    ];
    for publish in bad {
        let error = broker.publish(publish.clone()).await.unwrap_err();
        assert!(matches!(error, PublishError::Refused(_)), "{publish:?}: {error:?}");
        let error = broker.publish_atomic(vec![good.clone(), publish]).await.unwrap_err();
        assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    }
    let error = broker.publish_atomic(vec![]).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    assert_eq!(broker.last("EVENTS", &subject::events()).await.unwrap(), None);
}

pub async fn no_event_can_be_given_an_end(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    let event = Publish { subject: work("a").event().as_str().to_owned(), ..Publish::default() };
    let mortal = Publish { ttl: Some(Duration::from_secs(5)), ..event.clone() };
    let replacing =
        Publish { headers: [("Nats-Rollup".to_owned(), "all".to_owned())].into(), ..event.clone() };
    for publish in [mortal, replacing] {
        let error = broker.publish(publish).await.unwrap_err();
        assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    }
    assert_eq!(broker.last("EVENTS", &subject::events()).await.unwrap(), None);
}

pub async fn the_last_commit_of_an_aggregate_is_found(hub: &mut Hub) {
    let log = hub.log(Service::Work).await;
    assert_eq!(log.last(&work("a")).await.unwrap(), None);
    appended(log.append(commit("a", "1", 0)).await.unwrap());
    appended(log.append(commit("a", "2", 1)).await.unwrap());
    appended(log.append(commit("b", "3", 0)).await.unwrap());
    let last = log.last(&work("a")).await.unwrap().unwrap();
    assert_eq!(last.position, Position(2));
    assert_eq!(last.header, commit("a", "2", 1).header);
    assert_eq!(last.events, [Bytes::from_static(b"2")]);
}
