//! A set of clusters: by the exclusive label, or by a selector.

use crate::command::{Apply, SetCommand};
use crate::names::{self, kind};
use crate::object;
use crate::refusal::Refusal;
use fleetlog_kernel::{Decider, Position, Timestamp, dns_subdomain};
use fleetlog_messages::common::{LabelSelector, Time};
use fleetlog_messages::registration::{
    ClusterSetCounted, ClusterSetDeleted, ClusterSetDeletionRequested, ClusterSetSpecified,
    ClusterSetState, ManagedClusterSet, ManagedClusterSetSpec, cluster_set_event::Event,
};
use fleetlog_rules::condition::{self, Say, Status};
use fleetlog_rules::labels::{Labels, Selector};
use fleetlog_rules::{finalizers, metadata, time};

/// A set as its events left it; the default one does not exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterSet(pub ClusterSetState);

/// How a set selects its clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Those whose label names the set.
    Exclusive(String),
    /// Those that the selector matches.
    Selected(Selector),
    /// None (a selector type without a selector).
    None,
}

impl Members {
    /// Of a set's name and object.
    ///
    /// # Errors
    /// A selector type or selector that means nothing.
    pub fn of(name: &str, set: &ManagedClusterSet) -> Result<Self, Refusal> {
        let selector = set.spec.as_ref().and_then(|s| s.cluster_selector.as_ref());
        match selector.map_or(names::EXCLUSIVE, |s| s.selector_type()) {
            "" | names::EXCLUSIVE => Ok(Self::Exclusive(name.to_owned())),
            names::BY_SELECTOR => match selector.and_then(|s| s.label_selector.as_ref()) {
                Some(labels) => Selector::of(labels).map(Self::Selected).map_err(Refusal::Selector),
                None => Ok(Self::None),
            },
            other => Err(Refusal::SelectorType { given: other.to_owned() }),
        }
    }

    /// Whether a cluster with these labels is a member.
    #[must_use]
    pub fn include(&self, labels: &Labels) -> bool {
        match self {
            Self::Exclusive(name) => labels.get(names::SET_LABEL) == Some(name),
            Self::Selected(selector) => selector.matches(labels),
            Self::None => false,
        }
    }
}

/// The object of a built-in set: `default` and `global` exist from the service's first start.
#[must_use]
pub fn built_in(name: &str) -> Option<ManagedClusterSet> {
    let mut set = ManagedClusterSet::default();
    let spec = set.spec.get_or_insert_default();
    let selector = spec.cluster_selector.get_or_insert_default();
    match name {
        names::DEFAULT_SET => selector.selector_type = Some(names::EXCLUSIVE.to_owned()),
        names::GLOBAL_SET => {
            selector.selector_type = Some(names::BY_SELECTOR.to_owned());
            selector.label_selector = Some(LabelSelector::default());
        }
        _ => return None,
    }
    Some(set)
}

impl ClusterSet {
    /// The object; `None` when it does not exist.
    #[must_use]
    pub const fn object(&self) -> Option<&ManagedClusterSet> {
        self.0.object.as_ref()
    }

    /// The position it stands at; `None` when it does not exist.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.object().map(|_| Position(self.0.changed))
    }

    /// Whether its condition says that it has this many members.
    #[must_use]
    pub fn counts(&self, clusters: u64) -> bool {
        let said = self.object().and_then(|o| o.status.as_ref());
        let said = said.is_some_and(|s| condition::find(&s.conditions, kind::EMPTY).is_some());
        said && self.0.counted == clusters
    }

    fn apply(
        &self,
        apply: &Apply<ManagedClusterSet>,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        dns_subdomain(&apply.target.name).map_err(Refusal::Name)?;
        let given = apply.object.metadata.clone().unwrap_or_default();
        object::check(apply, &given, self.position())?;
        let current = self.object();
        let spec = match (&apply.object.spec, current) {
            (None, Some(current)) => current.spec.clone(),
            (given, _) => Some(with_defaults(given.clone().unwrap_or_default())),
        };
        let meta = object::after(apply, &given, current.and_then(|c| c.metadata.as_ref()), at);
        let mut after = ManagedClusterSet {
            metadata: Some(meta),
            spec,
            status: current.and_then(|c| c.status.clone()),
            empties: apply.object.empties.clone(),
        };
        Members::of(&apply.target.name, &after)?;
        if let Some(current) = current {
            if object::goes(current.metadata.as_ref(), after.metadata.get_or_insert_default())? {
                return Ok(vec![Event::Deleted(ClusterSetDeleted { by: apply.by.clone() })]);
            }
            if after == *current {
                return Ok(vec![]);
            }
            if after.spec != current.spec {
                metadata::next_generation(after.metadata.get_or_insert_default());
            }
        }
        after.status = None;
        Ok(vec![Event::Specified(ClusterSetSpecified { set: Some(after) })])
    }
}

fn with_defaults(mut spec: ManagedClusterSetSpec) -> ManagedClusterSetSpec {
    let selector = spec.cluster_selector.get_or_insert_default();
    if selector.selector_type().is_empty() {
        selector.selector_type = Some(names::EXCLUSIVE.to_owned());
    }
    spec
}

fn count(set: &mut ManagedClusterSet, clusters: u64, at: Option<&Time>) {
    let message = format!("{clusters} ManagedClusters selected");
    let some = Say {
        kind: kind::EMPTY,
        status: Status::False,
        reason: "ClustersSelected",
        message: &message,
    };
    let say = if clusters == 0 { names::EMPTY } else { some };
    let at = Timestamp::of_seconds(at.map_or(0, |t| t.seconds));
    condition::set(&mut set.status.get_or_insert_default().conditions, say, at);
}

impl Decider for ClusterSet {
    type Command = SetCommand;
    type Event = Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Event) -> Self {
        let Self(mut state) = self;
        match event {
            Event::Specified(specified) => {
                let status = state.object.take().and_then(|o| o.status);
                state.object = specified.set.clone().map(|s| ManagedClusterSet { status, ..s });
            }
            Event::DeletionRequested(asked) => {
                if let Some(object) = &mut state.object {
                    let meta = object.metadata.get_or_insert_default();
                    finalizers::terminate(meta, asked.at.as_ref());
                }
            }
            Event::Deleted(_) => return Self::default(),
            Event::Counted(counted) => {
                if let Some(object) = &mut state.object {
                    state.counted = counted.clusters;
                    count(object, counted.clusters, counted.at.as_ref());
                }
            }
        }
        Self(state)
    }

    fn decide(&self, command: &SetCommand, at: Timestamp) -> Result<Vec<Event>, Refusal> {
        let absent = || Refusal::NotFound { kind: "ManagedClusterSet", name: String::new() };
        match command {
            SetCommand::Apply { apply } => self.apply(apply, at),
            SetCommand::Delete { .. } | SetCommand::Count { .. } if self.object().is_none() => {
                Err(absent())
            }
            SetCommand::Delete { by } => {
                let meta = self.object().and_then(|set| set.metadata.as_ref());
                let gone = Event::Deleted(ClusterSetDeleted { by: by.clone() });
                let (by, at) = (by.clone(), Some(time(at)));
                let asked = Event::DeletionRequested(ClusterSetDeletionRequested { by, at });
                Ok(object::deletion(meta, gone, asked))
            }
            SetCommand::Count { clusters } if self.counts(*clusters) => Ok(vec![]),
            SetCommand::Count { clusters } => {
                let at = Some(time(at));
                Ok(vec![Event::Counted(ClusterSetCounted { clusters: *clusters, at })])
            }
        }
    }
}
