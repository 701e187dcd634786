//! Time travel: the state of a past position, folded for one question from a snapshot and the log,
//! apart from the state that decides. It decides nothing, reacts to nothing and is then dropped.

use crate::context::Context;
use crate::hosted::Hosted;
use crate::machine::Machine;
use crate::query::{self, refusal};
use bytes::Bytes;
use fleetlog_bus::Fault;
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::common::{Query, Refusal, Time};
use fleetlog_messages::subject;
use futures::StreamExt as _;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A moment of the past, as a question names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Right after the commit at this position.
    At(Position),
    /// Right after the last commit at or before this time.
    Time(Timestamp),
}

impl Moment {
    /// What a question names, if it is about the past.
    pub(crate) fn of(query: &Query) -> Option<Self> {
        match (query.as_of, query.as_of_time) {
            (0, 0) => None,
            (0, time) => Some(Self::Time(Timestamp::of_nanos(time.into()))),
            (position, _) => Some(Self::At(Position(position))),
        }
    }
}

/// The position that was meant, and the machine's answer as it would have been there.
type Answered = (u64, Result<Vec<Bytes>, Refusal>);

/// Folds and asks, in a task of its own: other questions are answered meanwhile.
pub(crate) async fn answer<M: Machine + Default>(
    context: &Arc<Context<M>>,
    moment: Moment,
    verb: &str,
    query: &Query,
) -> Result<Answered, Refusal> {
    let _place = context.past_questions.try_acquire().map_err(|_| {
        let most = context.ground.bounds.past_questions;
        let sentence = format!("{most} questions about the past are being answered");
        refusal("CHS0007", &sentence, "ask again later")
    })?;
    let (told, hear) = oneshot::channel();
    let (of, verb, query) = (context.clone(), verb.to_owned(), query.clone());
    context.ground.tasks.spawn("as-of", async move {
        let within = of.ground.bounds.past_within;
        let answered = tokio::time::timeout(within, at(&of, moment, (&verb, &query))).await;
        let late = || {
            let sentence = format!("the past state took longer than {within:?} to fold");
            refusal("CHS0007", &sentence, "ask again later, or for a later position")
        };
        let _ = told.send(answered.unwrap_or_else(|_| Err(late())));
        Ok(())
    });
    let stopping = |_| refusal("CHS0005", "the service is stopping", "ask again");
    hear.await.map_err(stopping)?
}

async fn at<M: Machine + Default>(
    context: &Context<M>,
    moment: Moment,
    (verb, query): (&str, &Query),
) -> Result<Answered, Refusal> {
    let ended = |_| refusal("CHS0005", "the service is stopping", "ask again");
    let _place = context.pasts.acquire().await.map_err(ended)?;
    let last = last(context).await.map_err(unreadable)?;
    let (position, time) = match moment {
        Moment::At(position) if position <= last => {
            (position, decided_at(context, position).await.map_err(unreadable)?)
        }
        Moment::At(position) => return Err(after_the_end(position, last)),
        Moment::Time(time) => (resolve(context, time, last).await?, time),
    };
    let hosted = fold(context, position).await.map_err(unreadable)?;
    Ok((position.0, query::ask(hosted.machine(), verb, query, time)))
}

fn unreadable(fault: Fault) -> Refusal {
    refusal("CHS0005", &fault.to_string(), "ask again; the log keeps what is missing")
}

fn after_the_end(position: Position, last: Position) -> Refusal {
    let sentence = format!("position \"{position}\" is after the end of the log, \"{last}\"");
    refusal("CHS0008", &sentence, &format!("ask for a position from 1 to {last}, or for a time"))
}

/// Where the log ends.
async fn last<M: Machine>(context: &Context<M>) -> Result<Position, Fault> {
    let broker = &context.ground.bus.broker;
    let last = broker.last("EVENTS", &subject::events()).await?;
    Ok(last.map_or(Position::START, |message| Position(message.sequence)))
}

/// The last position whose commit was decided at or before `time`: halving, because positions
/// follow the time of decision (the few that were decided at the same moment aside).
async fn resolve<M: Machine>(
    context: &Context<M>,
    time: Timestamp,
    last: Position,
) -> Result<Position, Refusal> {
    let (mut before, mut after) = (0, last.0 + 1);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let decided = decided_at(context, Position(middle)).await.map_err(unreadable)?;
        if decided <= time {
            before = middle;
        } else {
            after = middle;
        }
    }
    if before > 0 {
        return Ok(Position(before));
    }
    let at = Time { seconds: time.seconds(), nanos: time.nanos(), text: String::new() };
    let at = at.render();
    let sentence = format!("the log has nothing at or before \"{at}\"");
    Err(refusal("CHS0008", &sentence, "ask for a later time, or for a position from 1 on"))
}

async fn decided_at<M: Machine>(
    context: &Context<M>,
    position: Position,
) -> Result<Timestamp, Fault> {
    let from = Position(position.0.saturating_sub(1));
    let mut reading = context.ground.bus.log.read(&subject::events(), from).await?;
    match reading.entries.next().await {
        Some(entry) => Ok(entry?.into_commit()?.header.time),
        None => Err(Fault::passing("read the time of a commit", "the reading ended")),
    }
}

/// The state right after `to`: from the newest snapshot that is not after it, and the log.
async fn fold<M: Machine + Default>(
    context: &Context<M>,
    to: Position,
) -> Result<Hosted<M>, Fault> {
    let bus = &context.ground.bus;
    let snapshots = bus.snapshots.newest(M::SERVICE).await?;
    let fitting = snapshots.iter().filter(|snapshot| snapshot.position <= to.0);
    let mut hosted: Hosted<M> =
        fitting.filter_map(|snapshot| Hosted::restore(snapshot).ok()).next().unwrap_or_default();
    if hosted.position() >= to {
        return Ok(hosted);
    }
    let mut reading = bus.log.read(&subject::events(), hosted.position()).await?;
    while hosted.position() < to {
        let Some(entry) = reading.entries.next().await else {
            return Err(Fault::passing("fold the log", "the reading ended"));
        };
        let commit = entry?.into_commit()?;
        let step = || format!("fold the commit at position {}", commit.position);
        hosted.fold(&commit).map_err(|unreadable| Fault::lasting(step(), unreadable))?;
    }
    Ok(hosted)
}
