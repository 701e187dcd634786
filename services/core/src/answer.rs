//! The answers to `get`: objects as the hub's API serves them, secrets still sealed. Changes
//! nothing.

use bytes::Bytes;
use data_encoding::BASE64;
use fleetlog_core_domain::projection::kind_of;
use fleetlog_core_domain::{Plain, Refusal, World};
use fleetlog_kernel::Service;
use fleetlog_messages::common::Query;
use fleetlog_messages::core::Sealed;
use fleetlog_messages::subject::AggregateId;
use fleetlog_rules::labels::{Labels, Selector};
use serde_json::{Value, json};

/// Where a sealed secret has its values until they are opened; no object of a user has it.
const SEALED: &str = "sealed";

/// The objects that a question asks for, in the order of their names; none when there are none.
pub(crate) fn objects(world: &World, query: &Query) -> Result<Vec<Bytes>, Refusal> {
    let selector = Selector::parse(&query.label_selector).map_err(Refusal::Selector)?;
    let Some(info) = kind_of(Service::Core, &query.kind) else {
        return Err(Refusal::Kind { kind: query.kind.clone() });
    };
    let namespace = Some(query.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    if !query.name.is_empty() && info.namespaced == namespace.is_some() {
        let (kind, name) = (query.kind.clone(), query.name.clone());
        let scope = namespace.map(str::to_owned);
        let id = AggregateId { service: Service::Core, kind, scope, name };
        let found = world.object(&id).and_then(|plain| served(plain, &selector));
        return Ok(found.into_iter().collect());
    }
    let found = world.objects(&query.kind, namespace);
    let found = found.filter(|(id, _)| query.name.is_empty() || query.name == id.name);
    Ok(found.filter_map(|(_, plain)| served(plain, &selector)).collect())
}

fn served(plain: &Plain, selector: &Selector) -> Option<Bytes> {
    let object = plain.object()?;
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let label = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let labels: Labels = labels.into_iter().flatten().filter_map(label).collect();
    if !selector.matches(&labels) {
        return None;
    }
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = json!(plain.changed().resource_version(0));
    if let Some(Sealed { key, body, .. }) = plain.sealed() {
        object[SEALED] = json!({ "key": key, "body": BASE64.encode(body) });
    }
    Some(fleetlog_objects::canonical(&object).into())
}

/// Takes what is sealed out of an object.
pub(crate) fn take_sealed(object: &mut Value) -> Option<Sealed> {
    let sealed = object.as_object_mut()?.remove(SEALED)?;
    let body = BASE64.decode(sealed["body"].as_str()?.as_bytes()).ok()?;
    Some(Sealed { key: sealed["key"].as_str()?.to_owned(), body, names: vec![] })
}
