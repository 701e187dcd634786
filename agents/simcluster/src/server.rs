//! A request in, a response out: the cluster behind its lock, and the task that lets time pass for
//! its controllers while there is something left to do. Knows no kind by name.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use kube::client::Body;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::discovery;
use crate::failure::Failure;
use crate::objects::Answer;
use crate::request::{self, Query, Target};
use crate::state::State;

/// The longest body that is read, as on a real server.
const MAX_BODY: usize = 3 * 1024 * 1024;

/// The body of a response.
pub(crate) type Reply = UnsyncBoxBody<Bytes, Infallible>;

/// One cluster, shared by its clients and watches.
pub(crate) struct Cluster {
    pub(crate) state: Mutex<State>,
    pub(crate) faults: crate::faults::Faults,
    version: String,
    wake: Arc<Notify>,
    driver: Mutex<JoinSet<()>>,
}

impl Cluster {
    pub(crate) fn new(state: State, version: String) -> Self {
        Self {
            state: Mutex::new(state),
            faults: crate::faults::Faults::default(),
            version,
            wake: Arc::new(Notify::new()),
            driver: Mutex::new(JoinSet::new()),
        }
    }

    /// The state, with everything done that was due by now.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle();
        state
    }

    /// Answers one request; whatever it is, with a response.
    pub(crate) async fn handle(self: Arc<Self>, request: Request<Body>) -> Response<Reply> {
        let (parts, body) = request.into_parts();
        let answer = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => self.answer(&parts, &body.to_bytes()),
            Err(_) => {
                let message = format!("the body is longer than {MAX_BODY} bytes or broke off");
                Err(Failure::new(413, "RequestEntityTooLarge", message))
            }
        };
        self.drive();
        match answer {
            Ok(Answer::Json(code, bytes)) => response(code, Full::new(bytes).boxed_unsync()),
            Ok(Answer::Watch(watch)) => {
                response(200, UnsyncBoxBody::new(StreamBody::new(watch.frames())))
            }
            Err(failure) => {
                let bytes = failure.to_status().to_string().into();
                response(failure.code, Full::<Bytes>::new(bytes).boxed_unsync())
            }
        }
    }

    fn answer(self: &Arc<Self>, parts: &Parts, body: &Bytes) -> Result<Answer, Failure> {
        let target = request::target(parts.uri.path()).ok_or_else(Failure::no_such_path)?;
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let accept = parts.headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
        let aggregated = accept.is_some_and(|accept| accept.contains("as=APIGroupDiscoveryList"));
        let state = self.state();
        let value = match target {
            Target::Version => discovery::version(&self.version),
            Target::Health => return Ok(Answer::Json(200, Bytes::from_static(b"ok"))),
            Target::Core if aggregated => state.aggregated(true),
            Target::Core => discovery::core(),
            Target::Groups if aggregated => state.aggregated(false),
            Target::Groups => state.group_list(),
            Target::Group(group) => state.group(&group)?,
            Target::Resources { group, version } => state.resources(&group, &version)?,
            Target::Objects(place) => {
                drop(state);
                return self.objects(&place, &query, parts, body);
            }
        };
        Ok(json_answer(200, &value))
    }

    /// Sees to it that what the controllers have planned happens when it is due.
    pub(crate) fn drive(self: &Arc<Self>) {
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = driver.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "the controllers of a simulated cluster failed");
                state.agenda.driven = false;
            }
        }
        if state.agenda.next().is_none() {
            return;
        }
        if state.agenda.driven {
            self.wake.notify_one();
        } else {
            state.agenda.driven = true;
            driver.spawn(pass_time(Arc::downgrade(self), self.wake.clone()));
        }
    }
}

/// Lets the controllers act when they are due; ends when nothing is planned any more. Holds the
/// cluster only while it acts.
async fn pass_time(cluster: Weak<Cluster>, wake: Arc<Notify>) {
    loop {
        let next = {
            let Some(cluster) = cluster.upgrade() else { return };
            let mut state = cluster.state();
            let next = state.agenda.next();
            state.agenda.driven = next.is_some();
            next
        };
        let Some(next) = next else { return };
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next) => {}
            () = wake.notified() => {}
        }
    }
}

fn response(code: u16, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    if let Ok(code) = http::StatusCode::from_u16(code) {
        *response.status_mut() = code;
    }
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A JSON answer.
pub(crate) fn json_answer(code: u16, value: &Value) -> Answer {
    Answer::Json(code, value.to_string().into())
}
