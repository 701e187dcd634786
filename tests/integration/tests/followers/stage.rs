//! A hub with registration, somebody who orders things of it, and followers.

use fleetlog_bus::{Credentials, Follower, Publish};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Ids, Tasks};
use fleetlog_kernel::{CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::common::Commit;
use fleetlog_messages::envelope::CommitHeader;
use fleetlog_messages::subject::AggregateId;
use fleetlog_registration::Registration;
use fleetlog_test_support::{MADE, TestHub};
use fleetlog_topology::followers;
use prost::Message as _;
use std::sync::Arc;

pub struct Stage {
    pub hub: TestHub,
    tasks: Tasks,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self { hub: TestHub::start().await.unwrap(), tasks: Tasks::default() }
    }

    /// Starts registration.
    pub async fn decides(&self) -> Arc<Context<Registration>> {
        let identity = self.hub.identity().unwrap();
        let role = identity.agent_role().unwrap();
        let key = identity.delivery_key().unwrap().public_key();
        let settings =
            fleetlog_registration::Settings::new(identity.hub_id(), role.account, role.key, key);
        let ground = Ground {
            bus: Bus::new(self.hub.service(Service::Registration).await.unwrap(), &self.tasks),
            clock: Clock::System,
            ids: Arc::new(Ids::Random),
            tasks: self.tasks.clone(),
            bounds: Bounds::default(),
        };
        let context = fleetlog_registration::start(ground, settings).await.unwrap();
        context.live().await;
        context
    }

    /// What `hub follower create` prints.
    pub async fn follower(&self, name: &str, subjects: &[&str]) -> Credentials {
        let subjects: Vec<String> = subjects.iter().map(|&s| s.to_owned()).collect();
        let (dir, url) = (self.hub.dir(), self.hub.url());
        followers::create(dir, url, name, &subjects, MADE).await.unwrap()
    }

    pub async fn follows(&self, name: &str, subjects: &[&str]) -> Follower {
        let credentials = self.follower(name, subjects).await;
        Follower::connect(self.hub.url(), credentials).await.unwrap()
    }

    /// Appends a commit of one event as the service would; answers its position.
    pub async fn append(&self, to: &AggregateId, schema: &str, kind: &str, event: Vec<u8>) -> u64 {
        let id = format!("{to} {kind} {}", event.len());
        let header = CommitHeader {
            id: MessageId::new(&*id),
            types: vec![kind.to_owned()],
            schema: schema.to_owned(),
            version: 1,
            cause: Position::START,
            cause_index: 0,
            command: CommandId::new(&*id),
            correlation: id,
            actor: "alice".to_owned(),
            time: Timestamp::of_seconds(1_700_000_000),
            service: to.service,
        };
        let publish = Publish {
            subject: to.event().as_str().to_owned(),
            headers: header.to_map(),
            payload: Commit { events: vec![event.into()] }.encode_to_vec().into(),
            ..Publish::default()
        };
        let broker = self.hub.service(to.service).await.unwrap();
        broker.publish(publish).await.unwrap().sequence
    }
}
