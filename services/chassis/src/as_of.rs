//! Time travel: the state of a past position, folded for one question from a snapshot and the log,
//! apart from the state that decides. It decides nothing, reacts to nothing and is then dropped.

use crate::context::Context;
use crate::hosted::Hosted;
use crate::machine::Machine;
use crate::query::{self, refusal};
use crate::snapshot;
use bytes::Bytes;
use fleetlog_bus::Fault;
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::common::{Query, Refusal, Time};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
        forget(&of).await;
        Ok(())
    });
    let stopping = |_| refusal("CHS0005", "the service is stopping", "ask again");
    hear.await.map_err(stopping)?
}

/// Lets the last past state go once nobody asked for a while; one task does, however many ask.
async fn forget<M: Machine>(context: &Context<M>) {
    let mut due = !context.past.is_watched();
    while due {
        let turn = context.past.turn();
        tokio::select! {
            biased;
            () = context.ground.tasks.stopped() => return,
            () = tokio::time::sleep(context.ground.bounds.past_kept) => {}
        }
        due = !context.past.forget(turn);
    }
}

async fn at<M: Machine + Default>(
    context: &Context<M>,
    moment: Moment,
    (verb, query): (&str, &Query),
) -> Result<Answered, Refusal> {
    let ended = |_| refusal("CHS0005", "the service is stopping", "ask again");
    let _place = context.pasts.acquire().await.map_err(ended)?;
    let position = place(context, moment).await?;
    let time = match moment {
        Moment::At(_) => decided_at(context, position).await.map_err(unreadable)?,
        Moment::Time(time) => time,
    };
    let (bus, near) = (&context.ground.bus, context.ground.bounds.snapshot_every);
    let folded = match context.past.take(position, near) {
        Some(kept) => snapshot::folded(bus, kept, position).await,
        None => snapshot::state_at(bus, position).await,
    };
    let hosted = folded.map_err(unreadable)?;
    let answer = query::ask(hosted.machine(), verb, query, time);
    context.past.keep(hosted);
    Ok((position.0, answer))
}

/// The position of the moment that a question is about, or the end of the log; nothing is folded.
pub(crate) async fn position<M: Machine>(
    context: &Context<M>,
    query: &Query,
) -> Result<Position, Refusal> {
    match Moment::of(query) {
        Some(moment) => place(context, moment).await,
        None => context.ground.bus.log.end().await.map_err(unreadable),
    }
}

async fn place<M: Machine>(context: &Context<M>, moment: Moment) -> Result<Position, Refusal> {
    let last = context.ground.bus.log.end().await.map_err(unreadable)?;
    match moment {
        Moment::At(position) if position <= last => Ok(position),
        Moment::At(position) => Err(after_the_end(position, last)),
        Moment::Time(time) => resolve(context, time, last).await,
    }
}

fn unreadable(fault: Fault) -> Refusal {
    refusal("CHS0005", &fault.to_string(), "ask again; the log keeps what is missing")
}

fn after_the_end(position: Position, last: Position) -> Refusal {
    let sentence = format!("position \"{position}\" is after the end of the log, \"{last}\"");
    refusal("CHS0008", &sentence, &format!("ask for a position from 1 to {last}, or for a time"))
}

/// The last position whose commit was decided at or before `time`, between two whose times are
/// known: positions follow the time of decision (the few that were decided at the same moment
/// aside).
async fn resolve<M: Machine>(
    context: &Context<M>,
    time: Timestamp,
    last: Position,
) -> Result<Position, Refusal> {
    if last == Position::START {
        return Err(before_the_start(time));
    }
    let at =
        |position| async move { decided_at(context, Position(position)).await.map_err(unreadable) };
    let (before, after) = ((1, at(1).await?), (last.0, at(last.0).await?));
    if before.1 > time {
        return Err(before_the_start(time));
    }
    if after.1 <= time {
        return Ok(last);
    }
    Ok(Position(search(before, after, time, at).await?))
}

/// The last position at or before `time` between two with their times, the first at or before it,
/// the second after it; `at` looks one up.
async fn search<E, F>(
    mut before: (u64, Timestamp),
    mut after: (u64, Timestamp),
    time: Timestamp,
    at: impl Fn(u64) -> F,
) -> Result<u64, E>
where
    F: Future<Output = Result<Timestamp, E>>,
{
    let mut guess = Guess::Even;
    while after.0 - before.0 > 1 {
        let position = guess.between(before, after, time);
        let found = (position, at(position).await?);
        let end = if found.1 <= time { &mut before } else { &mut after };
        *end = found;
        guess = guess.other();
    }
    Ok(before.0)
}

/// Where to look next for a time. Where commits came evenly the first finds it in a few looks,
/// however long the log is; where they did not, the second halves what is left.
#[derive(Clone, Copy)]
enum Guess {
    Even,
    Half,
}

