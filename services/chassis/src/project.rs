//! The loop events -> views: reads the log in order, folds each commit once, hands its effects on
//! and says when a snapshot is due. The only writer of a service's state.

use crate::context::{Context, Ground};
use crate::halt;
use crate::machine::{Effect, Machine};
use crate::rebuild::is_projection;
use crate::seen;
use crate::snapshot::Due;
use fleetlog_bus::{Entry, Fault, Retry};
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long to wait before a reading that ended is opened again.
const PAUSE: Duration = Duration::from_millis(50);

/// A snapshot is due when at least one in so many aggregates may have changed.
const PART: u64 = 2;

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

/// Runs until the log cannot be read: then the process must not act on. What an earlier life of the
/// service reacted to ends at `checkpoint`; a rebuild that was asked for up to `asked` is in the
/// state already.
pub(crate) async fn run<M: Machine>(
    context: &Context<M>,
    (checkpoint, asked): (Position, Position),
    follows: mpsc::Sender<Follows<M::Effect>>,
) -> Result<(), Fault> {
    let mut projector = Projector { context, checkpoint, asked, follows, unsaved: 0 };
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
    /// A rebuild that was asked for up to here is in the state that this began with.
    asked: Position,
    follows: mpsc::Sender<Follows<M::Effect>>,
    /// Commits since the last snapshot.
    unsaved: u64,
}

impl<M: Machine> Projector<'_, M> {
    /// Reads on after `from` until the reading ends, and answers why it did.
    async fn follow(&mut self, from: Position) -> Result<Fault, Fault> {
        self.check().await?;
        let Ground { bus, .. } = &self.context.ground;
        let events = subject::events();
        let mut reading = self.context.patiently(|| bus.log.read(&events, from)).await?;
        if reading.pending == 0 {
            self.context.set_live();
        }
        let mut lost = pin!(bus.broker.lost());
        let (mut in_doubt, mut read) = (false, from);
        loop {
            let entry = tokio::select! {
                biased;
                () = &mut lost => {
                    in_doubt = true;
                    lost.set(bus.broker.lost());
                    continue;
                }
                entry = reading.entries.next() => entry,
            };
            if std::mem::take(&mut in_doubt) {
                self.check().await?;
            }
            if let Some(Ok(entry)) = &entry {
                let expected = read.0 + 1;
                read = read.max(entry.position());
                if entry.position().0 > expected {
                    let missing = format!("nothing came for position {expected}");
                    return Ok(Fault::passing("follow the log", missing));
                }
            }
            match entry {
                Some(Ok(Entry::Commit(commit, pending))) => self.take(&commit, pending).await?,
                Some(Ok(Entry::Malformed { position, subject, reason })) => {
                    let which = format!("the commit at position {position} of \"{subject}\"");
                    let fault = halt::damaged(format!("{which} cannot be read: {reason}"));
                    return Err(self.context.halted_by(fault));
                }
                Some(Err(fault)) if fault.retry == Retry::Useless => return Err(fault),
                Some(Err(fault)) => return Ok(fault),
                None => return Ok(Fault::passing("follow the log", "the reading ended")),
            }
        }
    }

    /// Stops where the log is not the one that was folded in: it may be another after every loss of
    /// the connection.
    async fn check(&self) -> Result<(), Fault> {
        let (position, commit) =
            self.context.read(|hosted| (hosted.position(), hosted.commit().to_owned()));
        let log = &self.context.ground.bus.log;
        let checked = self.context.patiently(|| seen::check(log, position, &commit)).await?;
        checked.map_err(|lost| self.context.halted_by(lost.fault()))
    }

    async fn take(&mut self, commit: &Recorded, pending: u64) -> Result<(), Fault> {
        let counts = &self.context.metrics.project;
        counts.received();
        counts.lags(pending);
        let effects = self.fold(commit).await.inspect_err(|_| counts.failed())?;
        counts.handled();
        self.hand_on(commit, effects).await?;
        if pending == 0 {
            self.context.set_live();
        }
        let own = commit.aggregate.service == M::SERVICE && is_projection(&commit.aggregate);
        if own && commit.position > self.asked {
            self.context.set_rebuild_due(commit.position);
        }
        self.unsaved += 1;
        self.save_if_due(commit.position);
        Ok(())
    }

    async fn fold(&self, commit: &Recorded) -> Result<Vec<Effect<M::Effect>>, Fault> {
        let _turn = self.context.folding.lock().await;
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

    /// Has a snapshot taken, beside the folding, when enough commits have passed.
    fn save_if_due(&mut self, position: Position) {
        let context = self.context;
        let least = context.ground.bounds.snapshot_every;
        if self.unsaved < least || !context.is_live() {
            return;
        }
        let aggregates = context.read(|hosted| hosted.aggregates());
        if self.unsaved >= least.max(aggregates / PART) {
            self.unsaved = 0;
            context.set_snapshot_due(Due { position, handed_on: context.handed_on() });
        }
    }
}
