//! All works of an agent, with what must be found without asking each: who is due, who has
//! something to report, whose an object is, which watches are wanted. Whatever was touched is
//! looked up anew by [`Works::settle`]; nothing else costs more with more works.

use crate::kind::{ObjectKey, WatchKey};
use crate::work::Work;
use fleetlog_kernel::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The works by name.
#[derive(Debug, Default)]
pub(crate) struct Works {
    all: BTreeMap<String, Work>,
    touched: BTreeSet<String>,
    known: BTreeMap<String, Entry>,
    due: BTreeSet<(Timestamp, String)>,
    reports: BTreeSet<(Timestamp, String)>,
    of_object: BTreeMap<ObjectKey, BTreeSet<String>>,
    watches: BTreeMap<WatchKey, usize>,
    busy: usize,
}

/// What the indices say of one work.
#[derive(Clone, Debug, Default)]
struct Entry {
    due: Option<Timestamp>,
    report: Option<Timestamp>,
    busy: bool,
    objects: BTreeSet<ObjectKey>,
    watches: BTreeSet<WatchKey>,
}

impl Works {
    pub(crate) fn get(&self, name: &str) -> Option<&Work> {
        self.all.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Work> {
        let work = self.all.get_mut(name)?;
        if !self.touched.contains(name) {
            self.touched.insert(name.to_owned());
        }
        Some(work)
    }

    /// One work; made when it is new.
    pub(crate) fn obtain(&mut self, name: &str) -> &mut Work {
        self.touched.insert(name.to_owned());
        self.all.entry(name.to_owned()).or_default()
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.touched.insert(name.to_owned());
        self.all.remove(name);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Work)> {
        self.all.iter()
    }

    /// Each work, to be changed: for what happens once per connection, not once per event.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Work)> {
        self.touched.extend(self.all.keys().cloned());
        self.all.iter_mut()
    }

    /// The works that an object matters to.
    pub(crate) fn of_object(&self, key: &ObjectKey) -> impl Iterator<Item = &String> {
        self.of_object.get(key).into_iter().flatten()
    }

    /// The objects that a watch covers and a work cares about.
    pub(crate) fn objects_of(&self, watch: &WatchKey) -> Vec<ObjectKey> {
        let of_watch = |key: &&ObjectKey| {
            key.group == watch.group
                && key.resource == watch.resource
                && (watch.namespace.is_empty() || watch.namespace == key.namespace)
        };
        self.of_object.keys().filter(of_watch).cloned().collect()
    }

    /// The watches that all works want.
    pub(crate) fn watches(&self) -> impl Iterator<Item = &WatchKey> {
        self.watches.keys()
    }

    /// How many are worked on.
    pub(crate) const fn busy(&self) -> usize {
        self.busy
    }

    /// The work to look at next, and when.
    pub(crate) fn next_due(&self) -> Option<&(Timestamp, String)> {
        self.due.first()
    }

    /// The work to report on next, and when.
    pub(crate) fn next_report(&self) -> Option<&(Timestamp, String)> {
        self.reports.first()
    }

    /// Brings the indices up to date; answers whether other watches are wanted.
    pub(crate) fn settle(&mut self) -> bool {
        let mut changed = false;
        for name in std::mem::take(&mut self.touched) {
            let old = self.known.remove(&name).unwrap_or_default();
            let new = self.entry(&name, &old);
            changed |= self.index(&name, &old, &new);
            if self.all.contains_key(&name) {
                self.known.insert(name, new);
            }
        }
        changed
    }

    fn entry(&self, name: &str, old: &Entry) -> Entry {
        let Some(work) = self.all.get(name) else { return Entry::default() };
        let same = work.marks.len() == old.objects.len()
            && work.marks.keys().zip(&old.objects).all(|(new, old)| new == old);
        Entry {
            due: work.due.filter(|_| work.pass.is_none()),
            report: work.report_due.filter(|_| work.sending.is_none()),
            busy: work.pass.is_some(),
            objects: match same {
                true => old.objects.clone(),
                false => work.marks.keys().cloned().collect(),
            },
            watches: work.watches().collect(),
        }
    }

    fn index(&mut self, name: &str, old: &Entry, new: &Entry) -> bool {
        moved(&mut self.due, name, old.due, new.due);
        moved(&mut self.reports, name, old.report, new.report);
        self.busy = self.busy + usize::from(new.busy) - usize::from(old.busy);
        for key in old.objects.difference(&new.objects) {
            if let Some(names) = self.of_object.get_mut(key) {
                names.remove(name);
                if names.is_empty() {
                    self.of_object.remove(key);
                }
            }
        }
        for key in new.objects.difference(&old.objects) {
            self.of_object.entry(key.clone()).or_default().insert(name.to_owned());
        }
        let mut changed = false;
        for key in old.watches.difference(&new.watches) {
            if let Some(count) = self.watches.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    self.watches.remove(key);
                    changed = true;
                }
            }
        }
        for key in new.watches.difference(&old.watches) {
            let count = self.watches.entry(key.clone()).or_default();
            *count += 1;
            changed |= *count == 1;
        }
        changed
    }
}

fn moved(
    index: &mut BTreeSet<(Timestamp, String)>,
    name: &str,
    old: Option<Timestamp>,
    new: Option<Timestamp>,
) {
    if old == new {
        return;
    }
    if let Some(old) = old {
        index.remove(&(old, name.to_owned()));
    }
    if let Some(new) = new {
        index.insert((new, name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::{Mark, Pass};

    fn key(name: &str) -> ObjectKey {
        ObjectKey { resource: "configmaps".into(), name: name.into(), ..ObjectKey::default() }
    }

    #[test]
    fn what_was_touched_is_found_by_its_time_and_its_objects() {
        let mut works = Works::default();
        works.obtain("a").due = Some(Timestamp::of_seconds(2));
        works.obtain("b").due = Some(Timestamp::of_seconds(1));
        works.obtain("b").marks.insert(key("x"), Mark::default());
        works.settle();
        assert_eq!(works.next_due().unwrap().1, "b");
        assert!(works.of_object(&key("x")).eq(["b"]));
        works.get_mut("b").unwrap().pass = Some(Pass::default());
        works.settle();
        assert_eq!((works.next_due().unwrap().1.as_str(), works.busy()), ("a", 1));
        works.remove("b");
        works.settle();
        assert_eq!((works.of_object(&key("x")).count(), works.busy()), (0, 0));
    }
}
