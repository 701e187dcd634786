//! One pass over one work: fetch its manifests, know its kinds, read its objects, plan, carry the
//! plan out, plan again until nothing is left to do, then say how it stands. A newer delivery ends
//! a pass at its next step.

use crate::desired::Held;
use crate::glance::Glance;
use crate::kind::{Kinds, ObjectKey, Resource, kinds_of_definition};
use crate::machine::Machine;
use crate::manifest::{Manifest, parse};
use crate::observed::{Live, Observed};
use crate::plan::{self, Deletes, Entry, Plan, Wanted};
use crate::record::Record;
use crate::report::{Line, Seen};
use crate::step::{Done, Failure, Step};
use crate::talk::{Action, GroupVersion};
use crate::waiting;
use crate::work::{Pass, Stage, Work};
use fleetlog_kernel::{ContentHash, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Machine {
    /// Begins a pass.
    pub(crate) fn begin(&mut self, name: &str, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(work) = self.works.get_mut(name) else { return };
        work.due = None;
        let Some(held) = self.desired.get(name) else { return };
        if work.gone {
            return;
        }
        let pass = Pass { generation: held.generation, ..Pass::default() };
        let hash = held.bundle.as_ref().map(|bundle| bundle.hash.clone()).unwrap_or_default();
        let has = work.bundle.as_ref().is_some_and(|(has, _)| *has == hash);
        if held.deleted || has {
            work.pass = Some(pass);
            self.know_kinds(name, now, actions);
        } else if self.connected {
            work.pass = Some(Pass { stage: Stage::Fetching, ..pass });
            actions.push(Action::Fetch { work: name.to_owned(), hash });
        }
        // Else the next connection looks at it again.
    }

    /// The manifests came, or not.
    pub(crate) fn fetched(
        &mut self,
        name: &str,
        hash: String,
        bundle: Option<Vec<u8>>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(work) = self.works.get_mut(name) else { return };
        let waits = work.pass.as_ref().is_some_and(|p| matches!(p.stage, Stage::Fetching));
        if !waits {
            return;
        }
        let Some(bundle) = bundle else { return self.put_off(name, now) };
        work.bundle = Some((hash, bundle));
        if self.is_current(name, now) {
            self.know_kinds(name, now, actions);
        }
    }

    /// Asks for kinds that are not known yet.
    fn know_kinds(&mut self, name: &str, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(manifests) = self.manifests(name) else { return self.put_off(name, now) };
        for manifest in manifests.iter() {
            self.kinds.extend(kinds_of_definition(&manifest.body));
        }
        let unknown = manifests.iter().map(|m| &m.gvk).filter(|g| !self.kinds.contains_key(g));
        let unknown = unknown.filter(|gvk| !gvk.kind.is_empty());
        let of = |gvk: &crate::Gvk| (gvk.group.clone(), gvk.version.clone());
        let asked: BTreeSet<GroupVersion> = unknown.map(of).collect();
        let retry = self.works.get(name).is_some_and(|work| work.failures > 0);
        let known = |gv: &GroupVersion| self.known.contains(gv) && !retry;
        let asked: BTreeSet<GroupVersion> = asked.into_iter().filter(|gv| !known(gv)).collect();
        if asked.is_empty() {
            return self.observe(name, now, actions);
        }
        let new: BTreeSet<GroupVersion> = asked.difference(&self.discovering).cloned().collect();
        self.set_stage(name, Stage::Discovering(asked));
        if !new.is_empty() {
            self.discovering.extend(new.iter().cloned());
            actions.push(Action::Discover(new));
        }
    }

    /// The cluster said what it knows of some group versions.
    pub(crate) fn discovered(
        &mut self,
        asked: &BTreeSet<GroupVersion>,
        known: BTreeSet<GroupVersion>,
        kinds: Kinds,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        self.discovering.retain(|gv| !asked.contains(gv));
        self.known.extend(known);
        self.kinds.extend(kinds);
        let is_waiting = |work: &Work| {
            work.pass.as_ref().is_some_and(|pass| match &pass.stage {
                Stage::Discovering(needs) => needs.is_disjoint(&self.discovering),
                _ => false,
            })
        };
        let ready = self.works.iter().filter(|(_, work)| is_waiting(work));
        for name in ready.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if self.is_current(&name, now) {
                self.observe(&name, now, actions);
            }
        }
    }

    fn observe(&mut self, name: &str, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(manifests) = self.manifests(name) else { return self.put_off(name, now) };
        let Some(work) = self.works.get_mut(name) else { return };
        let recorded = work.record.iter().flat_map(|record| &record.made);
        let mut all: BTreeMap<ObjectKey, Resource> =
            recorded.map(|made| (made.resource.key.clone(), made.resource.clone())).collect();
        let named = manifests.iter().filter_map(|manifest| manifest.resource(&self.kinds));
        all.extend(named.map(|resource| (resource.key.clone(), resource)));
        let deleted = self.desired.get(name).is_some_and(|held| held.deleted);
        let read = work.pass.as_ref().is_some_and(|pass| pass.record_read);
        // That nothing was made is believed only when the member says so now.
        let asks = !read && (work.unsure || (deleted && work.record.is_none()));
        work.marks.retain(|key, _| all.contains_key(key));
        for key in all.keys() {
            work.marks.entry(key.clone()).or_default();
        }
        let record = asks.then(|| Record::resource(&self.config.hub_hash, name));
        all.extend(record.map(|record| (record.key.clone(), record)));
        if all.is_empty() {
            return self.carry_on(name, Observed::new(), now, actions);
        }
        self.set_stage(name, Stage::Observing);
        let resources = all.into_values().collect();
        actions.push(Action::Observe { work: name.to_owned(), resources });
    }

    /// The objects were read.
    pub(crate) fn observed(
        &mut self,
        name: &str,
        mut observed: Observed,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(work) = self.works.get(name) else { return };
        if !work.pass.as_ref().is_some_and(|pass| matches!(pass.stage, Stage::Observing)) {
            return;
        }
        for (key, live) in &mut observed {
            let Live::Present { object, applied } = live else { continue };
            let Some(mark) = work.marks.get(key) else { continue };
            if mark.left == Some(crate::glance::print(object)) {
                *applied = mark.applied;
            }
        }
        if !self.is_current(name, now) {
            return;
        }
        let key = Record::resource(&self.config.hub_hash, name).key;
        match observed.remove(&key) {
            Some(live) => self.record_read(name, &live, now, actions),
            None => self.carry_on(name, observed, now, actions),
        }
    }

    /// The record was read because there was doubt; what it names is read after it.
    fn record_read(&mut self, name: &str, live: &Live, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(work) = self.works.get_mut(name) else { return };
        work.record = match live {
            Live::Unknown(_) => return self.put_off(name, now),
            Live::Absent => None,
            Live::Present { object, .. } => Record::of(object, &self.config.hub_hash),
        };
        work.unsure = false;
        if let Some(pass) = work.pass.as_mut() {
            pass.record_read = true;
        }
        self.observe(name, now, actions);
    }

    /// Plans; either there is something to do, or the pass ends.
    fn carry_on(
        &mut self,
        name: &str,
        observed: Observed,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let Some(mut plan) = self.plan(name, &observed) else { return self.put_off(name, now) };
        let Some(pass) = self.works.get_mut(name).and_then(|work| work.pass.as_mut()) else {
            return;
        };
        let failed = |step: &Step| {
            step.resource().map_or(pass.record_failed, |r| pass.failed.contains_key(&r.key))
        };
        plan.steps.retain(|step| !failed(step));
        if plan.steps.is_empty() || pass.rounds >= self.config.pace.rounds {
            return self.end(name, &plan, &observed, now);
        }
        pass.rounds += 1;
        pass.changed |= plan.steps.iter().any(Step::changes);
        let steps: Arc<[Step]> = std::mem::take(&mut plan.steps).into();
        pass.stage = Stage::Executing(steps.clone(), observed);
        actions.push(Action::Execute { work: name.to_owned(), steps });
    }

    fn plan(&mut self, name: &str, observed: &Observed) -> Option<Plan> {
        let manifests = self.manifests(name)?;
        let (work, held) = (self.works.get(name)?, self.desired.get(name)?);
        let (hub_hash, record) = (self.config.hub_hash.as_str(), work.record.as_ref());
        let shared = self.shared(name, record);
        let deletes = match self.desired.is_synced() {
            true => Deletes::AllBut(&shared),
            false => Deletes::Withheld,
        };
        if held.deleted {
            return Some(plan::plan_removal(hub_hash, name, record, observed, deletes));
        }
        let wanted = Wanted {
            hub_hash,
            agent_id: &self.config.agent_id,
            work: name,
            generation: held.generation,
            spec: &held.spec,
            manifests: &manifests,
        };
        Some(plan::plan(&wanted, &self.kinds, record, observed, deletes))
    }

    /// What a work has made and other works have too that are to stay.
    fn shared(&self, name: &str, record: Option<&Record>) -> BTreeSet<ObjectKey> {
        let has = |other: &str, key: &ObjectKey| {
            let stays = self.desired.get(other).is_some_and(|held| !held.deleted);
            let record = self.works.get(other).and_then(|work| work.record.as_ref());
            stays && record.is_some_and(|r| r.made.iter().any(|made| made.resource.key == *key))
        };
        let made = record.into_iter().flat_map(|record| &record.made);
        let keys = made.map(|made| &made.resource.key);
        let shared = keys
            .filter(|key| self.works.of_object(key).any(|other| other != name && has(other, key)));
        shared.cloned().collect()
    }

    /// The steps were done.
    pub(crate) fn executed(
        &mut self,
        name: &str,
        done: Vec<Done>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let hub_hash = self.config.hub_hash.clone();
        let Some(work) = self.works.get_mut(name) else { return };
        let Some(pass) = work.pass.as_mut() else { return };
        let Stage::Executing(steps, mut observed) = std::mem::take(&mut pass.stage) else { return };
        for (step, done) in steps.iter().zip(done) {
            match step.resource() {
                Some(_) => note_object(work, &mut observed, step, done),
                None => note_record(work, step, done, &hub_hash),
            }
        }
        if self.is_current(name, now) {
            self.carry_on(name, observed, now, actions);
        }
    }

    /// Whether the pass is for the newest generation; if not, it ends and another begins at once.
    fn is_current(&mut self, name: &str, now: Timestamp) -> bool {
        let generation = self.desired.get(name).map(|held| held.generation);
        let Some(work) = self.works.get_mut(name) else { return false };
        let current = work.pass.as_ref().map(|pass| pass.generation) == generation;
        if !current {
            work.pass = None;
            work.look_at(now);
        }
        current
    }

    fn set_stage(&mut self, name: &str, stage: Stage) {
        if let Some(pass) = self.works.get_mut(name).and_then(|work| work.pass.as_mut()) {
            pass.stage = stage;
        }
    }

    fn put_off(&mut self, name: &str, now: Timestamp) {
        let Some(work) = self.works.get_mut(name) else { return };
        work.pass = None;
        work.failures = work.failures.saturating_add(1);
        work.look_at(now.plus(self.config.pace.backoff(work.failures)));
    }

    /// The manifests that are wanted; `None` when they are not there or cannot be read, so that
    /// nothing is taken for dropped. They are read once in a pass.
    fn manifests(&mut self, name: &str) -> Option<Arc<[Manifest]>> {
        let held = self.desired.get(name)?;
        if held.deleted {
            return Some(Arc::default());
        }
        let work = self.works.get_mut(name)?;
        let (hash, bundle) = work.bundle.as_ref()?;
        if held.bundle.as_ref().is_none_or(|wanted| wanted.hash != *hash) {
            return None;
        }
        let read = work.pass.as_ref().and_then(|pass| pass.manifests.clone());
        let manifests = match read {
            Some(manifests) => manifests,
            None => parse(bundle).ok()?.into(),
        };
        if let Some(pass) = work.pass.as_mut() {
            pass.manifests = Some(manifests.clone());
        }
        Some(manifests)
    }

    /// Nothing is left to do for now: says how the work stands, and when to look again.
    fn end(&mut self, name: &str, plan: &Plan, observed: &Observed, now: Timestamp) {
        let manifests = self.manifests(name).unwrap_or_default();
        let synced = self.desired.is_synced();
        let pace = self.config.pace.clone();
        let Some(held) = self.desired.get(name) else { return };
        let Some(work) = self.works.get_mut(name) else { return };
        let Some(pass) = work.pass.take() else { return };
        leave(work, held, observed);
        let waiting = waiting::sentence(&plan.leaving, observed, &pass.failed);
        let unfinished =
            pass.rounds >= pace.rounds || pass.record_failed || !plan.leaving.is_empty();
        let soon = unfinished || held_up(plan, &pass);
        if held.deleted {
            work.lines.clear();
            work.bundle = None;
            work.speak_of_end(held, work.record.is_none() && synced, &waiting, &pace, now);
        } else {
            work.lines = lines(work, held, &manifests, plan, &pass);
            work.refresh_lines();
            work.leaving = waiting;
            work.speak(held, &pace, now);
        }
        work.failures = if soon { work.failures.saturating_add(1) } else { 0 };
        if soon {
            work.look_at(now.plus(pace.backoff(work.failures)));
        }
        count_repair(work, &pass, &pace, now);
        if work.has_drifted() && !work.gone {
            let at = work.repairs.1.max(now);
            work.look_at(at);
        }
    }
}

