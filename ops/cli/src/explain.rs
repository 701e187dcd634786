//! Why an object is as it is: its own commits and, back along their causes, what led to them, as
//! one chain in the order of the log.

use crate::failure::Failure;
use crate::history::History;
use crate::hub::Hub;
use crate::kinds;
use crate::log::{Line, lines_of_commit};
use crate::print::paint::Paint;
use crate::print::table::Rows;
use crate::target::Target;
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::common::Condition;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{PlacementEvent, placement_event};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{WorkEvent, WorkSpecified, WorkStatusReported, work_event};
use prost::Message as _;
use serde::Serialize;

/// How many causes are followed back from one commit.
const DEPTH: usize = 12;
/// How many of an object's own commits are told, the newest.
const OWN: usize = 20;

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `command`, `decision`, `plan`, `work`, `applied`, `available`, ...
    pub step: &'static str,
    /// The event; `None` for a step that did not happen yet.
    #[serde(flatten)]
    pub line: Option<Line>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// The object that is explained, as KIND/NAMESPACE/NAME.
    pub object: String,
    /// The steps, in the order of the log; what did not happen yet comes last.
    pub steps: Vec<Step>,
}

/// Explains an object.
///
/// # Errors
/// A server that does not answer, or an object that never was.
pub async fn explain(hub: &Hub, target: &Target) -> Result<Chain, Failure> {
    explain_at(hub, target, u64::MAX).await
}

/// Explains an object as it was right after `position`.
///
/// # Errors
/// As [`explain`]; an object that was not there yet.
pub async fn explain_at(hub: &Hub, target: &Target, position: u64) -> Result<Chain, Failure> {
    crate::log::filter(Some(target))?;
    let history = hub.history().await?;
    let aggregate = kinds::aggregate(target.info, target.namespace.as_deref(), &target.name)?;
    let mut own = history.of(&aggregate).await?;
    own.retain(|commit| commit.position.0 <= position);
    let own = incarnation(own);
    if own.is_empty() {
        return Err(target.not_found());
    }
    let mut steps = match newest_work(&own) {
        Some((commit, specified)) => explain_work(&history, &own, commit, &specified).await?,
        None => explain_any(&history, &own).await?,
    };
    steps.retain(|step| step.line.as_ref().is_none_or(|line| line.position <= position));
    steps.sort_by_key(|step| step.line.as_ref().map_or(u64::MAX, |line| line.position));
    Ok(Chain { object: target.reference(), steps: once_each(steps) })
}

fn once_each(steps: Vec<Step>) -> Vec<Step> {
    let mut once: Vec<Step> = vec![];
    for step in steps {
        if !once.contains(&step) {
            once.push(step);
        }
    }
    once
}

/// The commits of the last incarnation: what follows the last removal, or ends in it.
fn incarnation(mut commits: Vec<Recorded>) -> Vec<Recorded> {
    let ends = |commit: &Recorded| commit.header.types.iter().any(|kind| kind.ends_with("Deleted"));
    let before_last = commits.len().saturating_sub(1);
    let start = commits[..before_last].iter().rposition(ends).map_or(0, |last| last + 1);
    commits.split_off(start)
}

/// Any object: the newest of its commits, each with what led to it.
async fn explain_any(history: &History, own: &[Recorded]) -> Result<Vec<Step>, Failure> {
    let mut steps = vec![];
    let newest = own.iter().skip(own.len().saturating_sub(OWN));
    let first = own.first().filter(|_| own.len() > OWN);
    for commit in first.into_iter().chain(newest) {
        steps.extend(steps_of(commit));
        steps.extend(causes(history, commit).await?);
    }
    Ok(steps)
}

