//! One ear for the outcomes of all commands that a connection sends in the names of many: a
//! subscription for each command would cost the server more than the outcome.

use crate::SharedBroker;
use crate::fault::{Fault, Retry};
use crate::outcomes::heard;
use crate::port::Message;
use fleetlog_kernel::CommandId;
use fleetlog_messages::common::Outcome;
use fleetlog_messages::subject::{self, Subject};
use futures::StreamExt as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long to wait before it listens again.
const PAUSE: Duration = Duration::from_millis(200);

/// Who waits for which outcome, for those who may hear all of them. Run [`Self::run`] in a task;
/// until it listens, everybody listens for himself.
#[derive(Clone, Default)]
pub struct Hearing(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    listens: bool,
    waiting: HashMap<String, (CommandId, oneshot::Sender<Outcome>)>,
}

impl Hearing {
    /// Listens until the connection is of no use any more.
    pub async fn run(&self, broker: SharedBroker) -> Fault {
        loop {
            match broker.subscribe(&subject::outcomes(), None).await {
                Ok(mut messages) => {
                    self.state().listens = true;
                    while let Some(message) = messages.next().await {
                        self.hear(&message);
                    }
                    self.end();
                }
                Err(fault) if fault.retry == Retry::Useless => return fault,
                Err(fault) => tracing::warn!(%fault, "outcomes are not heard yet"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Listens no more: whoever waits goes on by himself.
    pub fn end(&self) {
        let mut state = self.state();
        state.listens = false;
        state.waiting.clear();
    }

    /// Waits for an outcome from now on; `None` while nobody listens.
    pub(crate) fn wait(&self, subject: &Subject, id: &CommandId) -> Option<Waiting> {
        let mut state = self.state();
        if !state.listens {
            return None;
        }
        let (told, outcome) = oneshot::channel();
        let subject = subject.as_str().to_owned();
        state.waiting.insert(subject.clone(), (id.clone(), told));
        Some(Waiting { hearing: self.clone(), subject, outcome })
    }

    fn hear(&self, message: &Message) {
        let mut state = self.state();
        let Some((id, _)) = state.waiting.get(&message.subject) else { return };
        let Some(outcome) = heard(message, id) else { return };
        if let Some((_, told)) = state.waiting.remove(&message.subject) {
            let _ = told.send(outcome);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for one outcome.
pub(crate) struct Waiting {
    hearing: Hearing,
    subject: String,
    outcome: oneshot::Receiver<Outcome>,
}

impl Waiting {
    /// The outcome; `None` when it is heard no more.
    pub async fn outcome(&mut self) -> Option<Outcome> {
        (&mut self.outcome).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.hearing.state().waiting.remove(&self.subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Headers;
    use fleetlog_messages::envelope::header;
    use prost::Message as _;

    fn message(actor: &str, subject_of: &str, of: &str) -> Message {
        let outcome = Outcome { command: of.to_owned(), ..Outcome::default() };
        Message {
            subject: subject::outcome(actor, &CommandId::new(subject_of)).as_str().to_owned(),
            headers: Headers::from([(header::OUTCOME.to_owned(), "1".to_owned())]),
            payload: outcome.encode_to_vec().into(),
            reply: None,
        }
    }

    #[tokio::test]
    async fn each_hears_the_outcome_of_his_own_command() {
        let (hearing, id) = (Hearing::default(), CommandId::new("one"));
        let subject = subject::outcome("ann", &id);
        assert!(hearing.wait(&subject, &id).is_none(), "nobody listens yet");
        hearing.state().listens = true;
        let mut waiting = hearing.wait(&subject, &id).unwrap();
        hearing.hear(&message("bob", "one", "one"));
        hearing.hear(&message("ann", "two", "two"));
        hearing.hear(&message("ann", "one", "two"));
        assert!(waiting.outcome.try_recv().is_err());
        hearing.hear(&message("ann", "one", "one"));
        assert_eq!(waiting.outcome().await.unwrap().command, "one");
        let forgotten = hearing.wait(&subject, &id).unwrap();
        drop(forgotten);
        assert!(hearing.state().waiting.is_empty());
        let mut left = hearing.wait(&subject, &id).unwrap();
        hearing.end();
        assert!(left.outcome().await.is_none());
    }
}
