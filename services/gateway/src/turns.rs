//! Patches of one object go one after another: each is laid over what the one before it made, so
//! that a hundred that come at once are a hundred commands and not a hundred rounds of conflicts.

use fleetlog_gateway_domain::{Key, Kind};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use tokio::sync::Mutex;

/// After so many turns those that nobody waits for are forgotten.
const SWEEP: usize = 1_024;

type Queue = Mutex<()>;

/// Whose turn it is, by object.
#[derive(Default)]
pub(crate) struct Turns(std::sync::Mutex<HashMap<(&'static str, Key), Weak<Queue>>>);

impl Turns {
    /// The queue of an object; who holds its lock has the turn.
    pub fn of(&self, kind: Kind, key: &Key) -> Arc<Queue> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SWEEP {
            all.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = all.entry((kind.kept().0.message, key.clone())).or_default();
        queue.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Queue::default());
            *queue = Arc::downgrade(&new);
            new
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_gateway_domain::find;

    #[test]
    fn an_object_has_one_queue_while_somebody_waits_in_it() {
        let (turns, kind) = (Turns::default(), find("", "v1", "configmaps").unwrap());
        let key = |name: String| Key { namespace: "n".into(), name };
        let first = turns.of(kind, &key("a".into()));
        assert!(Arc::ptr_eq(&first, &turns.of(kind, &key("a".into()))));
        assert!(!Arc::ptr_eq(&first, &turns.of(kind, &key("b".into()))));
        for number in 0..SWEEP * 2 {
            turns.of(kind, &key(number.to_string()));
        }
        assert!(turns.0.lock().unwrap().len() <= SWEEP + 1);
        assert!(Arc::ptr_eq(&first, &turns.of(kind, &key("a".into()))));
    }
}
