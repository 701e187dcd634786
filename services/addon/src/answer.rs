//! The answers to `get`: objects as the hub's API serves them. Changes nothing.

use bytes::Bytes;
use fleetlog_addon_domain::names::{ADD_ON, AddOnKey, DEFINITION, TEMPLATE};
use fleetlog_addon_domain::{Fleet, Refusal};
use fleetlog_kernel::Position;
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::Query;
use fleetlog_rules::labels::Selector;

/// The objects that a question asks for, in the order of their names; none when there are none.
pub(crate) fn objects(fleet: &Fleet, query: &Query) -> Result<Vec<Bytes>, Refusal> {
    let selector = Selector::parse(&query.label_selector).map_err(Refusal::Selector)?;
    let named = |name: &str| query.name.is_empty() || query.name == name;
    match query.kind.as_str() {
        DEFINITION => {
            let found = fleet.definitions().iter().filter(|(name, _)| named(name));
            let found = found.map(|(_, d)| served(d.object(), d.state().changed, &selector));
            Ok(found.flatten().collect())
        }
        ADD_ON => {
            let lies = |cluster: &str| query.namespace.is_empty() || query.namespace == cluster;
            let from = fleet.add_ons().range(AddOnKey::new(&query.namespace, "")..);
            let found = from.take_while(|(key, _)| lies(&key.cluster));
            let found = found.filter(|(key, _)| named(&key.name));
            let found = found.map(|(_, a)| served(a.object(), a.state().changed, &selector));
            Ok(found.flatten().collect())
        }
        TEMPLATE => {
            let found = fleet.templates().iter().filter(|(name, _)| named(name));
            let found = found.map(|(_, t)| served(t.object(), t.state().changed, &selector));
            Ok(found.flatten().collect())
        }
        other => Err(Refusal::Kind { kind: other.to_owned() }),
    }
}

fn served<T: ApiObject>(object: Option<&T>, changed: u64, selector: &Selector) -> Option<Bytes> {
    let object = object?;
    object.metadata().filter(|meta| selector.matches(&meta.labels))?;
    let mut object = object.clone();
    object.metadata_mut().resource_version = Some(Position(changed).resource_version(0));
    Some(fleetlog_objects::canonical(&fleetlog_objects::write(&object)).into())
}
