//! The machine that the chassis' loops drive: the fleet as work knows it, its decisions and what
//! follows from them.

use crate::{answer, decode, handlers};
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Moved, Request, Timed, Unreadable, Wake};
use fleetlog_kernel::{Position, Projection as _, Reaction as _, Service, Timestamp};
use fleetlog_messages::common::{Query, Refusal, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{
    Delivery, PlanFanOut, ReplicaSetCommand, WorkCommand, replica_set_command::Command,
};
use fleetlog_work_domain::name::{REPLICA_SET, SetKey, WorkKey};
use fleetlog_work_domain::{Change, Fleet, Follow, delivery};
use prost::Message as _;
use std::collections::BTreeMap;

/// The running service.
pub(crate) type Running = std::sync::Arc<fleetlog_chassis::Context<Works>>;

/// What work does besides telling services.
#[derive(Clone, Debug, PartialEq)]
pub enum Own {
    /// Gives an agent what it should have from now on.
    Deliver(Box<Delivery>),
    /// A replica set may have to be planned at another moment.
    Move(Moved),
}

/// Work as a machine.
#[derive(Debug, Default)]
pub struct Works {
    fleet: Fleet,
    /// The commit that was applied last, read; no part of the state.
    last: Option<(Change, Position)>,
}

impl Works {
    /// Everything that work knows.
    #[must_use]
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The timer of a set whose clusters take turns, if it waits for something in time.
    fn alarm(&self, key: &SetKey, since: Timestamp) -> Option<Wake> {
        let at = self.fleet.deadline(key, since)?;
        let command = Some(Command::PlanFanOut(PlanFanOut::default()));
        let payload = ReplicaSetCommand { command }.encode_to_vec().into();
        Some(Wake { whom: key.aggregate(), at, payload })
    }

    /// What WORK should hold: what each agent should get now, by its work.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<WorkKey, Delivery> {
        let works = self.fleet.works().iter();
        works.filter_map(|(key, work)| Some((key.clone(), delivery::of(key, work)?))).collect()
    }
}

impl Timed for Works {
    fn wake(&self, whom: &AggregateId, since: Timestamp) -> Option<Wake> {
        let namespace = whom.scope.as_deref().filter(|_| whom.kind == REPLICA_SET)?;
        self.alarm(&SetKey::new(namespace, &whom.name), since)
    }

    fn wakes(&self, since: Timestamp) -> Vec<Wake> {
        self.fleet.sets().keys().filter_map(|key| self.alarm(key, since)).collect()
    }
}

impl Machine for Works {
    type Effect = Own;

    const SERVICE: Service = Service::Work;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let change = decode::change(commit)?;
        if let Some(change) = &change {
            self.fleet.apply(change, commit.position);
        }
        self.last = change.map(|change| (change, commit.position));
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Own>> {
        let last = self.last.as_ref().filter(|(_, position)| *position == commit.position);
        let Some(last) = last else { return vec![] };
        let told = (&self.fleet).react(last).into_iter().map(effect);
        let timed = self.fleet.noticed().timed.as_ref();
        let moved = timed.map(|key| Moved { whom: key.aggregate(), since: commit.header.time });
        told.chain(moved.map(|moved| Effect::Own(Own::Move(moved)))).collect()
    }

    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        handlers::decide(&self.fleet, request)
    }

    fn answer(&self, query: &Query) -> Result<Vec<Bytes>, Refusal> {
        answer::objects(&self.fleet, query).map_err(|refusal| Refusal::from(&refusal))
    }

    fn rows(&self) -> Vec<Row> {
        self.fleet.rows()
    }

    fn restore(rows: &[Row]) -> Result<Self, String> {
        Fleet::of_rows(rows).map(|fleet| Self { fleet, ..Self::default() })
    }
}

fn effect(follow: Follow) -> Effect<Own> {
    match follow {
        Follow::Work(key, command) => Effect::Tell {
            to: key.aggregate(),
            payload: WorkCommand { command: Some(command) }.encode_to_vec().into(),
        },
        Follow::Set(key, command) => Effect::Tell {
            to: key.aggregate(),
            payload: ReplicaSetCommand { command: Some(command) }.encode_to_vec().into(),
        },
        Follow::Publish(delivery) => Effect::Own(Own::Deliver(delivery)),
    }
}
