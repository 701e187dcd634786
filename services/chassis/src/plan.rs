//! What a decision comes to: commits with their headers, or a verdict at once. Synchronous: one
//! look at the state.

use crate::context::Context;
use crate::handle::Verdict;
use crate::machine::{Decided, Denied, Machine, Origin, Request};
use fleetlog_bus::NewCommit;
use fleetlog_kernel::{MessageId, Position, Service};
use fleetlog_messages::envelope::CommitHeader;

/// The version of the commits' ids.
const HANDLER: (&str, u32) = ("serve", 1);
/// The most bytes of events in one commit: what a message may have, less its headers.
const MAX_COMMIT: usize = 1_000_000;

/// What a decision comes to.
pub(crate) enum Plan {
    Commit(Vec<NewCommit>, Vec<String>),
    Done(Verdict),
}

/// Decides a request on the state as it stands.
pub(crate) fn plan<M: Machine>(context: &Context<M>, request: &Request, cause_index: u64) -> Plan {
    let decided = context.read(|hosted| {
        // Under the same look as the decision: what is handled again comes beside its lane, and a
        // newer command of its sender may have been first.
        let decided = match request.origin {
            Origin::Service { from, cause }
                if hosted.has_handled(&request.target, from, cause, cause_index) =>
            {
                vec![]
            }
            _ => hosted.decide(request)?,
        };
        let heads = decided.iter().map(|d| hosted.head(&d.aggregate)).collect::<Vec<_>>();
        let stands = hosted.head(&request.target).position;
        Ok::<_, Denied>((decided, heads, stands, hosted.speaks_of_each(request)))
    });
    let (decided, heads, stands, of_each) = match decided {
        Ok(found) => found,
        Err(denied) => return Plan::Done(denied.into()),
    };
    if decided.is_empty() {
        return Plan::Done(Verdict::accomplished(Position(stands), vec![]));
    }
    let events = || decided.iter().flat_map(|decided| &decided.events);
    let size: usize = events().map(|(name, event)| name.len() + event.len() + 8).sum();
    if size > MAX_COMMIT {
        let reason = format!("its events have {size} bytes, at most {MAX_COMMIT} fit a commit");
        return Plan::Done(Verdict::Unreadable(reason));
    }
    let types = events().map(|(name, _)| (*name).to_owned()).collect();
    let asked = Asked::of(request);
    let numbered = (0_u32..).zip(decided.into_iter().zip(heads));
    let commits = numbered.map(|(index, (decided, head))| {
        let last = (Position(head.position), head.version);
        let asked = match of_each {
            true => Asked::of_one(request, &decided, last.0),
            false => Asked { index, ..asked.clone() },
        };
        commit(M::SERVICE, request, asked, cause_index, decided, last)
    });
    Plan::Commit(commits.collect(), types)
}

/// What a commit's id is made of, and what led to it.
#[derive(Clone)]
struct Asked {
    words: String,
    /// Which of the commits that these words lead to.
    index: u32,
    cause: Position,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let cause = match request.origin {
            Origin::Service { cause, .. } | Origin::Timer { cause, .. } => cause,
            Origin::User(_) | Origin::Agent(_) => Position::START,
        };
        // The target is part of it: one user may use one id for two, and must not stop the service.
        let words = format!("{}/{}/{}", request.origin, request.id, request.target.event());
        Self { words, index: 0, cause }
    }

    /// Of a command that speaks of each aggregate by itself. Where the aggregate stands is part of
    /// it: the command may speak of fewer when it is handled again, and of one that moved on.
    fn of_one(request: &Request, decided: &Decided, last: Position) -> Self {
        let about = decided.aggregate.event();
        let words = format!("{}/{}/{about}@{last}", request.origin, request.id);
        Self { words, index: 0, cause: last }
    }
}

fn commit(
    service: Service,
    request: &Request,
    Asked { words, index, cause }: Asked,
    cause_index: u64,
    decided: Decided,
    (expected, version): (Position, u64),
) -> NewCommit {
    let (types, events): (Vec<_>, Vec<_>) =
        decided.events.into_iter().map(|(name, event)| (name.to_owned(), event)).unzip();
    let header = CommitHeader {
        id: MessageId::derived(service, HANDLER.0, HANDLER.1, &words, index),
        types,
        schema: decided.schema.to_owned(),
        version: version + 1,
        cause,
        cause_index,
        command: request.id.clone(),
        correlation: request.correlation.clone(),
        actor: request.origin.to_string(),
        time: request.at,
        service,
    };
    NewCommit { aggregate: decided.aggregate, expected, header, events }
}
