//! Which taints a toleration tolerates, and until when (spec, registration and placement, section
//! 21). What the time is, is the caller's.

use fleetlog_kernel::Timestamp;
use fleetlog_messages::placement::Toleration;
use fleetlog_messages::registration::Taint;
use std::time::Duration;

/// Keeps clusters away at once, chosen ones too.
pub const NO_SELECT: &str = "NoSelect";
/// Is disliked only.
pub const PREFER_NO_SELECT: &str = "PreferNoSelect";
/// Keeps clusters away that are not chosen yet.
pub const NO_SELECT_IF_NEW: &str = "NoSelectIfNew";

/// Why a toleration means nothing. The words are OCM's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TolerationError {
    /// An empty key with another operator than Exists.
    #[error("If the key is empty, operator must be Exists.")]
    EmptyKey,
    /// Exists with a value.
    #[error("If the operator is Exists, the value should be empty.")]
    ValueWithExists,
}

/// Whether the cluster is in the decision already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It would be new.
    New,
    /// It is chosen.
    Chosen,
}

/// Checks a toleration.
///
/// # Errors
/// The rule it breaks.
pub fn check(toleration: &Toleration) -> Result<(), TolerationError> {
    let exists = toleration.operator() == "Exists";
    if toleration.key().is_empty() && !exists {
        return Err(TolerationError::EmptyKey);
    }
    if exists && !toleration.value().is_empty() {
        return Err(TolerationError::ValueWithExists);
    }
    Ok(())
}

/// Whether one toleration covers one taint.
#[must_use]
pub fn covers(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect().is_empty() || toleration.effect() == taint.effect();
    let key = toleration.key().is_empty() || toleration.key() == taint.key();
    let value = toleration.operator() == "Exists" || toleration.value() == taint.value();
    effect && key && value
}

/// Until when something is tolerated. The order is that of how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// It is not tolerated at any time.
    Never,
    /// Before this moment, and at it no more.
    Moment(Timestamp),
    /// Without an end.
    Forever,
}

impl Until {
    /// Whether it lasts at `now`.
    #[must_use]
    pub fn lasts(self, now: Timestamp) -> bool {
        self > Self::Moment(now)
    }
}

/// Until when a cluster of this standing may be chosen in spite of all of its taints. A limit
/// counts from when the taint was added, not from when the toleration was written.
#[must_use]
pub fn until(tolerations: &[Toleration], taints: &[Taint], standing: Standing) -> Until {
    let of = |taint: &Taint| match (taint.effect(), standing) {
        (PREFER_NO_SELECT, _) | (NO_SELECT_IF_NEW, Standing::Chosen) => Until::Forever,
        _ => {
            let covering = tolerations.iter().filter(|toleration| covers(toleration, taint));
            covering.map(|toleration| limit(toleration, taint)).max().unwrap_or(Until::Never)
        }
    };
    taints.iter().map(of).min().unwrap_or(Until::Forever)
}

/// Until when one toleration covers a taint that it covers at all.
fn limit(toleration: &Toleration, taint: &Taint) -> Until {
    match toleration.toleration_seconds {
        None => Until::Forever,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(0) | Err(_) => Until::Never,
            Ok(seconds) => {
                let added = taint.time_added.as_ref().map(crate::moment).unwrap_or_default();
                Until::Moment(added.plus(Duration::from_secs(seconds)))
            }
        },
    }
}

/// Whether a cluster of this standing may be chosen at `now` in spite of all of its taints.
#[must_use]
pub fn tolerated(
    tolerations: &[Toleration],
    taints: &[Taint],
    standing: Standing,
    now: Timestamp,
) -> bool {
    until(tolerations, taints, standing).lasts(now)
}
