//! Writes: what is there, what it is to become, whether that may be, and the command for it.

use crate::Gateway;
use crate::commands::{Aim, Failed};
use crate::read::{key_of, one};
use crate::requests::{Asked, ask};
use crate::respond::{Body, warn};
use fleetlog_gateway_domain::{
    At, Caller, Checked, Key, Kind, PatchKind, Served, Status, Taken, Way, WriteOptions, admit,
    body, created, find, foreseen, is_unchanged, named, patched, updated, write,
};
use fleetlog_kernel::Position;
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// How often a name is generated anew that is taken.
const CHANCES: usize = 8;
/// How often a patch without a version is tried on newer states.
const TRIES: usize = 10;
impl Gateway {
    pub(crate) async fn create(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = write(asked.query)?;
        let namespace = asked.place.namespace.as_deref();
        if asked.kind.0.namespaced && namespace.is_none() {
            return Err(Status::not_allowed("create", asked.kind.0.kind));
        }
        let (given, twice) = body(asked.body, asked.content_type, Taken::of(asked.kind))?;
        let mut tries = 0;
        loop {
            let mut given = given.clone();
            let [a, b, c, d, e, ..] = self.ids.number().to_be_bytes();
            let generated = named(&mut given, &[a, b, c, d, e]);
            let made = created(asked.kind, namespace, (given, twice.clone()), options.unknown)?;
            tries += 1;
            match self.add(asked, made, options).await {
                // Chance has met a name that there is.
                Err(status) if generated && status.reason == "AlreadyExists" => {
                    if tries >= CHANCES {
                        return Err(Status { retry_after: 1, ..status });
                    }
                }
                answered => return answered,
            }
        }
    }

    /// Makes an object that is well-formed.
    async fn add(
        &self,
        asked: &Asked<'_>,
        mut made: Checked,
        options: WriteOptions,
    ) -> Result<Response<Body>, Status> {
        let key = Key::of(&made.object);
        self.settle(asked.kind, At::Newest).await?;
        if let Some(there) = self.current(asked.kind, &key) {
            let exists = Status::exists(asked.kind, &key.name);
            return Err(match there.object["metadata"]["deletionTimestamp"].is_null() {
                true => exists,
                false => {
                    let message = format!("object is being deleted: {}", exists.message);
                    Status { message, ..exists }
                }
            });
        }
        self.placed(asked.kind, &key)?;
        if asked.kind.0.kind == "CertificateSigningRequest" {
            requested(&mut made.object, &asked.who.caller);
        }
        self.admitted(asked, None, &made.object)?;
        let none = Position::START.resource_version(0);
        match self.send(asked, &key, &made.object, (none, Aim::of(options.dry_run))).await {
            Ok(_) if options.dry_run => {
                let new = (self.ids.command(), self.clock.now());
                let object = foreseen(asked.kind, None, made.object, (new.0.as_str(), new.1));
                answered(self, asked, 201, &object, &made.warnings)
            }
            Ok(object) => answered(self, asked, 201, &object, &made.warnings),
            Err(Failed::Moved) => Err(Status::exists(asked.kind, &key.name)),
            Err(Failed::Status(status)) => Err(status),
        }
    }

    /// Refuses a new object whose namespace is not there, or is going. What lies in a namespace
    /// that nobody made was put there by other ways; more may lie there.
    fn placed(&self, kind: Kind, key: &Key) -> Result<(), Status> {
        let Some(namespaces) = find("", "v1", "namespaces").filter(|_| kind.0.namespaced) else {
            return Ok(());
        };
        let name = key.namespace.clone();
        let place = Key { namespace: String::new(), name };
        let (found, inhabited) = self.board.look(|view| {
            (view.get(namespaces, &place).cloned(), view.is_inhabited(&key.namespace))
        });
        let clusters = find("cluster.open-cluster-management.io", "v1", "managedclusters");
        match found {
            Some(found) if found.object["metadata"]["deletionTimestamp"].is_null() => Ok(()),
            Some(_) => Err(Status::terminating(kind, &key.name, &key.namespace)),
            None if inhabited && !kind.is_plain() => Ok(()),
            None if clusters.is_some_and(|kind| self.current(kind, &place).is_some())
                && !kind.is_plain() =>
            {
                Ok(())
            }
            None => Err(Status::no_namespace(&key.namespace)),
        }
    }

