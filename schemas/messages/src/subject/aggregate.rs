//! One aggregate, and the subjects of its events, its commands and its timers.

use super::Subject;
use fleetlog_kernel::{Actor, Service, decode_token, encode_token};
use std::fmt;

/// One aggregate: who owns it, its kind's token, its namespace (if any) and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AggregateId {
    /// The service that alone appends to it.
    pub service: Service,
    /// `cluster`, `clusterset`, `binding`, `placement`, `manifestwork`, `replicaset`, ...
    pub kind: String,
    /// The namespace; `None` for cluster-scoped kinds.
    pub scope: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

impl AggregateId {
    /// A namespaced aggregate.
    #[must_use]
    pub fn namespaced(service: Service, kind: &str, scope: &str, name: &str) -> Self {
        Self { service, kind: kind.into(), scope: Some(scope.into()), name: name.into() }
    }

    /// A cluster-scoped aggregate.
    #[must_use]
    pub fn global(service: Service, kind: &str, name: &str) -> Self {
        Self { service, kind: kind.into(), scope: None, name: name.into() }
    }

    /// `fl.ev.<service>.<kind>[.<scope>].<name>`.
    #[must_use]
    pub fn event(&self) -> Subject {
        Subject(format!("fl.ev.{}.{}", self.service, self.tail()))
    }

    /// `fl.cmd.<service>.<actor>.<kind>[.<scope>].<name>`: a user's command.
    #[must_use]
    pub fn command(&self, actor: &Actor) -> Subject {
        let actor = encode_token(actor.as_str());
        Subject(format!("fl.cmd.{}.{actor}.{}", self.service, self.tail()))
    }

    /// `fl.do.<target>.<from>.<kind>[.<scope>].<name>`: a service's command.
    #[must_use]
    pub fn told_by(&self, from: Service) -> Subject {
        Subject(format!("fl.do.{}.{from}.{}", self.service, self.tail()))
    }

    /// `fl.timer.set.<service>.<kind>[.<scope>].<name>`: when it is to be woken.
    #[must_use]
    pub fn timer_set(&self) -> Subject {
        Subject(format!("fl.timer.set.{}.{}", self.service, self.tail()))
    }

    /// `fl.timer.due.<service>.<kind>[.<scope>].<name>`: it is woken.
    #[must_use]
    pub fn timer_due(&self) -> Subject {
        Subject(format!("fl.timer.due.{}.{}", self.service, self.tail()))
    }

    /// Reads the subject of a timer that is due.
    #[must_use]
    pub fn of_timer_due(subject: &str) -> Option<Self> {
        let mut tokens = subject.strip_prefix("fl.timer.due.")?.split('.');
        let service = Service::parse(tokens.next()?)?;
        Self::of_tail(service, tokens)
    }

    /// Reads an event subject.
    #[must_use]
    pub fn of_event(subject: &str) -> Option<Self> {
        let mut tokens = subject.strip_prefix("fl.ev.")?.split('.');
        let service = Service::parse(tokens.next()?)?;
        Self::of_tail(service, tokens)
    }

    /// Reads a user's command subject: its target and the actor that the server vouches for.
    #[must_use]
    pub fn of_command(subject: &str) -> Option<(Self, Actor)> {
        let mut tokens = subject.strip_prefix("fl.cmd.")?.split('.');
        let service = Service::parse(tokens.next()?)?;
        let actor = Actor::new(decode_token(tokens.next()?).ok()?);
        Some((Self::of_tail(service, tokens)?, actor))
    }

    /// Reads a service's command subject: its target and the sender.
    #[must_use]
    pub fn of_told(subject: &str) -> Option<(Self, Service)> {
        let mut tokens = subject.strip_prefix("fl.do.")?.split('.');
        let service = Service::parse(tokens.next()?)?;
        let from = Service::parse(tokens.next()?)?;
        Some((Self::of_tail(service, tokens)?, from))
    }

    fn tail(&self) -> String {
        let (kind, name) = (encode_token(&self.kind), encode_token(&self.name));
        match &self.scope {
            Some(scope) => format!("{kind}.{}.{name}", encode_token(scope)),
            None => format!("{kind}.{name}"),
        }
    }

    fn of_tail<'a>(service: Service, tokens: impl Iterator<Item = &'a str>) -> Option<Self> {
        let tokens: Vec<String> = tokens.map(decode_token).collect::<Result<_, _>>().ok()?;
        match tokens.as_slice() {
            [kind, name] => Some(Self::global(service, kind, name)),
            [kind, scope, name] => Some(Self::namespaced(service, kind, scope, name)),
            _ => None,
        }
    }
}

impl fmt::Display for AggregateId {
    /// `kind/scope/name` or `kind/name`, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{}/{scope}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}
