//! Everything work knows: works by cluster, replica sets with the sums over their works, what
//! placements decided, and which clusters belong to the fleet. It decides nothing.

use crate::command::Chosen;
use crate::name::{PlacementKey, SetKey, Target, WorkKey};
use crate::state::{ReplicaSet, Work};
use crate::summary::{self, Counts, Tally, Wanted};
use crate::turns;
use fleetlog_kernel::{Position, Projection, Timestamp};
use fleetlog_messages::placement::{DecidedCluster, placement_event};
use fleetlog_messages::work::{SeenDecision, replica_set_event, work_event};
use fleetlog_rules::rollout::Group;
use std::collections::{BTreeMap, BTreeSet};

/// One commit that work heeds, and whom it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of a work.
    Work(WorkKey, Vec<work_event::Event>),
    /// Of a replica set.
    Set(SetKey, Vec<replica_set_event::Event>),
    /// Of a placement.
    Placement(PlacementKey, Vec<placement_event::Event>),
    /// Of a cluster: whether it belongs to the fleet, as its events say in turn.
    Cluster(String, Vec<Presence>),
}

/// What one event says of a cluster's belonging to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It belongs to it.
    Here,
    /// It left.
    Gone,
}

/// A decision with what is derived from it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    decision: SeenDecision,
    groups: u32,
}

impl Seen {
    fn of(decision: SeenDecision) -> Self {
        let group = |cluster: &DecidedCluster| (cluster.group.clone(), cluster.group_index);
        let groups: BTreeSet<_> = decision.decided.values().map(group).collect();
        let groups = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        Self { decision, groups }
    }

    fn wanted(&self) -> Wanted {
        let clusters = u32::try_from(self.decision.decided.len()).unwrap_or(u32::MAX);
        Wanted { clusters, groups: self.groups }
    }
}

/// The works of a set and their sums; derived.
#[derive(Clone, Debug, Default, PartialEq)]
struct Members {
    /// Each work's placement and share.
    works: BTreeMap<WorkKey, (String, Counts)>,
    counts: BTreeMap<String, Counts>,
    /// The served status is not what it should be, and a summary was asked for.
    stale: bool,
}

impl Members {
    fn remove(&mut self, key: &WorkKey) -> Option<(String, Counts)> {
        let (placement, share) = self.works.remove(key)?;
        *self.counts.entry(placement.clone()).or_default() -= share;
        Some((placement, share))
    }

    fn insert(&mut self, key: WorkKey, placement: &str, share: Counts) {
        *self.counts.entry(placement.to_owned()).or_default() += share;
        self.works.insert(key, (placement.to_owned(), share));
    }
}

/// What the commit that was applied last brought to light. For the reactions to this commit alone:
/// no part of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Sets whose status should be summed up again.
    pub stale: BTreeSet<SetKey>,
    /// A work that is gone although the set's plan has it.
    pub lost: Option<(SetKey, Target)>,
    /// A set whose clusters take turns, and one of them made room for another.
    pub moved: Option<SetKey>,
    /// A set whose clusters take turns, and it moved when time alone makes it another one's.
    pub timed: Option<SetKey>,
}

/// Everything that work knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    pub(crate) works: BTreeMap<WorkKey, Work>,
    pub(crate) sets: BTreeMap<SetKey, ReplicaSet>,
    /// Since which position each cluster belongs to the fleet.
    pub(crate) clusters: BTreeMap<String, Position>,
    decisions: BTreeMap<PlacementKey, Seen>,
    members: BTreeMap<SetKey, Members>,
    noticed: Noticed,
}

