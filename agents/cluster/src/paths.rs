//! Paths of the Kubernetes API for untyped objects. Which objects is the core's choice.

use fleetlog_agent_core::{GroupVersion, ObjectKey, Resource, WatchKey};
use std::fmt::Write as _;

/// `/api/v1` or `/apis/<group>/<version>`.
pub(crate) fn group_version((group, version): &GroupVersion) -> String {
    if group.is_empty() {
        format!("/api/{}", segment(version))
    } else {
        format!("/apis/{}/{}", segment(group), segment(version))
    }
}

/// The collection that a watch covers.
pub(crate) fn collection(watch: &WatchKey) -> String {
    let root = group_version(&(watch.group.clone(), watch.version.clone()));
    let plural = segment(&watch.resource);
    if watch.namespace.is_empty() {
        format!("{root}/{plural}")
    } else {
        format!("{root}/namespaces/{}/{plural}", segment(&watch.namespace))
    }
}

/// One object.
pub(crate) fn object(resource: &Resource) -> String {
    format!("{}/{}", collection(&resource.watch()), segment(&resource.key.name))
}

/// The record of a work, by its name.
pub(crate) fn record(name: &str) -> String {
    let watch = fleetlog_agent_core::record_watch();
    let key = ObjectKey {
        group: watch.group,
        resource: watch.resource,
        namespace: watch.namespace,
        name: name.to_owned(),
    };
    object(&Resource { key, version: watch.version })
}

/// A definition of a kind, by its name.
pub(crate) fn definition(name: &str) -> String {
    format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}", segment(name))
}

/// A text as one segment of a path, or as a value in a query.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_kubernetes_api() {
        let key = |group: &str, resource: &str, namespace: &str, name: &str| ObjectKey {
            group: group.into(),
            resource: resource.into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        let path = |key| object(&Resource { key, version: "v1".into() });
        let deployment = path(key("apps", "deployments", "shop", "web"));
        assert_eq!(deployment, "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(path(key("", "namespaces", "", "shop")), "/api/v1/namespaces/shop");
        let odd = path(key("rbac.authorization.k8s.io", "clusterroles", "", "system:a b/c"));
        assert_eq!(odd, "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b%2Fc");
    }
}
