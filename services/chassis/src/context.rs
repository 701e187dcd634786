//! What the loops of one service share: the hosted machine behind a lock held for microseconds,
//! and how far each loop has come.

use crate::as_of::Past;
use crate::hosted::Hosted;
use crate::machine::{Machine, Shell};
use crate::metrics::Metrics;
use crate::rebuild::Rebuilt;
use crate::snapshot::Due;
use crate::{Clock, Ids, Tasks, Watched};
use fleetlog_bus::{
    Blobs, Commands, DeadLetters, EventLog, Fault, Outcomes, Retry, SharedBroker, Snapshots, Timers,
};
use fleetlog_kernel::Position;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// How often a step that found the disk full is tried again.
const SPACE_AGAIN: Duration = Duration::from_secs(1);

/// Every queue, retry and wait of the loops has its bound here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Commands of one queue in hand at once; those of different aggregates are decided together.
    pub window: usize,
    /// Commits whose effects may wait for the react loop.
    pub effects: usize,
    /// Decisions tried again after a conflict.
    pub conflicts: u32,
    /// Tries of one step against a server that is away, a second apart at most.
    pub tries: u32,
    /// How long a step waits for space on a full disk before the service stops.
    pub space_wait: Duration,
    /// Deliveries of one message before it is given up as poison.
    pub deliveries: u64,
    /// How old a command's id may be to be decided without an outcome on record: a day less than
    /// RESULT keeps outcomes.
    pub outcomes_kept: Duration,
    /// Commits between two snapshots, at least; more where the state is large, so that snapshots
    /// never cost more than the folding.
    pub snapshot_every: u64,
    /// How often a service looks how far it is behind the log.
    pub lag_every: Duration,
    /// Questions answered at once.
    pub questions: usize,
    /// Questions about the past answered at once: each folds a state of its own.
    pub pasts: usize,
    /// Questions about the past that are answered or wait; they must leave places for others.
    pub past_questions: usize,
    /// How long the state of a past moment may take to fold.
    pub past_within: Duration,
    /// How long the last one stays in memory for more questions about it.
    pub past_kept: Duration,
    /// How long a question, or a command, waits for the position it needs.
    pub wait_for_position: Duration,
    /// How long a drain may take before what is in hand is left to the next start.
    pub drain: Duration,
    /// Objects in one page of an answer.
    pub page_objects: usize,
    /// Bytes in one page of an answer, unless one object alone is larger.
    pub page_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            window: 128,
            effects: 1_024,
            conflicts: 8,
            tries: 60,
            space_wait: Duration::from_secs(7 * 24 * 60 * 60),
            deliveries: 5,
            outcomes_kept: Duration::from_secs(29 * 24 * 60 * 60),
            snapshot_every: 10_000,
            lag_every: Duration::from_secs(5),
            questions: 64,
            pasts: 2,
            past_questions: 16,
            past_within: Duration::from_secs(8),
            past_kept: Duration::from_secs(60),
            wait_for_position: Duration::from_secs(5),
            drain: Duration::from_secs(10),
            page_objects: 200,
            page_bytes: 192 * 1024,
        }
    }
}

