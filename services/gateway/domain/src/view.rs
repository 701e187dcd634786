//! What is served at a position of the log, and what changed on the way there. Lists read it,
//! watches follow it, pages and resumed watches go back in it.

use crate::change::{Change, Served};
use crate::kinds::Kind;
use fleetlog_kernel::Position;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// How many changes are held; who comes from further back lists anew.
const HELD: usize = 8_192;

/// An object's place among those of its kind; lists are in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace; empty for kinds without.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of an object.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        Self { namespace: text("namespace"), name: text("name") }
    }
}

/// What became of an object: as the log had it at `at`, or that there was none.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its kind.
    pub kind: Kind,
    /// Which object.
    pub key: Key,
    /// As it was at the end of what was read; `None` when there was none.
    pub object: Option<Value>,
    /// The last commit that touched it.
    pub at: Position,
}

/// All that is served.
#[derive(Debug, Default)]
pub struct View {
    position: Position,
    objects: BTreeMap<&'static str, BTreeMap<Key, Arc<Served>>>,
    history: VecDeque<Arc<Change>>,
    /// What changed up to here is not in the history.
    floor: u64,
    /// Commits that were taken in together: what was between them is not in the history either.
    /// From the version before them to that of the last, in order.
    together: VecDeque<(u64, u64)>,
    /// Positions of others lie between those that are taken in: a step over them misses nothing.
    shared: bool,
}

impl View {
    /// Of a stream that others write to as well.
    #[must_use]
    pub fn of_shared() -> Self {
        Self { shared: true, ..Self::default() }
    }

    /// Takes in all objects of a kind, as they are at a position: how a view begins.
    pub fn load(&mut self, kind: Kind, objects: Vec<Value>, at: Position) {
        let all =
            objects.into_iter().map(|object| (Key::of(&object), Arc::new(Served::of(object))));
        self.objects.insert(kind.0.message, all.collect());
        self.position = self.position.max(at);
        self.floor = self.floor.max(end_of(at));
    }

    /// Takes in what became of some objects by the commits up to `end`; answers the changes, in
    /// the order of their versions.
    pub fn apply(&mut self, seen: Vec<Seen>, end: Position) -> Vec<Arc<Change>> {
        let mut changes: Vec<Change> =
            seen.into_iter().flat_map(|seen| self.changes(seen)).collect();
        changes.sort_by_key(|change| change.version);
        if end > self.position.next() && !self.shared {
            self.together.push_back((self.version(), start_of(end)));
        }
        self.position = self.position.max(end);
        changes.into_iter().map(|change| self.keep(change)).collect()
    }

    fn changes(&self, seen: Seen) -> Vec<Change> {
        let Seen { kind, key, object, at } = seen;
        let before = self.get(kind, &key).cloned();
        let after = object.map(|object| Arc::new(Served::of(object)));
        let change =
            |version, before, after| Change { version, kind, key: key.clone(), before, after };
        match (before, after) {
            (None, None) => vec![],
            (Some(before), Some(after)) if after.version <= before.version => vec![],
            (Some(before), Some(after)) if after.uid() != before.uid() => vec![
                change(after.version - 1, Some(before), None),
                change(after.version, None, Some(after)),
            ],
            (before, Some(after)) => vec![change(after.version, before, Some(after))],
            (Some(before), None) => {
                let gone = start_of(at).max(before.version + 1);
                vec![change(gone, Some(before), None)]
            }
        }
    }

    fn keep(&mut self, change: Change) -> Arc<Change> {
        let of_kind = self.objects.entry(change.kind.0.message).or_default();
        match &change.after {
            Some(after) => drop(of_kind.insert(change.key.clone(), after.clone())),
            None => drop(of_kind.remove(&change.key)),
        }
        let change = Arc::new(change);
        self.history.push_back(change.clone());
        if self.history.len() > HELD
            && let Some(oldest) = self.history.pop_front()
        {
            self.floor = self.floor.max(oldest.version);
            let floor = self.floor;
            while self.together.front().is_some_and(|(_, last)| *last <= floor) {
                self.together.pop_front();
            }
        }
        change
    }

