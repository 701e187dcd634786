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
    let conditions = [applied(lines), available(lines)];
    let conditions = conditions
        .into_iter()
        .map(|said| set(&old.conditions, said, generation, Moves::WithStatus, now));
    ManifestWorkStatus {
        conditions: conditions.collect(),
        resource_status: Some(ManifestResourceStatus { manifests }),
    }
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
        let placeless = ManifestResourceMeta { ordinal: None, ..meta.clone() };
        let mut same = olds.iter().filter(|old| {
            let old = old.resource_meta.clone().unwrap_or_default();
            ManifestResourceMeta { ordinal: None, ..old } == placeless
        });
        same.next().filter(|_| same.next().is_none())
    })
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
