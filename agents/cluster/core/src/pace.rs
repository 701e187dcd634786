//! How fast the agent goes about things: every wait and every bound of the machine, as data.

use fleetlog_kernel::{Digest, Timestamp};
use std::time::Duration;

/// Waits and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two syncs of a connection that holds, give or take a tenth.
    pub resync: Duration,
    /// Before something that failed is tried again; doubles with each failure.
    pub retry: Duration,
    /// The longest such wait.
    pub retry_most: Duration,
    /// How long changes of a status are gathered into one report, unless they matter at once.
    pub gather: Duration,
    /// After a repair that did not last: before the next one; doubles up to `resync`.
    pub repair: Duration,
    /// How many works are worked on at once.
    pub passes: usize,
    /// How many plans one pass may carry out before it is put off.
    pub rounds: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            resync: Duration::from_secs(600),
            retry: Duration::from_millis(250),
            retry_most: Duration::from_secs(60),
            gather: Duration::from_millis(500),
            repair: Duration::from_secs(1),
            passes: 8,
            rounds: 8,
        }
    }
}

impl Pace {
    /// The wait after `failures` failures in a row.
    #[must_use]
    pub fn backoff(&self, failures: u32) -> Duration {
        doubled(self.retry, failures.saturating_sub(1), self.retry_most)
    }

    /// The wait before a repair that follows `repairs` others that did not last.
    #[must_use]
    pub fn repair(&self, repairs: u32) -> Duration {
        match repairs {
            0 => Duration::ZERO,
            more => doubled(self.repair, more - 1, self.resync),
        }
    }
}

/// A wait give or take a tenth, told from a name and a count: spread over a fleet, without chance.
#[must_use]
pub fn spread(wait: Duration, name: &str, count: u64) -> Duration {
    let mut digest = Digest::default();
    digest.part(name.as_bytes());
    digest.part(&count.to_be_bytes());
    let hash = digest.finish();
    let share = u32::from(hash.as_bytes()[0]) + u32::from(hash.as_bytes()[1]);
    wait * 9 / 10 + wait * share / 2_550
}

/// The earlier of a moment that may be set and another.
pub(crate) fn sooner(set: Option<Timestamp>, at: Timestamp) -> Option<Timestamp> {
    Some(set.map_or(at, |set| set.min(at)))
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound() {
        let pace = Pace::default();
        let waits: Vec<u128> = (0..5).map(|n| pace.backoff(n).as_millis()).collect();
        assert_eq!(waits, [250, 250, 500, 1000, 2000]);
        assert_eq!(pace.backoff(99), pace.retry_most);
        assert_eq!(pace.repair(0), Duration::ZERO);
        assert_eq!(pace.repair(99), pace.resync);
    }

    #[test]
    fn a_fleet_spreads_over_a_fifth_of_the_wait() {
        let wait = Duration::from_secs(600);
        let waits = (0..100).map(|n| spread(wait, &format!("c{n}"), 0));
        let (low, high) = waits.fold((wait * 2, Duration::ZERO), |(l, h), w| (l.min(w), h.max(w)));
        assert!(low >= wait * 9 / 10 && high <= wait * 11 / 10 + Duration::from_secs(1));
        assert!(high - low > Duration::from_secs(30));
    }
}
