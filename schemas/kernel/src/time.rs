//! Time as a value. Nothing here reads a clock; RFC 3339 lies with the API objects' `Time`.

use std::time::Duration;

/// A moment: seconds since 1970 (UTC, no leap seconds) and the nanoseconds within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// A moment of whole seconds.
    #[must_use]
    pub const fn of_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// A moment from nanoseconds since 1970.
    #[must_use]
    pub fn of_nanos(nanos: i128) -> Self {
        let seconds = nanos.div_euclid(1_000_000_000);
        let rest = nanos.rem_euclid(1_000_000_000);
        Self {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanos: u32::try_from(rest).unwrap_or(0),
        }
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_nanos(self) -> i128 {
        self.seconds as i128 * 1_000_000_000 + self.nanos as i128
    }

    /// This moment without its fraction: the precision of Kubernetes metadata.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self::of_seconds(self.seconds)
    }

    /// The moment `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::of_nanos(self.as_nanos() + i128::try_from(by.as_nanos()).unwrap_or(i128::MAX / 2))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = (self.as_nanos() - earlier.as_nanos()).max(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nanoseconds_round_trip(
            nanos in -4_000_000_000_000_000_000_i64..4_000_000_000_000_000_000,
        ) {
            prop_assert_eq!(Timestamp::of_nanos(nanos.into()).as_nanos(), i128::from(nanos));
        }

        #[test]
        fn later_is_later(start in 0_i64..4_000_000_000, by in 0_u64..1_000_000_000_000) {
            let start = Timestamp::of_seconds(start);
            let later = start.plus(Duration::from_nanos(by));
            prop_assert_eq!(later.since(start).as_nanos(), u128::from(by));
        }
    }
}
