//! Finalizers: what an object waits for on its way out (spec gateway 5.3, 5.6). A wish to delete
//! it marks it; it is served and changed on until a write takes the last of them away.

use crate::metadata::next_generation;
use fleetlog_messages::common::{ObjectMeta, Time};

/// What the wish to delete an object comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing keeps it: it goes at once.
    Granted,
    /// It is marked, and goes with its last finalizer.
    Waits,
    /// It is marked already: nothing changes.
    Repeated,
}

/// What a write leaves of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It stays.
    Stays,
    /// It was on its way out and nothing keeps it any more: it goes.
    Goes,
}

/// Finalizers that come too late.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no new finalizers can be added if the object is being deleted, found new finalizers {}",
    quoted(.finalizers)
)]
pub struct Late {
    /// Those that are new.
    pub finalizers: Vec<String>,
}

/// Whether it is on its way out.
#[must_use]
pub const fn is_terminating(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
}

/// What the wish to delete an object of this metadata comes to.
#[must_use]
pub fn wish(meta: &ObjectMeta) -> Wish {
    match (is_terminating(meta), meta.finalizers.is_empty()) {
        (true, _) => Wish::Repeated,
        (false, true) => Wish::Granted,
        (false, false) => Wish::Waits,
    }
}

/// Marks an object that waits, as of when it was wished away; one that is marked stays as it is.
pub fn terminate(meta: &mut ObjectMeta, at: Option<&Time>) {
    if is_terminating(meta) {
        return;
    }
    meta.deletion_timestamp = Some(at.cloned().unwrap_or_default());
    meta.deletion_grace_period_seconds = Some(0);
    next_generation(meta);
}

/// What a write that makes `after` of the metadata `before` leaves of the object.
///
/// # Errors
/// The finalizers that are new to an object on its way out.
pub fn write(before: &ObjectMeta, after: &ObjectMeta) -> Result<Left, Late> {
    if !is_terminating(before) {
        return Ok(Left::Stays);
    }
    let new = after.finalizers.iter().filter(|finalizer| !before.finalizers.contains(finalizer));
    let finalizers: Vec<String> = new.cloned().collect();
    match (finalizers.is_empty(), after.finalizers.is_empty()) {
        (false, _) => Err(Late { finalizers }),
        (true, true) => Ok(Left::Goes),
        (true, false) => Ok(Left::Stays),
    }
}

/// Takes a service's own finalizer away, whose work is done; `None` where others keep the object
/// and this one did not.
pub fn release(meta: &mut ObjectMeta, finalizer: &str) -> Option<Left> {
    let before = meta.finalizers.len();
    meta.finalizers.retain(|one| one != finalizer);
    match meta.finalizers.len() {
        0 => Some(Left::Goes),
        now if now < before => Some(Left::Stays),
        _ => None,
    }
}

/// Puts a service's own finalizer among those of an object that lives; of one on its way out it
/// stays until the service takes it away.
pub fn keep(before: Option<&ObjectMeta>, meta: &mut ObjectMeta, finalizer: &str) {
    let has = |meta: &ObjectMeta| meta.finalizers.iter().any(|one| one == finalizer);
    let kept = before.is_none_or(|before| !is_terminating(before) || has(before));
    if kept && !has(meta) {
        meta.finalizers.push(finalizer.to_owned());
    }
}

fn quoted(finalizers: &[String]) -> String {
    let quoted: Vec<String> = finalizers.iter().map(|one| format!("\"{one}\"")).collect();
    quoted.join(", ")
}
