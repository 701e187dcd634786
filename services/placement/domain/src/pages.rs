//! A decision as users read it: groups in the status, pages of at most 100 clusters as objects.
//! Both are derived from the one revision, so they change together or not at all.

use crate::names::{self, PAGE};
use crate::plan::Order;
use crate::schedule::Decision;
use crate::state::Placement;
use fleetlog_kernel::{CommandId, Position, Uid};
use fleetlog_messages::common::{ObjectMeta, OwnerReference};
use fleetlog_messages::placement::{
    ClusterDecision, DecidedCluster, DecisionGroupStatus, PlacementDecision,
    PlacementDecisionStatus, RemadePage,
};
use std::collections::BTreeMap;

/// One page of a decision.
#[derive(Clone, Debug, PartialEq)]
struct Page<'a> {
    /// From 1 on, over all groups.
    number: usize,
    group: &'a str,
    index: u32,
    clusters: Vec<&'a DecidedCluster>,
}

/// The pages, at least one: an empty decision is one empty page.
fn pages(decision: &Decision, order: Order) -> Vec<Page<'_>> {
    let mut groups: BTreeMap<u32, (&str, Vec<&DecidedCluster>)> = BTreeMap::new();
    for decided in decision.values() {
        groups.entry(decided.group_index).or_insert((&decided.group, vec![])).1.push(decided);
    }
    if order != Order::Name {
        // Stable: equal scores stay in the order of names.
        groups.values_mut().for_each(|(_, of)| of.sort_by_key(|decided| -decided.score));
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

/// How many pages a decision has.
#[must_use]
pub fn count(decision: &Decision, order: Order) -> u64 {
    pages(decision, order).len() as u64
}

/// The placement and the number that a page's name is made of; `None` for other names.
#[must_use]
pub fn named(page: &str) -> Option<(&str, u64)> {
    let (placement, number) = page.rsplit_once("-decision-")?;
    let digits = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| digits).map(|number| (placement, number))
}

/// How many pages a placement has as objects.
#[must_use]
pub fn of(placement: &Placement) -> u64 {
    match placement.0.revision {
        0 => 0,
        _ => count(&placement.0.decided, placement.order()),
    }
}

fn page_name(placement: &str, number: usize) -> String {
    format!("{placement}-decision-{number}")
}

/// The groups of a decision as the status of its placement lists them.
#[must_use]
pub fn groups(placement: &str, decision: &Decision, order: Order) -> Vec<DecisionGroupStatus> {
    let mut groups: Vec<DecisionGroupStatus> = Vec::new();
    for page in pages(decision, order) {
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
    let order = placement.order();
    let pages = pages(&placement.0.decided, order).into_iter();
    let remade = |page: &Page<'_>| placement.0.remade.get(&page_name(meta.name(), page.number));
    pages.map(|page| object(meta, &page, order, (at, remade(&page)))).collect()
}

fn object(
    owner: &ObjectMeta,
    page: &Page<'_>,
    order: Order,
    (at, remade): (Position, Option<&RemadePage>),
) -> PlacementDecision {
    let name = page_name(owner.name(), page.number);
    let (uid, born, at) = match remade {
        Some(remade) => (remade.uid.clone(), &remade.born, at.max(Position(remade.changed))),
        None => {
            let uid = Uid::derived(&CommandId::new(owner.uid()), &name);
            (uid.to_string(), &owner.creation_timestamp, at)
        }
    };
    let labels = [
        (names::PLACEMENT_LABEL, owner.name().to_owned()),
        (names::GROUP_INDEX_LABEL, page.index.to_string()),
        (names::GROUP_NAME_LABEL, page.group.to_owned()),
    ];
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: owner.namespace.clone(),
        uid: Some(uid),
        resource_version: Some(at.resource_version(page.number as u64 - 1)),
        generation: Some(1),
        creation_timestamp: born.clone(),
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
    let decided = |decided: &&DecidedCluster| ClusterDecision {
        cluster_name: Some(decided.cluster.clone()),
        reason: Some(String::new()),
        score: (order != Order::Name).then_some(decided.score),
    };
    let decisions = page.clusters.iter().map(decided).collect();
    PlacementDecision {
        metadata: Some(metadata),
        status: Some(PlacementDecisionStatus { decisions }),
        ..PlacementDecision::default()
    }
}
