//! The machine that the chassis' loops drive: the fleet as add-ons know it, the decisions on it and
//! what follows from them.

use crate::{answer, decode, handlers};
use bytes::Bytes;
use fleetlog_addon_domain::names::definition_id;
use fleetlog_addon_domain::{Change, Fleet, Follow};
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Request, Unreadable};
use fleetlog_kernel::{Position, Projection as _, Reaction as _, Service};
use fleetlog_messages::addon::{AddOnCommand, DefinitionCommand};
use fleetlog_messages::common::{Query, Refusal, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::work::WorkCommand;
use prost::Message as _;
use std::convert::Infallible;

/// The add-on service as a machine.
#[derive(Debug, Default)]
pub struct AddOns {
    fleet: Fleet,
    /// The commit that was applied last, read; no part of the state.
    last: Option<(Change, Position)>,
}

impl AddOns {
    /// Everything that the service knows.
    #[must_use]
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }
}

impl Machine for AddOns {
    type Effect = Infallible;

    const SERVICE: Service = Service::Addon;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let change = decode::change(commit)?;
        if let Some(change) = &change {
            self.fleet.apply(change, commit.position);
        }
        self.last = change.map(|change| (change, commit.position));
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Infallible>> {
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

fn effect(follow: Follow) -> Effect<Infallible> {
    let (to, payload) = match follow {
        Follow::Definition(name, command) => {
            let command = Some(command);
            (definition_id(&name), DefinitionCommand { command }.encode_to_vec())
        }
        Follow::AddOn(key, command) => {
            (key.aggregate(), AddOnCommand { command: Some(command) }.encode_to_vec())
        }
        Follow::Work(key, command) => {
            (key.work(), WorkCommand { command: Some(command) }.encode_to_vec())
        }
    };
    Effect::Tell { to, payload: payload.into() }
}
