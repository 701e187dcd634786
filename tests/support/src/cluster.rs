//! Three real servers as one hub, as a guard: accounts and permissions as everywhere, on free ports
//! of loopback, the log on all three. No service runs in it.

use crate::{MADE, eventually_within};
use anyhow::{Context as _, ensure};
use fleetlog_bus::{Credentials, JetStream, SharedBroker};
use fleetlog_tools::{NatsConfig, NatsServer};
use fleetlog_topology::apply::{connect, settle};
use fleetlog_topology::server::{configuration, settings};
use fleetlog_topology::{Folder, Identity, Profile};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// How much each server may store.
const MOST: u64 = 1 << 30;
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
        let mut cluster = Self::bare(Profile::Dev).await?;
        cluster.settle().await?;
        Ok(cluster)
    }

    /// The same with no stream, its servers set as a profile says, and the folder as the first of
    /// them would leave it for the command.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn bare(profile: Profile) -> anyhow::Result<Self> {
        let binary =
            tokio::task::spawn_blocking(|| fleetlog_tools::nats_server(&fleetlog_tools::quiet));
        let binary = binary.await??;
        let dir = tempfile::tempdir()?;
        let folder = Folder::open(dir.path(), MADE)?;
        let texts = texts(folder.identity(), dir.path(), profile)?;
        let servers = tokio::task::spawn_blocking(move || {
            texts.iter().map(|text| server(&binary, text)).collect::<anyhow::Result<Vec<_>>>()
        });
        let servers = servers.await??;
        let (events, connections) = (Value::Null, AtomicUsize::new(0));
        let cluster = Self { servers, folder, events, connections, _dir: dir };
        cluster.announce()?;
        let ready = async || {
            let client = connect(cluster.url(), &cluster.identity().operator().ok()?).await.ok()?;
            let answer = client.request("$JS.API.INFO", "".into()).await.ok()?;
            let answer: Value = serde_json::from_slice(&answer.payload).ok()?;
            answer.get("error").is_none().then_some(())
        };
        eventually_within(AGREED_WITHIN, "they have a leader", ready).await?;
        Ok(cluster)
    }

    /// Writes into `hub.json` where the first server is.
    fn announce(&self) -> anyhow::Result<()> {
        let (file, first) = (self.dir().join("hub.json"), &self.servers[0]);
        let mut hub: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
        hub["natsUrl"] = json!(first.url());
        hub["natsServerId"] = json!(first.info().server_id);
        Ok(std::fs::write(file, hub.to_string())?)
    }

    /// The data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.folder.dir()
    }

    /// Where the first server is.
    #[must_use]
    pub fn url(&self) -> &str {
        self.servers[0].url()
    }

    /// What each server says of its JetStream, under HTTP.
    ///
    /// # Errors
    /// One that does not answer.
    pub fn said(&self) -> anyhow::Result<Vec<Value>> {
        self.servers.iter().map(|server| monitored(server.log(), "/jsz")).collect()
    }

    /// Kills the last server; it stays away.
    pub fn lose_one(&mut self) {
        drop(self.servers.pop());
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
fn texts(identity: &Identity, dir: &Path, profile: Profile) -> anyhow::Result<Vec<PathBuf>> {
    // Held together, so that they differ; free again before the servers take them.
    let held =
        (0..3).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<Vec<_>, _>>()?;
    let ports = held.iter().map(|listener| Ok(listener.local_addr()?.port()));
    let ports = ports.collect::<anyhow::Result<Vec<u16>>>()?;
    let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let write = |(number, port): (usize, &u16)| {
        // The first is where the one server of a hub would be.
        let own = format!("server{number}");
        let folder = dir.join(if number == 0 { "nats" } else { &own });
        std::fs::create_dir_all(&folder)?;
        let settings = settings(profile.sync(), profile.max_memory());
        let text = configuration(identity, &folder, &settings, MOST);
        let named = |line: &str| match line.starts_with("server_name:") {
            true => format!("server_name: {own}\nhttp: \"127.0.0.1:-1\"\n"),
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

/// What a server answers under HTTP; its ports lie beside its log.
fn monitored(log: &Path, path: &str) -> anyhow::Result<Value> {
    let ports = log.parent().context("a log in no folder")?.join("ports");
    let file = std::fs::read_dir(ports)?.next().context("no ports are told")??.path();
    let ports: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let address = ports["monitoring"][0].as_str().context("it is not monitored")?;
    let mut stream = TcpStream::connect(address.trim_start_matches("http://"))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("it is no answer")?;
    Ok(serde_json::from_str(body)?)
}
