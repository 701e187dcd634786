//! Who manages which fields after a write, and who stands in the way of one. Keeps of managed
//! fields what apply needs: the set of leaves of each manager.

use std::sync::Arc;

use serde_json::Value;

use crate::fields::{self, Fields};
use crate::state::State;
use crate::stored::{Managed, Operation};

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    pub(crate) manager: String,
    pub(crate) api_version: String,
    /// The write goes to the status subresource.
    pub(crate) status: bool,
    /// Nothing is to be stored.
    pub(crate) dry_run: bool,
}

impl Author {
    /// The cluster's own controllers, writing a status.
    pub(crate) fn controller(api_version: &str) -> Self {
        let manager = "kube-controller-manager".to_owned();
        Self { manager, api_version: api_version.to_owned(), status: true, dry_run: false }
    }

    fn owns(&self, entry: &Managed, operation: Operation) -> bool {
        *entry.manager == *self.manager
            && entry.operation == operation
            && entry.status == self.status
    }
}

/// The fields of one entry.
pub(crate) fn fields_of(entry: &Managed) -> Fields {
    fields::of_v1(&serde_json::from_slice(&entry.fields).unwrap_or_default())
}

/// What this author applied before; empty when it never did.
pub(crate) fn applied(managed: &[Managed], author: &Author) -> Fields {
    let mine = managed.iter().filter(|entry| author.owns(entry, Operation::Apply));
    mine.flat_map(fields_of).collect()
}

/// What anybody else manages, this author's plain updates included.
pub(crate) fn others(managed: &[Managed], author: &Author) -> Fields {
    let others = managed.iter().filter(|entry| !author.owns(entry, Operation::Apply));
    others.flat_map(fields_of).collect()
}

/// Leaves that others manage with another value, by manager.
pub(crate) fn conflicts(
    managed: &[Managed],
    author: &Author,
    live: &Value,
    wanted: &Value,
    set: &Fields,
) -> Vec<(Arc<str>, Fields)> {
    let others = managed.iter().filter(|entry| !author.owns(entry, Operation::Apply));
    others
        .filter_map(|entry| {
            let theirs = fields_of(entry);
            let hit: Fields = set
                .iter()
                .filter(|path| theirs.contains(*path))
                .filter(|path| fields::find(live, path) != fields::find(wanted, path))
                .cloned()
                .collect();
            (!hit.is_empty()).then(|| (entry.manager.clone(), hit))
        })
        .collect()
}

/// The entries after an apply that set `set` and took `taken` from others by force.
pub(crate) fn after_apply(
    state: &State,
    managed: &[Managed],
    author: &Author,
    set: &Fields,
    taken: &Fields,
) -> Vec<Managed> {
    let mut out = without(state, managed, taken, |entry| !author.owns(entry, Operation::Apply));
    let before = out.iter().position(|entry| author.owns(entry, Operation::Apply));
    let fields = shared(state, set);
    match before.and_then(|at| out.get_mut(at)) {
        Some(mine) if mine.fields == fields => {}
        Some(mine) => {
            mine.fields = fields;
            mine.time = state.clock.seconds();
        }
        None => out.push(entry(state, author, Operation::Apply, fields)),
    }
    out.retain(|entry| &*entry.fields != b"{}");
    out
}

/// The entries after any other write: what it changed is the author's now.
pub(crate) fn after_update(
    state: &State,
    managed: &[Managed],
    author: &Author,
    old: &Value,
    new: &Value,
) -> Vec<Managed> {
    let (before, after) = (fields::leaves(old), fields::leaves(new));
    let changed: Fields = after
        .iter()
        .filter(|path| {
            !before.contains(*path) || fields::find(old, path) != fields::find(new, path)
        })
        .cloned()
        .collect();
    let lost: Fields = before.difference(&after).chain(&changed).cloned().collect();
    if lost.is_empty() {
        return managed.to_vec();
    }
    let mine = |entry: &Managed| author.owns(entry, Operation::Update);
    let mut set: Fields = managed.iter().filter(|e| mine(e)).flat_map(fields_of).collect();
    set.retain(|path| !lost.contains(path));
    set.extend(changed);
    let mut out = without(state, managed, &lost, |entry| !mine(entry));
    out.retain(|entry| !mine(entry));
    if !set.is_empty() {
        out.push(entry(state, author, Operation::Update, shared(state, &set)));
    }
    out
}

fn without(
    state: &State,
    managed: &[Managed],
    lost: &Fields,
    of: impl Fn(&Managed) -> bool,
) -> Vec<Managed> {
    let reduce = |old: &Managed| {
        if lost.is_empty() || !of(old) {
            return old.clone();
        }
        let mut set = fields_of(old);
        set.retain(|path| !lost.contains(path));
        Managed { fields: shared(state, &set), ..old.clone() }
    };
    managed.iter().map(reduce).filter(|entry| &*entry.fields != b"{}").collect()
}

fn shared(state: &State, set: &Fields) -> Arc<[u8]> {
    state.share(fields::to_v1(set).to_string().as_bytes())
}

fn entry(state: &State, author: &Author, operation: Operation, fields: Arc<[u8]>) -> Managed {
    Managed {
        manager: author.manager.as_str().into(),
        operation,
        status: author.status,
        api_version: author.api_version.as_str().into(),
        time: state.clock.seconds(),
        fields,
    }
}
