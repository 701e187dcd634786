//! Conditions: setting one moves its `lastTransitionTime` only when its status moves.

use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Condition;

/// The three statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Nobody knows.
    Unknown,
}

impl Status {
    /// `True`, `False` or `Unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(yes: bool) -> Self {
        if yes { Self::True } else { Self::False }
    }
}

/// What a condition should say.
#[derive(Clone, Copy, Debug)]
pub struct Say<'a> {
    /// Its type.
    pub kind: &'a str,
    /// Its status.
    pub status: Status,
    /// Its reason, one word.
    pub reason: &'a str,
    /// Its message.
    pub message: &'a str,
}

/// Sets one condition at time `at`; answers whether anything changed.
pub fn set(conditions: &mut Vec<Condition>, say: Say<'_>, at: Timestamp) -> bool {
    let Say { kind, status, reason, message } = say;
    let status = status.as_str();
    let found = conditions.iter().position(|c| c.r#type.as_deref() == Some(kind));
    let before = found.map(|index| conditions[index].clone());
    let same = before.as_ref().filter(|c| c.status.as_deref() == Some(status));
    let since = same.and_then(|c| c.last_transition_time.clone());
    let after = Condition {
        r#type: Some(kind.to_owned()),
        status: Some(status.to_owned()),
        observed_generation: before.as_ref().and_then(|c| c.observed_generation),
        last_transition_time: Some(since.unwrap_or_else(|| crate::time(at))),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
    };
    let changed = before.as_ref() != Some(&after);
    match found {
        Some(index) => conditions[index] = after,
        None => conditions.push(after),
    }
    changed
}

/// The condition of a type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.r#type.as_deref() == Some(kind))
}

/// Whether the condition of a type has this status.
#[must_use]
pub fn is(conditions: &[Condition], kind: &str, status: Status) -> bool {
    find(conditions, kind).is_some_and(|c| c.status.as_deref() == Some(status.as_str()))
}
