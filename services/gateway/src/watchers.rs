//! How many watches there may be, in all and of one user: each holds memory for as long as it
//! lives.

use fleetlog_gateway_domain::Status;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Counted {
    all: usize,
    of_each: HashMap<String, usize>,
}

/// How many times as many as one user all together may have.
const ALL: usize = 4;

/// The watches that live, counted.
#[derive(Clone)]
pub(crate) struct Watchers {
    counted: Arc<Mutex<Counted>>,
    of_one: usize,
}

/// The place of one; dropped with it.
pub(crate) struct Place {
    counted: Watchers,
    user: String,
}

impl Watchers {
    /// So many of one user.
    pub fn new(of_one: usize) -> Self {
        Self { counted: Arc::default(), of_one }
    }

    /// A place for one more of a user.
    ///
    /// # Errors
    /// 429 where he, or all together, have as many as may be.
    pub fn admit(&self, user: &str) -> Result<Place, Status> {
        let mut counted = self.counted();
        let of_him = counted.of_each.get(user).copied().unwrap_or_default();
        if of_him >= self.of_one || counted.all >= self.of_one * ALL {
            let message = "too many watches are open, end some or ask again";
            return Err(Status { retry_after: 1, ..Status::new(429, "TooManyRequests", message) });
        }
        counted.all += 1;
        counted.of_each.insert(user.to_owned(), of_him + 1);
        Ok(Place { counted: self.clone(), user: user.to_owned() })
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counted = self.counted.counted();
        counted.all -= 1;
        match counted.of_each.get_mut(&self.user) {
            Some(of_him) if *of_him > 1 => *of_him -= 1,
            _ => drop(counted.of_each.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_so_many_and_all_together_have_so_many() {
        let watchers = Watchers::new(3);
        let places = |user: &str, many| -> Vec<Place> {
            (0..many).map(|_| watchers.admit(user).ok().unwrap()).collect()
        };
        let mut held = vec![places("a", 3)];
        let refused = watchers.admit("a").err().unwrap();
        assert_eq!((refused.code, refused.retry_after), (429, 1));
        held[0].pop();
        held.push(places("a", 1));
        for user in ["b", "c", "d"] {
            held.push(places(user, 3));
        }
        assert!(watchers.admit("other").is_err());
        held.clear();
        let counted = watchers.counted();
        assert_eq!((counted.all, counted.of_each.len()), (0, 0));
    }
}
