//! A value that others wait for. Unlike a `watch` channel of tokio, which wakes in an order of
//! chance, it wakes whoever waits in the order they came: a seed plays the same run again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A value, and whoever waits for it to change.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Watched<T> {
    /// A value to begin with.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// Looks at it as it is now.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value())
    }

    /// Changes it; `change` answers whether it did, and only then anybody wakes.
    pub fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        let changed = change(&mut self.value());
        if changed {
            self.changed.notify_waiters();
        }
    }

    /// Puts another value in its place.
    pub fn set(&self, value: T)
    where
        T: PartialEq,
    {
        self.change(|now| {
            let differs = *now != value;
            *now = value;
            differs
        });
    }

    /// Waits until `found` finds something in it: at once, or after a change.
    pub async fn until<R>(&self, mut found: impl FnMut(&T) -> Option<R>) -> R {
        loop {
            // Heard before the value is looked at, so that no change falls between.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = self.look(&mut found) {
                return found;
            }
            changed.await;
        }
    }

    fn value(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Copy> Watched<T> {
    /// What it is now.
    pub fn get(&self) -> T {
        self.look(|value| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn who_came_first_wakes_first_and_only_a_change_wakes() {
        let (watched, woken) = (Arc::new(Watched::new(0)), Arc::new(Watched::new(vec![])));
        let mut waiters = JoinSet::new();
        for waiter in 0..20 {
            let (watched, woken) = (watched.clone(), woken.clone());
            waiters.spawn(async move {
                let seen = watched.until(|value| (*value > 0).then_some(*value)).await;
                woken.change(|woken| {
                    woken.push((waiter, seen));
                    true
                });
            });
        }
        tokio::task::yield_now().await;
        watched.set(0);
        watched.change(|_| false);
        tokio::task::yield_now().await;
        assert!(woken.look(Vec::is_empty));
        watched.set(7);
        waiters.join_all().await;
        woken.look(|woken| {
            assert_eq!(*woken, (0..20).map(|waiter| (waiter, 7)).collect::<Vec<_>>())
        });
    }
}
