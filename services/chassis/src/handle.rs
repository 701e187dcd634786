//! One command, from its delivery to its acknowledgement: known already? -> prepared -> decided
//! -> appended -> folded -> outcome recorded -> acknowledged. A crash between any two of these
//! repeats the steps before it without effect. What breaks again and again is given up on here, at
//! once, so that neither its place in the queue nor the service is lost over it.

use crate::bury::{self, GIVEN_UP, UNREADABLE};
use crate::context::Context;
use crate::intake::Parcel;
use crate::machine::{Denied, Machine, Origin, Unprepared};
use crate::plan::{Plan, plan};
use crate::seen::Lost;
use crate::tasks::words_of;
use fleetlog_bus::{Append, Entry, Fault, NewCommit};
use fleetlog_kernel::Position;
use fleetlog_messages::common::{Accomplished, Outcome, Refusal, outcome};
use fleetlog_messages::subject;
use futures::{FutureExt as _, StreamExt as _};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How long to wait before what went wrong is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// How a command ended.
pub(crate) enum Handled {
    /// Decided, now or before.
    Done,
    /// Refused, on record.
    Refused(Refusal),
    /// Given up on: in DLQ.
    Failed,
}

/// What came of a decision.
pub(crate) enum Verdict {
    Accomplished(Accomplished),
    Refused(Refusal),
    Unreadable(String),
    GivenUp(String),
}

impl Verdict {
    pub(crate) fn accomplished(position: Position, types: Vec<String>) -> Self {
        Self::Accomplished(Accomplished { position: position.0, types })
    }
}

impl From<Denied> for Verdict {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refusal) => Self::Refused(refusal),
            Denied::Unreadable(reason) => Self::Unreadable(reason),
        }
    }
}

