//! What the user does: a fleet is set up, then chance decides what is asked for next. Asks for one
//! thing after the other, so that the log's order is the user's.

mod add_on;
mod choice;
mod failover;

pub use choice::PICKY;

use crate::chance::Chance;
use crate::user::User;
use bytes::Bytes;
use fleetlog_kernel::Service;
use fleetlog_messages::placement::{ApplyPlacement, PlacementCommand, placement_command};
use fleetlog_messages::registration::{
    AcceptCluster, ApplyBinding, ApplyCluster, BindingCommand, ClusterCommand, binding_command,
    cluster_command,
};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::wire::canonical;
use fleetlog_messages::work::{
    ApplyReplicaSet, ApplyWork, Bundle, DeleteReplicaSet, DeleteWork, ReplicaSetCommand,
    WorkCommand, replica_set_command, work_command,
};
use prost::Message as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The member clusters; the first two are in region "east".
pub const CLUSTERS: [&str; 3] = ["c1", "c2", "c3"];
/// Seconds between an agent's beats; its lease holds five times as long.
pub const LEASE_SECONDS: u64 = 10;
const NAMESPACE: &str = "shop";
/// The placement that wants some, and tolerates nothing.
pub const PLACEMENT: &str = "where";
/// The replica set, and the config map that its works make.
const APP: &str = "app";

/// What a bundle makes: the config map's name and its revision.
pub type Contents = BTreeMap<String, (String, u64)>;

/// The user's intentions.
pub struct Scenario {
    chance: Chance,
    user: User,
    /// What each bundle, by hash, makes.
    pub contents: Contents,
    /// How many messages nobody can read were sent.
    pub babbled: BTreeSet<String>,
    revision: u64,
    /// How many clusters the placement wants.
    pub wanted: usize,
    /// Whether it wants those of region "east" only.
    pub narrow: bool,
    /// Seconds between the beats of each cluster.
    pub leases: BTreeMap<&'static str, u64>,
    /// What the user has said about choosing.
    tastes: choice::Tastes,
    /// Whether the reference alone knows who is to be chosen.
    chooses: bool,
    has_app: bool,
    own: BTreeSet<&'static str>,
}

impl Scenario {
    /// The intentions of a seed.
    #[must_use]
    pub fn new(seed: u64, user: User) -> Self {
        Self {
            chance: Chance::new(seed, 2),
            user,
            contents: Contents::new(),
            babbled: BTreeSet::new(),
            revision: 0,
            wanted: 2,
            narrow: false,
            leases: CLUSTERS.map(|name| (name, LEASE_SECONDS)).into(),
            tastes: choice::Tastes::default(),
            chooses: false,
            has_app: false,
            own: BTreeSet::new(),
        }
    }

    /// How many clusters a placement has to choose in the end; `None` where only the reference
    /// knows.
    #[must_use]
    pub fn chosen(&self, placement: &str) -> Option<usize> {
        if self.chooses {
            return None;
        }
        if placement == failover::EVERYWHERE {
            return Some(CLUSTERS.len());
        }
        Some(self.wanted.min(if self.narrow { 2 } else { CLUSTERS.len() }))
    }

    /// Sets the fleet up.
    pub async fn set_up(&mut self) {
        for name in CLUSTERS {
            self.accept(name).await;
        }
        let binding = json!({
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": {"clusterSet": "default"},
        });
        let apply = ApplyBinding { binding: object(binding), ..ApplyBinding::default() };
        let command = Some(binding_command::Command::Apply(apply));
        let to = AggregateId::namespaced(Service::Registration, "binding", NAMESPACE, "default");
        self.ask(&to, BindingCommand { command }.encode_to_vec()).await;
        self.place().await;
        self.apply_app().await;
        self.add_on().await;
    }

