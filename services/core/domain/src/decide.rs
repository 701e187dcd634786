//! What is decided about a plain object: one function per command, refusals first.

mod admit;
mod apply;

use crate::command::{Asked, Command, Left};
use crate::namespace;
use crate::object::{finalizers, is_terminating, text};
use crate::refusal::Refusal;
use crate::state::Plain;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::core::{
    ObjectDeleted, ObjectDeletionRequested, ObjectWritten, object_event::Event,
};
use fleetlog_messages::wire::canonical;
use serde_json::Value;

type Decision = Result<Vec<Event>, Refusal>;

impl Plain {
    /// Decides one command at time `at`.
    ///
    /// # Errors
    /// The refusal.
    pub fn decide(&self, asked: &Asked, at: Timestamp) -> Decision {
        match &asked.command {
            Command::Apply(apply) => apply::apply(self, asked, apply, at),
            Command::Ensure { object, once } => apply::ensure(self, asked, object, *once, at),
            Command::Delete { uid, by } => delete(self, asked, (uid, by), at),
            Command::Empty(left) => Ok(empty(self, left, at)),
            Command::Finalize { finalizers, expected, left } => {
                apply::finalize(self, asked, (finalizers, expected), left)
            }
            Command::Destroyed => Ok(vec![]),
        }
    }
}

fn delete(plain: &Plain, asked: &Asked, (uid, by): (&str, &str), at: Timestamp) -> Decision {
    let name = || asked.id.to_string();
    let object = plain.object().ok_or_else(|| Refusal::NotFound { object: name() })?;
    let current = text(object, "/metadata/uid");
    if !uid.is_empty() && uid != current {
        let (given, current) = (uid.to_owned(), current.to_owned());
        return Err(Refusal::Outdated { object: name(), given, current });
    }
    if asked.info.kind == "Namespace" && namespace::PROTECTED.contains(&asked.id.name.as_str()) {
        return Err(Refusal::Protected { namespace: asked.id.name.clone() });
    }
    if is_terminating(object) {
        return Ok(vec![]);
    }
    if finalizers(object).is_empty() {
        return Ok(vec![Event::Deleted(ObjectDeleted {})]);
    }
    let (by, at) = (by.to_owned(), Some(fleetlog_rules::time(at)));
    Ok(vec![Event::DeletionRequested(ObjectDeletionRequested { by, at })])
}

/// A namespace that has nothing in it any more goes; one that has says what.
fn empty(plain: &Plain, left: &Left, at: Timestamp) -> Vec<Event> {
    let Some(object) = plain.object().filter(|object| is_terminating(object)) else {
        return vec![];
    };
    let others: Vec<String> =
        finalizers(object).into_iter().filter(|other| other != namespace::FINALIZER).collect();
    if left.objects.is_empty() && others.is_empty() {
        return vec![Event::Deleted(ObjectDeleted {})];
    }
    let mut after = object.clone();
    after["status"]["conditions"] = namespace::conditions(object, left, at);
    if left.objects.is_empty() {
        namespace::let_go(&mut after);
    }
    if after == *object { vec![] } else { vec![written(&after, plain.sealed().cloned())] }
}

fn written(object: &Value, sealed: Option<fleetlog_messages::core::Sealed>) -> Event {
    Event::Written(ObjectWritten { object: canonical(object), sealed })
}