/// Whether something of the plan could not be done but may be soon.
fn held_up(plan: &Plan, pass: &Pass) -> bool {
    let impossible = plan.entries.iter().any(|entry| match entry {
        Entry::Impossible(_, failure) => failure.soon,
        Entry::Settled(_) | Entry::Planned(_) => false,
    });
    impossible || pass.failed.values().any(|failure| failure.soon)
}

/// How the objects were left.
fn leave(work: &mut Work, held: &Held, observed: &Observed) {
    for (key, live) in observed {
        let (glance, applied) = match live {
            Live::Present { object, applied } => {
                (Some(Glance::of(object, Work::rules(Some(held), key))), *applied)
            }
            Live::Absent => (None, None),
            Live::Unknown(_) => continue,
        };
        let print = glance.as_ref().map(|glance| glance.print);
        let mark = work.marks.entry(key.clone()).or_default();
        let newer = mark.glance.as_ref().zip(glance.as_ref());
        if !newer.is_some_and(|(heard, left)| heard.is_after(left)) {
            mark.glance = glance;
        }
        (mark.left, mark.applied) = (print, applied);
    }
}

/// A pass of no newer generation that had to change objects was a repair.
fn count_repair(work: &mut Work, pass: &Pass, pace: &crate::Pace, now: Timestamp) {
    let known = work.record.as_ref().is_some_and(|record| record.generation >= pass.generation);
    let (repairs, until) = work.repairs;
    if pass.changed && known {
        let quiet = now.since(until) > pace.repair(repairs.saturating_add(1)) * 2;
        let repairs = if quiet { 1 } else { repairs.saturating_add(1) };
        work.repairs = (repairs, now.plus(pace.repair(repairs.saturating_sub(1))));
    }
}

