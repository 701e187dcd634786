//! Registration as the loops see it: commits folded into the fleet, commands decided on it,
//! questions answered from it. Synchronous; what waits lies in the modules beside it.

use crate::parse;
use crate::rights;
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Request, Unreadable};
use fleetlog_kernel::{Decider, Position, Projection, Reaction, Service};
use fleetlog_messages::common::{Query, Refusal as Said, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::registration::{
    BindingCommand as Bind, BindingState, ClusterCommand, ClusterEvent, ClusterSetCommand,
    ClusterSetEvent, ClusterSetState, ClusterState, binding_command, cluster_event,
    cluster_set_command,
};
use fleetlog_messages::registration_v2::{self, BindingEvent};
use fleetlog_messages::subject::AggregateId;
use fleetlog_registration_domain::reaction::{Follow, Follows};
use fleetlog_registration_domain::rights::{of_cluster, shared};
use fleetlog_registration_domain::{Binding, Change, Cluster, ClusterSet, Fleet, Refusal, event};
use prost::Message as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// The token of clusters in subjects.
pub const CLUSTER: &str = "cluster";
/// The token of sets.
pub const SET: &str = "clusterset";
/// The token of leases of several clusters: commands alone, no aggregate is of it.
pub(crate) const LEASE: &str = "lease";
/// The row that says that the hub speaks Kubernetes.
const KUBERNETES: &str = "kubernetes";
/// The token of bindings.
pub const BINDING: &str = "binding";

/// What registration does itself about a commit. Levels: doing it twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// Have a set's members counted, soon.
    Count(String),
    /// Write a cluster's lease anew, and have its agent beat.
    Lease {
        /// The cluster.
        cluster: String,
        /// How long it holds without a beat.
        lasts: Duration,
    },
}

/// The machine of registration.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    fleet: Fleet,
    follows: (Position, Vec<Follow>),
}

impl Registration {
    /// All clusters, sets and bindings.
    #[must_use]
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }
}

/// The aggregate of a cluster.
#[must_use]
pub fn cluster_id(name: &str) -> AggregateId {
    AggregateId::global(Service::Registration, CLUSTER, name)
}

/// The aggregate of a set.
#[must_use]
pub fn set_id(name: &str) -> AggregateId {
    AggregateId::global(Service::Registration, SET, name)
}

/// The aggregate of a binding.
#[must_use]
pub fn binding_id(namespace: &str, name: &str) -> AggregateId {
    AggregateId::namespaced(Service::Registration, BINDING, namespace, name)
}

impl Machine for Registration {
    type Effect = Own;

    const SERVICE: Service = Service::Registration;

    /// 2: whether the hub speaks Kubernetes is known.
    const VERSION: u32 = 2;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let unreadable = |reason| Unreadable::of(commit, reason);
        let changes = match commit.aggregate.service {
            Self::SERVICE => changes(commit).map_err(unreadable)?,
            Service::Core => rights::change(commit).map_err(unreadable)?.into_iter().collect(),
            _ => return Ok(()),
        };
        if changes.is_empty() {
            return Ok(());
        }
        changes.iter().for_each(|change| self.fleet.apply(change, commit.position));
        self.follows = (commit.position, Follows(&self.fleet).react(&changes));
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Own>> {
        let (position, follows) = &self.follows;
        if *position != commit.position {
            return vec![];
        }
        follows.iter().flat_map(effects).collect()
    }

    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        let target = &request.target;
        let refuse = |refusal: Refusal| Denied::Refused(refusal.about(&target.name).into());
        let (schema, events) = match (target.kind.as_str(), &target.scope) {
            (CLUSTER, None) => {
                let command = parse::cluster(request)?;
                let decided = self.fleet.cluster(&target.name).decide(&command, request.at);
                (event::CLUSTER, decided.map_err(refuse)?.into_iter().map(cluster_event).collect())
            }
            (SET, None) => {
                let command = parse::set(request, self.fleet.members(&target.name))?;
                let decided = self.fleet.set(&target.name).decide(&command, request.at);
                (event::SET, decided.map_err(refuse)?.into_iter().map(set_event).collect())
            }
            (BINDING, Some(namespace)) => {
                let exists = self.fleet.sets().contains_key(&target.name);
                let command = parse::binding(request, exists)?;
                let key = (namespace.clone(), target.name.clone());
                let decided = self.fleet.binding(&key).decide(&command, request.at);
                (event::BINDING, decided.map_err(refuse)?.into_iter().map(binding_event).collect())
            }
            (LEASE, None) => {
                let clusters = parse::leases(request)?;
                let expired = self.fleet.expire(clusters.iter().map(String::as_str), request.at);
                return Ok(expired.into_iter().map(cluster_expired).collect());
            }
            (kind, _) => return Err(refuse(Refusal::Kind { kind: kind.to_owned() })),
        };
        let events: Vec<(&'static str, Bytes)> = events;
        let decided = Decided { aggregate: target.clone(), schema, events };
        Ok(if decided.events.is_empty() { vec![] } else { vec![decided] })
    }

