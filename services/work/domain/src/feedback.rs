//! An agent's report against what is served already: transition times move only when something
//! moved (spec 1.9, 1.11). The values themselves are the agent's; nothing is computed here.

use crate::conditions::{self, Moved};
use crate::metadata::time;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Condition;
use fleetlog_messages::work::{ManifestCondition, ManifestResourceMeta, ManifestWorkStatus};

/// The condition whose transition time moves with the values fed back.
const SYNCED: &str = "StatusFeedbackSynced";

/// The status to serve after a report: what was reported, whole, with the transition times of
/// what did not move.
#[must_use]
pub fn merge(
    served: &ManifestWorkStatus,
    reported: &ManifestWorkStatus,
    at: Timestamp,
) -> ManifestWorkStatus {
    let mut status = reported.clone();
    for condition in &mut status.conditions {
        let old = conditions::find(&served.conditions, condition.r#type());
        conditions::keep_transition(old, condition, Moved::WithStatus, &time(at));
    }
    let before = served.resource_status.as_ref().map_or(&[][..], |r| &r.manifests);
    for manifest in status.resource_status.iter_mut().flat_map(|r| &mut r.manifests) {
        let old = same_manifest(before, manifest.resource_meta.as_ref());
        merge_manifest(old, manifest, at);
    }
    status
}

fn merge_manifest(old: Option<&ManifestCondition>, new: &mut ManifestCondition, at: Timestamp) {
    let fed_back = new.status_feedback.clone();
    for condition in &mut new.conditions {
        let values_moved =
            condition.r#type() == SYNCED && old.is_some_and(|old| old.status_feedback != fed_back);
        let moved = if values_moved { Moved::Always } else { Moved::WithGeneration };
        let old = old.and_then(|old| conditions::find(&old.conditions, condition.r#type()));
        conditions::keep_transition(old, condition, moved, &time(at));
    }
}

/// The entry of the same manifest: equal metadata, else equal but for the place and unique.
fn same_manifest<'a>(
    before: &'a [ManifestCondition],
    meta: Option<&ManifestResourceMeta>,
) -> Option<&'a ManifestCondition> {
    let meta = meta?;
    let exact = before
        .get(usize::try_from(meta.ordinal()).unwrap_or(usize::MAX))
        .into_iter()
        .chain(before)
        .find(|entry| entry.resource_meta.as_ref() == Some(meta));
    exact.or_else(|| {
        let loose = |m: &ManifestResourceMeta| ManifestResourceMeta { ordinal: None, ..m.clone() };
        let wanted = loose(meta);
        let mut same =
            before.iter().filter(|e| e.resource_meta.as_ref().map(loose).as_ref() == Some(&wanted));
        same.next().filter(|_| same.next().is_none())
    })
}

/// Whether a condition is true and speaks of this generation.
#[must_use]
pub fn holds(conditions: &[Condition], kind: &str, generation: i64) -> bool {
    conditions::find(conditions, kind).is_some_and(|c| {
        c.status() == "True" && c.observed_generation.is_none_or(|seen| seen >= generation)
    })
}
