//! Every subject of the bus, built and parsed in this module and nowhere else.
//! What may be published by whom is topology's.

mod agents;
mod aggregate;
mod passing;

pub use agents::{
    Report, ask, asking_cluster, asks, beat_now, echo_of, join, joins, lease, lease_mark, leases,
    live, of_lease, of_report, report, reports_for,
};
pub use aggregate::AggregateId;
pub use passing::{
    kubernetes_event, kubernetes_events, kubernetes_lease, kubernetes_leases, of_passing,
};

use fleetlog_kernel::{Actor, CommandId, ContentHash, Service, decode_token, encode_token};
use std::fmt;

/// A literal subject or a filter with wildcards, as text for the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// Takes a subject that came from the server or from topology's data, as it is.
    #[must_use]
    pub fn raw(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self`, as a filter with `*` and `>`, covers the literal `subject`.
    #[must_use]
    pub fn covers(&self, subject: &str) -> bool {
        let (mut filter, mut given) = (self.0.split('.'), subject.split('.'));
        loop {
            match (filter.next(), given.next()) {
                (None, None) => return true,
                (Some(">"), Some(_)) => return true,
                (Some("*"), Some(_)) => {}
                (Some(want), Some(have)) if want == have => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `fl.ev.>`: the whole truth.
#[must_use]
pub fn events() -> Subject {
    Subject("fl.ev.>".into())
}

/// `>`: whatever lies in a stream.
#[must_use]
pub fn everything() -> Subject {
    Subject(">".into())
}

/// `fl.ev.<service>.<kind>.>`: every event of one kind.
#[must_use]
pub fn events_of_kind(service: Service, kind: &str) -> Subject {
    Subject(format!("fl.ev.{service}.{}.>", encode_token(kind)))
}

/// `fl.cmd.<service>.>`: what users ask of a service.
#[must_use]
pub fn commands_for(service: Service) -> Subject {
    Subject(format!("fl.cmd.{service}.>"))
}

/// `fl.do.<service>.>`: what services tell a service.
#[must_use]
pub fn told_to(service: Service) -> Subject {
    Subject(format!("fl.do.{service}.>"))
}

/// `fl.do.*.<service>.>`: what a service tells others.
#[must_use]
pub fn told_by(service: Service) -> Subject {
    Subject(format!("fl.do.*.{service}.>"))
}

/// `fl.res.<actor>.<command>`: the outcome of one command.
#[must_use]
pub fn outcome(actor: &str, command: &CommandId) -> Subject {
    Subject(format!("fl.res.{}.{}", encode_token(actor), encode_token(command.as_str())))
}

/// `fl.res.*.*`: every outcome.
#[must_use]
pub fn outcomes() -> Subject {
    Subject("fl.res.*.*".into())
}

/// `fl.res.<actor>.*`: every outcome of one actor.
#[must_use]
pub fn outcomes_of(actor: &Actor) -> Subject {
    Subject(format!("fl.res.{}.*", encode_token(actor.as_str())))
}

/// `fl.qry.<service>.<actor>.<verb>`: a question.
#[must_use]
pub fn query(service: Service, actor: &Actor, verb: &str) -> Subject {
    Subject(format!("fl.qry.{service}.{}.{verb}", encode_token(actor.as_str())))
}

/// `fl.qry.<service>.*.*`: every question to a service.
#[must_use]
pub fn queries_for(service: Service) -> Subject {
    Subject(format!("fl.qry.{service}.*.*"))
}

/// `fl.put.<service>.<actor>.<verb>`: content handed over before a command.
#[must_use]
pub fn put(service: Service, actor: &Actor, verb: &str) -> Subject {
    Subject(format!("fl.put.{service}.{}.{verb}", encode_token(actor.as_str())))
}

/// `fl.put.<service>.*.*`: everything handed over to a service.
#[must_use]
pub fn puts_for(service: Service) -> Subject {
    Subject(format!("fl.put.{service}.*.*"))
}

/// The actor and the verb of a `fl.qry` or `fl.put` subject.
#[must_use]
pub fn asked(subject: &str) -> Option<(Actor, String)> {
    let rest = subject.strip_prefix("fl.qry.").or_else(|| subject.strip_prefix("fl.put."))?;
    let mut tokens = rest.split('.').skip(1);
    let actor = Actor::new(decode_token(tokens.next()?).ok()?);
    let verb = tokens.next()?.to_owned();
    tokens.next().is_none().then_some((actor, verb))
}

/// `fl.blob.<sha256>`.
#[must_use]
pub fn blob(hash: &ContentHash) -> Subject {
    Subject(format!("fl.blob.{hash}"))
}

/// `fl.key.<key>`: what the values of a secret are sealed with.
#[must_use]
pub fn key(key: &str) -> Subject {
    Subject(format!("fl.key.{}", encode_token(key)))
}

/// `fl.work.<cluster>.<work>`: the derived desired state, one message each.
#[must_use]
pub fn work(cluster: &str, work: &str) -> Subject {
    Subject(format!("fl.work.{}.{}", encode_token(cluster), encode_token(work)))
}

/// `fl.work.>`.
#[must_use]
pub fn works() -> Subject {
    Subject("fl.work.>".into())
}

/// The cluster and the work of a `fl.work` or `fl.live` subject.
#[must_use]
pub fn delivered(subject: &str) -> Option<(String, String)> {
    let rest = subject.strip_prefix("fl.work.").or_else(|| subject.strip_prefix("fl.live."))?;
    let (cluster, work) = rest.split_once('.')?;
    Some((decode_token(cluster).ok()?, decode_token(work).ok()?))
}

/// `fl.timer.due.<service>.>`: the timers that wake a service; `None` for one that sets none.
#[must_use]
pub fn timers_for(service: Service) -> Option<Subject> {
    match service {
        Service::Placement | Service::Work | Service::Addon => {
            Some(Subject(format!("fl.timer.due.{service}.>")))
        }
        Service::Registration | Service::Core => None,
    }
}

/// `fl.lead.<service>`: leadership among instances of a service.
#[must_use]
pub fn lead(service: Service) -> Subject {
    Subject(format!("fl.lead.{service}"))
}

/// `fl.dlq.>`: everything that could not be handled.
#[must_use]
pub fn dead_letters() -> Subject {
    Subject("fl.dlq.>".to_owned())
}

/// `fl.dlq.<service>.<where it lay>`: what could not be handled.
#[must_use]
pub fn dead_letter(service: Service, stream: &str) -> Subject {
    Subject(format!("fl.dlq.{service}.{}", encode_token(stream)))
}

/// `fl.cmd.dlq.operator.<verb>[.<number>]`: that the operator uses dead letters; no service takes
/// it, it is a record.
#[must_use]
pub fn dead_letter_use(verb: &str, number: Option<u64>) -> Subject {
    let number = number.map_or_else(String::new, |number| format!(".{number}"));
    Subject(format!("fl.cmd.dlq.operator.{}{number}", encode_token(verb)))
}

/// `fl.cmd.dlq.operator.>`.
#[must_use]
pub fn dead_letter_uses() -> Subject {
    Subject("fl.cmd.dlq.operator.>".to_owned())
}

/// Reads a record of [`dead_letter_use`]: the verb and the number.
#[must_use]
pub fn of_dead_letter_use(subject: &str) -> Option<(String, Option<u64>)> {
    let mut tokens = subject.strip_prefix("fl.cmd.dlq.operator.")?.split('.');
    let verb = decode_token(tokens.next()?).ok()?;
    let number = tokens.next().map(str::parse).transpose().ok()?;
    tokens.next().is_none().then_some((verb, number))
}

/// `fl.sim.<silence|resume>.<cluster>`: what a hub of simulated clusters is asked by its operator.
#[must_use]
pub fn sim(action: &str, cluster: &str) -> Subject {
    Subject(format!("fl.sim.{}.{}", encode_token(action), encode_token(cluster)))
}

/// `fl.sim.*.*`.
#[must_use]
pub fn sims() -> Subject {
    Subject("fl.sim.*.*".into())
}

/// The action and the cluster of a `fl.sim` subject.
#[must_use]
pub fn of_sim(subject: &str) -> Option<(String, String)> {
    let (action, cluster) = subject.strip_prefix("fl.sim.")?.split_once('.')?;
    Some((decode_token(action).ok()?, decode_token(cluster).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_kernel::ClusterName;
    use proptest::prelude::*;

    fn aggregate() -> impl Strategy<Value = AggregateId> {
        let service = prop::sample::select(Service::ALL.to_vec());
        (service, any::<String>(), any::<Option<String>>(), any::<String>())
            .prop_map(|(service, kind, scope, name)| AggregateId { service, kind, scope, name })
    }

    proptest! {
        #[test]
        fn aggregates_round_trip_through_their_subjects(id in aggregate(), who in any::<String>()) {
            let actor = Actor::new(who);
            prop_assert_eq!(AggregateId::of_event(id.event().as_str()), Some(id.clone()));
            let user = AggregateId::of_command(id.command(&actor).as_str());
            prop_assert_eq!(user, Some((id.clone(), actor)));
            let told = AggregateId::of_told(id.told_by(Service::Work).as_str());
            prop_assert_eq!(told, Some((id.clone(), Service::Work)));
            prop_assert!(events().covers(id.event().as_str()));
            prop_assert!(told_to(id.service).covers(id.told_by(Service::Work).as_str()));
        }

        #[test]
        fn no_subject_makes_a_parser_panic(
            text in "(fl\\.(ev|cmd|do|st|a|lease|work|qry)\\.)?\\PC*",
        ) {
            let _ = AggregateId::of_event(&text);
            let _ = AggregateId::of_command(&text);
            let _ = AggregateId::of_told(&text);
            let _ = of_report(&text);
            let _ = asking_cluster(&text);
            let _ = of_lease(&text);
            let _ = delivered(&text);
            let _ = asked(&text);
        }

        #[test]
        fn deliveries_round_trip(cluster in any::<String>(), name in any::<String>()) {
            let subject = work(&cluster, &name);
            prop_assert_eq!(delivered(subject.as_str()), Some((cluster, name)));
        }
    }

    #[test]
    fn the_written_forms_are_contracts() {
        let id = AggregateId::namespaced(Service::Work, "manifestwork", "cluster1", "shop.v1");
        assert_eq!(id.event().as_str(), "fl.ev.work.manifestwork.cluster1.shop_v1");
        let alice = Actor::new("alice");
        assert_eq!(id.command(&alice).as_str(), "fl.cmd.work.alice.manifestwork.cluster1.shop_v1");
        let set = AggregateId::global(Service::Registration, "clusterset", "default");
        assert_eq!(
            set.told_by(Service::Placement).as_str(),
            "fl.do.registration.placement.clusterset.default"
        );
    }

    #[test]
    fn a_report_names_its_cluster_and_what_it_is_about() {
        let cluster = ClusterName::parse("c1").unwrap();
        for about in [Report::Cluster, Report::Work("a.b".into())] {
            let subject = report(&cluster, &about);
            assert_eq!(of_report(subject.as_str()), Some((cluster.clone(), about)));
        }
        assert_eq!(of_report("fl.st.*.cluster"), None);
        assert_eq!(of_report("fl.st.c1.other"), None);
    }
}
