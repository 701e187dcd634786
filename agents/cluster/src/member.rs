//! The member cluster's API, untyped: typed structs would drop what they do not know. Each step of
//! a plan is one request; nothing is chosen here.

use crate::paths;
use crate::wire::{self, JSON, Refused, refused, request};
use fleetlog_agent_core::{
    Done, Failure, Force, GroupVersion, Gvk, Kind, Kinds, Live, Record, Resource, Scope, Step,
    WatchKey, applied_manifest_work_crd, cluster_claim_crd, is_established, record_watch,
};
use http::Method;
use kube::Client;
use kube::core::WatchEvent;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Who writes what the agent writes.
const MANAGER: &str = "work-agent";
/// Objects in one page of a list.
const PAGE: u32 = 500;
/// How long a watch is kept open, in seconds.
const WATCH_SECONDS: u32 = 280;
/// How long a definition may take until its kind is served, and how often that is looked at.
const ESTABLISHED: (u32, Duration) = (50, Duration::from_millis(100));

/// A stream of watch events.
pub(crate) type Events = futures::stream::BoxStream<'static, Result<WatchEvent<Value>, Refused>>;

/// A member cluster.
#[derive(Clone)]
pub(crate) struct Member {
    client: Client,
}

/// One page of a list.
pub(crate) struct Page {
    pub items: Vec<Value>,
    pub version: String,
    pub more: Option<String>,
}

impl Member {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes our own kinds known and reads the records.
    pub(crate) async fn prepare(&self) -> Result<Vec<Value>, Refused> {
        for definition in [applied_manifest_work_crd(), cluster_claim_crd()] {
            let name = definition.pointer("/metadata/name").and_then(Value::as_str);
            let path = paths::definition(name.unwrap_or_default());
            let now = self.apply(&path, &definition, MANAGER, Force::Yes).await?;
            self.establish(&path, now).await?;
        }
        self.list_all(&record_watch()).await
    }

    /// Waits until the kind of a definition is served; says what keeps it otherwise.
    async fn establish(&self, path: &str, mut definition: Value) -> Result<Value, Refused> {
        let (times, between) = ESTABLISHED;
        for _ in 0..times {
            if let Some(why) = names_refused(&definition) {
                return Err(Refused { code: 0, message: why });
            }
            if is_established(&definition) && self.is_served(&definition).await {
                return Ok(definition);
            }
            tokio::time::sleep(between).await;
            definition = self.get(path).await?;
        }
        let message = format!("the definition is not established after {:?}", between * times);
        Err(Refused { code: 0, message })
    }

    /// A kind is served a moment after its definition says so.
    async fn is_served(&self, definition: &Value) -> bool {
        let kinds = fleetlog_agent_core::kinds_of_definition(definition);
        let Some((gvk, kind)) = kinds.into_iter().find(|(gvk, _)| serves(definition, gvk)) else {
            return true;
        };
        let watch = WatchKey {
            group: gvk.group,
            version: gvk.version,
            resource: kind.plural,
            namespace: String::new(),
        };
        let answer = self.get(&format!("{}?limit=1", paths::collection(&watch))).await;
        !answer.is_err_and(|refused| refused.code == 404)
    }

    async fn list_all(&self, watch: &WatchKey) -> Result<Vec<Value>, Refused> {
        let mut page = self.list(watch, None).await?;
        let mut all = std::mem::take(&mut page.items);
        while let Some(more) = page.more {
            page = self.list(watch, Some(&more)).await?;
            all.append(&mut page.items);
        }
        Ok(all)
    }

    /// One page of a collection.
    pub(crate) async fn list(&self, watch: &WatchKey, more: Option<&str>) -> Result<Page, Refused> {
        let next = more.map(|more| format!("&continue={}", paths::segment(more)));
        let query = format!("limit={PAGE}{}", next.unwrap_or_default());
        let mut list = self.get(&format!("{}?{query}", paths::collection(watch))).await?;
        let meta = |key: &str| {
            let text = list.pointer(&format!("/metadata/{key}")).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (version, more) = (meta("resourceVersion").unwrap_or_default(), meta("continue"));
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => vec![],
        };
        Ok(Page { items, version, more })
    }

