//! The fan-out of a replica set: what its placements' decisions ask for against what the plans so
//! far have. Pure; works are made by the commands that follow from a plan.

use crate::command::Chosen;
use crate::conditions;
use crate::name::{MAX_LABEL, PLACEMENT_LABEL, SET_LABEL, SetKey, Target};
use crate::state::ReplicaSet;
use crate::turns;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::{Condition, ObjectMeta};
use fleetlog_messages::work::{FanOutPlanned, ManifestWork};
use std::collections::{BTreeMap, BTreeSet};

/// How many works one plan may deliver or withdraw, so that it fits a message whatever the names:
/// what is left is planned next.
pub const CHUNK: usize = 2_000;
/// The condition that says whether the placements have decided.
pub const VERIFIED: &str = "PlacementVerified";
/// The condition that says whether every chosen cluster has what it should.
pub const ROLLED_OUT: &str = "PlacementRolledOut";
/// The condition that says whether the works are available.
pub const APPLIED: &str = "ManifestworkApplied";

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Where a work is made, or gets the new template.
    pub deliver: Vec<Target>,
    /// Where it is taken away.
    pub withdraw: Vec<Target>,
}

impl Difference {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deliver.is_empty() && self.withdraw.is_empty()
    }

    /// The part that one plan takes: withdrawals first.
    #[must_use]
    pub fn chunk(mut self) -> Self {
        self.withdraw.truncate(CHUNK);
        self.deliver.truncate(CHUNK - self.withdraw.len());
        self
    }
}

/// What the decisions ask for beyond the plans so far; of a set on its way out everything goes. A
/// placement without a decision keeps the works that it has: a decision never passes through
/// "nothing". Where clusters take turns, those whose turn it is `now` get the template; without a
/// time, nobody.
#[must_use]
pub fn difference(
    key: &SetKey,
    set: &ReplicaSet,
    chosen: &BTreeMap<String, Chosen>,
    lost: &BTreeSet<Target>,
    now: Option<Timestamp>,
) -> Difference {
    if set.is_deleting() {
        let withdraw = set.planned().map(|(target, _)| target).collect();
        return Difference { deliver: vec![], withdraw };
    }
    if !label_fits(key) {
        return Difference::default();
    }
    let placements = set.placements();
    let decided = placements.iter().filter_map(|name| Some((*name, chosen.get(*name)?)));
    let wanted: BTreeSet<Target> = decided
        .flat_map(|(name, chosen)| chosen.clusters.iter().map(move |c| Target::new(name, c)))
        .collect();
    let keeps = |target: &Target| {
        let undecided = !chosen.contains_key(&target.placement);
        undecided && placements.contains(&target.placement.as_str())
    };
    let planned = set.planned().map(|(target, _)| target);
    let withdraw = planned.filter(|target| !wanted.contains(target) && !keeps(target)).collect();
    let turn = turns::starts(set, chosen, now);
    let mut deliver: Vec<Target> = wanted.into_iter().collect();
    deliver.retain(|target| match turn.get(&target.placement) {
        None => !set.has_current(target) || lost.contains(target),
        Some(_) if set.has_current(target) => lost.contains(target),
        Some(starts) => starts.contains(&target.cluster),
    });
    Difference { deliver, withdraw }
}

/// Whether a plan held all that one plan may: there may be more.
#[must_use]
pub const fn is_full(plan: &FanOutPlanned) -> bool {
    plan.deliver.len() + plan.withdraw.len() >= CHUNK
}

/// Whether works can carry the label that names the set (spec 1.13).
#[must_use]
pub fn label_fits(key: &SetKey) -> bool {
    key.label().len() <= MAX_LABEL
}

/// The conditions as a plan leaves them; transition times are the caller's.
#[must_use]
pub fn conditions(
    key: &SetKey,
    set: &ReplicaSet,
    chosen: &BTreeMap<String, Chosen>,
    difference: &Difference,
) -> Vec<Condition> {
    let mut all = vec![verified(set, chosen)];
    if !label_fits(key) {
        all.push(invalid_name(key, set.generation()));
    }
    if !difference.deliver.is_empty() {
        let message = "works are being delivered".to_owned();
        all.push(conditions::new(ROLLED_OUT, false, "Progressing", message, set.generation()));
    }
    all
}

fn verified(set: &ReplicaSet, chosen: &BTreeMap<String, Chosen>) -> Condition {
    let placements = set.placements();
    let (holds, reason, message) = match placements.iter().find(|p| !chosen.contains_key(**p)) {
        Some(missing) => {
            let message = format!("placement \"{missing}\" is missing or has not decided yet");
            (false, "PlacementDecisionNotFound", message)
        }
        None if placements.iter().all(|p| chosen.get(*p).is_none_or(|c| c.clusters.is_empty())) => {
            (false, "PlacementDecisionEmpty", "no cluster is chosen".to_owned())
        }
        None => (true, "AsExpected", "all placements have decided".to_owned()),
    };
    conditions::new(VERIFIED, holds, reason, message, set.generation())
}

/// The condition of a set whose works could not carry its name as a label.
#[must_use]
pub fn invalid_name(key: &SetKey, generation: i64) -> Condition {
    let message = format!(
        "\"{}\" has more than the {MAX_LABEL} characters of a label: use a shorter name",
        key.label()
    );
    conditions::new(APPLIED, false, "InvalidManifestWorkName", message, generation)
}

/// The work that a set makes for a target, as its plan orders it: the template's spec, the set's
/// labels and the two that OCM puts on works. `None` for a set that does not exist.
#[must_use]
pub fn work(key: &SetKey, set: &ReplicaSet, target: &Target) -> Option<ManifestWork> {
    let mut labels = set.metadata()?.labels.clone();
    labels.insert(SET_LABEL.to_owned(), key.label());
    labels.insert(PLACEMENT_LABEL.to_owned(), target.placement.clone());
    let of = key.work(target);
    let metadata = ObjectMeta {
        name: Some(of.name),
        namespace: Some(of.cluster),
        labels,
        ..ObjectMeta::default()
    };
    let spec = set.spec()?.manifest_work_template.clone();
    Some(ManifestWork { metadata: Some(metadata), spec, ..ManifestWork::default() })
}
