//! Where a case runs: connections in each role, whatever lies behind them.

use fleetlog_bus::Credentials;
use fleetlog_bus::{EventLog, Memory, SharedBroker};
use fleetlog_kernel::{Service, Timestamp};
use fleetlog_test_support::{TempDir, TestCluster, TestHub};
use std::sync::Arc;

/// One hub of one case.
#[allow(clippy::large_enum_variant, reason = "there is one of them in a test")]
pub enum Hub {
    /// In memory; every role has the same connection.
    Memory(Arc<Memory>),
    /// A real server, with the permissions of each role.
    Real(Box<TestHub>),
    /// Three real servers that share the log.
    Three(Box<TestCluster>),
}

impl Hub {
    /// A new one in memory.
    pub fn memory() -> Self {
        let (streams, queues) = (fleetlog_topology::streams(), fleetlog_topology::queues());
        let start = Timestamp::of_seconds(1_800_000_000);
        Self::Memory(Memory::starting_at(streams, queues, start))
    }

    /// A new one on a real server.
    pub async fn real() -> Self {
        Self::Real(Box::new(TestHub::start().await.unwrap()))
    }

    /// A new one on three real servers.
    pub async fn three() -> Self {
        Self::Three(Box::new(TestCluster::start().await.unwrap()))
    }

    /// The same three with an empty log.
    pub async fn anew(&self) {
        match self {
            Self::Three(cluster) => cluster.anew().await.unwrap(),
            _ => panic!("each case has one of its own"),
        }
    }

    /// A connection of a service.
    pub async fn service(&self, service: Service) -> SharedBroker {
        match self {
            Self::Memory(memory) => memory.clone(),
            Self::Real(hub) => hub.service(service).await.unwrap(),
            Self::Three(hub) => as_user(hub, hub.identity().service(service).unwrap()).await,
        }
    }

    /// A connection of an agent.
    pub async fn agent(&self, cluster: &str) -> SharedBroker {
        match self {
            Self::Memory(memory) => memory.clone(),
            Self::Real(hub) => hub.agent(cluster).await.unwrap(),
            Self::Three(_) => panic!("no agent speaks to three"),
        }
    }

    /// A connection of a person.
    pub async fn user(&self, name: &str) -> SharedBroker {
        match self {
            Self::Memory(memory) => memory.clone(),
            Self::Real(hub) => hub.user(name).await.unwrap(),
            Self::Three(hub) => as_user(hub, hub.identity().new_user(name).unwrap()).await,
        }
    }

    /// A connection of who runs the hub.
    pub async fn operator(&self) -> SharedBroker {
        match self {
            Self::Memory(memory) => memory.clone(),
            Self::Real(hub) => hub.operator().await.unwrap(),
            Self::Three(hub) => as_user(hub, hub.identity().operator().unwrap()).await,
        }
    }

    /// A connection with a join token, and the token's key.
    pub async fn boot(&self) -> (SharedBroker, String) {
        match self {
            Self::Memory(memory) => (memory.clone(), "UTOKEN".to_owned()),
            Self::Real(hub) => hub.boot().await.unwrap(),
            Self::Three(_) => panic!("no agent joins three"),
        }
    }

    /// The log as a service has it; its group commit runs as long as the test does.
    pub async fn log(&self, service: Service) -> EventLog {
        let (log, group_commit) = EventLog::new(self.service(service).await);
        run(group_commit.run());
        log
    }

    /// What a restart of the server does.
    pub async fn restart(&mut self) {
        match self {
            Self::Memory(memory) => memory.restart(),
            Self::Real(hub) => hub.restart().await.unwrap(),
            Self::Three(_) => panic!("three are not restarted together"),
        }
    }
}

async fn as_user(cluster: &TestCluster, credentials: Credentials) -> SharedBroker {
    cluster.connect(credentials).await.unwrap()
}

/// What a disk held at a moment.
pub enum Copy {
    /// Where the log ended.
    Memory(u64),
    /// The server's store.
    Real(TempDir),
}

impl Hub {
    /// Keeps a copy of what is stored now.
    pub async fn copy(&mut self) -> Copy {
        let end = self.log(Service::Work).await.end().await.unwrap();
        match self {
            Self::Memory(_) => Copy::Memory(end.0),
            Self::Real(hub) => Copy::Real(hub.restart_with_copy().await.unwrap()),
            Self::Three(_) => panic!("copies are of one server"),
        }
    }

    /// What a restart from that copy does.
    pub async fn restart_from(&mut self, copy: &Copy) {
        match (self, copy) {
            (Self::Memory(memory), Copy::Memory(end)) => memory.shorten("EVENTS", *end),
            (Self::Real(hub), Copy::Real(copy)) => hub.restart_from_copy(copy).await.unwrap(),
            _ => panic!("a copy of another hub"),
        }
    }
}

/// Runs something beside the case; it ends with the test's runtime.
pub fn run(task: impl Future<Output = ()> + Send + 'static) {
    tokio::runtime::Handle::current().spawn(task);
}
