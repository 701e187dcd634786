//! Which kinds a cluster serves: the built-in ones as a table, custom ones from their definitions.
//! Holds no objects and no schemas.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

/// A served kind of object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// `deployments.apps`, `pods`: plural and group; the key of its objects.
    pub(crate) id: Arc<str>,
    pub(crate) group: String,
    /// Served versions, the preferred one first.
    pub(crate) versions: Vec<String>,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short: Vec<String>,
    pub(crate) namespaced: bool,
    /// It has a status subresource: writes elsewhere leave the status alone.
    pub(crate) status: bool,
    /// Its `metadata.generation` counts changes of what is not metadata and not status.
    pub(crate) generation: bool,
    /// A custom resource: unknown fields are kept, lists are merged whole.
    pub(crate) custom: bool,
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.into() } else { format!("{}/{version}", self.group) }
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    /// The kind that a CustomResourceDefinition describes; `None` when it serves no version.
    pub(crate) fn of_definition(definition: &Value) -> Option<Self> {
        let spec = definition.get("spec")?;
        let names = spec.get("names")?;
        let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
        let (group, plural, kind) =
            (text(spec, "group")?, text(names, "plural")?, text(names, "kind")?);
        let versions = spec.get("versions")?.as_array()?;
        let served: Vec<&Value> =
            versions.iter().filter(|v| v.get("served") == Some(&Value::Bool(true))).collect();
        let mut ordered: Vec<String> = served.iter().filter_map(|v| text(v, "name")).collect();
        ordered.sort_by_key(|v| std::cmp::Reverse(version_rank(v)));
        if ordered.is_empty() {
            return None;
        }
        let list = |key: &str| names.get(key).and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            id: format!("{plural}.{group}").into(),
            versions: ordered,
            list_kind: text(names, "listKind").unwrap_or_else(|| format!("{kind}List")),
            singular: text(names, "singular").unwrap_or_else(|| kind.to_lowercase()),
            short: list("shortNames").filter_map(Value::as_str).map(str::to_owned).collect(),
            namespaced: text(spec, "scope").as_deref() == Some("Namespaced"),
            status: served.iter().any(|v| v.pointer("/subresources/status").is_some()),
            generation: true,
            custom: true,
            group,
            plural,
            kind,
        })
    }
}

/// Kubernetes' order of versions: stable before beta before alpha, then by number.
pub(crate) fn version_rank(version: &str) -> (u8, u64, u64) {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    for (word, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return (rank, number(major), number(minor));
        }
    }
    rest.parse().map_or((0, 0, 0), |major| (3, major, 0))
}

/// group/version, kind, plural, short names, flags: `n` namespaced, `s` status, `g` generation.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const TABLE: &[Row] = &[
    ("v1", "Namespace", "namespaces", "ns", "s"),
    ("v1", "Node", "nodes", "no", "s"),
    ("v1", "PersistentVolume", "persistentvolumes", "pv", "s"),
    ("v1", "ConfigMap", "configmaps", "cm", "n"),
    ("v1", "Endpoints", "endpoints", "ep", "n"),
    ("v1", "Event", "events", "ev", "n"),
    ("v1", "LimitRange", "limitranges", "limits", "n"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "ns"),
    ("v1", "Pod", "pods", "po", "nsg"),
    ("v1", "PodTemplate", "podtemplates", "", "ng"),
    ("v1", "ReplicationController", "replicationcontrollers", "rc", "nsg"),
    ("v1", "ResourceQuota", "resourcequotas", "quota", "ns"),
    ("v1", "Secret", "secrets", "", "n"),
    ("v1", "Service", "services", "svc", "ns"),
    ("v1", "ServiceAccount", "serviceaccounts", "sa", "n"),
    ("apps/v1", "ControllerRevision", "controllerrevisions", "", "n"),
    ("apps/v1", "DaemonSet", "daemonsets", "ds", "nsg"),
    ("apps/v1", "Deployment", "deployments", "deploy", "nsg"),
    ("apps/v1", "ReplicaSet", "replicasets", "rs", "nsg"),
    ("apps/v1", "StatefulSet", "statefulsets", "sts", "nsg"),
    ("batch/v1", "CronJob", "cronjobs", "cj", "nsg"),
    ("batch/v1", "Job", "jobs", "", "nsg"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "ns"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", "nsg"),
    ("networking.k8s.io/v1", "Ingress", "ingresses", "ing", "nsg"),
    ("networking.k8s.io/v1", "IngressClass", "ingressclasses", "", "g"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol", "ng"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", "", ""),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", "", ""),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", "", "n"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", "", "n"),
    ("storage.k8s.io/v1", "CSIDriver", "csidrivers", "", "g"),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", "sc", ""),
    ("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", "", "s"),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "",
        "g",
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "",
        "g",
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        "",
        "sg",
    ),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd,crds",
        "sg",
    ),
    ("apiregistration.k8s.io/v1", "APIService", "apiservices", "", "s"),
    (
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        "csr",
        "s",
    ),
    ("coordination.k8s.io/v1", "Lease", "leases", "", "n"),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", "", "ng"),
    ("events.k8s.io/v1", "Event", "events", "ev", "n"),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", "g"),
];

static BUILT_IN: LazyLock<Vec<Arc<Kind>>> =
    LazyLock::new(|| TABLE.iter().map(|row| Arc::new(built_in(row))).collect());

/// The kinds every cluster serves.
pub(crate) fn all() -> &'static [Arc<Kind>] {
    &BUILT_IN
}

/// The built-in kind of this group and plural.
pub(crate) fn find(group: &str, plural: &str) -> Option<Arc<Kind>> {
    all().iter().find(|kind| kind.is(group, plural)).cloned()
}

fn built_in(&(group_version, kind, plural, short, flags): &Row) -> Kind {
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let id = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    let has = |flag: char| flags.contains(flag);
    Kind {
        id: id.into(),
        group: group.into(),
        versions: vec![version.into()],
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        short: short.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
        namespaced: has('n'),
        status: has('s'),
        generation: has('g'),
        custom: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_preferred_as_kubernetes_orders_them() {
        let mut versions = ["v1alpha1", "foo", "v1", "v2beta1", "v10", "v1beta2"];
        versions.sort_by_key(|v| std::cmp::Reverse(version_rank(v)));
        assert_eq!(versions, ["v10", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
    }

    #[test]
    fn every_kind_of_the_table_has_an_own_id() {
        let mut ids: Vec<_> = all().iter().map(|kind| kind.id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), TABLE.len());
    }
}
