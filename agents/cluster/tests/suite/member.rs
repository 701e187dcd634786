//! What the suite needs of a member cluster: a client, and nothing else.

use fleetlog_simcluster::{Options, SimCluster};
use http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// A member cluster.
pub trait Member: Send + Sync {
    /// A client with every right.
    fn client(&self) -> Client;
}

/// An in-memory member.
pub struct Simulated(SimCluster);

impl Simulated {
    /// A new cluster; other providers may fail here.
    pub fn start() -> Result<Self, std::convert::Infallible> {
        Ok(Self(SimCluster::new(Options::new("member", 7))))
    }
}

impl Member for Simulated {
    fn client(&self) -> Client {
        self.0.client()
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
