//! Writes: each becomes a command to the service that decides on the kind, in the name of who asks,
//! and is answered once the view has come to what was decided.

use crate::Gateway;
use crate::read::{key_of, one, selects, unanswered};
use crate::requests::Asked;
use crate::respond::{Body, document, warn};
use fleetlog_bus::Client;
use fleetlog_gateway_domain::{
    At, Checked, Form, Key, Kind, PatchKind, Served, Status, Way, WriteOptions, body, created,
    is_unchanged, list, named, patched, updated, write,
};
use fleetlog_kernel::{Actor, Position};
use fleetlog_messages::common::{Outcome, outcome};
use fleetlog_messages::subject::AggregateId;
use fleetlog_objects::{Applying, How, apply, delete, strip_served};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// How often a patch without a version is tried on newer states.
const TRIES: usize = 10;
/// How long a write may wait for the view after it is decided.
const SHOWN: Duration = Duration::from_secs(10);

/// Why a command was not carried out.
enum Failed {
    /// The object is not at the version that it should stand at.
    Moved,
    /// Something else.
    Status(Status),
}

impl Gateway {
    pub(crate) async fn create(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = write(asked.query)?;
        let namespace = asked.place.namespace.as_deref();
        if asked.kind.0.namespaced && namespace.is_none() {
            return Err(Status::not_allowed("create", asked.kind.0.kind));
        }
        let (mut given, twice) = body(asked.body, asked.content_type)?;
        let [a, b, c, d, e, ..] = self.ids.number().to_be_bytes();
        named(&mut given, &[a, b, c, d, e]);
        let made = created(asked.kind, namespace, (given, twice), options.unknown)?;
        let key = Key::of(&made.object);
        self.settle(At::Newest).await?;
        if self.current(asked.kind, &key).is_some() {
            return Err(Status::exists(asked.kind, &key.name));
        }
        if options.dry_run {
            return answered(self, asked, 201, &made.object, &made.warnings);
        }
        let none = Position::START.resource_version(0);
        match self.send(asked, &key, &made.object, none).await {
            Ok(object) => answered(self, asked, 201, &object, &made.warnings),
            Err(Failed::Moved) => Err(Status::exists(asked.kind, &key.name)),
            Err(Failed::Status(status)) => Err(status),
        }
    }

    pub(crate) async fn update(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = write(asked.query)?;
        let given = body(asked.body, asked.content_type)?;
        let key = key_of(asked);
        self.settle(At::Newest).await?;
        let current = self.current(asked.kind, &key);
        let current = current.ok_or_else(|| Status::not_found(asked.kind, &key.name))?;
        let how = (Way::Put, asked.place.subresource.is_some());
        let after = updated(asked.kind, &current.object, given, options.unknown, how)?;
        self.change(asked, &current, after, options).await.map_err(|failed| match failed {
            Failed::Moved => Status::conflict(asked.kind, &key.name),
            Failed::Status(status) => status,
        })
    }

    pub(crate) async fn patch(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let (options, kind) = (write(asked.query)?, PatchKind::of(asked.content_type)?);
        let key = key_of(asked);
        let mut tries = 0;
        loop {
            self.settle(At::Newest).await?;
            let current = self.current(asked.kind, &key);
            let current = current.ok_or_else(|| Status::not_found(asked.kind, &key.name))?;
            let after = patched(kind, &current.object, asked.body)?;
            let how = (Way::Patch, asked.place.subresource.is_some());
            let given = (after, vec![]);
            let after = updated(asked.kind, &current.object, given, options.unknown, how)?;
            tries += 1;
            match self.change(asked, &current, after, options).await {
                Ok(response) => return Ok(response),
                Err(Failed::Moved) if tries < TRIES => {}
                Err(Failed::Moved) => return Err(Status::conflict(asked.kind, &key.name)),
                Err(Failed::Status(status)) => return Err(status),
            }
        }
    }

    async fn change(
        &self,
        asked: &Asked<'_>,
        current: &Arc<Served>,
        after: Checked,
        options: WriteOptions,
    ) -> Result<Response<Body>, Failed> {
        let Checked { object, warnings } = after;
        let shown = if options.dry_run || is_unchanged(&current.object, &object) {
            object
        } else {
            self.send(asked, &key_of(asked), &object, current.version.to_string()).await?
        };
        answered(self, asked, 200, &shown, &warnings).map_err(Failed::Status)
    }

