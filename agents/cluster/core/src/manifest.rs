//! The manifests of a bundle and the order they are applied in (spec: apply pipeline).

use crate::kind::{Gvk, Kinds, ObjectKey, Resource, Scope};
use serde_json::Value;

/// Where objects of namespaced kinds go that name no namespace, as with kubectl.
const DEFAULT_NAMESPACE: &str = "default";

/// One manifest of a work.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Its place in the user's list.
    pub ordinal: usize,
    /// Its kind; empty when it names none.
    pub gvk: Gvk,
    /// `metadata.namespace`, as given.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// The whole object.
    pub body: Value,
}

impl Manifest {
    /// Reads one object.
    #[must_use]
    pub fn of(ordinal: usize, body: Value) -> Self {
        let text =
            |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            ordinal,
            gvk: Gvk::of(&body).unwrap_or_default(),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            body,
        }
    }

    /// Whether it names a kind and itself.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.gvk.kind.is_empty() && !self.name.is_empty()
    }

    /// Where its object lies, if its kind is namespaced.
    #[must_use]
    pub fn namespace_or_default(&self) -> &str {
        if self.namespace.is_empty() { DEFAULT_NAMESPACE } else { &self.namespace }
    }

    /// The object it is about; `None` when its kind is unknown.
    #[must_use]
    pub fn resource(&self, kinds: &Kinds) -> Option<Resource> {
        let kind = kinds.get(&self.gvk).filter(|_| self.is_named())?;
        let namespace = match kind.scope {
            Scope::Cluster => String::new(),
            Scope::Namespaced => self.namespace_or_default().to_owned(),
        };
        let key = ObjectKey {
            group: self.gvk.group.clone(),
            resource: kind.plural.clone(),
            namespace,
            name: self.name.clone(),
        };
        Some(Resource { key, version: self.gvk.version.clone() })
    }
}

/// Reads a bundle: a JSON array of manifests in the user's order.
///
/// # Errors
/// A sentence when the bytes are no such array.
pub fn parse(bundle: &[u8]) -> Result<Vec<Manifest>, String> {
    let bodies: Vec<Value> = serde_json::from_slice(bundle)
        .map_err(|error| format!("the bundle is not a list of objects: {error}"))?;
    Ok(bodies.into_iter().enumerate().map(|(at, body)| Manifest::of(at, body)).collect())
}

/// Kinds by rank, with their plural names: the rank goes by name only, whatever the group.
const RANKS: [&[(&str, &str)]; 7] = [
    &[
        ("PriorityClass", "priorityclasses"),
        ("Namespace", "namespaces"),
        ("CustomResourceDefinition", "customresourcedefinitions"),
        ("StorageClass", "storageclasses"),
        ("PersistentVolume", "persistentvolumes"),
        ("PodSecurityPolicy", "podsecuritypolicies"),
    ],
    &[
        ("ClusterRole", "clusterroles"),
        ("ClusterRoleBinding", "clusterrolebindings"),
        ("Role", "roles"),
        ("RoleBinding", "rolebindings"),
    ],
    &[
        ("NetworkPolicy", "networkpolicies"),
        ("ResourceQuota", "resourcequotas"),
        ("LimitRange", "limitranges"),
        ("PodDisruptionBudget", "poddisruptionbudgets"),
        ("ServiceAccount", "serviceaccounts"),
    ],
    &[
        ("Secret", "secrets"),
        ("ConfigMap", "configmaps"),
        ("PersistentVolumeClaim", "persistentvolumeclaims"),
    ],
    &[("Service", "services")],
    &[
        ("DaemonSet", "daemonsets"),
        ("Pod", "pods"),
        ("ReplicationController", "replicationcontrollers"),
        ("ReplicaSet", "replicasets"),
        ("Deployment", "deployments"),
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers"),
        ("StatefulSet", "statefulsets"),
        ("Job", "jobs"),
        ("CronJob", "cronjobs"),
    ],
    &[
        ("APIService", "apiservices"),
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    ],
];

/// When a kind (or its plural) is applied: lower first. Unknown kinds come after all others, so
/// that custom resources follow their definitions.
#[must_use]
pub fn rank(kind_or_plural: &str) -> u16 {
    let known = |rank: &&[(&str, &str)]| {
        rank.iter().any(|(kind, plural)| kind_or_plural == *kind || kind_or_plural == *plural)
    };
    match RANKS.iter().position(known) {
        Some(rank) => u16::try_from(rank).unwrap_or(u16::MAX),
        None if kind_or_plural.is_empty() => 1001,
        None => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wa_namespaces_come_first_and_webhooks_before_custom_kinds() {
        let kinds = ["Namespace", "RoleBinding", "ServiceAccount", "Secret", "Service"];
        let order: Vec<u16> = kinds.iter().map(|kind| rank(kind)).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
        assert_eq!((rank("Deployment"), rank("APIService"), rank("Widget")), (5, 6, 1000));
        assert_eq!(rank("deployments"), rank("Deployment"));
    }

    #[test]
    fn what_is_no_list_is_refused_in_words() {
        assert!(parse(b"{}").unwrap_err().starts_with("the bundle is not a list"));
        assert!(!parse(b"[1]").unwrap()[0].is_named());
    }
}