/// Why a command is not handled yet.
enum Broken {
    /// Something outside failed.
    Fault(Fault),
    /// It is about this command alone: others go on.
    Command(String),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a fault that outlasted every try means for the command it befell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterFault {
    /// The service stops; the queue counts the delivery, and gives it out again.
    Stop,
    /// It is tried again, and given up on in the end: nobody else counts.
    GiveUp,
}

/// Handles one parcel to its end. A panic is a bug: it is logged as one, tried again, and given up
/// on; it takes nothing else with it.
///
/// # Errors
/// A fault that outlasted every try: the service stops, the message comes again.
pub(crate) async fn handle<M: Machine>(
    context: &Context<M>,
    parcel: Parcel,
    after_fault: AfterFault,
) -> Result<Handled, Fault> {
    let most = context.ground.bounds.deliveries;
    let mut tries = 0;
    loop {
        tries += 1;
        let judged = AssertUnwindSafe(judge(context, &parcel)).catch_unwind().await;
        let reason = match judged {
            Ok(Ok(verdict)) => return conclude(context, parcel, verdict).await,
            Ok(Err(Broken::Fault(fault)))
                if after_fault == AfterFault::Stop || context.halted().is_some() =>
            {
                return Err(fault);
            }
            Ok(Err(Broken::Fault(fault))) => fault.to_string(),
            Ok(Err(Broken::Command(reason))) => reason,
            Err(panic) => words_of(&*panic),
        };
        tracing::error!(target = %parcel.target, tries, reason, "a command breaks the service");
        if tries >= most {
            let reason = format!("given up after {tries} tries: {reason}");
            return conclude(context, parcel, Verdict::GivenUp(reason)).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn judge<M: Machine>(context: &Context<M>, parcel: &Parcel) -> Result<Verdict, Broken> {
    let most = context.ground.bounds.deliveries;
    Ok(match known(context, parcel).await? {
        Some(verdict) => verdict,
        None if parcel.delivery.deliveries() > most && context.may_give_up() => {
            Verdict::GivenUp(format!("given up after {most} deliveries"))
        }
        None => match await_cause(context, parcel).await? {
            Some(unreadable) => unreadable,
            None => decide(context, parcel).await?,
        },
    })
}

/// The verdict on a command that was decided before.
async fn known<M: Machine>(
    context: &Context<M>,
    parcel: &Parcel,
) -> Result<Option<Verdict>, Fault> {
    let actor = match &parcel.origin {
        Origin::Agent(_) | Origin::Timer { .. } => return Ok(None),
        Origin::Service { from, cause } => {
            let handled =
                context.read(|h| h.has_handled(&parcel.target, *from, *cause, parcel.index));
            return Ok(handled.then(|| Verdict::accomplished(Position::START, vec![])));
        }
        Origin::User(actor) => actor,
    };
    if let Some(done) = context.read(|h| h.done(&parcel.target, actor, &parcel.id)) {
        return Ok(Some(Verdict::accomplished(Position(done.position), done.types)));
    }
    let outcomes = &context.ground.bus.outcomes;
    let found = context.patiently(|| outcomes.find(actor.as_str(), &parcel.id)).await?;
    match found.and_then(|outcome| outcome.result) {
        Some(outcome::Result::Accomplished(done)) => Ok(Some(Verdict::Accomplished(done))),
        Some(outcome::Result::Refused(refusal)) => Ok(Some(Verdict::Refused(refusal))),
        None => late(context, parcel).await,
    }
}

/// A command without an outcome may be an old one all the same: it may have crashed before its
/// outcome was recorded, or its outcome is no longer kept. The log knows what it led to; what it
/// was refused for nobody knows any more, and it is not decided again either.
async fn late<M: Machine>(context: &Context<M>, parcel: &Parcel) -> Result<Option<Verdict>, Fault> {
    let (kept, now) = (context.ground.bounds.outcomes_kept, context.ground.clock.now());
    let age = parcel.id.made().map(|made| now.since(made));
    let is_new = age.is_some_and(|age| age < kept) && parcel.delivery.deliveries() == 1;
    if is_new {
        return Ok(None);
    }
    if let Some(verdict) = committed_long_ago(context, parcel).await? {
        return Ok(Some(verdict));
    }
    Ok(age.filter(|age| *age >= kept).map(|age| Verdict::Refused(too_late(age))))
}

fn too_late(age: Duration) -> Refusal {
    let days = age.as_secs() / (24 * 60 * 60);
    Refusal {
        code: "CHS0041".to_owned(),
        sentence: format!("the command's id is {days} days old, its outcome is no longer known"),
        advice: "look at what is there now; then send the command under a new id".to_owned(),
    }
}

/// The commit of a command that its aggregate has forgotten since.
async fn committed_long_ago<M: Machine>(
    context: &Context<M>,
    parcel: &Parcel,
) -> Result<Option<Verdict>, Fault> {
    let (forgets, last) = context
        .read(|hosted| (hosted.forgets(&parcel.target), hosted.head(&parcel.target).position));
    if !forgets {
        return Ok(None);
    }
    let (log, history) = (&context.ground.bus.log, parcel.target.event());
    let mut reading = context.patiently(|| log.read(&history, Position::START)).await?;
    let actor = parcel.origin.to_string();
    while let Some(entry) = reading.entries.next().await {
        let Entry::Commit(commit, _) = entry? else { continue };
        if commit.header.command == parcel.id && commit.header.actor == actor {
            return Ok(Some(Verdict::accomplished(commit.position, commit.header.types)));
        }
        if commit.position.0 >= last {
            break;
        }
    }
    Ok(None)
}

/// What a service told or was woken for is decided on a state that has seen what led to it. A cause
/// that the log does not hold is none.
async fn await_cause<M: Machine>(
    context: &Context<M>,
    parcel: &Parcel,
) -> Result<Option<Verdict>, Fault> {
    let (Origin::Service { cause, .. } | Origin::Timer { cause, .. }) = parcel.origin else {
        return Ok(None);
    };
    if await_position(context, cause).await {
        return Ok(None);
    }
    let (broker, events) = (&context.ground.bus.broker, subject::events());
    let last = context.patiently(|| broker.last("EVENTS", &events)).await?;
    if last.is_some_and(|last| last.sequence >= cause.0) {
        let step = format!("wait for position {cause}");
        return Err(Fault::passing(step, "the log holds it, the projection does not get there"));
    }
    Ok(Some(Verdict::Unreadable(format!("its cause {cause} is not in the log"))))
}

/// Waits until the log is folded in up to `position`, bounded; answers whether it is.
async fn await_position<M: Machine>(context: &Context<M>, position: Position) -> bool {
    let within = context.ground.bounds.wait_for_position;
    tokio::time::timeout(within, context.reached(position)).await.is_ok()
}

/// Decides, and decides again when somebody else was first: on what is true then, outside too.
async fn decide<M: Machine>(context: &Context<M>, parcel: &Parcel) -> Result<Verdict, Broken> {
    for _ in 0..context.ground.bounds.conflicts {
        let mut request = parcel.request(context.ground.clock.now());
        match context.shell.prepare(&mut request).await {
            Ok(()) => {}
            Err(Unprepared::Denied(denied)) => return Ok(denied.into()),
            Err(Unprepared::Fault(fault)) => return Err(fault.into()),
        }
        let (commits, types) = match plan(context, &request, parcel.index) {
            Plan::Commit(commits, types) => (commits, types),
            Plan::Done(verdict) => return Ok(verdict),
        };
        let seen = context.read(|hosted| hosted.position());
        match append(context, commits).await? {
            Append::Appended(end) if end <= seen => {
                return Err(context.halted_by(Lost::Shorter { end, seen }.fault()).into());
            }
            Append::Appended(position) | Append::AlreadyAppended(position) => {
                await_position(context, position).await;
                return Ok(Verdict::accomplished(position, types));
            }
            Append::Conflict(actual) => {
                await_position(context, actual).await;
            }
            Append::Unknown(reason) => {
                let step = format!("append for \"{}\"", request.target);
                return Err(Fault::passing(step, reason).into());
            }
        }
    }
    let bound = context.ground.bounds.conflicts;
    Err(Broken::Command(format!("{bound} decisions in a row met a conflict")))
}

async fn append<M: Machine>(
    context: &Context<M>,
    commits: Vec<NewCommit>,
) -> Result<Append, Fault> {
    let log = &context.ground.bus.log;
    let mut last = Append::Unknown("not tried".to_owned());
    for _ in 0..context.ground.bounds.tries {
        last = match commits.as_slice() {
            [one] => context.patiently(|| log.append(one.clone())).await?,
            all => context.patiently(|| log.append_all(all.to_vec())).await?,
        };
        let Append::Unknown(reason) = &last else { return Ok(last) };
        tracing::warn!(reason, "nobody knows whether a commit was stored, asking again");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(last)
}

/// Records the outcome of a user's command, then acknowledges.
async fn conclude<M: Machine>(
    context: &Context<M>,
    parcel: Parcel,
    verdict: Verdict,
) -> Result<Handled, Fault> {
    let delivery = &*parcel.delivery;
    let (handled, result) = match verdict {
        Verdict::Accomplished(done) => (Handled::Done, outcome::Result::Accomplished(done)),
        Verdict::Refused(refusal) => {
            tracing::info!(code = refusal.code, origin = %parcel.origin, target = %parcel.target,
                "refused: {}", refusal.sentence);
            (Handled::Refused(refusal.clone()), outcome::Result::Refused(refusal))
        }
        Verdict::Unreadable(reason) => {
            bury::bury(context, parcel.source, delivery, UNREADABLE, reason).await?;
            return Ok(Handled::Failed);
        }
        Verdict::GivenUp(reason) => {
            bury::bury(context, parcel.source, delivery, GIVEN_UP, reason).await?;
            return Ok(Handled::Failed);
        }
    };
    if let Origin::User(actor) = &parcel.origin {
        let outcome = Outcome { command: parcel.id.to_string(), result: Some(result) };
        let outcomes = &context.ground.bus.outcomes;
        context.patiently(|| outcomes.record(actor.as_str(), &outcome)).await?;
    }
    context.patiently(|| delivery.ack()).await?;
    Ok(handled)
}
