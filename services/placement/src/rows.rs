//! The state as rows and back. The position is a row too: decisions name it as that of their
//! inputs.

use fleetlog_kernel::Position;
use fleetlog_messages::common::Row;
use fleetlog_messages::placement::{
    DecisionState, PlacementState, ScoreState, SeenCluster, SeenClusterSet,
};
use fleetlog_placement_domain::cluster::Cluster;
use fleetlog_placement_domain::fleet::Fleet;
use fleetlog_placement_domain::held_scores::{Held, ScoreKey, Scores};
use fleetlog_placement_domain::others::Foreign;
use fleetlog_placement_domain::{Placement, PlacementKey, World};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

const BINDING: &str = "binding";
const CLUSTER: &str = "cluster";
const DECISION: &str = "decision";
const PLACEMENT: &str = "placement";
const POSITION: &str = "position";
const SCORE: &str = "score";
const SET: &str = "set";

/// Every row, in the order of keys.
pub(crate) fn write(world: &World) -> Vec<Row> {
    let row = |key: String, value: Vec<u8>| Row { key, value };
    let fleet = world.fleet();
    let bindings = fleet.bindings();
    let bindings =
        bindings.map(|(namespace, set)| row(format!("{BINDING}/{namespace}/{set}"), vec![]));
    let clusters = fleet.clusters().iter();
    let clusters = clusters
        .map(|(name, cluster)| row(format!("{CLUSTER}/{name}"), cluster.to_row().encode_to_vec()));
    let decisions = world.others().iter().map(|(PlacementKey { namespace, name }, page)| {
        row(format!("{DECISION}/{namespace}/{name}"), page.0.encode_to_vec())
    });
    let placements = world.placements();
    let placements = placements.map(|(PlacementKey { namespace, name }, placement)| {
        row(format!("{PLACEMENT}/{namespace}/{name}"), placement.0.encode_to_vec())
    });
    let position = row(POSITION.to_owned(), world.position().0.encode_to_vec());
    let mut scores: Vec<_> = world.scores().all().collect();
    scores.sort_unstable_by_key(|(cluster, name, _)| (*cluster, *name));
    let scores = scores.into_iter().map(|(cluster, name, held)| {
        row(format!("{SCORE}/{cluster}/{name}"), held.0.encode_to_vec())
    });
    let sets = fleet.sets().iter();
    let sets = sets.map(|(name, set)| {
        row(format!("{SET}/{name}"), SeenClusterSet { object: Some(set.clone()) }.encode_to_vec())
    });
    let (first, last) = (bindings.chain(clusters).chain(decisions), scores.chain(sets));
    first.chain(placements).chain([position]).chain(last).collect()
}

/// What [`write`] wrote.
pub(crate) fn read(rows: &[Row]) -> Result<World, String> {
    let (mut clusters, mut sets, mut bindings) =
        (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let (mut placements, mut scores) = (BTreeMap::new(), Scores::default());
    let mut others = BTreeMap::new();
    let mut position = Position::START;
    for row in rows {
        match row.key.split('/').collect::<Vec<_>>().as_slice() {
            [BINDING, namespace, set] => {
                bindings.insert(((*namespace).to_owned(), (*set).to_owned()));
            }
            [CLUSTER, name] => {
                let seen: SeenCluster = value(row)?;
                clusters.insert((*name).to_owned(), Cluster::of_row(seen));
            }
            [DECISION, namespace, name] => {
                let state: DecisionState = value(row)?;
                others.insert(PlacementKey::new(*namespace, *name), Foreign(state));
            }
            [PLACEMENT, namespace, name] => {
                let state: PlacementState = value(row)?;
                placements.insert(PlacementKey::new(*namespace, *name), Placement(state));
            }
            [SCORE, cluster, name] => {
                let state: ScoreState = value(row)?;
                let (cluster, name) = ((*cluster).to_owned(), (*name).to_owned());
                scores.put(&ScoreKey { cluster, name }, Held(state));
            }
            [POSITION] => position = Position(value(row)?),
            [SET, name] => {
                let seen: SeenClusterSet = value(row)?;
                sets.insert((*name).to_owned(), seen.object.unwrap_or_default());
            }
            _ => return Err(format!("row \"{}\" is of no kind", row.key)),
        }
    }
    let fleet = Fleet::of(clusters, sets, bindings);
    Ok(World::of(fleet, scores, placements, position).with_others(others))
}

fn value<T: Message + Default>(row: &Row) -> Result<T, String> {
    T::decode(row.value.as_slice()).map_err(|error| format!("row \"{}\": {error}", row.key))
}
