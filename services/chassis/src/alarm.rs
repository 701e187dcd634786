//! Deadlines that outlive the process: a machine says when time alone moves which of its aggregates
//! on, and is woken then, by TIMER, with a command. An aggregate has one timer, its next; a timer
//! whose reason is gone finds nothing to do. Which moments these are is the machine's.

use crate::context::Context;
use crate::machine::{Machine, Origin, Request};
use bytes::Bytes;
use fleetlog_bus::{Fault, Timers};
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::subject::AggregateId;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::Mutex;

/// How many timers are set at the same time.
const AT_ONCE: usize = 32;

/// An aggregate is to be looked at at a moment, although nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// Which one.
    pub whom: AggregateId,
    /// When, at the latest a second after.
    pub at: Timestamp,
    /// The commit that makes it so.
    pub cause: Position,
    /// The encoded command message that it gets then.
    pub payload: Bytes,
}

/// A machine some of whose aggregates time alone moves on.
pub trait Timed: Machine {
    /// The timer that an aggregate needs after `now`, by the state as it is.
    fn wake(&self, whom: &AggregateId, now: Timestamp) -> Option<Wake>;

    /// The timer of every aggregate that needs one after `now`.
    fn wakes(&self, now: Timestamp) -> Vec<Wake>;
}

/// Sets the timers of a service.
pub struct Alarms<M: Machine> {
    timers: Timers,
    /// What is read of the state is set before anybody reads again: the newest state is set last.
    one: Mutex<()>,
    context: OnceLock<Weak<Context<M>>>,
}

impl<M: Timed> Alarms<M> {
    /// For a service that is about to start.
    #[must_use]
    pub fn new(timers: Timers) -> Self {
        Self { timers, one: Mutex::default(), context: OnceLock::new() }
    }

    /// Once the service runs: sets the timers anew that the state asks for. TIMER is derived, and
    /// those of commits that were folded while the log was read in have not been set. A moment that
    /// has passed is made up for now, however long nobody was there: whether it was acted on only
    /// the decision knows.
    pub fn attend(self: &Arc<Self>, context: &Arc<Context<M>>) {
        let _first = self.context.set(Arc::downgrade(context));
        let (context, alarms) = (context.clone(), self.clone());
        let tasks = context.ground.tasks.clone();
        tasks.spawn("timers", async move {
            context.live().await;
            let _one = alarms.one.lock().await;
            let now = context.ground.clock.now();
            let ever = Timestamp::of_seconds(0);
            let mut wakes = context.read(|hosted| hosted.machine().wakes(ever));
            wakes.iter_mut().for_each(|wake| wake.at = wake.at.max(now));
            context.patiently(|| alarms.put(wakes.clone())).await
        });
    }

    /// A timer that is due is spent: the next one is set before it is acted on, because a look that
    /// changes nothing is no commit that could lead to one.
    pub async fn spent(&self, request: &Request) {
        let Origin::Timer { .. } = request.origin else { return };
        let Some(context) = self.context.get().and_then(Weak::upgrade) else { return };
        let _one = self.one.lock().await;
        let wake = context.read(|hosted| hosted.machine().wake(&request.target, request.at));
        let set = context.patiently(|| self.put(wake.clone().into_iter().collect())).await;
        if let Err(fault) = set {
            tracing::error!(%fault, whom = %request.target, "its next timer cannot be set");
        }
    }

    /// Sets timers that commits led to.
    ///
    /// # Errors
    /// A server that does not take one.
    pub async fn set(&self, wakes: Vec<Wake>) -> Result<(), Fault> {
        let _one = self.one.lock().await;
        self.put(wakes).await
    }

    async fn put(&self, wakes: Vec<Wake>) -> Result<(), Fault> {
        // One each: of several for one, the last.
        let wakes: BTreeMap<AggregateId, Wake> =
            wakes.into_iter().map(|wake| (wake.whom.clone(), wake)).collect();
        let put = |Wake { whom, at, cause, payload }: Wake| async move {
            self.timers.set(&whom, whole(at), cause, payload).await
        };
        stream::iter(wakes.into_values())
            .map(put)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }
}

/// Timers know whole seconds: one never comes before its moment.
fn whole(at: Timestamp) -> Timestamp {
    let floor = at.whole_seconds();
    if floor == at { at } else { floor.plus(Duration::from_secs(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_within_a_second_is_waited_for_to_its_end() {
        let second = Timestamp::of_seconds(7);
        assert_eq!(whole(second), second);
        assert_eq!(whole(second.plus(Duration::from_nanos(1))), Timestamp::of_seconds(8));
    }
}
