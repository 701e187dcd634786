//! Chance from a seed, and which faults strike. A seed draws its own rates, so that some runs see
//! storms of one kind and nothing of another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A sequence of numbers that a seed decides.
#[derive(Debug)]
pub struct Chance(Mutex<u64>);

impl Chance {
    /// The sequence of a seed; `stream` sets several of one seed apart.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(Mutex::new(seed.wrapping_mul(0xA24B_AED4_963E_E407) ^ stream))
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }

    /// One of several; none of none.
    pub fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.below(from.len() as u64)).unwrap_or_default())
    }

    /// A time between two, in milliseconds.
    pub fn between(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most.saturating_sub(least) + 1))
    }
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A message does not arrive.
    Loss,
    /// It arrives, its answer does not.
    LostAnswer,
    /// It arrives twice.
    Duplication,
    /// It arrives late, perhaps after others.
    Delay,
    /// A reading ends, or an answer breaks off.
    Cut,
    /// The connection is lost while a delivery of a queue is on its way.
    LostDelivery,
    /// A service dies at a call and starts again.
    ServiceRestart,
    /// An agent dies at a call and starts again.
    AgentRestart,
    /// The server restarts: what it kept in memory is gone.
    ServerRestart,
    /// An agent's line is cut until its lease has run out.
    Silence,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Loss,
        Self::LostAnswer,
        Self::Duplication,
        Self::Delay,
        Self::Cut,
        Self::LostDelivery,
        Self::ServiceRestart,
        Self::AgentRestart,
        Self::ServerRestart,
        Self::Silence,
    ];

    /// The rates a seed may draw, per 10,000 chances.
    const fn rates(self) -> &'static [u64] {
        match self {
            Self::Loss | Self::LostAnswer | Self::Duplication | Self::Cut => &[0, 30, 100, 300],
            Self::LostDelivery => &[0, 200, 1_000],
            Self::Delay => &[50, 300, 1_500],
            Self::ServiceRestart => &[0, 20, 60],
            Self::AgentRestart => &[0, 100, 300],
            Self::ServerRestart | Self::Silence => &[0, 60, 150],
        }
    }
}

/// Which faults strike, and how often they did.
#[derive(Debug)]
pub struct Faults {
    chance: Chance,
    rates: BTreeMap<Kind, u64>,
    fired: Mutex<BTreeMap<Kind, u64>>,
    calm: AtomicBool,
}

impl Faults {
    /// The faults of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let chance = Chance::new(seed, 1);
        let rate = |kind: Kind| (kind, chance.pick(kind.rates()).copied().unwrap_or_default());
        let rates = Kind::ALL.into_iter().map(rate).collect();
        Self { chance, rates, fired: Mutex::default(), calm: AtomicBool::new(false) }
    }

    /// Whether a fault of this kind strikes here; it is counted.
    pub fn strikes(&self, kind: Kind) -> bool {
        if self.calm.load(Ordering::Relaxed) {
            return false;
        }
        let rate = self.rates.get(&kind).copied().unwrap_or_default();
        let strikes = self.chance.below(10_000) < rate;
        if strikes {
            *self.fired().entry(kind).or_default() += 1;
        }
        strikes
    }

    /// How late something is.
    pub fn lateness(&self) -> Duration {
        match self.chance.below(10) {
            0 => self.chance.between(500, 3_000),
            _ => self.chance.between(1, 200),
        }
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// How often each kind struck.
    pub fn counts(&self) -> BTreeMap<Kind, u64> {
        self.fired().clone()
    }

    /// Chance for the details of faults.
    pub const fn chance(&self) -> &Chance {
        &self.chance
    }

    fn fired(&self) -> MutexGuard<'_, BTreeMap<Kind, u64>> {
        self.fired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
