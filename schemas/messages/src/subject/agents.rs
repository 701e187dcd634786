//! What agents and services say to each other: deliveries, reports, requests, joins, leases.

use super::Subject;
use fleetlog_kernel::{ClusterName, Service, decode_token, encode_token};

/// What an agent reports about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The cluster's own facts.
    Cluster,
    /// One work.
    Work(String),
}

/// `fl.live.<cluster>.>`: what one agent listens to.
#[must_use]
pub fn live(cluster: &ClusterName) -> Subject {
    Subject(format!("fl.live.{}.>", encode_token(cluster.as_str())))
}

/// `fl.live.<cluster>.beat.now`: the agent should beat, and will hear what is new with the answer.
/// Never stored; no delivery has a subject of this shape, for a work's name is one token.
#[must_use]
pub fn beat_now(cluster: &ClusterName) -> Subject {
    Subject(format!("fl.live.{}.beat.now", encode_token(cluster.as_str())))
}

/// `fl.st.<cluster>.cluster` or `fl.st.<cluster>.work.<work>`: an agent's report.
#[must_use]
pub fn report(cluster: &ClusterName, about: &Report) -> Subject {
    let cluster = encode_token(cluster.as_str());
    Subject(match about {
        Report::Cluster => format!("fl.st.{cluster}.cluster"),
        Report::Work(work) => format!("fl.st.{cluster}.work.{}", encode_token(work)),
    })
}

/// The cluster that the server vouches for, and what it reports about.
#[must_use]
pub fn of_report(subject: &str) -> Option<(ClusterName, Report)> {
    let tokens: Vec<&str> = subject.strip_prefix("fl.st.")?.split('.').collect();
    let (cluster, about) = match tokens.as_slice() {
        [cluster, "cluster"] => (cluster, Report::Cluster),
        [cluster, "work", work] => (cluster, Report::Work(decode_token(work).ok()?)),
        _ => return None,
    };
    Some((ClusterName::parse(&decode_token(cluster).ok()?).ok()?, about))
}

/// `fl.st.*.cluster` or `fl.st.*.work.>`: the reports that a service decides on; none for others.
#[must_use]
pub fn reports_for(service: Service) -> Option<Subject> {
    match service {
        Service::Registration => Some(Subject("fl.st.*.cluster".into())),
        Service::Work => Some(Subject("fl.st.*.work.>".into())),
        Service::Placement | Service::Addon | Service::Core => None,
    }
}

/// `fl.a.<cluster>.<verb>`: an agent's request (`beat`, `sync`, `blob`, `renew`).
#[must_use]
pub fn ask(cluster: &ClusterName, verb: &str) -> Subject {
    Subject(format!("fl.a.{}.{verb}", encode_token(cluster.as_str())))
}

/// `fl.a.*.<verb>`: that request of every agent.
#[must_use]
pub fn asks(verb: &str) -> Subject {
    Subject(format!("fl.a.*.{verb}"))
}

/// The cluster that the server vouches for in a `fl.a` subject.
#[must_use]
pub fn asking_cluster(subject: &str) -> Option<ClusterName> {
    let (cluster, _) = subject.strip_prefix("fl.a.")?.split_once('.')?;
    ClusterName::parse(&decode_token(cluster).ok()?).ok()
}

/// What whoever may listen to `filter` may also ask, and nobody ever answers: the server's "nobody
/// there" proves that it took the subscription. `None` where only services listen.
#[must_use]
pub fn echo_of(filter: &Subject) -> Option<Subject> {
    let tokens: Vec<&str> = filter.0.split('.').collect();
    match tokens.as_slice() {
        ["fl", "live", cluster, ..] => Some(Subject(format!("fl.a.{cluster}.echo"))),
        ["fl", "res", "*", ..] => Some(Subject("fl.qry.echo.any.echo".into())),
        ["fl", "res", actor, ..] => Some(Subject(format!("fl.qry.echo.{actor}.echo"))),
        _ => None,
    }
}

/// `fl.join.<key>`: a request to join, vouched for only as the bearer of a join token.
#[must_use]
pub fn join(token_key: &str) -> Subject {
    Subject(format!("fl.join.{token_key}"))
}

/// `fl.join.*`.
#[must_use]
pub fn joins() -> Subject {
    Subject("fl.join.*".into())
}

/// `fl.lease.<cluster>`.
#[must_use]
pub fn lease(cluster: &ClusterName) -> Subject {
    Subject(format!("fl.lease.{}", encode_token(cluster.as_str())))
}

/// `fl.lease.*`.
#[must_use]
pub fn leases() -> Subject {
    Subject("fl.lease.*".into())
}

/// `fl.lease.:mark`: no cluster's, for none has such a name. Who follows the leases and has come by
/// a mark has seen every change before it.
#[must_use]
pub fn lease_mark() -> Subject {
    Subject("fl.lease.:mark".into())
}

/// The cluster of a lease subject; none for a mark.
#[must_use]
pub fn of_lease(subject: &str) -> Option<ClusterName> {
    let token = subject.strip_prefix("fl.lease.")?;
    ClusterName::parse(&decode_token(token).ok()?).ok()
}
