//! The world of placement: the fleet as it sees it, and its placements with their decisions. Beside
//! folding it remembers which placements the last commit can matter to, so that one cluster's
//! event costs the placements that could choose it or have it, and no others. It decides nothing.

use crate::cluster::Cluster;
use crate::command::PlacementKey;
use crate::filter::{self, Seen, When};
use crate::fleet::{Fleet, Moved, Tally};
use crate::held_scores::{Held, ScoreKey, Scores};
use crate::others::Foreign;
use crate::pages;
use crate::plan::{Flaw, Plan};
use crate::pool;
use crate::schedule::{self, Scene, Schedule, Steadiness, standing};
use crate::score::{Load, Tallies};
use crate::state::Placement;
use fleetlog_kernel::{Decider, Position, Projection, Timestamp};
use fleetlog_messages::placement::{decision_event, placement_event, score_event};
use fleetlog_messages::registration::{cluster_event, cluster_set_event};
use fleetlog_messages::registration_v2::binding_event;

use fleetlog_rules::taint::{self, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// One event and whom it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of a cluster.
    Cluster(String, cluster_event::Event),
    /// Of a set.
    Set(String, cluster_set_event::Event),
    /// Of a binding: namespace and set.
    Binding((String, String), binding_event::Event),
    /// Of a placement.
    Placement(PlacementKey, placement_event::Event),
    /// Of a page of another scheduler.
    Decision(PlacementKey, decision_event::Event),
    /// Of the scores that an add-on gives a cluster.
    Score(ScoreKey, score_event::Event),
}

/// A placement with its spec read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) placement: Placement,
    /// Derived.
    pub(crate) plan: Result<Plan, Flaw>,
    /// The newest commit that can matter to it. Derived, and not in the rows: a restored one has
    /// [`NEVER_LOOKED`].
    touched: Position,
    /// The inputs of its newest decision. Derived.
    inputs: Position,
}

/// "Look at it in any case."
const NEVER_LOOKED: Position = Position(u64::MAX);

impl Placed {
    fn of(placement: Placement, touched: Position) -> Self {
        let spec = placement.object().and_then(|o| o.spec.clone()).unwrap_or_default();
        Self { placement, plan: Plan::of(&spec), touched, inputs: Position::START }
    }
}

/// Everything that placement decides on, and everything it has decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    pub(crate) fleet: Fleet,
    pub(crate) scores: Scores,
    pub(crate) placements: BTreeMap<PlacementKey, Placed>,
    /// The pages of other schedulers.
    others: BTreeMap<PlacementKey, Foreign>,
    /// Derived: in how many decisions each cluster is.
    decisions: Tallies,
    position: Position,
    touched: BTreeSet<PlacementKey>,
    /// The placements that the newest commit is of.
    told: BTreeSet<PlacementKey>,
}

impl World {
    /// The world of these rows, folded up to `position`.
    #[must_use]
    pub fn of(
        fleet: Fleet,
        scores: Scores,
        placements: BTreeMap<PlacementKey, Placement>,
        position: Position,
    ) -> Self {
        let placed = |(key, placement)| (key, Placed::of(placement, NEVER_LOOKED));
        let placements = placements.into_iter().map(placed).collect();
        let mut world = Self { fleet, scores, placements, position, ..Self::default() };
        let decided = world.placements.values().flat_map(|p| p.placement.0.decided.keys());
        for cluster in decided {
            world.decisions.add(cluster);
        }
        world
    }

    /// The fleet.
    #[must_use]
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The scores that add-ons give.
    #[must_use]
    pub const fn scores(&self) -> &Scores {
        &self.scores
    }

    /// The same world with the pages of other schedulers.
    #[must_use]
    pub fn with_others(self, others: BTreeMap<PlacementKey, Foreign>) -> Self {
        Self { others, ..self }
    }

    /// The pages of other schedulers, by namespace and name.
    #[must_use]
    pub const fn others(&self) -> &BTreeMap<PlacementKey, Foreign> {
        &self.others
    }

    /// The placement that a page of this name is made of, if Fleetlog makes it.
    #[must_use]
    pub fn page_of(&self, page: &PlacementKey) -> Option<(PlacementKey, &Placement)> {
        let (name, number) = pages::named(&page.name)?;
        let key = PlacementKey::new(&page.namespace, name);
        let placement = self.placement(&key)?;
        (number <= pages::of(placement)).then_some((key, placement))
    }

    /// The placement whose pages may come to have this name.
    #[must_use]
    pub fn will_have(&self, page: &PlacementKey) -> Option<PlacementKey> {
        let (name, _) = pages::named(&page.name)?;
        let key = PlacementKey::new(&page.namespace, name);
        let decides = self.placement(&key).is_some_and(|placement| !placement.is_left_alone());
        decides.then_some(key)
    }

