//! One request: who may do it, what it is about, who answers it.

use crate::respond::{Body, complete, compressed, document, refused, text};
use crate::{Gateway, Who};
use bytes::Bytes;
use fleetlog_gateway_domain::{
    AGGREGATED, Ask, Caller, FINALIZE, Fields, Form, Kind, Place, Route, Status, Verb, find, group,
    groups, index, resources, route, watches,
};
use futures::FutureExt as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use std::panic::AssertUnwindSafe;
use tokio::time::{Duration, timeout};

/// The release of the API that clients are told: their version gates judge by it.
const SPEAKS: (&str, &str) = ("1", "36");

/// How long a request may take that is no watch.
const WITHIN: Duration = Duration::from_secs(34);

/// A request for objects, as its parts are needed.
pub(crate) struct Asked<'a> {
    /// Who asks.
    pub who: &'a Who,
    /// What for.
    pub kind: Kind,
    /// Where.
    pub place: &'a Place,
    /// The parameters as they came.
    pub query: &'a str,
    /// In which form the answer is wanted.
    pub form: Form,
    /// What the body is.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Gateway {
    /// Answers one request that came over a connection of `shown`.
    pub async fn answer(&self, shown: &Caller, request: &Request<Bytes>) -> Response<Body> {
        match self.who(shown, request.headers()) {
            Ok(who) => self.answer_as(&who, request).await,
            Err(status) => refused(&status),
        }
    }

    /// Answers one request of `who`.
    pub async fn answer_as(&self, who: &Who, request: &Request<Bytes>) -> Response<Body> {
        // A fault of one answer ends that answer alone.
        let answered = AssertUnwindSafe(self.answered(who, request)).catch_unwind().await;
        let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|given| given.to_str().ok());
        match answered {
            Ok(Ok(response)) if accepted.is_some_and(|given| given.contains("gzip")) => {
                compressed(response)
            }
            Ok(Ok(response)) => response,
            Ok(Err(status)) => refused(&status),
            Err(_) => {
                let message = "Internal error occurred: the gateway has a fault, see its log";
                refused(&Status::new(500, "InternalError", message))
            }
        }
    }

    async fn answered(
        &self,
        who: &Who,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Status> {
        let asked = route(request.uri().path());
        if let Route::Objects(place) = &asked {
            return self.objects(who, place, request).await;
        }
        // These are read before there are roles.
        let open = matches!(asked, Route::Health(_) | Route::ServerVersion);
        if !open {
            let (verb, path) = (request.method().as_str().to_lowercase(), request.uri().path());
            let ask = Ask { verb, path: path.to_owned(), ..Ask::default() };
            if self.board.access(|access| access.allows(&who.caller, &ask)).is_none() {
                return Err(no_path(&who.caller, &ask));
            }
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Err(Status::not_allowed(request.method().as_str(), "path"));
        }
        match asked {
            Route::Health(check) => Ok(self.health(check)),
            Route::ServerVersion => Ok(document(200, Form::Json, &version())),
            Route::Api => Ok(discovery(request, true)),
            Route::Apis => Ok(discovery(request, false)),
            Route::Group(name) => found(group(&name)),
            Route::Version(group, version) => found(resources(&group, &version)),
            Route::OpenApi => Ok(document(200, Form::Json, &index())),
            Route::OpenApiOf(path) => openapi(request, &path),
            Route::Objects(_) | Route::Unknown => Ok(text(404, "404 page not found")),
        }
    }

    fn health(&self, check: &str) -> Response<Body> {
        if check == "readyz" && !self.is_ready() {
            return text(500, "the view of the log is not read in yet");
        }
        if check == "readyz" && !self.founded.get() {
            return text(500, "what every hub has is not made yet");
        }
        text(200, "ok")
    }

    async fn objects(
        &self,
        who: &Who,
        place: &Place,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Status> {
        // Before the roles are read in, nobody is known to lack anything.
        self.is_there()?;
        let query = request.uri().query().unwrap_or_default();
        let verb = Verb::of(request.method().as_str(), place, watches(query)?);
        let kind = find(&place.group, &place.version, &place.resource);
        let word = verb.map_or("get", Verb::word);
        let ask = ask(place, word, named(place, verb, query, kind));
        if self.board.access(|access| access.allows(&who.caller, &ask)).is_none() {
            let own = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
            let (name, namespace) = (own(&ask.name), own(&ask.namespace));
            let meant = Place { name, namespace, ..place.clone() };
            return Err(Status::forbidden(&who.caller.user, word, &meant));
        }
        let kind = kind.ok_or_else(Status::no_such_path)?;
        let misplaced = match kind.0.namespaced {
            true => (place.name.is_some() || kind.is_review()) && place.namespace.is_none(),
            false => place.namespace.is_some(),
        };
        if misplaced {
            return Err(Status::no_such_path());
        }
        let Some(verb) = verb else {
            return Err(Status::no_method(kind, of_method(request.method())));
        };
        let of_all = kind.0.namespaced && place.namespace.is_none();
        if of_all && matches!(verb, Verb::Create | Verb::DeleteCollection) {
            return Err(Status::no_method(kind, verb.word()));
        }
        allowed(kind, place, verb)?;
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let form = Form::of(header(ACCEPT).unwrap_or_default())?;
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        let asked = Asked { who, kind, place, query, form, content_type, body: request.body() };
        if verb == Verb::Watch {
            return self.watch(&asked).await;
        }
        let Ok(_place) = self.places.try_acquire() else {
            let message = "too many requests are in hand, ask again";
            return Err(Status { retry_after: 1, ..Status::new(429, "TooManyRequests", message) });
        };
        let answered = timeout(WITHIN, self.done(verb, &asked)).await;
        let answered = answered.unwrap_or_else(|_| {
            let message = "Timeout: what became of the request is not known yet";
            Err(Status::new(504, "Timeout", message))
        });
        answered.map_err(|status| status.of_options(verb.options()))
    }

    async fn done(&self, verb: Verb, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        match verb {
            Verb::Get => self.get(asked).await,
            Verb::List => self.list(asked).await,
            Verb::Watch => self.watch(asked).await,
            Verb::Create if asked.kind.is_review() => self.review(asked).await,
            Verb::Create if asked.place.subresource.is_some() => self.token(asked).await,
            Verb::Create => self.create(asked).await,
            Verb::Update if asked.place.subresource.as_deref() == Some(FINALIZE) => {
                self.finalize(asked).await
            }
            Verb::Update => self.update(asked).await,
            Verb::Patch => self.patch(asked).await,
            Verb::Delete => self.delete(asked).await,
            Verb::DeleteCollection => self.delete_all(asked).await,
        }
    }

    /// Refuses while the view is not read in.
    pub(crate) fn is_there(&self) -> Result<(), Status> {
        if self.is_ready() {
            return Ok(());
        }
        let message = "the view of the log is not read in yet";
        Err(Status { retry_after: 1, ..Status::new(503, "ServiceUnavailable", message) })
    }
}

/// What a method would be as a verb, also where there is none of it.
fn of_method(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "get",
    }
}