fn note_object(work: &mut Work, observed: &mut Observed, step: &Step, done: Done) {
    let Some(key) = step.resource().map(|resource| resource.key.clone()) else { return };
    match done {
        Done::Now(object) => {
            let applied = match (step, observed.get(&key)) {
                (Step::Apply { body, .. }, _) => Some(ContentHash::of(body.to_string().as_bytes())),
                (Step::Establish { .. }, Some(Live::Present { applied, .. })) => *applied,
                _ => None,
            };
            observed.insert(key, Live::Present { object, applied });
        }
        Done::Gone => {
            observed.insert(key, Live::Absent);
        }
        Done::Failed(failure) => {
            if let Some(pass) = work.pass.as_mut() {
                // A later step fails because of the first, and says less.
                pass.failed.entry(key).or_insert(failure);
            }
        }
    }
}

fn note_record(work: &mut Work, step: &Step, done: Done, hub_hash: &str) {
    let now = |object: &Value| Record::of(object, hub_hash);
    match (step, done) {
        (Step::Forget { .. }, Done::Gone | Done::Now(_)) => work.record = None,
        (_, Done::Now(object)) if now(&object).is_some() => work.record = now(&object),
        (_, Done::Now(_)) => {}
        (Step::Record { .. }, Done::Gone) => work.record = None,
        (_, Done::Gone | Done::Failed(_)) => {
            // It may have been written all the same.
            work.unsure = true;
            if let Some(pass) = work.pass.as_mut() {
                pass.record_failed = true;
            }
        }
    }
}

