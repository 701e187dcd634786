//! The summary of a replica set over its works. Each work has a share; the sums are kept beside
//! the works, so a report costs the same however large the fleet is. When to sum up is the
//! reactions'.

use crate::conditions;
use crate::fanout::{self, APPLIED, ROLLED_OUT};
use crate::feedback;
use crate::name::SetKey;
use crate::state::{ReplicaSet, Work};
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Condition;
use fleetlog_messages::work::{
    ManifestWorkReplicaSetStatus, ManifestWorkReplicaSetSummary, PlacementSummary,
};
use std::collections::BTreeMap;
use std::ops::{AddAssign, SubAssign};

/// How many works are what; of one work, zeros and ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Works that are wanted.
    pub total: u32,
    /// With the condition Progressing.
    pub progressing: u32,
    /// With the condition Available.
    pub available: u32,
    /// With the condition Degraded.
    pub degraded: u32,
    /// With the condition Applied.
    pub applied: u32,
    /// With the set's template as it is now.
    pub updated: u32,
    /// Updated, applied, and no longer progressing.
    pub done: u32,
}

macro_rules! each_count {
    ($a:ident $op:tt $b:ident) => {
        $a.total $op $b.total;
        $a.progressing $op $b.progressing;
        $a.available $op $b.available;
        $a.degraded $op $b.degraded;
        $a.applied $op $b.applied;
        $a.updated $op $b.updated;
        $a.done $op $b.done;
    };
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        each_count!(self += other);
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        each_count!(self -= other);
    }
}

/// What a summary is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many works the set has, those on their way out included.
    pub works: usize,
    /// The sums, by placement.
    pub counts: BTreeMap<String, Counts>,
    /// What the placements decided; those without a decision are missing.
    pub wanted: BTreeMap<String, Wanted>,
}

/// What a placement asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many clusters it chose.
    pub clusters: u32,
    /// In how many decision groups.
    pub groups: u32,
}

/// Whether a work has its set's template as it is now.
#[must_use]
pub fn has_template(work: &Work, set: &ReplicaSet) -> bool {
    let spec = work.object().and_then(|object| object.spec.as_ref());
    let template = set.spec().and_then(|spec| spec.manifest_work_template.as_ref());
    work.bundle() == set.bundle() && spec == template
}

/// The share of one work in the summary of its set. A condition counts only when it speaks of
/// the work's current generation.
#[must_use]
pub fn share(work: &Work, set: &ReplicaSet) -> Counts {
    let Some(object) = work.object().filter(|_| !work.is_deleting()) else {
        return Counts::default();
    };
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let holds = |kind| feedback::holds(conditions, kind, work.generation());
    let updated = has_template(work, set);
    let settled = conditions::find(conditions, "Progressing").is_none_or(|c| c.status() == "False");
    let applied = holds("Applied");
    Counts {
        total: 1,
        progressing: holds("Progressing").into(),
        available: holds("Available").into(),
        degraded: holds("Degraded").into(),
        applied: applied.into(),
        updated: updated.into(),
        done: (updated && applied && settled).into(),
    }
}

/// The status of a set: sums, and the conditions that follow from them. Equal to the one that is
/// served when nothing moved, whatever the time.
#[must_use]
pub fn status(
    key: &SetKey,
    set: &ReplicaSet,
    tally: &Tally,
    at: Timestamp,
) -> ManifestWorkReplicaSetStatus {
    let served = set.object().and_then(|object| object.status.as_ref());
    let mut conditions = served.map(|status| status.conditions.clone()).unwrap_or_default();
    let placements = set.placements();
    let counts = |name: &str| tally.counts.get(name).copied().unwrap_or_default();
    let desired = |name: &str| {
        tally.wanted.get(name).map_or_else(|| counts(name).total, |wanted| wanted.clusters)
    };
    let mut all = Counts::default();
    placements.iter().for_each(|name| all += counts(name));
    let wanted: u32 = placements.iter().map(|name| desired(name)).sum();
    let decided = placements.iter().all(|name| tally.wanted.contains_key(*name));
    let now = crate::metadata::time(at);
    let generation = set.generation();
    let rolled_out = rolled_out(all, wanted, decided, generation);
    let applied = if fanout::label_fits(key) {
        applied(all, wanted, generation)
    } else {
        fanout::invalid_name(key, generation)
    };
    conditions::set(&mut conditions, rolled_out, &now);
    conditions::set(&mut conditions, applied, &now);
    let of_placement = |name: &&str| {
        let (counts, clusters) = (counts(name), desired(name));
        let groups = tally.wanted.get(*name).map_or(0, |wanted| wanted.groups);
        let progress = format!("{groups} ({} / {clusters} clusters applied)", counts.applied);
        PlacementSummary {
            name: Some((*name).to_owned()),
            available_decision_groups: Some(progress),
            summary: Some(summary(counts, clusters)),
        }
    };
    ManifestWorkReplicaSetStatus {
        conditions,
        summary: Some(summary(all, wanted)),
        placement_summary: placements.iter().map(of_placement).collect(),
    }
}

fn rolled_out(all: Counts, wanted: u32, decided: bool, generation: i64) -> Condition {
    let complete = decided && all.done == wanted;
    let reason = if complete { "Complete" } else { "Progressing" };
    let message = format!("{} of {wanted} clusters have the template", all.done);
    conditions::new(ROLLED_OUT, complete, reason, message, generation)
}

fn applied(all: Counts, wanted: u32, generation: i64) -> Condition {
    let works = all.total.max(wanted);
    let complete = all.available == works && all.updated == works;
    let (holds, reason) = match all {
        _ if works == 0 => (false, "PlacementDecisionEmpty"),
        Counts { progressing: 0, degraded: 0, .. } if complete => (true, "AsExpected"),
        Counts { progressing: 1.., degraded: 0, .. } => (false, "Processing"),
        _ => (false, "NotAsExpected"),
    };
    let message = format!("{} of {works} works are available", all.available);
    conditions::new(APPLIED, holds, reason, message, generation)
}

fn summary(counts: Counts, desired: u32) -> ManifestWorkReplicaSetSummary {
    let number = |count: u32| Some(i32::try_from(count).unwrap_or(i32::MAX));
    ManifestWorkReplicaSetSummary {
        total: number(counts.total),
        progressing: number(counts.progressing),
        available: number(counts.available),
        degraded: number(counts.degraded),
        applied: number(counts.applied),
        desired_total: number(desired),
        updated: number(counts.updated),
    }
}
