//! The agent as a synchronous machine: events in, actions out, time as an input. It keeps what is
//! wanted, what was recorded and what was seen; what is due is worked out after each event, so
//! nothing hangs on the order of events. What one pass over a work does is in `pass`.

use crate::cluster::Facts;
use crate::desired::{Desired, Held, Verdict};
use crate::glance::Glance;
use crate::kind::{Kinds, ObjectKey, WatchKey};
use crate::observed::meta;
use crate::pace::{Pace, spread};
use crate::record::{self, Record};
use crate::talk::{Action, Config, Event, GroupVersion};
use crate::work::{Mark, Stage, Work};
use crate::works::Works;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::SyncEnd;
use fleetlog_messages::subject::Report;
use fleetlog_messages::work::{Delivery, ReportWork};
use prost::Message as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The agent.
#[derive(Debug)]
pub struct Machine {
    pub(crate) config: Config,
    pub(crate) desired: Desired,
    pub(crate) works: Works,
    pub(crate) kinds: Kinds,
    pub(crate) known: BTreeSet<GroupVersion>,
    pub(crate) discovering: BTreeSet<GroupVersion>,
    pub(crate) facts: Facts,
    watches: BTreeSet<WatchKey>,
    pub(crate) connected: bool,
    recorded: bool,
    syncing: bool,
    sync_due: Option<Timestamp>,
    sync_failures: u32,
    sync_whole: bool,
    syncs: u64,
}

