//! A command that is only tried: a question with the command in it, decided on the state as it
//! stands, in the name of who asks. It lies in no queue and has no outcome on record; nothing is
//! appended and nothing follows.

use crate::bury::{GIVEN_UP, UNREADABLE};
use crate::context::Context;
use crate::handle::Verdict;
use crate::intake::is_user;
use crate::machine::{Machine, Origin, Request, Unprepared};
use crate::plan::{Plan, plan};
use crate::query::refusal;
use crate::tasks::words_of;
use bytes::Bytes;
use fleetlog_bus::Fault;
use fleetlog_kernel::{Actor, Position};
use fleetlog_messages::common::{Answer, Outcome, Query, Refusal, Try, outcome};
use fleetlog_messages::subject::AggregateId;
use futures::FutureExt as _;
use prost::Message as _;
use std::panic::AssertUnwindSafe;

/// What would come of a command, as its outcome would say it.
///
/// # Errors
/// A question that holds no command, about the past or by nobody who may command; something outside
/// that failed.
pub(crate) async fn tried<M: Machine>(
    context: &Context<M>,
    actor: &Actor,
    query: Query,
) -> Result<Vec<Answer>, Refusal> {
    let (request, beside) = read(context, actor, query)?;
    let position = context.read(|hosted| hosted.position().0);
    let judged = AssertUnwindSafe(judge(context, request, beside)).catch_unwind().await;
    let verdict = match judged {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(fault)) => return Err(refusal("CHS0005", &fault.to_string(), "ask again")),
        Err(panic) => Verdict::GivenUp(words_of(&*panic)),
    };
    let result = Some(match verdict {
        Verdict::Accomplished(done) => outcome::Result::Accomplished(done),
        Verdict::Refused(refusal) => outcome::Result::Refused(refusal),
        Verdict::Unreadable(reason) => outcome::Result::Refused(UNREADABLE.refusal(&reason)),
        Verdict::GivenUp(reason) => {
            tracing::error!(reason, "a command that is tried breaks the service");
            outcome::Result::Refused(GIVEN_UP.refusal(&reason))
        }
    });
    let outcome = Some(Outcome { command: String::new(), result });
    Ok(vec![Answer { position, outcome, ..Answer::default() }])
}

fn read<M: Machine>(
    context: &Context<M>,
    actor: &Actor,
    query: Query,
) -> Result<(Request, Bytes), Refusal> {
    let unreadable =
        |sentence: &str| refusal("CHS0002", sentence, "ask with a client of this hub's version");
    if !is_user(actor.as_str()) {
        return Err(unreadable(&format!("\"{actor}\" is not the name of a user")));
    }
    if query.as_of != 0 || query.as_of_time != 0 {
        return Err(unreadable("a command is tried on what there is now"));
    }
    if query.kind.is_empty() || query.name.is_empty() {
        return Err(unreadable("a command is tried on an object with a kind and a name"));
    }
    let Try { command, beside } = Try::decode(query.asked.as_slice())
        .map_err(|error| unreadable(&format!("the command to try cannot be read: {error}")))?;
    let id = context.ground.ids.command();
    let request = Request {
        target: AggregateId {
            service: M::SERVICE,
            kind: query.kind,
            scope: Some(query.namespace).filter(|namespace| !namespace.is_empty()),
            name: query.name,
        },
        origin: Origin::User(actor.clone()),
        correlation: id.to_string(),
        id,
        at: context.ground.clock.now(),
        payload: command.into(),
    };
    Ok((request, beside.into()))
}

async fn judge<M: Machine>(
    context: &Context<M>,
    mut request: Request,
    beside: Bytes,
) -> Result<Verdict, Fault> {
    match context.shell.try_out(&mut request, beside).await {
        Ok(()) => {}
        Err(Unprepared::Denied(denied)) => return Ok(denied.into()),
        Err(Unprepared::Fault(fault)) => return Err(fault),
    }
    Ok(match plan(context, &request, 0) {
        Plan::Commit(_, types) => Verdict::accomplished(Position::START, types),
        Plan::Done(Verdict::Accomplished(_)) => Verdict::accomplished(Position::START, vec![]),
        Plan::Done(verdict) => verdict,
    })
}
