//! Every event as a sentence that people read. What the events mean lies with the services; what
//! cannot be read is said to be so, never passed over.

mod addon;
mod core;
mod placement;
mod registration;
mod work;

use fleetlog_messages::common::{ObjectMeta, ProjectionEvent, projection_event};
use fleetlog_messages::envelope::Recorded;
use prost::Message as _;

/// One event, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its type, `ClusterAccepted`.
    pub kind: String,
    /// The sentence.
    pub says: String,
}

/// The sentence of each event of a commit, in order.
#[must_use]
pub fn tell(commit: &Recorded) -> Vec<Told> {
    let types = commit.header.types.iter();
    let told = types.zip(&commit.events).map(|(kind, event)| {
        let says = sentence(commit, event).unwrap_or_else(|| {
            format!("{kind} of {} cannot be told by this version", commit.aggregate)
        });
        Told { kind: kind.clone(), says }
    });
    told.collect()
}

fn sentence(commit: &Recorded, event: &[u8]) -> Option<String> {
    let schema = commit.header.schema.strip_prefix("fleetlog.")?;
    match schema {
        "common.v1.ProjectionEvent" => projection(commit, event),
        "registration.v1.ClusterEvent" => registration::cluster(commit, event),
        "registration.v1.ClusterSetEvent" => registration::set(commit, event),
        "registration.v2.BindingEvent" => registration::binding(commit, event),
        "placement.v1.PlacementEvent" => placement::placement(commit, event),
        "placement.v1.DecisionEvent" => placement::page(commit, event),
        "placement.v1.ScoreEvent" => placement::score(commit, event),
        "work.v1.WorkEvent" => work::work(commit, event),
        "work.v1.ReplicaSetEvent" => work::replica_set(commit, event),
        "addon.v1.DefinitionEvent" => addon::definition(commit, event),
        "addon.v1.AddOnEvent" => addon::add_on(commit, event),
        "addon.v1.TemplateEvent" => addon::template(commit, event),
        "core.v1.ObjectEvent" => core::object(commit, event),
        _ => None,
    }
}

fn projection(commit: &Recorded, event: &[u8]) -> Option<String> {
    match ProjectionEvent::decode(event).ok()?.event? {
        projection_event::Event::RebuildRequested(_) => {
            let service = commit.aggregate.service;
            Some(format!("{} has the projection of {service} rebuilt", who(commit)))
        }
    }
}

/// `namespace/name`, or the name alone.
fn name(commit: &Recorded) -> String {
    match &commit.aggregate.scope {
        Some(scope) => format!("{scope}/{}", commit.aggregate.name),
        None => commit.aggregate.name.clone(),
    }
}

/// Who did it, as people say it: a user's name, `the work service`, `the agent of c1`.
fn who(commit: &Recorded) -> String {
    let actor = &commit.header.actor;
    match actor.split_once(':') {
        Some(("service", service)) => format!("the {service} service"),
        Some(("timer", service)) => format!("a timer of the {service} service"),
        Some(("cluster", cluster)) => format!("the agent of {cluster}"),
        _ => actor.clone(),
    }
}

/// `creates` for the first commit of an incarnation, `changes` for later ones.
fn creates(commit: &Recorded, meta: Option<&ObjectMeta>) -> &'static str {
    let born_now = meta.is_some_and(|meta| {
        let created = meta.creation_timestamp.as_ref().map(|time| time.seconds);
        meta.generation == Some(1) && created == Some(commit.header.time.seconds())
    });
    if commit.header.version == 1 || born_now { "creates" } else { "changes" }
}

/// `waits for a and b`, of an object on its way out that finalizers hold.
fn waits(meta: Option<&ObjectMeta>) -> Option<String> {
    let meta = meta.filter(|meta| meta.deletion_timestamp.is_some())?;
    Some(format!("waits for {}", list(&meta.finalizers)))
}

/// `1 cluster`, `2 clusters`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_kernel::{CommandId, MessageId, Position, Timestamp};
    use fleetlog_messages::subject::AggregateId;
    use prost::Message;

    /// A commit of one event, as a follower gets it.
    pub(super) fn commit<M: Message>(
        id: AggregateId,
        schema: &str,
        kind: &str,
        event: &M,
    ) -> Recorded {
        let service = id.service;
        let header = fleetlog_messages::envelope::CommitHeader {
            id: MessageId::new("m"),
            types: vec![kind.to_owned()],
            schema: format!("fleetlog.{service}.v1.{schema}"),
            version: 1,
            cause: Position(0),
            cause_index: 0,
            command: CommandId::new("c"),
            correlation: "c".to_owned(),
            actor: "admin".to_owned(),
            time: Timestamp::of_seconds(0),
            service,
        };
        let events = vec![event.encode_to_vec().into()];
        Recorded { position: Position(1), aggregate: id, header, events }
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_so() {
        let id = AggregateId::global(fleetlog_kernel::Service::Work, "thing", "t");
        let later = commit(id.clone(), "ThingEvent", "ThingDone", &());
        let words = "ThingDone of thing/t cannot be told by this version";
        assert_eq!(tell(&later)[0].says, words);
        let damaged =
            Recorded { events: vec![b"\xff".to_vec().into()], ..commit(id, "WorkEvent", "X", &()) };
        assert!(tell(&damaged)[0].says.contains("cannot be told"));
    }

    #[test]
    fn who_had_a_projection_rebuilt_is_told() {
        let id = fleetlog_chassis::projection_id(fleetlog_kernel::Service::Addon);
        let event = ProjectionEvent {
            event: Some(projection_event::Event::RebuildRequested(Default::default())),
        };
        let mut asked = commit(id, "ProjectionEvent", "ProjectionRebuildRequested", &event);
        asked.header.schema = "fleetlog.common.v1.ProjectionEvent".to_owned();
        assert_eq!(tell(&asked)[0].says, "admin has the projection of addon rebuilt");
    }

    #[test]
    fn lists_and_numbers_read_well() {
        let words =
            |items: &[&str]| list(&items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["a"]), "a");
        assert_eq!(words(&["a", "b", "c"]), "a, b and c");
        assert_eq!((count(1, "work"), count(0, "work")), ("1 work".into(), "0 works".into()));
    }
}
