//! Why a placement chose whom it chose: computed again, for those who ask, by the same functions
//! that choose. It changes nothing, and nothing is kept of it.

use crate::cluster::Cluster;
use crate::command::PlacementKey;
use crate::filter::{self, Seen, When};
use crate::names::rule;
use crate::plan::{Flaw, Plan, Predicate};
use crate::projection::World;
use crate::schedule::{self, Decision, Scene, Schedule, standing};
use crate::score::Table;
use crate::state::Placement;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::placement::{ClusterExplained, ExplainedPrioritizer, PlacementExplained};
use fleetlog_messages::registration::Taint;
use fleetlog_rules::labels::{Labels, Selector};
use fleetlog_rules::taint::{self, Until};
use std::collections::{BTreeMap, HashMap};

/// How many predicates a sentence goes into.
const PREDICATES: usize = 3;

/// A placement as it would be decided now, with everybody's place.
pub struct Why<'a> {
    world: &'a World,
    key: &'a PlacementKey,
    placement: &'a Placement,
    plan: Result<&'a Plan, &'a Flaw>,
    scene: Scene<'a>,
    schedule: Schedule,
    ranking: Ranking<'a>,
}

/// The clusters that pass every filter.
#[derive(Default)]
struct Ranking<'a> {
    table: Table,
    totals: Vec<i64>,
    /// By name: its place in the table, and its rank from 1 on.
    places: HashMap<&'a str, (usize, usize)>,
    /// The lowest rank that is chosen.
    last: usize,
}

impl<'a> Why<'a> {
    /// Of a placement at `at`; `None` when there is none of the name.
    #[must_use]
    pub fn of(world: &'a World, key: &'a PlacementKey, at: Timestamp) -> Option<Self> {
        let (plan, placement, scene) = world.stage(key, at)?;
        let schedule = schedule::schedule(plan, &placement.0.decided, &scene);
        let mut why =
            Self { world, key, placement, plan, scene, schedule, ranking: Ranking::default() };
        if let (Ok(plan), Schedule::Chosen(choice)) = (plan, &why.schedule) {
            why.ranking = Ranking::of(plan, &placement.0.decided, &why.scene, &choice.decision);
        }
        Some(why)
    }

    /// The clusters that it would have, by name.
    #[must_use]
    pub fn chosen(&self) -> Vec<&str> {
        match &self.schedule {
            Schedule::Chosen(choice) => choice.decision.keys().map(String::as_str).collect(),
            Schedule::Flawed { kept, .. } | Schedule::Broken { kept, .. } => {
                kept.iter().map(String::as_str).collect()
            }
        }
    }

    /// The whole decision; `None` where only the last good one stays.
    #[must_use]
    pub const fn decision(&self) -> Option<&Decision> {
        match &self.schedule {
            Schedule::Chosen(choice) => Some(&choice.decision),
            Schedule::Flawed { .. } | Schedule::Broken { .. } => None,
        }
    }

    /// The placement as a whole.
    #[must_use]
    pub fn placement(&self) -> PlacementExplained {
        let decided = &self.placement.0.decided;
        let mut explained = PlacementExplained {
            revision: self.placement.0.revision,
            generation: self.placement.generation(),
            sets: self.scene.eligible.iter().map(|set| (*set).to_owned()).collect(),
            fitting: self.ranking.places.len() as u64,
            chosen: self.chosen().len() as u64,
            settled: self.chosen().into_iter().eq(decided.keys().map(String::as_str)),
            ..PlacementExplained::default()
        };
        if let Ok(plan) = self.plan {
            let weighed = |(prioritizer, weight): (&dyn ToString, i64)| ExplainedPrioritizer {
                name: prioritizer.to_string(),
                weight,
            };
            let columns = self.ranking.table.columns.iter();
            explained.prioritizers =
                columns.map(|column| weighed((&column.prioritizer, column.weight))).collect();
            explained.wanted = plan.wanted.map(|wanted| wanted as u64);
        }
        match &self.schedule {
            Schedule::Chosen(choice) => {
                explained.satisfied.clone_from(&choice.satisfied.message);
                explained.dropped.clone_from(&choice.dropped);
            }
            Schedule::Flawed { message, .. } | Schedule::Broken { message, .. } => {
                explained.misconfigured.clone_from(message);
            }
        }
        explained
    }

