//! What a cluster is worth: the sum of all scores times their weights.

use super::{Asked, Facts};
use fleetlog_messages::placement::{PlacementSpec, PrioritizerConfig};
use fleetlog_messages::registration::ManagedCluster;
use fleetlog_rules::quantity::Quantity;

/// The names that need no add-on.
pub const BUILT_IN: [&str; 5] =
    ["Balance", "Steady", "ResourceAllocatableCPU", "ResourceAllocatableMemory", "Spread"];

/// `Balance`, or `resource/score`, with its weight.
pub fn weights(spec: &PlacementSpec) -> Vec<(String, i64)> {
    let policy = spec.prioritizer_policy.clone().unwrap_or_default();
    let mut weights = vec![];
    if policy.mode() != "Exact" {
        weights = vec![("Balance".to_owned(), 1), ("Steady".to_owned(), 1)];
        let constraints = spec.spread_policy.iter().flat_map(|p| &p.spread_constraints);
        if constraints.into_iter().any(|c| c.when_unsatisfiable() != "DoNotSchedule") {
            weights.push(("Spread".to_owned(), 2));
        }
    }
    for config in &policy.configurations {
        let name = name(config);
        weights.retain(|(known, _)| *known != name);
        weights.push((name, i64::from(config.weight.unwrap_or(1))));
    }
    weights
}

fn name(config: &PrioritizerConfig) -> String {
    let given = config.score_coordinate.clone().unwrap();
    match given.add_on {
        Some(add_on) if given.r#type.as_deref() == Some("AddOn") => {
            format!("{}/{}", add_on.resource_name(), add_on.score_name())
        }
        _ => given.built_in().to_owned(),
    }
}

/// The totals of clusters, without Spread.
pub fn totals(facts: &Facts, asked: &Asked<'_>, clusters: &[(&str, &ManagedCluster)]) -> Vec<i64> {
    let weights = weights(asked.spec);
    let of = |(name, cluster): &(&str, &ManagedCluster)| {
        let score = |prioritizer: &str| match prioritizer {
            "Balance" => balance(asked, name),
            "Steady" if asked.chosen.contains(*name) && !asked.afresh => 100,
            "Steady" | "Spread" => 0,
            "ResourceAllocatableCPU" => resource(clusters, cluster, "cpu"),
            "ResourceAllocatableMemory" => resource(clusters, cluster, "memory"),
            add_on => given(facts, asked, name, add_on),
        };
        weights.iter().map(|(prioritizer, weight)| weight * score(prioritizer)).sum()
    };
    clusters.iter().map(of).collect()
}

fn balance(asked: &Asked<'_>, cluster: &str) -> i64 {
    let all = asked.others.iter().flatten();
    let count = |name: &str| asked.others.iter().filter(|other| other.contains(name)).count();
    let most = all.map(|name| count(name)).max().unwrap_or(0);
    match count(cluster) {
        0 => 100,
        number => 2 * ((0.5 - number as f64 / most as f64) * 100.0) as i64,
    }
}

fn amount(cluster: &ManagedCluster, resource: &str) -> Option<f64> {
    let status = cluster.status.as_ref()?;
    status.capacity.get(resource)?;
    Quantity::parse(status.allocatable.get(resource)?).ok().map(Quantity::as_f64)
}

fn resource(clusters: &[(&str, &ManagedCluster)], cluster: &ManagedCluster, resource: &str) -> i64 {
    let Some(here) = amount(cluster, resource) else { return 0 };
    let all: Vec<f64> = clusters.iter().filter_map(|(_, c)| amount(c, resource)).collect();
    let least = all.iter().copied().fold(here, f64::min);
    let most = all.iter().copied().fold(here, f64::max);
    if least == most { 100 } else { (((here - least) / (most - least) - 0.5) * 200.0) as i64 }
}

fn given(facts: &Facts, asked: &Asked<'_>, cluster: &str, add_on: &str) -> i64 {
    let (resource, score) = add_on.split_once('/').unwrap();
    let object = facts.scores.get(&(cluster.to_owned(), resource.to_owned()));
    let Some(status) = object.and_then(|object| object.status.as_ref()) else { return 0 };
    let over = status.valid_until.as_ref().is_some_and(|t| t.seconds < asked.now);
    let found = status.scores.iter().find(|item| item.name() == score);
    if over { 0 } else { found.map_or(0, |item| i64::from(item.value())) }
}
