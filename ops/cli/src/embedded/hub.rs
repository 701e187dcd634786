//! A hub in this process: the folder, its nats-server, the topology, and the five services, each
//! on a connection of its own with its own user.

mod figures;

use crate::embedded::listener::{Bounds, Listener};
use crate::failure::Failure;
use crate::hub::Hub;
use fleetlog_addon::AddOns;
use fleetlog_bus::{JetStream, SharedBroker};
use fleetlog_chassis::{Bus, Clock, Context, Ground, Ids, Tasks};
use fleetlog_core::Core;
use fleetlog_gateway::{Certificates, Gateway, Listener as Listening};
use fleetlog_kernel::{Actor, Service};
use fleetlog_placement::Scheduling;
use fleetlog_registration::Registration;
use fleetlog_topology::hub::{HubConfig, RunningHub};
use fleetlog_topology::keeper::Restarts;
use fleetlog_topology::{Authority, Folder, Identity, RoomChange, SpaceConfig};
use fleetlog_work::Works;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A running hub. Its server ends with this value.
pub struct EmbeddedHub {
    server: RunningHub,
    tasks: Tasks,
    registration: Arc<Context<Registration>>,
    placement: Arc<Context<Scheduling>>,
    work: Arc<Context<Works>>,
    addon: Arc<Context<AddOns>>,
    core: Arc<Context<Core>>,
    mirror: figures::MirrorFigures,
}

impl EmbeddedHub {
    /// Starts everything on a folder; returns once each service has folded the log.
    ///
    /// # Errors
    /// A tool that is missing, a folder in use or of a later version, a port in use, a service that
    /// does not start; nothing runs then.
    pub async fn start(
        dir: &Path,
        port: Option<u16>,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, Failure> {
        Self::start_leaving(SpaceConfig::default(), dir, port, progress).await
    }

    /// As [`Self::start`], with a say in how much space stays free.
    ///
    /// # Errors
    /// As [`Self::start`], and a disk with no more space than that.
    pub async fn start_leaving(
        space: SpaceConfig,
        dir: &Path,
        port: Option<u16>,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, Failure> {
        progress("looking for nats-server");
        let binary = fleetlog_tools::nats_server(&|step| progress(step))?;
        let clock = Clock::System;
        let folder = Folder::open(dir, clock.now())?;
        progress("starting nats-server and applying the topology");
        let config = HubConfig { port, space, ..HubConfig::standalone(binary) };
        let server = fleetlog_topology::hub::start(folder, &config).await?;
        progress("starting the services");
        let tasks = Tasks::default();
        let ground = |service| ground(&server, &tasks, service);
        let registration = fleetlog_registration::start(
            ground(Service::Registration).await?,
            registration_settings(server.identity())?,
        )
        .await?;
        let placement = fleetlog_placement::start(
            ground(Service::Placement).await?,
            fleetlog_placement::Settings::default(),
        )
        .await?;
        let work = fleetlog_work::start(
            ground(Service::Work).await?,
            fleetlog_work::Settings::new(server.identity().delivery_key()?),
        )
        .await?;
        let addon = fleetlog_addon::start(
            ground(Service::Addon).await?,
            fleetlog_addon::Settings::default(),
        )
        .await?;
        let core =
            fleetlog_core::start(ground(Service::Core).await?, fleetlog_core::Settings::default())
                .await?;
        let mirror = figures::MirrorFigures::default();
        let hub = Self { server, tasks, registration, placement, work, addon, core, mirror };
        hub.registration.live().await;
        hub.placement.live().await;
        hub.work.live().await;
        hub.addon.live().await;
        hub.core.live().await;
        Ok(hub)
    }

    /// Its data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Its keys and users.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.server.identity()
    }

    /// The running registration service, for those who look inside.
    #[must_use]
    pub const fn registration(&self) -> &Arc<Context<Registration>> {
        &self.registration
    }

    /// What its services run among: ends with the first that fails.
    #[must_use]
    pub const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Speaks to it as its administrator.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn admin(&self) -> Result<Hub, Failure> {
        let broker = JetStream::connect(self.url(), self.identity().admin()?, "admin").await?;
        Ok(Hub::over(broker, Actor::new("admin"), Arc::new(Ids::Random)))
    }

    /// A connection of its operator.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn operator(&self) -> Result<SharedBroker, Failure> {
        Ok(JetStream::connect(self.url(), self.identity().operator()?, "operator").await?)
    }

