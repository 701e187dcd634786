//! One work between and during its passes: what is recorded, what was last seen, what was said of
//! it, and when to look again. What a pass does is in `pass`.

use crate::conditions::{Moves, Said, set};
use crate::desired::Held;
use crate::glance::Glance;
use crate::kind::{ObjectKey, Resource, WatchKey};
use crate::manifest::Manifest;
use crate::observed::Observed;
use crate::options;
use crate::pace::{Pace, sooner};
use crate::record::Record;
use crate::report::{Line, Seen, status};
use crate::step::{Failure, Step};
use fleetlog_kernel::{ContentHash, Timestamp};
use fleetlog_messages::work::{ManifestWorkStatus, ReportWork};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of one object of a work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark {
    /// The object when it was last seen; `None` when it is not there.
    pub glance: Option<Glance>,
    /// Its print when a pass last left it; `None` when it was not there.
    pub left: Option<ContentHash>,
    /// The body that the server took to make what was left.
    pub applied: Option<ContentHash>,
}

/// How far a pass is.
#[derive(Clone, Debug, Default)]
pub(crate) enum Stage {
    /// None is under way.
    #[default]
    Idle,
    /// The manifests are being fetched.
    Fetching,
    /// The cluster is being asked for these kinds.
    Discovering(BTreeSet<(String, String)>),
    /// Its objects are being read.
    Observing,
    /// A plan is being carried out.
    Executing(Arc<[Step]>, Observed),
}

/// A pass that is under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass {
    /// The generation it is for.
    pub generation: i64,
    /// How far it is.
    pub stage: Stage,
    /// The manifests, once they were read.
    pub manifests: Option<Arc<[Manifest]>>,
    /// What could not be done in it.
    pub failed: BTreeMap<ObjectKey, Failure>,
    /// The record was read in it.
    pub record_read: bool,
    /// The record could not be written.
    pub record_failed: bool,
    /// It changed objects.
    pub changed: bool,
    /// Plans carried out.
    pub rounds: u32,
}

/// One work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// The manifests and their hash.
    pub bundle: Option<(String, Vec<u8>)>,
    /// The member's record of it.
    pub record: Option<Record>,
    /// A list did not name the record, or it could not be written: the next pass reads it.
    pub unsure: bool,
    /// One for each manifest, once a pass has ended.
    pub lines: Vec<Line>,
    /// What is known of its objects.
    pub marks: BTreeMap<ObjectKey, Mark>,
    /// The pass that is under way.
    pub pass: Option<Pass>,
    /// When to look at it again.
    pub due: Option<Timestamp>,
    /// Passes that failed in a row.
    pub failures: u32,
    /// Repairs that did not last, in a row, and when the last one was.
    pub repairs: (u32, Timestamp),
    /// What was dropped and is still on its way out, in words.
    pub leaving: String,
    /// Nothing of it is left.
    pub gone: bool,
    /// What there is to say, and its generation.
    pub status: ManifestWorkStatus,
    /// `metadata.generation` that the status speaks of; `None` before there is something to say.
    pub spoken: Option<i64>,
    /// What the hub took last.
    pub said: Option<ReportWork>,
    /// What is being sent.
    pub sending: Option<ReportWork>,
    /// When to send what there is to say.
    pub report_due: Option<Timestamp>,
}

impl Work {
    /// Looks at it no later than at `at`.
    pub(crate) fn look_at(&mut self, at: Timestamp) {
        self.due = sooner(self.due, at);
    }

