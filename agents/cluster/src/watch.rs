//! One watch as an endless stream of events for the machine: list, then follow, list again when the
//! server has forgotten where we were. Nothing is cached and nothing is asked in a rhythm.

use crate::member::{Events, Member};
use crate::wire::Refused;
use fleetlog_agent_core::{Event, Pace, WatchKey};
use futures::stream::{self, BoxStream, StreamExt as _};
use kube::core::WatchEvent;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};

/// The history that was asked for is gone.
const GONE: u16 = 410;

struct Watch {
    member: Member,
    key: WatchKey,
    pace: Pace,
    phase: Phase,
    ready: VecDeque<Event>,
    failures: u32,
}

enum Phase {
    List,
    Wait(Refused),
    Open(String),
    Follow(String, Events),
}

/// Everything that `key` covers, from now on.
pub(crate) fn watch(member: Member, key: WatchKey, pace: Pace) -> BoxStream<'static, Event> {
    let watch =
        Watch { member, key, pace, phase: Phase::List, ready: VecDeque::new(), failures: 0 };
    let next = |mut watch: Watch| async move {
        loop {
            if let Some(event) = watch.ready.pop_front() {
                return Some((event, watch));
            }
            watch.go_on().await;
        }
    };
    stream::unfold(watch, next).boxed()
}

impl Watch {
    async fn go_on(&mut self) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::List) {
            Phase::List => match self.list().await {
                Ok(version) => {
                    self.failures = 0;
                    Phase::Open(version)
                }
                Err(refused) => {
                    self.unlisted(&refused);
                    Phase::Wait(refused)
                }
            },
            // After what was found is told: later it may not be true any more.
            Phase::Wait(refused) => {
                self.back_off(&refused).await;
                Phase::List
            }
            Phase::Open(version) => match self.member.events(&self.key, &version).await {
                Ok(events) => Phase::Follow(version, events),
                Err(refused) if refused.code == GONE => Phase::List,
                Err(refused) => {
                    self.back_off(&refused).await;
                    if self.failures > 2 { Phase::List } else { Phase::Open(version) }
                }
            },
            Phase::Follow(version, mut events) => {
                let event = events.next().await;
                self.followed(version, events, event).await
            }
        };
    }

    async fn list(&mut self) -> Result<String, Refused> {
        let (mut names, mut more) = (BTreeSet::new(), None);
        let mut seen = Vec::new();
        loop {
            let page = self.member.list(&self.key, more.as_deref()).await?;
            for object in page.items {
                let name = |key: &str| {
                    let text = object.pointer(&format!("/metadata/{key}")).and_then(Value::as_str);
                    text.unwrap_or_default().to_owned()
                };
                names.insert((name("namespace"), name("name")));
                seen.push(Event::Seen(self.key.clone(), Box::new(object)));
            }
            more = page.more;
            if more.is_none() {
                self.ready.extend(seen);
                self.ready.push_back(Event::Listed(self.key.clone(), names));
                return Ok(page.version);
            }
        }
    }

    /// A kind that the cluster lacks has no objects; one that is hidden from us may have.
    fn unlisted(&mut self, refused: &Refused) {
        if refused.code == 404 {
            self.ready.push_back(Event::Listed(self.key.clone(), BTreeSet::new()));
        } else if self.failures == 0 {
            self.ready.push_back(Event::Unlisted(self.key.clone()));
        }
    }

    async fn followed(
        &mut self,
        version: String,
        events: Events,
        event: Option<Result<WatchEvent<Value>, Refused>>,
    ) -> Phase {
        let refused = match event {
            Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                return self.heard(version, events, object, Event::Seen);
            }
            Some(Ok(WatchEvent::Deleted(object))) => {
                return self.heard(version, events, object, Event::Gone);
            }
            Some(Ok(WatchEvent::Bookmark(mark))) => {
                self.failures = 0;
                return Phase::Follow(mark.metadata.resource_version, events);
            }
            Some(Ok(WatchEvent::Error(status))) => {
                Refused { code: status.code, message: status.message }
            }
            Some(Err(refused)) => refused,
            None => Refused { code: 0, message: "the watch ended".to_owned() },
        };
        if refused.code == GONE {
            return Phase::List;
        }
        self.back_off(&refused).await;
        Phase::Open(version)
    }

    fn heard(
        &mut self,
        version: String,
        events: Events,
        object: Value,
        event: fn(WatchKey, Box<Value>) -> Event,
    ) -> Phase {
        self.failures = 0;
        let now = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let version = now.map_or(version, str::to_owned);
        self.ready.push_back(event(self.key.clone(), Box::new(object)));
        Phase::Follow(version, events)
    }

    async fn back_off(&mut self, refused: &Refused) {
        tracing::debug!(watch = ?self.key, why = refused.message, "a watch starts again");
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(self.pace.backoff(self.failures)).await;
    }
}
