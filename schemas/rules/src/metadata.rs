//! Metadata of objects: what a user gives, what the hub sets, and how a change is merged.

use crate::labels::{self, LabelError};
use fleetlog_kernel::{Timestamp, Uid};
use fleetlog_messages::common::ObjectMeta;

/// What the hub sets at an object's birth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The uid of this incarnation.
    pub uid: Uid,
    /// When.
    pub at: Timestamp,
}

/// How given labels, annotations, owners and finalizers meet those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Given ones are set, others stay.
    Merge,
    /// Given ones are all there are.
    Replace,
}

/// The metadata of a new object: the user's part of `given`, the rest by the hub.
#[must_use]
pub fn born(given: &ObjectMeta, birth: &Birth) -> ObjectMeta {
    ObjectMeta {
        name: Some(birth.name.clone()),
        namespace: birth.namespace.clone(),
        uid: Some(birth.uid.to_string()),
        generation: Some(1),
        creation_timestamp: Some(crate::time(birth.at)),
        labels: given.labels.clone(),
        annotations: given.annotations.clone(),
        owner_references: given.owner_references.clone(),
        finalizers: given.finalizers.clone(),
        managed_fields: given.managed_fields.clone(),
        ..ObjectMeta::default()
    }
}

/// The metadata after a change; what the hub set stays, the generation too.
#[must_use]
pub fn changed(current: &ObjectMeta, given: &ObjectMeta, change: Change) -> ObjectMeta {
    let mut after = current.clone();
    match change {
        Change::Replace => {
            after.labels.clone_from(&given.labels);
            after.annotations.clone_from(&given.annotations);
            after.owner_references.clone_from(&given.owner_references);
            after.finalizers.clone_from(&given.finalizers);
            after.managed_fields.clone_from(&given.managed_fields);
        }
        Change::Merge => {
            after.labels.extend(given.labels.clone());
            after.annotations.extend(given.annotations.clone());
            if !given.owner_references.is_empty() {
                after.owner_references.clone_from(&given.owner_references);
            }
            for finalizer in &given.finalizers {
                if !after.finalizers.contains(finalizer) {
                    after.finalizers.push(finalizer.clone());
                }
            }
            if !given.managed_fields.is_empty() {
                after.managed_fields.clone_from(&given.managed_fields);
            }
        }
    }
    after
}

/// Moves the generation on: once per change of a spec.
pub fn next_generation(meta: &mut ObjectMeta) {
    meta.generation = Some(meta.generation.unwrap_or_default() + 1);
}

/// Checks labels and the keys of annotations.
///
/// # Errors
/// The first that no object can have.
pub fn check(given: &ObjectMeta) -> Result<(), LabelError> {
    labels::check(&given.labels)?;
    given.annotations.keys().try_for_each(|key| labels::check_key(&key.to_lowercase()))
}
