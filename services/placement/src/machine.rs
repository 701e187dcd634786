//! Placement as the loops see it: commits folded into the world, commands decided on it, questions
//! answered from it. Synchronous; reading and writing bytes lies in the modules beside it.

use crate::looked::Looked;
use crate::parse::Asked;
use crate::{answer, parse, questions, rows};
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Moved, Request, Timed, Unreadable, Wake};
use fleetlog_kernel::{Decider, Projection, Reaction, Service, Timestamp};
use fleetlog_messages::common::{Query, Refusal as Said, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{
    DecisionEvent, PlacementCommand as Wire, PlacementEvent, Schedule, ScoreEvent, decision_event,
    placement_command, placement_event::Event, score_event,
};
use fleetlog_messages::subject::AggregateId;
use fleetlog_placement_domain::held_scores::{Held, ScoreKey};
use fleetlog_placement_domain::others::{DecisionCommand, Foreign};
use fleetlog_placement_domain::reaction::Follows;
use fleetlog_placement_domain::schedule::Steadiness;
use fleetlog_placement_domain::{Placement, PlacementCommand, PlacementKey, Refusal, World};
use prost::Message as _;

/// The token of placements in subjects and questions.
pub const PLACEMENT: &str = "placement";
/// The token of decision pages, Fleetlog's own and those of others.
pub const PLACEMENT_DECISION: &str = "placementdecision";
/// The token of scores in subjects and questions; their scope is the cluster.
pub const SCORE: &str = "score";
/// The message type of the events of scores.
pub const SCORE_SCHEMA: &str = "fleetlog.placement.v1.ScoreEvent";
/// The message type of the events of other schedulers' pages.
pub const DECISION_SCHEMA: &str = "fleetlog.placement.v1.DecisionEvent";
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
    fn look(&self, key: &PlacementKey, at: Timestamp) -> Option<PlacementCommand> {
        let touched = self.world.pending(key)?;
        if self.looked.covers(key, touched) {
            return None;
        }
        self.schedule(key, at, Steadiness::Kept)
    }

    fn schedule(
        &self,
        key: &PlacementKey,
        at: Timestamp,
        steadiness: Steadiness,
    ) -> Option<PlacementCommand> {
        let schedule = Box::new(self.world.schedule(key, at, steadiness)?);
        Some(PlacementCommand::Schedule { schedule, inputs: self.world.position() })
    }

    /// Decides on a placement.
    fn place(&self, request: &Request, key: &PlacementKey) -> Result<Vec<Decided>, Denied> {
        let command = match parse::request(request, key)? {
            Asked::Command(command) => Some(command),
            Asked::Schedule => self.look(key, request.at),
            Asked::Wake => self.schedule(key, request.at, Steadiness::Kept),
            Asked::Rebalance => {
                let gone = || Refusal::NotFound { name: key.to_string() };
                let afresh = self.schedule(key, request.at, Steadiness::Waived);
                Some(afresh.ok_or_else(|| Denied::Refused(gone().into()))?)
            }
        };
        let Some(command) = command else { return Ok(vec![]) };
        let unborn = Placement::default();
        let placement = self.world.placement(key).unwrap_or(&unborn);
        let decided = placement.decide(&command, request.at);
        let events = decided.map_err(|refusal| Denied::Refused(refusal.into()))?;
        match (&command, events.is_empty()) {
            (PlacementCommand::Schedule { inputs, .. }, true) => self.looked.note(key, *inputs),
            _ => self.looked.forget(key),
        }
        Ok(committed(request.target.clone(), SCHEMA, events.into_iter().map(encoded)))
    }

    /// Decides on a page: of another scheduler, or one that Fleetlog makes.
    fn page(&self, request: &Request, key: &PlacementKey) -> Result<Vec<Decided>, Denied> {
        let denied = |refusal: Refusal| Denied::Refused(refusal.into());
        let own = |of: &PlacementKey| {
            let (page, placement) = (key.to_string(), of.to_string());
            denied(Refusal::OwnPage { page, placement })
        };
        let command = parse::decision_request(request, key)?;
        if let Some((of, placement)) = self.world.page_of(key) {
            let DecisionCommand::Delete { by, .. } = command else { return Err(own(&of)) };
            let (page, uid) = (key.name.clone(), parse::uid(request));
            let command = PlacementCommand::Discard { page, uid, by };
            let events = placement.decide(&command, request.at).map_err(denied)?;
            let aggregate = placement_id(&of.namespace, &of.name);
            let events = events.into_iter().map(encoded);
            return Ok(committed(aggregate, SCHEMA, events));
        }
        let unborn = Foreign::default();
        let page = self.world.others().get(key).unwrap_or(&unborn);
        if let Some(of) = self.world.will_have(key).filter(|_| page.object().is_none()) {
            return Err(own(&of));
        }
        let events = page.decide(&command, request.at).map_err(denied)?;
        let events = events.into_iter().map(encoded_decision);
        Ok(committed(request.target.clone(), DECISION_SCHEMA, events))
    }

    /// Decides on the scores of a cluster.
    fn score(&self, request: &Request, key: &ScoreKey) -> Result<Vec<Decided>, Denied> {
        let command = parse::score_request(request, key)?;
        let unborn = Held::default();
        let held = self.world.scores().get(&key.name, &key.cluster).unwrap_or(&unborn);
        let decided = held.decide(&command, request.at);
        let events = decided.map_err(|refusal| Denied::Refused(refusal.into()))?;
        Ok(committed(request.target.clone(), SCORE_SCHEMA, events.into_iter().map(encoded_score)))
    }
}

