//! What is decided about the status of one ManifestWork: by the report of this hub's agent, or as
//! an agent that speaks Kubernetes writes it.

use super::{check_version, now, work::let_go};
use crate::command::OfWork;
use crate::conditions;
use crate::feedback;
use crate::refusal::Refusal;
use crate::state::Work;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Condition;
use fleetlog_messages::work::{
    ManifestWorkStatus, ReportWork, WorkStatusReported, WriteWorkStatus, work_event::Event,
};
use prost::Message;

type Decision = Result<Vec<Event>, Refusal>;

/// The largest report, so that the event that keeps it fits a message.
const MAX_REPORT: usize = 512 * 1024;

pub(super) fn report(work: &Work, asked: &OfWork, report: &ReportWork, at: Timestamp) -> Decision {
    let object = work.object().ok_or_else(|| not_found(asked))?;
    if report.gone {
        return Ok(let_go(work));
    }
    check_size(report)?;
    if report.generation != work.generation() && !is_unaware(work, report) {
        let (reported, current) = (report.generation, work.generation());
        return Err(Refusal::OtherGeneration { reported, current });
    }
    let reported = report.status.as_ref().ok_or(Refusal::Incomplete { missing: "status" })?;
    let served = object.status.clone();
    let none = ManifestWorkStatus::default();
    let status = feedback::merge(served.as_ref().unwrap_or(&none), reported, at);
    if served.as_ref() == Some(&status) && work.state().reported_generation == report.generation {
        return Ok(vec![]);
    }
    let (generation, status, at) = (report.generation, Some(status), now(at));
    Ok(vec![Event::StatusReported(WorkStatusReported { generation, status, at })])
}

/// Whether a report is of an agent that has not heard yet that the work is to go: that is a
/// generation of its own, and brings nothing else to the cluster.
fn is_unaware(work: &Work, report: &ReportWork) -> bool {
    work.is_deleting()
        && report.generation + 1 == work.generation()
        && report.generation >= work.state().reported_generation
}

/// The status whole, as it is written: transition times are the writer's.
pub(super) fn write_status(
    work: &Work,
    asked: &OfWork,
    write: &WriteWorkStatus,
    at: Timestamp,
) -> Decision {
    let object = work.object().ok_or_else(|| not_found(asked))?;
    check_version(&write.resource_version, Some(work.state().changed), &asked.key)?;
    check_size(write)?;
    if object.status == write.status {
        return Ok(vec![]);
    }
    let generation = speaks_of(work, write.status.as_ref());
    let (status, at) = (write.status.clone(), now(at));
    Ok(vec![Event::StatusReported(WorkStatusReported { generation, status, at })])
}

/// The generation that a status speaks of: that of which it says whether it is applied, else the
/// newest of its conditions; a condition that names none speaks of what there is. Without
/// conditions it speaks of the one before.
fn speaks_of(work: &Work, status: Option<&ManifestWorkStatus>) -> i64 {
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    let current = work.generation();
    let of = |said: &Condition| said.observed_generation.unwrap_or(current).min(current);
    let applied = conditions::find(conditions, "Applied").map(of);
    let newest = || conditions.iter().map(of).max();
    applied.or_else(newest).unwrap_or(work.state().reported_generation)
}

fn not_found(asked: &OfWork) -> Refusal {
    Refusal::NotFound { object: asked.key.to_string() }
}

fn check_size(message: &impl Message) -> Result<(), Refusal> {
    let (size, limit) = (message.encoded_len(), MAX_REPORT);
    if size > limit { Err(Refusal::ReportTooLarge { size, limit }) } else { Ok(()) }
}
