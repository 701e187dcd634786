//! What the hub wants of this cluster: deliveries by work, newest generation first. Signatures are
//! checked before anything reaches this; what to do about a change is the plan's.

use fleetlog_messages::common::SyncEnd;
use fleetlog_messages::work::{Bundle, Delivery, ManifestWorkSpec};
use std::collections::{BTreeMap, BTreeSet};

/// One work as it is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Newer wins.
    pub generation: i64,
    /// What reports speak of.
    pub object_generation: i64,
    /// Everything the work made shall go.
    pub deleted: bool,
    /// The spec without manifests.
    pub spec: ManifestWorkSpec,
    /// Where the manifests are.
    pub bundle: Option<Bundle>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the newest; it counts from now on.
    Taken,
    /// It is known already.
    Known,
    /// A newer one is known: refused.
    Older,
    /// It says "unchanged" about something that is not held: a full answer is needed.
    Missing,
}

/// What a complete sync changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Works to look at again.
    pub changed: BTreeSet<String>,
    /// Whether something was missing from the answer, so that a full one must be asked for.
    pub incomplete: bool,
}

/// All that the hub wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    works: BTreeMap<String, Held>,
    /// Generations that were begun or ended; older ones are refused.
    fences: BTreeMap<String, i64>,
    /// The position of the last complete sync: what it did not name, it had no reason to.
    floor: i64,
    synced: bool,
}

impl Desired {
    /// The works that are held.
    pub fn works(&self) -> impl Iterator<Item = (&String, &Held)> {
        self.works.iter()
    }

    /// One work.
    #[must_use]
    pub fn get(&self, work: &str) -> Option<&Held> {
        self.works.get(work)
    }

    /// Whether a sync has completed since the start: nothing is deleted before.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.synced
    }

    /// Notes a generation that the member's own record names.
    pub fn fence(&mut self, work: &str, generation: i64) {
        let fence = self.fences.entry(work.to_owned()).or_default();
        *fence = generation.max(*fence);
    }

    /// What is held, for the next sync.
    #[must_use]
    pub fn digest(&self) -> BTreeMap<String, i64> {
        let held = self.works.iter().filter(|(_, held)| !held.deleted);
        held.map(|(work, held)| (work.clone(), held.generation)).collect()
    }

    /// Takes one delivery.
    pub fn take(&mut self, delivery: &Delivery) -> Verdict {
        let verdict = self.judge(delivery);
        if verdict == Verdict::Taken {
            self.fences.remove(&delivery.work);
            self.works.insert(delivery.work.clone(), held(delivery));
        }
        verdict
    }

    fn judge(&self, delivery: &Delivery) -> Verdict {
        let given = delivery.generation;
        match self.works.get(&delivery.work) {
            Some(held) if given < held.generation => Verdict::Older,
            Some(held) if given == held.generation => Verdict::Known,
            _ if delivery.unchanged => Verdict::Missing,
            Some(_) => Verdict::Taken,
            None => {
                let fence = self.fences.get(&delivery.work).copied().unwrap_or(i64::MIN);
                if given < fence { Verdict::Older } else { Verdict::Taken }
            }
        }
    }

    /// A live delivery: as [`Self::take`], but a work that the last complete sync did not name is
    /// believed only when it is newer than that sync.
    pub fn take_live(&mut self, delivery: &Delivery) -> Verdict {
        let unknown = !self.works.contains_key(&delivery.work);
        if unknown && self.synced && delivery.generation <= self.floor {
            return Verdict::Older;
        }
        self.take(delivery)
    }

    /// Takes a sync answer. One that lacks its end, or whose count is wrong, changes nothing; a
    /// complete one also removes what it does not name, unless that is newer than the answer.
    /// `recorded` are works that the member has records of.
    pub fn sync(
        &mut self,
        deliveries: &[Delivery],
        end: Option<&SyncEnd>,
        recorded: &BTreeMap<String, i64>,
    ) -> Synced {
        let named: BTreeSet<&String> = deliveries.iter().map(|d| &d.work).collect();
        let whole = end.filter(|end| {
            end.works as usize == deliveries.len() && named.len() == deliveries.len()
        });
        let missing = deliveries.iter().any(|d| self.judge(d) == Verdict::Missing);
        let Some(end) = whole.filter(|_| !missing) else {
            return Synced { incomplete: true, ..Synced::default() };
        };
        let position = i64::try_from(end.position).unwrap_or(i64::MAX);
        let mut changed = BTreeSet::new();
        for delivery in deliveries {
            if self.take(delivery) == Verdict::Taken {
                changed.insert(delivery.work.clone());
            }
        }
        let held = self.works.iter().map(|(work, held)| (work.clone(), held.generation));
        let known: BTreeMap<String, i64> = recorded.clone().into_iter().chain(held).collect();
        for (work, generation) in known {
            let gone = self.works.get(&work).is_some_and(|held| held.deleted);
            if !named.contains(&work) && generation <= position && !gone {
                self.works.insert(work.clone(), removal(generation));
                changed.insert(work);
            }
        }
        self.synced = true;
        self.floor = self.floor.max(position);
        self.fences.retain(|_, fence| *fence > position);
        Synced { changed, incomplete: false }
    }

    /// Forgets a work that is gone, but not how new its removal was.
    pub fn forget(&mut self, work: &str) {
        if let Some(held) = self.works.remove(work) {
            self.fence(work, held.generation.saturating_add(1));
        }
    }
}

