//! Reads: one object, or a list in pages, in the form that was asked for, not older than was asked.

use crate::Gateway;
use crate::requests::Asked;
use crate::respond::{Body, complete, document};
use fleetlog_bus::ClientError;
use fleetlog_gateway_domain::{
    At, Fields, Form, Include, Key, Kind, ListOptions, Served, Status, Token, View, list, partial,
    table_of, table_text,
};
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_rules::labels::{Labels, Selector};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// How long an answer that is not new enough may be waited for.
const WAIT: Duration = Duration::from_secs(3);

impl Gateway {
    pub(crate) async fn get(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = list(asked.query, asked.kind)?;
        self.settle(asked.kind, options.at).await?;
        let key = key_of(asked);
        let found = self.current(asked.kind, &key).map(|found| found.object.clone());
        let found = match found {
            Some(found) => Some(found),
            None => self.first_heartbeat(asked, &key).await,
        };
        let found = found.ok_or_else(|| Status::not_found(asked.kind, &key.name))?;
        one(asked, 200, &found, self.clock.now())
    }

    pub(crate) async fn list(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = list(asked.query, asked.kind)?;
        let (version, found) = self.found(asked, &options).await?;
        let selects =
            |served: &Arc<Served>| selects(&options.labels, &options.fields, &served.object);
        let mut chosen = found.into_iter().filter(|(_, served)| selects(served));
        let limit = options.limit.unwrap_or(usize::MAX);
        let page: Vec<(Key, Arc<Served>)> = chosen.by_ref().take(limit).collect();
        let left = chosen.count();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let Some((last, _)) = page.last().filter(|_| left > 0) {
            metadata["continue"] = json!(Token::new(version, last).text());
            if options.labels.is_empty() && options.fields == Fields::default() {
                metadata["remainingItemCount"] = json!(left);
            }
        }
        many(asked, &page, &metadata, self.clock.now())
    }

    /// What a list is of, and the resource version of that.
    async fn found(
        &self,
        asked: &Asked<'_>,
        options: &ListOptions,
    ) -> Result<(u64, Vec<(Key, Arc<Served>)>), Status> {
        let (kind, namespace) = (asked.kind, asked.place.namespace.as_deref());
        let from = options.from.as_ref();
        let exact = from.map(|token| token.rv).or(match options.at {
            At::Exact(version) => Some(version),
            _ => None,
        });
        let Some(version) = exact else {
            self.settle(asked.kind, options.at).await?;
            let board = self.board_of(kind);
            return Ok(board.look(|view| (view.version(), view.list(kind, namespace))));
        };
        self.settle(kind, At::NotOlder(version)).await?;
        let held = self.board_of(kind).look(|view| view.list_at(kind, namespace, version));
        let mut found = match held {
            Some(found) => found,
            None if self.lane(kind).is_some() => return Err(self.expired(kind, version, from)),
            None => self.past(kind, namespace, version).await?,
        };
        if let Some(token) = from {
            let last = token.last();
            found.retain(|(key, _)| *key > last);
        }
        Ok((version, found))
    }

    /// That what passed is not held any more; a list goes on from the newest state after the last
    /// key that it gave.
    fn expired(&self, kind: Kind, version: u64, from: Option<&Token>) -> Status {
        let newest = self.board_of(kind).look(View::version);
        let resume = from.map(|token| Token::new(newest, &token.last()).text());
        let message = format!("too old resource version: {version} ({newest})");
        Status { resume: resume.unwrap_or_default(), ..Status::expired(message) }
    }