/// Refuses what cannot be done with a kind or a part of it.
fn allowed(kind: Kind, place: &Place, verb: Verb) -> Result<(), Status> {
    let verbs = match place.subresource.as_deref() {
        None => kind.verbs(),
        Some(part) => {
            let part = kind.parts().into_iter().find(|known| known.name == part);
            let name = place.name.as_deref().unwrap_or_default();
            let none = || match kind.is_built_in() {
                true => Status::no_such_path(),
                false => Status::not_found(kind, name),
            };
            part.ok_or_else(none)?.verbs
        }
    };
    if verbs.contains(&verb.word()) { Ok(()) } else { Err(Status::no_method(kind, verb.word())) }
}

/// What must be allowed for a verb on a place.
pub(crate) fn ask(place: &Place, verb: &str, name: String) -> Ask {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    // A namespace lies in itself, so that who has rights in one may read it.
    let of_itself = place.group.is_empty() && place.resource == "namespaces";
    let namespace = if of_itself { name.clone() } else { text(&place.namespace) };
    Ask {
        verb: verb.to_owned(),
        group: place.group.clone(),
        resource: place.resource.clone(),
        subresource: text(&place.subresource),
        namespace,
        name,
        path: String::new(),
    }
}

/// The object that a request is about: of a collection the one that its selector names.
fn named(place: &Place, verb: Option<Verb>, query: &str, kind: Option<Kind>) -> String {
    if let Some(name) = &place.name {
        return name.clone();
    }
    let listed = matches!(verb, Some(Verb::List | Verb::Watch | Verb::DeleteCollection));
    let fields = kind.filter(|_| listed).and_then(|kind| Fields::of(query, kind));
    fields.and_then(|fields| fields.name().map(str::to_owned)).unwrap_or_default()
}

fn no_path(caller: &Caller, ask: &Ask) -> Status {
    let Ask { verb, path, .. } = ask;
    let message = format!("forbidden: User \"{}\" cannot {verb} path \"{path}\"", caller.user);
    Status::new(403, "Forbidden", message)
}

fn found(document_of: Option<Value>) -> Result<Response<Body>, Status> {
    Ok(document(200, Form::Json, &document_of.ok_or_else(Status::no_such_path)?))
}

/// Aggregated for those who take it, with a tag by which it need not be sent again.
fn discovery(request: &Request<Bytes>, core: bool) -> Response<Body> {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let aggregated = accept.is_some_and(|accept| accept.contains("as=APIGroupDiscoveryList"));
    let body = groups(core, aggregated).to_string();
    let tag = format!("\"{}\"", fleetlog_kernel::ContentHash::of(body.as_bytes()));
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let (code, body) = if known == Some(tag.as_str()) { (304, String::new()) } else { (200, body) };
    let content_type = if aggregated { AGGREGATED } else { "application/json" };
    let mut response = complete(code, content_type, body);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn openapi(request: &Request<Bytes>, path: &str) -> Result<Response<Body>, Status> {
    let Some((found, hash)) = fleetlog_gateway_domain::document(path) else {
        return Err(Status::no_such_path());
    };
    let query = request.uri().query().unwrap_or_default();
    let given = query.split('&').find_map(|pair| pair.strip_prefix("hash="));
    if given.is_some_and(|given| given != hash) {
        let mut moved = text(301, "");
        let place = format!("/openapi/v3/{path}?hash={hash}");
        if let Ok(place) = HeaderValue::from_str(&place) {
            moved.headers_mut().insert(http::header::LOCATION, place);
        }
        return Ok(moved);
    }
    Ok(document(200, Form::Json, &found))
}

fn version() -> Value {
    let (major, minor) = SPEAKS;
    json!({
        "major": major, "minor": minor,
        "gitVersion": format!("v{major}.{minor}.0+fleetlog.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
