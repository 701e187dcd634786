//! The answers to `get`: placements and the pages of their decisions, as the hub's API serves them.
//! Reads the world and changes nothing.

use crate::machine::{PLACEMENT, PLACEMENT_DECISION};
use bytes::Bytes;
use fleetlog_kernel::Position;
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::Query;
use fleetlog_placement_domain::{Placement, PlacementKey, Refusal, World, pages};
use fleetlog_rules::labels::Selector;

/// The objects that a question asks for, by namespace and name; none when there are none.
pub(crate) fn objects(world: &World, query: &Query) -> Result<Vec<Bytes>, Refusal> {
    let selector = Selector::parse(&query.label_selector).map_err(Refusal::Selector)?;
    let there = |key: &PlacementKey| query.namespace.is_empty() || query.namespace == key.namespace;
    let placements = world.placements().filter(|(key, _)| there(key)).map(|(_, found)| found);
    match query.kind.as_str() {
        PLACEMENT => Ok(chosen(query, &selector, placements.filter_map(placement))),
        PLACEMENT_DECISION => Ok(chosen(query, &selector, placements.flat_map(pages::objects))),
        other => Err(Refusal::Kind { kind: other.to_owned() }),
    }
}

fn placement(found: &Placement) -> Option<fleetlog_messages::placement::Placement> {
    let mut object = found.object()?.clone();
    let version = Position(found.0.changed).resource_version(0);
    object.metadata_mut().resource_version = Some(version);
    Some(object)
}

fn chosen<T: ApiObject>(
    query: &Query,
    selector: &Selector,
    found: impl Iterator<Item = T>,
) -> Vec<Bytes> {
    let fits = |object: &T| {
        let named = |name: &str| query.name.is_empty() || query.name == name;
        object.metadata().is_some_and(|m| named(m.name()) && selector.matches(&m.labels))
    };
    let fitting = found.filter(fits);
    fitting.map(|o| fleetlog_objects::canonical(&fleetlog_objects::write(&o)).into()).collect()
}
