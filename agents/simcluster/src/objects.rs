//! Requests on objects: from verb and place to the call that does it.

use std::sync::Arc;

use bytes::Bytes;
use http::header;
use http::request::Parts;
use serde_json::{Value, json};

use crate::apply::Force;
use crate::delete::{Deleted, Options};
use crate::failure::{Cause, Failure};
use crate::kinds::Kind;
use crate::managers::Author;
use crate::patch::{self, Form};
use crate::request::{Place, Query, Verb};
use crate::selectors::Selector;
use crate::server::{Cluster, json_answer};
use crate::state::{Key, State};
use crate::stored::{Stored, meta_mut};
use crate::watch::Watch;
use crate::write::{Draft, text};

/// What a request is answered with.
pub(crate) enum Answer {
    Json(u16, Bytes),
    Watch(Box<Watch>),
}

/// A request whose place and verb are understood.
struct Call<'a> {
    kind: Arc<Kind>,
    place: &'a Place,
    query: &'a Query,
    parts: &'a Parts,
    body: &'a [u8],
}

impl Cluster {
    /// Answers a request on objects.
    pub(crate) fn objects(
        self: &Arc<Self>,
        place: &Place,
        query: &Query,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let mut state = self.state();
        let kind = state
            .kind(&place.group, &place.version, &place.plural)
            .filter(|kind| fits(kind, place))
            .ok_or_else(Failure::no_such_path)?;
        let verb = Verb::of(&parts.method, place, query).ok_or_else(Failure::method_not_allowed)?;
        self.faults.check(verb, &kind)?;
        let call = Call { kind, place, query, parts, body };
        match verb {
            Verb::Watch => {
                let watch = Watch::start(self, &state, call.kind, place, query)?;
                Ok(Answer::Watch(Box::new(watch)))
            }
            Verb::Get => state.read(&call.kind, place, &call.key()?).map(ok),
            Verb::List => state.read_all(&call.kind, place, query).map(ok),
            Verb::Create => call.create(&mut state),
            Verb::Update => call.update(&mut state),
            Verb::Patch => call.patch(&mut state),
            Verb::Delete => call.delete(&mut state),
            Verb::DeleteCollection => call.delete_all(&mut state),
        }
    }
}

/// Whether the kind is served at this place: its scope and its subresources.
fn fits(kind: &Kind, place: &Place) -> bool {
    let scope = match (&place.namespace, &place.name) {
        (Some(_), _) => kind.namespaced,
        (None, Some(_)) => !kind.namespaced,
        (None, None) => true,
    };
    let sub = match place.sub.as_deref() {
        None => true,
        Some("status") => kind.status,
        Some("finalize") => &*kind.id == "namespaces",
        Some(_) => false,
    };
    scope && sub
}