    pub(crate) async fn delete(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let key = key_of(asked);
        self.settle(At::Newest).await?;
        let current = self.current(asked.kind, &key);
        let current = current.ok_or_else(|| Status::not_found(asked.kind, &key.name))?;
        let options = deletion(asked)?;
        preconditions(asked, &options, &current)?;
        let dry_run = options.dry_run;
        let left = if dry_run { None } else { self.remove(asked, &key).await? };
        let terminating = |served: &Arc<Served>| served.object["metadata"]["uid"] == *uid(&current);
        match left.filter(terminating) {
            Some(left) => one(asked, 200, &left.object, self.clock.now()),
            None => Ok(document(200, Form::Json, &deleted(asked.kind, &current))),
        }
    }

    pub(crate) async fn delete_all(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = list(asked.query)?;
        let deletion = deletion(asked)?;
        self.settle(At::Newest).await?;
        let namespace = asked.place.namespace.as_deref();
        let all = self.board.look(|view| view.list(asked.kind, namespace));
        let mut items = vec![];
        for (key, served) in all {
            if selects(&options.labels, &options.fields, &served.object) {
                preconditions(asked, &deletion, &served)?;
                let removed = match deletion.dry_run {
                    true => Ok(None),
                    false => self.remove(asked, &key).await,
                };
                match removed {
                    // Somebody else was quicker.
                    Err(status) if status.code == 404 => continue,
                    removed => removed?,
                };
                items.push(served.object.clone());
            }
        }
        let version = self.board.look(|view| view.version()).to_string();
        let info = asked.kind.0;
        let list = json!({
            "kind": format!("{}List", info.kind), "apiVersion": info.api_version(),
            "metadata": { "resourceVersion": version }, "items": items,
        });
        Ok(document(200, Form::Json, &list))
    }

    /// Has an object removed; answers what is left of it.
    async fn remove(&self, asked: &Asked<'_>, key: &Key) -> Result<Option<Arc<Served>>, Status> {
        let not_written = |_| Status::not_allowed("delete", asked.kind.0.kind);
        let command = delete(asked.kind.0).map_err(not_written)?;
        let refusal = match self.command(asked, key, command).await {
            Ok(()) => return Ok(self.current(asked.kind, key)),
            Err(Refused::Status(status)) => return Err(status),
            Err(Refused::Domain(refusal)) => refusal,
        };
        self.settle(At::Newest).await?;
        Err(match self.current(asked.kind, key) {
            None => Status::not_found(asked.kind, &key.name),
            Some(_) => Status::refused(asked.kind, &key.name, &refusal),
        })
    }

    /// Has an object applied that should stand at `version`; answers it as it is then.
    async fn send(
        &self,
        asked: &Asked<'_>,
        key: &Key,
        object: &Value,
        version: String,
    ) -> Result<Value, Failed> {
        let mut given = object.clone();
        let managed = given["metadata"]["managedFields"].take();
        strip_served(&mut given);
        if managed.is_array() {
            given["metadata"]["managedFields"] = managed;
        }
        let how = How { resource_version: version.clone(), replace_metadata: true };
        let unsendable = |why: fleetlog_objects::NoCommand| {
            Failed::Status(Status::new(422, "Invalid", why.to_string()).of(asked.kind, &key.name))
        };
        let Applying { command, bundle } = apply(asked.kind.0, given, &how).map_err(unsendable)?;
        let client = self.client_of(asked);
        if let Some(bundle) = bundle {
            let put = client.put_blob(bundle.into()).await;
            put.map_err(|why| Failed::Status(unanswered(&why)))?;
        }
        match self.command(asked, key, command).await {
            Ok(()) => {}
            Err(Refused::Status(status)) => return Err(Failed::Status(status)),
            Err(Refused::Domain(refusal)) => {
                self.settle(At::Newest).await.map_err(Failed::Status)?;
                let now = self.current(asked.kind, key).map_or(0, |served| served.version);
                if now.to_string() != version {
                    return Err(Failed::Moved);
                }
                let status = Status::refused(asked.kind, &key.name, &refusal);
                return Err(Failed::Status(status));
            }
        }
        let gone = || Failed::Status(Status::not_found(asked.kind, &key.name));
        Ok(self.current(asked.kind, key).ok_or_else(gone)?.object.clone())
    }

