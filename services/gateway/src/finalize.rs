//! What a namespace waits for before it goes: a part of it with a path of its own (spec/gateway
//! 5.7). What the hub itself waits for, core keeps.

use crate::Gateway;
use crate::commands::{Aim, Failed, Refused};
use crate::read::{key_of, one};
use crate::requests::Asked;
use crate::respond::{Body, warn};
use fleetlog_gateway_domain::{At, Status, Taken, Way, body, updated, write};
use fleetlog_objects::finalize;
use http::Response;
use serde_json::{Value, json};

impl Gateway {
    /// Replaces `spec.finalizers`; of the rest of the body only what it was read as is heeded.
    pub(crate) async fn finalize(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = write(asked.query)?;
        let given = body(asked.body, asked.content_type, Taken::of(asked.kind))?;
        let wanted = finalizers(&given.0)?;
        let read_as =
            given.0["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let (kind, key) = (asked.kind, key_of(asked));
        self.settle(kind, At::Newest).await?;
        let current = self.current(kind, &key);
        let current = current.ok_or_else(|| Status::not_found(kind, &key.name))?;
        let checked = updated(kind, &current.object, given, options.unknown, (Way::Put, true))?;
        let mut shown = current.object.clone();
        shown["spec"]["finalizers"] = json!(wanted);
        let (version, aim) = (current.version.to_string(), Aim::of(options.dry_run));
        let command = finalize(wanted, read_as);
        match self.aimed(aim, &asked.who.actor(), (kind, &key), command).await {
            Ok(()) => {}
            Err(Refused::Status(status)) => return Err(status),
            Err(Refused::Domain(refusal)) => {
                return Err(match self.refused(kind, &key, &version, &refusal).await {
                    Failed::Moved => Status::conflict(kind, &key.name),
                    Failed::Status(status) => status,
                });
            }
        }
        if aim == Aim::Done {
            let uid = &current.object["metadata"]["uid"];
            let left = self.current(kind, &key).filter(|now| now.object["metadata"]["uid"] == *uid);
            // One that went is answered as it was then.
            shown = left.map_or(shown, |left| left.object.clone());
        }
        let mut response = one(asked, 200, &shown, self.clock.now())?;
        warn(&mut response, &checked.warnings);
        Ok(response)
    }
}

fn finalizers(given: &Value) -> Result<Vec<String>, Status> {
    let unreadable = || Status::bad("\"spec.finalizers\" is no list of texts");
    match given.pointer("/spec/finalizers") {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::Array(all)) => {
            let text = |one: &Value| one.as_str().map(str::to_owned).ok_or_else(unreadable);
            all.iter().map(text).collect()
        }
        Some(_) => Err(unreadable()),
    }
}
