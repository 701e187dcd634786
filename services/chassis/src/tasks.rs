//! Supervised tasks: each has a name, and an error or a panic of one ends them all, loudly.

use fleetlog_bus::Fault;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinSet};

/// How a task failed.
#[derive(Debug, thiserror::Error)]
#[error("task \"{task}\" failed: {reason}")]
pub struct TaskFailed {
    /// Its name.
    pub task: &'static str,
    /// The fault or the panic.
    pub reason: String,
}

type Ended = (&'static str, Result<(), String>);

/// A set of tasks that stand and fall together. Dropping the last clone aborts them.
#[derive(Clone)]
pub struct Tasks {
    set: Arc<std::sync::Mutex<JoinSet<Ended>>>,
    joined: Arc<Mutex<()>>,
    stop: watch::Sender<bool>,
    changed: Arc<tokio::sync::Notify>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            set: Arc::default(),
            joined: Arc::default(),
            stop: watch::Sender::new(false),
            changed: Arc::default(),
        }
    }
}

impl Tasks {
    /// Starts a task. A clean end is fine; an error or a panic fails the set.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> AbortHandle
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let mut set = self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let handle =
            set.spawn(async move { (name, task.await.map_err(|fault| fault.to_string())) });
        self.changed.notify_one();
        handle
    }

    /// Asks every task that listens to stop taking new work.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Resolves once [`Self::stop`] was called.
    pub async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        let _ = stop.wait_for(|stopped| *stopped).await;
    }

    /// Ends every task now.
    pub fn abort(&self) {
        self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner).abort_all();
        self.changed.notify_one();
    }

    /// Waits until a task fails, or all have ended after a stop.
    ///
    /// # Errors
    /// The first failure; the others are aborted.
    pub async fn join(&self) -> Result<(), TaskFailed> {
        let _one = self.joined.lock().await;
        loop {
            let ended = std::future::poll_fn(|context| {
                let mut set = self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                set.poll_join_next(context)
            });
            let ended = tokio::select! { biased; ended = ended => ended, () = self.changed.notified() => continue };
            match ended {
                None if *self.stop.borrow() => return Ok(()),
                None => self.changed.notified().await,
                Some(Ok((_, Ok(())))) => {}
                Some(Ok((task, Err(reason)))) => return Err(self.fail(task, reason)),
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => return Err(self.fail("unknown", error.to_string())),
            }
        }
    }

    fn fail(&self, task: &'static str, reason: String) -> TaskFailed {
        self.stop();
        self.abort();
        TaskFailed { task, reason }
    }
}