/// One line for each manifest, with what was said before of the same object.
fn lines(work: &Work, held: &Held, manifests: &[Manifest], plan: &Plan, pass: &Pass) -> Vec<Line> {
    let before: BTreeMap<&ObjectKey, &Line> =
        work.lines.iter().filter_map(|line| Some((&line.resource.as_ref()?.key, line))).collect();
    let line = |(at, manifest): (usize, &Manifest)| {
        let entry = plan.entries.get(at);
        let resource = entry.and_then(Entry::resource).cloned();
        let failed = resource.as_ref().and_then(|resource| pass.failed.get(&resource.key));
        let failure = match entry {
            Some(Entry::Impossible(_, failure)) => Some(failure.clone()),
            None => Some(unrecorded()),
            _ => failed.cloned(),
        };
        let key = resource.as_ref().map(|resource| resource.key.clone()).unwrap_or_default();
        Line {
            gvk: manifest.gvk.clone(),
            namespace: manifest.namespace.clone(),
            name: manifest.name.clone(),
            resource,
            failure,
            seen: Seen::Unknown,
            ruled: !Work::rules(Some(held), &key).is_empty(),
            feedback: before.get(&key).map(|line| line.feedback.clone()).unwrap_or_default(),
        }
    };
    manifests.iter().enumerate().map(line).collect()
}

/// Nothing was planned for a manifest because the record could not be written.
fn unrecorded() -> Failure {
    Failure { message: "the record of the work could not be written".to_owned(), soon: true }
}