    /// The objects that matter to it.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resource> {
        let recorded = self.record.iter().flat_map(|record| &record.made);
        let lines = self.lines.iter().filter_map(|line| line.resource.as_ref());
        lines.chain(recorded.map(|made| &made.resource))
    }

    /// The watches that cover them.
    pub(crate) fn watches(&self) -> impl Iterator<Item = WatchKey> {
        let mut seen = BTreeSet::new();
        self.resources().filter(move |r| seen.insert(r.key.clone())).map(Resource::watch)
    }

    /// Notes an object as it was seen outside of a pass; answers whether it is not as it was left.
    pub(crate) fn see(&mut self, key: &ObjectKey, glance: Option<Glance>) -> bool {
        let mark = self.marks.entry(key.clone()).or_default();
        let stale = |old: &Glance| glance.as_ref().is_some_and(|new| old.is_after(new));
        if !mark.glance.as_ref().is_some_and(stale) {
            mark.glance = glance;
        }
        mark.glance.as_ref().map(|glance| glance.print) != mark.left
    }

    /// Whether an object is not as the last pass left it.
    pub(crate) fn has_drifted(&self) -> bool {
        self.marks.values().any(|m| m.glance.as_ref().map(|glance| glance.print) != m.left)
    }

    /// Brings its lines up to what was last seen.
    pub(crate) fn refresh_lines(&mut self) {
        for line in &mut self.lines {
            let Some(mark) = line.resource.as_ref().and_then(|r| self.marks.get(&r.key)) else {
                continue;
            };
            line.seen = match &mark.glance {
                Some(glance) => {
                    line.feedback = glance.feedback.clone();
                    Seen::Present { ready: glance.ready }
                }
                None => Seen::Absent,
            };
        }
    }

    /// Works out what there is to say, and when to say it.
    pub(crate) fn speak(&mut self, held: &Held, pace: &Pace, now: Timestamp) {
        let mut new = status(&self.lines, held.object_generation, &self.status, now);
        self.tell_of_leaving(&mut new);
        let same = self.spoken == Some(held.object_generation) && new == self.status;
        if same {
            return;
        }
        let urgent = self.spoken != Some(held.object_generation)
            || outline(&new) != outline(&self.status)
            || self.lines.iter().all(Line::is_ready);
        self.status = new;
        self.spoken = Some(held.object_generation);
        self.report_due = sooner(self.report_due, if urgent { now } else { now.plus(pace.gather) });
    }

    /// What was dropped and does not go is told beside what was applied.
    fn tell_of_leaving(&self, status: &mut ManifestWorkStatus) {
        let applied = status.conditions.iter_mut().find(|c| c.r#type.as_deref() == Some("Applied"));
        if let Some(applied) = applied.filter(|_| !self.leaving.is_empty()) {
            let said = applied.message.clone().unwrap_or_default();
            applied.message = Some(format!("{said}; what was dropped is {}", self.leaving));
        }
    }

    /// Says that it is going and what that waits for, or that it is gone.
    pub(crate) fn speak_of_end(
        &mut self,
        held: &Held,
        gone: bool,
        waiting: &str,
        pace: &Pace,
        now: Timestamp,
    ) {
        let known = self.spoken.is_some() || held.object_generation > 0;
        let generation = self.spoken.unwrap_or_default().max(held.object_generation);
        self.gone = gone;
        if !gone && !known {
            // A hub takes no status of a generation that it does not know.
            return;
        }
        self.spoken = Some(generation);
        if gone {
            self.report_due = Some(now);
            return;
        }
        let said = Said::new("Deleting", "True", "WorkDeleting");
        let said = said.with(match waiting {
            "" => "The objects of the work are being removed".to_owned(),
            waiting => format!("The objects of the work are {waiting}"),
        });
        let old = std::mem::take(&mut self.status.conditions);
        let said = set(&old, said, generation, Moves::WithStatus, now);
        let others = old.into_iter().filter(|c| c.r#type != said.r#type);
        self.status.conditions = others.chain([said.clone()]).collect();
        self.report_due = sooner(self.report_due, now.plus(pace.gather));
    }

    /// The report there is to send, if it differs from what the hub has.
    pub(crate) fn report(&self) -> Option<ReportWork> {
        let generation = self.spoken?;
        let report = if self.gone {
            crate::report::gone(generation)
        } else {
            ReportWork { generation, status: Some(self.status.clone()), gone: false }
        };
        (self.said.as_ref() != Some(&report)).then_some(report)
    }

    /// The rules of one of its objects.
    pub(crate) fn rules<'a>(
        held: Option<&'a Held>,
        key: &ObjectKey,
    ) -> &'a [fleetlog_messages::work::FeedbackRule] {
        held.map(|held| options::feedback_rules(&held.spec, key)).unwrap_or_default()
    }
}

/// The statuses of a work's own conditions: what is worth a report at once.
fn outline(status: &ManifestWorkStatus) -> Vec<(Option<&str>, Option<&str>)> {
    status.conditions.iter().map(|c| (c.r#type.as_deref(), c.status.as_deref())).collect()
}