    /// Objects as they were before anything that is held: the services ask the log.
    async fn past(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        version: u64,
    ) -> Result<Vec<(Key, Arc<Served>)>, Status> {
        let objects = self
            .source
            .past(kind, (namespace, None), version)
            .await
            .map_err(|why| unanswered(&why))?;
        let mut found: Vec<(Key, Arc<Served>)> = objects
            .into_iter()
            .map(|object| (Key::of(&object), Arc::new(Served::of(object))))
            .filter(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    /// Waits until the view of a kind is as new as was asked.
    pub(crate) async fn settle(&self, kind: Kind, at: At) -> Result<(), Status> {
        let board = self.board_of(kind);
        let wanted = match at {
            At::Any => return Ok(()),
            At::Newest => {
                let end = match self.lane(kind) {
                    Some(lane) => lane.end().await,
                    None => self.source.end().await,
                };
                end.map_err(|fault| unanswered(&ClientError::Fault(fault)))?
            }
            At::NotOlder(version) | At::Exact(version) => {
                Position(version / Position::OBJECTS_PER_COMMIT)
            }
        };
        let reached = timeout(WAIT, board.reached(wanted)).await;
        reached.map_err(|_| match at {
            At::NotOlder(version) | At::Exact(version) => {
                Status::too_large(version, board.look(View::version))
            }
            At::Any | At::Newest => {
                let message = "Timeout: the view of the log is behind, ask again";
                Status { retry_after: 1, ..Status::new(504, "Timeout", message) }
            }
        })
    }
}

/// The key that a path names.
pub(crate) fn key_of(asked: &Asked<'_>) -> Key {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Key { namespace: text(&asked.place.namespace), name: text(&asked.place.name) }
}

/// Whether an object is meant by both selectors.
pub(crate) fn selects(labels: &Selector, fields: &Fields, object: &Value) -> bool {
    if !fields.matches(object) {
        return false;
    }
    if labels.is_empty() {
        return true;
    }
    let given = object["metadata"]["labels"].as_object();
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let given: Labels = given.into_iter().flatten().filter_map(text).collect();
    labels.matches(&given)
}

/// One object in the form that was asked for.
pub(crate) fn one(
    asked: &Asked<'_>,
    code: u16,
    object: &Value,
    now: Timestamp,
) -> Result<Response<Body>, Status> {
    let object = &*asked.kind.said(object);
    let shown = match asked.form {
        Form::Json | Form::Yaml => object.clone(),
        Form::Metadata => partial(object),
        Form::Table(version) => {
            let how = (version, Include::of(asked.query)?);
            let mut table = table_of(asked.kind, [object], how, true, now);
            let version = object["metadata"].get("resourceVersion");
            table["metadata"] =
                version.map_or_else(|| json!({}), |v| json!({ "resourceVersion": v }));
            table
        }
    };
    Ok(document(code, asked.form, &shown))
}

/// An object as one of a list: those of Kubernetes' own kinds say their kind once, in the list.
pub(crate) fn item(kind: Kind, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut().filter(|_| kind.is_built_in()) {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

/// A list in the form that was asked for.
fn many(
    asked: &Asked<'_>,
    page: &[(Key, Arc<Served>)],
    metadata: &Value,
    now: Timestamp,
) -> Result<Response<Body>, Status> {
    // As they are kept they are written already.
    let is_kept = asked.kind.kept() == asked.kind && !asked.kind.is_built_in();
    if asked.form == Form::Json && is_kept {
        return Ok(complete(200, "application/json", joined(asked, page, metadata)));
    }
    let said: Vec<_> = page.iter().map(|(_, one)| asked.kind.said(&one.object)).collect();
    let objects = said.iter().map(|object| &**object);
    let listed = |kind: String, version: &str, items: Value| {
        json!({
            "kind": kind, "apiVersion": version, "metadata": metadata, "items": items,
        })
    };
    let info = asked.kind.0;
    let shown = match asked.form {
        Form::Json | Form::Yaml => {
            let items = objects.map(|object| item(asked.kind, object)).collect();
            listed(format!("{}List", info.kind), &info.api_version(), items)
        }
        Form::Metadata => {
            let items = objects.map(partial).collect();
            listed("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1", items)
        }
        Form::Table(version) => {
            let how = (version, Include::of(asked.query)?);
            let table = table_text(asked.kind, objects, how, metadata, now);
            return Ok(complete(200, "application/json", table));
        }
    };
    Ok(document(200, asked.form, &shown))
}

/// A list as JSON, of what each object is as JSON.
fn joined(asked: &Asked<'_>, page: &[(Key, Arc<Served>)], metadata: &Value) -> String {
    let info = asked.kind.0;
    let (kind, version) = (json!(format!("{}List", info.kind)), json!(info.api_version()));
    let head = format!(r#"{{"kind":{kind},"apiVersion":{version},"metadata":{metadata},"items":["#);
    let size: usize = page.iter().map(|(_, served)| served.json().len() + 1).sum();
    let mut list = String::with_capacity(head.len() + size + 2);
    list.push_str(&head);
    for (number, (_, served)) in page.iter().enumerate() {
        if number > 0 {
            list.push(',');
        }
        list.push_str(served.json());
    }
    list.push_str("]}");
    list
}

/// That a service does not answer.
pub(crate) fn unanswered(why: &ClientError) -> Status {
    match why {
        // What the chassis refuses passes: it is behind, stopping, or has too much to do.
        ClientError::Refused(refusal) if refusal.code.starts_with("CHS") => {
            let message = format!("{}: {}", refusal.code, refusal.sentence);
            Status { retry_after: 1, ..Status::new(503, "ServiceUnavailable", message) }
        }
        ClientError::Refused(refusal) => {
            Status::bad(format!("{}: {} ({})", refusal.code, refusal.sentence, refusal.advice))
        }
        ClientError::TooLarge { .. } | ClientError::TooMuch { .. } => {
            Status::new(413, "RequestEntityTooLarge", format!("Request entity too large: {why}"))
        }
        ClientError::NobodyThere(_) | ClientError::Fault(_) => {
            Status { retry_after: 1, ..Status::new(503, "ServiceUnavailable", why.to_string()) }
        }
        ClientError::NoOutcome(_) => Status::new(504, "Timeout", format!("Timeout: {why}")),
        ClientError::Unreadable(_) => {
            Status::new(500, "InternalError", format!("Internal error occurred: {why}"))
        }
    }
}
