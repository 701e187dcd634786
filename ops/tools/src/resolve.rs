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
/// The kubectl that is installed when none is found.
pub const KUBECTL_PINNED: Version = Version::new(1, 36, 4);
/// Names a folder with `etcd` and `kube-apiserver`, as users of kubebuilder have it.
pub const KUBEBUILDER_ENV: &str = "KUBEBUILDER_ASSETS";

/// What is looked for, and what would be installed.
#[derive(Debug)]
pub struct Tool {
    /// Its name, which is its file's.
    pub name: &'static str,
    /// The variable that names a binary explicitly.
    pub env: &'static str,
    /// The oldest version that will do.
    pub oldest: Version,
    /// The version that is installed when none is found.
    pub pinned: Version,
    /// What it is asked its version by.
    asked: &'static [&'static str],
    install: install::Way,
}

/// The server below the hub.
pub const NATS_SERVER: Tool = Tool {
    name: "nats-server",
    env: NATS_SERVER_ENV,
    oldest: NATS_SERVER_OLDEST,
    pinned: NATS_SERVER_PINNED,
    asked: &["--version"],
    install: install::nats_server,
};
/// The store below a real Kubernetes API.
pub const ETCD: Tool = Tool {
    name: "etcd",
    env: "FLEETLOG_ETCD",
    oldest: Version::new(3, 6, 0),
    pinned: Version::new(3, 6, 16),
    asked: &["--version"],
    install: install::etcd,
};
/// A real Kubernetes API.
pub const KUBE_APISERVER: Tool = Tool {
    name: "kube-apiserver",
    env: "FLEETLOG_KUBE_APISERVER",
    oldest: Version::new(1, 34, 0),
    pinned: Version::new(1, 36, 3),
    asked: &["--version"],
    install: install::kube_apiserver,
};

/// The client of Kubernetes' users.
pub const KUBECTL: Tool = Tool {
    name: "kubectl",
    env: "FLEETLOG_KUBECTL",
    oldest: Version::new(1, 34, 0),
    pinned: KUBECTL_PINNED,
    asked: &["version", "--client"],
    install: install::kubectl,
};

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
    Search::of_environment(&NATS_SERVER, None)?.find(&NATS_SERVER, progress)
}

/// Finds etcd, or builds it with Go into the cache folder.
///
/// # Errors
/// As [`nats_server`].
pub fn etcd(progress: Progress<'_>) -> Result<PathBuf, ToolError> {
    Search::of_environment(&ETCD, Some(KUBEBUILDER_ENV))?.find(&ETCD, progress)
}

/// Finds kube-apiserver, or builds it with Go into the cache folder, which takes minutes.
///
/// # Errors
/// As [`nats_server`].
pub fn kube_apiserver(progress: Progress<'_>) -> Result<PathBuf, ToolError> {
    Search::of_environment(&KUBE_APISERVER, Some(KUBEBUILDER_ENV))?.find(&KUBE_APISERVER, progress)
}

/// Finds kubectl, or installs it into the cache folder.
///
/// # Errors
/// As [`nats_server`].
pub fn kubectl(progress: Progress<'_>) -> Result<PathBuf, ToolError> {
    Search::of_environment(&KUBECTL, Some(KUBEBUILDER_ENV))?.find(&KUBECTL, progress)
}

/// Refuses a nats-server that is too old, by asking it.
///
/// # Errors
/// [`ToolError::TooOld`], or [`ToolError::NoVersion`] when it cannot be run or tells none.
pub fn check_nats_server(binary: &Path) -> Result<Version, ToolError> {
    check(&NATS_SERVER, binary)
}

fn check(tool: &Tool, binary: &Path) -> Result<Version, ToolError> {
    let found = version_of(tool, binary)?;
    if found < tool.oldest {
        let path = binary.to_path_buf();
        return Err(ToolError::TooOld { path, found, wanted: tool.oldest });
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
    /// As the environment says; a folder of tools may be named in `folder` too.
    fn of_environment(tool: &Tool, folder: Option<&str>) -> Result<Self, ToolError> {
        let said = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let file = format!("{}{}", tool.name, std::env::consts::EXE_SUFFIX);
        let of_folder = || folder.and_then(said).map(|dir| dir.join(file));
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(Self {
            named: said(tool.env).or_else(of_folder),
            path: std::env::split_paths(&path).collect(),
            cache: cache::tools_dir()?,
            may_install: true,
        })
    }

    /// Finds a tool as this search says.
    ///
    /// # Errors
    /// As [`nats_server`].
    pub fn find(&self, tool: &Tool, progress: Progress<'_>) -> Result<PathBuf, ToolError> {
        if let Some(named) = &self.named {
            return check(tool, named).map(|_| named.clone());
        }
        let file = format!("{}{}", tool.name, std::env::consts::EXE_SUFFIX);
        let mut tried = vec![format!("{}: not set", tool.env)];
        if let Some(found) = self.on_path(tool, &file, &mut tried) {
            return Ok(found);
        }
        let name = format!("{}-{}-{}", tool.name, tool.pinned, cache::platform());
        let target = self.cache.join(&name);
        let binary = target.join(&file);
        if check(tool, &binary).is_ok() {
            return Ok(binary);
        }
        tried.push(format!("cache \"{}\": nothing usable", target.display()));
        if self.may_install {
            let _lock = cache::lock(&self.cache, &name)?;
            if check(tool, &binary).is_ok() {
                return Ok(binary);
            }
            progress(&format!("installing {} {} into the cache (once)", tool.name, tool.pinned));
            let filled = |dir: &Path| (tool.install)(dir, &file, progress, &mut tried);
            if cache::place(&target, filled)? == install::Outcome::Installed {
                return check(tool, &binary).map(|_| binary);
            }
        }
        Err(ToolError::Missing { tool: tool.name, env: tool.env, wanted: tool.oldest, tried })
    }

    fn on_path(&self, tool: &Tool, file: &str, tried: &mut Vec<String>) -> Option<PathBuf> {
        let candidates: Vec<PathBuf> =
            self.path.iter().map(|dir| dir.join(file)).filter(|p| p.is_file()).collect();
        for candidate in &candidates {
            match check(tool, candidate) {
                Ok(_) => return Some(candidate.clone()),
                Err(why) => tried.push(format!("PATH: {why}")),
            }
        }
        if candidates.is_empty() {
            tried.push(format!("PATH: no {}", tool.name));
        }
        None
    }
}

fn version_of(tool: &Tool, binary: &Path) -> Result<Version, ToolError> {
    let none = |said: String| ToolError::NoVersion { path: binary.to_path_buf(), said };
    let run = Command::new(binary).args(tool.asked).stdin(Stdio::null()).output();
    let output = run.map_err(|why| none(why.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Version::find(&said).ok_or_else(|| none(format!("it said \"{}\"", said.trim())))
}