impl Guess {
    const fn other(self) -> Self {
        match self {
            Self::Even => Self::Half,
            Self::Half => Self::Even,
        }
    }

    /// A position strictly between two that are not next to each other.
    fn between(self, before: (u64, Timestamp), after: (u64, Timestamp), time: Timestamp) -> u64 {
        let gap = after.0 - before.0;
        let inward = match self {
            Self::Half => gap / 2,
            Self::Even => {
                let whole = after.1.as_nanos().saturating_sub(before.1.as_nanos()).max(1);
                let part = time.as_nanos().saturating_sub(before.1.as_nanos()).clamp(0, whole);
                u64::try_from(i128::from(gap).saturating_mul(part) / whole).unwrap_or(gap / 2)
            }
        };
        before.0 + inward.clamp(1, gap - 1)
    }
}

fn before_the_start(time: Timestamp) -> Refusal {
    let at = Time { seconds: time.seconds(), nanos: time.nanos(), text: String::new() };
    let at = at.render();
    let sentence = format!("the log has nothing at or before \"{at}\"");
    refusal("CHS0008", &sentence, "ask for a later time, or for a position from 1 on")
}

async fn decided_at<M: Machine>(
    context: &Context<M>,
    position: Position,
) -> Result<Timestamp, Fault> {
    match context.ground.bus.log.at(position).await? {
        Some(entry) => Ok(entry.into_commit()?.header.time),
        None => Err(Fault::passing("read the time of a commit", "the log does not hold it")),
    }
}

/// The state of the past that was asked for last, for the next question: most ask again about the
/// same moment, or a little later. It goes when nobody asked for a while.
pub(crate) struct Past<M>(Mutex<Kept<M>>);

struct Kept<M> {
    hosted: Option<Hosted<M>>,
    /// How often it was kept.
    turn: u64,
    /// Whether somebody is there to let it go.
    watched: bool,
}

impl<M: Machine> Past<M> {
    /// It, when it is not after `to` and no more than `near` commits before.
    fn take(&self, to: Position, near: u64) -> Option<Hosted<M>> {
        self.kept().hosted.take_if(|kept| {
            let at = kept.position();
            at <= to && to.0 - at.0 <= near
        })
    }

    fn keep(&self, hosted: Hosted<M>) {
        let mut kept = self.kept();
        (kept.hosted, kept.turn) = (Some(hosted), kept.turn + 1);
    }

    fn turn(&self) -> u64 {
        self.kept().turn
    }

    /// Whether somebody was there to let it go; from now on somebody is.
    fn is_watched(&self) -> bool {
        std::mem::replace(&mut self.kept().watched, true)
    }

    /// Lets it go, unless another one was kept since; answers whether it went.
    fn forget(&self, turn: u64) -> bool {
        let mut kept = self.kept();
        let same = kept.turn == turn;
        if same {
            (kept.hosted, kept.watched) = (None, false);
        }
        same
    }

    /// Lets it go at once: what was folded before counts no more.
    pub(crate) fn clear(&self) {
        self.kept().hosted = None;
    }

    fn kept(&self) -> MutexGuard<'_, Kept<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Default for Past<M> {
    fn default() -> Self {
        Self(Mutex::new(Kept { hosted: None, turn: 0, watched: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::cell::Cell;
    use std::convert::Infallible;

    /// What a search over a log of these times finds for `time`, and in how many looks.
    fn looks(times: &[i64], time: i64) -> (u64, usize) {
        let looks = Cell::new(0);
        let of = |position: u64| Timestamp::of_seconds(times[position as usize - 1]);
        let at = |position| {
            looks.set(looks.get() + 1);
            std::future::ready(Ok::<_, Infallible>(of(position)))
        };
        let end = times.len() as u64;
        let ends = ((1, of(1)), (end, of(end)));
        let found = search(ends.0, ends.1, Timestamp::of_seconds(time), at).now_or_never();
        (found.unwrap().unwrap(), looks.get())
    }

    #[test]
    fn a_time_is_found_in_few_looks_in_an_even_log_and_in_no_many_in_any() {
        let even: Vec<i64> = (0..100_000).map(|n| n * 3).collect();
        let bursts: Vec<i64> = (0..100_000).map(|n| (n / 30_000) * 1_000_000 + n / 7).collect();
        for at in [1, 2, 77, 49_999, 99_990] {
            let (found, few) = looks(&even, even[at]);
            assert_eq!(found, at as u64 + 1);
            assert!(few <= 6, "{few} looks for {at}");
            let (found, many) = looks(&bursts, bursts[at]);
            let last = bursts.partition_point(|time| *time <= bursts[at]) as u64;
            assert_eq!(found, last, "{at}");
            assert!(many <= 2 * 17, "{many} looks for {at}");
        }
    }
}
