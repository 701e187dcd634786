//! The answers to `get`: objects as the hub's API serves them. Reads the fleet and changes nothing.

use bytes::Bytes;
use fleetlog_kernel::Position;
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::Query;
use fleetlog_registration_domain::{Fleet, Refusal};
use fleetlog_rules::labels::Selector;
use std::collections::BTreeMap;

use crate::machine::{BINDING, CLUSTER, SET};

/// The objects that a question asks for, in the order of their names; none when there are none.
pub(crate) fn objects(fleet: &Fleet, query: &Query) -> Result<Vec<Bytes>, Refusal> {
    let selector = Selector::parse(&query.label_selector).map_err(Refusal::Selector)?;
    let name = query.name.as_str();
    match query.kind.as_str() {
        CLUSTER => {
            let found = named(fleet.clusters(), name);
            Ok(served(&selector, found.map(|c| (c.object(), c.0.changed))))
        }
        SET => {
            let found = named(fleet.sets(), name);
            Ok(served(&selector, found.map(|s| (s.object(), s.0.changed))))
        }
        BINDING => {
            let is = |wanted: &str, given: &str| wanted.is_empty() || wanted == given;
            let all = fleet.bindings().iter();
            let found =
                all.filter(|((scope, own), _)| is(&query.namespace, scope) && is(name, own));
            Ok(served(&selector, found.map(|(_, b)| (b.object(), b.0.changed))))
        }
        other => Err(Refusal::Kind { kind: other.to_owned() }),
    }
}

/// The one of a name, without a look at the others; all where none is given.
fn named<'a, T>(all: &'a BTreeMap<String, T>, name: &str) -> impl Iterator<Item = &'a T> {
    let one = all.get(name).filter(|_| !name.is_empty());
    let each = name.is_empty().then(|| all.values());
    one.into_iter().chain(each.into_iter().flatten())
}

fn served<'a, T: ApiObject + 'a>(
    selector: &Selector,
    found: impl Iterator<Item = (Option<&'a T>, u64)>,
) -> Vec<Bytes> {
    let chosen = found.filter_map(|(object, changed)| {
        let object = object?;
        let chosen = object.metadata().is_some_and(|meta| selector.matches(&meta.labels));
        chosen.then(|| serve(object, Position(changed)))
    });
    chosen.collect()
}

fn serve<T: ApiObject>(object: &T, changed: Position) -> Bytes {
    let mut object = object.clone();
    object.metadata_mut().resource_version = Some(changed.resource_version(0));
    fleetlog_objects::canonical(&fleetlog_objects::write(&object)).into()
}
