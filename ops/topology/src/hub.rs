//! A running embedded hub: the folder, its server, the topology applied. The services are not here.

use std::fs;
use std::path::{Path, PathBuf};

use fleetlog_kernel::Timestamp;
use fleetlog_tools::nats::{kill_left_behind, server_info};
use fleetlog_tools::{NatsConfig, NatsServer};

use crate::apply::{apply, connect};
use crate::folder::{Folder, HubFile};
use crate::identity::Identity;
use crate::refusal::HubRefusal;
use crate::server::{Sync, configuration};

/// How to start the server of a hub.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The nats-server binary, as the tools found it.
    pub binary: PathBuf,
    /// The port on 127.0.0.1; without one a free port is taken.
    pub port: Option<u16>,
    /// How soon acknowledged messages reach the disk.
    pub sync: Sync,
}

impl HubConfig {
    /// A free port and the server's default interval: for `dev`, the demo and tests.
    #[must_use]
    pub fn standalone(binary: PathBuf) -> Self {
        Self { binary, port: None, sync: Sync::Default }
    }
}

/// A hub's server with every stream in place. It ends with this value.
#[derive(Debug)]
pub struct RunningHub {
    folder: Folder,
    server: Option<NatsServer>,
    url: String,
}

/// Opens the folder and starts the hub on it, with the nats-server that is found or installed.
///
/// # Errors
/// As [`Folder::open`] and [`start`].
pub async fn start_in(dir: &Path, at: Timestamp) -> Result<RunningHub, HubRefusal> {
    let binary = fleetlog_tools::nats_server(&fleetlog_tools::quiet)?;
    start(Folder::open(dir, at)?, &HubConfig::standalone(binary)).await
}

/// Stops a server that was left behind, starts a new one, and applies the topology.
///
/// # Errors
/// A server that does not start, or streams that are not as they should be; nothing runs then.
pub async fn start(folder: Folder, config: &HubConfig) -> Result<RunningHub, HubRefusal> {
    stop_left_behind(&folder, &config.binary);
    let nats = folder.nats_dir();
    let step = format!("write \"{}\"", nats.join("nats.conf").display());
    fs::create_dir_all(&nats).map_err(HubRefusal::io(step.clone()))?;
    let text = configuration(folder.identity(), &nats, config.sync);
    fs::write(nats.join("nats.conf"), text).map_err(HubRefusal::io(step))?;
    let server = NatsServer::start(&NatsConfig {
        binary: config.binary.clone(),
        config_file: Some(nats.join("nats.conf")),
        port: config.port,
        folder: nats,
    })?;
    let hub = RunningHub { url: server.url().to_owned(), folder, server: Some(server) };
    let client = connect(&hub.url, &hub.folder.identity().operator()?).await?;
    apply(&client).await?;
    hub.announce()?;
    Ok(hub)
}

impl RunningHub {
    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its keys and users.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.folder.identity()
    }

    /// Its data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.folder.dir()
    }

    /// The server's process id.
    #[must_use]
    pub fn server_pid(&self) -> Option<u32> {
        self.server.as_ref().map(NatsServer::pid)
    }

    /// Whether the server still runs.
    pub fn is_running(&mut self) -> bool {
        self.server.as_mut().is_some_and(NatsServer::is_running)
    }

    /// Ends the server in order. Blocks until it has ended.
    pub fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Tells others in `hub.json` where the hub is.
    fn announce(&self) -> Result<(), HubRefusal> {
        let info = self.server.as_ref().map(NatsServer::info);
        self.folder.write(&HubFile {
            pid: Some(std::process::id()),
            nats_url: Some(self.url.clone()),
            nats_pid: self.server_pid(),
            nats_server_id: info.map(|info| info.server_id.clone()),
            ..self.folder.resting()
        })
    }
}

impl Drop for RunningHub {
    fn drop(&mut self) {
        drop(self.server.take());
        let _ = self.folder.write(&self.folder.resting());
    }
}

/// Kills a server that outlived its hub. Its own id tells that the process is really that server.
fn stop_left_behind(folder: &Folder, binary: &Path) {
    let Some(last) = folder.left_behind() else { return };
    let (Some(url), Some(pid), Some(id)) = (&last.nats_url, last.nats_pid, &last.nats_server_id)
    else {
        return;
    };
    let is_that_server = || server_info(url).is_some_and(|info| info.server_id == *id);
    if is_that_server() && kill_left_behind(binary, pid) {
        fleetlog_tools::nats::wait_until(|| !is_that_server());
    }
}
