//! Simulated member clusters in this process: each an in-memory Kubernetes with an agent of its
//! own, key, credential and connection included. They know of the hub what any agent knows.

use crate::failure::Failure;
use fleetlog_agent::{Agent, FileKeys, Gate, Gated, KeyStore, MemoryKeys, Nats, Parts};
use fleetlog_bus::Credentials;
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_kernel::ClusterName;
use fleetlog_simcluster::{Options, Pool, SimCluster};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How the clusters of a fleet are made.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Where their agents connect.
    pub url: String,
    /// The join token that they share.
    pub token: Credentials,
    /// Where their agents keep keys and credentials; in memory when absent.
    pub keys: Option<PathBuf>,
    /// The seed of everything random in them.
    pub seed: u64,
}

/// One member: a cluster, its agent, and the gate on the line between agent and hub.
struct Member {
    cluster: SimCluster,
    agent: Agent,
    gate: Gate,
}

/// A fleet of simulated clusters.
pub struct Fleet {
    options: FleetOptions,
    pool: Pool,
    tasks: Tasks,
    members: BTreeMap<String, Member>,
}

impl Fleet {
    /// A fleet without clusters; agents run among `tasks`.
    #[must_use]
    pub fn new(options: FleetOptions, tasks: Tasks) -> Self {
        Self { options, pool: Pool::default(), tasks, members: BTreeMap::new() }
    }

    /// Starts a cluster and its agent, which asks to join at once.
    ///
    /// # Errors
    /// A name that no cluster may have.
    pub fn start(&mut self, name: &str, labels: BTreeMap<String, String>) -> Result<(), Failure> {
        let cluster_name = ClusterName::parse(name).map_err(anyhow::Error::from)?;
        let seed = self.options.seed.wrapping_add(self.members.len() as u64);
        let options = Options { pool: self.pool.clone(), ..Options::new(name, seed) };
        let epoch = Clock::System.now().whole_seconds();
        let cluster = SimCluster::new(Options { epoch, ..options });
        let gate = Gate::default();
        let token = Some(self.options.token.clone());
        let nats = Nats::new(self.options.url.clone(), cluster_name.clone(), token);
        let keys: Arc<dyn KeyStore> = match &self.options.keys {
            Some(folder) => Arc::new(FileKeys::new(folder.join(name))),
            None => Arc::new(MemoryKeys::fresh()?),
        };
        let parts = Parts {
            client: cluster.client(),
            dialer: Arc::new(Gated::new(Arc::new(nats), gate.clone())),
            keys,
            clock: Clock::System,
            tasks: self.tasks.clone(),
        };
        let settings =
            fleetlog_agent::Settings { labels, ..fleetlog_agent::Settings::new(cluster_name) };
        let agent = Agent::start(settings, parts);
        self.members.insert(name.to_owned(), Member { cluster, agent, gate });
        Ok(())
    }

    /// Waits until every agent is connected as its cluster's.
    pub async fn connected(&self) {
        for member in self.members.values() {
            member.agent.connected().await;
        }
    }

    /// Opens or closes the line between a cluster's agent and the hub; false when there is no such
    /// cluster.
    #[must_use]
    pub fn set_line(&self, cluster: &str, open: bool) -> bool {
        let Some(member) = self.members.get(cluster) else { return false };
        if open {
            member.gate.open()
        } else {
            member.gate.close()
        }
        true
    }

    /// The clusters' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The member cluster itself.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&SimCluster> {
        self.members.get(name).map(|member| &member.cluster)
    }
}