/// A work: who wanted it, who chose its cluster, when it was made, applied and available.
async fn explain_work(
    history: &History,
    own: &[Recorded],
    commit: &Recorded,
    specified: &WorkSpecified,
) -> Result<Vec<Step>, Failure> {
    let mut steps = steps_of(commit);
    steps.extend(causes(history, commit).await?);
    if let Some(decided) = history.at(Position(specified.decision)).await? {
        steps.extend(steps_of(&decided));
        steps.extend(causes(history, &decided).await?);
        steps.extend(withdrawn(history, commit, &decided).await?);
    }
    if let Some((namespace, name)) = specified.replica_set.split_once('/') {
        let set = AggregateId::namespaced(Service::Work, "replicaset", namespace, name);
        let specifies = |c: &&Recorded| {
            c.position < commit.position
                && c.header.types.iter().any(|t| t == "ReplicaSetSpecified")
        };
        let commits = history.of(&set).await?;
        steps.extend(commits.iter().rfind(specifies).into_iter().flat_map(steps_of));
    }
    let generation = specified.work.as_ref().and_then(|work| work.metadata.as_ref());
    let generation = generation.and_then(|meta| meta.generation).unwrap_or_default();
    let after = own.iter().filter(|c| c.position > commit.position);
    let reports: Vec<_> = after.clone().filter_map(|c| Some((c, report(c)?))).collect();
    for (step, condition) in [("applied", "Applied"), ("available", "Available")] {
        let says_so = |(_, report): &&(&Recorded, WorkStatusReported)| {
            let status = report.status.iter().flat_map(|status| &status.conditions);
            report.generation >= generation && status.into_iter().any(|c| is_true(c, condition))
        };
        let found = reports.iter().find(says_so).and_then(|(commit, _)| {
            lines_of_commit(commit).into_iter().find(|line| line.kind == "WorkStatusReported")
        });
        steps.push(Step { step, line: found });
    }
    let removal = after.filter(|c| c.header.types.iter().any(|t| t.starts_with("WorkDelet")));
    steps.extend(removal.flat_map(steps_of));
    // Why the placement's conditions are what they are is not why the work is there.
    steps.retain(|step| step.step != "judgement");
    Ok(steps)
}

/// The works that the same decision took from clusters: since when each was there, and its removal.
async fn withdrawn(
    history: &History,
    made: &Recorded,
    decided: &Recorded,
) -> Result<Vec<Step>, Failure> {
    let decode = |event: &bytes::Bytes| PlacementEvent::decode(event.clone()).ok()?.event;
    let removed = decided.events.iter().filter_map(decode).flat_map(|event| match event {
        placement_event::Event::Decided(decided) => decided.removed,
        _ => vec![],
    });
    let mut steps = vec![];
    for gone in removed {
        let name = &made.aggregate.name;
        let work = AggregateId::namespaced(Service::Work, "manifestwork", &gone, name);
        let commits = history.of(&work).await?;
        let is = |c: &&Recorded, kind: &str| c.header.types.iter().any(|t| t == kind);
        let before = commits.iter().take_while(|c| c.position < decided.position);
        let there = before.filter(|c| is(c, "WorkSpecified")).last();
        let mut after = commits.iter().filter(|c| c.position > decided.position);
        let removal = after.find(|c| c.header.types.iter().any(|t| t.starts_with("WorkDelet")));
        steps.extend(there.into_iter().chain(removal).flat_map(steps_of));
    }
    Ok(steps)
}

fn is_true(condition: &Condition, kind: &str) -> bool {
    condition.r#type() == kind && condition.status() == "True"
}

/// The newest specification of a work; `None` for other kinds.
fn newest_work(own: &[Recorded]) -> Option<(&Recorded, WorkSpecified)> {
    own.iter().rev().find_map(|commit| {
        let specified = events_of_work(commit)?.find_map(|event| match event {
            work_event::Event::Specified(specified) => Some(specified),
            _ => None,
        });
        Some((commit, specified?))
    })
}

fn report(commit: &Recorded) -> Option<WorkStatusReported> {
    events_of_work(commit)?.find_map(|event| match event {
        work_event::Event::StatusReported(reported) => Some(reported),
        _ => None,
    })
}

fn events_of_work(commit: &Recorded) -> Option<impl Iterator<Item = work_event::Event>> {
    let is_work = commit.header.schema == "fleetlog.work.v1.WorkEvent";
    let decode = |event: &bytes::Bytes| WorkEvent::decode(event.clone()).ok()?.event;
    is_work.then(|| commit.events.iter().filter_map(decode))
}

/// What led to a commit, cause by cause, up to what a person or an agent did.
async fn causes(history: &History, commit: &Recorded) -> Result<Vec<Step>, Failure> {
    let mut steps = vec![];
    let mut cause = commit.header.cause;
    for _ in 0..DEPTH {
        let Some(found) = history.at(cause).await? else { break };
        steps.extend(steps_of(&found));
        cause = found.header.cause;
    }
    Ok(steps)
}

fn steps_of(commit: &Recorded) -> Vec<Step> {
    let by_user = !commit.header.actor.contains(':');
    let step = |line: Line| Step { step: step_name(&line.kind, by_user), line: Some(line) };
    lines_of_commit(commit).into_iter().map(step).collect()
}

