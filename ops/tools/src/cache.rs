//! The cache folder outside the checkout, its locks, and entries that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::error::ToolError;

/// The platform's name in paths: `linux-x86_64`.
#[must_use]
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The folder of all cached tools: `fleetlog/tools` in the user's cache folder.
///
/// # Errors
/// When no cache folder is known from the environment.
pub fn tools_dir() -> Result<PathBuf, ToolError> {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .or_else(|| from("LOCALAPPDATA"));
    base.map(|b| b.join("fleetlog").join("tools")).ok_or_else(|| ToolError::Io {
        step: "find a cache folder (neither XDG_CACHE_HOME nor HOME is set)".to_owned(),
        source: std::io::ErrorKind::NotFound.into(),
    })
}

/// An exclusive lock on a name in the cache; released when dropped, or when the process ends.
#[derive(Debug)]
pub struct CacheLock {
    _file: File,
}

/// Waits for the lock of `name` in `dir`.
///
/// # Errors
/// When the folder or the lock file cannot be made.
pub fn lock(dir: &Path, name: &str) -> Result<CacheLock, ToolError> {
    fs::create_dir_all(dir).map_err(ToolError::io(format!("make \"{}\"", dir.display())))?;
    let path = dir.join(format!(".{name}.lock"));
    let step = || format!("lock \"{}\"", path.display());
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(ToolError::io(step()))?;
    file.lock().map_err(ToolError::io(step()))?;
    Ok(CacheLock { _file: file })
}

/// Fills a folder beside `target` with `fill`, then renames it into place: readers see all of it or
/// nothing.
///
/// # Errors
/// What `fill` says, or a step of the file system that failed; nothing is left in place then.
pub fn place<T>(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let parent = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(ToolError::io(format!("make \"{}\"", parent.display())))?;
    let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(parent);
    let beside =
        beside.map_err(ToolError::io(format!("make a folder in \"{}\"", parent.display())))?;
    let filled = fill(beside.path())?;
    if target.exists() {
        let step = format!("remove what is broken in \"{}\"", target.display());
        fs::remove_dir_all(target).map_err(ToolError::io(step))?;
    }
    let step = format!("rename into \"{}\"", target.display());
    fs::rename(beside.keep(), target).map_err(ToolError::io(step))?;
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_filling_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("tool-1");
        let failed = place(&target, |path| {
            fs::write(path.join("half"), b"x").unwrap();
            Err::<(), _>(ToolError::NoSupervisor("planned".to_owned()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_broken_entry_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("tool-1");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("old"), b"x").unwrap();
        place(&target, |path| fs::write(path.join("new"), b"y").map_err(ToolError::io("write")))
            .unwrap();
        assert!(target.join("new").exists() && !target.join("old").exists());
    }

    #[test]
    fn a_lock_keeps_the_second_out_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path(), "x").unwrap();
        let path = dir.path().join(".x.lock");
        let second = File::open(&path).unwrap();
        assert!(second.try_lock().is_err());
        drop(held);
        assert!(second.try_lock().is_ok());
    }
}