impl Call<'_> {
    fn namespace(&self) -> &str {
        self.place.namespace.as_deref().unwrap_or_default()
    }

    fn key(&self) -> Result<Key, Failure> {
        let name = self.place.name.as_deref().ok_or_else(Failure::method_not_allowed)?;
        Ok(Key::new(&self.kind, self.namespace(), name))
    }

    fn author(&self) -> Author {
        let agent = self.parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok());
        let agent = agent.and_then(|a| a.split('/').next()).filter(|a| !a.is_empty());
        Author {
            manager: self.query.get("fieldManager").or(agent).unwrap_or("unknown").to_owned(),
            api_version: self.kind.api_version(&self.place.version),
            status: self.place.sub.as_deref() == Some("status"),
            dry_run: self.query.get("dryRun").is_some(),
        }
    }

    fn value(&self) -> Result<Value, Failure> {
        serde_json::from_slice(self.body).map_err(|e| Failure::bad_request(e.to_string()))
    }

    fn served(&self, code: u16, object: &Stored) -> Answer {
        let mut bytes = Vec::new();
        object.render(&self.kind, &self.place.version, &mut bytes);
        Answer::Json(code, bytes.into())
    }

    fn create(&self, state: &mut State) -> Result<Answer, Failure> {
        if self.place.sub.is_some() || (self.kind.namespaced && self.place.namespace.is_none()) {
            return Err(Failure::method_not_allowed());
        }
        let draft = Draft { value: self.value()?, managed: None };
        let made = state.create(&self.kind, self.namespace(), draft, &self.author())?;
        Ok(self.served(201, &made))
    }

    fn update(&self, state: &mut State) -> Result<Answer, Failure> {
        let (value, key) = (self.value()?, self.key()?);
        if self.kind.custom && text(&value, "resourceVersion").is_empty() {
            let message = "must be specified for an update";
            let cause = Cause::invalid("metadata.resourceVersion", "0x0", message);
            return Err(Failure::invalid(&self.kind, &key.name, &[cause]));
        }
        let draft = Draft { value, managed: None };
        let made = state.update(&self.kind, &key, draft, &self.author())?;
        Ok(self.served(200, &made))
    }

    fn patch(&self, state: &mut State) -> Result<Answer, Failure> {
        let content = self.parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let form = Form::of(content.unwrap_or_default())?;
        let key = self.key()?;
        if form == Form::Apply {
            return self.apply(state, &key);
        }
        if form == Form::Strategic && self.kind.custom {
            let message = "the body of the request was in an unknown format - accepted media \
                           types include: application/json-patch+json, \
                           application/merge-patch+json, application/apply-patch+yaml";
            return Err(Failure::new(415, "UnsupportedMediaType", message));
        }
        let live = state.get(&key).ok_or_else(|| Failure::not_found(&self.kind, &key.name))?;
        let mut value = live.to_value();
        value["apiVersion"] = self.kind.api_version(&self.place.version).into();
        value["kind"] = self.kind.kind.as_str().into();
        meta_mut(&mut value).insert("resourceVersion".into(), live.version.to_string().into());
        let mut new = patch::patched(form, &value, self.body)?;
        if let Some(meta) = new.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.entry("name").or_insert_with(|| (*key.name).into());
        }
        let draft = Draft { value: new, managed: None };
        let made = state.update(&self.kind, &key, draft, &self.author())?;
        Ok(self.served(200, &made))
    }

    fn apply(&self, state: &mut State, key: &Key) -> Result<Answer, Failure> {
        if self.query.get("fieldManager").is_none() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(Failure::invalid(&self.kind, &key.name, &[cause]));
        }
        let force = if self.query.flag("force") { Force::Yes } else { Force::No };
        let existed = state.get(key).is_some();
        let made = state.apply(&self.kind, key, self.value()?, &self.author(), force)?;
        Ok(self.served(if existed { 200 } else { 201 }, &made))
    }

    fn delete(&self, state: &mut State) -> Result<Answer, Failure> {
        if self.place.sub.is_some() {
            return Err(Failure::method_not_allowed());
        }
        let options = Options::read(self.body, self.query)?;
        let key = self.key()?;
        match state.delete(&self.kind, &key, &options)? {
            Deleted::Waits(object) => Ok(self.served(200, &object)),
            Deleted::Gone(object) => {
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                    "details": {
                        "name": &*key.name, "group": self.kind.group, "kind": self.kind.plural,
                        "uid": &*object.facts.uid,
                    },
                });
                Ok(json_answer(200, &status))
            }
        }
    }

    fn delete_all(&self, state: &mut State) -> Result<Answer, Failure> {
        let options = Options::read(self.body, self.query)?;
        let selector = Selector::of(self.query, &self.kind)?;
        let namespace = self.place.namespace.as_deref();
        let keys: Vec<Key> = state
            .list(&self.kind, namespace)
            .filter(|(_, object)| selector.selects(object))
            .map(|(key, _)| key.clone())
            .collect();
        let list = state.read_all(&self.kind, self.place, self.query)?;
        for key in keys {
            state.delete(&self.kind, &key, &options)?;
        }
        Ok(ok(list))
    }
}

fn ok(bytes: Vec<u8>) -> Answer {
    Answer::Json(200, bytes.into())
}
