//! The status of a work as its agent reports it: level, whole (spec: condition catalogue).

use crate::conditions::{Moves, Said, set};
use crate::feedback::Feedback;
use crate::kind::{Gvk, Resource};
use crate::step::Failure;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Condition;
use fleetlog_messages::work::{
    ManifestCondition, ManifestResourceMeta, ManifestResourceStatus, ManifestWorkStatus,
    ReportWork, StatusFeedbackResult,
};
use prost::Message as _;

/// The most bytes that the entries of a report's manifests have: a report is one message of 256 KiB
/// at most, however many manifests a work has.
const MAX_LISTED: usize = 224 * 1024;

/// What is known of an object between passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seen {
    /// It is there.
    Present {
        /// It has reached what it was asked for.
        ready: bool,
    },
    /// It is not there.
    Absent,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// One manifest of a work, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its kind.
    pub gvk: Gvk,
    /// Its namespace as given.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its object, once its kind is known.
    pub resource: Option<Resource>,
    /// Why it could not be applied, if so.
    pub failure: Option<Failure>,
    /// Its object as last seen.
    pub seen: Seen,
    /// Whether it has feedback rules.
    pub ruled: bool,
    /// What its rules gave.
    pub feedback: Feedback,
}

impl Line {
    /// Whether it is applied and its object has reached what it was asked for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.failure.is_none() && self.seen == Seen::Present { ready: true }
    }

    fn meta(&self, ordinal: usize) -> ManifestResourceMeta {
        let key = self.resource.as_ref().map(|resource| resource.key.clone()).unwrap_or_default();
        ManifestResourceMeta {
            ordinal: i32::try_from(ordinal).ok(),
            group: Some(self.gvk.group.clone()),
            version: Some(self.gvk.version.clone()),
            kind: Some(self.gvk.kind.clone()),
            resource: Some(key.resource),
            name: Some(self.name.clone()),
            namespace: Some(
                self.resource.as_ref().map_or(self.namespace.clone(), |_| key.namespace),
            ),
        }
    }
}

/// The status of a work, after the one that was reported last.
#[must_use]
pub fn status(
    lines: &[Line],
    generation: i64,
    old: &ManifestWorkStatus,
    now: Timestamp,
) -> ManifestWorkStatus {
    let olds = old.resource_status.as_ref().map(|status| status.manifests.as_slice());
    let manifests: Vec<ManifestCondition> = lines
        .iter()
        .enumerate()
        .map(|(ordinal, line)| {
            let meta = line.meta(ordinal);
            let old = before(olds.unwrap_or_default(), &meta);
            of_line(line, meta, generation, old, now)
        })
        .collect();
    let manifests = listed(manifests);
    let mut applied = applied(lines);
    if manifests.len() < lines.len() {
        let (all, listed) = (lines.len(), manifests.len());
        let message = applied.message.clone();
        applied = applied.with(format!("{message}; {listed} of {all} manifests are listed"));
    }
    let conditions = [applied, available(lines)]
        .into_iter()
        .map(|said| set(&old.conditions, said, generation, Moves::WithStatus, now));
    ManifestWorkStatus {
        conditions: conditions.collect(),
        resource_status: Some(ManifestResourceStatus { manifests }),
    }
}

/// As many entries as a report has room for, in their order; those that are not well come first.
fn listed(mut manifests: Vec<ManifestCondition>) -> Vec<ManifestCondition> {
    let is_well = |entry: &ManifestCondition| {
        let is_true = |condition: &Condition| condition.status() == "True";
        entry.conditions.iter().all(is_true)
    };
    let mut order: Vec<usize> = (0..manifests.len()).collect();
    order.sort_by_key(|at| is_well(&manifests[*at]));
    let mut room = MAX_LISTED;
    let mut fits = vec![false; manifests.len()];
    for at in order {
        // A field's tag and length take some bytes beside the entry's own.
        let size = manifests[at].encoded_len() + 8;
        let Some(left) = room.checked_sub(size) else { break };
        (room, fits[at]) = (left, true);
    }
    let mut fits = fits.into_iter();
    manifests.retain(|_| fits.next().unwrap_or_default());
    manifests
}

/// The report that nothing of a work is left.
#[must_use]
pub const fn gone(generation: i64) -> ReportWork {
    ReportWork { generation, status: None, gone: true }
}

