//! Watches: what there is, if that is asked for, then what changes, with bookmarks between
//! (spec/gateway 4). A watch from before the view began goes on from the log.

use crate::Gateway;
use crate::board::{Changes, Interest};
use crate::read::{selects, unanswered};
use crate::requests::Asked;
use crate::respond::{Body, stream_of};
use crate::told::{Told, line, line_of};
use crate::watchers::Place;
use bytes::Bytes;
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_gateway_domain::{
    At, Change, Form, Include, Key, Kind, Served, Start, Status, View, WatchOptions, partial,
    table_of, watch,
};
use futures::{Stream, stream};
use http::Response;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Duration, Instant, sleep_until};

/// Between two bookmarks.
const BOOKMARK: Duration = Duration::from_secs(55);
/// How long a watch lives that does not say.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// The longest life that a watch may ask for, in seconds.
const LONGEST: u64 = 24 * 60 * 60;
/// How many documents a watch has room for that waits.
const KEPT: usize = 32;
/// How long a watch lives at least: clients take one that ends in its first second without an
/// event for broken, and list everything anew.
const SHORTEST: Duration = Duration::from_secs(2);
/// The annotation of the bookmark after the state at the start.
const INITIAL: &str = "k8s.io/initial-events-end";

impl Gateway {
    pub(crate) async fn watch(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        if self.tasks.is_stopped() {
            // A client asks again, from where it was; by then over another connection.
            let message = "the gateway is on its way out, ask again";
            return Err(Status { retry_after: 1, ..Status::new(429, "TooManyRequests", message) });
        }
        let options = watch(asked.query, asked.kind)?;
        let place = self.watchers.admit(&asked.who.caller.user)?;
        let include = Include::of(asked.query)?;
        let name = asked.place.name.clone().or_else(|| options.fields.name().map(str::to_owned));
        let namespace = asked.place.namespace.clone();
        let interest = Interest { kind: asked.kind, namespace, name };
        let at = match options.start {
            Start::State(at) => at,
            Start::After(version) => At::NotOlder(version),
            Start::Now => At::Newest,
        };
        if let Err(late) = self.settle(asked.kind, at).await {
            return Ok(stream_of(stream::iter([error(&late)])));
        }
        let past = self.before_view(&interest, options.start).await?;
        let board = self.board_of(asked.kind);
        let (began, changes) =
            board.watch(&interest, |view| began(view, &interest, &options, past.as_deref()));
        let Some(began) = began else {
            let asked = match options.start {
                Start::After(version) => version,
                Start::State(_) | Start::Now => 0,
            };
            let newest = board.look(View::version);
            let words = format!("too old resource version: {asked} ({newest})");
            return Ok(stream_of(stream::iter([error(&Status::expired(words))])));
        };
        let mut following = Following {
            gateway: self.clone(),
            _place: place,
            interest,
            shown: Shown::of(asked, include, self.clock.clone()),
            queue: VecDeque::new(),
            changes,
            bookmark: options.bookmarks.then(|| Instant::now() + BOOKMARK),
            grown: Instant::now() + SHORTEST,
            end: Instant::now()
                + options.seconds.map_or(LIFE, |seconds| Duration::from_secs(seconds.min(LONGEST))),
            options,
        };
        following.begin(began);
        Ok(stream_of(following.documents()))
    }

    /// The objects at the start of a watch that goes on from before the history.
    async fn before_view(&self, of: &Interest, start: Start) -> Result<Option<Vec<Value>>, Status> {
        let Start::After(version) = start else { return Ok(None) };
        // What passed is not in the log: who comes from further back lists anew.
        if self.lane(of.kind).is_some() || self.board.look(|view| view.holds(version)) {
            return Ok(None);
        }
        let (namespace, name) = (of.namespace.as_deref(), of.name.as_deref());
        let past = self.source.past(of.kind, (namespace, name), version).await;
        past.map(Some).map_err(|why| unanswered(&why))
    }
}

/// What a watch begins with.
struct Began {
    objects: Vec<Arc<Served>>,
    changes: Vec<Arc<Change>>,
    version: u64,
}

/// `None` when what changed since its start is not held any more.
fn began(
    view: &View,
    of: &Interest,
    options: &WatchOptions,
    past: Option<&[Value]>,
) -> Option<Began> {
    let mut began = Began { objects: vec![], changes: vec![], version: view.version() };
    match (options.start, past) {
        (Start::State(_), _) => {
            began.objects = match (&of.namespace, &of.name) {
                (namespace, Some(name)) if !of.kind.0.namespaced || namespace.is_some() => {
                    let namespace = namespace.clone().unwrap_or_default();
                    let key = Key { namespace, name: name.clone() };
                    view.get(of.kind, &key).cloned().into_iter().collect()
                }
                (namespace, _) => {
                    let all = view.list(of.kind, namespace.as_deref());
                    let all = all.into_iter().filter(|(key, _)| of.is_about(key));
                    all.map(|(_, served)| served).collect()
                }
            };
        }
        (Start::After(version), None) => {
            began.changes = view.since(of.kind, version)?;
        }
        (Start::After(version), Some(past)) => {
            began.changes = view.from_past(of.kind, past.to_vec(), version);
        }
        (Start::Now, _) => {}
    }
    began.changes.retain(|change| of.is_about(&change.key));
    Some(began)
}