    /// Every cluster of the sets that it chooses from, by name.
    #[must_use]
    pub fn clusters(&self) -> Vec<ClusterExplained> {
        let fleet = self.world.fleet();
        let members = self.scene.eligible.iter().flat_map(|set| fleet.members(set));
        let mut names: Vec<&str> = members.map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| self.cluster(name)).collect()
    }

    /// One cluster; any name may be asked about.
    #[must_use]
    pub fn cluster(&self, name: &str) -> ClusterExplained {
        let mut explained =
            ClusterExplained { cluster: name.to_owned(), ..ClusterExplained::default() };
        let Some(cluster) = self.world.fleet().clusters().get(name) else {
            let advice = "name a cluster that fleetlog get managedclusters shows";
            return dropped(explained, rule::GONE, "the fleet has no such cluster", advice);
        };
        if let Schedule::Flawed { kept, message } | Schedule::Broken { kept, message } =
            &self.schedule
        {
            let sentence = format!("the last good decision stays: {message}");
            explained.chosen = kept.iter().any(|known| known == name);
            return dropped(explained, rule::MISCONFIGURED, sentence, "correct the placement");
        }
        let Ok(plan) = self.plan else { return explained };
        match self.outside(plan, name, cluster) {
            Some((rule, sentence, advice)) => dropped(explained, rule, sentence, &advice),
            None => self.ranked(plan, explained),
        }
    }

    /// Why a cluster does not even come to be scored: rule, sentence, advice.
    fn outside(
        &self,
        plan: &Plan,
        name: &str,
        cluster: &Cluster,
    ) -> Option<(&'static str, String, String)> {
        let fleet = self.world.fleet();
        if !self.scene.eligible.iter().any(|set| fleet.is_member(name, set)) {
            let namespace = &self.key.namespace;
            let sets: Vec<String> = fleet.sets_of(name).into_iter().collect();
            let sentence = format!(
                "it is in no set that the placement chooses from (its sets: {}; those of \
                 \"{namespace}\": {})",
                listed(&sets),
                listed(&self.scene.eligible),
            );
            let advice = "bind one of its sets to the namespace, or label the cluster into a set";
            return Some((rule::SETS, sentence, advice.to_owned()));
        }
        if !cluster.accepted {
            let advice = format!("fleetlog accept {name}");
            return Some((rule::ACCEPTED, "the hub has not accepted it".to_owned(), advice));
        }
        if cluster.terminating.is_some() {
            let advice = "choose another one".to_owned();
            return Some((rule::TERMINATING, "it is on its way out".to_owned(), advice));
        }
        let standing = standing(&self.placement.0.decided, name);
        let seen = Seen { name, cluster, scores: self.scene.scores };
        let rule = filter::dropped(plan, seen, standing, When::At(self.scene.now))?;
        Some(match rule {
            rule::PREDICATE => {
                let advice = "change its labels or claims, or the predicates";
                (rule, unmatched(plan, cluster), advice.to_owned())
            }
            rule::TAINTS => {
                let advice = "add a toleration or remove the taint".to_owned();
                (rule, self.untolerated(plan, name, cluster), advice)
            }
            _ => {
                let sentence = "it is in no topology that the placement spreads over".to_owned();
                let advice = "give it the label or claim that spec.spreadPolicy names";
                (rule, sentence, advice.to_owned())
            }
        })
    }

    fn untolerated(&self, plan: &Plan, name: &str, cluster: &Cluster) -> String {
        let standing = standing(&self.placement.0.decided, name);
        let until =
            |taint: &Taint| taint::until(&plan.tolerations, std::slice::from_ref(taint), standing);
        let ended = cluster.taints.iter().find(|taint| !until(taint).lasts(self.scene.now));
        let Some(taint) = ended else { return String::new() };
        let (key, value, effect) = (taint.key(), taint.value(), taint.effect());
        let equals = if value.is_empty() { "" } else { "=" };
        match until(taint) {
            Until::Moment(end) => {
                let end = fleetlog_rules::time(end).render();
                format!("taint {key}{equals}{value}:{effect} is not tolerated any more since {end}")
            }
            _ => format!("taint {key}{equals}{value}:{effect} is not tolerated"),
        }
    }

    /// A cluster that fits: chosen, or after enough others.
    fn ranked(&self, plan: &Plan, mut explained: ClusterExplained) -> ClusterExplained {
        let Ranking { table, totals, places, last } = &self.ranking;
        let name = explained.cluster.clone();
        let Some((place, rank)) = places.get(name.as_str()).copied() else { return explained };
        let scores = table.columns.iter().map(|column| column.scores[place].unwrap_or_default());
        explained.scores = scores.collect();
        (explained.rank, explained.total) = (rank as u64, totals[place]);
        let standing = format!("it ranks {rank} of {} with {}", places.len(), totals[place]);
        if let Some(decided) = self.decision().and_then(|decision| decision.get(&name)) {
            explained.chosen = true;
            explained.total = decided.score;
            explained.group.clone_from(&decided.group);
            explained.group_index = decided.group_index;
            explained.sentence = format!("{standing}: {}", self.sum(&explained.scores));
            return explained;
        }
        if !plan.spread.is_none() && rank < *last {
            let sentence = format!("{standing}, but its topology has its share already");
            let advice = "raise maxSkew, or let the constraint ScheduleAnyway";
            return dropped(explained, rule::SPREAD, sentence, advice);
        }
        let taken = self.chosen().len();
        let sentence = format!("{standing}, and the placement takes {taken}");
        let advice = "raise numberOfClusters, or weigh the prioritizers otherwise";
        dropped(explained, rule::NUMBER, sentence, advice)
    }

    fn sum(&self, scores: &[i64]) -> String {
        let columns = self.ranking.table.columns.iter().zip(scores);
        let part = |(column, score): (&crate::score::Column, &i64)| match column.weight {
            1 => format!("{} {score}", column.prioritizer),
            weight => format!("{weight} x {} {score}", column.prioritizer),
        };
        let parts: Vec<String> = columns.map(part).collect();
        if parts.is_empty() { "no prioritizer counts".to_owned() } else { parts.join(", ") }
    }
}

