//! The user: sends commands, sends them again under the same id when no outcome is heard, and
//! remembers what was answered.

use crate::hub::Hub;
use crate::life::{Life, Who};
use bytes::Bytes;
use fleetlog_bus::{Client, Commands, Publish, SharedBroker};
use fleetlog_kernel::{Actor, CommandId, ContentHash, Position};
use fleetlog_messages::common::Outcome;
use fleetlog_messages::subject::AggregateId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The user's name.
pub const ACTOR: &str = "ann";

/// One command as the user knows it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Whom it is for.
    pub to: AggregateId,
    /// What it is.
    pub payload: Bytes,
    /// What came of it, once it is heard.
    pub outcome: Option<Outcome>,
}

/// The user.
#[derive(Clone)]
pub struct User {
    client: Client,
    broker: SharedBroker,
    count: Arc<AtomicU64>,
    sent: Arc<Mutex<BTreeMap<String, Sent>>>,
    waits_since: Arc<Mutex<Option<Instant>>>,
}

impl User {
    /// A user of the hub.
    #[must_use]
    pub fn new(hub: &Hub) -> Self {
        let broker = hub.line(&Arc::new(Life::new(Who::User, Position::START)));
        // Every command here is sent under an id of the caller's.
        let client = Client::new(broker.clone(), Actor::new(ACTOR), || CommandId::new("none"));
        let (count, sent, waits_since) = (Arc::default(), Arc::default(), Arc::default());
        Self { client, broker, count, sent, waits_since }
    }

    /// An id nobody has used.
    #[must_use]
    pub fn id(&self) -> CommandId {
        CommandId::new(format!("cmd-{}", self.count.fetch_add(1, Ordering::Relaxed)))
    }

    /// Sends a command until its outcome is heard.
    pub async fn command(&self, id: &CommandId, to: &AggregateId, payload: Bytes) -> Outcome {
        let sent = Sent { to: to.clone(), payload: payload.clone(), outcome: None };
        self.all().entry(id.to_string()).or_insert(sent);
        self.waits(Some(Instant::now()));
        loop {
            if let Ok(outcome) = self.client.command_as(id, to, payload.clone()).await {
                if let Some(sent) = self.all().get_mut(id.as_str()) {
                    sent.outcome.get_or_insert_with(|| outcome.clone());
                }
                self.waits(None);
                return outcome;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Hands content over until the hub has it.
    pub async fn put(&self, content: Bytes) -> ContentHash {
        loop {
            if let Ok(hash) = self.client.put_blob(content.clone()).await {
                return hash;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Sends a known command once more, without waiting.
    pub async fn repeat(&self, id: &str) {
        let Some(sent) = self.all().get(id).cloned() else { return };
        let commands = Commands::new(self.broker.clone());
        let (actor, id) = (Actor::new(ACTOR), CommandId::new(id));
        let _ = commands.send(&actor, &sent.to, &id, sent.payload).await;
    }

    /// Sends what nobody can read.
    pub async fn babble(&self, to: &AggregateId, id: &CommandId) {
        let subject = to.command(&Actor::new(ACTOR)).as_str().to_owned();
        let name = fleetlog_messages::envelope::header::COMMAND.to_owned();
        let headers = [(name, id.to_string())].into();
        let payload = Bytes::from_static(&[0xff; 9]);
        let message = Publish { subject, headers, payload, ..Publish::default() };
        let _ = self.broker.publish(message).await;
    }

    /// Everything sent, by id.
    #[must_use]
    pub fn sent(&self) -> BTreeMap<String, Sent> {
        self.all().clone()
    }

    /// How long the user has waited for the outcome of a command.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let since = *self.waits_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn waits(&self, since: Option<Instant>) {
        *self.waits_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
