//! Commands: in the name of who asks, to the service that decides on the kind, and answered once
//! the view has come to what was decided.

use crate::Gateway;
use crate::read::unanswered;
use crate::requests::Asked;
use fleetlog_bus::{Client, ClientError};
use fleetlog_gateway_domain::{At, Key, Kind, Served, Status};
use fleetlog_kernel::{Actor, Position};
use fleetlog_messages::common::{Accomplished, Outcome, Refusal, outcome};
use fleetlog_messages::subject::AggregateId;
use fleetlog_objects::{Applying, How, LAST_APPLIED, apply, strip_served, with_sealed};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// How long a write may wait for the view after it is decided.
pub(crate) const SHOWN: Duration = Duration::from_secs(10);
/// The version of what is not there.
const NONE: &str = "0";
/// The code of core that there is such an object already.
const EXISTS: &str = "COR0003";

/// Whether a command is to be carried out, or its decider only asked what would come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// It is sent.
    Done,
    /// A dry run.
    Tried,
}

impl Aim {
    /// By whether a dry run was asked for.
    pub const fn of(dry_run: bool) -> Self {
        if dry_run { Self::Tried } else { Self::Done }
    }
}

/// Why a command was not carried out.
pub(crate) enum Failed {
    /// The object is not at the version that it should stand at.
    Moved,
    /// Something else.
    Status(Status),
}

/// Why a command has no good outcome.
pub(crate) enum Refused {
    /// The service says no.
    Domain(Refusal),
    /// It could not be asked.
    Status(Status),
}

impl Refused {
    /// Whether what was to be made is there.
    pub fn is_there(&self) -> bool {
        matches!(self, Self::Domain(refusal) if refusal.code == EXISTS)
    }

    /// In words.
    pub fn words(self) -> String {
        match self {
            Self::Domain(Refusal { code, sentence, .. }) => format!("{code}: {sentence}"),
            Self::Status(status) => status.message,
        }
    }
}

impl Gateway {
    /// Has an object applied that should stand at `version`; answers it as it is then, or as it was
    /// given where that was only tried.
    pub(crate) async fn send(
        &self,
        asked: &Asked<'_>,
        key: &Key,
        object: &Value,
        (version, aim): (String, Aim),
    ) -> Result<Value, Failed> {
        let (kind, actor) = (asked.kind.kept(), asked.who.actor());
        if let Some(lane) = self.lane(kind) {
            let current = self.current(kind, key).filter(|now| now.version.to_string() == version);
            if current.is_none() && version != NONE {
                return Err(Failed::Moved);
            }
            return self.keep(lane, (kind, key), object, (current.as_deref(), aim)).await;
        }
        let applying = self.applying(asked, key, object, &version)?;
        let answered = match aim {
            Aim::Tried => {
                let beside = applying.beside();
                self.tried(&actor, kind, key, (applying.command, beside)).await
            }
            Aim::Done => match self.handed_over(&actor, applying).await {
                Ok(command) => self.decided(&actor, kind, key, command).await,
                Err(refused) => Err(refused),
            },
        };
        match answered {
            Ok(()) if aim == Aim::Tried => Ok(object.clone()),
            // What went with its last finalizer is answered as it was then.
            Ok(()) => {
                Ok(self.current(kind, key).map_or_else(|| object.clone(), |now| now.object.clone()))
            }
            Err(Refused::Status(status)) => Err(Failed::Status(status)),
            Err(Refused::Domain(refusal)) => Err(self.refused(kind, key, &version, &refusal).await),
        }
    }

    /// The command that has an object applied, and what goes with it.
    fn applying(
        &self,
        asked: &Asked<'_>,
        key: &Key,
        object: &Value,
        version: &str,
    ) -> Result<Applying, Failed> {
        let (kind, part) = (asked.kind.kept(), asked.place.subresource.is_some());
        let mut given = kind.said(object).into_owned();
        let managed = given["metadata"]["managedFields"].take();
        let status = given["status"].take();
        strip_served(&mut given);
        if managed.is_array() {
            given["metadata"]["managedFields"] = managed;
        }
        if !status.is_null() && (part || !kind.has_status() || !kind.is_plain()) {
            given["status"] = status;
        }
        if !part && !kind.is_plain() && !kind.is_status_alone() {
            given.as_object_mut().map(|fields| fields.remove("status"));
        }
        let current = self.current(kind, key);
        let values = |object: &Value| {
            let applied = object["metadata"]["annotations"].get(LAST_APPLIED).cloned();
            (object.get("data").cloned(), applied)
        };
        let same = current.is_some_and(|current| values(&current.object) == values(object));
        let how = How {
            resource_version: version.to_owned(),
            replace_metadata: true,
            keep_values: same && kind.is_plain(),
            status: part,
        };
        apply(kind.0, given, &how).map_err(|why| {
            Failed::Status(Status::new(422, "Invalid", why.to_string()).of(kind, &key.name))
        })
    }

