//! A projection is dropped and rebuilt while the service runs: folded from the whole log beside the
//! one that is used, then put in its place. An operator's command asks for it, so the log says who
//! did, and when; no snapshot from before that commit is used any more.

use crate::context::{Bus, Context};
use crate::hosted::Hosted;
use crate::machine::{Decided, Denied, Machine, Origin, Request};
use crate::snapshot::{self, apart};
use fleetlog_bus::{Fault, encode_snapshot};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::common::{
    ProjectionCommand, ProjectionEvent, ProjectionRebuildRequested, Refusal, Row,
    projection_command, projection_event,
};
use fleetlog_messages::subject::{self, AggregateId};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of aggregate that a service itself is.
const KIND: &str = "projection";
const NAME: &str = "state";
const SCHEMA: &str = "fleetlog.common.v1.ProjectionEvent";
/// Who may ask for it: the subject vouches for the name.
const ADMIN: &str = "admin";
/// How many commits the state that is used may be ahead when it is held, to be replaced.
const CLOSE: u64 = 64;
/// How many rows that differed are named.
const NAMED: usize = 20;

/// The aggregate that the projection of a service is.
#[must_use]
pub fn projection_id(service: Service) -> AggregateId {
    AggregateId::global(service, KIND, NAME)
}

/// Whether an aggregate is a projection, of whichever service: machines are not asked about it.
pub(crate) fn is_projection(aggregate: &AggregateId) -> bool {
    aggregate.kind == KIND
}

/// How a service's projection stands; what the question `projection` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Whose it is.
    pub service: String,
    /// How far the log is folded in.
    pub position: u64,
    /// How many events it is behind the log.
    pub behind: u64,
    /// The last time that it was rebuilt in this life of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<Rebuilt>,
}

/// A projection that was rebuilt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilt {
    /// The position of the commit that asked for it.
    pub asked: u64,
    /// Where it took the other's place.
    pub position: u64,
    /// How many rows it has.
    pub rows: u64,
    /// How many rows of the one before were not what the log makes of them.
    pub differing: u64,
    /// Their keys, the first of them.
    pub keys: Vec<String>,
}

/// Decides a command about the service's own projection.
pub(crate) fn decide(request: &Request) -> Result<Vec<Decided>, Denied> {
    let asked_by_admin = matches!(&request.origin, Origin::User(actor) if actor.as_str() == ADMIN);
    if !asked_by_admin || request.target.name != NAME || request.target.scope.is_some() {
        return Err(Denied::Refused(Refusal {
            code: "CHS0062".to_owned(),
            sentence: format!("{} may not have \"{}\" rebuilt", request.origin, request.target),
            advice: "ask as admin: fleetlog projection rebuild SERVICE".to_owned(),
        }));
    }
    let command = ProjectionCommand::decode(request.payload.clone())
        .map_err(|error| Denied::Unreadable(format!("the command cannot be read: {error}")))?;
    let Some(projection_command::Command::Rebuild(_)) = command.command else {
        return Err(Denied::Unreadable("the command is of a later release".to_owned()));
    };
    let event = projection_event::Event::RebuildRequested(ProjectionRebuildRequested {});
    let event = ProjectionEvent { event: Some(event) }.encode_to_vec().into();
    let events = vec![("ProjectionRebuildRequested", event)];
    Ok(vec![Decided { aggregate: request.target.clone(), schema: SCHEMA, events }])
}

/// Where somebody asked for a rebuild of a service's projection last: what was folded before is not
/// used any more.
///
/// # Errors
/// A log that cannot be read.
pub(crate) async fn last_asked<M: Machine>(bus: &Bus) -> Result<Position, Fault> {
    let last = bus.log.last(&projection_id(M::SERVICE)).await?;
    Ok(last.map_or(Position::START, |commit| commit.position))
}

/// Runs until the service ends: rebuilds when a commit asks for it. What fails stops the service,
/// which then starts from the log alone.
pub(crate) async fn run<M: Machine + Default>(context: &Context<M>) -> Result<(), Fault> {
    let mut last = Position::START;
    loop {
        let asked = context.rebuild_due(last).await;
        last = asked;
        context.live().await;
        tracing::info!(service = %M::SERVICE, %asked, "the projection is rebuilt");
        let rebuilt = rebuild(context, asked).await?;
        let Rebuilt { position, rows, differing, .. } = rebuilt;
        match differing {
            0 => tracing::info!(service = %M::SERVICE, position, rows, "it was what the log says"),
            _ => tracing::warn!(
                service = %M::SERVICE, position, differing, keys = ?rebuilt.keys,
                "it was not what the log says, and is now"
            ),
        }
        context.patiently(|| context.shell.rebuilt(context)).await?;
        context.set_rebuilt(rebuilt);
    }
}

async fn rebuild<M: Machine + Default>(
    context: &Context<M>,
    asked: Position,
) -> Result<Rebuilt, Fault> {
    let bus = &context.ground.bus;
    // Once only: what it replaced is compared below, whatever has to be tried again there.
    let (position, before) = context.patiently(|| swap(context)).await?;
    context.past.clear();
    // The one in use goes on; what is compared and kept is folded once more, to where it began.
    let snapshot = context.patiently(|| snapshot::of_log::<M>(bus, position)).await?;
    let (rebuilt, content) = apart(move || {
        let rebuilt = compare(asked, position, before.rows(), &snapshot.rows);
        (rebuilt, encode_snapshot(&snapshot))
    })
    .await?;
    context.performed(context.handed_on()).await;
    let edition = snapshot::edition::<M>(asked);
    let keep = || bus.snapshots.keep(M::SERVICE.token(), position.0, edition, content.clone());
    context.patiently(keep).await?;
    Ok(rebuilt)
}

/// Folds the log afresh and puts the outcome in the place of the state that is used; answers that
/// one, and the position at which it was replaced.
async fn swap<M: Machine + Default>(context: &Context<M>) -> Result<(Position, Hosted<M>), Fault> {
    let mut fresh = Hosted::<M>::default();
    let mut reading = context.ground.bus.log.read(&subject::events(), Position::START).await?;
    let position = || context.read(|hosted| hosted.position());
    // Most of it while the other goes on; then that one is held for the little that came since.
    loop {
        snapshot::fold_to(&mut fresh, &mut reading, position()).await?;
        if position().0 - fresh.position().0 <= CLOSE {
            break;
        }
    }
    let _turn = context.folding.lock().await;
    let position = position();
    snapshot::fold_to(&mut fresh, &mut reading, position).await?;
    Ok((position, context.write(|hosted| std::mem::replace(hosted, fresh))))
}

fn compare(asked: Position, position: Position, before: Vec<Row>, now: &[Row]) -> Rebuilt {
    let mut left: BTreeMap<&str, &[u8]> =
        now.iter().map(|row| (row.key.as_str(), row.value.as_slice())).collect();
    let mut keys: Vec<String> = before
        .into_iter()
        .filter(|row| left.remove(row.key.as_str()) != Some(row.value.as_slice()))
        .map(|row| row.key)
        .collect();
    keys.extend(left.into_keys().map(str::to_owned));
    let differing = keys.len() as u64;
    keys.truncate(NAMED);
    Rebuilt { asked: asked.0, position: position.0, rows: now.len() as u64, differing, keys }
}
