//! Names as Kubernetes takes them, checked before anything is sent.

use crate::refusal::Refusal;
use fleetlog_kernel::{NameError, dns_label, dns_subdomain};
use fleetlog_messages::KindInfo;
use serde_json::Value;

/// Checks `metadata.name` and `metadata.namespace` of an object.
///
/// # Errors
/// The first name that is missing or that Kubernetes would refuse.
pub fn check_names(info: &KindInfo, object: &Value) -> Result<(), Refusal> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name");
    if name.is_empty() {
        return Err(Refusal::Missing { path: "metadata.name".to_owned() });
    }
    // A cluster is a namespace on the hub too.
    let rule: fn(&str) -> Result<(), NameError> =
        if info.kind == "ManagedCluster" { dns_label } else { dns_subdomain };
    let of = |path: &str| {
        let path = path.to_owned();
        move |error| Refusal::Name { path, error }
    };
    rule(name).map_err(of("metadata.name"))?;
    let namespace = text("/metadata/namespace");
    match (info.namespaced, namespace) {
        (_, "") => Ok(()),
        (true, namespace) => dns_label(namespace).map_err(of("metadata.namespace")),
        (false, _) => Err(Refusal::Invalid {
            path: "metadata.namespace".to_owned(),
            found: format!("\"{namespace}\""),
            rule: format!("a {} belongs to no namespace", info.kind),
        }),
    }
}
