//! `--as-of`: the moment of the past that a question is about. What was there then, the services
//! say; this only reads the words.

use crate::args::duration;
use crate::failure::Failure;
use crate::hub::Hub;
use fleetlog_kernel::{Service, Timestamp};
use fleetlog_messages::common::{Query, Time};

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Not of the past.
    Now,
    /// Right after the commit at this position.
    Position(u64),
    /// Right after the last commit at or before this time.
    Time(Timestamp),
}

impl AsOf {
    /// Reads `41`, `2026-11-25T10:00:00Z`, `8s-ago`; nothing is now.
    ///
    /// # Errors
    /// Words that name no moment, or one before any commit or after now.
    pub fn parse(text: Option<&str>, now: Timestamp) -> Result<Self, Failure> {
        let Some(text) = text else { return Ok(Self::Now) };
        let advice = "give a position as 41, a time as 2026-11-25T10:00:00Z, or 8s-ago, 5m-ago";
        let no_moment = || Failure::new("CLI0035", format!("\"{text}\" is no moment"), advice);
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let position = text.parse().map_err(|_| no_moment())?;
            if position == 0 {
                let advice = "the first commit is at position 1";
                return Err(Failure::new("CLI0035", "nothing is at position \"0\"", advice));
            }
            return Ok(Self::Position(position));
        }
        let at = match text.strip_suffix("-ago") {
            Some(ago) => {
                let ago = duration(ago).map_err(|_| no_moment())?;
                let ago = i128::try_from(ago.as_nanos()).unwrap_or(i128::MAX);
                Timestamp::of_nanos(now.as_nanos().saturating_sub(ago))
            }
            None => moment(text).ok_or_else(no_moment)?,
        };
        let in_bounds = at.as_nanos() > 0 && i64::try_from(at.as_nanos()).is_ok();
        if !in_bounds || at > now {
            let sentence = format!("\"{text}\" is not in the hub's past");
            return Err(Failure::new("CLI0036", sentence, "name a moment before now, after 1970"));
        }
        Ok(Self::Time(at))
    }

    /// The question, about this moment.
    #[must_use]
    pub fn of(self, query: Query) -> Query {
        match self {
            Self::Now => query,
            Self::Position(as_of) => Query { as_of, ..query },
            Self::Time(at) => {
                let as_of_time = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
                Query { as_of_time, ..query }
            }
        }
    }

    /// The position of this moment, the end of the log for now: asked of a service, so that every
    /// command means the same one by the same words.
    ///
    /// # Errors
    /// A moment that the log does not hold, or a hub that does not answer.
    pub async fn position(self, hub: &Hub) -> Result<u64, Failure> {
        let query = self.of(Query::default());
        Ok(hub.ask(Service::Registration, "moment", query).await?.0)
    }

    /// The same moment once an answer said at which position it lies: services that are asked
    /// after it answer about the same one.
    #[must_use]
    pub fn resolved(self, position: u64) -> Self {
        if self == Self::Now { self } else { Self::Position(position) }
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let Time { seconds, nanos, .. } =
        Time::parse(text).or_else(|| Time::parse(&format!("{text}Z")))?;
    Some(Timestamp::of_nanos(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::of_seconds(1_000);

    #[test]
    fn positions_times_and_ages_name_moments() {
        let parsed = |text| AsOf::parse(Some(text), NOW).unwrap();
        assert_eq!(AsOf::parse(None, NOW).unwrap(), AsOf::Now);
        assert_eq!(parsed("41"), AsOf::Position(41));
        assert_eq!(parsed("8s-ago"), AsOf::Time(Timestamp::of_seconds(992)));
        assert_eq!(parsed("5m-ago"), AsOf::Time(Timestamp::of_seconds(700)));
        let at = AsOf::Time(Timestamp::of_seconds(600));
        assert_eq!(parsed("1970-01-01T00:10:00Z"), at);
        assert_eq!(parsed("1970-01-01T01:10:00+01:00"), at);
        assert_eq!(parsed("1970-01-01T00:10:00"), at, "without a zone it is UTC, as the log is");
    }

    #[test]
    fn what_names_no_moment_is_refused_with_advice() {
        let code = |text| {
            let failure = AsOf::parse(Some(text), NOW).unwrap_err();
            assert!(!failure.advice.is_empty());
            failure.code
        };
        for text in ["", "0", "-1", "soon", "8s", "8w-ago", "-ago", "99999999999999999999999"] {
            assert_eq!(code(text), "CLI0035", "{text}");
        }
        for text in ["2h-ago", "99999999999999999h-ago", "1970-01-01T00:20:00Z"] {
            assert_eq!(code(text), "CLI0036", "{text}");
        }
    }

    #[test]
    fn a_time_is_a_position_once_it_was_answered() {
        assert_eq!(AsOf::Time(NOW).resolved(7), AsOf::Position(7));
        assert_eq!(AsOf::Now.resolved(7), AsOf::Now);
        assert_eq!(AsOf::Position(7).of(Query::default()).as_of, 7);
        assert_eq!(AsOf::Time(NOW).of(Query::default()).as_of_time, 1_000_000_000_000);
    }
}
