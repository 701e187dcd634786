//! The data folder of an embedded hub: `hub.json`, the lock, the credentials.
//!
//! The server's own files lie in `nats/` and are its affair.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetlog_bus::Credentials;
use fleetlog_kernel::Timestamp;
use fleetlog_tools::nats::server_info;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::profile::Profile;
use crate::refusal::HubRefusal;
use crate::space::Room;

/// The data version that this program writes, and the newest that it reads.
pub const DATA_VERSION: u32 = 1;

/// `hub.json`: what others need to find the hub. Fields unknown here are a later release's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubFile {
    /// The hub's id.
    pub hub_id: String,
    /// The version of everything in the folder.
    pub data_version: u32,
    /// What it is run as; a hub that nobody gave one is to try things on.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// The process that runs the hub, while it runs.
    #[serde(default)]
    pub pid: Option<u32>,
    /// Where clients connect, while it runs.
    #[serde(default)]
    pub nats_url: Option<String>,
    /// Where agents on other machines connect, under TLS, while it listens for them.
    #[serde(default)]
    pub listen_url: Option<String>,
    /// How much room its disk had at the last look: `ample`, `low`, or `full` when it takes nothing
    /// new.
    #[serde(default)]
    pub room: Option<Room>,
    /// What is wrong with the mirror that followers read, with its code; none while it is well.
    #[serde(default)]
    pub mirror_alarm: Option<String>,
    /// The server's process.
    #[serde(default)]
    pub nats_pid: Option<u32>,
    /// The server's own id, new at every start: tells whether `nats_pid` is still that server.
    #[serde(default)]
    pub nats_server_id: Option<String>,
}

/// A data folder that this process holds; others are refused until it is dropped.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    identity: Identity,
    last: Option<HubFile>,
    _lock: File,
}

impl Folder {
    /// Locks the folder, checks its version, and reads or makes its identity. `at` is now.
    ///
    /// # Errors
    /// A folder in use, of a later release, or one that cannot be read or written.
    pub fn open(dir: &Path, at: Timestamp) -> Result<Self, HubRefusal> {
        fs::create_dir_all(dir).map_err(HubRefusal::io(format!("make \"{}\"", dir.display())))?;
        let step = format!("find \"{}\"", dir.display());
        let dir = dir.canonicalize().map_err(HubRefusal::io(step))?;
        let lock = lock(&dir)?;
        let last = read_hub_file(&dir)?;
        let identity = Identity::load_or_create(&dir, at)?;
        let folder = Self { dir, identity, last, _lock: lock };
        if folder.last.is_none() {
            folder.write(&folder.resting())?;
        }
        Ok(folder)
    }

    /// Where it lies, absolute.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its keys and users.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The server's folder.
    #[must_use]
    pub fn nats_dir(&self) -> PathBuf {
        self.dir.join("nats")
    }

    /// What `hub.json` said when the folder was opened: perhaps a server that was left behind.
    #[must_use]
    pub fn left_behind(&self) -> Option<&HubFile> {
        self.last.as_ref()
    }

    /// What the hub is run as. Read anew each time: it may be set while the hub runs.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let said = read_hub_file(&self.dir).ok().flatten().or_else(|| self.last.clone());
        said.and_then(|file| file.profile).unwrap_or_default()
    }

    /// `hub.json` of a hub that does not run.
    pub(crate) fn resting(&self) -> HubFile {
        HubFile {
            hub_id: self.identity.hub_id().to_string(),
            data_version: DATA_VERSION,
            profile: Some(self.profile()),
            pid: None,
            nats_url: None,
            listen_url: None,
            room: None,
            mirror_alarm: None,
            nats_pid: None,
            nats_server_id: None,
        }
    }

    /// Writes `hub.json`, whole or not at all.
    pub(crate) fn write(&self, file: &HubFile) -> Result<(), HubRefusal> {
        write_hub_file(&self.dir, file)
    }
}

/// Keeps what a hub is run as in its `hub.json`; the hub may be running. What of it is the server's
/// holds from its next start on.
///
/// # Errors
/// A folder that holds no hub, or cannot be written.
pub fn keep_profile(dir: &Path, profile: Profile) -> Result<(), HubRefusal> {
    let none = || HubRefusal::NotRunning { dir: dir.to_path_buf() };
    let file = read_hub_file(dir)?.ok_or_else(none)?;
    if file.profile == Some(profile) {
        return Ok(());
    }
    write_hub_file(dir, &HubFile { profile: Some(profile), ..file })
}

