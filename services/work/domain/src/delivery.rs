//! What a work's agent gets: the work as it is wanted now, or its removal. Signing and sending are
//! the shell's.

use crate::name::WorkKey;
use crate::state::Work;
use fleetlog_kernel::Position;
use fleetlog_messages::work::Delivery;

/// What the agent of a work should get now; `None` while the work is unborn.
#[must_use]
pub fn of(key: &WorkKey, work: &Work) -> Option<Delivery> {
    let object = work.object()?;
    let meta = object.metadata.as_ref();
    let wanted = Delivery {
        uid: meta.map(|meta| meta.uid().to_owned()).unwrap_or_default(),
        object_generation: work.generation(),
        ..removal(key, work.delivered_at())
    };
    if work.is_deleting() {
        return Some(wanted);
    }
    let (spec, bundle) = (object.spec.clone(), work.bundle().cloned());
    Some(Delivery { deleted: false, spec, bundle, ..wanted })
}

/// The removal of a work that is not kept any more.
#[must_use]
pub fn removal(key: &WorkKey, generation: Position) -> Delivery {
    Delivery {
        cluster: key.cluster.clone(),
        work: key.name.clone(),
        generation: i64::try_from(generation.0).unwrap_or(i64::MAX),
        deleted: true,
        ..Delivery::default()
    }
}

/// As a sync answers it to an agent that holds generation `held` already: what it knows is left
/// out. Removals are told again always.
#[must_use]
pub fn against(delivery: Delivery, held: Option<i64>) -> Delivery {
    if delivery.deleted || held != Some(delivery.generation) {
        return delivery;
    }
    Delivery { unchanged: true, spec: None, bundle: None, ..delivery }
}
