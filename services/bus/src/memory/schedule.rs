//! Scheduled messages of the in-memory twin: which the server takes, when they fire, and what they
//! are then. Pure; the stream keeps them.

use crate::port::{Headers, PublishError};
use crate::rules::{
    self, MESSAGE_ID, SCHEDULE, SCHEDULE_NEXT, SCHEDULE_TARGET, SCHEDULE_TTL, SCHEDULER, TTL,
};
use crate::spec::StreamSpec;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Time;
use fleetlog_messages::subject::Subject;
use std::time::Duration;
use tokio::time::Instant;

/// What the time was at a moment of tokio's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) start: Timestamp,
    pub(super) origin: Instant,
}

/// Refuses what the server would.
pub(super) fn check(
    spec: &StreamSpec,
    subject: &str,
    headers: &Headers,
) -> Result<(), PublishError> {
    let refuse = |reason: &str| Err(PublishError::Refused(reason.to_owned()));
    if !spec.schedules {
        return refuse("message schedules is disabled");
    }
    if moment(headers).is_none() {
        return refuse("message schedule pattern is invalid");
    }
    let target = headers.get(SCHEDULE_TARGET).map_or("", String::as_str);
    let taken = spec.subjects.iter().any(|filter| Subject::raw(filter).covers(target));
    if !taken || target == subject || !rules::is_literal(target) {
        return refuse("message schedule target is invalid");
    }
    Ok(())
}

/// When a message fires; `None` for one that is not scheduled.
pub(super) fn fires(headers: &Headers, Origin { start, origin }: Origin) -> Option<Instant> {
    moment(headers).map(|at| origin + at.since(start))
}

/// Subject, headers and life of the message that a schedule publishes.
pub(super) fn fired(subject: String, headers: Headers) -> (String, Headers, Option<Duration>) {
    let life = headers.get(SCHEDULE_TTL).and_then(|text| lasting(text));
    let target = headers.get(SCHEDULE_TARGET).cloned().unwrap_or_default();
    let own = [SCHEDULE, SCHEDULE_TARGET, SCHEDULE_TTL, MESSAGE_ID];
    let others = headers.into_iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut headers: Headers = others.collect();
    headers.insert(SCHEDULER.to_owned(), subject);
    headers.insert(SCHEDULE_NEXT.to_owned(), "purge".to_owned());
    if let Some(life) = life {
        headers.insert(TTL.to_owned(), format!("{}s", life.as_secs()));
    }
    (target, headers, life)
}

fn moment(headers: &Headers) -> Option<Timestamp> {
    let time = Time::parse(headers.get(SCHEDULE)?.strip_prefix("@at ")?)?;
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    Some(Timestamp::of_nanos(nanos))
}

/// `24h`, `30m`, `5s`.
fn lasting(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::from_secs(number * unit))
}
