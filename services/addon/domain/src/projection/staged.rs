//! What is known of clusters that take turns. Whose turn it is, is not decided here.

use super::Fleet;
use crate::command::Chosen;
use crate::config::{self, Config};
use crate::health::Source;
use crate::names::{AddOnKey, PlacementKey};
use crate::plan;
use crate::state::Definition;
use crate::turns::{self, Sight, Stage, Turn};
use fleetlog_kernel::Timestamp;
use fleetlog_rules::rollout::{Group, Standing, Status, Strategy};
use std::collections::{BTreeMap, BTreeSet};

impl Fleet {
    /// How the clusters of a placement take turns; `None` where all go at once.
    #[must_use]
    pub fn rollout(&self, definition: &Definition, placement: &PlacementKey) -> Option<Strategy> {
        let mut given = definition.strategy(placement)?.rollout_strategy.clone()?;
        // As many at a time as a decision group has, when nothing else is said (spec 2.5).
        if given.r#type() == "Progressive" {
            let size = || self.choices.get(placement)?.group_size.clone();
            let form = given.progressive.get_or_insert_default();
            form.max_concurrency = form.max_concurrency.take().or_else(size);
        }
        let strategy = Strategy::of(Some(&given)).unwrap_or_default();
        turns::is_staged(&strategy).then_some(strategy)
    }

    /// Whether clusters of a definition take turns.
    #[must_use]
    pub fn is_staged(&self, definition: &str) -> bool {
        let found = self.definitions.get(definition);
        found.is_some_and(|d| d.placements().any(|key| self.rollout(d, &key).is_some()))
    }

    /// Whether an add-on may have what its template says now.
    #[must_use]
    pub fn turn(&self, key: &AddOnKey) -> Turn {
        let (Some(wanted), true) = (self.wanted(key), self.takes_turns(key)) else {
            return Turn::Come;
        };
        let has = self.has(key);
        if has.as_ref() == Some(&wanted) { Turn::Come } else { Turn::Waits(has) }
    }

    fn has(&self, key: &AddOnKey) -> Option<Config> {
        let given = self.definitions.get(&key.name).and_then(|d| d.given(&key.cluster));
        turns::has(self.add_ons.get(key), given.as_ref(), self.works.get(key))
    }

    /// What an add-on should have; `None` where its template does not exist.
    pub(super) fn wanted(&self, key: &AddOnKey) -> Option<Config> {
        match self.source(key) {
            Source::Found(template) => Some(Config::of(template)),
            Source::Unnamed | Source::Missing(_) | Source::Foreign(_) => None,
        }
    }

    /// Whether the cluster of an add-on takes turns with others.
    #[must_use]
    pub fn takes_turns(&self, key: &AddOnKey) -> bool {
        let placement =
            self.add_ons.get(key).and_then(|a| PlacementKey::parse(&a.state().placement));
        let definition = self.definitions.get(&key.name);
        let both = definition.zip(placement);
        both.is_some_and(|(definition, placement)| self.rollout(definition, &placement).is_some())
    }

    /// How far the cluster of an add-on is, where clusters take turns.
    pub(super) fn standing(&self, key: &AddOnKey) -> Option<Standing> {
        if !self.takes_turns(key) {
            return None;
        }
        self.standing_of(key, &self.wanted(key)?)
    }

    fn standing_of(&self, key: &AddOnKey, wanted: &Config) -> Option<Standing> {
        let given = self.definitions.get(&key.name).and_then(|d| d.given(&key.cluster));
        let (add_on, work) = (self.add_ons.get(key), self.works.get(key));
        turns::standing(Sight { wanted, add_on, given: given.as_ref(), work })
    }

    /// The placements of a definition whose clusters take turns.
    #[must_use]
    pub fn stages(&self, name: &str, chosen: &BTreeMap<PlacementKey, Chosen>) -> Vec<Stage> {
        let Some(definition) = self.definitions.get(name) else { return vec![] };
        let rollouts = definition.placements().filter(|key| chosen.contains_key(key));
        let rollouts = rollouts.filter_map(|key| Some((self.rollout(definition, &key)?, key)));
        let rollouts: Vec<(Strategy, PlacementKey)> = rollouts.collect();
        if rollouts.is_empty() {
            return vec![];
        }
        let mut clusters: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (cluster, placement) in plan::wanted(definition, chosen) {
            clusters.entry(placement).or_default().insert(cluster);
        }
        let stage = |(strategy, key): (Strategy, PlacementKey)| {
            let clusters = clusters.get(&key.to_string()).cloned().unwrap_or_default();
            let groups = self.groups(&key, &clusters);
            let mut stage = Stage { strategy, groups, ..Stage::default() };
            for cluster in clusters {
                self.place(definition, &key, AddOnKey::new(cluster, name), &mut stage);
            }
            stage
        };
        rollouts.into_iter().map(stage).collect()
    }

    fn place(
        &self,
        definition: &Definition,
        placement: &PlacementKey,
        key: AddOnKey,
        stage: &mut Stage,
    ) {
        let named = config::template_of(self.add_ons.get(&key), definition, &placement.to_string());
        let wanted = match self.template(&key.name, named) {
            Source::Found(template) => Config::of(template),
            Source::Unnamed | Source::Missing(_) | Source::Foreign(_) => {
                let skip = Standing { status: Status::Skip, since: None };
                stage.standings.insert(key.cluster, skip);
                return;
            }
        };
        if let Some(standing) = self.standing_of(&key, &wanted) {
            stage.standings.insert(key.cluster.clone(), standing);
        }
        stage.wanted.insert(key.cluster, wanted);
    }

    /// The decision groups of a placement, as far as they hold these clusters.
    fn groups(&self, placement: &PlacementKey, clusters: &BTreeSet<String>) -> Vec<Group> {
        let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
        let Some(choice) = self.choices.get(placement) else { return vec![] };
        for cluster in choice.clusters.keys().filter(|cluster| clusters.contains(*cluster)) {
            let index = choice.group_of.get(cluster).copied().unwrap_or_default();
            let name = choice.groups.get(&index).cloned().unwrap_or_default();
            let group = Group { name, index, ..Group::default() };
            groups.entry(index).or_insert(group).clusters.insert(cluster.clone());
        }
        groups.into_values().collect()
    }

    /// When time alone may change whose turn it is, after a moment.
    #[must_use]
    pub fn deadline(&self, name: &str, after: Timestamp) -> Option<Timestamp> {
        let definition = self.definitions.get(name).filter(|d| !d.is_deleting())?;
        turns::recheck(&self.stages(name, &self.chosen(definition)), after)
    }
}
