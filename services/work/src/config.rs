//! What work is told at its start: the key that signs deliveries, and the bounds of its own tasks.

use fleetlog_bus::Fault;
use nkeys::KeyPair;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Key and bounds. `Debug` shows no secret.
#[derive(Clone)]
pub struct Settings {
    /// The key that signs what agents get; they know its public half since they joined.
    pub delivery_key: KeyPair,
    /// How long the removal of a work stays where agents hear it: whole seconds, at least one.
    pub removal_life: Duration,
    /// How long a summary waits for reports that come together.
    pub summarize_after: Duration,
    /// How many deliveries, answers or bodies are on their way at once.
    pub at_once: usize,
    /// How many bytes of manifests are kept in memory.
    pub kept_bytes: usize,
    /// How often the reading of manifests is tried before a command is refused.
    pub tries: u32,
}

impl Settings {
    /// With this key, and bounds that suit every fleet.
    #[must_use]
    pub const fn new(delivery_key: KeyPair) -> Self {
        Self {
            delivery_key,
            removal_life: Duration::from_secs(7 * 24 * 60 * 60),
            summarize_after: Duration::from_millis(50),
            at_once: 64,
            kept_bytes: 64 * 1024 * 1024,
            tries: 5,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("delivery_key", &self.delivery_key.public_key())
            .field("removal_life", &self.removal_life)
            .field("summarize_after", &self.summarize_after)
            .field("at_once", &self.at_once)
            .field("kept_bytes", &self.kept_bytes)
            .field("tries", &self.tries)
            .finish()
    }
}

/// What a process of its own is told by flag or by environment.
#[derive(clap::Args, Clone, Debug)]
pub struct Flags {
    /// File with the seed of the key that signs deliveries.
    #[arg(long, env = "FLEETLOG_DELIVERY_KEY", value_name = "FILE")]
    pub delivery_key: PathBuf,
}

impl Flags {
    /// Reads the key.
    ///
    /// # Errors
    /// A file that cannot be read or holds no seed.
    pub fn settings(&self) -> Result<Settings, Fault> {
        let step = || format!("read the delivery key \"{}\"", self.delivery_key.display());
        let seed = std::fs::read_to_string(&self.delivery_key);
        let seed = seed.map_err(|error| Fault::lasting(step(), error))?;
        let key = KeyPair::from_seed(seed.trim());
        key.map(Settings::new).map_err(|error| Fault::lasting(step(), error))
    }
}