fn step_name(kind: &str, by_user: bool) -> &'static str {
    match kind {
        "PlacementDecided" => "decision",
        "PlacementJudged" => "judgement",
        "FanOutPlanned" | "InstallPlanned" => "plan",
        "AddOnSpecified" if !by_user => "add-on",
        "WorkSpecified" if !by_user => "work",
        "WorkStatusReported" => "reported",
        "ReplicaSetSummarized" | "DefinitionProgressed" => "summary",
        "AddOnProgressed" => "progress",
        "ClusterJoinRequested" => "request",
        "ClusterAccepted" => "accepted",
        "ClusterDenied" => "denied",
        "ClusterJoined" => "joined",
        "ClusterBecameAvailable" => "available",
        "LeaseExpired" => "silent",
        "TaintAdded" | "TaintRemoved" => "taint",
        "BindingBound" => "bound",
        "BindingUnbound" => "unbound",
        "ClusterSetCounted" => "counted",
        _ if kind.ends_with("DeletionRequested") => "removal",
        _ if kind.ends_with("Deleted") => "gone",
        _ if by_user => "command",
        _ => "event",
    }
}

impl Chain {
    /// For people: one line a step, with the time since the first.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        format!("{}\n{}", paint.bold(&self.object), self.rows())
    }

    /// The same without the object's name.
    #[must_use]
    pub fn rows(&self) -> String {
        let mut rows = Rows::new(["step", "position", "time", "says"]);
        for Step { step, line } in &self.steps {
            let (position, time, says) = match line {
                Some(line) => (line.position.to_string(), clock(&line.time), line.says.clone()),
                None => ("-".to_owned(), String::new(), "not yet".to_owned()),
            };
            rows.push(vec![(*step).to_owned(), position, time, says]);
        }
        rows.render()
    }
}

/// `2026-03-01 09:00:00.250` of RFC 3339.
fn clock(time: &str) -> String {
    time.trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_kernel::{CommandId, MessageId, Timestamp};
    use fleetlog_messages::envelope::CommitHeader;

    fn commit(position: u64, kind: &str) -> Recorded {
        let header = CommitHeader {
            id: MessageId::new("m"),
            types: vec![kind.to_owned()],
            schema: "fleetlog.work.v1.WorkEvent".into(),
            version: 1,
            cause: Position(0),
            cause_index: 0,
            command: CommandId::new("c"),
            correlation: "c".into(),
            actor: "admin".into(),
            time: Timestamp::of_seconds(1),
            service: Service::Work,
        };
        let aggregate = AggregateId::namespaced(Service::Work, "manifestwork", "c1", "w");
        let event =
            WorkEvent { event: Some(work_event::Event::Specified(WorkSpecified::default())) };
        let events = vec![event.encode_to_vec().into()];
        Recorded { position: Position(position), aggregate, header, events }
    }

    fn positions(commits: Vec<Recorded>) -> Vec<u64> {
        incarnation(commits).iter().map(|commit| commit.position.0).collect()
    }

    #[test]
    fn only_the_last_incarnation_is_explained() {
        let commits = |kinds: &[&str]| {
            kinds.iter().zip(1..).map(|(kind, at)| commit(at, kind)).collect::<Vec<_>>()
        };
        let (made, gone) = ("WorkSpecified", "WorkDeleted");
        assert_eq!(positions(commits(&[made, made])), [1, 2]);
        assert_eq!(positions(commits(&[made, gone, made])), [3]);
        assert_eq!(positions(commits(&[made, gone])), [1, 2]);
        assert_eq!(positions(commits(&[made, gone, made, gone])), [3, 4]);
        assert!(positions(vec![]).is_empty());
    }

    #[test]
    fn a_chain_reads_as_a_table_and_says_what_is_still_to_come() {
        let steps = steps_of(&commit(7, "WorkSpecified"));
        assert_eq!(steps[0].step, "command");
        let later = Step { step: "applied", line: None };
        let chain = Chain {
            object: "ManifestWork/c1/w".into(),
            steps: steps.into_iter().chain([later]).collect(),
        };
        let text = chain.text(Paint::Off);
        assert!(text.starts_with("ManifestWork/c1/w\nSTEP      POSITION"), "{text}");
        assert!(text.contains("admin creates work c1/w of 0 objects"), "{text}");
        assert!(text.lines().last().unwrap().ends_with("not yet"), "{text}");
        let json = serde_json::to_value(&chain).unwrap();
        assert_eq!(json["steps"][0]["position"], 7);
        assert_eq!(json["steps"][1], serde_json::json!({"step": "applied"}));
    }
}
