//! A hub in memory with a gateway, and a client of it.

use bytes::Bytes;
use fleetlog_bus::{Memory, SharedBroker, StoredMessage};
use fleetlog_chassis::{Bounds, Bus, Clock, Ids, Tasks};
use fleetlog_gateway::{Body, Caller, Certificates, Gateway, Ground, Limits};
use fleetlog_kernel::HubId;
use fleetlog_messages::subject::Subject;
use futures::StreamExt as _;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::sync::Arc;

pub const CLUSTERS: &str = "/apis/cluster.open-cluster-management.io/v1/managedclusters";
pub const PLACEMENTS: &str =
    "/apis/cluster.open-cluster-management.io/v1beta1/namespaces/t/placements";
pub const WORKS: &str = "/apis/work.open-cluster-management.io/v1/namespaces/c1/manifestworks";
/// How many watches one user may have.
pub const WATCHES: usize = 256;
const MERGE: &str = "application/merge-patch+json";

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answered {
    /// The body of an answer that was good.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.code), "{self:?}");
        self.body
    }

    /// The code and the reason of a refusal.
    pub fn refused(&self) -> (u16, &str) {
        (self.code, self.body["reason"].as_str().unwrap())
    }
}

/// The hub; its services end with it.
pub struct Stage {
    pub gateway: Gateway,
    pub broker: SharedBroker,
    pub tasks: Tasks,
    services: Tasks,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.abort();
        self.services.abort();
    }
}

/// A hub's streams, empty.
pub fn memory() -> SharedBroker {
    Memory::new(fleetlog_topology::streams(), fleetlog_topology::queues())
}

/// Starts every service.
pub async fn serve(broker: &SharedBroker, tasks: &Tasks) {
    let ground = || fleetlog_chassis::Ground {
        bus: Bus::new(broker.clone(), tasks),
        clock: Clock::System,
        ids: Arc::new(Ids::Random),
        tasks: tasks.clone(),
        bounds: Bounds::default(),
    };
    let work_key = KeyPair::new_account();
    let (account, role) = (KeyPair::new_account().public_key(), KeyPair::new_account());
    let hub = HubId::new("hub");
    let settings = fleetlog_registration::Settings::new(hub, account, role, work_key.public_key());
    fleetlog_registration::start(ground(), settings).await.unwrap().live().await;
    let settings = fleetlog_placement::Settings::default();
    fleetlog_placement::start(ground(), settings).await.unwrap().live().await;
    let settings = fleetlog_work::Settings::new(work_key);
    fleetlog_work::start(ground(), settings).await.unwrap().live().await;
    let settings = fleetlog_addon::Settings::default();
    fleetlog_addon::start(ground(), settings).await.unwrap().live().await;
    let settings = fleetlog_core::Settings::default();
    fleetlog_core::start(ground(), settings).await.unwrap().live().await;
}

impl Stage {
    pub async fn new() -> Self {
        let (broker, tasks, services) = (memory(), Tasks::default(), Tasks::default());
        serve(&broker, &services).await;
        let gateway = gateway(&broker, &tasks).await;
        let stage = Self { gateway, broker, tasks, services };
        stage.post("/api/v1/namespaces", json!({"metadata": {"name": "t"}})).await.ok();
        stage
    }

    /// Whether a stream holds a text somewhere, in a header or a payload.
    pub async fn holds(&self, stream: &str, text: &str) -> bool {
        let within = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        let stored = self.stored(stream).await;
        stored
            .iter()
            .any(|m| within(&m.payload) || m.headers.values().any(|value| within(value.as_bytes())))
    }

    /// How many messages a stream holds.
    pub async fn count(&self, stream: &str) -> usize {
        self.stored(stream).await.len()
    }

    async fn stored(&self, stream: &str) -> Vec<StoredMessage> {
        let reading = self.broker.read(stream, &Subject::raw(">"), 0).await.unwrap();
        let pending = usize::try_from(reading.pending).unwrap();
        reading.messages.take(pending).map(|message| message.unwrap()).collect().await
    }

