//! Why a service stops at a commit and does not go on by itself: it must understand it and cannot.
//! The words of the log line, of `/readyz` and of the runbook.

use crate::machine::Unreadable;
use fleetlog_bus::Fault;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::upcast::newer;

/// A commit of a later release: the release is too old.
const NEWER: &str = "CHS0031";
/// A commit that no release can have written.
const DAMAGED: &str = "CHS0032";

/// The end of the service at `commit`.
pub(crate) fn at(commit: &Recorded, unreadable: &Unreadable) -> Fault {
    match newer(commit) {
        Some(newer) => Fault::lasting(
            NEWER,
            format!("{newer}; start a release that reads it, nothing was skipped ({unreadable})"),
        ),
        None => damaged(unreadable),
    }
}

/// The end of the service at what is no commit.
pub(crate) fn damaged(unreadable: impl std::fmt::Display) -> Fault {
    Fault::lasting(DAMAGED, format!("{unreadable}; find out who wrote it, nothing was skipped"))
}
