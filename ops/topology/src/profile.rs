//! What differs between a hub to try things on, one server that is relied on, and three of them:
//! replicas, limits, and how soon the disk has what was acknowledged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::server::Sync;

const MIB: u64 = 1024 * 1024;

/// How a hub is run; kept in its `hub.json`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// To try things on: one server that may lose its last minutes in a power cut.
    #[default]
    Dev,
    /// One server that loses nothing it acknowledged.
    Single,
    /// Three servers: one may be away.
    Ha,
}

impl Profile {
    /// All of them, from the smallest on.
    pub const ALL: [Self; 3] = [Self::Dev, Self::Single, Self::Ha];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Single => "single",
            Self::Ha => "ha",
        }
    }

    /// On how many servers every stream lies.
    #[must_use]
    pub const fn replicas(self) -> u32 {
        match self {
            Self::Dev | Self::Single => 1,
            Self::Ha => 3,
        }
    }

    /// How soon what was acknowledged is on the disk.
    #[must_use]
    pub const fn sync(self) -> Sync {
        match self {
            Self::Dev => Sync::Default,
            Self::Single | Self::Ha => Sync::Always,
        }
    }

    /// How many bytes the streams in memory (leases) may take on each server.
    #[must_use]
    pub const fn max_memory(self) -> u64 {
        match self {
            Self::Dev => 256 * MIB,
            Self::Single | Self::Ha => 1024 * MIB,
        }
    }

    /// How many bytes the dead letters may take before the oldest go; `None` is no limit but the
    /// disk's.
    #[must_use]
    pub const fn max_dead_letters(self) -> Option<u64> {
        match self {
            Self::Dev => None,
            Self::Single | Self::Ha => Some(1024 * MIB),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == text);
        found.ok_or_else(|| format!("\"{text}\" is no profile: use dev, single or ha"))
    }
}
