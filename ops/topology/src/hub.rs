//! A running embedded hub: the folder, its server, the topology applied. The services are not here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use fleetlog_kernel::Timestamp;
use fleetlog_tools::nats::{STOP_WITHIN, kill_left_behind, server_info};
use fleetlog_tools::{NatsConfig, NatsServer};

use crate::apply::{connect, settle};
use crate::audit;
use crate::folder::{Folder, HubFile, write_secret};
use crate::followers;
use crate::identity::Identity;
use crate::refusal::HubRefusal;
use crate::server::{Sync, configuration, settings};
use crate::space::{Room, RoomChange, SpaceConfig, outgrown, stored_in};

/// How often it is looked whether the server has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How to start the server of a hub.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The nats-server binary, as the tools found it.
    pub binary: PathBuf,
    /// The port on 127.0.0.1; without one a free port is taken.
    pub port: Option<u16>,
    /// How soon acknowledged messages reach the disk, at the latest as soon as the profile says.
    pub sync: Sync,
    /// How much space stays free.
    pub space: SpaceConfig,
}

impl HubConfig {
    /// A free port and the server's default interval: for `dev`, the demo and tests.
    #[must_use]
    pub fn standalone(binary: PathBuf) -> Self {
        Self { binary, port: None, sync: Sync::Default, space: SpaceConfig::default() }
    }
}

/// A hub's server with every stream in place. It ends with this value.
#[derive(Debug)]
pub struct RunningHub {
    folder: Folder,
    /// None while it is started again.
    server: Mutex<Option<NatsServer>>,
    url: String,
    /// How it is started again: as at first, on the same port.
    config: HubConfig,
    /// How much room there was at the last look.
    room: Mutex<Room>,
    /// What the server may store, in bytes, as it was told last.
    limit: Mutex<u64>,
    /// Where agents on other machines connect.
    listens: OnceLock<String>,
    /// What is wrong with the mirror that followers read.
    mirror_alarm: Mutex<Option<String>>,
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
    if let Some(last) = folder.left_behind() {
        stop_left_behind(last, &config.binary);
    }
    let room = room_at_start(&folder, &config.space)?;
    let limit = limit_now(&folder, &config.space, room);
    let server = NatsServer::start(&server_config(&folder, config, limit)?)?;
    let url = server.url().to_owned();
    let config = HubConfig { port: port_of(&url), ..config.clone() };
    let (server, room) = (Mutex::new(Some(server)), Mutex::new(room));
    let (limit, listens, mirror_alarm) = (Mutex::new(limit), OnceLock::new(), Mutex::default());
    let hub = RunningHub { url, folder, server, config, room, limit, listens, mirror_alarm };
    hub.settle().await?;
    Ok(hub)
}

/// A hub begins with some room, or not at all.
fn room_at_start(folder: &Folder, space: &SpaceConfig) -> Result<Room, HubRefusal> {
    let Some(free) = (space.free)(folder.dir()) else { return Ok(Room::default()) };
    match Room::default().after(free, space.reserve) {
        Room::Full => {
            let (dir, reserve) = (folder.dir().to_path_buf(), space.reserve);
            Err(HubRefusal::NoSpace { dir, free, reserve })
        }
        room => Ok(room),
    }
}

/// What a server may store now, in bytes.
fn limit_now(folder: &Folder, space: &SpaceConfig, room: Room) -> u64 {
    let stored = stored_in(&folder.nats_dir().join("js"));
    room.limit(stored, (space.free)(folder.dir()), space.reserve)
}

/// Writes the server's configuration and says how to start it.
fn server_config(
    folder: &Folder,
    config: &HubConfig,
    limit: u64,
) -> Result<NatsConfig, HubRefusal> {
    let nats = folder.nats_dir();
    let file = nats.join("nats.conf");
    let step = format!("make \"{}\"", nats.display());
    fs::create_dir_all(&nats).map_err(HubRefusal::io(step))?;
    let profile = folder.profile();
    let settings = settings(config.sync.max(profile.sync()), profile.max_memory());
    let text = configuration(folder.identity(), &nats, &settings, limit);
    write_secret(&file, &text)?;
    Ok(NatsConfig {
        binary: config.binary.clone(),
        config_file: Some(file),
        port: config.port,
        folder: nats,
    })
}

