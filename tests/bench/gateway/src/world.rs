//! What the figures stand on: both servers, started when one first needs them, and the clusters
//! that both hold.

use crate::client::Ask;
use crate::clusters::{PATH, name, object, remade};
use crate::ground::Scale;
use crate::server::Server;
use crate::writes::{Written, run};
use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::Value;

/// Clients that write at once.
pub const CLIENTS: usize = 32;

/// Both servers.
pub struct World {
    /// A part of each size.
    pub scale: Scale,
    /// Whether the baseline is a second hub.
    itself: bool,
    pair: Option<Pair>,
}

/// Both servers, with the same clusters.
pub struct Pair {
    /// The hub.
    pub hub: Server,
    /// The baseline.
    pub kube: Server,
    /// How many clusters both have.
    pub clusters: usize,
    /// What it took to make them: here and there.
    pub made: [Written; 2],
}

impl World {
    /// Nothing yet.
    #[must_use]
    pub const fn new(scale: Scale, itself: bool) -> Self {
        Self { scale, itself, pair: None }
    }

    /// Both servers with 10,000 clusters each.
    ///
    /// # Errors
    /// A server that does not start, or does not take them.
    pub async fn pair(&mut self) -> Result<&mut Pair> {
        if self.pair.is_none() {
            self.pair = Some(Pair::start(self.scale.of(10_000, 200), self.itself).await?);
        }
        self.pair.as_mut().context("it was started")
    }
}

impl Pair {
    async fn start(clusters: usize, itself: bool) -> Result<Self> {
        let hub = Server::hub().await?;
        let kube = if itself { Server::hub().await? } else { Server::kube().await? };
        let create = |object: &Value| Ask::with(Method::POST, PATH, object.to_string());
        let mut objects: Vec<Value> = (0..clusters).map(|number| object(number, false)).collect();
        let here = run(&hub, CLIENTS, clusters, |number| create(&objects[number])).await?;
        let list = hub.line().await?.document(Ask::get(PATH)).await?;
        for item in list["items"].as_array().context("no list")? {
            let given = item["metadata"]["name"].as_str().unwrap_or_default();
            let number = given.trim_start_matches("cluster").parse::<usize>()?;
            ensure!(name(number) == given, "a cluster of another name");
            objects[number] = remade(item.clone());
        }
        let there = run(&kube, CLIENTS, clusters, |number| create(&objects[number])).await?;
        Ok(Self { hub, kube, clusters, made: [here, there] })
    }

    /// Here and there.
    #[must_use]
    pub const fn both(&self) -> [&Server; 2] {
        [&self.hub, &self.kube]
    }
}
