//! Conditions as an agent reports them: one per type, of a generation, with the time that it last
//! moved; what moves it differs from the hub's own conditions (`fleetlog_rules::condition`).

use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Condition;

/// A condition to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its type.
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

impl Said {
    /// One of a type.
    pub fn new(kind: &'static str, status: &'static str, reason: &'static str) -> Self {
        Self { kind, status, reason, message: String::new() }
    }

    /// With a sentence.
    #[must_use]
    pub fn with(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

/// When a condition counts as changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// With its status, as for a whole work.
    WithStatus,
    /// With its status or the generation it speaks of, as for one manifest.
    WithGeneration,
    /// Now, whatever it was.
    Now,
}

/// The condition as it is from now on, after `old` of the same type (if any).
#[must_use]
pub fn set(
    old: &[Condition],
    said: Said,
    generation: i64,
    moves: Moves,
    now: Timestamp,
) -> Condition {
    let old = old.iter().find(|c| c.r#type.as_deref() == Some(said.kind));
    let same = |old: &&Condition| {
        old.status.as_deref() == Some(said.status)
            && match moves {
                Moves::WithStatus => true,
                Moves::WithGeneration => old.observed_generation == Some(generation),
                Moves::Now => false,
            }
    };
    let since = old.filter(same).and_then(|old| old.last_transition_time.clone());
    let since = since.unwrap_or_else(|| fleetlog_rules::time(now));
    Condition {
        r#type: Some(said.kind.to_owned()),
        status: Some(said.status.to_owned()),
        observed_generation: Some(generation),
        last_transition_time: Some(since),
        reason: Some(said.reason.to_owned()),
        message: Some(said.message),
    }
}
