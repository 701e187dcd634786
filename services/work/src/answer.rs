//! The answers to `get`: objects as the hub's API serves them. Manifests are named by the hash of
//! their bundle first; [`dressed`] puts them in their place. Changes nothing.

use bytes::Bytes;
use fleetlog_kernel::{ContentHash, Position};
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::Query;
use fleetlog_messages::work::{Bundle, ManifestWork, ManifestWorkReplicaSet};
use fleetlog_rules::labels::Selector;
use fleetlog_work_domain::name::{REPLICA_SET, SetKey, WORK, WorkKey};
use fleetlog_work_domain::{Fleet, Refusal};
use serde_json::{Map, Value};

/// Where the manifests of a kind lie.
fn workload(kind: &str) -> &'static [&'static str] {
    match kind {
        REPLICA_SET => &["spec", "manifestWorkTemplate", "workload"],
        _ => &["spec", "workload"],
    }
}

/// The objects that a question asks for, in the order of their names; none when there are none.
pub(crate) fn objects(fleet: &Fleet, query: &Query) -> Result<Vec<Bytes>, Refusal> {
    let selector = Selector::parse(&query.label_selector).map_err(|error| {
        let (selector, reason) = (query.label_selector.clone(), error.to_string());
        Refusal::BadSelector { selector, reason }
    })?;
    let asked = Asked { query, selector: &selector };
    match query.kind.as_str() {
        WORK => {
            let from = fleet.works().range(WorkKey::new(&query.namespace, "")..);
            let found = from.take_while(|(key, _)| asked.lies(&key.cluster));
            let found = found.filter(|(key, _)| asked.named(&key.name));
            Ok(found
                .filter_map(|(_, w)| asked.work(w.object(), w.state().changed, w.bundle()))
                .collect())
        }
        REPLICA_SET => {
            let from = fleet.sets().range(SetKey::new(&query.namespace, "")..);
            let found = from.take_while(|(key, _)| asked.lies(&key.namespace));
            let found = found.filter(|(key, _)| asked.named(&key.name));
            Ok(found
                .filter_map(|(_, s)| asked.set(s.object(), s.state().changed, s.bundle()))
                .collect())
        }
        other => Err(Refusal::UnknownKind { kind: other.to_owned() }),
    }
}

struct Asked<'a> {
    query: &'a Query,
    selector: &'a Selector,
}

impl Asked<'_> {
    fn lies(&self, namespace: &str) -> bool {
        self.query.namespace.is_empty() || self.query.namespace == namespace
    }

    fn named(&self, name: &str) -> bool {
        self.query.name.is_empty() || self.query.name == name
    }

    fn work(
        &self,
        object: Option<&ManifestWork>,
        changed: u64,
        bundle: Option<&Bundle>,
    ) -> Option<Bytes> {
        self.served(object?, WORK, changed, bundle)
    }

    fn set(
        &self,
        object: Option<&ManifestWorkReplicaSet>,
        changed: u64,
        bundle: Option<&Bundle>,
    ) -> Option<Bytes> {
        self.served(object?, REPLICA_SET, changed, bundle)
    }

    fn served<T: ApiObject>(
        &self,
        object: &T,
        kind: &str,
        changed: u64,
        bundle: Option<&Bundle>,
    ) -> Option<Bytes> {
        object.metadata().filter(|meta| self.selector.matches(&meta.labels))?;
        let mut object = object.clone();
        object.metadata_mut().resource_version = Some(Position(changed).resource_version(0));
        let mut value = fleetlog_objects::write(&object);
        if let (false, Some(bundle)) = (self.query.without_bodies, bundle) {
            put(&mut value, kind, Value::from(bundle.hash.as_str()));
        }
        Some(fleetlog_objects::canonical(&value).into())
    }
}

fn put(object: &mut Value, kind: &str, manifests: Value) {
    let mut place = object;
    for field in workload(kind) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[*field];
    }
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    place["manifests"] = manifests;
}

/// The bundle that an undressed object names; `None` when it names none.
pub(crate) fn bundle_of(object: &Value, kind: &str) -> Option<ContentHash> {
    let mut place = object;
    for field in workload(kind) {
        place = place.get(*field)?;
    }
    ContentHash::parse(place.get("manifests")?.as_str()?)
}

/// The object with its manifests.
pub(crate) fn dressed(mut object: Value, kind: &str, manifests: Value) -> Bytes {
    put(&mut object, kind, manifests);
    fleetlog_objects::canonical(&object).into()
}
