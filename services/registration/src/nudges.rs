//! Nudges: an agent whose rhythm changed is told to beat now, and learns the new one with the
//! answer. A nudge can get lost, so it is said again until a beat came or the shortest grace is
//! over; who is away then learns it when it comes back.

use crate::handlers::Running;
use fleetlog_bus::{Fault, Message};
use fleetlog_kernel::ClusterName;
use fleetlog_messages::subject;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often one is said, and how far apart.
const TIMES: u32 = 5;
const APART: Duration = Duration::from_secs(1);
/// How many agents are told together after a start.
const AT_ONCE: usize = 1_000;

/// The agents that were not heard since they should be told.
#[derive(Default)]
pub(crate) struct Nudges {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    asked: u64,
    /// Each with the number of the latest ask, which ends the turns of earlier ones.
    unheard: BTreeMap<ClusterName, u64>,
    /// Those of them that were not told yet.
    fresh: Vec<Turn>,
}

/// One agent to tell.
struct Turn {
    at: Instant,
    cluster: ClusterName,
    ask: u64,
    left: u32,
}

impl Nudges {
    /// Has an agent told to beat.
    pub(crate) fn ask(&self, cluster: ClusterName) {
        let mut waiting = self.waiting();
        waiting.asked += 1;
        let ask = waiting.asked;
        waiting.unheard.insert(cluster.clone(), ask);
        waiting.fresh.push(Turn { at: Instant::now(), cluster, ask, left: TIMES });
        self.bell.notify_one();
    }

    /// A beat came, whose answer tells what is new.
    pub(crate) fn heard(&self, cluster: &ClusterName) {
        self.waiting().unheard.remove(cluster);
    }

    /// It was said often enough.
    fn ends(&self, turn: &Turn) {
        let mut waiting = self.waiting();
        if waiting.unheard.get(&turn.cluster) == Some(&turn.ask) {
            waiting.unheard.remove(&turn.cluster);
        }
    }

    fn stands(&self, turn: &Turn) -> bool {
        self.waiting().unheard.get(&turn.cluster) == Some(&turn.ask)
    }

    fn fresh(&self) -> Vec<Turn> {
        std::mem::take(&mut self.waiting().fresh)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After a start, has every agent told once: an earlier life may have ended between a change of a
/// rhythm and its nudge. The shortest graces come first, so many at a time.
pub(crate) async fn everybody(context: Running, nudges: Arc<Nudges>) -> Result<(), Fault> {
    context.live().await;
    let mut awaited: Vec<(Duration, ClusterName)> = context.read(|hosted| {
        let clusters = hosted.machine().fleet().clusters().iter();
        let awaited = clusters.filter(|(_, cluster)| cluster.awaits_beats());
        awaited.filter_map(|(name, c)| Some((c.grace(), ClusterName::parse(name).ok()?))).collect()
    });
    awaited.sort_unstable();
    for some in awaited.chunks(AT_ONCE) {
        some.iter().for_each(|(_, cluster)| nudges.ask(cluster.clone()));
        tokio::select! {
            biased;
            () = context.ground.tasks.stopped() => return Ok(()),
            () = tokio::time::sleep(APART) => {}
        }
    }
    Ok(())
}

/// Tells agents to beat until the tasks are asked to stop.
pub(crate) async fn nudge(context: Running, nudges: Arc<Nudges>) -> Result<(), Fault> {
    // In the order of their times, for all of them wait equally long.
    let mut turns: VecDeque<Turn> = VecDeque::new();
    loop {
        for turn in nudges.fresh() {
            turns.extend(tell(&context, &nudges, turn).await);
        }
        while let Some(turn) = turns.pop_front_if(|turn| turn.at <= Instant::now()) {
            turns.extend(tell(&context, &nudges, turn).await);
        }
        let next = turns.front().map(|turn| turn.at);
        let next = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = context.ground.tasks.stopped() => return Ok(()),
            () = nudges.bell.notified() => {}
            () = next => {}
        }
    }
}

/// Tells one, unless it was heard or is asked for anew; its next turn.
async fn tell(context: &Running, nudges: &Nudges, turn: Turn) -> Option<Turn> {
    if !nudges.stands(&turn) {
        return None;
    }
    let subject = subject::beat_now(&turn.cluster).as_str().to_owned();
    let nudge = Message { subject, ..Message::default() };
    if let Err(fault) = context.ground.bus.broker.send(nudge).await {
        tracing::warn!(cluster = %turn.cluster, %fault, "an agent could not be told to beat");
    }
    if turn.left == 1 {
        nudges.ends(&turn);
        return None;
    }
    Some(Turn { at: Instant::now() + APART, left: turn.left - 1, ..turn })
}
