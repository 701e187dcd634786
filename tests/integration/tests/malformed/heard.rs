//! Malformed requests outside the streams: each gets what its protocol has for "no".

use crate::mail::Mail;
use crate::table::Sender;
use fleetlog_bus::{Fault, Message, Retry, SYNC_END};
use fleetlog_kernel::Service;
use fleetlog_messages::common::{
    Answer, BeatAnswer, BlobKept, DeadLetter, JoinAnswer, Refusal, join_answer,
};
use fleetlog_messages::core::{RefusedToSeal, ValuesSealed};
use fleetlog_messages::subject::Subject;
use futures::TryStreamExt as _;
use prost::Message as _;
use std::time::Duration;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug)]
enum Reply {
    Refused(Refusal),
    /// An answer of several messages that ended without what makes it one.
    Nothing,
    Answered,
    /// The server says that nobody takes it.
    Nobody,
}

/// Asks, and judges the answer.
pub async fn is_answered(sender: &Sender, service: Service, mail: &Mail) {
    let verbs: Vec<&str> = mail.subject.split('.').collect();
    let (passage, verb) = (verbs[1], verbs[verbs.len() - 1]);
    let reply = match (passage, verb) {
        ("qry", _) | ("a", "sync" | "blob") => many(sender, mail, verb).await,
        _ => one(sender, mail, (passage, verb)).await,
    };
    let reply = reply.unwrap_or_else(|fault| match fault.retry {
        Retry::NobodyThere => Reply::Nobody,
        Retry::MayHelp | Retry::Useless | Retry::NoSpace => {
            panic!("{} got {fault}: {mail:?}", sender.label)
        }
    });
    let empty = mail.payload.is_empty();
    match (&reply, passage, verb) {
        (Reply::Refused(refusal), ..) => {
            let Refusal { code, sentence, advice } = refusal;
            let coded = code.len() == 7 && !sentence.is_empty() && !advice.is_empty();
            assert!(coded, "{refusal:?} for {mail:?}");
        }
        // An empty message is a whole question where no field is needed.
        (Reply::Answered, "qry", "outcome" | "hash" | "rows") | (Reply::Answered, "a", "sync") => {
            assert!(empty, "{mail:?} was answered");
        }
        (Reply::Nothing, "a", "sync") => assert!(!empty, "an empty sync is a whole one"),
        (Reply::Nothing, "a", "blob") => {}
        (Reply::Nobody, "put", _) => {
            assert!(![Service::Work, Service::Core].contains(&service), "{mail:?}");
        }
        _ => panic!("{reply:?} for {mail:?}"),
    }
}

async fn one(sender: &Sender, mail: &Mail, (passage, verb): (&str, &str)) -> Result<Reply, Fault> {
    let subject = Subject::raw(&mail.subject);
    let answer = sender.broker.request(&subject, mail.payload.clone(), WITHIN).await?.payload;
    let refusal = match (passage, verb) {
        ("put", _) if mail.subject.starts_with("fl.put.core.") => {
            let refused = ValuesSealed::decode(answer).unwrap().refused;
            refused.map(|RefusedToSeal { code, sentence, advice }| Refusal {
                code,
                sentence,
                advice,
            })
        }
        ("put", _) => BlobKept::decode(answer).unwrap().refused,
        ("a", "beat") => BeatAnswer::decode(answer).unwrap().refused,
        ("join", _) | ("a", "renew") => match JoinAnswer::decode(answer).unwrap().answer {
            Some(join_answer::Answer::Refused(refusal)) => Some(refusal),
            _ => None,
        },
        _ => panic!("a request without a protocol: {mail:?}"),
    };
    Ok(refusal.map_or(Reply::Answered, Reply::Refused))
}

async fn many(sender: &Sender, mail: &Mail, verb: &str) -> Result<Reply, Fault> {
    let subject = Subject::raw(&mail.subject);
    let asked = sender.broker.request_many(&subject, mail.payload.clone(), WITHIN).await?;
    let parts: Vec<Message> = asked.try_collect().await?;
    Ok(match (verb, parts.as_slice()) {
        (_, []) => Reply::Nothing,
        ("sync", [.., last]) if last.headers.contains_key(SYNC_END) => Reply::Answered,
        ("sync" | "blob", _) => panic!("half an answer to {mail:?}: {parts:?}"),
        (_, [page]) => match Answer::decode(page.payload.clone()).unwrap().refusal {
            Some(refusal) => Reply::Refused(refusal),
            None => Reply::Answered,
        },
        _ => Reply::Answered,
    })
}

/// Requests lie in no stream; those that could not be read are kept in DLQ all the same, once.
pub fn what_was_buried_was_unreadable(asked: &[Mail], letters: &[DeadLetter]) {
    let mut left: Vec<&DeadLetter> = letters.iter().collect();
    for mail in asked.iter().filter(|mail| !mail.payload.is_empty()) {
        let unheard = ["fl.put.registration.", "fl.put.placement.", "fl.put.addon.", "fl.qry."];
        if unheard.iter().any(|prefix| mail.subject.starts_with(prefix)) {
            continue;
        }
        // What is handed over to be sealed may be secret: it is kept nowhere.
        let secret = mail.subject.starts_with("fl.put.core.");
        let kept = if secret { &[][..] } else { &mail.payload[..] };
        let own = |l: &&DeadLetter| l.subject == mail.subject && l.payload == kept;
        let at = left.iter().position(own).unwrap_or_else(|| panic!("no letter for {mail:?}"));
        let letter = left.swap_remove(at);
        assert!(!letter.reason.is_empty() && letter.stream.is_empty(), "{letter:?}");
    }
    for letter in left {
        assert!(letter.payload.is_empty() && !letter.reason.is_empty(), "{letter:?}");
    }
}
