//! Who is there, who fits, how many are taken, and how they are divided.

use super::{Facts, claims, labels, score, spread};
use fleetlog_messages::common::int_or_string::Value;
use fleetlog_messages::placement::{
    ClusterPredicate, GroupStrategy, PlacementSpec, PrioritizerConfig, Toleration,
};
use fleetlog_messages::registration::{ManagedCluster, Taint};
use fleetlog_rules::cel::{self, Problem, Program, Subject};
use fleetlog_rules::labels::{Selector, SelectorError};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked for.
pub struct Asked<'a> {
    pub namespace: &'a str,
    pub spec: &'a PlacementSpec,
    /// What it has chosen.
    pub chosen: BTreeSet<String>,
    /// What each other placement has chosen.
    pub others: Vec<BTreeSet<String>>,
    /// Seconds since 1970.
    pub now: i64,
    /// Being chosen already does not count.
    pub afresh: bool,
}

/// One chosen cluster: its total, the name and the index of its group.
pub type Chosen = (i64, String, u32);

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The spec means nothing: these stay.
    Misconfigured(BTreeSet<String>),
    /// A set cannot be read: these stay.
    Broken(BTreeSet<String>),
    /// These are chosen, for this reason, with so many missing; and how many each rule dropped.
    Chosen {
        decision: BTreeMap<String, Chosen>,
        reason: String,
        unmet: u32,
        dropped: BTreeMap<String, u32>,
    },
}

/// The answer.
pub fn answer(facts: &Facts, asked: &Asked<'_>) -> Answer {
    let bound = facts.bound(asked.namespace);
    let meant = |set: &&str| {
        let named = &asked.spec.cluster_sets;
        named.is_empty() || named.iter().any(|name| name == set)
    };
    let stay = |sets: &[&str]| -> BTreeSet<String> {
        let within = |name: &String| sets.iter().any(|set| facts.is_member(name, set));
        let here = asked.chosen.iter().filter(|name| facts.is_candidate(name));
        here.filter(|name| sets.is_empty() || within(name)).cloned().collect()
    };
    if !means_something(asked.spec) {
        let stays = if bound.is_empty() { BTreeSet::new() } else { stay(&bound) };
        return Answer::Misconfigured(stays);
    }
    let eligible: Vec<&str> = bound.iter().copied().filter(meant).collect();
    let broken = |set: &&str| {
        let spec = facts.sets[*set].spec.as_ref();
        fleetlog_rules::membership::Members::of(set, spec).is_err()
    };
    if eligible.iter().any(broken) {
        return Answer::Broken(stay(&[]));
    }
    let mut dropped: BTreeMap<String, u32> = BTreeMap::new();
    let mut drop_one = |rule: &str| *dropped.entry(rule.to_owned()).or_default() += 1;
    let mut fitting = vec![];
    let mut candidates = 0;
    for (name, cluster) in &facts.clusters {
        if !eligible.iter().any(|set| facts.is_member(name, set)) {
            continue;
        }
        if !facts.is_candidate(name) {
            let accepted = cluster.spec.as_ref().is_some_and(|spec| spec.hub_accepts_client());
            drop_one(if accepted { "Terminating" } else { "Accepted" });
            continue;
        }
        candidates += 1;
        match drops(facts, asked, name, cluster) {
            Some(rule) => drop_one(rule),
            None => fitting.push((name.as_str(), cluster)),
        }
    }
    let wanted = asked.spec.number_of_clusters.map(|n| usize::try_from(n).unwrap());
    let number = wanted.unwrap_or(fitting.len()).min(fitting.len());
    let totals = score::totals(facts, asked, &fitting);
    let first = spread::choose(asked.spec, &fitting, &totals, number);
    count(&mut dropped, "NumberOfClusters", fitting.len() - number);
    count(&mut dropped, "Spread", number - first.len());
    let unmet = wanted.unwrap_or(0).saturating_sub(first.len());
    let reason = match () {
        () if bound.is_empty() => "NoManagedClusterSetBindings",
        () if eligible.is_empty() => "NoIntersection",
        () if candidates == 0 => "AllManagedClusterSetsEmpty",
        () if first.is_empty() => "NoManagedClusterMatched",
        () if unmet > 0 => "NotAllDecisionsScheduled",
        () => "AllDecisionsScheduled",
    };
    let decision = divided(facts, asked.spec, first);
    let reason = reason.to_owned();
    Answer::Chosen { decision, reason, unmet: u32::try_from(unmet).unwrap(), dropped }
}

fn count(dropped: &mut BTreeMap<String, u32>, rule: &str, number: usize) {
    if number > 0 {
        *dropped.entry(rule.to_owned()).or_default() += u32::try_from(number).unwrap();
    }
}

fn drops(
    facts: &Facts,
    asked: &Asked<'_>,
    name: &str,
    cluster: &ManagedCluster,
) -> Option<&'static str> {
    let predicates = &asked.spec.predicates;
    if !predicates.is_empty()
        && !predicates.iter().any(|given| matches(facts, given, name, cluster))
    {
        return Some("Predicate");
    }
    let taints = cluster.spec.iter().flat_map(|spec| &spec.taints);
    let chosen = asked.chosen.contains(name);
    for taint in taints {
        let free = taint.effect() == "PreferNoSelect"
            || (taint.effect() == "NoSelectIfNew" && chosen)
            || asked.spec.tolerations.iter().any(|given| tolerates(given, taint, asked.now));
        if !free {
            return Some("TaintToleration");
        }
    }
    (!spread::is_somewhere(asked.spec, cluster)).then_some("Spread")
}

