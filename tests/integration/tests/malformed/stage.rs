//! A real hub with the five services in this process, each among tasks of its own, so that it is
//! known which of them fails.

use fleetlog_addon::AddOns;
use fleetlog_bus::{SharedBroker, StoredMessage};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Ids, Tasks};
use fleetlog_core::Core;
use fleetlog_kernel::Service;
use fleetlog_messages::subject::Subject;
use fleetlog_placement::Scheduling;
use fleetlog_registration::Registration;
use fleetlog_test_support::TestHub;
use fleetlog_work::Works;
use futures::{FutureExt as _, StreamExt as _};
use std::sync::Arc;

/// The hub and its services.
pub struct Stage {
    /// The services' tasks, in the order of [`Service::ALL`].
    pub tasks: Vec<(Service, Tasks)>,
    registration: Arc<Context<Registration>>,
    placement: Arc<Context<Scheduling>>,
    work: Arc<Context<Works>>,
    addon: Arc<Context<AddOns>>,
    core: Arc<Context<Core>>,
    /// The hub.
    pub hub: TestHub,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|(_, tasks)| tasks.abort());
    }
}

impl Stage {
    /// Starts everything.
    pub async fn start() -> Self {
        let hub = TestHub::start().await.unwrap();
        let (registration, placement, work, addon, core) = (
            Tasks::default(),
            Tasks::default(),
            Tasks::default(),
            Tasks::default(),
            Tasks::default(),
        );
        let tasks = vec![
            (Service::Registration, registration.clone()),
            (Service::Placement, placement.clone()),
            (Service::Work, work.clone()),
            (Service::Addon, addon.clone()),
            (Service::Core, core.clone()),
        ];
        let registration = start_registration(&hub, registration).await;
        let ground = ground(&hub, Service::Placement, placement).await;
        let settings = fleetlog_placement::Settings::default();
        let placement = fleetlog_placement::start(ground, settings).await.unwrap();
        let work = start_work(&hub, work).await;
        let addon = start_addon(&hub, addon).await;
        let core = start_core(&hub, core).await;
        let stage = Self { tasks, registration, placement, work, addon, core, hub };
        stage.live().await;
        stage
    }

    async fn live(&self) {
        self.registration.live().await;
        self.placement.live().await;
        self.work.live().await;
        self.addon.live().await;
        self.core.live().await;
    }

    /// Panics when a task of a service has ended badly.
    pub fn assert_alive(&self) {
        for (service, tasks) in &self.tasks {
            let failed = tasks.join().now_or_never();
            assert!(failed.is_none(), "{service}: {failed:?}");
        }
    }
}

/// What a service stands on.
pub async fn ground(hub: &TestHub, service: Service, tasks: Tasks) -> Ground {
    Ground {
        bus: Bus::new(hub.service(service).await.unwrap(), &tasks),
        clock: Clock::System,
        ids: Arc::new(Ids::Random),
        tasks,
        bounds: Bounds::default(),
    }
}

/// Starts registration among these tasks.
pub async fn start_registration(hub: &TestHub, tasks: Tasks) -> Arc<Context<Registration>> {
    let identity = hub.identity().unwrap();
    let role = identity.agent_role().unwrap();
    let work_key = identity.delivery_key().unwrap().public_key();
    let settings =
        fleetlog_registration::Settings::new(identity.hub_id(), role.account, role.key, work_key);
    let ground = ground(hub, Service::Registration, tasks).await;
    fleetlog_registration::start(ground, settings).await.unwrap()
}

async fn start_work(hub: &TestHub, tasks: Tasks) -> Arc<Context<Works>> {
    let key = hub.identity().unwrap().delivery_key().unwrap();
    let ground = ground(hub, Service::Work, tasks).await;
    fleetlog_work::start(ground, fleetlog_work::Settings::new(key)).await.unwrap()
}

async fn start_addon(hub: &TestHub, tasks: Tasks) -> Arc<Context<AddOns>> {
    let ground = ground(hub, Service::Addon, tasks).await;
    fleetlog_addon::start(ground, fleetlog_addon::Settings::default()).await.unwrap()
}

async fn start_core(hub: &TestHub, tasks: Tasks) -> Arc<Context<Core>> {
    let ground = ground(hub, Service::Core, tasks).await;
    fleetlog_core::start(ground, fleetlog_core::Settings::default()).await.unwrap()
}

/// Everything that lies in a stream.
pub async fn stored(operator: &SharedBroker, stream: &str) -> Vec<StoredMessage> {
    let mut reading = operator.read(stream, &Subject::raw(">"), 0).await.unwrap();
    let (mut found, mut left) = (vec![], reading.pending);
    while left > 0 {
        let message = reading.messages.next().await.unwrap().unwrap();
        left = message.pending;
        found.push(message);
    }
    found
}
