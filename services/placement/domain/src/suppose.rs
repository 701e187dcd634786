//! What a placement would choose if something were otherwise: the events that would say so are
//! folded into a copy of the world, and the difference is explained. Nothing is decided.

use crate::command::{Apply, PlacementCommand, PlacementKey};
use crate::pages;
use crate::plan::Order;
use crate::projection::{Change, World};
use crate::refusal::Refusal;
use crate::schedule::Decision;
use crate::why::Why;
use fleetlog_kernel::{Decider, Position, Projection, Timestamp};
use fleetlog_messages::placement::{
    ClusterExplained, PlacementSimulated, SupposedChange, SupposedGone, SupposedLabel,
    SupposedTaint, supposed_change,
};
use fleetlog_messages::registration::{
    ClusterAccepted, ClusterDeleted, ClusterFacts, ClusterSpecified, ClusterStatusReported,
    ManagedCluster, Taint, cluster_event::Event,
};

/// What would be otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Supposed {
    /// The placement's spec.
    pub placement: Option<Apply>,
    /// Clusters in place of those of their names, or beside those that there are.
    pub clusters: Vec<ManagedCluster>,
    /// Changes of clusters, in this order.
    pub changes: Vec<SupposedChange>,
}

/// What would come of it at `at`, and why for each cluster gained or lost.
///
/// # Errors
/// A placement or a cluster that is not there, a spec that would be refused.
pub fn simulate(
    world: &World,
    key: &PlacementKey,
    supposed: &Supposed,
    at: Timestamp,
) -> Result<(PlacementSimulated, Vec<ClusterExplained>), Refusal> {
    let before = world.placement(key).cloned().unwrap_or_default();
    let mut otherwise = world.clone();
    for cluster in &supposed.clusters {
        put(&mut otherwise, cluster);
    }
    for change in &supposed.changes {
        change_one(&mut otherwise, change)?;
    }
    if let Some(apply) = &supposed.placement {
        let command = PlacementCommand::Apply(Box::new(apply.clone()));
        for event in before.decide(&command, at)? {
            fold(&mut otherwise, Change::Placement(key.clone(), event));
        }
    }
    let why = Why::of(&otherwise, key, at);
    let why = why.ok_or_else(|| Refusal::NotFound { name: key.to_string() })?;
    let (chosen, decided) = (why.chosen(), &before.0.decided);
    let gained: Vec<&str> =
        chosen.iter().copied().filter(|name| !decided.contains_key(*name)).collect();
    let lost: Vec<&str> = decided
        .keys()
        .map(String::as_str)
        .filter(|name| chosen.binary_search(name).is_err())
        .collect();
    let placement = why.placement();
    let order = otherwise.placement(key).map_or(Order::Name, |placement| placement.order());
    let simulated = PlacementSimulated {
        gained: gained.iter().map(|name| (*name).to_owned()).collect(),
        lost: lost.iter().map(|name| (*name).to_owned()).collect(),
        before: decided.len() as u64,
        after: chosen.len() as u64,
        pages_before: if before.0.revision == 0 {
            0
        } else {
            pages::count(decided, before.order())
        },
        pages_after: match why.decision() {
            Some(decision) => pages::count(decision, order),
            None => pages::count(&kept(decided, &chosen), order),
        },
        satisfied: placement.satisfied,
        misconfigured: placement.misconfigured,
    };
    let explained = gained.into_iter().chain(lost).map(|name| why.cluster(name)).collect();
    Ok((simulated, explained))
}

fn kept(decided: &Decision, names: &[&str]) -> Decision {
    let kept = decided.iter().filter(|(name, _)| names.binary_search(&name.as_str()).is_ok());
    kept.map(|(name, decided)| (name.clone(), decided.clone())).collect()
}

fn fold(world: &mut World, change: Change) {
    let next = Position(world.position().0 + 1);
    world.apply(&change, next);
}

/// A cluster as it is written: its status is what its agent would report.
fn put(world: &mut World, cluster: &ManagedCluster) {
    let name = cluster.metadata.as_ref().map(|meta| meta.name().to_owned()).unwrap_or_default();
    let status = cluster.status.clone().unwrap_or_default();
    let accepted = cluster.spec.as_ref().is_some_and(|spec| spec.hub_accepts_client());
    let facts = ClusterFacts {
        version: status.version,
        capacity: status.capacity,
        allocatable: status.allocatable,
        cluster_claims: status.cluster_claims,
    };
    let specified = ClusterSpecified { cluster: Some(cluster.clone()) };
    let accepted = accepted.then(|| Event::Accepted(ClusterAccepted::default()));
    let reported = Event::StatusReported(ClusterStatusReported { facts: Some(facts) });
    for event in [Event::Specified(specified)].into_iter().chain(accepted).chain([reported]) {
        fold(world, Change::Cluster(name.clone(), event));
    }
}

fn change_one(world: &mut World, change: &SupposedChange) -> Result<(), Refusal> {
    use supposed_change::Change as Of;
    let Some(change) = &change.change else { return Ok(()) };
    let (Of::Label(SupposedLabel { cluster, .. })
    | Of::Taint(SupposedTaint { cluster, .. })
    | Of::Untaint(SupposedTaint { cluster, .. })
    | Of::Gone(SupposedGone { cluster })) = change;
    let known = world.fleet().clusters().get(cluster.as_str());
    let known = known.ok_or_else(|| Refusal::NoCluster { cluster: cluster.clone() })?;
    let mut object = known.object();
    let event = match change {
        Of::Gone(_) => Event::Deleted(ClusterDeleted::default()),
        Of::Label(label) => {
            let labels = &mut object.metadata.get_or_insert_default().labels;
            match &label.value {
                Some(value) => labels.insert(label.key.clone(), value.clone()),
                None => labels.remove(&label.key),
            };
            Event::Specified(ClusterSpecified { cluster: Some(object) })
        }
        Of::Taint(SupposedTaint { taint, .. }) | Of::Untaint(SupposedTaint { taint, .. }) => {
            let taint = taint.clone().unwrap_or_default();
            let taints = &mut object.spec.get_or_insert_default().taints;
            taints.retain(|known| !is_same(known, &taint));
            if matches!(change, Of::Taint(_)) {
                taints.push(taint);
            }
            Event::Specified(ClusterSpecified { cluster: Some(object) })
        }
    };
    fold(world, Change::Cluster(cluster.clone(), event));
    Ok(())
}

/// Key and effect name a taint; without an effect the key does.
fn is_same(known: &Taint, named: &Taint) -> bool {
    known.key() == named.key() && (named.effect().is_empty() || known.effect() == named.effect())
}
