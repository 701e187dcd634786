//! A service as the loops see it: a synchronous machine. Calls in; state, decisions and effects
//! out. It never does I/O, never reads a clock, and gives the same answers for the same log.

use crate::context::Context;
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::Fault;
use fleetlog_kernel::{Actor, ClusterName, CommandId, Position, Service, Timestamp};
use fleetlog_messages::common::{Query, Refusal, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use std::fmt;
use std::time::Duration;

/// Who asks, as the server vouches for it by the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user, by CMD.
    User(Actor),
    /// A service, by DO, because of the commit at `cause`.
    Service {
        /// The sender.
        from: Service,
        /// What it reacted to.
        cause: Position,
    },
    /// A timer that this service set because of the commit at `cause`, by TIMER.
    Timer {
        /// Whose timer.
        of: Service,
        /// Why it was set.
        cause: Position,
    },
    /// The agent of a cluster, by STATUS.
    Agent(ClusterName),
}

impl fmt::Display for Origin {
    /// As the header `Fl-Actor` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(actor) => write!(f, "{actor}"),
            Self::Service { from, .. } => write!(f, "service:{from}"),
            Self::Timer { of, .. } => write!(f, "timer:{of}"),
            Self::Agent(cluster) => write!(f, "cluster:{cluster}"),
        }
    }
}

/// One command to decide.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom it is about. For a STATUS report: `cluster/<c>` or `manifestwork/<c>/<w>`.
    pub target: AggregateId,
    /// Who asks.
    pub origin: Origin,
    /// The command's id.
    pub id: CommandId,
    /// Shared by all that follows from one user's command.
    pub correlation: String,
    /// The time of the decision; for a timer never before the moment that was waited for.
    pub at: Timestamp,
    /// CMD and DO: the encoded command message of the kind (`ClusterCommand`, ...). STATUS: the
    /// encoded report (`ClusterFacts`, `ReportWork`).
    pub payload: Bytes,
}

/// What was decided for one aggregate: becomes one commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The aggregate, owned by this service.
    pub aggregate: AggregateId,
    /// The events' message type, `fleetlog.registration.v1.ClusterEvent`.
    pub schema: &'static str,
    /// Each event's type (`ClusterAccepted`) and its encoded event message. Not empty.
    pub events: Vec<(&'static str, Bytes)>,
}

/// Why a request was not decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Denied {
    /// The domain says no; the asker gets the words.
    Refused(Refusal),
    /// It cannot be read: it goes to DLQ with this reason.
    Unreadable(String),
}

/// Why a request is not ready to be decided.
#[derive(Debug)]
pub enum Unprepared {
    /// It never will be.
    Denied(Denied),
    /// Something is out of reach: it is tried again.
    Fault(Fault),
}

impl From<Denied> for Unprepared {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Fault> for Unprepared {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A commit that this build cannot read: the service stops and names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the commit at position {position} of \"{aggregate}\" cannot be read: {reason}")]
pub struct Unreadable {
    /// Where it lies.
    pub position: Position,
    /// Whose it is.
    pub aggregate: String,
    /// What is wrong with it, naming schema and version.
    pub reason: String,
}

impl Unreadable {
    /// For a commit.
    pub fn of(commit: &Recorded, reason: impl Into<String>) -> Self {
        Self {
            position: commit.position,
            aggregate: commit.aggregate.to_string(),
            reason: reason.into(),
        }
    }
}

/// What should happen because of a commit. Performed in one place, never in a rebuild.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect<E> {
    /// A command to a service (itself included), sent by DO with a deterministic id made of the
    /// service, the commit's position and this effect's index. Commands of one service to one
    /// aggregate arrive in order; at most 1,048,576 follow from one commit.
    Tell {
        /// The target aggregate.
        to: AggregateId,
        /// The encoded command message.
        payload: Bytes,
    },
    /// Something of the service's own; must be a level, not an edge: doing it twice is harmless.
    Own(E),
}

