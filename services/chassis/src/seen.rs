//! What a service has seen of the log, against what the log holds. A log that lost its end gives
//! the positions of what was lost to other commits: ids and checkpoints that were made of them
//! would mean something else. A service that finds it out acts no more, and says why.

use fleetlog_bus::{EventLog, Fault};
use fleetlog_kernel::Position;
use std::fmt;

/// The log is not what it was.
const LOST: &str = "CHS0061";

/// How the log is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    /// It ends before what was seen.
    Shorter {
        /// Where it ends.
        end: Position,
        /// What was seen of it.
        seen: Position,
    },
    /// It has something else where something was seen.
    Other {
        /// Where.
        at: Position,
    },
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shorter { end, seen } => {
                write!(f, "the log ends at position {end}, this service has seen {seen}")?;
            }
            Self::Other { at } => {
                write!(f, "the log holds another commit at position {at} than this service saw")?;
            }
        }
        write!(f, "; restore the whole log, nothing is decided on this one")
    }
}

impl Lost {
    /// As a fault, which no retry mends.
    pub(crate) fn fault(self) -> Fault {
        Fault::lasting(LOST, self)
    }
}

/// Whether the log still holds, at `position`, the commit that was folded in there.
///
/// # Errors
/// A log that cannot be read.
pub(crate) async fn check(
    log: &EventLog,
    position: Position,
    commit: &str,
) -> Result<Result<(), Lost>, Fault> {
    if position == Position::START {
        return Ok(Ok(()));
    }
    Ok(match log.id_at(position).await? {
        Some(id) if id == commit => Ok(()),
        Some(_) => Err(Lost::Other { at: position }),
        None => Err(Lost::Shorter { end: log.end().await?, seen: position }),
    })
}