    /// How far the log is folded in.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// All placements, by namespace and name.
    pub fn placements(&self) -> impl Iterator<Item = (&PlacementKey, &Placement)> {
        self.placements.iter().map(|(key, placed)| (key, &placed.placement))
    }

    /// A placement; `None` when there is none of the name.
    #[must_use]
    pub fn placement(&self, key: &PlacementKey) -> Option<&Placement> {
        self.placements.get(key).map(|placed| &placed.placement)
    }

    /// The placements that the commit at `position`, the newest one, can matter to.
    #[must_use]
    pub fn touched(&self, position: Position) -> Vec<PlacementKey> {
        let newest = position == self.position;
        self.touched.iter().filter(|_| newest).cloned().collect()
    }

    /// The placements whose next deadline the commit at `position`, the newest one, can have moved.
    #[must_use]
    pub fn timed(&self, position: Position) -> Vec<PlacementKey> {
        let newest = position == self.position;
        self.touched.union(&self.told).filter(|_| newest).cloned().collect()
    }

    /// Up to where the inputs of a placement have to be looked at; `None` when its newest decision
    /// saw all of them, or there is no such placement.
    #[must_use]
    pub fn pending(&self, key: &PlacementKey) -> Option<Position> {
        let placed = self.placements.get(key)?;
        (placed.touched > placed.inputs).then_some(placed.touched)
    }

    /// What a placement should decide as the world is now, at `at`: its fraction of a second does
    /// not count, so that the moment can be written down.
    #[must_use]
    pub fn schedule(
        &self,
        key: &PlacementKey,
        at: Timestamp,
        steadiness: Steadiness,
    ) -> Option<Schedule> {
        let placed = self.placements.get(key)?;
        let scene = self.scene(key, placed, at.whole_seconds(), steadiness);
        Some(schedule::schedule(placed.plan.as_ref(), &placed.placement.0.decided, &scene))
    }

