//! What the three kinds share when a user applies or deletes them: name, labels, precondition,
//! finalizers.

use crate::command::Apply;
use crate::refusal::Refusal;
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_rules::finalizers::{self, Left, Wish};
use fleetlog_rules::metadata::{self, Birth};

/// Refuses what no object of any kind may have.
pub(crate) fn check<T>(
    apply: &Apply<T>,
    given: &ObjectMeta,
    current: Option<Position>,
) -> Result<(), Refusal> {
    let target = &apply.target;
    if !given.name().is_empty() && given.name() != target.name {
        let (given, target) = (given.name().to_owned(), target.name.clone());
        return Err(Refusal::OtherName { given, target });
    }
    metadata::check(given).map_err(Refusal::Label)?;
    stands(&target.name, apply.expected, current)
}

/// Refuses what was asked of an object that stands elsewhere.
pub(crate) fn stands(
    name: &str,
    expected: Option<Position>,
    current: Option<Position>,
) -> Result<(), Refusal> {
    match expected {
        Some(expected) if expected != current.unwrap_or(Position::START) => {
            Err(Refusal::Conflict {
                name: name.to_owned(),
                expected: expected.resource_version(0),
                actual: current.unwrap_or_default().resource_version(0),
            })
        }
        _ => Ok(()),
    }
}

/// Its birth, if it does not exist yet.
pub(crate) fn birth<T>(apply: &Apply<T>, at: Timestamp) -> Birth {
    Birth {
        namespace: apply.target.namespace.clone(),
        name: apply.target.name.clone(),
        uid: apply.uid.clone(),
        at,
    }
}

/// The metadata after the apply: born when there is none, merged or replaced otherwise.
pub(crate) fn after<T>(
    apply: &Apply<T>,
    given: &ObjectMeta,
    current: Option<&ObjectMeta>,
    at: Timestamp,
) -> ObjectMeta {
    match current {
        None => metadata::born(given, &birth(apply, at)),
        Some(current) => metadata::changed(current, given, apply.change),
    }
}

/// Whether an object goes with a write that leaves it this metadata.
pub(crate) fn goes(current: Option<&ObjectMeta>, after: &ObjectMeta) -> Result<bool, Refusal> {
    let Some(current) = current else { return Ok(false) };
    let left = finalizers::write(current, after).map_err(Refusal::Late)?;
    Ok(left == Left::Goes)
}

/// What the wish to delete an object is: that it is gone, or that it is asked for.
pub(crate) fn deletion<E>(current: Option<&ObjectMeta>, gone: E, asked: E) -> Vec<E> {
    match current.map_or(Wish::Granted, finalizers::wish) {
        Wish::Granted => vec![gone],
        Wish::Waits => vec![asked],
        Wish::Repeated => vec![],
    }
}