    /// The position of the log that this is the state of.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The resource version of the state: of the last object that the last commit may have changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        end_of(self.position)
    }

    /// One object.
    #[must_use]
    pub fn get(&self, kind: Kind, key: &Key) -> Option<&Arc<Served>> {
        self.objects.get(kind.kept().0.message)?.get(key)
    }

    /// The objects of a kind, of one namespace or of all, in the order of their keys.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<(Key, Arc<Served>)> {
        let Some(all) = self.objects.get(kind.kept().0.message) else { return vec![] };
        let first = Key { namespace: namespace.unwrap_or_default().to_owned(), ..Key::default() };
        let within = |key: &Key| namespace.is_none_or(|namespace| key.namespace == namespace);
        let found = all.range(first..).take_while(|(key, _)| within(key));
        found.map(|(key, served)| (key.clone(), served.clone())).collect()
    }

    /// The same as it was at a resource version; `None` when that is not held any more.
    #[must_use]
    pub fn list_at(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        version: u64,
    ) -> Option<Vec<(Key, Arc<Served>)>> {
        if !self.holds(version) {
            return None;
        }
        let mut found: BTreeMap<Key, Arc<Served>> =
            self.list(kind, namespace).into_iter().collect();
        let later = self.history.iter().rev().take_while(|change| change.version > version);
        let within = |key: &Key| namespace.is_none_or(|namespace| key.namespace == namespace);
        let kind = kind.kept();
        for change in later.filter(|change| change.kind == kind && within(&change.key)) {
            match &change.before {
                Some(before) => drop(found.insert(change.key.clone(), before.clone())),
                None => drop(found.remove(&change.key)),
            }
        }
        Some(found.into_iter().collect())
    }

    /// The changes of a kind after a resource version, in order; `None` when not all are held.
    #[must_use]
    pub fn since(&self, kind: Kind, version: u64) -> Option<Vec<Arc<Change>>> {
        if !self.holds(version) {
            return None;
        }
        let kind = kind.kept();
        let later = self.history.iter().rev().take_while(|change| change.version > version);
        let mut found: Vec<_> = later.filter(|change| change.kind == kind).cloned().collect();
        found.reverse();
        Some(found)
    }

    /// The changes that lead from what there was of a kind to what there is: how a watch goes on
    /// from before the history. `then` are the objects at `version`.
    #[must_use]
    pub fn from_past(&self, kind: Kind, then: Vec<Value>, version: u64) -> Vec<Arc<Change>> {
        let kind = kind.kept();
        let then = then.into_iter().map(|object| (Key::of(&object), Arc::new(Served::of(object))));
        let then: BTreeMap<Key, Arc<Served>> = then.collect();
        let change =
            |version, key: &Key, before: Option<&Arc<Served>>, after: Option<&Arc<Served>>| {
                let (before, after) = (before.cloned(), after.cloned());
                Arc::new(Change { version, kind, key: key.clone(), before, after })
            };
        let mut changes = vec![];
        for (key, after) in self.list(kind, None) {
            let before = then.get(&key);
            if after.version <= version {
                continue;
            }
            let same = before.filter(|before| before.uid() == after.uid());
            if let (Some(other), None) = (before, same) {
                changes.push(change(after.version - 1, &key, Some(other), None));
            }
            changes.push(change(after.version, &key, same, Some(&after)));
        }
        let gone = then.iter().filter(|(key, _)| self.get(kind, key).is_none());
        changes.extend(gone.map(|(key, last)| change(self.version(), key, Some(last), None)));
        changes.sort_by_key(|change| change.version);
        changes
    }

    /// Whether there is something in a namespace.
    #[must_use]
    pub fn is_inhabited(&self, namespace: &str) -> bool {
        let first = Key { namespace: namespace.to_owned(), ..Key::default() };
        let within = |all: &BTreeMap<Key, Arc<Served>>| {
            all.range(&first..).next().is_some_and(|(key, _)| key.namespace == namespace)
        };
        self.objects.values().any(within)
    }

    /// Whether the state at a resource version, and all changes after it, can be told.
    #[must_use]
    pub fn holds(&self, version: u64) -> bool {
        let after = self.together.partition_point(|(_, last)| *last <= version);
        let within = self.together.get(after).is_some_and(|(first, _)| *first < version);
        version >= self.floor && !within
    }
}

/// The first resource version of a commit.
fn start_of(position: Position) -> u64 {
    position.0 * Position::OBJECTS_PER_COMMIT
}