    /// Asks as somebody, of these groups.
    pub async fn ask(
        &self,
        (user, groups): (&str, &[&str]),
        (method, path): (&str, &str),
        body: Value,
    ) -> Answered {
        let kind = if method == "PATCH" { MERGE } else { "application/json" };
        let request = request(method, path, &[("content-type", kind)], body);
        read(self.gateway.answer(&Caller::known(user, groups), &request).await).await
    }

    /// Asks with these headers over a connection that shows nobody, or an administrator.
    pub async fn ask_by(
        &self,
        shown: &Caller,
        headers: &[(&str, &str)],
        (method, path): (&str, &str),
        body: Value,
    ) -> Answered {
        let all: Vec<_> =
            [("content-type", "application/json")].iter().chain(headers).copied().collect();
        read(self.gateway.answer(shown, &request(method, path, &all, body)).await).await
    }

    /// Ends every service at once.
    pub fn end_services(&self) {
        self.services.abort();
    }

    /// Asks everything to stop, as a process does that is told to end.
    pub fn stop(&self) {
        self.tasks.stop();
    }

    /// Another gateway on the same hub, as after a restart.
    pub async fn another(&self) -> Gateway {
        gateway(&self.broker, &self.tasks).await
    }

    pub async fn get(&self, path: &str) -> Answered {
        read(self.send("GET", path, &[], Value::Null).await).await
    }

    pub async fn get_as(&self, path: &str, accept: &str) -> Answered {
        read(self.send("GET", path, &[("accept", accept)], Value::Null).await).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        read(self.send("POST", path, &[("content-type", "application/json")], body).await).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answered {
        read(self.send("PUT", path, &[("content-type", "application/json")], body).await).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answered {
        read(self.send("PATCH", path, &[("content-type", MERGE)], body).await).await
    }

    pub async fn delete(&self, path: &str, body: Value) -> Answered {
        read(self.send("DELETE", path, &[], body).await).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Response<Body> {
        let who = Caller::known("alice", &["system:masters"]);
        self.gateway.answer(&who, &request(method, path, headers, body)).await
    }

    /// A cluster of this name, accepted.
    pub async fn cluster(&self, name: &str) -> Value {
        let object = json!({"metadata": {"name": name}, "spec": {"hubAcceptsClient": true}});
        self.post(CLUSTERS, object).await.ok()
    }
}

async fn gateway(broker: &SharedBroker, tasks: &Tasks) -> Gateway {
    let gateway = begun(broker, tasks, 2_048);
    gateway.ready().await;
    gateway
}

/// A gateway that may not be ready yet.
pub fn begun(broker: &SharedBroker, tasks: &Tasks, at_once: usize) -> Gateway {
    let (broker, tasks) = (broker.clone(), tasks.clone());
    let clock = Clock::System;
    let certificates = Certificates::create(clock.now()).unwrap();
    let url = "https://hub.example:6443".to_owned();
    let ids = Arc::new(Ids::Random);
    let limits = Limits { at_once, watches: WATCHES };
    let ground = Ground { broker, clock, ids, tasks, certificates, url, limits };
    Gateway::start(ground).unwrap()
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Request<Bytes> {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

pub async fn read(response: Response<Body>) -> Answered {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    Answered { code: parts.status.as_u16(), headers: parts.headers, body }
}

/// A watch, event by event.
pub struct Watching(Body);

impl Watching {
    pub fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), 200);
        Self(response.into_body())
    }

    /// The next event; `None` when the watch has ended.
    pub async fn next(&mut self) -> Option<Value> {
        let frame = self.0.frame().await?.unwrap().into_data().unwrap();
        Some(serde_json::from_slice(&frame).unwrap())
    }

    /// The type and the name of the next event, with its object.
    pub async fn event(&mut self) -> (String, String, Value) {
        let event = self.next().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = event["object"].clone();
        (text(&event["type"]), text(&object["metadata"]["name"]), object)
    }
}

pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}
