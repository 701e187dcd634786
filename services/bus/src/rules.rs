//! What holds for a message whichever adapter carries it: literal subjects, headers of one line,
//! whole seconds, the server's largest payload. Also the server's header names.

use crate::port::{Headers, Publish, PublishError};
use std::time::Duration;

/// What a stream deduplicates by.
pub(crate) const MESSAGE_ID: &str = fleetlog_messages::envelope::header::MESSAGE_ID;
/// The expected last sequence of the message's subject.
pub(crate) const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// How every expectation's header begins; all but [`EXPECTED`] are of more than a literal subject.
const ANY_EXPECTATION: &str = "nats-expected-";
/// How long a message lives.
pub(crate) const TTL: &str = "Nats-TTL";
/// When a message is published on its target: `@at <RFC 3339>`.
pub(crate) const SCHEDULE: &str = "Nats-Schedule";
/// Where it is published then.
pub(crate) const SCHEDULE_TARGET: &str = "Nats-Schedule-Target";
/// How long it lives there.
pub(crate) const SCHEDULE_TTL: &str = "Nats-Schedule-TTL";
/// Whose schedule a published message is: the subject that it was set on.
pub(crate) const SCHEDULER: &str = "Nats-Scheduler";
/// What became of that schedule.
pub(crate) const SCHEDULE_NEXT: &str = "Nats-Schedule-Next";
/// Why a marker stands where a message was.
pub(crate) const MARKER: &str = "Nats-Marker-Reason";
/// A message that replaces others; never sent by us.
pub(crate) const ROLLUP: &str = "Nats-Rollup";
/// The id that the members of a batch share.
pub(crate) const BATCH_ID: &str = "Nats-Batch-Id";
/// A member's place in its batch, from 1.
pub(crate) const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
/// Marks the last member of a batch.
pub(crate) const BATCH_COMMIT: &str = "Nats-Batch-Commit";
/// The largest message, headers included: the server's default.
pub(crate) const MAX_MESSAGE: usize = 1_048_576;
/// The most members of a batch, and so the most aggregates of one decision.
pub const MAX_BATCH: usize = 200;

/// Refuses what no adapter may send.
pub(crate) fn check(publish: &Publish) -> Result<(), PublishError> {
    let refuse = |reason: String| Err(PublishError::Refused(reason));
    if !is_literal(&publish.subject) {
        return refuse(format!("\"{}\" is not a literal subject", publish.subject));
    }
    if let Err(name) = headers_fit(&publish.headers) {
        return refuse(format!("header \"{name}\" cannot be sent"));
    }
    let is_expectation = |name: &&String| name.to_ascii_lowercase().starts_with(ANY_EXPECTATION);
    if let Some(name) = publish.headers.keys().find(is_expectation) {
        return refuse(format!(
            "header \"{name}\": what is expected is the literal subject's last"
        ));
    }
    if publish.id.as_deref().is_some_and(|id| id.is_empty() || !is_one_line(id)) {
        return refuse("a message id is one line of text".to_owned());
    }
    if publish.ttl.is_some_and(|ttl| ttl < Duration::from_secs(1) || ttl.subsec_nanos() != 0) {
        return refuse("a message's life is whole seconds, at least one".to_owned());
    }
    let size = size_of(&publish.headers, publish.payload.len());
    if size > MAX_MESSAGE {
        return refuse(format!("{size} bytes are more than the {MAX_MESSAGE} a message may have"));
    }
    Ok(())
}

/// Whether a batch is one at all.
pub(crate) fn check_batch(members: &[Publish]) -> Result<(), PublishError> {
    if members.is_empty() || members.len() > MAX_BATCH {
        let reason = format!("a batch has 1 to {MAX_BATCH} messages, not {}", members.len());
        return Err(PublishError::Refused(reason));
    }
    members.iter().try_for_each(check)
}

/// Whether a subject is one to publish on.
pub(crate) fn is_literal(subject: &str) -> bool {
    !subject.is_empty()
        && subject.split('.').all(|token| {
            let plain = |c: char| !c.is_whitespace() && !c.is_control();
            !token.is_empty() && token != "*" && token != ">" && token.chars().all(plain)
        })
}

/// The first header that cannot be sent.
pub(crate) fn headers_fit(headers: &Headers) -> Result<(), &str> {
    let fits = |name: &str, value: &str| {
        let plain = |b: u8| (33..127).contains(&b) && b != b':';
        !name.is_empty() && name.bytes().all(plain) && is_one_line(value)
    };
    match headers.iter().find(|(name, value)| !fits(name, value)) {
        Some((name, _)) => Err(name),
        None => Ok(()),
    }
}

fn is_one_line(text: &str) -> bool {
    !text.contains(['\r', '\n']) && text.trim() == text
}

fn size_of(headers: &Headers, payload: usize) -> usize {
    payload + headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>()
}
