//! The scores that add-ons give clusters (AddOnPlacementScore): one decider per object, and all of
//! them as scheduling asks for them, by the object's name and the cluster. What a score weighs is
//! not known here.

use crate::refusal::Refusal;
use fleetlog_kernel::{Decider, Position, Timestamp, Uid, dns_label, dns_subdomain};
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::placement::{
    AddOnPlacementScore, AddOnPlacementScoreItem, ScoreDeleted, ScoreDeletionRequested,
    ScoreSpecified, ScoreState, score_event::Event,
};
use fleetlog_objects::Schemas;
use fleetlog_rules::finalizers::{self, Left, Wish};
use fleetlog_rules::metadata::{self, Birth, Change};
use fleetlog_rules::time;
use std::collections::BTreeMap;
use std::fmt;

/// The cluster (which is the namespace) and the name of an AddOnPlacementScore.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScoreKey {
    /// The cluster.
    pub cluster: String,
    /// The object's name.
    pub name: String,
}

impl fmt::Display for ScoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.name)
    }
}

/// Create or change the scores of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplyScore {
    /// The object as given, its status included: that is what counts.
    pub object: AddOnPlacementScore,
    /// Whom the command is about.
    pub target: ScoreKey,
    /// The position that the object must stand at; `None` takes any.
    pub expected: Option<Position>,
    /// What happens to labels and annotations that are not given.
    pub change: Change,
    /// The uid, if this creates it.
    pub uid: Uid,
    /// Who says so.
    pub by: String,
}

/// A command on an AddOnPlacementScore.
#[derive(Clone, Debug, PartialEq)]
pub enum ScoreCommand {
    /// Create or change it.
    Apply(Box<ApplyScore>),
    /// Remove it.
    Delete {
        /// Whom it is about.
        target: ScoreKey,
        /// Who says so.
        by: String,
    },
}

/// The scores of one object; the default one does not exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held(pub ScoreState);

impl Held {
    /// The object; `None` when it does not exist.
    #[must_use]
    pub const fn object(&self) -> Option<&AddOnPlacementScore> {
        self.0.object.as_ref()
    }

    /// All scores, whether they still count or not.
    #[must_use]
    pub fn items(&self) -> &[AddOnPlacementScoreItem] {
        let status = self.object().and_then(|object| object.status.as_ref());
        status.map_or(&[], |status| &status.scores)
    }

    /// One score, whether it still counts or not.
    #[must_use]
    pub fn value(&self, score: &str) -> Option<i64> {
        let status = self.object()?.status.as_ref()?;
        let found = status.scores.iter().find(|item| item.name() == score)?;
        Some(i64::from(found.value()))
    }

    /// Since when the scores do not count any more; `None`: they always do.
    #[must_use]
    pub fn valid_until(&self) -> Option<Timestamp> {
        let status = self.object()?.status.as_ref()?;
        status.valid_until.as_ref().map(fleetlog_rules::moment)
    }

    /// Whether they are over at `now`: after the last moment of `validUntil`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.valid_until().is_some_and(|until| until < now)
    }
}

impl Decider for Held {
    type Command = ScoreCommand;
    type Event = Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Specified(specified) => {
                Self(ScoreState { object: specified.score.clone(), ..self.0 })
            }
            Event::DeletionRequested(asked) => {
                let mut held = self;
                if let Some(object) = &mut held.0.object {
                    let meta = object.metadata.get_or_insert_default();
                    finalizers::terminate(meta, asked.at.as_ref());
                }
                held
            }
            Event::Deleted(_) => Self::default(),
        }
    }

    fn decide(&self, command: &ScoreCommand, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            ScoreCommand::Apply(given) => apply(self, given, at),
            ScoreCommand::Delete { target, .. } if self.object().is_none() => {
                Err(Refusal::NoScore { name: target.to_string() })
            }
            ScoreCommand::Delete { by, .. } => Ok(delete(self, by, at)),
        }
    }
}

