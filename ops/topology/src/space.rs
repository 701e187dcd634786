//! The space that a hub's folder has, and what follows from it: how much its server may store. A
//! server that writes to the very end of a disk loses the stream it wrote to, so it is never let
//! there: it refuses what is new while the hub's reserve is untouched.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Tells the free bytes of the file system that a folder lies on; `None` when that cannot be told.
pub type FreeSpace = Arc<dyn Fn(&Path) -> Option<u64> + Send + Sync>;

/// How much more a server may store where the free space cannot be told.
const UNKNOWN: u64 = 10 * 1024 * 1024 * 1024;

/// How much space a hub leaves free, and how it looks.
#[derive(Clone)]
pub struct SpaceConfig {
    /// So many bytes stay free: with less the hub takes nothing new.
    pub reserve: u64,
    /// How often the free space is looked at.
    pub every: Duration,
    /// How it is told.
    pub free: FreeSpace,
}

impl Default for SpaceConfig {
    fn default() -> Self {
        let every = Duration::from_secs(1);
        Self { reserve: 256 * 1024 * 1024, every, free: Arc::new(free_space) }
    }
}

impl fmt::Debug for SpaceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reserve, every, .. } = self;
        f.debug_struct("SpaceConfig").field("reserve", reserve).field("every", every).finish()
    }
}

/// How much room the hub has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Room {
    /// More than twice the reserve.
    #[default]
    Ample,
    /// Less than that: worth a word.
    Low,
    /// The reserve is all there is: nothing new is taken.
    Full,
}

/// A change of it, as it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomChange {
    /// What it is now.
    pub room: Room,
    /// The free bytes.
    pub free: u64,
    /// The bytes that stay free.
    pub reserve: u64,
}

impl Room {
    /// What it is with `free` bytes after it was `self`. Once full it takes half a reserve more to
    /// be so no longer, so that a little to and fro changes nothing.
    #[must_use]
    pub fn after(self, free: u64, reserve: u64) -> Self {
        // The server counts what it stores a little otherwise than the disk does.
        let full = if self == Self::Full { reserve / 2 } else { reserve / 16 };
        if free <= reserve.saturating_add(full) {
            Self::Full
        } else if free <= reserve.saturating_mul(2) {
            Self::Low
        } else {
            Self::Ample
        }
    }

    /// What a server may store, in bytes, that has stored `used` where `free` bytes are left.
    #[must_use]
    pub fn limit(self, used: u64, free: Option<u64>, reserve: u64) -> u64 {
        match (self, free) {
            (Self::Full, _) => 1,
            (_, None) => used.saturating_add(UNKNOWN),
            (_, Some(free)) => used.saturating_add(free.saturating_sub(reserve)).max(1),
        }
    }
}

/// Whether a server that has stored `used` nears what it was `given` although it may have clearly
/// more `now`: the disk has grown, or others have left it.
#[must_use]
pub(crate) fn outgrown(given: u64, used: u64, now: u64, reserve: u64) -> bool {
    used.saturating_add(reserve / 4) >= given && now >= given.saturating_add(reserve / 2)
}

impl fmt::Display for RoomChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, reserve) = (mib(self.free), mib(self.reserve));
        match self.room {
            Room::Ample => {
                write!(f, "there is space again ({free} free): the hub takes what is new")
            }
            Room::Low => write!(
                f,
                "the disk is filling up: {free} free where the hub's folder lies; with less than \
                its reserve of {reserve} it takes nothing new"
            ),
            Room::Full => write!(
                f,
                "HUB0011: the disk is full: {free} free where the hub's folder lies, its reserve \
                is {reserve}; it takes nothing new until there is more, and goes on by itself then"
            ),
        }
    }
}

/// Bytes for people.
pub(crate) fn mib(bytes: u64) -> String {
    let tenths = bytes / (1024 * 1024 / 10);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// The free bytes of the file system that `folder` lies on, for those who are not its owner.
#[must_use]
pub fn free_space(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let told = rustix::fs::statvfs(folder).ok()?;
        told.f_bavail.checked_mul(told.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// The bytes of all files below `folder`; what goes meanwhile counts nothing.
pub(crate) fn stored_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => stored_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_disk_is_full_at_its_reserve_and_stays_so_until_there_is_clearly_more() {
        let after = |room: Room, free: u64| room.after(free * MIB, 100 * MIB);
        assert_eq!(after(Room::Ample, 201), Room::Ample);
        assert_eq!(after(Room::Ample, 200), Room::Low);
        assert_eq!(after(Room::Low, 107), Room::Low);
        assert_eq!(after(Room::Low, 106), Room::Full);
        assert_eq!(after(Room::Ample, 0), Room::Full);
        assert_eq!(after(Room::Full, 150), Room::Full);
        assert_eq!(after(Room::Full, 151), Room::Low);
        assert_eq!(after(Room::Full, 201), Room::Ample);
        assert_eq!(Room::Ample.after(1, 0), Room::Ample);
    }

    #[test]
    fn a_server_may_store_what_leaves_the_reserve_free() {
        assert_eq!(Room::Ample.limit(30, Some(100), 20), 110);
        assert_eq!(Room::Low.limit(30, Some(10), 20), 30);
        assert_eq!(Room::Full.limit(30, Some(100), 20), 1);
        assert_eq!(Room::Ample.limit(30, None, 20), UNKNOWN + 30);
    }

    #[test]
    fn a_limit_is_outgrown_where_it_is_near_and_the_disk_has_clearly_more() {
        assert!(outgrown(1_000, 950, 1_100, 200));
        assert!(!outgrown(1_000, 949, 1_100, 200), "it is not near");
        assert!(!outgrown(1_000, 1_000, 1_099, 200), "the disk has hardly more");
        assert!(outgrown(UNKNOWN, UNKNOWN, 2 * UNKNOWN, 200));
    }

    #[test]
    fn announcements_name_the_figures() {
        let said = |room| RoomChange { room, free: 11 * MIB, reserve: 256 * MIB }.to_string();
        assert!(said(Room::Full).contains("11.0 MiB free"), "{}", said(Room::Full));
        assert!(said(Room::Low).contains("256.0 MiB"), "{}", said(Room::Low));
        assert!(said(Room::Ample).contains("space again"), "{}", said(Room::Ample));
    }

    #[test]
    fn what_a_folder_holds_is_counted_through_its_folders() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/b"), [0; 10]).unwrap();
        fs::write(dir.path().join("c"), [0; 5]).unwrap();
        assert_eq!(stored_in(dir.path()), 15);
        assert!(free_space(dir.path()).is_none_or(|free| free > 0));
    }
}