/// A service: its aggregates, its projections of what others decided, and its reactions.
pub trait Machine: Send + Sync + 'static {
    /// Effects of its own; `std::convert::Infallible` for none.
    type Effect: Send + Sync + Clone + fmt::Debug + 'static;

    /// Which service it is.
    const SERVICE: Service;

    /// The version of what [`Self::apply`] makes of the log: raised with every change that makes
    /// another state of the same commits, so that no snapshot of an older one is used.
    const VERSION: u32 = 1;

    /// Folds one commit; every commit of EVENTS comes here once, in order.
    ///
    /// # Errors
    /// When a commit it must understand cannot be read; the service stops.
    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable>;

    /// What follows from a commit that was just applied; in a fixed order, from state alone.
    fn react(&self, commit: &Recorded) -> Vec<Effect<Self::Effect>>;

    /// Decides one command; several aggregates are committed together or not at all. Empty when
    /// nothing would change.
    ///
    /// # Errors
    /// A refusal, or that the payload cannot be read.
    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied>;

    /// Whether a command speaks of several aggregates each by itself: every commit that it leads to
    /// then has its own aggregate's last commit as its cause, as if it had been told of it alone.
    fn speaks_of_each(&self, _request: &Request) -> bool {
        false
    }

    /// Answers `get`: the objects asked for as the hub API serves them (canonical JSON).
    ///
    /// # Errors
    /// A refusal, e.g. for a selector that cannot be parsed.
    fn answer(&self, query: &Query) -> Result<Vec<Bytes>, Refusal>;

    /// Answers a question of the service's own kind, by its verb; `at` is now, or the moment of the
    /// past that the state is of. `None` when it has none of this verb.
    fn question(
        &self,
        _verb: &str,
        _query: &Query,
        _at: Timestamp,
    ) -> Option<Result<Vec<Bytes>, Refusal>> {
        None
    }

    /// The whole state as rows in the order of their keys; equal states give equal rows.
    fn rows(&self) -> Vec<Row>;

    /// The state that [`Self::rows`] wrote.
    ///
    /// # Errors
    /// The row that cannot be read, in words; the snapshot is passed over.
    fn restore(rows: &[Row]) -> Result<Self, String>
    where
        Self: Sized;
}

/// What a service's shell does around the machine: everything that waits.
#[async_trait]
pub trait Shell<M: Machine>: Send + Sync + 'static {
    /// Completes a request before it is decided (fetches, checks). Called outside all locks.
    async fn prepare(&self, _request: &mut Request) -> Result<(), Unprepared> {
        Ok(())
    }

    /// Completes a request that is only tried, as [`Self::prepare`] does a user's: nothing may be
    /// kept, made or undone. `beside` is what would have been handed over before it.
    async fn try_out(&self, _request: &mut Request, _beside: Bytes) -> Result<(), Unprepared> {
        Ok(())
    }

    /// How long a command may wait for more like it, so that what they ask for is done once. The
    /// wait ends as soon as something else comes for the same aggregate; who comes meanwhile does
    /// not wait anew.
    fn patience(&self, _from: &Origin, _to: &AggregateId, _payload: &Bytes) -> Duration {
        Duration::ZERO
    }

    /// Completes an answer: puts bodies back into the objects.
    async fn dress(&self, _query: &Query, objects: Vec<Bytes>) -> Result<Vec<Bytes>, Fault> {
        Ok(objects)
    }

    /// The state was folded anew from the whole log: what is derived from it is brought up to date.
    async fn rebuilt(&self, _context: &Context<M>) -> Result<(), Fault> {
        Ok(())
    }

    /// Performs effects of the service's own, in order. Called again after a fault. Must not wait
    /// for the log: the folding may be waiting for this.
    async fn perform(&self, _effects: Vec<M::Effect>) -> Result<(), Fault> {
        Ok(())
    }
}

/// A shell that adds nothing.
pub struct Plain;

impl<M: Machine> Shell<M> for Plain {}