/// What was said before of the same object: wholly the same, else the same but for its place.
fn before<'a>(
    olds: &'a [ManifestCondition],
    meta: &ManifestResourceMeta,
) -> Option<&'a ManifestCondition> {
    let whole = olds.iter().find(|old| old.resource_meta.as_ref() == Some(meta));
    whole.or_else(|| {
        let is_same = |old: &&ManifestCondition| {
            old.resource_meta.as_ref().is_some_and(|old| is_same_object(old, meta))
        };
        let mut same = olds.iter().filter(is_same);
        same.next().filter(|_| same.next().is_none())
    })
}

fn is_same_object(a: &ManifestResourceMeta, b: &ManifestResourceMeta) -> bool {
    let place =
        |meta: &ManifestResourceMeta| ManifestResourceMeta { ordinal: None, ..meta.clone() };
    // Most differ in their names, and then nothing is copied.
    a.name == b.name && a.kind == b.kind && place(a) == place(b)
}

fn of_line(
    line: &Line,
    meta: ManifestResourceMeta,
    generation: i64,
    old: Option<&ManifestCondition>,
    now: Timestamp,
) -> ManifestCondition {
    let olds: &[Condition] = old.map(|old| old.conditions.as_slice()).unwrap_or_default();
    let old_values = old.and_then(|old| old.status_feedback.as_ref()).map(|f| f.values.as_slice());
    let said = |said: Said, moves| set(olds, said, generation, moves, now);
    let mut conditions = vec![
        said(manifest_applied(line), Moves::WithGeneration),
        said(manifest_available(line), Moves::WithGeneration),
    ];
    if line.seen != Seen::Unknown && (line.seen != Seen::Absent || !line.feedback.values.is_empty())
    {
        let changed = old_values.unwrap_or_default() != line.feedback.values.as_slice();
        let moves = if changed { Moves::Now } else { Moves::WithGeneration };
        conditions.push(said(synced(line), moves));
    }
    let values = line.feedback.values.clone();
    ManifestCondition {
        resource_meta: Some(meta),
        conditions,
        status_feedback: Some(StatusFeedbackResult { values }),
    }
}

fn manifest_applied(line: &Line) -> Said {
    match &line.failure {
        None => {
            Said::new("Applied", "True", "AppliedManifestComplete").with("Apply manifest complete")
        }
        Some(failure) => Said::new("Applied", "False", "AppliedManifestFailed")
            .with(format!("Failed to apply manifest: {}", failure.message)),
    }
}

fn manifest_available(line: &Line) -> Said {
    match (&line.seen, &line.resource) {
        (_, None) => Said::new("Available", "Unknown", "IncompleteResourceMeta")
            .with("Resource meta is incomplete"),
        (Seen::Present { .. }, _) => {
            Said::new("Available", "True", "ResourceAvailable").with("Resource is available")
        }
        (Seen::Absent, _) => Said::new("Available", "False", "ResourceNotAvailable")
            .with("Resource is not available"),
        (Seen::Unknown, _) => Said::new("Available", "Unknown", "FetchingResourceFailed")
            .with("Failed to fetch resource"),
    }
}

fn synced(line: &Line) -> Said {
    let kind = "StatusFeedbackSynced";
    if !line.ruled {
        Said::new(kind, "True", "NoStatusFeedbackSynced")
    } else if line.feedback.faults.is_empty() {
        Said::new(kind, "True", "StatusFeedbackSynced")
    } else {
        Said::new(kind, "False", "StatusFeedbackSyncFailed").with(line.feedback.faults.join("; "))
    }
}

fn applied(lines: &[Line]) -> Said {
    if lines.iter().all(|line| line.failure.is_none()) {
        Said::new("Applied", "True", "AppliedManifestWorkComplete")
            .with("Apply manifest work complete")
    } else {
        Said::new("Applied", "False", "AppliedManifestWorkFailed")
            .with("Failed to apply manifest work")
    }
}

fn available(lines: &[Line]) -> Said {
    let all = lines.len();
    let absent = lines.iter().filter(|line| line.seen == Seen::Absent).count();
    let unknown =
        lines.iter().filter(|line| line.resource.is_none() || line.seen == Seen::Unknown).count();
    if absent > 0 {
        Said::new("Available", "False", "ResourcesNotAvailable")
            .with(format!("{absent} of {all} resources are not available"))
    } else if unknown > 0 {
        Said::new("Available", "Unknown", "ResourcesStatusUnknown")
            .with(format!("{unknown} of {all} resources have unknown status"))
    } else {
        Said::new("Available", "True", "ResourcesAvailable").with("All resources are available")
    }
}