    /// What a placement is decided by at `at`: its plan, itself, and what it can see.
    pub(crate) fn stage<'a>(
        &'a self,
        key: &PlacementKey,
        at: Timestamp,
    ) -> Option<(Result<&'a Plan, &'a Flaw>, &'a Placement, Scene<'a>)> {
        let placed = self.placements.get(key)?;
        let scene = self.scene(key, placed, at.whole_seconds(), Steadiness::Kept);
        Some((placed.plan.as_ref(), &placed.placement, scene))
    }

    fn scene<'a>(
        &'a self,
        key: &PlacementKey,
        placed: &'a Placed,
        now: Timestamp,
        steadiness: Steadiness,
    ) -> Scene<'a> {
        let bound: Vec<&str> = self.fleet.bound(&key.namespace).collect();
        let decided = &placed.placement.0.decided;
        let load = Load::of(&self.decisions, decided);
        let none = |bound, kept, broken| Scene {
            bound,
            eligible: vec![],
            broken,
            tally: Tally::default(),
            candidates: vec![],
            kept,
            load,
            scores: &self.scores,
            now,
            steadiness,
        };
        let decided_names = || decided.keys().map(String::as_str);
        let Ok(plan) = &placed.plan else {
            let kept = decided_names().filter(|name| self.may_have(name, &bound)).collect();
            return none(bound, kept, None);
        };
        let eligible: Vec<&str> = bound.iter().copied().filter(|set| plan.names(set)).collect();
        if let Some(flaw) = eligible.iter().find_map(|set| self.fleet.flaw(set)) {
            let kept = decided_names().filter(|name| self.is_candidate(name)).collect();
            return none(bound, kept, Some(flaw.to_owned()));
        }
        let (tally, candidates) = pool::pool(&self.fleet, plan, &eligible);
        Scene { eligible, tally, candidates, ..none(bound, vec![], None) }
    }

    fn is_candidate(&self, cluster: &str) -> bool {
        self.fleet.clusters().get(cluster).is_some_and(|cluster| cluster.is_candidate())
    }

    /// Whether a cluster is a candidate in one of these sets.
    fn may_have(&self, cluster: &str, sets: &[&str]) -> bool {
        self.is_candidate(cluster) && sets.iter().any(|set| self.fleet.is_member(cluster, set))
    }

    fn touch(&mut self, keys: impl IntoIterator<Item = PlacementKey>) {
        for key in keys {
            if let Some(placed) = self.placements.get_mut(&key) {
                placed.touched = self.position;
                self.touched.insert(key);
            }
        }
    }

    fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = (&PlacementKey, &Placed)> {
        let first = PlacementKey::new(namespace, "");
        let from = self.placements.range(first..);
        let namespace = namespace.to_owned();
        from.take_while(move |(key, _)| key.namespace == namespace)
    }

    /// The placements of these namespaces that mean a set; a flawed one might mean any, and one
    /// that finds no set it means says so by what is bound at all.
    fn meaning(&self, set: &str, namespaces: &[String]) -> Vec<PlacementKey> {
        let all = namespaces.iter().flat_map(|namespace| self.of_namespace(namespace));
        let mean = all.filter(|(key, placed)| match &placed.plan {
            Ok(plan) => {
                let finds = self.fleet.bound(&key.namespace).any(|bound| plan.names(bound));
                plan.names(set) || !finds
            }
            Err(_) => true,
        });
        mean.map(|(key, _)| key.clone()).collect()
    }

    fn cluster_changed(&mut self, moved: &Moved) {
        // Nobody knows who is in a flawed set: its placements keep what they have, while it stays.
        let sets = moved.sets_before.union(&moved.sets_after).map(String::as_str);
        let sets = sets.chain(self.fleet.flawed());
        let namespaces: BTreeSet<&str> = sets.flat_map(|set| self.fleet.namespaces(set)).collect();
        let all = namespaces.into_iter().flat_map(|namespace| self.of_namespace(namespace));
        let care = all.filter(|(key, placed)| self.cares(key, placed, moved));
        let keys: Vec<_> = care.map(|(key, _)| key.clone()).collect();
        self.touch(keys);
    }

    /// The scores of a cluster touch the placements that weigh them and can see the cluster.
    fn score_changed(&mut self, key: &ScoreKey) {
        let sets = self.fleet.sets_of(&key.cluster);
        let namespaces: BTreeSet<&str> =
            sets.iter().flat_map(|set| self.fleet.namespaces(set)).collect();
        let all = namespaces.into_iter().flat_map(|namespace| self.of_namespace(namespace));
        let care = all.filter(|(at, placed)| {
            let Ok(plan) = &placed.plan else { return false };
            let mut bound = self.fleet.bound(&at.namespace);
            plan.reads_scores(&key.name) && bound.any(|set| plan.names(set) && sets.contains(set))
        });
        let keys: Vec<_> = care.map(|(key, _)| key.clone()).collect();
        self.touch(keys);
    }

    /// Whether a changed cluster can change the decision or a condition of a placement.
    fn cares(&self, key: &PlacementKey, placed: &Placed, moved: &Moved) -> bool {
        let decided = &placed.placement.0.decided;
        let Ok(plan) = &placed.plan else { return decided.contains_key(&moved.name) };
        let bound: Vec<&str> =
            self.fleet.bound(&key.namespace).filter(|set| plan.names(set)).collect();
        if bound.iter().any(|set| self.fleet.flaw(set).is_some()) {
            return decided.contains_key(&moved.name);
        }
        let within = |sets: &BTreeSet<String>| bound.iter().any(|set| sets.contains(*set));
        let candidate = |cluster: Option<&Cluster>, sets| {
            cluster.is_some_and(Cluster::is_candidate) && within(sets)
        };
        let after = self.fleet.clusters().get(moved.name.as_str());
        let (before, after) = (moved.before.as_deref(), after.map(|cluster| &**cluster));
        let was = candidate(before, &moved.sets_before);
        let is = candidate(after, &moved.sets_after);
        let standing = standing(decided, &moved.name);
        let fits = |cluster: Option<&Cluster>| {
            cluster.is_some_and(|cluster| {
                let seen = Seen { name: &moved.name, cluster, scores: &self.scores };
                filter::fits(plan, seen, standing, When::Ever)
            })
        };
        let group = |cluster: Option<&Cluster>| cluster.and_then(|c| plan.groups.takes(c));
        let (fitted, fit) = (was && fits(before), is && fits(after));
        let regrouped = fit && group(before) != group(after);
        let other = fit && fitted && before.zip(after).is_some_and(|both| differs(plan, both));
        fitted != fit || regrouped || other || (was != is && !self.has_others(&bound, &moved.name))
    }

    /// Whether there is a candidate beside `cluster` in these sets.
    fn has_others(&self, sets: &[&str], cluster: &str) -> bool {
        let mut members = sets.iter().flat_map(|set| self.fleet.members(set));
        members.any(|(name, other)| name != cluster && other.is_candidate())
    }

    fn placement_changed(&mut self, key: &PlacementKey, event: &placement_event::Event) {
        let known = self.placements.remove(key);
        let mut placed = known.unwrap_or_else(|| Placed::of(Placement::default(), Position::START));
        self.recount(&placed.placement, event);
        placed.placement = placed.placement.evolve(event);
        placed.placement.0.changed = self.position.0;
        match event {
            placement_event::Event::Specified(_) => {
                placed = Placed::of(placed.placement, self.position);
                self.touched.insert(key.clone());
            }
            placement_event::Event::Decided(decided) => {
                placed.placement.0.decided_at = self.position.0;
                placed.inputs = Position(decided.inputs);
                if self.has_let_go_for_good(&placed, &decided.removed) {
                    placed.touched = self.position;
                    self.touched.insert(key.clone());
                }
            }
            placement_event::Event::Judged(judged) => placed.inputs = Position(judged.inputs),
            placement_event::Event::DeletionRequested(_) => {}
            placement_event::Event::PageDiscarded(discarded) => {
                if let Some(page) = placed.placement.0.remade.get_mut(&discarded.page) {
                    page.changed = self.position.0;
                }
            }
            placement_event::Event::Deleted(_) => {
                self.touched.remove(key);
            }
        }
        if placed.placement.object().is_some() {
            self.placements.insert(key.clone(), placed);
        }
    }

    /// Whether a cluster was given up that does not fit any more because it was: then those that
    /// are left compare differently, and are looked at once more. It does not come back, so that
    /// this ends.
    fn has_let_go_for_good(&self, placed: &Placed, removed: &[String]) -> bool {
        let Ok(plan) = &placed.plan else { return false };
        let gone = |name: &String| {
            let fits = |cluster: &Cluster, standing| {
                taint::until(&plan.tolerations, &cluster.taints, standing)
            };
            let cluster = self.fleet.clusters().get(name.as_str());
            cluster.is_some_and(|c| fits(c, Standing::Chosen) != fits(c, Standing::New))
        };
        plan.compares() && removed.iter().any(gone)
    }

    /// Counts the decisions that `event` makes or ends.
    fn recount(&mut self, before: &Placement, event: &placement_event::Event) {
        let decided = &before.0.decided;
        match event {
            placement_event::Event::Decided(change) if before.object().is_some() => {
                let gone = change.removed.iter().filter(|name| decided.contains_key(*name));
                gone.for_each(|name| self.decisions.remove(name));
                let come = change.added.iter().map(|added| &added.cluster);
                let removed = |name: &String| change.removed.contains(name);
                for name in come.filter(|name| !decided.contains_key(*name) || removed(name)) {
                    self.decisions.add(name);
                }
            }
            placement_event::Event::Deleted(_) => {
                decided.keys().for_each(|name| self.decisions.remove(name));
            }
            _ => {}
        }
    }
}