fn held(delivery: &Delivery) -> Held {
    Held {
        generation: delivery.generation,
        object_generation: delivery.object_generation,
        deleted: delivery.deleted,
        spec: delivery.spec.clone().unwrap_or_default(),
        bundle: delivery.bundle.clone(),
    }
}

fn removal(generation: i64) -> Held {
    Held { generation, deleted: true, ..Held::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(work: &str, generation: i64) -> Delivery {
        Delivery { work: work.into(), generation, ..Delivery::default() }
    }

    fn end(position: u64, works: u32) -> SyncEnd {
        SyncEnd { position, works }
    }

    #[test]
    fn wa_an_older_generation_is_refused_even_after_a_restart() {
        let mut desired = Desired::default();
        desired.fence("a", 5);
        assert_eq!(desired.take_live(&delivery("a", 4)), Verdict::Older);
        assert_eq!(desired.take_live(&delivery("a", 5)), Verdict::Taken);
        assert_eq!(desired.take_live(&delivery("a", 5)), Verdict::Known);
        assert_eq!(desired.take_live(&delivery("a", 4)), Verdict::Older);
        assert_eq!(desired.take_live(&delivery("a", 6)), Verdict::Taken);
    }

    #[test]
    fn wa_an_incomplete_sync_changes_nothing() {
        let mut desired = Desired::default();
        desired.take_live(&delivery("a", 1));
        for (answer, end) in [(vec![], None), (vec![delivery("b", 9)], Some(end(9, 2)))] {
            let before = desired.clone();
            let synced = desired.sync(&answer, end.as_ref(), &BTreeMap::from([("r".into(), 1)]));
            assert!(synced.incomplete && synced.changed.is_empty());
            assert_eq!(desired, before);
        }
    }

    #[test]
    fn wa_absence_from_a_complete_sync_removes_but_not_what_is_newer() {
        let mut desired = Desired::default();
        desired.take_live(&delivery("old", 3));
        desired.take_live(&delivery("new", 12));
        let recorded = BTreeMap::from([("recorded".to_owned(), 2)]);
        let synced = desired.sync(&[delivery("kept", 4)], Some(&end(10, 1)), &recorded);
        assert_eq!(synced.changed, ["kept", "old", "recorded"].map(str::to_owned).into());
        let deleted = |work: &str| desired.get(work).unwrap().deleted;
        assert!(deleted("old") && deleted("recorded") && !deleted("new") && !deleted("kept"));
    }

    #[test]
    fn wa_a_late_copy_does_not_bring_a_removed_work_back() {
        let mut desired = Desired::default();
        desired.take_live(&delivery("a", 3));
        desired.take_live(&Delivery { deleted: true, ..delivery("a", 8) });
        desired.forget("a");
        assert_eq!(desired.take_live(&delivery("a", 3)), Verdict::Older);
        desired.sync(&[], Some(&end(20, 0)), &BTreeMap::new());
        assert_eq!(desired.take_live(&delivery("a", 3)), Verdict::Older);
        assert_eq!(desired.take_live(&delivery("a", 21)), Verdict::Taken);
    }

    #[test]
    fn unchanged_without_holding_it_asks_for_a_full_answer() {
        let mut desired = Desired::default();
        let unchanged = Delivery { unchanged: true, ..delivery("a", 3) };
        let synced = desired.sync(&[unchanged], Some(&end(5, 1)), &BTreeMap::new());
        assert!(synced.incomplete && !desired.is_synced());
    }
}
