//! Deadlines that outlive the process: a machine says when time alone moves which of its aggregates
//! on, and is woken then, by TIMER, with a command. An aggregate has one timer, its next; a timer
//! whose reason is gone finds nothing to do. Which moments these are is the machine's.

use crate::context::Context;
use crate::machine::{Machine, Origin, Request};
use bytes::Bytes;
use fleetlog_bus::{Fault, Timers};
use fleetlog_kernel::Timestamp;
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
    /// The encoded command message that it gets then.
    pub payload: Bytes,
}

/// A commit may have moved the next moment of an aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Of which.
    pub whom: AggregateId,
    /// When that was decided: moments after it count, also such as have passed meanwhile.
    pub since: Timestamp,
}

/// A machine some of whose aggregates time alone moves on.
pub trait Timed: Machine {
    /// The timer that an aggregate needs after `since`, by the state as it is.
    fn wake(&self, whom: &AggregateId, since: Timestamp) -> Option<Wake>;

    /// The timer of every aggregate that needs one after `since`.
    fn wakes(&self, since: Timestamp) -> Vec<Wake>;
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
    /// those of commits that were folded while the log was read in have not been set.
    pub fn attend(self: &Arc<Self>, context: &Arc<Context<M>>) {
        let _first = self.context.set(Arc::downgrade(context));
        let (context, alarms) = (context.clone(), self.clone());
        let tasks = context.ground.tasks.clone();
        tasks.spawn("timers", async move {
            context.live().await;
            alarms.renew(&context).await
        });
    }

    /// Sets every timer anew. A moment that has passed is made up for now, however long nobody was
    /// there: whether it was acted on only the decision knows.
    ///
    /// # Errors
    /// A server that does not take one.
    pub async fn renew(&self, context: &Context<M>) -> Result<(), Fault> {
        let ever = Timestamp::of_seconds(0);
        self.put(context, |machine| machine.wakes(ever)).await
    }

    /// A timer that is due is spent: the next one is set before it is acted on, because a look that
    /// changes nothing is no commit that could lead to one.
    ///
    /// # Errors
    /// A server that does not take it: the spent one must come again.
    pub async fn spent(&self, request: &Request) -> Result<(), Fault> {
        let Origin::Timer { .. } = request.origin else { return Ok(()) };
        self.set(vec![Moved { whom: request.target.clone(), since: request.at }]).await
    }

    /// Sets the timers of aggregates whose next moment commits may have moved; each is looked for
    /// once, by the state as it is now.
    ///
    /// # Errors
    /// A server that does not take one.
    pub async fn set(&self, moved: Vec<Moved>) -> Result<(), Fault> {
        if moved.is_empty() {
            return Ok(());
        }
        // What moves before the service is attended to is in the state that is looked at then.
        let Some(context) = self.context.get().and_then(Weak::upgrade) else { return Ok(()) };
        let mut since: BTreeMap<AggregateId, Timestamp> = BTreeMap::new();
        for Moved { whom, since: at } in moved {
            since.entry(whom).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
        let wakes = |machine: &M| {
            since.iter().filter_map(|(whom, since)| machine.wake(whom, *since)).collect()
        };
        self.put(&context, wakes).await
    }

    async fn put(
        &self,
        context: &Context<M>,
        wakes: impl FnOnce(&M) -> Vec<Wake>,
    ) -> Result<(), Fault> {
        let _one = self.one.lock().await;
        let (wakes, cause) = context.read(|hosted| (wakes(hosted.machine()), hosted.position()));
        let now = context.ground.clock.now();
        let put = |Wake { whom, at, payload }: Wake| async move {
            // The server lets go of a timer that was due long ago.
            let due = whole(at.max(now));
            let set = || self.timers.set(&whom, due, cause, payload.clone());
            context.patiently(set).await
        };
        stream::iter(wakes).map(put).buffer_unordered(AT_ONCE).try_collect::<()>().await
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