    fn speaks_of_each(&self, request: &Request) -> bool {
        request.target.kind == LEASE
    }

    fn answer(&self, query: &Query) -> Result<Vec<Bytes>, Said> {
        crate::answer::objects(&self.fleet, query).map_err(Into::into)
    }

    fn rows(&self) -> Vec<Row> {
        let row = |key: String, value: Vec<u8>| Row { key, value };
        let (bindings, clusters, sets) =
            (self.fleet.bindings(), self.fleet.clusters(), self.fleet.sets());
        let bindings = bindings.iter().map(|((namespace, name), binding)| {
            row(format!("{BINDING}/{namespace}/{name}"), binding.0.encode_to_vec())
        });
        let clusters = clusters
            .iter()
            .map(|(name, cluster)| row(format!("{CLUSTER}/{name}"), cluster.0.encode_to_vec()));
        let sets =
            sets.iter().map(|(name, set)| row(format!("{SET}/{name}"), set.0.encode_to_vec()));
        let speaks = self.fleet.speaks_kubernetes().then(|| row(KUBERNETES.to_owned(), vec![]));
        bindings.chain(clusters).chain(sets).chain(speaks).collect()
    }

    fn restore(rows: &[Row]) -> Result<Self, String> {
        let (mut clusters, mut sets, mut bindings) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut speaks = false;
        for row in rows {
            let key: Vec<&str> = row.key.split('/').collect();
            match key.as_slice() {
                [CLUSTER, name] => {
                    let state: ClusterState = read(row)?;
                    clusters.insert((*name).to_owned(), Cluster(state));
                }
                [SET, name] => {
                    let state: ClusterSetState = read(row)?;
                    sets.insert((*name).to_owned(), ClusterSet(state));
                }
                [BINDING, namespace, name] => {
                    let state: BindingState = read(row)?;
                    bindings.insert(((*namespace).to_owned(), (*name).to_owned()), Binding(state));
                }
                [KUBERNETES] => speaks = true,
                _ => return Err(format!("row \"{}\" is of no kind", row.key)),
            }
        }
        let fleet = Fleet::of(clusters, sets, bindings).speaking(speaks);
        Ok(Self { fleet, ..Self::default() })
    }
}

fn read<T: prost::Message + Default>(row: &Row) -> Result<T, String> {
    T::decode(row.value.as_slice()).map_err(|error| format!("row \"{}\": {error}", row.key))
}

