//! Three real servers as one hub, as a guard: accounts and permissions as everywhere, on free ports
//! of loopback, the log on all three. No service runs in it.

use crate::{MADE, eventually_within};
use anyhow::{Context as _, ensure};
use fleetlog_bus::{Credentials, JetStream, SharedBroker};
use fleetlog_tools::{NatsConfig, NatsServer};
use fleetlog_topology::apply::{connect, settle};
use fleetlog_topology::server::{Sync, configuration, settings};
use fleetlog_topology::{Folder, Identity, Profile};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// How much each server may store.
const MOST: u64 = 1 << 30;
/// The same in memory.
const MEMORY: u64 = 256 << 20;
/// How long three servers may take to agree on something, on a busy machine.
const AGREED_WITHIN: Duration = Duration::from_secs(60);
const EVENTS: &str = "EVENTS";

/// A hub of three servers for one test.
pub struct TestCluster {
    /// Dropped first: the servers end before their folder goes.
    servers: Vec<NatsServer>,
    folder: Folder,
    /// The log as topology has it, but on three servers.
    events: Value,
    connections: AtomicUsize,
    _dir: TempDir,
}

impl TestCluster {
    /// Starts it; obtains nats-server when there is none.
    ///
    /// # Errors
    /// No server can be obtained or started, or they do not agree.
    pub async fn start() -> anyhow::Result<Self> {
        let binary =
            tokio::task::spawn_blocking(|| fleetlog_tools::nats_server(&fleetlog_tools::quiet));
        let binary = binary.await??;
        let dir = tempfile::tempdir()?;
        let folder = Folder::open(dir.path(), MADE)?;
        let texts = texts(folder.identity(), dir.path())?;
        let servers = tokio::task::spawn_blocking(move || {
            texts.iter().map(|text| server(&binary, text)).collect::<anyhow::Result<Vec<_>>>()
        });
        let servers = servers.await??;
        let (events, connections) = (Value::Null, AtomicUsize::new(0));
        let mut cluster = Self { servers, folder, events, connections, _dir: dir };
        cluster.settle().await?;
        Ok(cluster)
    }

    /// Makes every stream once they have a leader; EVENTS is made anew on all three.
    async fn settle(&mut self) -> anyhow::Result<()> {
        let operator = self.folder.identity().operator()?;
        let url = self.servers[0].url().to_owned();
        let made = async || {
            let client = connect(&url, &operator).await.ok()?;
            settle(&client, Profile::Dev).await.ok()
        };
        eventually_within(AGREED_WITHIN, "every stream is made", made).await?;
        let info = self.ask("STREAM.INFO", &json!({})).await?;
        self.events = info["config"].clone();
        self.events["num_replicas"] = json!(3);
        self.anew().await
    }

    /// An empty log, as if nothing had been.
    ///
    /// # Errors
    /// Servers that do not agree.
    pub async fn anew(&self) -> anyhow::Result<()> {
        let gone = async || self.ask("STREAM.DELETE", &json!({})).await.ok();
        eventually_within(AGREED_WITHIN, "the log is deleted", gone).await?;
        let made = async || self.ask("STREAM.CREATE", &self.events).await.ok();
        eventually_within(AGREED_WITHIN, "the log is made", made).await?;
        let current = async || {
            let info = self.ask("STREAM.INFO", &json!({})).await.ok()?;
            let replicas = info.pointer("/cluster/replicas")?.as_array()?;
            let all = replicas.iter().filter(|replica| replica["current"] == true).count() == 2;
            (all && info.pointer("/cluster/leader").is_some()).then_some(())
        };
        eventually_within(AGREED_WITHIN, "all three have the log", current).await
    }

    async fn ask(&self, call: &str, body: &Value) -> anyhow::Result<Value> {
        let client = connect(self.servers[0].url(), &self.folder.identity().operator()?).await?;
        let subject = format!("$JS.API.{call}.{EVENTS}");
        let answer = client.request(subject, body.to_string().into()).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        ensure!(answer.get("error").is_none(), "{call}: {}", answer["error"]);
        Ok(answer)
    }

    /// Their keys and users.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.folder.identity()
    }

    /// A connection of any user but a join token's, each to the next of the servers.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn connect(&self, credentials: Credentials) -> anyhow::Result<SharedBroker> {
        let name = credentials.name().context("the credentials name nobody")?;
        let next = self.connections.fetch_add(1, Ordering::Relaxed) % self.servers.len();
        Ok(JetStream::connect(self.servers[next].url(), credentials, &name).await?)
    }
}

/// A folder for each server, with its configuration in it.
fn texts(identity: &Identity, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    // Held together, so that they differ; free again before the servers take them.
    let held =
        (0..3).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<Vec<_>, _>>()?;
    let ports = held.iter().map(|listener| Ok(listener.local_addr()?.port()));
    let ports = ports.collect::<anyhow::Result<Vec<u16>>>()?;
    let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let write = |(number, port): (usize, &u16)| {
        let folder = dir.join(format!("server{number}"));
        std::fs::create_dir_all(&folder)?;
        let settings = settings(Sync::Default, MEMORY);
        let text = configuration(identity, &folder, &settings, MOST);
        let named = |line: &str| match line.starts_with("server_name:") {
            true => format!("server_name: server{number}\n"),
            false => format!("{line}\n"),
        };
        let text: String = text.lines().map(named).collect();
        let cluster = format!(
            "cluster {{ name: three, listen: \"127.0.0.1:{port}\", routes: [{}] }}\n",
            routes.join(", ")
        );
        std::fs::write(folder.join("nats.conf"), text + &cluster)?;
        Ok(folder)
    };
    ports.iter().enumerate().map(write).collect()
}

fn server(binary: &Path, folder: &Path) -> anyhow::Result<NatsServer> {
    Ok(NatsServer::start(&NatsConfig {
        binary: binary.to_owned(),
        config_file: Some(folder.join("nats.conf")),
        port: None,
        folder: folder.to_owned(),
    })?)
}
