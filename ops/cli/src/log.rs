//! The event log as lines: one a event, for people or as JSON.

use crate::failure::Failure;
use crate::hub::Hub;
use crate::kinds::aggregate_reference;
use crate::print::paint::Paint;
use crate::story;
use crate::target::Target;
use fleetlog_bus::Entry;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Time;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::{self, Subject};
use serde::Serialize;
use std::ops::RangeInclusive;

/// One event of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The EVENTS sequence of its commit.
    pub position: u64,
    /// When it was decided, RFC 3339.
    pub time: String,
    /// Who asked: a user, `service:<name>` or `cluster:<name>`.
    pub actor: String,
    /// Who decided.
    pub service: String,
    /// KIND/NAMESPACE/NAME.
    pub object: String,
    /// `ClusterAccepted`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The sentence.
    pub says: String,
    /// The position that led to it; 0 when a person or an agent did.
    pub cause: u64,
    /// The id of the command.
    pub command: String,
}

impl Line {
    /// For people: position, time, sentence, and what it follows from.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        let position = format!("{:>6}", self.position);
        let time = self.time.replace('T', " ");
        let says = paint.service(&self.service, &self.says);
        let cause = match self.cause {
            0 => String::new(),
            cause => format!("  {}", paint.dim(&format!("<- {cause}"))),
        };
        format!(
            "{}  {}  {says}{cause}",
            paint.bold(&position),
            paint.dim(time.trim_end_matches('Z'))
        )
    }

    /// As one line of JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The lines of one message of the log; what cannot be read is a line that says so.
#[must_use]
pub fn lines_of(entry: &Entry) -> Vec<Line> {
    match entry {
        Entry::Commit(commit, _) => lines_of_commit(commit),
        Entry::Malformed { position, subject, reason } => vec![Line {
            position: position.0,
            time: String::new(),
            actor: String::new(),
            service: String::new(),
            object: subject.clone(),
            kind: "Unreadable".to_owned(),
            says: format!("position {position} of \"{subject}\" cannot be read: {reason}"),
            cause: 0,
            command: String::new(),
        }],
    }
}

/// The lines of one commit.
#[must_use]
pub fn lines_of_commit(commit: &Recorded) -> Vec<Line> {
    let header = &commit.header;
    let told = story::tell(commit).into_iter().map(|told| Line {
        position: commit.position.0,
        time: millis(header.time),
        actor: header.actor.clone(),
        service: header.service.to_string(),
        object: aggregate_reference(&commit.aggregate),
        kind: told.kind,
        says: told.says,
        cause: header.cause.0,
        command: header.command.to_string(),
    });
    told.collect()
}

/// RFC 3339 with three digits of a second, always.
#[must_use]
pub fn millis(at: Timestamp) -> String {
    let time = Time { seconds: at.seconds(), ..Time::default() };
    let whole = time.render();
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), at.nanos() / 1_000_000)
}

/// What of the log is about an object; all of it when none is named.
///
/// # Errors
/// Kinds without events of their own.
pub fn filter(about: Option<&Target>) -> Result<Subject, Failure> {
    let Some(target) = about else { return Ok(subject::events()) };
    if target.info.token == "placementdecision" {
        let sentence = format!("a {} has no events of its own", target.info.kind);
        let advice = "ask for the placement that it belongs to: placement/NAMESPACE/NAME";
        return Err(Failure::new("CLI0026", sentence, advice));
    }
    let aggregate =
        crate::kinds::aggregate(target.info, target.namespace.as_deref(), &target.name)?;
    Ok(aggregate.event())
}

/// Gives each line of the positions `span` to `take`, about one object or everything, as far as
/// the log goes now.
///
/// # Errors
/// A server that does not answer, or an object that never was.
pub async fn each(
    hub: &Hub,
    about: Option<&Target>,
    span: RangeInclusive<u64>,
    mut take: impl FnMut(Line),
) -> Result<(), Failure> {
    let whole = *span.start() <= 1;
    let lines = |entry: Entry| lines_of(&entry).into_iter().for_each(&mut take);
    let found = hub.history().await?.each(&filter(about)?, span, lines).await?;
    match about {
        Some(target) if found == 0 && whole => Err(target.not_found()),
        _ => Ok(()),
    }
}

/// The same lines in memory.
///
/// # Errors
/// As [`each`].
pub async fn read(
    hub: &Hub,
    about: Option<&Target>,
    span: RangeInclusive<u64>,
) -> Result<Vec<Line>, Failure> {
    let mut lines = vec![];
    each(hub, about, span, |line| lines.push(line)).await?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_kernel::Position;

    fn line() -> Line {
        Line {
            position: 42,
            time: "2026-03-01T09:00:00.250Z".into(),
            actor: "admin".into(),
            service: "placement".into(),
            object: "Placement/t/p".into(),
            kind: "PlacementDeleted".into(),
            says: "admin removes placement t/p".into(),
            cause: 7,
            command: "c".into(),
        }
    }

    #[test]
    fn a_line_reads_from_left_to_right_and_has_no_colours_in_a_file() {
        assert_eq!(
            line().text(Paint::Off),
            "    42  2026-03-01 09:00:00.250  admin removes placement t/p  <- 7"
        );
        assert!(line().text(Paint::On).contains("\u{1b}[35madmin"));
    }

    #[test]
    fn a_line_of_json_has_the_promised_names() {
        let json: serde_json::Value = serde_json::from_str(&line().json()).unwrap();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut promised =
            ["position", "time", "actor", "service", "object", "type", "says", "cause", "command"];
        promised.sort_unstable();
        assert_eq!(names, promised);
        assert_eq!(json["type"], "PlacementDeleted");
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(millis(Timestamp::of_nanos(1_250_999_999)), "1970-01-01T00:00:01.250Z");
        assert_eq!(millis(Timestamp::of_seconds(0)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_cannot_be_read_is_a_line_too() {
        let entry = Entry::Malformed {
            position: Position(3),
            subject: "fl.ev.x".into(),
            reason: "it is no commit".into(),
        };
        assert_eq!(
            lines_of(&entry)[0].says,
            "position 3 of \"fl.ev.x\" cannot be read: it is no commit"
        );
    }

    #[test]
    fn kinds_without_events_say_where_to_look() {
        let target = Target::parse("placementdecision/t/p-1").unwrap();
        assert_eq!(filter(Some(&target)).unwrap_err().code, "CLI0026");
        let target = Target::parse("placement/t/p").unwrap();
        assert_eq!(filter(Some(&target)).unwrap().as_str(), "fl.ev.placement.placement.t.p");
    }
}
