//! Watches: a cursor into the cluster's last changes, woken when there are more. Nothing is queued
//! per watcher; one that falls too far behind has its body ended and starts again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use http_body::Frame;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::request::{Place, Query};
use crate::selectors::Selector;
use crate::server::Cluster;
use crate::state::{Change, State, What};
use crate::stored::Stored;

/// How long a watch lasts when the client does not say.
const LONGEST: Duration = Duration::from_secs(1_800);

/// One open watch.
pub(crate) struct Watch {
    cluster: Arc<Cluster>,
    filter: Filter,
    cursor: u64,
    ends: Instant,
    bookmarks: bool,
    ready: VecDeque<Bytes>,
    changed: broadcast::Receiver<()>,
    over: bool,
}

struct Filter {
    kind: Arc<Kind>,
    version: String,
    namespace: Option<String>,
    selector: Selector,
}

impl Watch {
    /// Starts a watch; snapshot and subscription happen under the one lock that `state` stands for.
    pub(crate) fn start(
        cluster: &Arc<Cluster>,
        state: &State,
        kind: Arc<Kind>,
        place: &Place,
        query: &Query,
    ) -> Result<Self, Failure> {
        let selector = Selector::of(query, &kind)?;
        let version = place.version.clone();
        let filter = Filter { kind, version, namespace: place.namespace.clone(), selector };
        let from = match query.get("resourceVersion") {
            None | Some("0") => None,
            Some(text) => Some(text.parse::<u64>().map_err(|_| {
                Failure::bad_request(format!("invalid resource version \"{text}\""))
            })?),
        };
        let timeout = query.number("timeoutSeconds").map_or(LONGEST, Duration::from_secs);
        let mut watch = Self {
            cluster: cluster.clone(),
            filter,
            cursor: state.version(),
            ends: state.clock.now() + timeout.min(LONGEST),
            bookmarks: query.flag("allowWatchBookmarks"),
            ready: VecDeque::new(),
            changed: state.follow(),
            over: false,
        };
        watch.first(state, from, query);
        Ok(watch)
    }

    fn first(&mut self, state: &State, from: Option<u64>, query: &Query) {
        let initial = query.get("sendInitialEvents");
        match (initial, from) {
            (Some("true"), _) => {
                self.everything(state);
                let annotations = json!({"k8s.io/initial-events-end": "true"});
                self.bookmark(Some(&annotations));
            }
            (None, None) => self.everything(state),
            (_, None) => {}
            (_, Some(from)) => {
                self.cursor = from;
                self.catch_up(state);
            }
        }
    }

    fn everything(&mut self, state: &State) {
        for (_, object) in state.list(&self.filter.kind, self.filter.namespace.as_deref()) {
            if self.filter.selects(object) {
                self.ready.push_back(self.filter.line("ADDED", object));
            }
        }
    }

    /// Takes the changes since the last time; too old a cursor ends the watch.
    fn catch_up(&mut self, state: &State) {
        match state.since(self.cursor) {
            Ok(changes) => {
                self.ready.extend(changes.filter_map(|change| self.filter.event(change)));
                self.cursor = self.cursor.max(state.version());
            }
            Err(oldest) => {
                let status = Failure::gone(self.cursor, oldest).to_status();
                self.ready.push_back(line("ERROR", status.to_string().as_bytes()));
                self.over = true;
            }
        }
    }

    fn bookmark(&mut self, annotations: Option<&Value>) {
        let mut meta = json!({"resourceVersion": self.cursor.to_string()});
        if let Some(annotations) = annotations {
            meta["annotations"] = annotations.clone();
        }
        let object = json!({
            "kind": self.filter.kind.kind,
            "apiVersion": self.filter.kind.api_version(&self.filter.version),
            "metadata": meta,
        });
        self.ready.push_back(line("BOOKMARK", object.to_string().as_bytes()));
    }

    /// The next line, or `None` at the end of the body.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            tokio::select! {
                biased;
                moved = self.changed.recv() => {
                    // One that missed some has something to catch up with all the same.
                    if moved == Err(RecvError::Closed) {
                        return None;
                    }
                    let cluster = self.cluster.clone();
                    let state = cluster.state.lock().unwrap_or_else(PoisonError::into_inner);
                    self.catch_up(&state);
                }
                () = tokio::time::sleep_until(self.ends) => {
                    self.over = true;
                    if self.bookmarks {
                        self.bookmark(None);
                    }
                }
            }
        }
    }

    /// The watch as the frames of a body.
    pub(crate) fn frames(
        self,
    ) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static {
        stream::unfold(self, |mut watch| async move {
            let line = watch.next().await?;
            Some((Ok(Frame::data(line)), watch))
        })
    }
}

impl Filter {
    fn selects(&self, object: &Stored) -> bool {
        self.selector.selects(object)
    }

    /// What a change is to this watcher: entering the selection is an addition, leaving it a
    /// deletion.
    fn event(&self, change: &Change) -> Option<Bytes> {
        let inside = change.key.resource == self.kind.id
            && self.namespace.as_ref().is_none_or(|ns| **ns == *change.key.namespace);
        if !inside {
            return None;
        }
        let was = change.old.as_ref().is_some_and(|old| self.selects(old));
        let is = change.what != What::Deleted && self.selects(&change.new);
        let what = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(self.line(what, &change.new))
    }

    fn line(&self, what: &str, object: &Stored) -> Bytes {
        let mut bytes = Vec::new();
        object.render(&self.kind, &self.version, &mut bytes);
        line(what, &bytes)
    }
}

fn line(what: &str, object: &[u8]) -> Bytes {
    let head = format!("{{\"type\":\"{what}\",\"object\":");
    [head.as_bytes(), object, b"}\n"].concat().into()
}
