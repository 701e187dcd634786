//! Objects as values: how their parts are read and written.

use crate::refusal::Refusal;
use fleetlog_messages::KindInfo;
use fleetlog_messages::common::ObjectMeta;
use fleetlog_rules::labels;
use serde_json::{Map, Value};

/// A text at a pointer; empty when there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The metadata, as far as it is metadata.
#[must_use]
pub fn metadata(object: &Value) -> ObjectMeta {
    let given = object.get("metadata").cloned().unwrap_or_default();
    serde_json::from_value(given).unwrap_or_default()
}

/// Writes the metadata.
pub fn set_metadata(object: &mut Value, metadata: &ObjectMeta) {
    let written = serde_json::to_value(metadata).unwrap_or_default();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("metadata".to_owned(), written);
    }
}

/// Whether it is on its way out.
#[must_use]
pub fn is_terminating(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

/// What keeps it: the finalizers of its metadata, and of a namespace those of its spec.
#[must_use]
pub fn finalizers(object: &Value) -> Vec<String> {
    let list = |pointer| object.pointer(pointer).and_then(Value::as_array);
    let own = list("/metadata/finalizers").into_iter().flatten();
    let all = own.chain(
        list("/spec/finalizers")
            .into_iter()
            .flatten()
            .filter(|_| object.get("kind").and_then(Value::as_str) == Some("Namespace")),
    );
    all.filter_map(|finalizer| finalizer.as_str().map(str::to_owned)).collect()
}

/// Refuses a name that no finalizer has.
pub(crate) fn check_finalizer(finalizer: &str) -> Result<(), Refusal> {
    let known = ["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer);
    if known || (finalizer.contains('/') && labels::check_key(finalizer).is_ok()) {
        return Ok(());
    }
    Err(Refusal::Finalizer { finalizer: finalizer.to_owned() })
}

/// Whether objects of the kind count the changes of their spec: Kubernetes' own plain kinds do not.
#[must_use]
pub fn has_generation(info: &KindInfo) -> bool {
    info.group.ends_with("open-cluster-management.io") || info.group == "apiextensions.k8s.io"
}

/// Whether the kind has a status that is written apart.
#[must_use]
pub fn has_status(info: &KindInfo) -> bool {
    matches!(info.kind, "Namespace" | "CertificateSigningRequest" | "CustomResourceDefinition")
}

/// All fields but the metadata, and the status if it is written apart: what a generation is of.
#[must_use]
pub fn content(info: &KindInfo, object: &Value) -> Map<String, Value> {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    for other in ["apiVersion", "kind", "metadata"] {
        fields.remove(other);
    }
    if has_status(info) {
        fields.remove("status");
    }
    fields.retain(|_, value| !value.is_null());
    fields
}
