//! What a cluster says of itself: version, capacity, allocatable, claims (spec: resource status,
//! claims). Reading it from the cluster is the shell's.

use crate::observed::meta;
use fleetlog_messages::registration::{ClusterFacts, ManagedClusterClaim, ManagedClusterVersion};
use fleetlog_rules::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many claims of their own users may have reported.
const MAX_CUSTOM: usize = 20;
const RESERVED: [&str; 4] = [
    "id.k8s.io",
    "kubeversion.open-cluster-management.io",
    "platform.open-cluster-management.io",
    "product.open-cluster-management.io",
];

/// What was read from a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// `gitVersion` of the API server.
    pub version: String,
    /// The uid of the namespace `kube-system`: the cluster's id.
    pub id: String,
    /// All nodes.
    pub nodes: Vec<Value>,
    /// All `ClusterClaim` objects.
    pub claims: Vec<Value>,
}

/// The facts to report.
#[must_use]
pub fn facts(inventory: &Inventory) -> ClusterFacts {
    let schedulable =
        |node: &&Value| node.pointer("/spec/unschedulable").and_then(Value::as_bool) != Some(true);
    ClusterFacts {
        version: Some(ManagedClusterVersion { kubernetes: Some(inventory.version.clone()) }),
        capacity: sum(inventory.nodes.iter(), "/status/capacity"),
        allocatable: sum(inventory.nodes.iter().filter(schedulable), "/status/allocatable"),
        cluster_claims: claims(inventory),
    }
}

fn sum<'a>(nodes: impl Iterator<Item = &'a Value>, path: &str) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, Quantity> = BTreeMap::new();
    for amounts in nodes.filter_map(|node| node.pointer(path)?.as_object()) {
        for (name, amount) in amounts {
            let amount = amount.as_str().and_then(|text| Quantity::parse(text).ok());
            if let Some(amount) = amount {
                let sum = sums.get(name).map_or(amount, |sum| sum.plus(amount));
                sums.insert(name.clone(), sum);
            }
        }
    }
    sums.into_iter().map(|(name, sum)| (name, sum.to_string())).collect()
}

fn claims(inventory: &Inventory) -> Vec<ManagedClusterClaim> {
    let hidden = |claim: &&Value| {
        claim.pointer("/metadata/labels/open-cluster-management.io~1spoke-only").is_none()
    };
    let own = inventory.claims.iter().filter(hidden).filter_map(|claim| {
        Some((meta(claim, "name").to_owned(), claim.pointer("/spec/value")?.as_str()?.to_owned()))
    });
    let mut all: BTreeMap<String, String> = own.filter(|(_, v)| !v.is_empty()).collect();
    for (name, value) in [(RESERVED[0], &inventory.id), (RESERVED[1], &inventory.version)] {
        if !value.is_empty() {
            all.entry(name.to_owned()).or_insert_with(|| value.clone());
        }
    }
    let is_reserved = |name: &String| RESERVED.contains(&name.as_str());
    let (reserved, custom): (Vec<_>, Vec<_>) = all.into_iter().partition(|(n, _)| is_reserved(n));
    let custom = custom.into_iter().take(MAX_CUSTOM);
    let claim = |(name, value)| ManagedClusterClaim { name: Some(name), value: Some(value) };
    reserved.into_iter().chain(custom).map(claim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rp_cordoned_nodes_count_as_capacity_but_not_as_allocatable() {
        let node = |cordoned: bool| {
            json!({"spec": {"unschedulable": cordoned}, "status": {
                "capacity": {"cpu": "4"}, "allocatable": {"cpu": "3500m"},
            }})
        };
        let inventory = Inventory { nodes: vec![node(false), node(true)], ..Inventory::default() };
        let facts = facts(&inventory);
        assert_eq!(facts.capacity["cpu"], "8");
        assert_eq!(facts.allocatable["cpu"], "3500m");
    }

    #[test]
    fn rp_reserved_claims_come_first_and_custom_ones_are_cut_at_twenty() {
        let claim =
            |n: usize| json!({"metadata": {"name": format!("c{n:02}")}, "spec": {"value": "v"}});
        let mut claims: Vec<Value> = (0..30).map(claim).collect();
        claims.push(json!({"metadata": {"name": "hidden", "labels": {
            "open-cluster-management.io/spoke-only": ""}}, "spec": {"value": "v"}}));
        let inventory =
            Inventory { id: "uid".into(), version: "v1.36.0".into(), claims, nodes: vec![] };
        let names: Vec<String> =
            facts(&inventory).cluster_claims.into_iter().filter_map(|claim| claim.name).collect();
        assert_eq!(names.len(), 22);
        assert_eq!(names[..3], ["id.k8s.io", "kubeversion.open-cluster-management.io", "c00"]);
    }
}