    /// Answers agents on other machines at `listener`, and tells others of it.
    ///
    /// # Errors
    /// A folder that cannot be read or written.
    pub fn listen(&self, listener: Listener) -> Result<String, Failure> {
        let authority = Authority::load_or_create(self.dir(), Clock::System.now())?;
        let nats = self.url().trim_start_matches("nats://");
        let nats = nats.parse().map_err(anyhow::Error::from)?;
        let url = listener.url();
        listener.open(authority, nats, Bounds::default(), &self.tasks)?;
        self.server.listens_at(url.clone())?;
        Ok(url)
    }

    /// Serves the hub API at an address, and writes the kubeconfig of its administrator; answers
    /// where that lies.
    ///
    /// # Errors
    /// An address that cannot be had, a folder that cannot be read or written.
    pub async fn serve_api(&self, address: SocketAddr) -> Result<PathBuf, Failure> {
        let refused = |why: anyhow::Error| {
            let advice = "choose a free port of an address of this machine: --api 127.0.0.1:6443";
            Failure::new("CLI0056", format!("the hub API cannot be served: {why:#}"), advice)
        };
        let listener = Listening::bind(address).await.map_err(refused)?;
        let credentials = self.identity().gateway()?;
        let broker = JetStream::connect(self.url(), credentials, "gateway").await?;
        let (clock, tasks) = (Clock::System, self.tasks.clone());
        let now = clock.now();
        let own = Certificates::load_or_create(&self.dir().join("gateway"), now)?;
        let names = [listener.address.ip().to_string(), "localhost".to_owned()];
        let config = fleetlog_gateway::tls(&own, &names, &[], now)?;
        let url = format!("https://{}", listener.address);
        let file = self.dir().join("kubeconfig");
        let admin = ("admin", ["system:masters"].as_slice());
        let admin = fleetlog_gateway::kubeconfig(&own, &url, admin, now)?;
        fleetlog_gateway::certificates::write_secret(&file, &admin)?;
        let ids = Arc::new(Ids::Random);
        let certificates = own;
        let ground = fleetlog_gateway::Ground {
            broker,
            clock,
            ids,
            tasks,
            certificates,
            url,
            limits: fleetlog_gateway::Limits::default(),
        };
        let gateway = Gateway::start(ground)?;
        gateway.ready().await;
        listener.open(&gateway, config);
        Ok(file)
    }

    /// Starts the server again whenever it ends by itself; answers when that happens too often.
    /// `tell` hears how much room its disk has, when that changes. Watches the mirror of followers
    /// too.
    pub async fn keep_running(&self, tell: impl Fn(&RoomChange)) -> Failure {
        tokio::select! {
            biased;
            failed = self.server.keep_running(Restarts::default(), tell) => failed.into(),
            never = self.watch_mirror() => match never {},
        }
    }

    /// Lets the services finish what is in hand, stops them, then the server. Dropped before, it
    /// ends everything at once.
    pub async fn stop(self) {
        let Self { registration, placement, work, addon, core, .. } = &self;
        tokio::join!(
            registration.drain(),
            placement.drain(),
            work.drain(),
            addon.drain(),
            core.drain()
        );
        self.tasks.abort();
        self.server.end().await;
    }
}

/// A connection of the operator to the hub that runs on a folder.
///
/// # Errors
/// When the folder cannot be read or the hub does not answer.
pub async fn connect_operator(folder: &Path) -> Result<SharedBroker, Failure> {
    crate::hub::connect(folder, "operator").await
}

async fn ground(server: &RunningHub, tasks: &Tasks, service: Service) -> Result<Ground, Failure> {
    let credentials = server.identity().service(service)?;
    let broker = JetStream::connect(server.url(), credentials, service.token()).await?;
    Ok(Ground {
        bus: Bus::new(broker, tasks),
        clock: Clock::System,
        ids: Arc::new(Ids::Random),
        tasks: tasks.clone(),
        bounds: fleetlog_chassis::Bounds::default(),
    })
}

fn registration_settings(identity: &Identity) -> Result<fleetlog_registration::Settings, Failure> {
    let role = identity.agent_role()?;
    let work_key = identity.delivery_key()?.public_key();
    Ok(fleetlog_registration::Settings::new(identity.hub_id(), role.account, role.key, work_key))
}
