//! Where time and identity enter a process: here and nowhere else.

use fleetlog_kernel::{CommandId, Timestamp};
use std::sync::Mutex;
use std::time::SystemTime;
use tokio::time::Instant;
use uuid::Uuid;

/// A clock to read decision times from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A start plus tokio's time, which tests pause and move.
    Tokio {
        /// The moment that `origin` stands for.
        start: Timestamp,
        /// Tokio's time at the start.
        origin: Instant,
    },
}

impl Clock {
    /// A clock that begins at `start` now and moves with tokio's time.
    #[must_use]
    pub fn tokio(start: Timestamp) -> Self {
        Self::Tokio { start, origin: Instant::now() }
    }

    /// The time.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let nanos = since.map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(0));
                Timestamp::of_nanos(nanos)
            }
            Self::Tokio { start, origin } => start.plus(origin.elapsed()),
        }
    }
}

/// A source of ids and of jitter.
#[derive(Debug)]
pub enum Ids {
    /// Random.
    Random,
    /// A sequence from a seed: the same run again.
    Seeded(Mutex<u64>),
}

impl Ids {
    /// A sequence from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Mutex::new(seed))
    }

    /// A fresh command id.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that draws ids")]
    pub fn command(&self) -> CommandId {
        match self {
            Self::Random => CommandId::new(Uuid::now_v7().to_string()),
            Self::Seeded(_) => CommandId::new(format!("seeded-{:016x}", self.number())),
        }
    }

    /// 64 random bits.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that draws random numbers")]
    pub fn number(&self) -> u64 {
        match self {
            Self::Random => Uuid::new_v4().as_u64_pair().0 ^ Uuid::new_v4().as_u64_pair().1,
            Self::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                z ^ (z >> 31)
            }
        }
    }

    /// A number below `bound` (at least 1), for jitter.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }
}