/// The last one.
fn end_of(position: Position) -> u64 {
    start_of(position) + Position::OBJECTS_PER_COMMIT - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;
    use serde_json::json;

    fn kind() -> Kind {
        find("cluster.open-cluster-management.io", "v1", "managedclusters").unwrap()
    }

    fn object(name: &str, uid: &str, at: u64, label: &str) -> Value {
        json!({"metadata": {"name": name, "uid": uid, "labels": {"a": label},
            "resourceVersion": start_of(Position(at)).to_string()}})
    }

    fn seen(name: &str, object: Option<Value>, at: u64) -> Seen {
        let key = Key { namespace: String::new(), name: name.to_owned() };
        Seen { kind: kind(), key, object, at: Position(at) }
    }

    fn tell(change: &Change, selects: impl Fn(&Value) -> bool) -> Option<(&'static str, Value)> {
        let what = change.what(selects)?;
        let object = change.object(what)?.into_owned();
        let json: Value = serde_json::from_str(&change.json(what)?).unwrap();
        assert_eq!(json, object);
        Some((what.name(), object))
    }

    fn told(changes: &[Arc<Change>], label: &str) -> Vec<(&'static str, String)> {
        let selects = |object: &Value| object["metadata"]["labels"]["a"] == label;
        let told = changes.iter().filter_map(|change| tell(change, selects));
        told.map(|(what, o)| (what, o["metadata"]["resourceVersion"].as_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn gw029_a_selector_that_begins_or_ends_to_match_adds_and_deletes() {
        let mut view = View::default();
        let mut all = vec![];
        for (at, label) in [(1, "x"), (2, "y"), (3, "y"), (4, "x")] {
            let object = Some(object("c", "u", at, label));
            all.extend(view.apply(vec![seen("c", object, at)], Position(at)));
        }
        let version = |at: u64| start_of(Position(at)).to_string();
        let wanted = vec![("ADDED", version(2)), ("MODIFIED", version(3)), ("DELETED", version(4))];
        assert_eq!(told(&all, "y"), wanted);
        let last = tell(all.last().unwrap(), |o| o["metadata"]["labels"]["a"] == "y").unwrap().1;
        assert_eq!(last["metadata"]["labels"]["a"], "y", "as it was when it matched");
    }

    #[test]
    fn gw032_another_incarnation_is_a_deletion_and_an_addition() {
        let mut view = View::default();
        view.apply(vec![seen("c", Some(object("c", "u1", 1, "x")), 1)], Position(1));
        let changes = view.apply(vec![seen("c", Some(object("c", "u2", 3, "x")), 3)], Position(3));
        let what: Vec<_> = told(&changes, "x").into_iter().map(|(what, _)| what).collect();
        assert_eq!(what, ["DELETED", "ADDED"]);
        assert!(changes[0].version < changes[1].version);
    }

    #[test]
    fn gw027_what_changed_after_a_version_is_told_in_order() {
        let mut view = View::default();
        view.load(kind(), vec![object("c", "u", 5, "x")], Position(5));
        let seen_at = |at| seen("c", Some(object("c", "u", at, "x")), at);
        for at in 6..9 {
            view.apply(vec![seen_at(at)], Position(at));
        }
        let after = |version| view.since(kind(), version).map(|found| found.len());
        assert_eq!(after(end_of(Position(5))), Some(3));
        assert_eq!(after(start_of(Position(7))), Some(1));
        assert_eq!(after(start_of(Position(4))), None, "before the view began");
        let versions: Vec<u64> = view
            .since(kind(), end_of(Position(5)))
            .unwrap()
            .iter()
            .map(|change| change.version)
            .collect();
        assert!(versions.is_sorted());
    }

    #[test]
    fn gw009_a_list_can_be_had_as_it_was() {
        let mut view = View::default();
        view.load(kind(), vec![object("a", "1", 1, "x"), object("b", "2", 1, "x")], Position(2));
        view.apply(vec![seen("a", None, 3)], Position(3));
        view.apply(vec![seen("c", Some(object("c", "3", 4, "x")), 4)], Position(4));
        let names = |found: Vec<(Key, Arc<Served>)>| -> Vec<String> {
            found.into_iter().map(|(key, _)| key.name).collect()
        };
        assert_eq!(names(view.list(kind(), None)), ["b", "c"]);
        let at = |at| view.list_at(kind(), None, end_of(Position(at))).map(names);
        assert_eq!(at(2).unwrap(), ["a", "b"]);
        assert_eq!(at(3).unwrap(), ["b"]);
        assert_eq!(at(1), None);
    }

    #[test]
    fn a_watch_goes_on_from_before_the_view_began() {
        let mut view = View::default();
        let all =
            vec![object("a", "1", 9, "y"), object("b", "2", 1, "x"), object("d", "9", 8, "x")];
        view.load(kind(), all, Position(10));
        let then = vec![
            object("a", "1", 2, "x"),
            object("b", "2", 1, "x"),
            object("c", "3", 1, "x"),
            object("d", "4", 1, "x"),
        ];
        let changes = view.from_past(kind(), then, end_of(Position(5)));
        let told: Vec<(&str, &str)> = changes
            .iter()
            .map(|change| (tell(change, |_| true).unwrap().0, change.key.name.as_str()))
            .collect();
        let wanted = [("DELETED", "d"), ("ADDED", "d"), ("MODIFIED", "a"), ("DELETED", "c")];
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_was_between_commits_that_came_together_is_not_held() {
        let mut view = View::default();
        view.load(kind(), vec![object("a", "1", 1, "x")], Position(4));
        let both = vec![
            seen("a", Some(object("a", "1", 7, "y")), 7),
            seen("b", Some(object("b", "2", 6, "x")), 6),
        ];
        view.apply(both, Position(7));
        let holds = |at: u64| view.holds(start_of(Position(at)));
        assert!(view.holds(end_of(Position(4))), "before them");
        assert!(!holds(5) && !holds(6), "between them");
        assert!(holds(7) && view.holds(end_of(Position(7))), "the last of them");
        assert_eq!(view.list_at(kind(), None, start_of(Position(6))), None);
        assert_eq!(view.since(kind(), start_of(Position(6))), None);
    }

    #[test]
    fn what_is_older_or_the_same_changes_nothing() {
        let mut view = View::default();
        view.load(kind(), vec![object("a", "1", 5, "x")], Position(5));
        let again = view.apply(vec![seen("a", Some(object("a", "1", 4, "y")), 5)], Position(5));
        assert_eq!(again, []);
        assert_eq!(view.apply(vec![seen("z", None, 6)], Position(6)), []);
        assert_eq!(view.position(), Position(6));
    }
}
