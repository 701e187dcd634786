//! Names as Kubernetes takes them, checked before anything is sent.

use crate::refusal::Refusal;
use fleetlog_kernel::{NameError, dns_label, dns_subdomain};
use fleetlog_messages::KindInfo;
use serde_json::Value;

/// The most bytes of a name: it is part of a subject.
const LONGEST: usize = 253;

/// Names of roles and their bindings.
fn path_segment(name: &str) -> Result<(), NameError> {
    if name == "." || name == ".." || name.contains(['/', '%']) {
        let rule = "a path segment is not \".\" or \"..\" and has no '/' and no '%'";
        return Err(NameError { name: name.to_owned(), rule });
    }
    if name.len() > LONGEST {
        let rule = "a name has at most 253 bytes";
        return Err(NameError { name: name.to_owned(), rule });
    }
    Ok(())
}

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
    let rule: fn(&str) -> Result<(), NameError> = match (info.group, info.kind) {
        // A cluster is a namespace on the hub too.
        (_, "ManagedCluster") | ("", "Namespace") => dns_label,
        ("rbac.authorization.k8s.io", _) => path_segment,
        _ => dns_subdomain,
    };
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
