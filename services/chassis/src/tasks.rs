//! Supervised tasks: each has a name, and an error or a panic of one ends them all, loudly.
//! Restarting them is the business of whoever started the process.

use crate::watched::Watched;
use fleetlog_bus::Fault;
use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::{Mutex, Notify};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// How a task failed.
#[derive(Debug, thiserror::Error)]
#[error("task \"{task}\" failed: {reason}")]
pub struct TaskFailed {
    /// Its name.
    pub task: &'static str,
    /// The fault or the panic.
    pub reason: String,
}

/// A set of tasks that stand and fall together; [`Self::abort`] ends them. Clones are one set.
#[derive(Clone, Default)]
pub struct Tasks {
    running: Arc<std::sync::Mutex<Running>>,
    joined: Arc<Mutex<()>>,
    stop: Arc<Watched<bool>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Running {
    set: JoinSet<Result<(), Fault>>,
    names: HashMap<Id, &'static str>,
    aborted: bool,
}

impl Tasks {
    /// Starts a task. A clean end is fine; an error or a panic fails the set. After
    /// [`Self::abort`] nothing starts any more.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> AbortHandle
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let mut running = self.running();
        let handle = running.set.spawn(task);
        running.names.insert(handle.id(), name);
        if running.aborted {
            handle.abort();
        }
        self.changed.notify_one();
        handle
    }

    /// Asks every task that listens to stop taking new work.
    pub fn stop(&self) {
        self.stop.set(true);
        self.changed.notify_one();
    }

    /// Resolves once [`Self::stop`] was called.
    pub async fn stopped(&self) {
        self.stop.until(|stopped| stopped.then_some(())).await;
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.get()
    }

    /// Ends every task now, at whatever it waits for.
    pub fn abort(&self) {
        let mut running = self.running();
        running.aborted = true;
        running.set.abort_all();
        self.stop.set(true);
        self.changed.notify_one();
    }

    /// Waits until a task fails, or all have ended after a stop.
    ///
    /// # Errors
    /// The first failure; the others are aborted.
    pub async fn join(&self) -> Result<(), TaskFailed> {
        let _one = self.joined.lock().await;
        loop {
            let ended = tokio::select! {
                biased;
                ended = self.next_ended() => ended,
                () = self.changed.notified() => continue,
            };
            match ended {
                None if self.is_stopped() => return Ok(()),
                None => self.changed.notified().await,
                Some((_, Ok(()))) => {}
                Some((task, Err(reason))) => {
                    self.abort();
                    return Err(TaskFailed { task, reason });
                }
            }
        }
    }

    /// The next task that has ended, with its name; none when none runs.
    async fn next_ended(&self) -> Option<(&'static str, Result<(), String>)> {
        std::future::poll_fn(|context| {
            let mut running = self.running();
            let ended = match running.set.poll_join_next_with_id(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(ended)) => ended,
            };
            let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
            let name = running.names.remove(&id).unwrap_or("unknown");
            let verdict = match ended {
                Ok((_, verdict)) => verdict.map_err(|fault| fault.to_string()),
                Err(error) if error.is_cancelled() => Ok(()),
                Err(error) => Err(panic_of(error)),
            };
            Poll::Ready(Some((name, verdict)))
        })
        .await
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panic_of(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => words_of(&*panic),
        Err(error) => error.to_string(),
    }
}

/// What a panic said.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", said.as_deref().unwrap_or("without words"))
}