impl Bounds {
    /// Repeats a step while its faults may pass, with growing waits up to a second, bounded. A full
    /// disk is waited out.
    ///
    /// # Errors
    /// The last fault.
    pub async fn patiently<T, F>(&self, mut step: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let (mut wait, mut tries) = (Duration::from_millis(20), 1);
        let mut full_since = None;
        loop {
            let fault = match step().await {
                Err(fault) if fault.retry != Retry::Useless => fault,
                verdict => return verdict,
            };
            if fault.retry == Retry::NoSpace {
                if full_since.is_none() {
                    tracing::warn!(%fault, "waiting for space");
                }
                let since = *full_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.space_wait {
                    return Err(fault);
                }
                tokio::time::sleep(SPACE_AGAIN).await;
                continue;
            }
            if tries >= self.tries {
                return Err(fault);
            }
            tries += 1;
            tracing::warn!(%fault, "trying again in {wait:?}");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }

    /// The same bounds for somebody who waits for an answer: a full disk is told at once.
    #[must_use]
    pub fn without_space_wait(&self) -> Self {
        Self { space_wait: Duration::ZERO, ..self.clone() }
    }
}

/// The bus, as a service uses it.
#[derive(Clone)]
pub struct Bus {
    /// The port itself.
    pub broker: SharedBroker,
    /// EVENTS.
    pub log: EventLog,
    /// CMD and DO.
    pub commands: Commands,
    /// RESULT.
    pub outcomes: Outcomes,
    /// BLOBS.
    pub blobs: Blobs,
    /// SNAP.
    pub snapshots: Snapshots,
    /// DLQ.
    pub dead_letters: DeadLetters,
    /// TIMER.
    pub timers: Timers,
}

impl Bus {
    /// Everything over one broker; the group commit runs among `tasks`.
    pub fn new(broker: SharedBroker, tasks: &Tasks) -> Self {
        let (log, group_commit) = EventLog::new(broker.clone());
        tasks.spawn("group-commit", async move {
            group_commit.run().await;
            Ok(())
        });
        Self {
            log,
            commands: Commands::new(broker.clone()),
            outcomes: Outcomes::new(broker.clone()),
            blobs: Blobs::new(broker.clone()),
            snapshots: Snapshots::new(broker.clone()),
            dead_letters: DeadLetters::new(broker.clone()),
            timers: Timers::new(broker.clone()),
            broker,
        }
    }
}

/// What a process gives its service: where it acts, its time, its ids, its tasks.
#[derive(Clone)]
pub struct Ground {
    /// The bus.
    pub bus: Bus,
    /// The clock.
    pub clock: Clock,
    /// Ids and jitter.
    pub ids: Arc<Ids>,
    /// The tasks that stand and fall together.
    pub tasks: Tasks,
    /// The bounds.
    pub bounds: Bounds,
}

/// One running service: shared by its loops and by the shell's own tasks.
pub struct Context<M: Machine> {
    /// What it stands on.
    pub ground: Ground,
    /// What the shell adds.
    pub shell: Arc<dyn Shell<M>>,
    /// What the loops count.
    pub metrics: Arc<Metrics>,
    hosted: RwLock<Hosted<M>>,
    position: Watched<Position>,
    /// The newest commit whose effects were handed to the react loop.
    handed_on: Watched<Position>,
    reacted: Watched<Position>,
    live: Watched<bool>,
    served: Watched<bool>,
    /// Why the service stopped at a commit, once it has.
    halted: OnceLock<String>,
    /// Whether this life gave up on a message for its deliveries.
    gave_up: AtomicBool,
    snapshot_due: Watched<Due>,
    /// The newest commit that asks for a rebuild of the projection.
    rebuild_due: Watched<Position>,
    rebuilt: Watched<Option<Rebuilt>>,
    /// Held while a commit is folded, and while the whole state is replaced.
    pub(crate) folding: Mutex<()>,
    /// The places for folding the past.
    pub(crate) pasts: Semaphore,
    /// The places for questions about it, waiting ones included.
    pub(crate) past_questions: Semaphore,
    /// The state of the past that was folded last.
    pub(crate) past: Past<M>,
}

impl<M: Machine> Context<M> {
    /// A service about to start from `hosted`.
    pub fn new(ground: Ground, shell: Arc<dyn Shell<M>>, hosted: Hosted<M>) -> Self {
        let position = hosted.position();
        let pasts = Semaphore::new(ground.bounds.pasts);
        let past_questions = Semaphore::new(ground.bounds.past_questions);
        Self {
            pasts,
            past_questions,
            past: Past::default(),
            ground,
            shell,
            metrics: Arc::default(),
            hosted: RwLock::new(hosted),
            position: Watched::new(position),
            handed_on: Watched::new(Position::START),
            reacted: Watched::new(position),
            live: Watched::new(false),
            served: Watched::new(false),
            halted: OnceLock::new(),
            gave_up: AtomicBool::new(false),
            snapshot_due: Watched::new(Due::default()),
            rebuild_due: Watched::new(Position::START),
            rebuilt: Watched::new(None),
            folding: Mutex::default(),
        }
    }

    /// Whether a message may be given up on for its deliveries alone: once in a life, for the
    /// others that were in hand whenever the service ended may only have been beside the culprit.
    pub(crate) fn may_give_up(&self) -> bool {
        !self.gave_up.swap(true, Ordering::Relaxed)
    }

