//! A delivery of CMD, DO, STATUS or TIMER, read: who asks whom, under which id. The subject vouches
//! for the asker; headers of users and agents are believed for nothing but ids.

use crate::hosted::TOLD_PER_COMMIT;
use crate::machine::{Origin, Request};
use fleetlog_bus::{Delivery, MAX_COMMAND, StoredMessage};
use fleetlog_kernel::{Actor, CommandId, Position, Service, Timestamp};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, AggregateId, Report};

/// The subject that a timer was set on, as the server says it.
const SCHEDULER: &str = "Nats-Scheduler";
/// How long a command id may be.
const MAX_ID: usize = 128;
/// How large a payload may be to be looked at: a service refuses what is over [`MAX_COMMAND`] in
/// words of its own, nobody reads what is far over it.
const MOST: usize = 2 * MAX_COMMAND;

/// Which queue a delivery came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// CMD: users.
    Command,
    /// DO: services.
    Told,
    /// STATUS: agents.
    Report,
    /// TIMER: the service itself, earlier.
    Due,
}

impl Source {
    /// The stream's name.
    pub(crate) const fn stream(self) -> &'static str {
        match self {
            Self::Command => "CMD",
            Self::Told => "DO",
            Self::Report => "STATUS",
            Self::Due => "TIMER",
        }
    }
}

/// A delivery with what its subject and headers say.
pub(crate) struct Parcel {
    pub delivery: Box<dyn Delivery>,
    pub source: Source,
    pub target: AggregateId,
    pub origin: Origin,
    pub id: CommandId,
    pub correlation: String,
    /// Which of its cause's commands it is; 0 for users, agents and timers.
    pub index: u64,
    /// The moment before which it is not decided, whatever the clock says.
    pub not_before: Timestamp,
}

impl Parcel {
    /// Reads a delivery.
    ///
    /// # Errors
    /// The delivery back, and why it cannot be read.
    pub(crate) fn read(
        source: Source,
        delivery: Box<dyn Delivery>,
    ) -> Result<Self, (Box<dyn Delivery>, String)> {
        let message = delivery.message();
        let read = match source {
            Source::Command => command(message),
            Source::Told => told(message),
            Source::Report => report(message),
            Source::Due => due(message),
        };
        match read.and_then(|read| small(message).map(|()| read)) {
            Ok((target, origin, id, correlation, index)) => {
                let due =
                    number(delivery.message(), header::DUE).ok().filter(|_| source == Source::Due);
                let due = due.and_then(|due| i64::try_from(due).ok()).unwrap_or_default();
                let not_before = Timestamp::of_seconds(due);
                Ok(Self { delivery, source, target, origin, id, correlation, index, not_before })
            }
            Err(reason) => Err((delivery, reason)),
        }
    }

    /// The request to decide at `at`, or when a timer's moment comes, if that is later.
    pub(crate) fn request(&self, at: Timestamp) -> Request {
        Request {
            target: self.target.clone(),
            origin: self.origin.clone(),
            id: self.id.clone(),
            correlation: self.correlation.clone(),
            at: at.max(self.not_before),
            payload: self.delivery.message().payload.clone(),
        }
    }
}

/// Who waits for the outcome of a message of CMD, and under which id; none when nobody can.
pub(crate) fn asker(message: &StoredMessage) -> Option<(Actor, CommandId)> {
    let (_, actor) = AggregateId::of_command(&message.subject)?;
    Some((actor, id_of(message).ok()?))
}

type Read = (AggregateId, Origin, CommandId, String, u64);

fn command(message: &StoredMessage) -> Result<Read, String> {
    let (target, actor) = AggregateId::of_command(&message.subject)
        .ok_or_else(|| format!("\"{}\" is no command subject", message.subject))?;
    if !is_user(actor.as_str()) {
        return Err(format!("\"{actor}\" is not the name of a user"));
    }
    let id = id_of(message)?;
    let correlation = id.to_string();
    Ok((target, Origin::User(actor), id, correlation, 0))
}

