//! Deletions: of one object, or of all that a selector means.

use crate::Gateway;
use crate::commands::{Aim, Failed, Refused};
use crate::read::{item, key_of, one, selects};
use crate::requests::Asked;
use crate::respond::{Body, document};
use fleetlog_gateway_domain::{At, Form, Key, Kind, Served, Status, Taken, body, list, write};
use fleetlog_objects::delete;
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

impl Gateway {
    pub(crate) async fn delete(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let key = key_of(asked);
        self.settle(asked.kind, At::Newest).await?;
        let current = self.current(asked.kind, &key);
        let current = current.ok_or_else(|| Status::not_found(asked.kind, &key.name))?;
        let options = deletion(asked)?;
        preconditions(asked, &options, &current)?;
        let left = self.remove(asked, &key, &current, options.aim).await?;
        let same = |served: &Arc<Served>| served.object["metadata"]["uid"] == *uid(&current);
        match left.filter(same) {
            Some(left) => one(asked, 200, &left.object, self.clock.now()),
            None => Ok(document(200, Form::Json, &deleted(asked.kind, &current))),
        }
    }

    pub(crate) async fn delete_all(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = list(asked.query, asked.kind)?;
        let deletion = deletion(asked)?;
        self.settle(asked.kind, At::Newest).await?;
        let namespace = asked.place.namespace.as_deref();
        let all = self.board_of(asked.kind).look(|view| view.list(asked.kind, namespace));
        let mut items = vec![];
        for (key, served) in all {
            if !selects(&options.labels, &options.fields, &served.object) {
                continue;
            }
            preconditions(asked, &deletion, &served)?;
            match self.remove(asked, &key, &served, deletion.aim).await {
                // Somebody else was quicker.
                Err(status) if status.code == 404 => continue,
                removed => removed?,
            };
            items.push(item(asked.kind, &asked.kind.said(&served.object)));
        }
        let version = self.board_of(asked.kind).look(|view| view.version()).to_string();
        let info = asked.kind.0;
        let list = json!({
            "kind": format!("{}List", info.kind), "apiVersion": info.api_version(),
            "metadata": { "resourceVersion": version }, "items": items,
        });
        Ok(document(200, Form::Json, &list))
    }

    /// Has this incarnation of an object removed; answers what is left of it, and nothing where it
    /// is only tried.
    async fn remove(
        &self,
        asked: &Asked<'_>,
        key: &Key,
        current: &Served,
        aim: Aim,
    ) -> Result<Option<Arc<Served>>, Status> {
        if let Some(lane) = self.lane(asked.kind) {
            if aim == Aim::Tried {
                return Ok(None);
            }
            return self.let_go(lane, (asked.kind, key), current).await.map_err(
                |failed| match failed {
                    Failed::Moved => Status::conflict(asked.kind, &key.name),
                    Failed::Status(status) => status,
                },
            );
        }
        let not_written = |_| Status::not_allowed("delete", asked.kind.0.kind);
        let uid = uid(current).as_str().unwrap_or_default();
        let command = delete(asked.kind.0, uid).map_err(not_written)?;
        let answered = self.aimed(aim, &asked.who.actor(), (asked.kind, key), command).await;
        let refusal = match answered {
            Ok(()) => return Ok(self.current(asked.kind, key).filter(|_| aim == Aim::Done)),
            Err(Refused::Status(status)) => return Err(status),
            Err(Refused::Domain(refusal)) => refusal,
        };
        self.settle(asked.kind, At::Newest).await?;
        Err(match self.current(asked.kind, key) {
            None => Status::not_found(asked.kind, &key.name),
            Some(_) => Status::refused(asked.kind, &key.name, &refusal),
        })
    }
}

fn uid(served: &Served) -> &Value {
    &served.object["metadata"]["uid"]
}

/// How a deletion is meant: by its body, or by its parameters.
struct Deletion {
    aim: Aim,
    preconditions: Value,
}

/// Reads it. What dependants are to become is the services' to say: another policy is refused.
fn deletion(asked: &Asked<'_>) -> Result<Deletion, Status> {
    let by_query = write(asked.query)?.dry_run;
    let mut options = match asked.body.is_empty() {
        true => Value::Null,
        false => body(asked.body, asked.content_type, Taken::Binary)?.0,
    };
    if !options.is_object() && !options.is_null() {
        return Err(Status::bad("the body is no DeleteOptions"));
    }
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
    Ok(Deletion { aim: Aim::of(by_query || by_body), preconditions })
}

/// Refuses where a deletion names another incarnation or version.
fn preconditions(asked: &Asked<'_>, given: &Deletion, current: &Served) -> Result<(), Status> {
    for field in ["uid", "resourceVersion"] {
        let wanted = given.preconditions.get(field).unwrap_or(&Value::Null);
        let stands = &current.object["metadata"][field];
        if !wanted.is_null() && wanted != stands {
            let name = current.object["metadata"]["name"].as_str().unwrap_or_default();
            let (wanted, stands) =
                (wanted.as_str().unwrap_or_default(), stands.as_str().unwrap_or_default());
            let (told, why) = match field {
                "uid" => ("UID", "deleted and then recreated"),
                _ => ("ResourceVersion", "modified"),
            };
            let info = asked.kind.0;
            let message = format!(
                "Operation cannot be fulfilled on {} \"{name}\": the {told} in the precondition \
                 ({wanted}) does not match the {told} in record ({stands}). The object might have \
                 been {why}",
                info.in_group(info.kind)
            );
            let about = Some(Box::new([name, info.group, info.kind].map(str::to_owned)));
            return Err(Status { about, ..Status::new(409, "Conflict", message) });
        }
    }
    Ok(())
}

/// That an object is gone; `kind` holds the plural, as clients expect.
fn deleted(kind: Kind, last: &Served) -> Value {
    let mut gone = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": last.object["metadata"]["name"], "kind": kind.0.plural,
            "uid": last.object["metadata"]["uid"],
        },
    });
    if !kind.0.group.is_empty() {
        gone["details"]["group"] = json!(kind.0.group);
    }
    gone
}
