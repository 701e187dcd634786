//! Pages that other schedulers write (PlacementDecision), one decider per object: kept and served
//! as they are given, and never chosen by. Those that Fleetlog makes are [`crate::pages`]'.

use crate::command::PlacementKey;
use crate::refusal::Refusal;
use fleetlog_kernel::{Decider, Position, Timestamp, Uid, dns_label, dns_subdomain};
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::placement::{
    DecisionDeleted, DecisionDeletionRequested, DecisionSpecified, DecisionState,
    PlacementDecision, decision_event::Event,
};
use fleetlog_objects::Schemas;
use fleetlog_rules::finalizers::{self, Left, Wish};
use fleetlog_rules::metadata::{self, Birth, Change};
use fleetlog_rules::time;

/// What of a page is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but its status.
    Object,
    /// Its status alone: the decisions.
    Status,
}

/// Create or change a page.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyDecision {
    /// The object as given.
    pub object: PlacementDecision,
    /// What of it is meant.
    pub part: Part,
    /// Whom the command is about.
    pub target: PlacementKey,
    /// The position that the object must stand at; `None` takes any.
    pub expected: Option<Position>,
    /// What happens to labels and annotations that are not given.
    pub change: Change,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// Who says so.
    pub by: String,
}

/// A command on a page.
#[derive(Clone, Debug, PartialEq)]
pub enum DecisionCommand {
    /// Create or change it.
    Apply(Box<ApplyDecision>),
    /// Remove it.
    Delete {
        /// Whom it is about.
        target: PlacementKey,
        /// Who says so.
        by: String,
    },
}

/// A page of another scheduler; the default one does not exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foreign(pub DecisionState);

impl Foreign {
    /// The object; `None` when it does not exist.
    #[must_use]
    pub const fn object(&self) -> Option<&PlacementDecision> {
        self.0.object.as_ref()
    }

    fn metadata(&self) -> Option<&ObjectMeta> {
        self.object().and_then(|object| object.metadata.as_ref())
    }
}

impl Decider for Foreign {
    type Command = DecisionCommand;
    type Event = Event;
    type Refusal = Refusal;

    fn evolve(mut self, event: &Event) -> Self {
        match event {
            Event::Specified(specified) => self.0.object.clone_from(&specified.decision),
            Event::DeletionRequested(asked) => {
                if let Some(object) = &mut self.0.object {
                    finalizers::terminate(object.metadata_mut(), asked.at.as_ref());
                }
            }
            Event::Deleted(_) => return Self::default(),
        }
        self
    }

    fn decide(&self, command: &DecisionCommand, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            DecisionCommand::Apply(given) => apply(self, given, at),
            DecisionCommand::Delete { target, by } => delete(self, target, by, at),
        }
    }
}

fn absent(target: &PlacementKey) -> Refusal {
    Refusal::NoDecision { name: target.to_string() }
}

fn apply(page: &Foreign, apply: &ApplyDecision, at: Timestamp) -> Result<Vec<Event>, Refusal> {
    let given = apply.object.metadata.clone().unwrap_or_default();
    check(page, apply, &given)?;
    let mut after = match (apply.part, page.object()) {
        (Part::Status, None) => return Err(absent(&apply.target)),
        (Part::Status, Some(current)) => {
            let (status, empties) = (apply.object.status.clone(), apply.object.empties.clone());
            PlacementDecision { status, empties, ..current.clone() }
        }
        (Part::Object, current) => {
            let status = current.and_then(|current| current.status.clone());
            PlacementDecision { status, ..apply.object.clone() }
        }
    };
    match (apply.part, page.metadata()) {
        (Part::Status, _) => {}
        (Part::Object, Some(current)) => {
            let meta = metadata::changed(current, &given, apply.change);
            if finalizers::write(current, &meta).map_err(Refusal::Late)? == Left::Goes {
                return Ok(vec![Event::Deleted(DecisionDeleted { by: apply.by.clone() })]);
            }
            after.metadata = Some(meta);
        }
        (Part::Object, None) => {
            let PlacementKey { namespace, name } = apply.target.clone();
            let birth = Birth { namespace: Some(namespace), name, uid: apply.uid.clone(), at };
            after.metadata = Some(metadata::born(&given, &birth));
        }
    }
    if page.object() == Some(&after) {
        return Ok(vec![]);
    }
    Ok(vec![Event::Specified(DecisionSpecified { decision: Some(after) })])
}

fn delete(
    page: &Foreign,
    target: &PlacementKey,
    by: &str,
    at: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    page.object().ok_or_else(|| absent(target))?;
    let by = by.to_owned();
    Ok(match page.metadata().map_or(Wish::Granted, finalizers::wish) {
        Wish::Granted => vec![Event::Deleted(DecisionDeleted { by })],
        Wish::Waits => {
            let at = Some(time(at));
            vec![Event::DeletionRequested(DecisionDeletionRequested { by, at })]
        }
        Wish::Repeated => vec![],
    })
}

fn check(page: &Foreign, apply: &ApplyDecision, given: &ObjectMeta) -> Result<(), Refusal> {
    let target = &apply.target;
    dns_subdomain(&target.name).map_err(Refusal::Name)?;
    dns_label(&target.namespace).map_err(Refusal::Name)?;
    let other = |given: &str, target: &str| !given.is_empty() && given != target;
    if other(given.name(), &target.name) || other(given.namespace(), &target.namespace) {
        let given = PlacementKey::new(given.namespace(), given.name()).to_string();
        return Err(Refusal::OtherName { given, target: target.to_string() });
    }
    metadata::check(given).map_err(Refusal::Label)?;
    let value = fleetlog_objects::write(&apply.object);
    let schema = Schemas::built_in().get(PlacementDecision::INFO.message);
    if let Some(wrong) = schema.and_then(|schema| schema.check(&value).into_iter().next()) {
        return Err(Refusal::Object(wrong));
    }
    let stands = page.object().map(|_| Position(page.0.changed));
    match apply.expected {
        Some(expected) if expected != stands.unwrap_or_default() => Err(Refusal::Conflict {
            name: target.to_string(),
            expected: expected.resource_version(0),
            actual: stands.unwrap_or_default().resource_version(0),
        }),
        _ => Ok(()),
    }
}
