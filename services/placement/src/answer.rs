//! The answers to `get`: placements, the pages of their decisions, and scores, as the hub's API
//! serves them. Reads the world and changes nothing.

use crate::machine::{PLACEMENT, PLACEMENT_DECISION, SCORE};
use bytes::Bytes;
use fleetlog_kernel::Position;
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::Query;
use fleetlog_messages::placement::{AddOnPlacementScore, PlacementDecision};
use fleetlog_placement_domain::{Placement, PlacementKey, Refusal, World, pages};
use fleetlog_rules::labels::Selector;

/// The objects that a question asks for, by namespace and name; none when there are none.
pub(crate) fn objects(world: &World, query: &Query) -> Result<Vec<Bytes>, Refusal> {
    let selector = Selector::parse(&query.label_selector).map_err(Refusal::Selector)?;
    let there = |key: &PlacementKey| query.namespace.is_empty() || query.namespace == key.namespace;
    let placements = world.placements().filter(|(key, _)| there(key)).map(|(_, found)| found);
    match query.kind.as_str() {
        PLACEMENT => Ok(chosen(query, &selector, placements.filter_map(placement))),
        PLACEMENT_DECISION => {
            let own = placements.flat_map(pages::objects);
            Ok(chosen(query, &selector, own.chain(others(world, query))))
        }
        SCORE => Ok(chosen(query, &selector, scores(world, query))),
        other => Err(Refusal::Kind { kind: other.to_owned() }),
    }
}

/// The pages of other schedulers. One whose name Fleetlog came to use itself waits behind that.
fn others<'a>(world: &'a World, query: &'a Query) -> impl Iterator<Item = PlacementDecision> + 'a {
    let there = world.others().iter().filter(|(key, _)| {
        let within = query.namespace.is_empty() || query.namespace == key.namespace;
        within && world.page_of(key).is_none()
    });
    there.filter_map(|(_, page)| {
        let mut object = page.object()?.clone();
        let version = Position(page.0.changed).resource_version(0);
        object.metadata_mut().resource_version = Some(version);
        Some(object)
    })
}

/// Scores by cluster and name; the cluster is the namespace.
fn scores<'a>(
    world: &'a World,
    query: &'a Query,
) -> impl Iterator<Item = AddOnPlacementScore> + 'a {
    let mut all: Vec<_> = world.scores().all().collect();
    all.sort_unstable_by_key(|(cluster, name, _)| (*cluster, *name));
    let there = all
        .into_iter()
        .filter(|(cluster, ..)| query.namespace.is_empty() || query.namespace == *cluster);
    there.filter_map(|(.., held)| {
        let mut object = held.object()?.clone();
        let version = Position(held.0.changed).resource_version(0);
        object.metadata_mut().resource_version = Some(version);
        Some(object)
    })
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
