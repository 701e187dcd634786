//! A cluster as its users hold it: options, a client, a look inside. What an API server does is
//! beneath.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use fleetlog_kernel::Timestamp;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::failure::Failure;
use crate::faults::Faults;
use crate::kinds;
use crate::managers::Author;
use crate::pool::Pool;
use crate::server::Cluster;
use crate::state::{Key, State};
use crate::write::Draft;

/// The namespaces a new cluster has.
const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// What a cluster is made from. Equal options give clusters that behave alike, uids included.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's name: its nodes bear it.
    pub name: String,
    /// Decides uids, delays and addresses.
    pub seed: u64,
    /// What `/version` says, like `v1.36.1`.
    pub version: String,
    /// How many nodes there are; 0 is allowed.
    pub nodes: usize,
    /// What each node has.
    pub capacity: Capacity,
    /// The moment of the cluster's birth; from there on tokio's clock counts.
    pub epoch: Timestamp,
    /// Where equal content of several clusters is held once.
    pub pool: Pool,
    /// How many changes a watch may lag behind before it has to list again.
    pub history: usize,
}

/// What one node has, as Kubernetes quantities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Cores: `4`, `3500m`.
    pub cpu: String,
    /// Memory: `16Gi`.
    pub memory: String,
    /// How many pods it may run.
    pub pods: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { cpu: "4".to_owned(), memory: "16Gi".to_owned(), pods: 110 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "cluster".to_owned(),
            seed: 0,
            version: "v1.36.1".to_owned(),
            nodes: 1,
            capacity: Capacity::default(),
            epoch: Timestamp::of_seconds(1_772_355_600),
            pool: Pool::default(),
            history: 512,
        }
    }
}

impl Options {
    /// The defaults, with this name and seed.
    #[must_use]
    pub fn new(name: impl Into<String>, seed: u64) -> Self {
        Self { name: name.into(), seed, ..Self::default() }
    }
}

/// A Kubernetes cluster in memory. Clones are the same cluster; it lives as long as one of them,
/// or a client, does.
#[derive(Clone)]
pub struct SimCluster {
    name: Arc<str>,
    cluster: Arc<Cluster>,
}

impl SimCluster {
    /// A new cluster: its namespaces with their default service accounts, and its nodes.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let clock = Clock::new(options.epoch);
        let mut state = State::new(clock, options.seed, options.pool.clone(), options.history);
        for namespace in NAMESPACES {
            made(state.bootstrap("namespaces", json!({"metadata": {"name": namespace}}), None));
        }
        for number in 1..=options.nodes {
            let (node, status) = node(&options, number, &state.clock.text());
            made(state.bootstrap("nodes", node, Some(status)));
        }
        let name = options.name.into();
        Self { name, cluster: Arc::new(Cluster::new(state, options.version)) }
    }

    /// A client of this cluster; `default` is its namespace. Needs a tokio runtime around it.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        let cluster = self.cluster.clone();
        let service = tower::service_fn(move |request| {
            let cluster = cluster.clone();
            async move { Ok::<_, Infallible>(cluster.handle(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// The cluster's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where faults of this cluster's API are ordered.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.cluster.faults.clone()
    }

    /// The version of the last change: two looks with the same one saw the same cluster.
    #[must_use]
    pub fn resource_version(&self) -> u64 {
        self.cluster.state().version()
    }

    /// Every object, as it is served in the preferred version of its kind; by kind, namespace and
    /// name. For tests and invariants: it asks no API and meets no ordered fault.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let state = self.cluster.state();
        let all = state.objects.keys().filter_map(|key| served(&state, key));
        all.collect()
    }

    /// One object, by resource (`deployments.apps`, `pods`), namespace (empty when cluster-scoped)
    /// and name.
    #[must_use]
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = Key { resource: resource.into(), namespace: namespace.into(), name: name.into() };
        served(&self.cluster.state(), &key)
    }
}

impl fmt::Debug for SimCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimCluster").field("name", &self.name).finish_non_exhaustive()
    }
}

fn served(state: &State, key: &Key) -> Option<Value> {
    let (kind, object) = (state.kind_of(&key.resource)?, state.get(key)?);
    let mut bytes = Vec::new();
    object.render(&kind, kind.versions.first()?, &mut bytes);
    serde_json::from_slice(&bytes).ok()
}

/// A new cluster holds nothing that its first objects could collide with.
fn made(outcome: Result<(), Failure>) {
    if let Err(failure) = outcome {
        tracing::error!(message = %failure.message, "a new cluster lacks an object");
    }
}

impl State {
    fn bootstrap(
        &mut self,
        plural: &str,
        value: Value,
        status: Option<Value>,
    ) -> Result<(), Failure> {
        let kind = kinds::find("", plural).ok_or_else(Failure::no_such_path)?;
        let mut author = Author::controller("v1");
        author.status = false;
        let object = self.create(&kind, "", Draft { value, managed: None }, &author)?;
        if let Some(status) = status {
            let mut value = object.to_value();
            let key = Key::new(&kind, "", crate::write::text(&value, "name"));
            value["status"] = status;
            let author = Author::controller("v1");
            self.update(&kind, &key, Draft { value, managed: None }, &author)?;
        }
        Ok(())
    }
}

fn node(options: &Options, number: usize, now: &str) -> (Value, Value) {
    let name = format!("{}-node-{number}", options.name);
    let Capacity { cpu, memory, pods } = &options.capacity;
    let amounts = json!({"cpu": cpu, "memory": memory, "pods": pods.to_string()});
    let node = json!({"metadata": {"name": name, "labels": {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
    }}});
    let status = json!({
        "capacity": amounts, "allocatable": amounts,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        }],
        "nodeInfo": {"kubeletVersion": options.version, "operatingSystem": "linux"},
    });
    (node, status)
}