    /// What changes in a collection after `version`.
    pub(crate) async fn events(&self, watch: &WatchKey, version: &str) -> Result<Events, Refused> {
        use futures::StreamExt as _;
        let query = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
            paths::segment(version)
        );
        let uri = format!("{}?{query}", paths::collection(watch));
        let request = request(Method::GET, &uri, None, vec![])?;
        let events = self.client.request_events::<Value>(request).await.map_err(refused)?;
        Ok(events.map(|event| event.map_err(refused)).boxed())
    }

    /// The kinds of group versions, and which of those were read.
    pub(crate) async fn discover(
        &self,
        asked: &BTreeSet<GroupVersion>,
    ) -> (BTreeSet<GroupVersion>, Kinds) {
        let (mut known, mut kinds) = (BTreeSet::new(), Kinds::new());
        for wanted in asked {
            match self.get(&paths::group_version(wanted)).await {
                Ok(list) => {
                    known.insert(wanted.clone());
                    kinds.extend(kinds_of(wanted, &list));
                }
                Err(refused) => {
                    tracing::debug!(?wanted, why = refused.message, "kinds were not read");
                }
            }
        }
        (known, kinds)
    }

    /// The API server's version and the cluster's id.
    pub(crate) async fn describe(&self) -> Result<(String, String), Refused> {
        let version = self.get("/version").await?;
        let system = self.get("/api/v1/namespaces/kube-system").await?;
        let text = |value: &Value, path: &str| {
            value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Ok((text(&version, "/gitVersion"), text(&system, "/metadata/uid")))
    }

    /// One object as it is.
    pub(crate) async fn look(&self, resource: &Resource) -> Live {
        match self.get(&paths::object(resource)).await {
            Ok(object) => Live::found(object),
            Err(refused) if refused.code == 404 => Live::Absent,
            Err(refused) => Live::Unknown(refused.message),
        }
    }

    /// Does one step.
    pub(crate) async fn step(&self, step: &Step) -> Done {
        match step {
            Step::Note { name, body } => {
                done(self.apply(&paths::record(name), body, MANAGER, Force::Yes).await, step)
            }
            Step::Record { name, made } => {
                let path = format!("{}/status", paths::record(name));
                match self.merge(&path, &Record::status(made)).await {
                    Err(refused) if refused.code == 404 => Done::Gone,
                    answer => done(answer, step),
                }
            }
            Step::Apply { resource, body, manager, force } => {
                done(self.apply(&paths::object(resource), body, manager, *force).await, step)
            }
            Step::Create { resource, body } => {
                let path = paths::collection(&resource.watch());
                let uri = format!("{path}?fieldManager={MANAGER}");
                done(self.send(Method::POST, &uri, Some(JSON), body).await, step)
            }
            Step::Establish { resource } => {
                let path = paths::object(resource);
                let now = self.get(&path).await;
                match now {
                    Ok(definition) => done(self.establish(&path, definition).await, step),
                    failed => done(failed, step),
                }
            }
            Step::Own { resource, owners, seen } => {
                let patch =
                    json!({ "metadata": { "ownerReferences": owners, "resourceVersion": seen } });
                match self.merge(&paths::object(resource), &patch).await {
                    Err(refused) if refused.code == 404 => Done::Gone,
                    answer => done(answer, step),
                }
            }
            Step::Delete { resource, uid } => {
                self.delete(&paths::object(resource), uid, step).await
            }
            Step::Forget { name, uid } => self.delete(&paths::record(name), uid, step).await,
        }
    }

    async fn delete(&self, path: &str, uid: &str, step: &Step) -> Done {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "propagationPolicy": "Background", "preconditions": { "uid": uid },
        });
        match self.send(Method::DELETE, path, Some(JSON), &options).await {
            Err(refused) if refused.code == 404 => Done::Gone,
            Ok(answer) if is_leaving(&answer) => Done::Now(Box::new(answer)),
            Ok(_) => Done::Gone,
            failed => done(failed, step),
        }
    }

    async fn apply(
        &self,
        path: &str,
        body: &Value,
        manager: &str,
        force: Force,
    ) -> Result<Value, Refused> {
        let force = force == Force::Yes;
        let uri = format!("{path}?fieldManager={}&force={force}", paths::segment(manager));
        self.send(Method::PATCH, &uri, Some("application/apply-patch+yaml"), body).await
    }

    async fn merge(&self, path: &str, patch: &Value) -> Result<Value, Refused> {
        let uri = format!("{path}?fieldManager={MANAGER}");
        self.send(Method::PATCH, &uri, Some("application/merge-patch+json"), patch).await
    }

    async fn get(&self, uri: &str) -> Result<Value, Refused> {
        self.send(Method::GET, uri, None, &Value::Null).await
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        content: Option<&str>,
        body: &Value,
    ) -> Result<Value, Refused> {
        wire::send(&self.client, method, uri, content, body).await
    }
}

fn done(answer: Result<Value, Refused>, step: &Step) -> Done {
    match answer {
        Ok(object) => Done::Now(Box::new(object)),
        Err(Refused { code, message }) => {
            let conflict = code == 409 && matches!(step, Step::Apply { .. });
            let soon = !conflict && !matches!(code, 400 | 422);
            Done::Failed(Failure { message, soon })
        }
    }
}

/// Why the names of a definition are not accepted, if so, in the server's words.
fn names_refused(definition: &Value) -> Option<String> {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array)?;
    let text = |condition: &Value, key: &str| {
        condition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let refused = conditions
        .iter()
        .find(|c| text(c, "type") == "NamesAccepted" && text(c, "status") == "False")?;
    let (reason, message) = (text(refused, "reason"), text(refused, "message"));
    Some(format!("the definition is not established: {reason}: {message}"))
}

fn serves(definition: &Value, gvk: &Gvk) -> bool {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let is = |version: &&Value| version.get("name").and_then(Value::as_str) == Some(&gvk.version);
    let version = versions.into_iter().flatten().find(is);
    version.and_then(|version| version.get("served")?.as_bool()).unwrap_or(false)
}

/// Whether a server's answer to a delete is the object, still on its way out.
fn is_leaving(answer: &Value) -> bool {
    answer.pointer("/metadata/deletionTimestamp").is_some()
}

fn kinds_of((group, version): &GroupVersion, list: &Value) -> Kinds {
    let resources = list.get("resources").and_then(Value::as_array);
    let kind = |entry: &Value| {
        let plural = entry.get("name")?.as_str().filter(|name| !name.contains('/'))?;
        let kind = entry.get("kind")?.as_str()?.to_owned();
        let namespaced = entry.get("namespaced").and_then(Value::as_bool) == Some(true);
        let scope = if namespaced { Scope::Namespaced } else { Scope::Cluster };
        let gvk = Gvk { group: group.clone(), version: version.clone(), kind };
        Some((gvk, Kind { plural: plural.to_owned(), scope }))
    };
    resources.into_iter().flatten().filter_map(kind).collect()
}