    /// Sends a command in the name of who asks, and waits until what it led to is shown.
    async fn command(&self, asked: &Asked<'_>, key: &Key, command: Vec<u8>) -> Result<(), Refused> {
        let Some(service) = asked.kind.0.service else {
            return Err(Refused::Status(Status::no_such_path()));
        };
        let to = AggregateId {
            service,
            kind: asked.kind.0.token.to_owned(),
            scope: Some(key.namespace.clone()).filter(|_| asked.kind.0.namespaced),
            name: key.name.clone(),
        };
        let outcome = self.client_of(asked).command(&to, command.into()).await;
        let Outcome { result, .. } = outcome.map_err(|why| Refused::Status(unanswered(&why)))?;
        let done = match result {
            Some(outcome::Result::Accomplished(done)) => Position(done.position),
            Some(outcome::Result::Refused(refusal)) => return Err(Refused::Domain(refusal)),
            None => {
                let message = "Internal error occurred: the outcome is of a later version";
                return Err(Refused::Status(Status::new(500, "InternalError", message)));
            }
        };
        let shown = timeout(SHOWN, self.board.reached(done)).await;
        shown.map_err(|_| {
            let message = "Timeout: it is decided, the view of the log is behind";
            Refused::Status(Status::new(504, "Timeout", message))
        })
    }

    fn client_of(&self, asked: &Asked<'_>) -> Client {
        self.source.client.of(Actor::new(asked.who.user.clone()))
    }

    fn current(&self, kind: Kind, key: &Key) -> Option<Arc<Served>> {
        self.board.look(|view| view.get(kind, key).cloned())
    }
}

/// Why a command has no good outcome.
enum Refused {
    Domain(fleetlog_messages::common::Refusal),
    Status(Status),
}

fn answered(
    gateway: &Gateway,
    asked: &Asked<'_>,
    code: u16,
    object: &Value,
    warnings: &[String],
) -> Result<Response<Body>, Status> {
    let mut response = one(asked, code, object, gateway.clock.now())?;
    warn(&mut response, warnings);
    Ok(response)
}

fn uid(served: &Served) -> &Value {
    &served.object["metadata"]["uid"]
}

/// How a deletion is meant: by its body, or by its parameters.
struct Deletion {
    dry_run: bool,
    preconditions: Value,
}

/// Reads it. What dependants are to become is the services' to say: another policy is refused.
fn deletion(asked: &Asked<'_>) -> Result<Deletion, Status> {
    let by_query = write(asked.query)?.dry_run;
    let mut options = match asked.body.is_empty() {
        true => Value::Null,
        false => body(asked.body, asked.content_type)?.0,
    };
    let by_body = match &options["dryRun"] {
        Value::Null => false,
        Value::Array(all) if all.is_empty() => false,
        Value::Array(all) if *all == [json!("All")] => true,
        other => {
            return Err(Status::invalid_options("dryRun", &format!("Unsupported value: {other}")));
        }
    };
    let policy = options["propagationPolicy"].as_str().unwrap_or("Background");
    let other = asked.query.contains("propagationPolicy=")
        && !asked.query.contains("propagationPolicy=Background");
    if policy != "Background" || other || options["orphanDependents"] == json!(true) {
        let words = "Unsupported value: supported values: \"Background\"";
        return Err(Status::invalid_options("propagationPolicy", words));
    }
    let preconditions = options["preconditions"].take();
    Ok(Deletion { dry_run: by_query || by_body, preconditions })
}

/// Refuses where a deletion names another incarnation or version.
fn preconditions(asked: &Asked<'_>, given: &Deletion, current: &Served) -> Result<(), Status> {
    for field in ["uid", "resourceVersion"] {
        let wanted = given.preconditions.get(field).unwrap_or(&Value::Null);
        let stands = &current.object["metadata"][field];
        if !wanted.is_null() && wanted != stands {
            let name = current.object["metadata"]["name"].as_str().unwrap_or_default();
            let message = format!(
                "Precondition failed: {field} in precondition: {wanted}, in object meta: {stands}"
            );
            return Err(Status::new(409, "Conflict", message).of(asked.kind, name));
        }
    }
    Ok(())
}

/// That an object is gone; `kind` holds the plural, as clients expect.
fn deleted(kind: Kind, last: &Served) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": last.object["metadata"]["name"], "group": kind.0.group,
            "kind": kind.0.plural, "uid": last.object["metadata"]["uid"],
        },
    })
}