    /// Looks at the state. Keep it short: nothing is folded meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&Hosted<M>) -> T) -> T {
        look(&self.hosted.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state: the project loop alone does (and tests that falsify it).
    pub fn write<T>(&self, change: impl FnOnce(&mut Hosted<M>) -> T) -> T {
        let (out, position) = {
            let mut hosted = self.hosted.write().unwrap_or_else(PoisonError::into_inner);
            let out = change(&mut hosted);
            (out, hosted.position())
        };
        self.position.set(position);
        out
    }

    /// Waits until the log is folded in up to `position`.
    pub async fn reached(&self, position: Position) {
        self.position.until(|seen| (*seen >= position).then_some(())).await;
    }

    /// Waits until everything that was in the log at the start is folded in.
    pub async fn live(&self) {
        self.live.until(|live| live.then_some(())).await;
    }

    /// Whether that is so.
    pub fn is_live(&self) -> bool {
        self.live.get()
    }

    /// Whether it may be counted on: everything that was in the log is folded in.
    ///
    /// # Errors
    /// Why not, in words: the log is still being read, or a commit stopped the service.
    pub fn ready(&self) -> Result<(), String> {
        match self.halted.get() {
            Some(why) => Err(why.clone()),
            None if self.is_live() => Ok(()),
            None => Err("the log is still being replayed".to_owned()),
        }
    }

    /// Why the service stopped at a commit; `None` for one that did not.
    pub fn halted(&self) -> Option<&str> {
        self.halted.get().map(String::as_str)
    }

    pub(crate) fn halted_by(&self, fault: Fault) -> Fault {
        let _ = self.halted.set(fault.to_string());
        fault
    }

    pub(crate) fn set_live(&self) {
        self.live.set(true);
    }

    /// How far effects were performed.
    pub fn reacted(&self) -> Position {
        self.reacted.get()
    }

    /// Waits until effects are performed up to `position`.
    pub async fn performed(&self, position: Position) {
        self.reacted.until(|reacted| (*reacted >= position).then_some(())).await;
    }

    pub(crate) fn set_reacted(&self, position: Position) {
        self.reacted.change(|reacted| {
            let further = position > *reacted;
            *reacted = position.max(*reacted);
            further
        });
    }

    pub(crate) fn handed_on(&self) -> Position {
        self.handed_on.get()
    }

    pub(crate) fn set_handed_on(&self, position: Position) {
        self.handed_on.set(position);
    }

    /// The newest snapshot that is to be taken of a state after `last`; waits for one.
    pub(crate) async fn snapshot_due(&self, last: Position) -> Due {
        self.snapshot_due.until(|due| (due.position > last).then_some(*due)).await
    }

    pub(crate) fn set_snapshot_due(&self, due: Due) {
        self.snapshot_due.set(due);
    }

    /// The newest commit after `last` that asks for a rebuild; waits for one.
    pub(crate) async fn rebuild_due(&self, last: Position) -> Position {
        self.rebuild_due.until(|asked| (*asked > last).then_some(*asked)).await
    }

    pub(crate) fn set_rebuild_due(&self, asked: Position) {
        self.rebuild_due.set(asked);
    }

    pub(crate) fn rebuilt(&self) -> Option<Rebuilt> {
        self.rebuilt.look(Clone::clone)
    }

    pub(crate) fn set_rebuilt(&self, rebuilt: Rebuilt) {
        self.rebuilt.set(Some(rebuilt));
    }

    pub(crate) fn set_served(&self) {
        self.served.set(true);
    }

    /// Asks the loops to take nothing new, and waits until what is in hand is decided and reacted
    /// to; bounded. Answers whether it all was.
    pub async fn drain(&self) -> bool {
        self.ground.tasks.stop();
        let in_hand = async {
            self.served.until(|served| served.then_some(())).await;
            self.performed(self.handed_on()).await;
        };
        tokio::time::timeout(self.ground.bounds.drain, in_hand).await.is_ok()
    }

    /// Repeats a step as [`Bounds::patiently`] does, and counts it while it waits for space.
    ///
    /// # Errors
    /// The last fault.
    pub async fn patiently<T, F>(&self, mut step: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let waits = &self.metrics.space_wait();
        let counted = || {
            let tried = step();
            async move {
                let verdict = tried.await;
                let full = verdict.as_ref().is_err_and(|fault| fault.retry == Retry::NoSpace);
                waits.note(full);
                verdict
            }
        };
        self.ground.bounds.patiently(counted).await
    }
}