impl<'a> Ranking<'a> {
    fn of(plan: &Plan, before: &Decision, scene: &Scene<'a>, decision: &Decision) -> Self {
        let fitting = schedule::fitting(plan, before, scene, &mut BTreeMap::new());
        let table = schedule::table(plan, before, scene, &fitting);
        let totals = table.totals(fitting.len());
        let mut order: Vec<usize> = (0..fitting.len()).collect();
        order.sort_unstable_by(|a, b| {
            totals[*b].cmp(&totals[*a]).then(fitting[*a].0.cmp(fitting[*b].0))
        });
        let ranks = order.into_iter().enumerate();
        let places: HashMap<&str, (usize, usize)> =
            ranks.map(|(rank, place)| (fitting[place].0, (place, rank + 1))).collect();
        let chosen = decision.keys().filter_map(|name| places.get(name.as_str()));
        let last = chosen.map(|(_, rank)| *rank).max().unwrap_or_default();
        Self { table, totals, places, last }
    }
}

fn dropped(
    explained: ClusterExplained,
    rule: &str,
    sentence: impl Into<String>,
    advice: &str,
) -> ClusterExplained {
    let (rule, advice) = (rule.to_owned(), advice.to_owned());
    ClusterExplained { rule, sentence: sentence.into(), advice, ..explained }
}

fn listed(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What each of the first predicates asks for that the cluster does not have.
fn unmatched(plan: &Plan, cluster: &Cluster) -> String {
    let first = plan.predicates.iter().take(PREDICATES);
    let parts: Vec<String> = first.map(|predicate| unmet(predicate, cluster)).collect();
    let more = plan.predicates.len() - parts.len();
    let more =
        if more > 0 { format!("; and {more} more predicates do not match") } else { String::new() };
    format!("{}{more}", parts.join("; or "))
}

fn unmet(predicate: &Predicate, cluster: &Cluster) -> String {
    let missing = |what: &str, selector: &Selector, has: &Labels| {
        let (asked, key) = selector.unmet(has)?;
        let found = has.get(key).map_or("it has none".to_owned(), |value| format!("it is {value}"));
        Some(format!("{what} {asked} does not hold: {found}"))
    };
    let plain = missing("label", &predicate.labels, &cluster.labels)
        .or_else(|| missing("claim", &predicate.claims, &cluster.claims));
    plain.unwrap_or_else(|| {
        let texts: Vec<&str> = predicate.expressions.iter().map(|e| e.text()).collect();
        format!("expression {} does not hold", texts.join(" and "))
    })
}