impl Machine {
    /// An agent that knows nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            desired: Desired::default(),
            works: Works::default(),
            kinds: Kinds::new(),
            known: BTreeSet::new(),
            discovering: BTreeSet::new(),
            facts: Facts::default(),
            watches: BTreeSet::new(),
            connected: false,
            recorded: false,
            syncing: false,
            sync_due: None,
            sync_failures: 0,
            sync_whole: false,
            syncs: 0,
        }
    }

    /// Takes one event; answers everything that is to be done now.
    pub fn on(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Connected => self.connected(now),
            Event::Disconnected => self.connected = false,
            Event::Delivered(delivery) => self.delivered(&delivery, now),
            Event::Synced { deliveries, end } => self.synced(&deliveries, end.as_ref(), now),
            Event::Reported { about: Report::Cluster, taken } => {
                self.facts.reported(taken, now, &self.config.pace);
            }
            Event::Reported { about: Report::Work(work), taken } => {
                self.reported(&work, taken, now)
            }
            Event::Records(objects) => self.records(&objects, now),
            Event::Fetched { work, hash, bundle } => {
                self.fetched(&work, hash, bundle, now, &mut actions);
            }
            Event::Discovered { asked, known, kinds } => {
                self.discovered(&asked, known, kinds, now, &mut actions);
            }
            Event::Observed { work, observed } => self.observed(&work, observed, now, &mut actions),
            Event::Executed { work, done } => self.executed(&work, done, now, &mut actions),
            Event::Seen(watch, object) => self.seen(&watch, &object, now),
            Event::Gone(watch, object) => self.gone(&watch, &object, now),
            Event::Listed(watch, names) => self.listed(&watch, &names, now),
            Event::Unlisted(watch) => self.facts.unlisted(&watch, now),
            Event::Described { version, id } => self.facts.described(version, id, now),
            Event::Tick => {}
        }
        self.advance(now, &mut actions);
        actions
    }

    /// When the machine wants a [`Event::Tick`] if nothing else happens before.
    #[must_use]
    pub fn wake(&self) -> Option<Timestamp> {
        let free = self.recorded && self.works.busy() < self.config.pace.passes;
        let pass = self.works.next_due().filter(|_| free).map(|(at, _)| *at);
        let report = self.works.next_report().filter(|_| self.connected).map(|(at, _)| *at);
        let sync = self.sync_due.filter(|_| self.connected && self.recorded && !self.syncing);
        let facts = self.facts.due().filter(|_| self.connected);
        [pass, report, sync, facts].into_iter().flatten().min()
    }

    /// The works and how the hub was last told of each; for tests and for people.
    pub fn reports(&self) -> impl Iterator<Item = (&str, &ReportWork)> {
        self.works.iter().filter_map(|(name, work)| Some((name.as_str(), work.said.as_ref()?)))
    }

    /// What is wanted.
    #[must_use]
    pub const fn desired(&self) -> &Desired {
        &self.desired
    }

    fn connected(&mut self, now: Timestamp) {
        self.connected = true;
        self.syncing = false;
        self.sync_due = Some(now);
        self.facts.again(now);
        for (_, work) in self.works.iter_mut() {
            work.sending = None;
            if work.report().is_some() {
                work.report_due = Some(now);
            }
            let waits = work.pass.as_ref().is_some_and(|p| matches!(p.stage, Stage::Fetching));
            if waits {
                work.pass = None;
                work.look_at(now);
            }
        }
    }

    fn delivered(&mut self, delivery: &Delivery, now: Timestamp) {
        match self.desired.take_live(delivery) {
            Verdict::Taken => self.wanted_anew(&delivery.work, now),
            Verdict::Missing => self.sync_due = Some(now),
            Verdict::Known | Verdict::Older => {}
        }
    }

    fn wanted_anew(&mut self, name: &str, now: Timestamp) {
        let work = self.works.obtain(name);
        work.failures = 0;
        work.repairs = (0, now);
        work.gone = false;
        work.due = Some(now);
    }

    fn synced(&mut self, deliveries: &[Delivery], end: Option<&SyncEnd>, now: Timestamp) {
        self.syncing = false;
        let recorded = self
            .works
            .iter()
            .filter_map(|(name, work)| Some((name.clone(), work.record.as_ref()?.generation)));
        let synced = self.desired.sync(deliveries, end, &recorded.collect());
        if synced.incomplete {
            self.sync_failures = self.sync_failures.saturating_add(1);
            self.sync_whole = end.is_some();
            self.sync_due = Some(now.plus(self.config.pace.backoff(self.sync_failures)));
            return;
        }
        (self.sync_failures, self.sync_whole) = (0, false);
        self.syncs += 1;
        let wait = spread(self.config.pace.resync, &self.config.cluster, self.syncs);
        self.sync_due = Some(now.plus(wait));
        for name in &synced.changed {
            self.wanted_anew(name, now);
        }
        let wanted: Vec<String> = self.desired.works().map(|(name, _)| name.clone()).collect();
        for name in wanted {
            self.works.obtain(&name).look_at(now);
        }
    }

    fn reported(&mut self, name: &str, taken: bool, now: Timestamp) {
        let Some(work) = self.works.get_mut(name) else { return };
        let Some(sent) = work.sending.take() else { return };
        if !taken {
            work.report_due = Some(now.plus(self.config.pace.retry * 4));
            return;
        }
        let ended = sent.gone && work.gone;
        work.said = Some(sent);
        if ended {
            self.works.remove(name);
            self.desired.forget(name);
        } else if work.report().is_some() {
            work.look_at_report(now);
        }
    }

    fn records(&mut self, objects: &[Value], now: Timestamp) {
        let hub = &self.config.hub_hash;
        for record in objects.iter().filter_map(|object| Record::of(object, hub)) {
            self.desired.fence(&record.work, record.generation);
            let work = self.works.obtain(&record.work);
            // Whose its objects are is known before a pass reads them.
            let keys = record.made.iter().map(|made| made.resource.key.clone());
            work.marks.extend(keys.map(|key| (key, Mark::default())));
            work.record = Some(record);
        }
        self.recorded = true;
        for (name, work) in self.works.iter_mut() {
            if self.desired.get(name).is_some() {
                work.look_at(now);
            }
        }
    }

    fn seen(&mut self, watch: &WatchKey, object: &Value, now: Timestamp) {
        if self.facts.seen(watch, object, now) {
            return;
        }
        if *watch == record::watch() {
            return self.record_seen(object, now);
        }
        let key = key_of(watch, object);
        for name in self.works.of_object(&key).cloned().collect::<Vec<_>>() {
            let held = self.desired.get(&name);
            let Some(work) = self.works.get_mut(&name) else { continue };
            let glance = Glance::of(object, Work::rules(held, &key));
            look_if(work, &key, Some(glance), now);
            speak_of(work, held, &self.config.pace, now);
        }
    }

    fn gone(&mut self, watch: &WatchKey, object: &Value, now: Timestamp) {
        if self.facts.gone(watch, object, now) {
            return;
        }
        if *watch == record::watch() {
            let Some(lost) = Record::of(object, &self.config.hub_hash) else { return };
            return self.record_lost(&lost, now);
        }
        let key = key_of(watch, object);
        self.not_there(&key, now);
    }

    fn listed(&mut self, watch: &WatchKey, names: &BTreeSet<(String, String)>, now: Timestamp) {
        if self.facts.listed(watch, names, now) {
            return;
        }
        if *watch == record::watch() {
            return self.records_listed(names, now);
        }
        for key in self.works.objects_of(watch) {
            if !names.contains(&(key.namespace.clone(), key.name.clone())) {
                self.not_there(&key, now);
            }
        }
    }

    fn not_there(&mut self, key: &ObjectKey, now: Timestamp) {
        for name in self.works.of_object(key).cloned().collect::<Vec<_>>() {
            let Some(work) = self.works.get_mut(&name) else { continue };
            look_if(work, key, None, now);
            speak_of(work, self.desired.get(&name), &self.config.pace, now);
        }
    }

    /// Our own record of a work was changed by somebody; only another incarnation matters.
    fn record_seen(&mut self, object: &Value, now: Timestamp) {
        let Some(seen) = Record::of(object, &self.config.hub_hash) else { return };
        let Some(work) = self.works.get_mut(&seen.work).filter(|work| work.pass.is_none()) else {
            return;
        };
        if work.record.as_ref().is_some_and(|record| record.uid != seen.uid) {
            work.record = Some(seen);
            work.look_at(now);
        }
    }

    /// A list may be older than a record that it does not name: that is looked at, not believed.
    fn records_listed(&mut self, names: &BTreeSet<(String, String)>, now: Timestamp) {
        let lost = |(_, work): &(&String, &Work)| {
            let record = work.record.as_ref();
            record.is_some_and(|record| !names.contains(&(String::new(), record.name.clone())))
        };
        let lost = self.works.iter().filter(lost).map(|(name, _)| name.clone());
        for name in lost.collect::<Vec<_>>() {
            let Some(work) = self.works.get_mut(&name) else { continue };
            work.unsure = true;
            work.look_at(now);
        }
    }

    fn record_lost(&mut self, lost: &Record, now: Timestamp) {
        let Some(work) = self.works.get_mut(&lost.work).filter(|work| work.pass.is_none()) else {
            return;
        };
        if work.record.as_ref().is_some_and(|record| record.uid == lost.uid) {
            work.record = None;
            work.look_at(now);
        }
    }

    /// Starts whatever is due.
    fn advance(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let mut watches = self.works.settle() || self.watches.is_empty();
        watches |= self.start_passes(now, actions);
        self.facts.advance(self.connected, now, actions);
        if watches {
            self.watches = self.facts.watches();
            self.watches.insert(record::watch());
            self.watches.extend(self.works.watches().cloned());
            // Before anything that it should see.
            actions.insert(0, Action::Watch(self.watches.clone()));
        }
        if !self.connected {
            return;
        }
        if !self.syncing && self.recorded && self.sync_due.is_some_and(|due| due <= now) {
            self.syncing = true;
            let held = if self.sync_whole { BTreeMap::new() } else { self.desired.digest() };
            actions.push(Action::Sync(held));
        }
        self.report(now, actions);
    }

    fn report(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        while let Some((_, name)) = self.works.next_report().filter(|(due, _)| *due <= now) {
            let name = name.clone();
            let Some(work) = self.works.get_mut(&name) else { return };
            work.report_due = None;
            if let Some(report) = work.report() {
                actions.push(Action::Report(Report::Work(name), report.encode_to_vec()));
                work.sending = Some(report);
            }
            self.works.settle();
        }
    }

    /// Begins what is due; answers whether other watches are wanted.
    fn start_passes(&mut self, now: Timestamp, actions: &mut Vec<Action>) -> bool {
        let mut watches = false;
        while self.recorded && self.works.busy() < self.config.pace.passes {
            let Some((_, name)) = self.works.next_due().filter(|(due, _)| *due <= now) else {
                break;
            };
            let name = name.clone();
            self.begin(&name, now, actions);
            watches |= self.works.settle();
        }
        watches
    }
}

impl Work {
    fn look_at_report(&mut self, now: Timestamp) {
        self.report_due = crate::pace::sooner(self.report_due, now);
    }
}

/// Notes an object and, when it is not as it was left, looks at the work again; repairs that do not
/// last come slower and slower, so that two owners of one object do not wear the cluster out.
fn look_if(work: &mut Work, key: &ObjectKey, glance: Option<Glance>, now: Timestamp) {
    if work.see(key, glance) && work.pass.is_none() {
        let at = work.repairs.1.max(now);
        work.look_at(at);
    }
}

/// Between passes, what was seen is said at once; a pass says it at its end.
fn speak_of(work: &mut Work, held: Option<&Held>, pace: &Pace, now: Timestamp) {
    let Some(held) = held.filter(|held| !held.deleted) else { return };
    if work.pass.is_none() && !work.lines.is_empty() {
        work.refresh_lines();
        work.speak(held, pace, now);
    }
}

fn key_of(watch: &WatchKey, object: &Value) -> ObjectKey {
    ObjectKey {
        group: watch.group.clone(),
        resource: watch.resource.clone(),
        namespace: meta(object, "namespace").to_owned(),
        name: meta(object, "name").to_owned(),
    }
}
