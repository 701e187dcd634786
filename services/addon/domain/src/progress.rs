//! What a definition serves as its status: its defaults, and how far the clusters of each of its
//! placements are (spec 2.2, 2.5).

use crate::conditions::Saying;
use crate::config;
use crate::health::{Progress, spec_hash};
use crate::names::{GROUP, TEMPLATES, kind};
use crate::state::{Definition, Template};
use fleetlog_kernel::Timestamp;
use fleetlog_messages::addon::{
    ClusterManagementAddOnStatus, DefaultConfigReference, InstallConfigReference,
    InstallProgression,
};
use fleetlog_rules::condition::Status;
use std::collections::BTreeMap;

/// How many add-ons of one placement are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// Those that have their configuration.
    pub completed: usize,
    /// Those that could not be brought to it.
    pub failed: usize,
    /// Those that took longer than they may.
    pub timed_out: usize,
}

impl Counts {
    /// The share of one add-on: how far it says it is, whether it speaks of what it should have
    /// now, and whether its time was over.
    pub fn of(progress: Progress, current: bool, over: bool) -> Self {
        let completed = progress == Progress::Completed && current;
        Self {
            total: 1,
            completed: completed.into(),
            failed: (progress == Progress::Failed && !over).into(),
            timed_out: (over && !completed).into(),
        }
    }

    pub fn add(&mut self, share: Self) {
        self.total += share.total;
        self.completed += share.completed;
        self.failed += share.failed;
        self.timed_out += share.timed_out;
    }

    pub fn take(&mut self, share: Self) {
        self.total = self.total.saturating_sub(share.total);
        self.completed = self.completed.saturating_sub(share.completed);
        self.failed = self.failed.saturating_sub(share.failed);
        self.timed_out = self.timed_out.saturating_sub(share.timed_out);
    }
}

/// What the status of a definition follows from.
pub struct Scene<'a> {
    pub definition: &'a Definition,
    pub templates: &'a BTreeMap<String, Template>,
    /// By placement.
    pub counts: &'a BTreeMap<String, Counts>,
    /// On how many clusters each placement wants it.
    pub wanted: BTreeMap<String, usize>,
}

/// The status; equal to the one that is served when nothing moved, whatever the time.
pub fn status(scene: &Scene<'_>, at: Timestamp) -> ClusterManagementAddOnStatus {
    let definition = scene.definition;
    let hash = |name: &str| {
        spec_hash(name, scene.templates.get(name).map_or("", |template| template.spec_hash()))
    };
    let default = config::default(definition).map(|name| DefaultConfigReference {
        group: Some(GROUP.to_owned()),
        resource: Some(TEMPLATES.to_owned()),
        desired_config: Some(hash(name)),
    });
    let served = definition.object().and_then(|object| object.status.as_ref());
    let progressions = definition.placements().map(|key| {
        let name = key.to_string();
        let before = served.and_then(|status| {
            let mut all = status.install_progressions.iter();
            all.find(|p| p.namespace() == key.namespace && p.name() == key.name)
        });
        let counts = scene.counts.get(&name).copied().unwrap_or_default();
        let wanted = scene.wanted.get(&name).copied().unwrap_or_default();
        let complete = wanted > 0 && counts.completed == wanted && counts.total == wanted;
        let conditions = before.map_or(&[][..], |before| &before.conditions);
        let mut saying = Saying::new(conditions, definition.generation(), at);
        let Counts { completed: done, failed, timed_out: over, .. } = counts;
        let message = format!("{done}/{wanted} configured, {failed} failed, {over} timeout");
        let (status, reason) =
            if complete { (Status::False, "Completed") } else { (Status::True, "Progressing") };
        saying.say(kind::PROGRESSING, status, reason, &message);
        let template = config::of_placement(definition, &name);
        let reference = template.map(|name| {
            let desired = hash(name);
            let before = before.and_then(|before| before.config_references.first());
            let reached = before.and_then(|before| before.last_applied_config.clone());
            let reached = if complete { Some(desired.clone()) } else { reached };
            InstallConfigReference {
                group: Some(GROUP.to_owned()),
                resource: Some(TEMPLATES.to_owned()),
                desired_config: Some(desired),
                last_known_good_config: reached.clone(),
                last_applied_config: reached,
            }
        });
        InstallProgression {
            namespace: Some(key.namespace),
            name: Some(key.name),
            config_references: reference.into_iter().collect(),
            conditions: saying.end(),
        }
    });
    ClusterManagementAddOnStatus {
        defaultconfig_references: default.into_iter().collect(),
        install_progressions: progressions.collect(),
    }
}