fn port_of(url: &str) -> Option<u16> {
    url.rsplit(':').next()?.parse().ok()
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

    /// The server's process id, while it runs.
    #[must_use]
    pub fn server_pid(&self) -> Option<u32> {
        self.server().as_ref().map(NatsServer::pid)
    }

    /// The end of the server's log is told here.
    #[must_use]
    pub fn server_log(&self) -> PathBuf {
        self.folder.nats_dir().join("nats-server.log")
    }

    /// Whether the server still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.server().as_mut().is_some_and(NatsServer::is_running)
    }

    /// Ends the server in order. Blocks until it has ended.
    pub fn stop(self) {
        let server = self.server().take();
        if let Some(server) = server {
            server.stop();
        }
    }

    /// Ends the server in order, and by force when it takes too long. Dropped before, it leaves the
    /// rest to the end of this value.
    pub async fn end(&self) {
        let asked = self.server().as_ref().is_some_and(NatsServer::ask_to_end);
        if asked {
            let ended = async {
                while self.is_running() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            let _ = tokio::time::timeout(STOP_WITHIN, ended).await;
        }
        drop(self.server().take());
    }

    /// Resolves when the server has ended without being asked to.
    pub(crate) async fn ended(&self) {
        while self.is_running() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks how much room there is; answers what has changed since the last look.
    pub(crate) fn look_at_room(&self) -> Option<(Room, RoomChange)> {
        let SpaceConfig { reserve, free, .. } = &self.config.space;
        let (reserve, free) = (*reserve, free(self.dir())?);
        let mut known = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *known;
        *known = before.after(free, reserve);
        (*known != before).then(|| (before, RoomChange { room: *known, free, reserve }))
    }

    /// How often that is done.
    pub(crate) fn looks_every(&self) -> Duration {
        self.config.space.every
    }

    /// Starts the server again with what it may store now. One whose configuration cannot be
    /// written goes on as it is.
    pub(crate) async fn set_limit(&self) -> Result<(), HubRefusal> {
        self.server_config()?;
        self.end().await;
        self.start_again().await
    }

    fn server_config(&self) -> Result<NatsConfig, HubRefusal> {
        let limit = limit_now(&self.folder, &self.config.space, self.room());
        let config = server_config(&self.folder, &self.config, limit)?;
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
        Ok(config)
    }

    /// Whether the server nears its limit although the disk has clearly more by now.
    pub(crate) fn outgrew_its_limit(&self) -> bool {
        let (room, space) = (self.room(), &self.config.space);
        let given = *self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = stored_in(&self.folder.nats_dir().join("js"));
        let now = room.limit(stored, (space.free)(self.dir()), space.reserve);
        room != Room::Full && outgrown(given, stored, now, space.reserve)
    }

    fn room(&self) -> Room {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server again: the same folder, port and users. What lay in memory is made anew.
    pub(crate) async fn start_again(&self) -> Result<(), HubRefusal> {
        drop(self.server().take());
        if let Some(last) = crate::folder::read_hub_file(self.dir())? {
            stop_left_behind(&last, &self.config.binary);
        }
        let config = self.server_config()?;
        let started = tokio::task::spawn_blocking(move || NatsServer::start(&config)).await;
        let stopped = |why: tokio::task::JoinError| HubRefusal::Io {
            step: "start nats-server again".to_owned(),
            source: std::io::Error::other(why),
        };
        *self.server() = Some(started.map_err(stopped)??);
        self.settle().await
    }

    /// Tells others in `hub.json` where agents on other machines connect.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn listens_at(&self, url: String) -> Result<(), HubRefusal> {
        let _ = self.listens.set(url);
        self.announce()
    }

    /// Notes what is wrong with the mirror; others are told when that changes.
    pub(crate) fn set_mirror_alarm(&self, alarm: Option<String>) {
        let changed = {
            let mut known = lock(&self.mirror_alarm);
            let changed = known.is_some() != alarm.is_some();
            *known = alarm;
            changed
        };
        if changed && let Err(refusal) = self.announce() {
            tracing::warn!(%refusal, "how the mirror stands was not announced");
        }
    }

    /// Makes what the server lacks, verifies the rest, and tells others where it is.
    async fn settle(&self) -> Result<(), HubRefusal> {
        let client = connect(&self.url, &self.identity().operator()?).await?;
        let profile = self.folder.profile();
        settle(&client, profile).await?;
        if !followers::all(self.dir())?.is_empty() {
            audit::apply(&connect(&self.url, &self.identity().auditor()?).await?, profile).await?;
        }
        self.announce()
    }

    /// Tells others in `hub.json` where the hub is, and how it stands.
    pub(crate) fn announce(&self) -> Result<(), HubRefusal> {
        let (pid, id) = match self.server().as_ref() {
            Some(server) => (Some(server.pid()), Some(server.info().server_id.clone())),
            None => (None, None),
        };
        self.folder.write(&HubFile {
            pid: Some(std::process::id()),
            nats_url: Some(self.url.clone()),
            listen_url: self.listens.get().cloned(),
            room: Some(self.room()),
            mirror_alarm: lock(&self.mirror_alarm).clone(),
            nats_pid: pid,
            nats_server_id: id,
            ..self.folder.resting()
        })
    }

    fn server(&self) -> MutexGuard<'_, Option<NatsServer>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for RunningHub {
    fn drop(&mut self) {
        drop(self.server().take());
        let _ = self.folder.write(&self.folder.resting());
    }
}

/// Kills a server that outlived its hub. Its own id tells that the process is really that server.
fn stop_left_behind(last: &HubFile, binary: &Path) {
    let (Some(url), Some(pid), Some(id)) = (&last.nats_url, last.nats_pid, &last.nats_server_id)
    else {
        return;
    };
    let is_that_server = || server_info(url).is_some_and(|info| info.server_id == *id);
    if is_that_server() && kill_left_behind(binary, pid) {
        fleetlog_tools::nats::wait_until(|| !is_that_server());
    }
}
