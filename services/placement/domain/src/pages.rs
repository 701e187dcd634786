//! A decision as users read it: groups in the status, pages of at most 100 clusters as objects.
//! Both are derived from the one revision, so they change together or not at all.

use crate::names::{self, PAGE};
use crate::schedule::Decision;
use crate::state::Placement;
use fleetlog_kernel::{CommandId, Position, Uid};
use fleetlog_messages::common::{ObjectMeta, OwnerReference};
use fleetlog_messages::placement::{
    ClusterDecision, DecisionGroupStatus, PlacementDecision, PlacementDecisionStatus,
};
use std::collections::BTreeMap;

/// One page of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Page<'a> {
    /// From 1 on, over all groups.
    number: usize,
    group: &'a str,
    index: u32,
    clusters: Vec<&'a str>,
}

/// The pages, at least one: an empty decision is one empty page.
fn pages(decision: &Decision) -> Vec<Page<'_>> {
    let mut groups: BTreeMap<u32, (&str, Vec<&str>)> = BTreeMap::new();
    for (cluster, decided) in decision {
        groups.entry(decided.group_index).or_insert((&decided.group, vec![])).1.push(cluster);
    }
    if groups.is_empty() {
        groups.insert(0, ("", vec![]));
    }
    let mut pages = Vec::new();
    for (index, (group, clusters)) in groups {
        let mut rest = &clusters[..];
        loop {
            let (page, more) = rest.split_at(rest.len().min(PAGE));
            let number = pages.len() + 1;
            pages.push(Page { number, group, index, clusters: page.to_vec() });
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
    }
    pages
}

fn page_name(placement: &str, number: usize) -> String {
    format!("{placement}-decision-{number}")
}

/// The groups of a decision as the status of its placement lists them.
#[must_use]
pub fn groups(placement: &str, decision: &Decision) -> Vec<DecisionGroupStatus> {
    let mut groups: Vec<DecisionGroupStatus> = Vec::new();
    for page in pages(decision) {
        let index = i32::try_from(page.index).unwrap_or(i32::MAX);
        let count = i32::try_from(page.clusters.len()).unwrap_or(i32::MAX);
        let name = page_name(placement, page.number);
        match groups.last_mut().filter(|g| g.decision_group_index == Some(index)) {
            Some(group) => {
                group.decisions.push(name);
                group.cluster_count = group.cluster_count.map(|n| n.saturating_add(count));
            }
            None => groups.push(DecisionGroupStatus {
                decision_group_index: Some(index),
                decision_group_name: Some(page.group.to_owned()),
                decisions: vec![name],
                cluster_count: Some(count),
            }),
        }
    }
    groups
}

/// The pages of a placement as objects; none before its first decision.
#[must_use]
pub fn objects(placement: &Placement) -> Vec<PlacementDecision> {
    let Some(meta) = placement.object().and_then(|o| o.metadata.as_ref()) else { return vec![] };
    if placement.0.revision == 0 {
        return vec![];
    }
    let at = Position(placement.0.decided_at);
    let pages = pages(&placement.0.decided).into_iter();
    pages.map(|page| object(meta, &page, at)).collect()
}

fn object(owner: &ObjectMeta, page: &Page<'_>, at: Position) -> PlacementDecision {
    let name = page_name(owner.name(), page.number);
    let uid = Uid::derived(&CommandId::new(owner.uid()), &name);
    let labels = [
        (names::PLACEMENT_LABEL, owner.name().to_owned()),
        (names::GROUP_INDEX_LABEL, page.index.to_string()),
        (names::GROUP_NAME_LABEL, page.group.to_owned()),
    ];
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: owner.namespace.clone(),
        uid: Some(uid.to_string()),
        resource_version: Some(at.resource_version(page.number as u64 - 1)),
        generation: Some(1),
        creation_timestamp: owner.creation_timestamp.clone(),
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        owner_references: vec![OwnerReference {
            api_version: Some("cluster.open-cluster-management.io/v1beta1".to_owned()),
            kind: Some("Placement".to_owned()),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }],
        ..ObjectMeta::default()
    };
    let decided = |cluster: &&str| ClusterDecision {
        cluster_name: Some((*cluster).to_owned()),
        reason: Some(String::new()),
        score: None,
    };
    let decisions = page.clusters.iter().map(decided).collect();
    PlacementDecision {
        metadata: Some(metadata),
        status: Some(PlacementDecisionStatus { decisions }),
        ..PlacementDecision::default()
    }
}