    /// Does the next thing; says what it was.
    pub async fn act(&mut self) -> &'static str {
        match self.chance.below(100) {
            0..20 => {
                self.wanted = if self.wanted == 1 { 2 } else { 1 };
                self.place().await;
                "scale"
            }
            20..32 => {
                self.narrow = !self.narrow;
                self.place().await;
                "narrow"
            }
            32..52 => {
                self.apply_app().await;
                "template"
            }
            52..62 => {
                self.add_on().await;
                "add-on"
            }
            62..68 => {
                if std::mem::take(&mut self.has_app) {
                    let command = Some(replica_set_command::Command::Delete(DeleteReplicaSet {}));
                    self.ask(&app(), ReplicaSetCommand { command }.encode_to_vec()).await;
                } else {
                    self.apply_app().await;
                }
                "delete"
            }
            68..82 => {
                self.own_work().await;
                "own work"
            }
            82..90 => {
                self.refused().await;
                "refused"
            }
            90..95 => {
                let id = self.user.id();
                self.babbled.insert(id.to_string());
                self.user.babble(&app(), &id).await;
                "babble"
            }
            _ => {
                let sent: Vec<String> = self.user.sent().into_keys().collect();
                if let Some(id) = self.chance.pick(&sent) {
                    self.user.repeat(id).await;
                }
                "repeat"
            }
        }
    }

    /// The cluster is there before its agent asks, so that the first beat is at the right pace.
    async fn accept(&self, name: &'static str) {
        self.specify(name).await;
        let command = Some(cluster_command::Command::Accept(AcceptCluster {}));
        self.ask(&cluster(name), ClusterCommand { command }.encode_to_vec()).await;
    }

    /// The cluster as it should be.
    async fn specify(&self, name: &'static str) {
        let region = if name == "c3" { "west" } else { "east" };
        let (taint, tier) = self.tastes.of(name);
        let mut given = json!({
            "metadata": {"name": name, "labels": {"region": region}},
            "spec": {"leaseDurationSeconds": self.leases.get(name)},
        });
        if let Some(taint) = taint {
            given["spec"]["taints"] = json!([taint]);
        }
        if let Some(tier) = tier {
            given["metadata"]["labels"]["tier"] = json!(tier);
        }
        let apply = ApplyCluster { cluster: object(given), ..ApplyCluster::default() };
        let command = Some(cluster_command::Command::Apply(apply));
        self.ask(&cluster(name), ClusterCommand { command }.encode_to_vec()).await;
    }

    async fn place(&self) {
        let predicates = match self.narrow {
            true => json!([{"requiredClusterSelector": {
                "labelSelector": {"matchLabels": {"region": "east"}},
            }}]),
            false => json!([]),
        };
        let spec = json!({"numberOfClusters": self.wanted, "predicates": predicates});
        self.apply_placement(PLACEMENT, spec).await;
    }

    async fn apply_placement(&self, name: &str, spec: Value) {
        let given = json!({"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec});
        let apply = ApplyPlacement { placement: object(given), ..ApplyPlacement::default() };
        let command = Some(placement_command::Command::Apply(apply));
        let to = AggregateId::namespaced(Service::Placement, "placement", NAMESPACE, name);
        self.ask(&to, PlacementCommand { command }.encode_to_vec()).await;
    }

    async fn apply_app(&mut self) {
        self.has_app = true;
        let bundle = self.bundle(APP).await;
        self.apply_set(APP, PLACEMENT, bundle).await;
    }

    /// A replica set on the clusters of a placement.
    async fn apply_set(&self, name: &str, placement: &str, bundle: Bundle) {
        let set = json!({
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "placementRefs": [{"name": placement, "rolloutStrategy": {"type": "All"}}],
                "manifestWorkTemplate": {"workload": {}},
            },
        });
        let apply = ApplyReplicaSet {
            replica_set: object(set),
            bundle: Some(bundle),
            ..ApplyReplicaSet::default()
        };
        let command = Some(replica_set_command::Command::Apply(apply));
        let to = AggregateId::namespaced(Service::Work, "replicaset", NAMESPACE, name);
        self.ask(&to, ReplicaSetCommand { command }.encode_to_vec()).await;
    }

    async fn own_work(&mut self) {
        let Some(cluster) = self.chance.pick(&CLUSTERS).copied() else { return };
        let to = AggregateId::namespaced(Service::Work, "manifestwork", cluster, "own");
        if self.own.contains(cluster) && self.chance.below(3) == 0 {
            self.own.remove(cluster);
            let command = Some(work_command::Command::Delete(DeleteWork {}));
            self.ask(&to, WorkCommand { command }.encode_to_vec()).await;
            return;
        }
        self.own.insert(cluster);
        let bundle = self.bundle("own").await;
        let work = json!({
            "metadata": {"name": "own", "namespace": cluster},
            "spec": {"workload": {}},
        });
        let apply = ApplyWork { work: object(work), bundle: Some(bundle), ..ApplyWork::default() };
        let command = Some(work_command::Command::Apply(apply));
        self.ask(&to, WorkCommand { command }.encode_to_vec()).await;
    }

    /// A work without manifests, which no hub takes.
    async fn refused(&self) {
        let work = json!({"metadata": {"name": "empty", "namespace": "c1"}, "spec": {}});
        let apply = ApplyWork { work: object(work), ..ApplyWork::default() };
        let command = Some(work_command::Command::Apply(apply));
        let to = AggregateId::namespaced(Service::Work, "manifestwork", "c1", "empty");
        self.ask(&to, WorkCommand { command }.encode_to_vec()).await;
    }

    /// Hands over the next revision of what makes the config map `name`.
    async fn bundle(&mut self, name: &str) -> Bundle {
        self.revision += 1;
        let mut manifests = vec![json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"revision": self.revision.to_string()},
        })];
        if name == APP {
            manifests.push(deployment());
        }
        let count = u32::try_from(manifests.len()).unwrap_or_default();
        let body = Bytes::from(canonical(&Value::Array(manifests)));
        let size = body.len() as u64;
        let hash = self.user.put(body).await.to_string();
        self.contents.insert(hash.clone(), (name.to_owned(), self.revision));
        Bundle { hash, size, count }
    }

    async fn ask(&self, to: &AggregateId, payload: Vec<u8>) {
        self.user.command(&self.user.id(), to, payload.into()).await;
    }
}

fn cluster(name: &str) -> AggregateId {
    AggregateId::global(Service::Registration, "cluster", name)
}

fn app() -> AggregateId {
    AggregateId::namespaced(Service::Work, "replicaset", NAMESPACE, APP)
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": APP, "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": APP}},
            "template": {
                "metadata": {"labels": {"app": APP}},
                "spec": {"containers": [{"name": "server", "image": "server:1"}]},
            },
        },
    })
}

/// An API object as a user writes it; none for what is none, which the hub then refuses.
fn object<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
