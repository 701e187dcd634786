//! Leases and events: kept in streams of their own, written by gateways and read by each from the
//! beginning (spec/gateway 5.12, 0.1). What they may become lies in `domain/src/passing.rs`.

use crate::board::{Board, Interest};
use crate::commands::{Aim, Failed};
use crate::read::unanswered;
use crate::requests::Asked;
use crate::shared::Shared;
use crate::{Gateway, commands};
use bytes::Bytes;
use fleetlog_bus::{
    AgentLink, ClientError, Fault, Publish, PublishError, Retry, SharedBroker, StoredMessage,
};
use fleetlog_chassis::Tasks;
use fleetlog_gateway_domain::{Became, Key, Kind, Passing, Seen, Served, Status, find, passing};
use fleetlog_kernel::{ClusterName, CommandId, Position, Uid};
use fleetlog_messages::common::Beat;
use fleetlog_messages::subject::{self, Subject};
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Duration, sleep, timeout};

/// How long to wait before a stream is read anew.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the word that a lease is gone is kept.
const GONE_FOR: Duration = Duration::from_secs(60 * 60);
/// How often a new object meets one that has just gone, or come.
const TRIES: usize = 3;
/// The lease by which the agent of a cluster says that it is alive.
const HEARTBEAT: &str = "managed-cluster-lease";
/// The label that names a cluster.
const CLUSTER: &str = "open-cluster-management.io/cluster-name";

/// One of the streams, and what is served of it.
pub(crate) struct Lane {
    passing: Passing,
    /// What lies in it.
    pub board: Arc<Board>,
    broker: SharedBroker,
    end: Shared<Position>,
}

impl Lane {
    /// Over a connection; nothing is read yet.
    pub fn new(passing: Passing, broker: SharedBroker) -> Self {
        let (board, end) = (Arc::new(Board::of_shared()), Shared::default());
        Self { passing, board, broker, end }
    }

