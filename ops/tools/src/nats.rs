//! A running nats-server as a value: started on loopback, waited for until it answers, killed on
//! drop.
//!
//! Which accounts and streams it holds is said by the configuration file it is given, not here.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::error::ToolError;
use crate::resolve::check_nats_server;
use crate::supervise::{Supervised, poll, tail_of};

/// How long a server may take until it answers: a large store is read first.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long an orderly stop may take before the server is killed.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// The binary, as [`crate::nats_server`] found it.
    pub binary: PathBuf,
    /// The folder for log, ports file, and (without a configuration file) the store.
    pub folder: PathBuf,
    /// The server's configuration; without one it is open to all and has JetStream in `folder/js`.
    pub config_file: Option<PathBuf>,
    /// The port on 127.0.0.1; without one a free port is taken.
    pub port: Option<u16>,
}

impl NatsConfig {
    /// An open server with JetStream in `folder`, on a free port.
    #[must_use]
    pub fn open(binary: PathBuf, folder: PathBuf) -> Self {
        Self { binary, folder, config_file: None, port: None }
    }
}

/// What a server says of itself when somebody connects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerInfo {
    /// New at every start.
    pub server_id: String,
    /// As its configuration names it.
    pub server_name: String,
    /// Its version.
    pub version: String,
}

#[derive(Deserialize)]
struct PortsFile {
    nats: Vec<String>,
}

/// A server that runs for as long as this value lives.
#[derive(Debug)]
pub struct NatsServer {
    process: Supervised,
    binary: PathBuf,
    url: String,
    log: PathBuf,
    info: ServerInfo,
}

impl NatsServer {
    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    /// A server that is too old, a port in use, or a start that failed with the end of its log.
    pub fn start(config: &NatsConfig) -> Result<Self, ToolError> {
        check_nats_server(&config.binary)?;
        if let Some(port) = config.port {
            TcpListener::bind(("127.0.0.1", port)).map_err(|_| ToolError::PortInUse { port })?;
        }
        let ports = config.folder.join("ports");
        let _ = fs::remove_dir_all(&ports);
        fs::create_dir_all(&ports)
            .map_err(ToolError::io(format!("make \"{}\"", ports.display())))?;
        let log = config.folder.join("nats-server.log");
        let args = arguments(config, &ports);
        let mut process = Supervised::start("nats-server", &config.binary, &args, &log)?;
        let found = poll(READY_WITHIN, || match process.exited() {
            Some(status) => Some(Err(format!("it ended at once, {status}"))),
            None => ready(&ports, process.pid()).map(Ok),
        });
        match found.unwrap_or_else(|| Err(format!("not ready after {READY_WITHIN:?}"))) {
            Ok((url, info)) => Ok(Self { process, binary: config.binary.clone(), url, log, info }),
            Err(reason) => {
                let tail = tail_of(&log);
                Err(ToolError::NotStarted { tool: "nats-server", reason, log, tail })
            }
        }
    }

    /// Where clients connect: `nats://127.0.0.1:4222`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where its log is.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it said of itself at start.
    #[must_use]
    pub fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// Whether it still runs; its end is never hidden.
    pub fn is_running(&mut self) -> bool {
        self.process.exited().is_none()
    }

    /// Asks the server to end in order; says whether it could be asked. It is killed on drop if it
    /// has not ended by then.
    pub fn ask_to_end(&self) -> bool {
        signal(&self.binary, "quit", self.pid())
    }

    /// Ends the server in order, and by force when it takes too long.
    pub fn stop(mut self) {
        if self.ask_to_end() {
            let _ = self.process.wait_exited(STOP_WITHIN);
        }
    }
}

/// Kills a server that another process left behind. The caller has made sure that `pid` is that
/// server.
pub fn kill_left_behind(binary: &Path, pid: u32) -> bool {
    signal(binary, "stop", pid)
}

/// What the server at `url` says of itself, if one answers within a second.
#[must_use]
pub fn server_info(url: &str) -> Option<ServerInfo> {
    let address: SocketAddr = url.strip_prefix("nats://")?.parse().ok()?;
    let second = Duration::from_secs(1);
    let stream = TcpStream::connect_timeout(&address, second).ok()?;
    stream.set_read_timeout(Some(second)).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str(line.strip_prefix("INFO ")?).ok()
}

/// Waits until `holds` does, for as long as an orderly stop may take; says whether it came to hold.
pub fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    poll(STOP_WITHIN, || holds().then_some(())).is_some()
}

fn arguments(config: &NatsConfig, ports: &Path) -> Vec<String> {
    let port = config.port.map_or_else(|| "-1".to_owned(), |p| p.to_string());
    let mut args = vec![
        "--addr=127.0.0.1".to_owned(),
        format!("--port={port}"),
        format!("--ports_file_dir={}", ports.display()),
    ];
    match &config.config_file {
        Some(file) => args.push(format!("--config={}", file.display())),
        None => {
            args.push("--jetstream".to_owned());
            args.push(format!("--store_dir={}", config.folder.join("js").display()));
        }
    }
    args
}

/// The server's address, once its ports file is there and it greets who connects.
fn ready(ports: &Path, pid: u32) -> Option<(String, ServerInfo)> {
    let wanted = format!("_{pid}.ports");
    let mut entries = fs::read_dir(ports).ok()?.flatten().map(|e| e.path());
    let file = entries.find(|p| p.to_string_lossy().ends_with(&wanted))?;
    let read: PortsFile = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let url = read.nats.into_iter().next()?;
    let info = server_info(&url)?;
    Some((url, info))
}

/// Lets the server's own binary send the signal: there is no portable call for it.
fn signal(binary: &Path, name: &str, pid: u32) -> bool {
    let mut command = Command::new(binary);
    command.arg("--signal").arg(format!("{name}={pid}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