impl Projection for World {
    type Event = Change;

    fn apply(&mut self, change: &Change, position: Position) {
        if position != self.position {
            self.touched.clear();
            self.told.clear();
            self.position = position;
        }
        match change {
            Change::Cluster(name, event) => {
                if let Some(moved) = self.fleet.cluster_changed(name, event) {
                    self.cluster_changed(&moved);
                }
            }
            Change::Set(name, event) => {
                if self.fleet.set_changed(name, event) {
                    let namespaces: Vec<_> =
                        self.fleet.namespaces(name).map(str::to_owned).collect();
                    let keys = self.meaning(name, &namespaces);
                    self.touch(keys);
                }
            }
            Change::Binding((namespace, set), event) => {
                if self.fleet.binding_changed((namespace, set), event) {
                    let keys = self.meaning(set, std::slice::from_ref(namespace));
                    self.touch(keys);
                }
            }
            Change::Placement(key, event) => {
                self.told.insert(key.clone());
                self.placement_changed(key, event);
            }
            Change::Decision(key, event) => {
                let mut page = self.others.remove(key).unwrap_or_default().evolve(event);
                page.0.changed = position.0;
                if page.object().is_some() {
                    self.others.insert(key.clone(), page);
                }
            }
            Change::Score(key, event) => {
                let before = self.scores.get(&key.name, &key.cluster).cloned().unwrap_or_default();
                let mut after = before.clone().evolve(event);
                let counts = |held: &Held| held.object().and_then(|object| object.status.clone());
                let changes = counts(&before) != counts(&after);
                after.0.changed = position.0;
                self.scores.put(key, after);
                if changes {
                    self.score_changed(key);
                }
            }
        }
    }
}

/// Whether a cluster that fits before and after differs in what a placement goes by.
fn differs(plan: &Plan, (before, after): (&Cluster, &Cluster)) -> bool {
    let timed = plan.has_limits() && before.taints != after.taints;
    let scored = plan.weights.count_resources() && before.allocatable != after.allocatable;
    timed || scored || plan.spread.topologies(before) != plan.spread.topologies(after)
}