/// A running watch.
struct Following {
    gateway: Gateway,
    /// Among all watches; free with this one's end.
    _place: Place,
    interest: Interest,
    options: WatchOptions,
    shown: Shown,
    queue: VecDeque<Bytes>,
    changes: Changes,
    /// When the next bookmark is due, where they are wanted.
    bookmark: Option<Instant>,
    /// Before this it does not end, even though its gateway does.
    grown: Instant,
    end: Instant,
}

impl Following {
    fn begin(&mut self, began: Began) {
        for served in began.objects {
            if selects(&self.options.labels, &self.options.fields, &served.object) {
                let line = match self.shown.whole {
                    true => line("ADDED", served.json()),
                    false => self.shown.line(self.interest.kind, "ADDED", &served.object),
                };
                self.queue.push_back(line);
            }
        }
        began.changes.into_iter().for_each(|change| self.take(&Told::of(change)));
        if self.options.marked {
            self.mark(began.version, json!({ (INITIAL): "true" }));
        }
    }

    fn documents(self) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold(self, |mut following| async move {
            let document = following.next().await?;
            Some((document, following))
        })
    }

    /// The next document; `None` when the watch ends.
    async fn next(&mut self) -> Option<Bytes> {
        let tasks: Tasks = self.gateway.tasks.clone();
        loop {
            if let Some(document) = self.queue.pop_front() {
                return Some(document);
            }
            if self.queue.capacity() > KEPT {
                self.queue = VecDeque::new();
            }
            let bookmark = self.bookmark.unwrap_or(self.end);
            tokio::select! {
                biased;
                () = tasks.stopped() => {
                    sleep_until(self.grown).await;
                    return None;
                }
                change = self.changes.recv() => self.take(change?.as_ref()),
                () = sleep_until(bookmark), if self.bookmark.is_some() => self.rest()?,
                () = sleep_until(self.end) => return None,
            }
        }
    }

    /// A bookmark: everything up to its version was told. `None` for a reader that was cut off, who
    /// may have missed something.
    fn rest(&mut self) -> Option<()> {
        let version = self.gateway.board_of(self.interest.kind).look(View::version);
        loop {
            match self.changes.try_recv() {
                Ok(change) => self.take(&change),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        self.mark(version, Value::Null);
        self.bookmark = Some(Instant::now() + BOOKMARK);
        Some(())
    }

    fn take(&mut self, told: &Told) {
        let WatchOptions { labels, fields, .. } = &self.options;
        let Some(what) = told.change.what(|object| selects(labels, fields, object)) else { return };
        let line = match self.shown.whole {
            true => told.line(what),
            false => {
                let Some(object) = told.change.object(what) else { return };
                self.shown.line(self.interest.kind, what.name(), &object)
            }
        };
        self.queue.push_back(line);
    }

    fn mark(&mut self, version: u64, annotations: Value) {
        let info = self.interest.kind.0;
        let mut metadata =
            json!({ "resourceVersion": version.to_string(), "creationTimestamp": null });
        if !annotations.is_null() {
            metadata["annotations"] = annotations;
        }
        let object = json!({
            "kind": info.kind, "apiVersion": info.api_version(), "metadata": metadata,
        });
        let line = self.shown.line(self.interest.kind, "BOOKMARK", &object);
        self.queue.push_back(line);
    }
}

/// How objects are shown.
struct Shown {
    form: Form,
    include: Include,
    /// Whether objects are shown as they are kept.
    whole: bool,
    /// Whether columns were described already.
    headed: bool,
    clock: Clock,
}

impl Shown {
    fn of(asked: &Asked<'_>, include: Include, clock: Clock) -> Self {
        let is_json = matches!(asked.form, Form::Json | Form::Yaml);
        let whole = is_json && asked.kind.kept() == asked.kind;
        Self { form: asked.form, include, whole, headed: false, clock }
    }

    /// One document of the watch.
    fn line(&mut self, kind: Kind, what: &str, object: &Value) -> Bytes {
        let object = &*kind.said(object);
        match self.form {
            Form::Json | Form::Yaml => line_of(what, object),
            Form::Metadata => line_of(what, &partial(object)),
            Form::Table(version) => {
                let heads = !std::mem::replace(&mut self.headed, true);
                let how = (version, self.include);
                let mut table = table_of(kind, [object], how, heads, self.clock.now());
                let version = &object["metadata"]["resourceVersion"];
                table["metadata"] = json!({ "resourceVersion": version });
                line_of(what, &table)
            }
        }
    }
}

fn error(status: &Status) -> Bytes {
    line_of("ERROR", &status.body())
}
