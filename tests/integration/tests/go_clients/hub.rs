//! A hub: every service on a real nats-server, each with its own user, and gateways under TLS.

use crate::program::{Running, Streams, program};
use fleetlog_chassis::{Bounds, Bus, Clock, Ids, Tasks};
use fleetlog_gateway::{Certificates, Gateway, Ground, Limits, Listener, kubeconfig, tls};
use fleetlog_kernel::Service;
use fleetlog_test_support::{TempDir, TestHub};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// How long a gateway may take to end in order.
const DRAIN: Duration = Duration::from_secs(35);

/// The hub; everything in it ends with it.
pub struct Hub {
    services: Tasks,
    certificates: Certificates,
    kubeconfigs: TempDir,
    hub: TestHub,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.services.abort();
    }
}

/// A gateway that serves.
pub struct Serving {
    tasks: Tasks,
    address: SocketAddr,
    pub kubeconfig: PathBuf,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

/// How a gateway ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// As a process that is told to.
    InOrder,
    /// As one that is killed.
    AtOnce,
}

impl Serving {
    /// Ends it; answers where it was once that is free.
    pub async fn end(self, how: End) -> SocketAddr {
        if let End::InOrder = how {
            self.tasks.stop();
            timeout(DRAIN, self.tasks.join()).await.unwrap().unwrap();
        }
        self.tasks.abort();
        let _ = self.tasks.join().await;
        self.address
    }
}

impl Hub {
    /// Starts it, without a gateway.
    pub async fn start() -> Self {
        let hub = TestHub::start().await.unwrap();
        let services = Tasks::default();
        let ground = async |service| fleetlog_chassis::Ground {
            bus: Bus::new(hub.service(service).await.unwrap(), &services),
            clock: Clock::System,
            ids: Arc::new(Ids::Random),
            tasks: services.clone(),
            bounds: Bounds::default(),
        };
        let identity = hub.identity().unwrap();
        let (role, key) = (identity.agent_role().unwrap(), identity.delivery_key().unwrap());
        let (id, public) = (identity.hub_id(), key.public_key());
        let settings = fleetlog_registration::Settings::new(id, role.account, role.key, public);
        let ground_of = ground(Service::Registration).await;
        fleetlog_registration::start(ground_of, settings).await.unwrap().live().await;
        let (ground_of, settings) = (ground(Service::Placement).await, Default::default());
        fleetlog_placement::start(ground_of, settings).await.unwrap().live().await;
        let settings = fleetlog_work::Settings::new(key);
        fleetlog_work::start(ground(Service::Work).await, settings).await.unwrap().live().await;
        let (ground_of, settings) = (ground(Service::Addon).await, Default::default());
        fleetlog_addon::start(ground_of, settings).await.unwrap().live().await;
        let (ground_of, settings) = (ground(Service::Core).await, Default::default());
        fleetlog_core::start(ground_of, settings).await.unwrap().live().await;
        let certificates = Certificates::create(Clock::System.now()).unwrap();
        Self { services, certificates, kubeconfigs: TempDir::new().unwrap(), hub }
    }

    /// A gateway at a free port, or where one was; it answers at once, ready or not, as the process
    /// does.
    pub async fn serve(&self, at: Option<SocketAddr>) -> Serving {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(at.unwrap_or(free)).await.unwrap();
        let (address, clock, tasks) = (listener.address, Clock::System, Tasks::default());
        let names = [address.ip().to_string()];
        let config = tls(&self.certificates, &names, &[], clock.now()).unwrap();
        let url = format!("https://{address}");
        let admin = ("admin", ["system:masters"].as_slice());
        let text = kubeconfig(&self.certificates, &url, admin, clock.now()).unwrap();
        let file = self.kubeconfigs.path().join(format!("{}.yaml", address.port()));
        std::fs::write(&file, text).unwrap();
        let credentials = self.hub.identity().unwrap().gateway().unwrap();
        let ground = Ground {
            broker: self.hub.connect(credentials).await.unwrap(),
            clock,
            ids: Arc::new(Ids::Random),
            tasks: tasks.clone(),
            certificates: self.certificates.clone(),
            url,
            limits: Limits::default(),
        };
        let gateway = Gateway::start(ground).unwrap();
        listener.open(&gateway, config);
        if at.is_none() {
            gateway.ready().await;
        }
        Serving { tasks, address, kubeconfig: file }
    }
}

/// What the program sees of a behaviour on a hub of its own; `None` where it cannot be had.
pub async fn seen(behaviour: &str, streams: Streams) -> Option<Value> {
    let program = program(&format!("{behaviour} of clients in Go"))?;
    let hub = Hub::start().await;
    let gateway = hub.serve(None).await;
    let gateways = [gateway.kubeconfig.clone()];
    Some(Running::start(program, behaviour, &gateways, streams).end())
}