/// The one commit of these events; none where there are none.
fn committed(
    aggregate: AggregateId,
    schema: &'static str,
    events: impl Iterator<Item = (&'static str, Bytes)>,
) -> Vec<Decided> {
    let events: Vec<_> = events.collect();
    let there = (!events.is_empty()).then_some(events);
    let decided = |events| Decided { aggregate, schema, events };
    there.map(decided).into_iter().collect()
}

/// The encoded command that has a placement looked at.
fn schedule() -> Bytes {
    let schedule = Wire { command: Some(placement_command::Command::Schedule(Schedule {})) };
    schedule.encode_to_vec().into()
}

/// The aggregate of a placement.
#[must_use]
pub fn placement_id(namespace: &str, name: &str) -> AggregateId {
    AggregateId::namespaced(Service::Placement, PLACEMENT, namespace, name)
}

fn wake(key: &PlacementKey, at: Timestamp) -> Wake {
    Wake { whom: placement_id(&key.namespace, &key.name), at, payload: schedule() }
}

impl Timed for Scheduling {
    fn wake(&self, whom: &AggregateId, since: Timestamp) -> Option<Wake> {
        let key = PlacementKey::new(whom.scope.as_deref()?, &whom.name);
        Some(wake(&key, self.world.deadline(&key, since)?))
    }

    fn wakes(&self, since: Timestamp) -> Vec<Wake> {
        let keys = self.world.placements().map(|(key, _)| key);
        keys.filter_map(|key| Some(wake(key, self.world.deadline(key, since)?))).collect()
    }
}

impl Machine for Scheduling {
    /// A placement may have to be looked at at another moment.
    type Effect = Moved;

    const SERVICE: Service = Service::Placement;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let changes = parse::changes(commit).map_err(|reason| Unreadable::of(commit, reason))?;
        for change in &changes {
            self.world.apply(change, commit.position);
        }
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Moved>> {
        let payload = schedule();
        let tell = |key: PlacementKey| Effect::Tell {
            to: placement_id(&key.namespace, &key.name),
            payload: payload.clone(),
        };
        let mut follows = Follows(&self.world);
        let told = follows.react(&commit.position).into_iter().map(tell);
        let since = commit.header.time;
        let moved = self.world.timed(commit.position).into_iter().map(|key| {
            let whom = placement_id(&key.namespace, &key.name);
            Effect::Own(Moved { whom, since })
        });
        told.chain(moved).collect()
    }

    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        let target = &request.target;
        match (target.kind.as_str(), &target.scope) {
            (PLACEMENT, Some(namespace)) => {
                self.place(request, &PlacementKey::new(namespace, &target.name))
            }
            (PLACEMENT_DECISION, Some(namespace)) => {
                self.page(request, &PlacementKey::new(namespace, &target.name))
            }
            (SCORE, Some(cluster)) => {
                let (cluster, name) = (cluster.clone(), target.name.clone());
                self.score(request, &ScoreKey { cluster, name })
            }
            (kind, _) => {
                let kind = kind.to_owned();
                Err(Denied::Refused(Refusal::Kind { kind }.into()))
            }
        }
    }

    fn answer(&self, query: &Query) -> Result<Vec<Bytes>, Said> {
        answer::objects(&self.world, query).map_err(Into::into)
    }

    fn question(
        &self,
        verb: &str,
        query: &Query,
        at: Timestamp,
    ) -> Option<Result<Vec<Bytes>, Said>> {
        let answered = match verb {
            "explain" => questions::explain(&self.world, query, at),
            "simulate" => questions::simulate(&self.world, query, at),
            _ => return None,
        };
        Some(answered.map_err(Into::into))
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
        Event::DeletionRequested(_) => "PlacementDeletionRequested",
        Event::Deleted(_) => "PlacementDeleted",
        Event::Decided(_) => "PlacementDecided",
        Event::Judged(_) => "PlacementJudged",
        Event::PageDiscarded(_) => "PageDiscarded",
    };
    (name, PlacementEvent { event: Some(event) }.encode_to_vec().into())
}

fn encoded_decision(event: decision_event::Event) -> (&'static str, Bytes) {
    let name = match &event {
        decision_event::Event::Specified(_) => "DecisionSpecified",
        decision_event::Event::DeletionRequested(_) => "DecisionDeletionRequested",
        decision_event::Event::Deleted(_) => "DecisionDeleted",
    };
    (name, DecisionEvent { event: Some(event) }.encode_to_vec().into())
}

fn encoded_score(event: score_event::Event) -> (&'static str, Bytes) {
    let name = match &event {
        score_event::Event::Specified(_) => "ScoreSpecified",
        score_event::Event::DeletionRequested(_) => "ScoreDeletionRequested",
        score_event::Event::Deleted(_) => "ScoreDeleted",
    };
    (name, ScoreEvent { event: Some(event) }.encode_to_vec().into())
}
