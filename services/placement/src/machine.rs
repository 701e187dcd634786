//! Placement as the loops see it: commits folded into the world, commands decided on it, questions
//! answered from it. Synchronous; reading and writing bytes lies in the modules beside it.

use crate::looked::Looked;
use crate::parse::Asked;
use crate::{answer, parse, rows};
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Request, Unreadable};
use fleetlog_kernel::{Decider, Projection, Reaction, Service};
use fleetlog_messages::common::{Query, Refusal as Said, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{
    PlacementCommand as Wire, PlacementEvent, Schedule, placement_command, placement_event::Event,
};
use fleetlog_messages::subject::AggregateId;
use fleetlog_placement_domain::reaction::Follows;
use fleetlog_placement_domain::{Placement, PlacementCommand, PlacementKey, Refusal, World};
use prost::Message as _;
use std::convert::Infallible;

/// The token of placements in subjects and questions.
pub const PLACEMENT: &str = "placement";
/// The token of decision pages in questions.
pub const PLACEMENT_DECISION: &str = "placementdecision";
/// The message type of a placement's events.
pub const SCHEMA: &str = "fleetlog.placement.v1.PlacementEvent";

/// The machine of placement.
#[derive(Debug, Default)]
pub struct Scheduling {
    world: World,
    looked: Looked,
}

impl Scheduling {
    /// The fleet and the placements.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The command that takes over what the world makes of a placement now; `None` when a look
    /// at it would find nothing new.
    fn look(&self, key: &PlacementKey) -> Option<PlacementCommand> {
        let touched = self.world.pending(key)?;
        if self.looked.covers(key, touched) {
            return None;
        }
        let schedule = Box::new(self.world.schedule(key)?);
        Some(PlacementCommand::Schedule { schedule, inputs: self.world.position() })
    }
}

/// The aggregate of a placement.
#[must_use]
pub fn placement_id(namespace: &str, name: &str) -> AggregateId {
    AggregateId::namespaced(Service::Placement, PLACEMENT, namespace, name)
}

impl Machine for Scheduling {
    type Effect = Infallible;

    const SERVICE: Service = Service::Placement;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let changes = parse::changes(commit).map_err(|reason| Unreadable::of(commit, reason))?;
        for change in &changes {
            self.world.apply(change, commit.position);
        }
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Infallible>> {
        let schedule = Wire { command: Some(placement_command::Command::Schedule(Schedule {})) };
        let payload = Bytes::from(schedule.encode_to_vec());
        let tell = |key: PlacementKey| Effect::Tell {
            to: placement_id(&key.namespace, &key.name),
            payload: payload.clone(),
        };
        Follows(&self.world).react(&commit.position).into_iter().map(tell).collect()
    }

    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        let target = &request.target;
        let key = match (target.kind.as_str(), &target.scope) {
            (PLACEMENT, Some(namespace)) => PlacementKey::new(namespace, &target.name),
            (kind, _) => {
                let kind = kind.to_owned();
                return Err(Denied::Refused(Refusal::Kind { kind }.into()));
            }
        };
        let command = match parse::request(request, &key)? {
            Asked::Command(command) => Some(command),
            Asked::Schedule => self.look(&key),
        };
        let Some(command) = command else { return Ok(vec![]) };
        let unborn = Placement::default();
        let placement = self.world.placement(&key).unwrap_or(&unborn);
        let decided = placement.decide(&command, request.at);
        let events = decided.map_err(|refusal| Denied::Refused(refusal.into()))?;
        match (&command, events.is_empty()) {
            (PlacementCommand::Schedule { inputs, .. }, true) => self.looked.note(&key, *inputs),
            _ => self.looked.forget(&key),
        }
        if events.is_empty() {
            return Ok(vec![]);
        }
        let events = events.into_iter().map(encoded).collect();
        Ok(vec![Decided { aggregate: target.clone(), schema: SCHEMA, events }])
    }

    fn answer(&self, query: &Query) -> Result<Vec<Bytes>, Said> {
        answer::objects(&self.world, query).map_err(Into::into)
    }

    fn rows(&self) -> Vec<Row> {
        rows::write(&self.world)
    }

    fn restore(rows: &[Row]) -> Result<Self, String> {
        Ok(Self { world: rows::read(rows)?, looked: Looked::default() })
    }
}

/// An event's type and its encoded message.
fn encoded(event: Event) -> (&'static str, Bytes) {
    let name = match &event {
        Event::Specified(_) => "PlacementSpecified",
        Event::Deleted(_) => "PlacementDeleted",
        Event::Decided(_) => "PlacementDecided",
        Event::Judged(_) => "PlacementJudged",
    };
    (name, PlacementEvent { event: Some(event) }.encode_to_vec().into())
}
