//! One agent as its starter holds it: made of plain parts, run as one supervised task.

use crate::dialer::Dialer;
use crate::keys::KeyStore;
use crate::member::Member;
use crate::runner::Runner;
use crate::uplink::Uplink;
use fleetlog_agent_core::Pace;
use fleetlog_chassis::{Clock, Tasks, Watched};
use fleetlog_kernel::ClusterName;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Which agent this is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of its cluster.
    pub cluster: ClusterName,
    /// Labels wished for a new `ManagedCluster`; of no effect on one that exists.
    pub labels: BTreeMap<String, String>,
    /// Waits and bounds.
    pub pace: Pace,
}

impl Settings {
    /// An agent of `cluster` with the usual pace.
    #[must_use]
    pub fn new(cluster: ClusterName) -> Self {
        Self { cluster, labels: BTreeMap::new(), pace: Pace::default() }
    }
}

/// What an agent stands on.
pub struct Parts {
    /// The member cluster.
    pub client: kube::Client,
    /// The way to the hub.
    pub dialer: Arc<dyn Dialer>,
    /// Its key and credential.
    pub keys: Arc<dyn KeyStore>,
    /// The clock.
    pub clock: Clock,
    /// The tasks that it runs among.
    pub tasks: Tasks,
}

/// How an agent stands with its hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It asks to join; what it was told last.
    Joining(String),
    /// It has a credential and no connection.
    Connecting,
    /// It is connected and hears its deliveries.
    Connected,
}

/// A running agent. Dropping it leaves it running; [`Self::stop`] ends it.
pub struct Agent {
    cluster: ClusterName,
    standing: Arc<Watched<Standing>>,
    task: AbortHandle,
}

impl Agent {
    /// Starts an agent among `parts.tasks`; it ends with them.
    #[must_use]
    pub fn start(settings: Settings, parts: Parts) -> Self {
        let Settings { cluster, labels, pace } = settings;
        let Parts { client, dialer, keys, clock, tasks } = parts;
        let (news, heard) = mpsc::channel(2);
        let standing = Arc::new(Watched::new(Standing::Joining(String::new())));
        let told = standing.clone();
        let runner = Runner::new(cluster.clone(), Member::new(client), clock.clone(), pace, heard);
        let uplink =
            Uplink { cluster: cluster.clone(), labels, dialer, keys, clock, news, standing: told };
        let stop = tasks.clone();
        let task = tasks.spawn("agent", async move {
            tokio::select! {
                biased;
                ended = uplink.run() => ended,
                () = runner.run() => Ok(()),
                () = stop.stopped() => Ok(()),
            }
        });
        Self { cluster, standing, task }
    }

    /// Its cluster.
    #[must_use]
    pub const fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// How it stands with its hub now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.look(Standing::clone)
    }

    /// Waits until it is connected.
    pub async fn connected(&self) {
        self.standing.until(|now| (*now == Standing::Connected).then_some(())).await;
    }

    /// Waits until it stands otherwise than `said`.
    pub async fn changed(&self, said: Option<&Standing>) -> Standing {
        self.standing.until(|now| (Some(now) != said).then(|| now.clone())).await
    }

    /// Ends it now, as a crash would: nothing is said to the hub.
    pub fn stop(&self) {
        self.task.abort();
    }
}
