//! Objects that a writer keeps changing, each with what should be there of it: of every kind that
//! users write, so that each service has its share of the load.

use fleetlog_kernel::Service;
use fleetlog_messages::subject::AggregateId;
use serde_json::{Value, json};

/// The namespace of placement and replica set.
pub(crate) const NAMESPACE: &str = "load";
/// The annotation that says which value an object was given last.
const VALUE: &str = "example.com/value";

/// What should be there of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Absent,
    /// This value, at this generation.
    There {
        /// The value it was given last.
        value: u64,
        /// How often its spec was given another value, plus one.
        generation: i64,
    },
    /// Nothing, once its cluster has let it go.
    Leaving,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Set,
    Placement,
    Work,
    ReplicaSet,
    AddOn,
}

/// An object and what should be there of it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub(crate) shape: Shape,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    /// What should be there of it.
    pub standing: Standing,
}

impl Kept {
    pub(crate) fn new(shape: Shape, namespace: Option<&str>, name: impl Into<String>) -> Self {
        let (namespace, name) = (namespace.map(str::to_owned), name.into());
        Self { shape, namespace, name, standing: Standing::Absent }
    }

    pub(crate) fn service(&self) -> Service {
        match self.shape {
            Shape::Set => Service::Registration,
            Shape::Placement => Service::Placement,
            Shape::Work | Shape::ReplicaSet => Service::Work,
            Shape::AddOn => Service::Addon,
        }
    }

    pub(crate) fn token(&self) -> &'static str {
        match self.shape {
            Shape::Set => "clusterset",
            Shape::Placement => "placement",
            Shape::Work => "manifestwork",
            Shape::ReplicaSet => "replicaset",
            Shape::AddOn => "clusteraddon",
        }
    }

    pub(crate) fn aggregate(&self) -> AggregateId {
        let (service, kind) = (self.service(), self.token());
        match &self.namespace {
            Some(namespace) => AggregateId::namespaced(service, kind, namespace, &self.name),
            None => AggregateId::global(service, kind, &self.name),
        }
    }

    /// Whether it is deleted now and then.
    pub(crate) fn may_leave(&self) -> bool {
        matches!(self.shape, Shape::Work | Shape::AddOn)
    }

    /// The object with a value, as its user writes it.
    pub(crate) fn document(&self, value: u64) -> Value {
        let (api_version, kind, spec) = match self.shape {
            Shape::Set => {
                ("cluster.open-cluster-management.io/v1beta2", "ManagedClusterSet", json!({}))
            }
            Shape::Placement => {
                let spec = json!({ "numberOfClusters": 1 + value % 2 });
                ("cluster.open-cluster-management.io/v1beta1", "Placement", spec)
            }
            Shape::Work => {
                let manifests = [config_map("work", &self.name, &value.to_string())];
                let spec = json!({ "workload": { "manifests": manifests } });
                ("work.open-cluster-management.io/v1", "ManifestWork", spec)
            }
            Shape::ReplicaSet => {
                let manifests = [config_map("spread", &self.name, &value.to_string())];
                let spec = json!({
                    "placementRefs": [{ "name": PLACEMENT }],
                    "manifestWorkTemplate": { "workload": { "manifests": manifests } },
                });
                ("work.open-cluster-management.io/v1alpha1", "ManifestWorkReplicaSet", spec)
            }
            Shape::AddOn => {
                ("addon.open-cluster-management.io/v1alpha1", "ManagedClusterAddOn", json!({}))
            }
        };
        let mut metadata =
            json!({ "name": self.name, "annotations": { VALUE: value.to_string() } });
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec })
    }

    /// What should be there once it was given a value.
    pub(crate) fn given(&self, value: u64) -> Standing {
        let Standing::There { value: before, generation } = self.standing else {
            return Standing::There { value, generation: 1 };
        };
        // The rest is an annotation.
        let spec = |value| self.document(value)["spec"].take();
        let moves = i64::from(spec(before) != spec(value));
        Standing::There { value, generation: generation + moves }
    }

    /// What is wrong about it, as its service serves it.
    pub(crate) fn wrong(&self, served: Option<&Value>) -> Option<String> {
        let found = served.map(|object| {
            let value = object["metadata"]["annotations"][VALUE].as_str();
            (value.unwrap_or_default().to_owned(), object["metadata"]["generation"].as_i64())
        });
        let wanted = match self.standing {
            Standing::There { value, generation } => Some((value.to_string(), Some(generation))),
            Standing::Absent | Standing::Leaving => None,
        };
        let own = self.aggregate();
        (found != wanted).then(|| format!("{own}: value and generation {found:?}, not {wanted:?}"))
    }
}

/// The name of the placement, which the replica set refers to.
pub(crate) const PLACEMENT: &str = "spread";
/// The name of the add-on.
pub(crate) const ADD_ON: &str = "load-agent";

/// What has to be there before all this: a binding, and an add-on that people install by hand.
pub(crate) fn ground() -> Vec<Value> {
    let addon = "addon.open-cluster-management.io";
    let workload = json!({ "manifests": [config_map("addon", ADD_ON, "on")] });
    vec![
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1beta2",
            "kind": "ManagedClusterSetBinding",
            "metadata": { "name": "default", "namespace": NAMESPACE },
            "spec": { "clusterSet": "default" },
        }),
        json!({
            "apiVersion": format!("{addon}/v1alpha1"), "kind": "AddOnTemplate",
            "metadata": { "name": "load-agent-1" },
            "spec": { "addonName": ADD_ON, "agentSpec": { "workload": workload } },
        }),
        json!({
            "apiVersion": format!("{addon}/v1alpha1"), "kind": "ClusterManagementAddOn",
            "metadata": { "name": ADD_ON },
            "spec": {
                "supportedConfigs": [{
                    "group": addon, "resource": "addontemplates",
                    "defaultConfig": { "name": "load-agent-1" },
                }],
                "installStrategy": { "type": "Manual" },
            },
        }),
    ]
}

/// A config map of a member by which a work is seen there.
fn config_map(label: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default", "labels": { "load": label } },
        "data": { "value": value },
    })
}