/// How `Fl-Actor` begins for those who are no users.
const OTHERS: [&str; 3] = ["service:", "timer:", "cluster:"];

/// Users have no name that others have in `Fl-Actor`, and a header is one line.
pub(crate) fn is_user(actor: &str) -> bool {
    let plain = actor.chars().all(|c| c.is_ascii_graphic() || c == ' ') && actor.trim() == actor;
    plain && !actor.is_empty() && !OTHERS.iter().any(|prefix| actor.starts_with(prefix))
}

fn told(message: &StoredMessage) -> Result<Read, String> {
    let (target, from) = AggregateId::of_told(&message.subject)
        .ok_or_else(|| format!("\"{}\" is no command subject", message.subject))?;
    let id = id_of(message)?;
    let cause = Position(number(message, header::CAUSE)?);
    let index = number(message, header::INDEX)?;
    if index >= TOLD_PER_COMMIT {
        return Err(format!("header \"{}\" holds {index}, more than a cause has", header::INDEX));
    }
    let correlation = message.headers.get(header::CORRELATION).cloned();
    let correlation = correlation.unwrap_or_else(|| id.to_string());
    Ok((target, Origin::Service { from, cause }, id, correlation, index))
}

fn report(message: &StoredMessage) -> Result<Read, String> {
    let (cluster, about) = subject::of_report(&message.subject)
        .ok_or_else(|| format!("\"{}\" is no report subject", message.subject))?;
    let target = match about {
        Report::Cluster => AggregateId::global(Service::Registration, "cluster", cluster.as_str()),
        Report::Work(work) => {
            AggregateId::namespaced(Service::Work, "manifestwork", cluster.as_str(), &work)
        }
    };
    let id = CommandId::new(format!("st-{}", message.sequence));
    let correlation = id.to_string();
    Ok((target, Origin::Agent(cluster), id, correlation, 0))
}

/// A timer counts only when the subject that it was set on is the target's own: any service can
/// have a timer of its own publish anywhere in the stream.
fn due(message: &StoredMessage) -> Result<Read, String> {
    let target = AggregateId::of_timer_due(&message.subject)
        .ok_or_else(|| format!("\"{}\" is no timer subject", message.subject))?;
    let set = message.headers.get(SCHEDULER).map_or("", String::as_str);
    if set != target.timer_set().as_str() {
        return Err(format!("it was set on \"{set}\", not on the target's own subject"));
    }
    let cause = Position(number(message, header::CAUSE)?);
    let due = number(message, header::DUE)?;
    let id = CommandId::new(format!("due-{due}-{cause}-{}", message.sequence));
    let correlation = id.to_string();
    let of = target.service;
    Ok((target, Origin::Timer { of, cause }, id, correlation, 0))
}

fn id_of(message: &StoredMessage) -> Result<CommandId, String> {
    let printable = |id: &String| id.bytes().all(|b| b.is_ascii_graphic());
    match message.headers.get(header::COMMAND) {
        Some(id) if (1..=MAX_ID).contains(&id.len()) && printable(id) => Ok(CommandId::new(id)),
        Some(_) => {
            Err(format!("header \"{}\" is not 1 to {MAX_ID} printable characters", header::COMMAND))
        }
        None => Err(format!("header \"{}\" is missing", header::COMMAND)),
    }
}

fn number(message: &StoredMessage, name: &str) -> Result<u64, String> {
    let text = message.headers.get(name);
    let text = text.ok_or_else(|| format!("header \"{name}\" is missing"))?;
    text.parse().map_err(|_| format!("header \"{name}\" is no number"))
}

fn small(message: &StoredMessage) -> Result<(), String> {
    match message.payload.len() {
        size if size > MOST => Err(format!("it has {size} bytes, at most {MOST} are taken")),
        _ => Ok(()),
    }
}
