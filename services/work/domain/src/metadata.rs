//! Metadata as Kubernetes keeps it: what a user may set, and what only the hub sets. Knows no
//! resource versions: those come from the position of a commit, when an object is served.

use fleetlog_kernel::{Timestamp, Uid};
use fleetlog_messages::common::{ObjectMeta, Time};
use fleetlog_rules::finalizers::keep;

/// What labels and annotations that are not given become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// They stay.
    Add,
    /// They go.
    Replace,
}

/// The time of a decision as metadata and conditions have it: whole seconds.
#[must_use]
pub fn time(at: Timestamp) -> Time {
    Time { seconds: at.seconds(), ..Time::default() }
}

/// The metadata of a new object.
#[must_use]
pub fn born(
    given: &ObjectMeta,
    (namespace, name): (&str, &str),
    uid: &Uid,
    at: Timestamp,
    finalizer: &str,
) -> ObjectMeta {
    let mut meta = ObjectMeta {
        name: Some(name.into()),
        namespace: Some(namespace.into()),
        uid: Some(uid.to_string()),
        generation: Some(1),
        creation_timestamp: Some(time(at)),
        ..of_user(given)
    };
    keep(None, &mut meta, finalizer);
    meta
}

/// The metadata of an object that a user applies again; the generation, and what finalizers of the
/// hub's own become, are the caller's.
#[must_use]
pub fn applied(current: &ObjectMeta, given: &ObjectMeta, mode: Metadata) -> ObjectMeta {
    let mut meta = current.clone();
    let given = of_user(given);
    match mode {
        Metadata::Add => {
            meta.labels.extend(given.labels);
            meta.annotations.extend(given.annotations);
        }
        Metadata::Replace => {
            meta.labels = given.labels;
            meta.annotations = given.annotations;
        }
    }
    if !given.finalizers.is_empty() || mode == Metadata::Replace {
        meta.finalizers = given.finalizers;
    }
    if !given.owner_references.is_empty() || mode == Metadata::Replace {
        meta.owner_references = given.owner_references;
    }
    if !given.managed_fields.is_empty() {
        meta.managed_fields = given.managed_fields;
    }
    meta
}

/// Marks an object that is on its way out; `generation` is what it has from now on, 0 as it was.
pub(crate) fn mark(meta: Option<&mut ObjectMeta>, at: Option<&Time>, generation: i64) {
    let Some(meta) = meta else { return };
    meta.deletion_timestamp = at.cloned();
    if generation > 0 {
        meta.generation = Some(generation);
        meta.deletion_grace_period_seconds = Some(0);
    }
}

/// What of given metadata counts.
fn of_user(given: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        labels: given.labels.clone(),
        annotations: given.annotations.clone(),
        owner_references: given.owner_references.clone(),
        finalizers: given.finalizers.clone(),
        managed_fields: given.managed_fields.clone(),
        ..ObjectMeta::default()
    }
}