impl Fleet {
    /// The fleet of these states.
    #[must_use]
    pub fn of(
        works: BTreeMap<WorkKey, Work>,
        sets: BTreeMap<SetKey, ReplicaSet>,
        decisions: BTreeMap<PlacementKey, SeenDecision>,
        clusters: BTreeMap<String, Position>,
    ) -> Self {
        let decisions = decisions.into_iter().map(|(key, seen)| (key, Seen::of(seen))).collect();
        let mut fleet = Self { works, sets, clusters, decisions, ..Self::default() };
        let keys: Vec<WorkKey> = fleet.works.keys().cloned().collect();
        keys.iter().for_each(|key| fleet.count(key));
        let sets: Vec<SetKey> = fleet.sets.keys().cloned().collect();
        for key in sets {
            let stale = fleet.is_stale(&key);
            fleet.members.entry(key).or_default().stale = stale;
        }
        fleet
    }

    /// A work; the unborn one when there is none of the key.
    #[must_use]
    pub fn work(&self, key: &WorkKey) -> Work {
        self.works.get(key).cloned().unwrap_or_default()
    }

    /// All works, by cluster.
    #[must_use]
    pub const fn works(&self) -> &BTreeMap<WorkKey, Work> {
        &self.works
    }

    /// The works of one cluster.
    pub fn works_of<'a>(
        &'a self,
        cluster: &'a str,
    ) -> impl Iterator<Item = (&'a WorkKey, &'a Work)> {
        let from = self.works.range(WorkKey::new(cluster, "")..);
        from.take_while(move |(key, _)| key.cluster == cluster)
    }

    /// A replica set; the unborn one when there is none of the key.
    #[must_use]
    pub fn set(&self, key: &SetKey) -> ReplicaSet {
        self.sets.get(key).cloned().unwrap_or_default()
    }

    /// All replica sets.
    #[must_use]
    pub const fn sets(&self) -> &BTreeMap<SetKey, ReplicaSet> {
        &self.sets
    }

    /// The works that a set made, those on their way out included.
    pub fn works_made_by(&self, key: &SetKey) -> impl Iterator<Item = &WorkKey> {
        self.members.get(key).into_iter().flat_map(|members| members.works.keys())
    }

    /// What each placement decided.
    pub fn decisions(&self) -> impl Iterator<Item = (&PlacementKey, &SeenDecision)> {
        self.decisions.iter().map(|(key, seen)| (key, &seen.decision))
    }

    /// Whether a cluster belongs to the fleet.
    #[must_use]
    pub fn has_cluster(&self, cluster: &str) -> bool {
        self.clusters.contains_key(cluster)
    }

    /// What the commit that was applied last brought to light.
    #[must_use]
    pub const fn noticed(&self) -> &Noticed {
        &self.noticed
    }

    /// What the placements of a set decided; those without a decision are missing.
    #[must_use]
    pub fn chosen(&self, key: &SetKey, set: &ReplicaSet) -> BTreeMap<String, Chosen> {
        let chosen = |name: &&str| {
            let decision = &self.decided(key, name)?.decision;
            let known = decision.decided.keys().filter(|cluster| self.has_cluster(cluster));
            let (clusters, position) = (known.cloned().collect(), Position(decision.position));
            let chosen = Chosen { clusters, position, ..Chosen::default() };
            if !set.is_staged(name) {
                return Some(((*name).to_owned(), chosen));
            }
            let work = |target: &Target| self.works.get(&key.work(target));
            let standings = turns::standings(set, name, &chosen.clusters, work);
            let groups = groups(decision, &chosen.clusters);
            Some(((*name).to_owned(), Chosen { groups, standings, ..chosen }))
        };
        set.placements().iter().filter_map(chosen).collect()
    }

    /// When time alone may change whose turn it is among the clusters of a set, after `now`.
    #[must_use]
    pub fn deadline(&self, key: &SetKey, now: Timestamp) -> Option<Timestamp> {
        let set = self.sets.get(key).filter(|set| !set.is_deleting())?;
        if !set.placements().iter().any(|placement| set.is_staged(placement)) {
            return None;
        }
        turns::recheck(set, &self.chosen(key, set), now)
    }

    /// What the summary of a set is made of.
    #[must_use]
    pub fn tally(&self, key: &SetKey, set: &ReplicaSet) -> Tally {
        let (works, counts) = self
            .members
            .get(key)
            .map_or_else(Default::default, |m| (m.works.len(), m.counts.clone()));
        let wanted = |name: &&str| Some(((*name).to_owned(), self.decided(key, name)?.wanted()));
        let wanted = set.placements().iter().filter_map(wanted).collect();
        Tally { works, counts, wanted }
    }

    /// Where the decision lies that a placement of the set's namespace stands at.
    #[must_use]
    pub fn decided_at(&self, key: &SetKey, placement: &str) -> Position {
        self.decided(key, placement).map_or(Position::START, |s| Position(s.decision.position))
    }

    fn decided(&self, key: &SetKey, placement: &str) -> Option<&Seen> {
        self.decisions.get(&key.placement(placement)).filter(|seen| seen.decision.revision > 0)
    }

    /// The set and the target of its plan that a work stands for.
    #[must_use]
    pub fn planned(&self, set: &SetKey, placement: &str, work: &WorkKey) -> Option<Target> {
        let target = Target::new(placement, &work.cluster);
        let found = self.sets.get(set).filter(|found| !found.is_deleting())?;
        (found.has_planned(&target) && set.work(&target) == *work).then_some(target)
    }

    /// The sets that refer to a placement.
    pub fn sets_of<'a>(&'a self, placement: &'a PlacementKey) -> impl Iterator<Item = &'a SetKey> {
        let from = self.sets.range(SetKey::new(&placement.namespace, "")..);
        from.take_while(move |(key, _)| key.namespace == placement.namespace)
            .filter(move |(_, set)| set.placements().contains(&placement.name.as_str()))
            .map(|(key, _)| key)
    }

    /// Puts a work's share into its set's sums.
    fn count(&mut self, key: &WorkKey) {
        let Some(work) = self.works.get(key) else { return };
        let Some(of) = SetKey::parse(work.replica_set()) else { return };
        let none = ReplicaSet::default();
        let share = summary::share(work, self.sets.get(&of).unwrap_or(&none));
        let placement = work.state().placement.clone();
        self.members.entry(of).or_default().insert(key.clone(), &placement, share);
    }

    /// Whether the status of a set is not what its works and its placements make of it, or the
    /// set waits for nothing any more.
    fn is_stale(&self, key: &SetKey) -> bool {
        let Some(set) = self.sets.get(key) else { return false };
        let tally = self.tally(key, set);
        if set.is_deleting() {
            return tally.works == 0;
        }
        let status = summary::status(key, set, &tally, Timestamp::default());
        set.object().and_then(|object| object.status.as_ref()) != Some(&status)
    }

    /// Notices when a set's status goes stale; `again` even when that was noticed before.
    fn look_at(&mut self, key: &SetKey, again: bool) {
        let stale = self.is_stale(key);
        let Some(members) = self.members.get_mut(key) else { return };
        if stale && (again || !members.stale) {
            self.noticed.stale.insert(key.clone());
        }
        members.stale = stale;
        if members.works.is_empty() && !self.sets.contains_key(key) {
            self.members.remove(key);
        }
    }

    fn apply_work(&mut self, key: &WorkKey, events: &[work_event::Event], position: Position) {
        let before = self.works.remove(key).unwrap_or_default();
        let of = SetKey::parse(before.replica_set());
        let share = of.as_ref().and_then(|of| self.members.get_mut(of)?.remove(key));
        let stood = turns::standing(before.object().map(|_| &before));
        let after = before.fold(events, position);
        let gone = after.object().is_none();
        let now_of = SetKey::parse(after.replica_set());
        let stands = turns::standing(after.object().map(|_| &after));
        let placement = &after.state().placement;
        let staged = |of: &&SetKey| self.sets.get(*of).is_some_and(|set| set.is_staged(placement));
        if let Some(of) = now_of.as_ref().filter(|_| stood != stands).filter(staged) {
            self.noticed.moved = turns::makes_room(stood, stands).then(|| of.clone());
            self.noticed.timed = Some(of.clone());
        }
        if !gone {
            self.works.insert(key.clone(), after);
            self.count(key);
        }
        if let (true, Some(of), Some((placement, _))) = (gone, &of, &share) {
            self.noticed.lost = self.planned(of, placement, key).map(|t| (of.clone(), t));
        }
        for of in of.iter().chain(now_of.as_ref().filter(|now| Some(*now) != of.as_ref())) {
            self.look_at(of, false);
        }
    }

    fn apply_set(&mut self, key: &SetKey, events: &[replica_set_event::Event], at: Position) {
        let gives = |set: &ReplicaSet| {
            let template = set.spec().and_then(|spec| spec.manifest_work_template.clone());
            (set.bundle().cloned(), template)
        };
        let before = self.sets.remove(key).unwrap_or_default();
        let gave = gives(&before);
        let after = before.fold(events, at);
        let moved = gives(&after) != gave;
        if after.object().is_some() {
            let staged = after.placements().iter().any(|placement| after.is_staged(placement));
            self.noticed.timed = staged.then(|| key.clone());
            self.sets.insert(key.clone(), after);
            self.members.entry(key.clone()).or_default();
        }
        if moved {
            let works: Vec<WorkKey> = self.works_made_by(key).cloned().collect();
            for work in works {
                self.members.get_mut(key).and_then(|members| members.remove(&work));
                self.count(&work);
            }
        }
        self.look_at(key, true);
    }

    fn apply_placement(
        &mut self,
        key: &PlacementKey,
        events: &[placement_event::Event],
        position: Position,
    ) {
        for event in events {
            match event {
                placement_event::Event::Specified(_) => {
                    self.decisions.entry(key.clone()).or_default();
                }
                placement_event::Event::Judged(_)
                | placement_event::Event::PageDiscarded(_)
                | placement_event::Event::DeletionRequested(_) => {}
                placement_event::Event::Deleted(_) => {
                    self.decisions.remove(key);
                }
                placement_event::Event::Decided(decided) => {
                    let seen = self.decisions.remove(key).unwrap_or_default();
                    let mut decision = seen.decision;
                    decided.removed.iter().for_each(|cluster| {
                        decision.decided.remove(cluster);
                    });
                    let added = decided.added.iter().map(|c| (c.cluster.clone(), c.clone()));
                    decision.decided.extend(added);
                    decision.revision = decided.revision;
                    decision.position = position.0;
                    self.decisions.insert(key.clone(), Seen::of(decision));
                }
            }
        }
        let sets: Vec<SetKey> = self.sets_of(key).cloned().collect();
        sets.iter().for_each(|set| self.look_at(set, false));
    }
}

/// The clusters by decision group, in the order of the groups' indexes.
fn groups(decision: &SeenDecision, clusters: &BTreeSet<String>) -> Vec<Group> {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for cluster in decision.decided.values().filter(|cluster| clusters.contains(&cluster.cluster)) {
        let (name, index) = (cluster.group.clone(), cluster.group_index);
        let group = Group { name, index, ..Group::default() };
        let group = groups.entry(index).or_insert(group);
        group.clusters.insert(cluster.cluster.clone());
    }
    groups.into_values().collect()
}

impl Projection for Fleet {
    type Event = Change;

    fn apply(&mut self, change: &Change, position: Position) {
        self.noticed = Noticed::default();
        match change {
            Change::Work(key, events) => self.apply_work(key, events, position),
            Change::Set(key, events) => self.apply_set(key, events, position),
            Change::Placement(key, events) => self.apply_placement(key, events, position),
            Change::Cluster(cluster, events) => {
                for presence in events {
                    match presence {
                        Presence::Here => {
                            self.clusters.entry(cluster.clone()).or_insert(position);
                        }
                        Presence::Gone => {
                            self.clusters.remove(cluster);
                        }
                    }
                }
            }
        }
    }
}
