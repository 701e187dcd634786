//! The cluster's clock: a given moment plus the time tokio has seen pass, so paused time works.
//! Reads no system clock.

use std::time::Duration;

use fleetlog_kernel::Timestamp;
use tokio::time::Instant;

/// Tells the time of a simulated cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    epoch: Timestamp,
    start: Instant,
}

impl Clock {
    pub(crate) fn new(epoch: Timestamp) -> Self {
        Self { epoch, start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    /// Now, in whole seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        let passed: Duration = self.now().saturating_duration_since(self.start);
        self.epoch.plus(passed).seconds()
    }

    /// Now, as Kubernetes writes it: RFC 3339, UTC, whole seconds.
    pub(crate) fn text(&self) -> String {
        rfc3339(self.seconds())
    }
}

/// Seconds since 1970 as `2026-03-01T09:00:00Z` (proleptic Gregorian calendar).
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn known_moments_are_written_as_the_standard_says() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_772_355_600), "2026-03-01T09:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_399), "2100-02-28T23:59:59Z");
    }
}
