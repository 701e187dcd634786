//! Whatever comes, no service falls and nothing is lost: malformed messages on every subject that
//! somebody else may write, on a real hub with every service; and a log that cannot be read, which
//! stops them by name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod good;
mod heard;
mod mail;
mod queued;
mod stage;
mod table;
mod unreadable;

use crate::mail::Writer;
use crate::queued::{Sent, send};
use crate::stage::{Stage, stored};
use crate::table::{Place, Sender, Taken, places, senders};
use fleetlog_bus::SharedBroker;
use fleetlog_messages::common::DeadLetter;
use fleetlog_messages::envelope::header;
use fleetlog_test_support::eventually;
use prost::Message as _;
use std::collections::BTreeSet;

/// The seed of everything that is random here.
const SEED: u64 = 1_702;

/// Everything in DLQ.
async fn letters(operator: &SharedBroker) -> Vec<DeadLetter> {
    let found = stored(operator, "DLQ").await;
    found.iter().map(|message| DeadLetter::decode(message.payload.clone()).unwrap()).collect()
}

/// Each place of the table with its sender.
fn table(senders: &[Sender]) -> Vec<(&Sender, Place)> {
    let of = |sender| places(sender).into_iter().map(move |place| (sender, place));
    senders.iter().flat_map(of).collect()
}

/// Nothing was decided but what registration does of itself at its start.
async fn nothing_was_decided(operator: &SharedBroker) {
    for message in stored(operator, "EVENTS").await {
        let own = message.subject.starts_with("fl.ev.registration.clusterset.");
        assert!(own && message.headers[header::ACTOR] == "service:registration", "{message:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_malformed_message_in_a_stream_has_one_dead_letter_and_moves_nothing() {
    let stage = Stage::start().await;
    let senders = senders(&stage).await;
    let operator = stage.hub.operator().await.unwrap();
    let (mut writer, mut sent) = (Writer::new(SEED), Vec::<Sent>::new());
    for (sender, place) in table(&senders) {
        let Taken::Queued(stream) = place.taken else { continue };
        for mail in writer.write(sender.label, &place) {
            sent.push(send(&operator, sender, (stream, place.service), mail).await);
        }
    }
    assert!(sent.len() > 200, "{}", sent.len());
    let all_buried = async || {
        let found = letters(&operator).await;
        (found.len() >= sent.len()).then_some(found)
    };
    let buried = eventually("each has its dead letter", all_buried).await;
    let found = match buried {
        Ok(found) => found,
        Err(_) => letters(&operator).await,
    };
    queued::each_has_one(&sent, &found);
    queued::users_are_told(&operator, &sent).await;
    nothing_was_decided(&operator).await;
    stage.assert_alive();
    good::everything_works(&stage).await;
    stage.assert_alive();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_malformed_request_is_refused_in_words_and_moves_nothing() {
    let stage = Stage::start().await;
    let senders = senders(&stage).await;
    let operator = stage.hub.operator().await.unwrap();
    let (mut writer, mut asked) = (Writer::new(SEED + 1), vec![]);
    for (sender, place) in table(&senders) {
        if place.taken != Taken::Heard {
            continue;
        }
        for mail in writer.write(sender.label, &place) {
            heard::is_answered(sender, place.service, &mail).await;
            asked.push(mail);
        }
    }
    assert!(asked.len() > 50, "{}", asked.len());
    heard::what_was_buried_was_unreadable(&asked, &letters(&operator).await);
    nothing_was_decided(&operator).await;
    stage.assert_alive();
    good::everything_works(&stage).await;
    stage.assert_alive();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_reaches_all_that_others_write_and_services_take() {
    let stage = Stage::start().await;
    let senders = senders(&stage).await;
    let found: BTreeSet<(&str, String)> =
        table(&senders).into_iter().map(|(sender, place)| (sender.label, place.pattern)).collect();
    let mut expected: BTreeSet<(&str, String)> = [
        ("c1", "fl.st.c1.cluster"),
        ("c1", "fl.st.c1.work.>"),
        ("c1", "fl.a.c1.beat"),
        ("c1", "fl.a.c1.renew"),
        ("c1", "fl.a.c1.sync"),
        ("c1", "fl.a.c1.blob"),
        ("gateway", "fl.a.*.beat"),
    ]
    .map(|(label, pattern)| (label, pattern.to_owned()))
    .into();
    for service in ["registration", "placement", "work", "addon", "core"] {
        expected.insert(("alice", format!("fl.cmd.{service}.alice.>")));
        expected.insert(("alice", format!("fl.qry.{service}.alice.*")));
        expected.insert(("alice", format!("fl.put.{service}.alice.*")));
        expected.insert(("operator", format!("fl.qry.{service}.operator.*")));
        expected.insert(("gateway", format!("fl.cmd.{service}.*.>")));
        expected.insert(("gateway", format!("fl.qry.{service}.gateway.*")));
        expected.insert(("gateway", format!("fl.qry.{service}.*.outcome")));
        expected.insert(("gateway", format!("fl.qry.{service}.*.try")));
        expected.insert(("gateway", format!("fl.put.{service}.*.*")));
        for from in ["registration", "placement", "work", "addon", "core"] {
            expected.insert((from, format!("fl.do.{service}.{from}.>")));
        }
    }
    let join = found.iter().find(|(label, _)| *label == "boot").cloned().unwrap();
    assert!(join.1.starts_with("fl.join.U"), "{join:?}");
    expected.insert(join);
    assert_eq!(found, expected);
}
