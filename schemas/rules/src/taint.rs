//! Which taints a toleration tolerates (spec, registration and placement, section 21). Time limits
//! of tolerations are the caller's.

use fleetlog_messages::placement::Toleration;
use fleetlog_messages::registration::Taint;

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

/// Whether a cluster of this standing may be chosen in spite of all of its taints.
#[must_use]
pub fn tolerated(tolerations: &[Toleration], taints: &[Taint], standing: Standing) -> bool {
    taints.iter().all(|taint| match (taint.effect(), standing) {
        (PREFER_NO_SELECT, _) | (NO_SELECT_IF_NEW, Standing::Chosen) => true,
        _ => tolerations.iter().any(|toleration| covers(toleration, taint)),
    })
}