    /// Refuses what the caller lacks a right for beside that to the object.
    fn admitted(
        &self,
        asked: &Asked<'_>,
        before: Option<&Value>,
        after: &Value,
    ) -> Result<(), Status> {
        let caller = &asked.who.caller;
        self.board.access(|access| admit(access, caller, asked.kind, before, after))
    }

    /// Refuses to make an object by an update for who may only update what is there.
    fn may_make(&self, asked: &Asked<'_>, key: &Key) -> Result<(), Status> {
        let caller = &asked.who.caller;
        let ask = ask(asked.place, "create", key.name.clone());
        let rule = self.board.access(|access| access.allows(caller, &ask).is_some());
        rule.then_some(()).ok_or_else(|| Status::forbidden(&caller.user, "create", asked.place))
    }

    pub(crate) async fn update(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = write(asked.query)?;
        let given = body(asked.body, asked.content_type, Taken::of(asked.kind))?;
        let key = key_of(asked);
        let part = asked.place.subresource.is_some();
        self.settle(asked.kind, At::Newest).await?;
        let Some(current) = self.current(asked.kind, &key) else {
            if part || !asked.kind.is_put_into_being() {
                return Err(Status::not_found(asked.kind, &key.name));
            }
            self.may_make(asked, &key)?;
            let namespace = asked.place.namespace.as_deref();
            let made = created(asked.kind, namespace, given, options.unknown)?;
            let name = made.object["metadata"]["name"].as_str().unwrap_or_default();
            if name != key.name {
                let message = format!(
                    "the name of the object ({name}) does not match the name on the URL ({})",
                    key.name
                );
                return Err(Status::bad(message));
            }
            return self.add(asked, made, options).await;
        };
        let how = (Way::Put, part);
        let after = updated(asked.kind, &current.object, given, options.unknown, how)?;
        self.change(asked, &current, after, options).await.map_err(|failed| match failed {
            Failed::Moved => Status::conflict(asked.kind, &key.name),
            Failed::Status(status) => status,
        })
    }

    pub(crate) async fn patch(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let (options, kind) = (write(asked.query)?, PatchKind::of(asked.kind, asked.content_type)?);
        let key = key_of(asked);
        let queue = self.turns.of(asked.kind, &key);
        let _turn = queue.lock().await;
        let mut tries = 0;
        loop {
            self.settle(asked.kind, At::Newest).await?;
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
        let admitted = self.admitted(asked, Some(&current.object), &object);
        admitted.map_err(Failed::Status)?;
        let how = (current.version.to_string(), Aim::of(options.dry_run));
        let sent = match is_unchanged(&current.object, &object) {
            true => object.clone(),
            false => self.send(asked, &key_of(asked), &object, how).await?,
        };
        let shown = if options.dry_run {
            let none = ("", self.clock.now());
            foreseen(asked.kind, Some(&current.object), object, none)
        } else {
            sent
        };
        answered(self, asked, 200, &shown, &warnings).map_err(Failed::Status)
    }
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

/// Who asks for a certificate is the hub's to say, whatever the request says.
fn requested(object: &mut Value, caller: &Caller) {
    let Some(spec) = object["spec"].as_object_mut() else { return };
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    spec.insert("username".to_owned(), json!(caller.user));
    spec.insert("groups".to_owned(), json!(caller.groups));
    if !caller.uid.is_empty() {
        spec.insert("uid".to_owned(), json!(caller.uid));
    }
    if !caller.extra.is_empty() {
        spec.insert("extra".to_owned(), json!(caller.extra));
    }
}