    const fn stream(&self) -> &'static str {
        match self.passing {
            Passing::Lease => "LEASE",
            Passing::Event => "KEVENTS",
        }
    }

    fn all(&self) -> Subject {
        match self.passing {
            Passing::Lease => subject::kubernetes_leases(),
            Passing::Event => subject::kubernetes_events(),
        }
    }

    fn subject(&self, key: &Key) -> Subject {
        match self.passing {
            Passing::Lease => subject::kubernetes_lease(&key.namespace, &key.name),
            Passing::Event => subject::kubernetes_event(&key.namespace, &key.name),
        }
    }

    /// Where the newest of them lies.
    pub async fn end(&self) -> Result<Position, Fault> {
        let asked = async {
            let last = self.broker.last(self.stream(), &self.all()).await?;
            Ok(last.map_or(Position::START, |last| Position(last.sequence)))
        };
        self.end.ask(asked).await
    }

    /// Follows the stream until the tasks are asked to stop, or it cannot be read for good.
    pub async fn run(self: Arc<Self>, tasks: Tasks) -> Result<(), Fault> {
        tokio::select! {
            biased;
            () = tasks.stopped() => Ok(()),
            fault = self.follow() => Err(fault),
        }
    }

    async fn follow(&self) -> Fault {
        loop {
            match self.read().await {
                fault if fault.retry == Retry::Useless => return fault,
                why => tracing::warn!(%why, stream = self.stream(), "it is read anew"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Reads the stream from its beginning. When that ends, the server may have lost it (leases lie
    /// in memory): whoever watches is told to list anew, by the end of his watch.
    async fn read(&self) -> Fault {
        let reading = self.broker.read(self.stream(), &self.all(), 0).await;
        let mut reading = match reading {
            Ok(reading) => reading,
            Err(fault) => return fault,
        };
        self.board.begin_anew();
        let mut found = BTreeMap::new();
        let mut loading = reading.pending > 0;
        if !loading {
            self.load(&found, Position::START);
        }
        while let Some(message) = reading.messages.next().await {
            let message = match message {
                Ok(message) => message,
                Err(fault) => return fault,
            };
            let at = Position(message.sequence);
            let Some((key, object)) = self.heard(&message) else { continue };
            if loading {
                match object {
                    Some(object) => drop(found.insert(key, (at, object))),
                    None => drop(found.remove(&key)),
                }
                loading = message.pending > 0;
                if !loading {
                    self.load(&std::mem::take(&mut found), at);
                }
                continue;
            }
            let seen = self.passing.kinds().map(|kind| {
                let object = object.as_ref().map(|object| shown(kind, object, at));
                Seen { kind, key: key.clone(), object, at }
            });
            self.board.apply(seen.collect(), at);
        }
        Fault::passing(format!("read \"{}\"", self.all()), "the reading ended")
    }

    fn load(&self, found: &BTreeMap<Key, (Position, Value)>, at: Position) {
        for kind in self.passing.kinds() {
            let objects = found.values().map(|(at, object)| shown(kind, object, *at));
            self.board.load(kind, objects.collect(), at);
        }
        self.board.set_ready(at);
    }

    /// What a message says of which object; that it is gone has no body.
    fn heard(&self, message: &StoredMessage) -> Option<(Key, Option<Value>)> {
        let (namespace, name) = subject::of_passing(&message.subject)?;
        let key = Key { namespace, name };
        if message.payload.is_empty() {
            return Some((key, None));
        }
        match serde_json::from_slice(&message.payload) {
            Ok(object) => Some((key, Some(object))),
            Err(why) => {
                tracing::warn!(%why, subject = message.subject, "it cannot be read");
                None
            }
        }
    }

    /// Writes what became of an object that stood at `expected`, and waits until it is shown.
    async fn put(
        &self,
        kind: Kind,
        key: &Key,
        became: &Became,
        mut expected: Position,
    ) -> Result<(), Failed> {
        let is_new = expected == Position::START;
        let (payload, ttl) = match became {
            Became::This(object) => {
                (passing::kept(kind, object).map_err(Failed::Status)?.into(), None)
            }
            Became::Gone => (Bytes::new(), Some(GONE_FOR)),
        };
        for _ in 0..TRIES {
            let subject = self.subject(key);
            let publish = Publish {
                subject: subject.as_str().to_owned(),
                payload: payload.clone(),
                expect_last: Some(expected.0),
                ttl,
                ..Publish::default()
            };
            let step = || format!("keep \"{subject}\"");
            match self.broker.publish(publish).await {
                Ok(stored) => return self.is_shown(Position(stored.sequence)).await,
                Err(PublishError::WrongLast { .. }) if is_new => {
                    let last = self.broker.last(self.stream(), &subject).await;
                    let last = last.map_err(failed)?;
                    if last.as_ref().is_some_and(|last| !last.payload.is_empty()) {
                        return Err(Failed::Moved);
                    }
                    expected = last.map_or(Position::START, |last| Position(last.sequence));
                }
                Err(PublishError::WrongLast { .. }) => return Err(Failed::Moved),
                Err(PublishError::Unknown(why)) => {
                    let message = format!("Timeout: {}: {why}", step());
                    return Err(Failed::Status(Status::new(504, "Timeout", message)));
                }
                Err(error) => return Err(failed(error.into_fault(step()))),
            }
        }
        Err(Failed::Moved)
    }

    async fn is_shown(&self, at: Position) -> Result<(), Failed> {
        let shown = timeout(commands::SHOWN, self.board.reached(at)).await;
        shown.map_err(|_| {
            let message = "Timeout: it is kept, the view of it is behind";
            Failed::Status(Status::new(504, "Timeout", message))
        })
    }
}

fn failed(fault: Fault) -> Failed {
    Failed::Status(unanswered(&ClientError::Fault(fault)))
}

fn shown(kind: Kind, object: &Value, at: Position) -> Value {
    passing::shown(kind, object, &at.resource_version(0))
}

/// Where an object lies in its stream by its version.
fn position_of(version: u64) -> Position {
    Position(version / Position::OBJECTS_PER_COMMIT)
}

impl Gateway {
    /// The lane of a kind whose objects pass.
    pub(crate) fn lane(&self, kind: Kind) -> Option<&Arc<Lane>> {
        let passing = Passing::of(kind)?;
        self.lanes.iter().find(|lane| lane.passing == passing)
    }

    /// Where the objects of a kind are shown.
    pub(crate) fn board_of(&self, kind: Kind) -> &Arc<Board> {
        self.lane(kind).map_or(&self.board, |lane| &lane.board)
    }

    /// Keeps an object that passes, which stands at `current` if there is one; answers it as it is
    /// then, or as it was given where that was only tried.
    pub(crate) async fn keep(
        &self,
        lane: &Lane,
        (kind, key): (Kind, &Key),
        object: &Value,
        (current, aim): (Option<&Served>, Aim),
    ) -> Result<Value, Failed> {
        let became = match current {
            None => self.born(lane, (kind, key), object.clone()),
            Some(current) => passing::changed(kind, &current.object, object.clone()),
        };
        let became = became.map_err(Failed::Status)?;
        if aim == Aim::Tried {
            if let Became::This(became) = &became {
                passing::kept(kind, became).map_err(Failed::Status)?;
            }
            return Ok(object.clone());
        }
        let expected = current.map_or(Position::START, |current| position_of(current.version));
        lane.put(kind, key, &became, expected).await?;
        if lane.passing == Passing::Lease && key.name == HEARTBEAT {
            self.beat(key).await;
        }
        // What went with its last finalizer is answered as it was then.
        Ok(self.current(kind, key).map_or_else(|| object.clone(), |now| now.object.clone()))
    }

    /// Lets an object that passes go; answers what is left of it.
    pub(crate) async fn let_go(
        &self,
        lane: &Lane,
        (kind, key): (Kind, &Key),
        current: &Served,
    ) -> Result<Option<Arc<Served>>, Failed> {
        let became = passing::deleted(&current.object, self.clock.now());
        let is_same = matches!(&became, Became::This(object) if *object == current.object);
        if !is_same {
            lane.put(kind, key, &became, position_of(current.version)).await?;
        }
        Ok(self.current(kind, key))
    }

    /// The lease of an accepted cluster, made when it is first asked for: agents renew what the hub
    /// made. It costs nothing where agents beat in another way.
    pub(crate) async fn first_heartbeat(&self, asked: &Asked<'_>, key: &Key) -> Option<Value> {
        let lane = self.lane(asked.kind).filter(|lane| lane.passing == Passing::Lease)?;
        if key.name != HEARTBEAT {
            return None;
        }
        let seconds = self.lease_of(&key.namespace)?;
        let lease = json!({
            "apiVersion": asked.kind.0.api_version(), "kind": asked.kind.0.kind,
            "metadata": {
                "name": key.name, "namespace": key.namespace,
                "labels": { (CLUSTER): key.namespace },
            },
            "spec": { "leaseDurationSeconds": seconds },
        });
        let born = self.born(lane, (asked.kind, key), lease).ok()?;
        match lane.put(asked.kind, key, &born, Position::START).await {
            Ok(()) | Err(Failed::Moved) => {}
            Err(Failed::Status(why)) => tracing::warn!(why = why.message, "no lease was made"),
        }
        self.current(asked.kind, key).map(|lease| lease.object.clone())
    }

    fn born(
        &self,
        lane: &Lane,
        (kind, key): (Kind, &Key),
        object: Value,
    ) -> Result<Became, Status> {
        let id = CommandId::new(format!("{:016x}", self.ids.number()));
        let uid = Uid::derived(&id, lane.subject(key).as_str()).to_string();
        passing::born(kind, object, &uid, self.clock.now()).map(Became::This)
    }

    /// How long the agent of a cluster may be silent, in seconds; `None` for one that is not
    /// accepted.
    fn lease_of(&self, cluster: &str) -> Option<u64> {
        let kind = find("cluster.open-cluster-management.io", "v1", "managedclusters")?;
        let key = Key { namespace: String::new(), name: cluster.to_owned() };
        let cluster = self.current(kind, &key)?;
        let spec = &cluster.object["spec"];
        let accepted = spec["hubAcceptsClient"] == true;
        accepted.then(|| spec["leaseDurationSeconds"].as_u64().unwrap_or(60))
    }

    /// A lease that was renewed says that its cluster is alive, as an agent's beat does: what that
    /// means is registration's.
    async fn beat(&self, key: &Key) {
        let Ok(cluster) = ClusterName::parse(&key.namespace) else { return };
        let link = AgentLink::new(self.broker.clone(), cluster);
        if let Err(why) = link.beat(&Beat::default()).await {
            tracing::warn!(%why, "a cluster's beat is not passed on");
        }
    }

    /// Takes along what passes of namespaces that go, until the tasks are asked to stop.
    pub(crate) async fn follow_namespaces(self) -> Result<(), Fault> {
        let Some(kind) = find("", "v1", "namespaces") else { return Ok(()) };
        let interest = Interest { kind, namespace: None, name: None };
        loop {
            let (_, mut changes) = self.board.watch(&interest, |_| ());
            loop {
                let change = tokio::select! {
                    biased;
                    () = self.tasks.stopped() => return Ok(()),
                    change = changes.recv() => change,
                };
                let Some(told) = change else { break };
                let change = &told.change;
                if change.after.is_none() {
                    self.empty(&change.key.name).await;
                }
            }
        }
    }

    async fn empty(&self, namespace: &str) {
        for lane in self.lanes.iter() {
            let Some(kind) = lane.passing.kinds().next() else { continue };
            for (key, served) in lane.board.look(|view| view.list(kind, Some(namespace))) {
                let gone = lane.put(kind, &key, &Became::Gone, position_of(served.version)).await;
                if let Err(Failed::Status(why)) = gone {
                    tracing::warn!(why = why.message, name = key.name, "it outlives its namespace");
                }
            }
        }
    }
}
