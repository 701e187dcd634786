//! The machine that the chassis' loops drive: the fleet as work knows it, its decisions and what
//! follows from them.

use crate::{answer, decode, handlers};
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Request, Unreadable};
use fleetlog_kernel::{Position, Projection as _, Reaction as _, Service};
use fleetlog_messages::common::{Query, Refusal, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::work::{Delivery, ReplicaSetCommand, WorkCommand};
use fleetlog_work_domain::{Change, Fleet, Follow};
use prost::Message as _;

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
}

impl Machine for Works {
    /// What an agent should get from now on.
    type Effect = Delivery;

    const SERVICE: Service = Service::Work;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let change = decode::change(commit)?;
        if let Some(change) = &change {
            self.fleet.apply(change, commit.position);
        }
        self.last = change.map(|change| (change, commit.position));
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Delivery>> {
        let last = self.last.as_ref().filter(|(_, position)| *position == commit.position);
        let follows = last.map(|last| (&self.fleet).react(last)).unwrap_or_default();
        follows.into_iter().map(effect).collect()
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
        Fleet::of_rows(rows).map(|fleet| Self { fleet, last: None })
    }
}

fn effect(follow: Follow) -> Effect<Delivery> {
    match follow {
        Follow::Work(key, command) => Effect::Tell {
            to: key.aggregate(),
            payload: WorkCommand { command: Some(command) }.encode_to_vec().into(),
        },
        Follow::Set(key, command) => Effect::Tell {
            to: key.aggregate(),
            payload: ReplicaSetCommand { command: Some(command) }.encode_to_vec().into(),
        },
        Follow::Publish(delivery) => Effect::Own(*delivery),
    }
}