    /// Hands over what goes before a command; answers the command.
    async fn handed_over(&self, actor: &str, applying: Applying) -> Result<Vec<u8>, Refused> {
        let Applying { command, bundle, values } = applying;
        let client = self.client_of(actor);
        let refused = |why| match why {
            ClientError::Refused(refusal) if !is_of_the_hub(&refusal) => Refused::Domain(refusal),
            why => Refused::Status(unanswered(&why)),
        };
        if let Some(bundle) = bundle {
            client.put_blob(bundle.into()).await.map_err(refused)?;
        }
        let Some(values) = values else { return Ok(command) };
        Ok(with_sealed(&command, client.seal(values).await.map_err(refused)?))
    }

    /// A refusal as it is to be told: that the object has moved meanwhile, or what was refused.
    pub(crate) async fn refused(
        &self,
        kind: Kind,
        key: &Key,
        version: &str,
        refusal: &Refusal,
    ) -> Failed {
        if let Err(status) = self.settle(kind, At::Newest).await {
            return Failed::Status(status);
        }
        let now = self.current(kind, key).map_or(0, |served| served.version);
        if now.to_string() != version {
            return Failed::Moved;
        }
        Failed::Status(match refusal.code.as_str() {
            "COR0005" => Status::no_namespace(&key.namespace),
            "COR0006" => Status::terminating(kind, &key.name, &key.namespace),
            _ => Status::refused(kind, &key.name, refusal),
        })
    }

    /// Has a command that nothing goes with carried out, or asks what would come of it.
    pub(crate) async fn aimed(
        &self,
        aim: Aim,
        actor: &str,
        (kind, key): (Kind, &Key),
        command: Vec<u8>,
    ) -> Result<(), Refused> {
        match aim {
            Aim::Done => self.decided(actor, kind, key, command).await,
            Aim::Tried => self.tried(actor, kind, key, (command, vec![])).await,
        }
    }

    /// Sends a command in the name of an actor, and waits until what it led to is shown.
    pub(crate) async fn decided(
        &self,
        actor: &str,
        kind: Kind,
        key: &Key,
        command: Vec<u8>,
    ) -> Result<(), Refused> {
        let outcome = self.client_of(actor).command(&target(kind, key)?, command.into()).await;
        let Outcome { result, .. } = outcome.map_err(|why| Refused::Status(unanswered(&why)))?;
        let done = Position(carried_out(result)?.position);
        let shown = timeout(SHOWN, self.board.reached(done)).await;
        shown.map_err(|_| {
            let message = "Timeout: it is decided, the view of the log is behind";
            Refused::Status(Status::new(504, "Timeout", message))
        })
    }

    /// Asks what would come of a command in the name of an actor, given what goes with it.
    async fn tried(
        &self,
        actor: &str,
        kind: Kind,
        key: &Key,
        (command, beside): (Vec<u8>, Vec<u8>),
    ) -> Result<(), Refused> {
        let version = self.board.look(|view| view.version());
        let seen = Position(version / Position::OBJECTS_PER_COMMIT);
        let (to, client) = (target(kind, key)?, self.client_of(actor));
        let said = client.try_out(&to, command.into(), beside, seen).await;
        let said = said.map_err(|why| Refused::Status(unanswered(&why)))?;
        carried_out(Some(said)).map(drop)
    }

    fn client_of(&self, actor: &str) -> Client {
        self.source.client.of(Actor::new(actor))
    }

    /// An object as the view has it, as this version of its kind says it.
    pub(crate) fn current(&self, kind: Kind, key: &Key) -> Option<Arc<Served>> {
        let served = self.board_of(kind).look(|view| view.get(kind, key).cloned())?;
        match kind.said(&served.object) {
            Cow::Borrowed(_) => Some(served),
            Cow::Owned(object) => Some(Arc::new(Served::of(object))),
        }
    }
}

/// Whether the hub says no for what it lacks, not for what was asked.
fn is_of_the_hub(refusal: &Refusal) -> bool {
    ["CHS", "HUB"].iter().any(|of| refusal.code.starts_with(of))
}

/// The aggregate that decides on an object.
fn target(kind: Kind, key: &Key) -> Result<AggregateId, Refused> {
    let service = kind.0.service.ok_or_else(|| Refused::Status(Status::no_such_path()))?;
    Ok(AggregateId {
        service,
        kind: kind.0.token.to_owned(),
        scope: Some(key.namespace.clone()).filter(|_| kind.0.namespaced),
        name: key.name.clone(),
    })
}

fn carried_out(result: Option<outcome::Result>) -> Result<Accomplished, Refused> {
    match result {
        Some(outcome::Result::Accomplished(done)) => Ok(done),
        Some(outcome::Result::Refused(refusal)) => Err(Refused::Domain(refusal)),
        None => {
            let message = "Internal error occurred: the outcome is of a later version";
            Err(Refused::Status(Status::new(500, "InternalError", message)))
        }
    }
}
