//! One plain object: folded from its events.

use crate::namespace;
use crate::object::{has_generation, metadata, set_metadata};
use fleetlog_kernel::Position;
use fleetlog_messages::KindInfo;
use fleetlog_messages::core::{ObjectState, Sealed, object_event::Event};
use fleetlog_messages::wire::canonical;
use serde_json::Value;

/// An object, or the place of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plain {
    object: Option<Value>,
    sealed: Option<Sealed>,
    changed: u64,
    keys: Vec<String>,
}

impl Plain {
    /// The object, without what is sealed.
    #[must_use]
    pub const fn object(&self) -> Option<&Value> {
        self.object.as_ref()
    }

    /// The values of a secret.
    #[must_use]
    pub const fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }

    /// The position of its last change.
    #[must_use]
    pub const fn changed(&self) -> Position {
        Position(self.changed)
    }

    /// Every key that something of this incarnation was sealed with.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Folds one event of an object of this kind, recorded at `position`.
    pub fn evolve(&mut self, info: &KindInfo, event: &Event, position: Position) {
        self.changed = position.0;
        match event {
            Event::Written(written) => {
                self.object = serde_json::from_slice(&written.object).ok();
                self.sealed.clone_from(&written.sealed);
                let key = written.sealed.as_ref().map(|sealed| sealed.key.clone());
                let new = key.filter(|key| !self.keys.contains(key));
                self.keys.extend(new);
            }
            Event::DeletionRequested(requested) => {
                let Some(object) = &mut self.object else { return };
                let mut meta = metadata(object);
                meta.deletion_timestamp.clone_from(&requested.at);
                meta.deletion_grace_period_seconds = Some(0);
                if has_generation(info) {
                    meta.generation = Some(meta.generation.unwrap_or_default() + 1);
                }
                set_metadata(object, &meta);
                namespace::terminate(info, object);
            }
            Event::Deleted(_) => *self = Self { changed: self.changed, ..Self::default() },
        }
    }

    /// As it is kept in a snapshot.
    #[must_use]
    pub fn state(&self) -> ObjectState {
        ObjectState {
            object: self.object.as_ref().map(canonical).unwrap_or_default(),
            sealed: self.sealed.clone(),
            changed: self.changed,
            keys: self.keys.clone(),
        }
    }

    /// What [`Self::state`] kept.
    ///
    /// # Errors
    /// An object that is no JSON, in words.
    pub fn of(state: ObjectState) -> Result<Self, String> {
        let ObjectState { object, sealed, changed, keys } = state;
        let object = serde_json::from_slice(&object).map_err(|error| error.to_string())?;
        Ok(Self { object: Some(object), sealed, changed, keys })
    }
}
