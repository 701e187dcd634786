//! The loop events -> views: reads the log in order, folds each commit, hands its effects on and
//! takes snapshots. The only writer of a service's state.

use crate::context::Context;
use crate::halt;
use crate::machine::{Effect, Machine};
use fleetlog_bus::{Entry, Fault, Retry};
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long to wait before a reading that ended is opened again.
const PAUSE: Duration = Duration::from_millis(50);

/// What follows from one commit, for the react loop.
pub(crate) struct Follows<E> {
    /// The commit's position.
    pub position: Position,
    /// The commit's correlation.
    pub correlation: String,
    /// What to do, in order.
    pub effects: Vec<Effect<E>>,
    /// Whether the log had been read in before this commit was folded.
    pub live: bool,
}

/// Runs until the log cannot be read: then the process must not act on.
pub(crate) async fn run<M: Machine>(
    context: &Context<M>,
    checkpoint: Position,
    follows: mpsc::Sender<Follows<M::Effect>>,
) -> Result<(), Fault> {
    let mut projector = Projector { context, checkpoint, follows, unsaved: 0 };
    let mut ends_in_a_row = 0;
    loop {
        let before = context.read(|hosted| hosted.position());
        let ended = projector.follow(before).await?;
        let stuck = context.read(|hosted| hosted.position()) == before;
        ends_in_a_row = if stuck { ends_in_a_row + 1 } else { 1 };
        if ends_in_a_row >= context.ground.bounds.tries {
            return Err(ended);
        }
        tracing::warn!(fault = %ended, "the reading of the log ended, reading on");
        tokio::time::sleep(PAUSE).await;
    }
}

struct Projector<'a, M: Machine> {
    context: &'a Context<M>,
    /// Everything up to here was reacted to by an earlier life of the service.
    checkpoint: Position,
    follows: mpsc::Sender<Follows<M::Effect>>,
    /// Commits since the last snapshot.
    unsaved: u64,
}

impl<M: Machine> Projector<'_, M> {
    /// Reads on after `from` until the reading ends, and answers why it did.
    async fn follow(&mut self, from: Position) -> Result<Fault, Fault> {
        let log = &self.context.ground.bus.log;
        let events = subject::events();
        let mut reading = self.context.patiently(|| log.read(&events, from)).await?;
        if reading.pending == 0 {
            self.context.set_live();
        }
        while let Some(entry) = reading.entries.next().await {
            match entry {
                Ok(Entry::Commit(commit, pending)) => self.take(&commit, pending).await?,
                Ok(Entry::Malformed { position, subject, reason }) => {
                    let which = format!("the commit at position {position} of \"{subject}\"");
                    let fault = halt::damaged(format!("{which} cannot be read: {reason}"));
                    return Err(self.context.halted_by(fault));
                }
                Err(fault) if fault.retry == Retry::Useless => return Err(fault),
                Err(fault) => return Ok(fault),
            }
        }
        Ok(Fault::passing("follow the log", "the reading ended"))
    }

    async fn take(&mut self, commit: &Recorded, pending: u64) -> Result<(), Fault> {
        let counts = &self.context.metrics.project;
        counts.received();
        counts.lags(pending);
        let effects = self.fold(commit).inspect_err(|_| counts.failed())?;
        counts.handled();
        self.hand_on(commit, effects).await?;
        if pending == 0 {
            self.context.set_live();
        }
        self.unsaved += 1;
        self.save_if_due().await;
        Ok(())
    }

    fn fold(&self, commit: &Recorded) -> Result<Vec<Effect<M::Effect>>, Fault> {
        let reacted_before = commit.position <= self.checkpoint;
        let folded = self.context.write(|hosted| match reacted_before {
            true => hosted.fold(commit).map(|_| vec![]),
            false => hosted.apply(commit),
        });
        folded.map_err(|unreadable| self.context.halted_by(halt::at(commit, &unreadable)))
    }

    /// Gives effects to the react loop; a commit without any counts as reacted to at once, unless
    /// effects of earlier ones are still being performed.
    async fn hand_on(
        &mut self,
        commit: &Recorded,
        effects: Vec<Effect<M::Effect>>,
    ) -> Result<(), Fault> {
        let position = commit.position;
        if effects.is_empty() {
            if self.context.reacted() >= self.context.handed_on() {
                self.context.set_reacted(position);
            }
            return Ok(());
        }
        self.context.set_handed_on(position);
        let correlation = commit.header.correlation.clone();
        let live = self.context.is_live();
        let sent = self.follows.send(Follows { position, correlation, effects, live }).await;
        sent.map_err(|_| Fault::lasting("hand effects on", "the react loop has ended"))
    }

    /// Saves a snapshot when enough commits have passed and nothing waits to be reacted to: what
    /// a snapshot holds is never reacted to again. A react loop that is behind is waited for, a
    /// little; when it stays behind, the next commit tries again.
    async fn save_if_due(&mut self) {
        let context = self.context;
        let bounds = &context.ground.bounds;
        if self.unsaved < bounds.snapshot_every {
            return;
        }
        let caught_up = context.performed(context.handed_on());
        if tokio::time::timeout(bounds.snapshot_wait, caught_up).await.is_err() {
            self.unsaved -= self.unsaved.min(bounds.snapshot_every / 8 + 1);
            return;
        }
        self.unsaved = 0;
        let snapshot = context.read(|hosted| hosted.snapshot());
        context.set_reacted(Position(snapshot.position));
        let snapshots = context.ground.bus.snapshots.clone();
        context.ground.tasks.spawn("snapshot", async move {
            if let Err(fault) = snapshots.save(&snapshot).await {
                tracing::warn!(%fault, "no snapshot was saved; the log is enough");
            }
            Ok(())
        });
    }
}
