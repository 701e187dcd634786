//! What the suite needs of a member cluster: a client, and nothing else.

use fleetlog_simcluster::{Options, SimCluster};
use fleetlog_test_support::KubeMember;
use http::{Method, Request};
use kube::Client;
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long things last in the cases: time that nobody has to wait for may be long.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Long after anything that could still happen.
    pub long: Duration,
    /// Long enough for a silent line to be noticed.
    pub silence: Duration,
    /// The life of a credential, in seconds.
    pub life: i64,
}

/// A member cluster.
pub trait Member: Send + Sync {
    /// A client with every right.
    fn client(&self) -> Client;

    /// The name of a namespace that only this case has.
    fn shop(&self) -> String;

    /// How long things last.
    fn times(&self) -> Times;
}

/// An in-memory member, on a clock that leaps over waits.
pub struct Simulated(SimCluster);

impl Simulated {
    /// A new cluster.
    pub fn start(_case: &str) -> Option<Self> {
        Some(Self(SimCluster::new(Options::new("member", 7))))
    }
}

impl Member for Simulated {
    fn client(&self) -> Client {
        self.0.client()
    }

    fn shop(&self) -> String {
        "shop".into()
    }

    fn times(&self) -> Times {
        Times { long: Duration::from_secs(3_600), silence: Duration::from_secs(60), life: 60 }
    }
}

/// A namespace of a real Kubernetes API that all cases share.
pub struct Real(KubeMember, String);

impl Real {
    /// The shared server; `None` (and the case counts as skipped) where none can be had.
    pub fn start(case: &str) -> Option<Self> {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let count = CASES.fetch_add(1, Ordering::Relaxed);
        let member = KubeMember::shared(&format!("{case} on a real kube-apiserver"))?;
        Some(Self(member, format!("shop-{count}")))
    }
}

impl Member for Real {
    fn client(&self) -> Client {
        self.0.client().unwrap()
    }

    fn shop(&self) -> String {
        self.1.clone()
    }

    fn times(&self) -> Times {
        Times { long: Duration::from_secs(3), silence: Duration::from_secs(16), life: 5 }
    }
}

/// Requests of somebody who is not the agent.
pub struct Api(Client);

impl Api {
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// An object, or nothing.
    pub async fn get(&self, path: &str) -> Option<Value> {
        self.send(Method::GET, path, "", Value::Null).await.ok()
    }

    /// How many objects a collection holds.
    pub async fn count(&self, path: &str) -> usize {
        let list = self.get(path).await.unwrap_or_default();
        list["items"].as_array().map_or(0, Vec::len)
    }

    pub async fn create(&self, path: &str, object: Value) -> Value {
        self.send(Method::POST, path, "application/json", object).await.unwrap()
    }

    pub async fn merge(&self, path: &str, patch: Value) -> Value {
        let path = format!("{path}?fieldManager=somebody");
        self.send(Method::PATCH, &path, "application/merge-patch+json", patch).await.unwrap()
    }

    pub async fn delete(&self, path: &str) {
        self.send(Method::DELETE, path, "application/json", Value::Null).await.unwrap();
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Value,
    ) -> Result<Value, kube::Error> {
        let mut request = Request::builder().method(method).uri(path);
        if !content.is_empty() {
            request = request.header("content-type", content);
        }
        let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        self.0.request::<Value>(request.body(bytes).unwrap()).await
    }
}
