//! How a tool is found: environment, PATH, cache, installation; else one message with all that was
//! tried.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache;
use crate::error::ToolError;
use crate::install;
use crate::version::Version;

/// Names a nats-server binary explicitly; it is used or refused, never replaced.
pub const NATS_SERVER_ENV: &str = "FLEETLOG_NATS_SERVER";
/// The oldest nats-server that has what the streams need.
pub const NATS_SERVER_OLDEST: Version = Version::new(2, 15, 0);
/// The nats-server that is installed when none is found.
pub const NATS_SERVER_PINNED: Version = Version::new(2, 15, 1);

/// Hears what is being done, one sentence at a time.
pub type Progress<'a> = &'a dyn Fn(&str);

/// A progress listener that listens to nothing.
pub fn quiet(_: &str) {}

/// Finds nats-server, or installs it into the cache folder.
///
/// # Errors
/// [`ToolError::TooOld`] for a binary that was named explicitly, [`ToolError::Missing`] when all
/// failed.
pub fn nats_server(progress: Progress<'_>) -> Result<PathBuf, ToolError> {
    let named = std::env::var_os(NATS_SERVER_ENV).filter(|v| !v.is_empty()).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    Search { named, path: dirs, cache: cache::tools_dir()?, may_install: true }
        .nats_server(progress)
}

/// Refuses a nats-server that is too old, by asking it.
///
/// # Errors
/// [`ToolError::TooOld`], or [`ToolError::NoVersion`] when it cannot be run or tells none.
pub fn check_nats_server(binary: &Path) -> Result<Version, ToolError> {
    let found = version_of(binary)?;
    if found < NATS_SERVER_OLDEST {
        let path = binary.to_path_buf();
        return Err(ToolError::TooOld { path, found, wanted: NATS_SERVER_OLDEST });
    }
    Ok(found)
}

/// Where to look; a value, so that tests can look elsewhere.
#[derive(Debug, Clone)]
pub struct Search {
    /// A binary named explicitly.
    pub named: Option<PathBuf>,
    /// The folders of PATH.
    pub path: Vec<PathBuf>,
    /// The folder of cached tools.
    pub cache: PathBuf,
    /// Whether anything may be installed into the cache.
    pub may_install: bool,
}

impl Search {
    /// Finds nats-server as this search says.
    ///
    /// # Errors
    /// As [`nats_server`].
    pub fn nats_server(&self, progress: Progress<'_>) -> Result<PathBuf, ToolError> {
        if let Some(named) = &self.named {
            return check_nats_server(named).map(|_| named.clone());
        }
        let file = format!("nats-server{}", std::env::consts::EXE_SUFFIX);
        let mut tried = vec![format!("{NATS_SERVER_ENV}: not set")];
        if let Some(found) = self.on_path(&file, &mut tried) {
            return Ok(found);
        }
        let name = format!("nats-server-{NATS_SERVER_PINNED}-{}", cache::platform());
        let target = self.cache.join(&name);
        let binary = target.join(&file);
        if check_nats_server(&binary).is_ok() {
            return Ok(binary);
        }
        tried.push(format!("cache \"{}\": nothing usable", target.display()));
        if self.may_install {
            let _lock = cache::lock(&self.cache, &name)?;
            if check_nats_server(&binary).is_ok() {
                return Ok(binary);
            }
            progress(&format!("installing nats-server {NATS_SERVER_PINNED} into the cache (once)"));
            let filled = |dir: &Path| install::nats_server(dir, &file, progress, &mut tried);
            if cache::place(&target, filled)? == install::Outcome::Installed {
                return check_nats_server(&binary).map(|_| binary);
            }
        }
        Err(ToolError::Missing { tool: "nats-server", wanted: NATS_SERVER_OLDEST, tried })
    }

    fn on_path(&self, file: &str, tried: &mut Vec<String>) -> Option<PathBuf> {
        let candidates: Vec<PathBuf> =
            self.path.iter().map(|dir| dir.join(file)).filter(|p| p.is_file()).collect();
        for candidate in &candidates {
            match check_nats_server(candidate) {
                Ok(_) => return Some(candidate.clone()),
                Err(why) => tried.push(format!("PATH: {why}")),
            }
        }
        if candidates.is_empty() {
            tried.push("PATH: no nats-server".to_owned());
        }
        None
    }
}

fn version_of(binary: &Path) -> Result<Version, ToolError> {
    let none = |said: String| ToolError::NoVersion { path: binary.to_path_buf(), said };
    let run = Command::new(binary).arg("--version").stdin(Stdio::null()).output();
    let output = run.map_err(|why| none(why.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Version::find(&said).ok_or_else(|| none(format!("it said \"{}\"", said.trim())))
}
