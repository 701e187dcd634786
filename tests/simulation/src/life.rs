//! One life of a service or an agent: it may end at any of its calls, and what it still tries after
//! that reaches nobody.

use fleetlog_kernel::{Position, Service};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whose life it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A service's.
    Service(Service),
    /// An agent's.
    Agent,
    /// The user's, who does not die.
    User,
}

/// A life.
#[derive(Debug)]
pub struct Life {
    /// Whose.
    pub who: Who,
    /// How far earlier lives of a service had reacted when this one began.
    pub reacted_before: Position,
    dead: AtomicBool,
    /// Whether this life has begun to read the log.
    pub reads: AtomicBool,
}

impl Life {
    /// A life that begins.
    #[must_use]
    pub const fn new(who: Who, reacted_before: Position) -> Self {
        let (dead, reads) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { who, reacted_before, dead, reads }
    }

    /// Whether it has ended.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// It ends here.
    pub fn end(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }
}