fn write_hub_file(dir: &Path, file: &HubFile) -> Result<(), HubRefusal> {
    let mut text = serde_json::to_string_pretty(file).unwrap_or_default();
    text.push('\n');
    write_secret(&dir.join("hub.json"), &text)
}

/// The hub that runs on a folder, for those who come to speak with it.
///
/// # Errors
/// No folder, no running hub, or a folder of a later release.
pub fn find(dir: &Path) -> Result<HubFile, HubRefusal> {
    let not_running = || HubRefusal::NotRunning { dir: dir.to_path_buf() };
    let file = read_hub_file(dir)?.ok_or_else(not_running)?;
    let url = file.nats_url.as_deref().ok_or_else(not_running)?;
    let alive = server_info(url).map(|info| info.server_id);
    if alive.is_some() && alive == file.nats_server_id { Ok(file) } else { Err(not_running()) }
}

/// Reads a credentials file, such as `creds/admin.creds` of a data folder.
///
/// # Errors
/// A file that is missing or is none.
pub fn read_credentials(file: &Path) -> Result<Credentials, HubRefusal> {
    let damaged = |why: &str| HubRefusal::Damaged { file: file.to_path_buf(), why: why.to_owned() };
    let text = read_file(file)?.ok_or_else(|| damaged("it is missing"))?;
    Credentials::of_file(&text).ok_or_else(|| damaged("it is not a credentials file"))
}

pub(crate) fn read_hub_file(dir: &Path) -> Result<Option<HubFile>, HubRefusal> {
    let path = dir.join("hub.json");
    let Some(text) = read_file(&path)? else { return Ok(None) };
    let file: HubFile = serde_json::from_str(&text)
        .map_err(|why| HubRefusal::Damaged { file: path, why: why.to_string() })?;
    if file.data_version > DATA_VERSION {
        let (dir, found) = (dir.to_path_buf(), file.data_version);
        return Err(HubRefusal::Newer { dir, found, known: DATA_VERSION });
    }
    Ok(Some(file))
}

/// How often a lock that another process holds is tried, and how long to wait between.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Takes the folder's lock and notes our process in it.
fn lock(dir: &Path) -> Result<File, HubRefusal> {
    let path = dir.join("lock");
    let step = || format!("lock \"{}\"", path.display());
    let options =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = options.map_err(HubRefusal::io(step()))?;
    // A process that is just being started holds a copy of every open file for a moment.
    let free = (0..LOCK_TRIES).any(|again| {
        std::thread::sleep(LOCK_PAUSE * again.min(1));
        file.try_lock().is_ok()
    });
    if !free {
        let mut pid = String::new();
        let _ = file.read_to_string(&mut pid);
        let pid = if pid.trim().is_empty() { "unknown" } else { pid.trim() }.to_owned();
        return Err(HubRefusal::InUse { dir: dir.to_path_buf(), pid });
    }
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(HubRefusal::io(step()))?;
    Ok(file)
}

/// The text of a file, `None` when it is not there.
pub(crate) fn read_file(path: &Path) -> Result<Option<String>, HubRefusal> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(why) if why.kind() == std::io::ErrorKind::InvalidData => {
            Err(HubRefusal::Damaged { file: path.to_path_buf(), why: why.to_string() })
        }
        Err(why) => Err(HubRefusal::io(format!("read \"{}\"", path.display()))(why)),
    }
}

/// Writes a file that only its owner may read: beside it first, then renamed into place.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), HubRefusal> {
    let step = || format!("write \"{}\"", path.display());
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(HubRefusal::io(step()))?;
    let mut beside = tempfile::NamedTempFile::new_in(parent).map_err(HubRefusal::io(step()))?;
    let written = beside.write_all(text.as_bytes()).and_then(|()| beside.as_file().sync_all());
    written.map_err(HubRefusal::io(step()))?;
    beside.persist(path).map(|_| ()).map_err(|why| HubRefusal::io(step())(why.error))
}