/// A commit of registration as changes of the fleet.
fn changes(commit: &Recorded) -> Result<Vec<Change>, String> {
    let AggregateId { kind, scope, name, .. } = &commit.aggregate;
    let schema = commit.header.schema.as_str();
    let known = match kind.as_str() {
        CLUSTER => event::CLUSTER,
        SET => event::SET,
        BINDING => event::BINDING,
        other => return Err(format!("registration has no kind \"{other}\"")),
    };
    if schema != known {
        return Err(format!("its events are \"{schema}\", this release reads \"{known}\""));
    }
    let later = || format!("an event of \"{schema}\" is of a later release");
    let unread = |error| format!("an event of \"{schema}\" is damaged: {error}");
    let change = |bytes: &Bytes| match (known, scope) {
        (event::CLUSTER, _) => {
            let read = ClusterEvent::decode(bytes.clone()).map_err(unread)?;
            Ok(Change::Cluster(name.clone(), read.event.ok_or_else(later)?))
        }
        (event::SET, _) => {
            let read = ClusterSetEvent::decode(bytes.clone()).map_err(unread)?;
            Ok(Change::Set(name.clone(), read.event.ok_or_else(later)?))
        }
        (_, Some(scope)) => {
            let read = BindingEvent::decode(bytes.clone()).map_err(unread)?;
            let key = (scope.clone(), name.clone());
            Ok(Change::Binding(key, read.event.ok_or_else(later)?))
        }
        (_, None) => Err("a binding without a namespace".to_owned()),
    };
    commit.events.iter().map(change).collect()
}

fn effects(follow: &Follow) -> Vec<Effect<Own>> {
    match follow {
        Follow::Rights { cluster, standing } => rights::told(of_cluster(cluster, *standing)),
        Follow::Shared { needed } => rights::told(shared(*needed)),
        other => effect(other).into_iter().collect(),
    }
}

fn effect(follow: &Follow) -> Option<Effect<Own>> {
    Some(match follow {
        Follow::Rights { .. } | Follow::Shared { .. } => return None,
        Follow::Count { set } => Effect::Own(Own::Count(set.clone())),
        Follow::Lease { cluster, lasts } => {
            Effect::Own(Own::Lease { cluster: cluster.clone(), lasts: *lasts })
        }
        Follow::NoteBound { binding: (namespace, name), exists } => {
            let note = fleetlog_messages::registration::NoteBound { exists: *exists };
            let command = Bind { command: Some(binding_command::Command::NoteBound(note)) };
            let to = binding_id(namespace, name);
            Effect::Tell { to, payload: command.encode_to_vec().into() }
        }
        Follow::Restore { name, set } => {
            Effect::Tell { to: set_id(name), payload: restore_set(set).encode_to_vec().into() }
        }
    })
}

/// The command that puts a built-in set right.
pub(crate) fn restore_set(
    set: &fleetlog_messages::registration::ManagedClusterSet,
) -> ClusterSetCommand {
    let apply = fleetlog_messages::registration::ApplyClusterSet {
        set: Some(set.clone()),
        ..Default::default()
    };
    ClusterSetCommand { command: Some(cluster_set_command::Command::Apply(apply)) }
}

/// A command on a cluster, ready to be told.
pub(crate) fn on_cluster(
    command: fleetlog_messages::registration::cluster_command::Command,
) -> Bytes {
    ClusterCommand { command: Some(command) }.encode_to_vec().into()
}

type Encoded = (&'static str, Bytes);

fn cluster_event(event: cluster_event::Event) -> Encoded {
    let name = event::of_cluster(&event);
    (name, ClusterEvent { event: Some(event) }.encode_to_vec().into())
}

fn cluster_expired((name, events): (&str, Vec<cluster_event::Event>)) -> Decided {
    let events = events.into_iter().map(cluster_event).collect();
    Decided { aggregate: cluster_id(name), schema: event::CLUSTER, events }
}

fn set_event(event: fleetlog_messages::registration::cluster_set_event::Event) -> Encoded {
    let name = event::of_set(&event);
    (name, ClusterSetEvent { event: Some(event) }.encode_to_vec().into())
}

fn binding_event(event: registration_v2::binding_event::Event) -> Encoded {
    let name = event::of_binding(&event);
    (name, BindingEvent { event: Some(event) }.encode_to_vec().into())
}