fn tolerates(toleration: &Toleration, taint: &Taint, now: i64) -> bool {
    let effect = toleration.effect().is_empty() || toleration.effect() == taint.effect();
    let key = toleration.key().is_empty() || toleration.key() == taint.key();
    let value = toleration.operator() == "Exists" || toleration.value() == taint.value();
    let added = taint.time_added.as_ref().map_or(0, |time| time.seconds);
    let limit = toleration.toleration_seconds;
    let lasts = limit.is_none_or(|limit| limit > 0 && now < added.saturating_add(limit));
    effect && key && value && lasts
}

fn matches(
    facts: &Facts,
    predicate: &ClusterPredicate,
    name: &str,
    cluster: &ManagedCluster,
) -> bool {
    let (by_labels, by_claims) = selectors(predicate).unwrap();
    by_labels.is_none_or(|selector| selector.matches(&labels(cluster)))
        && by_claims.is_none_or(|selector| selector.matches(&claims(cluster)))
        && programs(predicate).unwrap().iter().all(|program| holds(facts, program, name, cluster))
}

fn holds(facts: &Facts, program: &Program, name: &str, cluster: &ManagedCluster) -> bool {
    let mut subject = Subject::new(cluster);
    for ((_, of), object) in facts.scores.iter().filter(|((at, _), _)| at == name) {
        let scores = object.status.clone().unwrap_or_default().scores;
        subject = subject.with_scores(of, &scores);
    }
    program.matches(&subject) == Ok(true)
}

fn programs(predicate: &ClusterPredicate) -> Result<Vec<Program>, Problem> {
    let selector = predicate.required_cluster_selector.clone().unwrap_or_default();
    let texts = selector.cel_selector.unwrap_or_default().cel_expressions;
    texts.iter().map(|text| cel::compile(text)).collect()
}

type Selectors = (Option<Selector>, Option<Selector>);

fn selectors(predicate: &ClusterPredicate) -> Result<Selectors, SelectorError> {
    let Some(given) = &predicate.required_cluster_selector else { return Ok((None, None)) };
    let labels = given.label_selector.as_ref().map(Selector::of).transpose()?;
    let claims = given.claim_selector.as_ref();
    let claims = claims.map(|c| Selector::of_requirements(&c.match_expressions)).transpose()?;
    Ok((labels, claims))
}

fn means_something(spec: &PlacementSpec) -> bool {
    let tolerable = |given: &Toleration| match given.operator() {
        "Exists" => given.value().is_empty(),
        _ => !given.key().is_empty(),
    };
    let known = |config: &PrioritizerConfig| {
        let Some(given) = &config.score_coordinate else { return false };
        match given.r#type() {
            "AddOn" => given.add_on.is_some(),
            _ => score::BUILT_IN.contains(&given.built_in()),
        }
    };
    let policy = spec.prioritizer_policy.clone().unwrap_or_default();
    ["", "Additive", "Exact"].contains(&policy.mode())
        && policy.configurations.iter().all(known)
        && spec.tolerations.iter().all(tolerable)
        && spec.predicates.iter().all(|given| selectors(given).is_ok() && programs(given).is_ok())
}

/// Named groups in their order, then the rest; each cut to its length.
fn divided(
    facts: &Facts,
    spec: &PlacementSpec,
    first: Vec<(String, i64)>,
) -> BTreeMap<String, Chosen> {
    let strategy = spec.decision_strategy.clone().unwrap_or_default();
    let strategy = strategy.group_strategy.unwrap_or_default();
    let length = length(&strategy, first.len());
    let mut left: BTreeMap<String, i64> = first.into_iter().collect();
    let (mut decision, mut index) = (BTreeMap::new(), 0);
    let mut take = |name: &str, members: Vec<(String, i64)>| {
        for chunk in members.chunks(length) {
            for (cluster, total) in chunk {
                decision.insert(cluster.clone(), (*total, name.to_owned(), index));
            }
            index += 1;
        }
    };
    for group in &strategy.decision_groups {
        let selector = group.group_cluster_selector.clone().unwrap_or_default();
        let by_labels = selector.label_selector.as_ref().map(|s| Selector::of(s).unwrap());
        let by_claims = selector.claim_selector.as_ref();
        let by_claims = by_claims.map(|c| Selector::of_requirements(&c.match_expressions).unwrap());
        let in_group = |name: &String| {
            let cluster = &facts.clusters[name];
            by_labels.as_ref().is_none_or(|s| s.matches(&labels(cluster)))
                && by_claims.as_ref().is_none_or(|s| s.matches(&claims(cluster)))
        };
        let members: Vec<(String, i64)> =
            left.iter().filter(|(n, _)| in_group(n)).map(|(n, t)| (n.clone(), *t)).collect();
        left.retain(|name, _| !members.iter().any(|(taken, _)| taken == name));
        take(group.group_name(), members);
    }
    take("", left.into_iter().collect());
    decision
}

fn length(strategy: &GroupStrategy, selected: usize) -> usize {
    let given = strategy.clusters_per_decision_group.as_ref().and_then(|size| size.value.clone());
    let length = match given {
        None => selected,
        Some(Value::Int(number)) => usize::try_from(number).unwrap_or(0),
        Some(Value::Str(text)) => {
            let percent: usize = text.trim_end_matches('%').parse().unwrap();
            (selected * percent).div_ceil(100)
        }
    };
    if length == 0 || length > selected { selected.max(1) } else { length }
}