fn delete(held: &Held, by: &str, at: Timestamp) -> Vec<Event> {
    let meta = held.object().and_then(|object| object.metadata.as_ref());
    let by = by.to_owned();
    match meta.map_or(Wish::Granted, finalizers::wish) {
        Wish::Granted => vec![Event::Deleted(ScoreDeleted { by })],
        Wish::Waits => {
            let at = Some(time(at));
            vec![Event::DeletionRequested(ScoreDeletionRequested { by, at })]
        }
        Wish::Repeated => vec![],
    }
}

fn apply(held: &Held, apply: &ApplyScore, at: Timestamp) -> Result<Vec<Event>, Refusal> {
    let given = apply.object.metadata.clone().unwrap_or_default();
    check(held, apply, &given)?;
    let current = held.object();
    let ScoreKey { cluster, name } = apply.target.clone();
    let metadata = match current.and_then(|c| c.metadata.as_ref()) {
        Some(current) => {
            let after = metadata::changed(current, &given, apply.change);
            if finalizers::write(current, &after).map_err(Refusal::Late)? == Left::Goes {
                return Ok(vec![Event::Deleted(ScoreDeleted { by: apply.by.clone() })]);
            }
            after
        }
        None => {
            let uid = apply.uid.clone();
            metadata::born(&given, &Birth { namespace: Some(cluster), name, uid, at })
        }
    };
    let score = AddOnPlacementScore { metadata: Some(metadata), ..apply.object.clone() };
    if current == Some(&score) {
        return Ok(vec![]);
    }
    Ok(vec![Event::Specified(ScoreSpecified { score: Some(score) })])
}

fn check(held: &Held, apply: &ApplyScore, given: &ObjectMeta) -> Result<(), Refusal> {
    let target = &apply.target;
    dns_subdomain(&target.name).map_err(Refusal::Name)?;
    dns_label(&target.cluster).map_err(Refusal::Name)?;
    let other = |given: &str, target: &str| !given.is_empty() && given != target;
    if other(given.name(), &target.name) || other(given.namespace(), &target.cluster) {
        let given = format!("{}/{}", given.namespace(), given.name());
        return Err(Refusal::OtherName { given, target: target.to_string() });
    }
    metadata::check(given).map_err(Refusal::Label)?;
    let value = fleetlog_objects::write(&apply.object);
    let schema = Schemas::built_in().get(AddOnPlacementScore::INFO.message);
    if let Some(wrong) = schema.and_then(|schema| schema.check(&value).into_iter().next()) {
        return Err(Refusal::Object(wrong));
    }
    let stands = held.object().map(|_| Position(held.0.changed));
    match apply.expected {
        Some(expected) if expected != stands.unwrap_or_default() => Err(Refusal::Conflict {
            name: target.to_string(),
            expected: expected.resource_version(0),
            actual: stands.unwrap_or_default().resource_version(0),
        }),
        _ => Ok(()),
    }
}

/// All scores of the fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(BTreeMap<String, BTreeMap<String, Held>>);

impl Scores {
    /// One object.
    #[must_use]
    pub fn get(&self, name: &str, cluster: &str) -> Option<&Held> {
        self.0.get(name)?.get(cluster)
    }

    /// All objects of a cluster, by name.
    pub fn of_cluster<'a>(&'a self, cluster: &'a str) -> impl Iterator<Item = (&'a str, &'a Held)> {
        self.0.iter().filter_map(move |(name, of)| Some((name.as_str(), of.get(cluster)?)))
    }

    /// All objects of a name, by cluster.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (&str, &Held)> {
        let all = self.0.get(name).into_iter().flatten();
        all.map(|(cluster, held)| (cluster.as_str(), held))
    }

    /// All objects: cluster, name, object.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Held)> {
        let named = self.0.iter();
        named.flat_map(|(name, of)| of.iter().map(move |(c, held)| (&**c, &**name, held)))
    }

    /// Takes an object in, or lets it go when it does not exist any more.
    pub fn put(&mut self, key: &ScoreKey, held: Held) {
        let of = self.0.entry(key.name.clone()).or_default();
        match held.object() {
            Some(_) => of.insert(key.cluster.clone(), held),
            None => of.remove(&key.cluster),
        };
        if of.is_empty() {
            self.0.remove(&key.name);
        }
    }
}
