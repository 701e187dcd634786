//! The machine that the chassis' loops drive: the fleet as add-ons know it, the decisions on it and
//! what follows from them.

use crate::{answer, decode, handlers};
use bytes::Bytes;
use fleetlog_addon_domain::names::{DEFINITION, definition_id};
use fleetlog_addon_domain::{Change, Fleet, Follow};
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Moved, Request, Timed, Unreadable, Wake};
use fleetlog_kernel::{Position, Projection as _, Reaction as _, Service, Timestamp};
use fleetlog_messages::addon::{AddOnCommand, DefinitionCommand, PlanInstall, definition_command};
use fleetlog_messages::common::{Query, Refusal, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::WorkCommand;
use prost::Message as _;

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

    /// The timer of a definition whose clusters take turns, if it waits for something in time.
    fn alarm(&self, name: &str, since: Timestamp) -> Option<Wake> {
        let at = self.fleet.deadline(name, since)?;
        let command = Some(definition_command::Command::Plan(PlanInstall::default()));
        let payload = DefinitionCommand { command }.encode_to_vec().into();
        Some(Wake { whom: definition_id(name), at, payload })
    }
}

impl Timed for AddOns {
    fn wake(&self, whom: &AggregateId, since: Timestamp) -> Option<Wake> {
        let name = (whom.kind == DEFINITION).then_some(&whom.name)?;
        self.alarm(name, since)
    }

    fn wakes(&self, since: Timestamp) -> Vec<Wake> {
        self.fleet.definitions().keys().filter_map(|name| self.alarm(name, since)).collect()
    }
}

impl Machine for AddOns {
    /// A definition may have to be planned at another moment.
    type Effect = Moved;

    const SERVICE: Service = Service::Addon;

    /// 2: the decision groups of clusters are known.
    const VERSION: u32 = 2;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let change = decode::change(commit)?;
        if let Some(change) = &change {
            self.fleet.apply(change, commit.position);
        }
        self.last = change.map(|change| (change, commit.position));
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Moved>> {
        let last = self.last.as_ref().filter(|(_, position)| *position == commit.position);
        let Some(last) = last else { return vec![] };
        let told = (&self.fleet).react(last).into_iter().map(effect);
        let since = commit.header.time;
        let moved = self.fleet.noticed().timed.iter();
        let moved = moved.map(|name| Moved { whom: definition_id(name), since });
        told.chain(moved.map(Effect::Own)).collect()
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

fn effect(follow: Follow) -> Effect<Moved> {
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
