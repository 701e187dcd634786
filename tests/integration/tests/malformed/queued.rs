//! Malformed messages in a stream that a service decides on: each ends in DLQ, once, by name; and
//! users who can be told are told.

use crate::letters;
use crate::mail::Mail;
use crate::table::Sender;
use fleetlog_bus::{Outcomes, Publish, SharedBroker};
use fleetlog_kernel::{CommandId, Service};
use fleetlog_messages::common::{DeadLetter, outcome};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::AggregateId;
use fleetlog_test_support::eventually;
use std::collections::BTreeMap;

/// A malformed message and where it lies.
pub struct Sent {
    stream: &'static str,
    sequence: u64,
    service: Service,
    mail: Mail,
}

/// Sends one. STATUS keeps the newest of a subject only: there its letter is waited for.
pub async fn send(
    operator: &SharedBroker,
    sender: &Sender,
    (stream, service): (&'static str, Service),
    mail: Mail,
) -> Sent {
    let publish = Publish {
        subject: mail.subject.clone(),
        headers: mail.headers.clone(),
        payload: mail.payload.clone(),
        ..Publish::default()
    };
    let stored = sender.broker.publish(publish).await;
    let sequence = stored.unwrap_or_else(|error| panic!("{error}: {mail:?}")).sequence;
    if stream == "STATUS" {
        let buried = async || {
            let letters = letters(operator).await;
            letters.iter().any(|l| l.stream == stream && l.sequence == sequence).then_some(())
        };
        let what = format!("the letter for {mail:?}");
        eventually(&what, buried).await.unwrap();
    }
    Sent { stream, sequence, service, mail }
}

/// Each message has exactly one letter, which names it; there are no others.
pub fn each_has_one(sent: &[Sent], letters: &[DeadLetter]) {
    let mut found = BTreeMap::<(&str, u64), Vec<&DeadLetter>>::new();
    for letter in letters {
        found.entry((letter.stream.as_str(), letter.sequence)).or_default().push(letter);
    }
    for Sent { stream, sequence, service, mail } in sent {
        let (wrong, subject) = (mail.wrong, &mail.subject);
        let own = found.remove(&(*stream, *sequence)).unwrap_or_default();
        assert_eq!(own.len(), 1, "letters for {stream} {sequence} on {subject}, {wrong}");
        assert_eq!((&own[0].subject, own[0].service.as_str()), (subject, service.token()));
        assert!(!own[0].reason.is_empty(), "no reason: {subject}, {wrong}");
        assert!(mail.payload.starts_with(&own[0].payload), "another payload: {subject}, {wrong}");
    }
    assert!(found.is_empty(), "letters for what was not sent: {found:?}");
}

/// Who sent a command under an id that can be read has an outcome that refuses it in words.
pub async fn users_are_told(operator: &SharedBroker, sent: &[Sent]) {
    let outcomes = Outcomes::new(operator.clone());
    let mut told = 0;
    for Sent { stream, mail, .. } in sent {
        let id = mail.headers.get(header::COMMAND).filter(|id| id.starts_with("m-"));
        let (true, Some(id), Some((_, actor))) =
            (*stream == "CMD", id, AggregateId::of_command(&mail.subject))
        else {
            continue;
        };
        let id = CommandId::new(id);
        let recorded = async || outcomes.find(actor.as_str(), &id).await.unwrap()?.result;
        let result = eventually("the asker is told", recorded).await.unwrap();
        let outcome::Result::Refused(refusal) = result else { panic!("{mail:?}: {result:?}") };
        assert_eq!(refusal.code, "CHS0001", "{mail:?}");
        assert!(!refusal.sentence.is_empty() && !refusal.advice.is_empty(), "{refusal:?}");
        told += 1;
    }
    assert!(told >= 30, "{told}");
}
