//! Conditions: found by type, replaced by type, with transition times that move with the status.

use fleetlog_messages::common::{Condition, Time};

/// When a transition time moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// With the status alone.
    WithStatus,
    /// With the status, or the generation it speaks of.
    WithGeneration,
    /// Now.
    Always,
}

/// The condition of a type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.r#type() == kind)
}

/// Whether the condition of a type is true.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status() == "True")
}

/// Gives `new` the transition time of `old` unless it moved; `now` when it has none.
pub fn keep_transition(old: Option<&Condition>, new: &mut Condition, moved: Moved, now: &Time) {
    let stays = |old: &&Condition| {
        old.status == new.status
            && match moved {
                Moved::WithStatus => true,
                Moved::WithGeneration => old.observed_generation == new.observed_generation,
                Moved::Always => false,
            }
    };
    match old.filter(stays).and_then(|old| old.last_transition_time.clone()) {
        Some(kept) => new.last_transition_time = Some(kept),
        None if new.last_transition_time.is_none() => new.last_transition_time = Some(now.clone()),
        None => {}
    }
}

/// Replaces the condition of the same type, or adds it; its transition time moves with its status.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition, now: &Time) {
    let place = conditions.iter().position(|old| old.r#type == new.r#type);
    keep_transition(place.map(|i| &conditions[i]), &mut new, Moved::WithStatus, now);
    match place {
        Some(place) => conditions[place] = new,
        None => conditions.push(new),
    }
}

/// A condition without a transition time yet.
#[must_use]
pub fn new(kind: &str, holds: bool, reason: &str, message: String, generation: i64) -> Condition {
    Condition {
        r#type: Some(kind.into()),
        status: Some(if holds { "True" } else { "False" }.into()),
        observed_generation: Some(generation),
        last_transition_time: None,
        reason: Some(reason.into()),
        message: Some(message),
    }
}
