//! One short-lived push consumer: what the server sends, in order, with every gap noticed. What
//! follows from a gap is `reading`'s.

use super::api::{ApiError, call};
use super::link::{Link, Losses};
use super::wire::{Place, of_delivered};
use crate::fault::Fault;
use crate::port::StoredMessage;
use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use fleetlog_messages::subject::Subject;
use futures::{FutureExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How often a consumer without messages says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The same for a list, where it says that nothing more comes.
const LIST_HEARTBEAT: Duration = Duration::from_millis(500);
/// After how much silence it counts as lost.
const SILENCE: Duration = Duration::from_secs(12);
/// How long the server keeps a consumer that nobody listens to.
const KEPT: Duration = Duration::from_secs(5);

/// Where a consumer starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// At a sequence; 0 and 1 are the beginning.
    At(u64),
    /// With the last message of each subject.
    LastOfEach,
}

impl Start {
    fn write(self, config: &mut Value) {
        match self {
            Self::At(0 | 1) => config["deliver_policy"] = json!("all"),
            Self::At(sequence) => {
                config["deliver_policy"] = json!("by_start_sequence");
                config["opt_start_seq"] = json!(sequence);
            }
            Self::LastOfEach => config["deliver_policy"] = json!("last_per_subject"),
        }
        config["idle_heartbeat"] = json!(nanos(self.heartbeat()));
    }

    fn heartbeat(self) -> Duration {
        if matches!(self, Self::LastOfEach) { LIST_HEARTBEAT } else { HEARTBEAT }
    }
}

/// Why a consumer is of no use any more.
#[derive(Debug)]
pub(super) enum Broken {
    /// A message is missing, or the server forgot the consumer, or the connection was lost.
    Gap,
    /// Of a list: nothing more comes, although more was announced; it ran out or was replaced.
    Idle,
    /// The connection is closed for good.
    Closed,
}

#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    num_pending: u64,
}

/// A consumer that lives as long as this value.
pub(super) struct Push {
    link: Arc<Link>,
    delete: String,
    messages: Subscriber,
    losses: Losses,
    number: u64,
    is_list: bool,
}

impl Push {
    /// Makes a consumer; answers it and how many messages wait for it.
    pub(super) async fn open(
        link: &Arc<Link>,
        stream: &str,
        filter: &Subject,
        start: Start,
    ) -> Result<Result<(Self, u64), ApiError>, Fault> {
        let step = format!("read \"{filter}\" of stream \"{stream}\"");
        let losses = link.losses();
        let inbox = link.client.new_inbox();
        let messages = link.client.subscribe(inbox.clone()).await;
        let messages = messages.map_err(|error| Fault::passing(step.as_str(), error))?;
        let name = inbox.trim_start_matches("_INBOX_").replace('.', "-");
        let mut config = json!({
            "name": name,
            "deliver_subject": inbox,
            "filter_subject": filter.as_str(),
            "ack_policy": "none",
            "replay_policy": "instant",
            "max_deliver": 1,
            "flow_control": true,
            "inactive_threshold": nanos(KEPT),
            "mem_storage": true,
            "num_replicas": 1,
        });
        start.write(&mut config);
        let body = json!({ "stream_name": stream, "config": config, "action": "create" });
        let create = format!("CONSUMER.CREATE.{stream}.{name}.{filter}");
        let made = call::<Made>(link, &create, &body, &step).await?;
        let delete = format!("$JS.API.CONSUMER.DELETE.{stream}.{name}");
        let is_list = matches!(start, Start::LastOfEach);
        let push = Self { link: link.clone(), delete, messages, losses, number: 0, is_list };
        Ok(made.map(|made| (push, made.num_pending)))
    }

    /// The next message. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<StoredMessage, Broken> {
        loop {
            let message = match self.messages.next().now_or_never() {
                Some(message) => message,
                None => self.wait().await?,
            };
            let Some(message) = message else { return Err(Broken::Closed) };
            match message.status {
                Some(StatusCode::IDLE_HEARTBEAT) => self.heartbeat(message).await?,
                Some(_) => return Err(Broken::Gap),
                None => {
                    let place = message.reply.as_deref().and_then(Place::of);
                    let place = place.filter(|place| place.number == self.number + 1);
                    let place = place.ok_or(Broken::Gap)?;
                    self.number = place.number;
                    return Ok(of_delivered(&message, &place));
                }
            }
        }
    }

    async fn wait(&mut self) -> Result<Option<async_nats::Message>, Broken> {
        tokio::select! {
            biased;
            message = self.messages.next() => Ok(message),
            () = self.losses.next() => Err(Broken::Gap),
            () = tokio::time::sleep(SILENCE) => Err(Broken::Gap),
        }
    }

    /// Lets the server go on (flow control), or checks that nothing is missing.
    async fn heartbeat(&self, message: async_nats::Message) -> Result<(), Broken> {
        let header = |name: &str| {
            let headers = message.headers.as_ref()?;
            headers.get_last(name).map(ToString::to_string)
        };
        let stalled = header("Nats-Consumer-Stalled");
        if let Some(go_on) = message.reply.as_ref().map(ToString::to_string).or(stalled) {
            let told = self.link.client.publish(go_on, Bytes::new()).await;
            return told.map_err(|_| Broken::Closed);
        }
        let last = header("Nats-Last-Consumer").and_then(|text| text.parse::<u64>().ok());
        match last {
            Some(last) if last != self.number => Err(Broken::Gap),
            _ if self.is_list => Err(Broken::Idle),
            _ => Ok(()),
        }
    }
}

impl Drop for Push {
    /// Tells the server that the consumer can go; if that is lost it goes by itself.
    fn drop(&mut self) {
        if !self.losses.any() {
            let told = self.link.client.publish(std::mem::take(&mut self.delete), Bytes::new());
            let _ = told.now_or_never();
        }
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
