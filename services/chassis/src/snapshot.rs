//! Snapshots: the newest good one is where a state comes back from, and every so many commits
//! another is taken. It is made of the last one and the log, apart from the state that decides, so
//! nothing waits for it, and what is wrong with that state never gets into it.

use crate::context::{Bus, Context};
use crate::hosted::{FORMAT, Hosted};
use crate::machine::Machine;
use crate::rebuild;
use crate::seen;
use fleetlog_bus::{Edition, Fault, LogReading, encode_snapshot};
use fleetlog_kernel::Position;
use fleetlog_messages::common::Snapshot;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use tokio::runtime::{Handle, RuntimeFlavor};

/// A snapshot that is to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Of the state here.
    pub position: Position,
    /// What was handed to the react loop up to there: a snapshot is never reacted to again, so it
    /// waits for that.
    pub handed_on: Position,
}

/// Runs until the service ends. A snapshot that fails is left out: the log is enough.
pub(crate) async fn run<M: Machine + Default>(context: &Context<M>) -> Result<(), Fault> {
    let mut last = Position::START;
    loop {
        let Due { position, handed_on } = context.snapshot_due(last).await;
        last = position;
        context.performed(handed_on).await;
        if let Err(fault) = take(context, position).await {
            let service = M::SERVICE;
            tracing::warn!(%service, %fault, "no snapshot was saved; the log is enough");
        }
    }
}

async fn take<M: Machine + Default>(context: &Context<M>, position: Position) -> Result<(), Fault> {
    let bus = &context.ground.bus;
    // First: what is asked for while it folds makes it a thing of the past.
    let edition = edition::<M>(rebuild::last_asked::<M>(bus).await?);
    let snapshot = of_log::<M>(bus, position).await?;
    let content = apart(move || encode_snapshot(&snapshot)).await?;
    bus.snapshots.keep(M::SERVICE.token(), position.0, edition, content).await?;
    context.set_reacted(position);
    tracing::debug!(service = %M::SERVICE, %position, "a snapshot was taken");
    Ok(())
}

/// A snapshot of the state right after the commit at `position`, made of the log.
///
/// # Errors
/// A log that cannot be read.
pub(crate) async fn of_log<M: Machine + Default>(
    bus: &Bus,
    position: Position,
) -> Result<Snapshot, Fault> {
    let hosted: Hosted<M> = state_at(bus, position).await?;
    apart(move || hosted.snapshot()).await
}

/// The state right after the commit at `to`, from the newest snapshot that is not after it and the
/// log. `to` must be in the log.
///
/// # Errors
/// A log that cannot be read.
pub(crate) async fn state_at<M: Machine + Default>(
    bus: &Bus,
    to: Position,
) -> Result<Hosted<M>, Fault> {
    folded(bus, newest(bus, Some(to)).await?, to).await
}

/// A state folded on to the commit at `to`.
///
/// # Errors
/// A log that cannot be read.
pub(crate) async fn folded<M: Machine>(
    bus: &Bus,
    mut hosted: Hosted<M>,
    to: Position,
) -> Result<Hosted<M>, Fault> {
    if hosted.position() < to {
        let mut reading = bus.log.read(&subject::events(), hosted.position()).await?;
        fold_to(&mut hosted, &mut reading, to).await?;
    }
    Ok(hosted)
}

/// Folds what a reading gives, up to the commit at `to`. Nothing follows from it.
///
/// # Errors
/// A reading that ends or leaves something out, a commit that cannot be read.
pub(crate) async fn fold_to<M: Machine>(
    hosted: &mut Hosted<M>,
    reading: &mut LogReading,
    to: Position,
) -> Result<(), Fault> {
    while hosted.position() < to {
        let Some(entry) = reading.entries.next().await else {
            return Err(Fault::passing("fold the log", "the reading ended"));
        };
        let commit = entry?.into_commit()?;
        if commit.position.0 > hosted.position().0 + 1 {
            let step = format!("fold the log after position {}", hosted.position());
            return Err(Fault::passing(step, "the reading left something out"));
        }
        let step = || format!("fold the commit at position {}", commit.position);
        hosted.fold(&commit).map_err(|unreadable| Fault::lasting(step(), unreadable))?;
    }
    Ok(())
}

/// The state of the newest snapshot that can be used, at most that of `to`; the beginning, where
/// there is none. What was folded before an operator asked for a rebuild is not used.
///
/// # Errors
/// A bus that cannot be read.
pub(crate) async fn newest<M: Machine + Default>(
    bus: &Bus,
    to: Option<Position>,
) -> Result<Hosted<M>, Fault> {
    let (asked, until) = (rebuild::last_asked::<M>(bus).await?, to.map_or(u64::MAX, |to| to.0));
    let usable_at = asked.0..=until;
    let mut candidates =
        bus.snapshots.candidates(M::SERVICE, &usable_at, edition::<M>(asked)).await?;
    while let Some(snapshot) = candidates.next().await? {
        let position = Position(snapshot.position);
        if !usable_at.contains(&position.0) {
            continue;
        }
        match usable(bus, snapshot).await? {
            Ok(hosted) => return Ok(hosted),
            Err(reason) => tracing::warn!(
                service = %M::SERVICE, %position, reason, "a snapshot is passed over"
            ),
        }
    }
    Ok(Hosted::default())
}

/// What the states of this program are folded under, `asked` being where it was asked last to fold
/// the log anew.
pub(crate) fn edition<M: Machine>(asked: Position) -> Edition {
    Edition { format: FORMAT, version: M::VERSION, since: asked.0 }
}

/// The state of a snapshot, or why it cannot be used, in words.
async fn usable<M: Machine>(
    bus: &Bus,
    snapshot: Snapshot,
) -> Result<Result<Hosted<M>, String>, Fault> {
    let (position, commit) = (Position(snapshot.position), snapshot.commit.clone());
    match apart(move || Hosted::restore(&snapshot)).await? {
        Ok(hosted) => Ok(match seen::check(&bus.log, position, &commit).await? {
            Ok(()) => Ok(hosted),
            Err(seen::Lost::Shorter { end, .. }) => {
                Err(format!("it is ahead of the log, which ends at position {end}"))
            }
            Err(seen::Lost::Other { .. }) => {
                Err("the log holds another commit at its position".to_owned())
            }
        }),
        Err(reason) => Ok(Err(reason)),
    }
}

/// Work of whole states in a thread of its own, where there are several: nothing else waits for it.
pub(crate) async fn apart<T, F>(work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::lasting("work on a snapshot", error))
}
