//! The view that requests are answered from, and whoever watches it. A change reaches exactly the
//! watches that may be about it: those of its name, and those of the whole kind.

use crate::told::Told;
use fleetlog_chassis::Watched;
use fleetlog_gateway_domain::{Access, Change, Key, Kind, Seen, View};
use fleetlog_kernel::Position;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// How many changes a watch may be behind before it is cut off.
const BEHIND: usize = 1_024;

/// After so many watches those that have ended are forgotten.
const SWEEP: u64 = 64;

/// What a watch is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    /// The kind.
    pub kind: Kind,
    /// Of one namespace, or of all.
    pub namespace: Option<String>,
    /// Of one name, or of all.
    pub name: Option<String>,
}

impl Interest {
    /// Whether an object of the kind is meant.
    pub fn is_about(&self, key: &Key) -> bool {
        let is = |wanted: &Option<String>, given: &str| wanted.as_ref().is_none_or(|w| w == given);
        is(&self.namespace, &key.namespace) && is(&self.name, &key.name)
    }
}

/// What changes from a moment on; ends when the reader is too slow.
pub(crate) type Changes = mpsc::Receiver<Arc<Told>>;

/// The view and its watches.
#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    position: Watched<Position>,
    ready: Watched<bool>,
}

#[derive(Default)]
struct State {
    view: View,
    access: Access,
    watches: HashMap<(&'static str, Option<String>), Vec<Watch>>,
    /// How many watches have begun.
    begun: u64,
}

struct Watch {
    namespace: Option<String>,
    changes: mpsc::Sender<Arc<Told>>,
}

impl Board {
    /// Of a stream that others write to as well.
    pub fn of_shared() -> Self {
        let board = Self::default();
        board.state().view = View::of_shared();
        board
    }

    /// Forgets everything, whoever watches included: what is shown is read anew.
    pub fn begin_anew(&self) {
        self.ready.set(false);
        let mut state = self.state();
        state.view = View::of_shared();
        state.watches.clear();
    }

    /// Reads the view.
    pub fn look<R>(&self, look: impl FnOnce(&View) -> R) -> R {
        look(&self.state().view)
    }

    /// Takes in all objects of a kind.
    pub fn load(&self, kind: Kind, objects: Vec<Value>, at: Position) {
        let mut state = self.state();
        // What went since an earlier time that they were taken in allows nothing any more.
        for (key, _) in state.view.list(kind, None) {
            state.access.note(kind.0.kind, &key, None);
        }
        for object in &objects {
            state.access.note(kind.0.kind, &Key::of(object), Some(object));
        }
        state.view.load(kind, objects, at);
    }

    /// Looks at who may do what.
    pub fn access<R>(&self, look: impl FnOnce(&Access) -> R) -> R {
        look(&self.state().access)
    }

    /// Everything is taken in up to here: requests can be answered.
    pub fn set_ready(&self, at: Position) {
        self.position.set(at);
        self.ready.set(true);
    }

    /// Waits until requests can be answered.
    pub async fn ready(&self) {
        self.ready.until(|ready| ready.then_some(())).await;
    }

    /// Whether requests can be answered.
    pub fn is_ready(&self) -> bool {
        self.ready.get()
    }

    /// Takes in what became of objects up to `end`, and tells the watches.
    pub fn apply(&self, seen: Vec<Seen>, end: Position) {
        let mut state = self.state();
        for change in state.view.apply(seen, end) {
            let after = change.after.as_ref().map(|after| &after.object);
            state.access.note(change.kind.0.kind, &change.key, after);
            state.tell(&change);
        }
        drop(state);
        self.position.set(end);
    }

    /// Waits until everything up to here is taken in.
    pub async fn reached(&self, position: Position) {
        self.position.until(|now| (*now >= position).then_some(())).await;
    }

    /// Looks at the view and begins to watch it, with nothing between.
    pub fn watch<R>(&self, interest: &Interest, look: impl FnOnce(&View) -> R) -> (R, Changes) {
        let (sender, changes) = mpsc::channel(BEHIND);
        let watch = Watch { namespace: interest.namespace.clone(), changes: sender };
        let mut state = self.state();
        let place = (interest.kind.kept().0.message, interest.name.clone());
        state.begun += 1;
        if state.begun.is_multiple_of(SWEEP) {
            state.forget();
        }
        state.watches.entry(place).or_default().push(watch);
        (look(&state.view), changes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets watches that have ended.
    fn forget(&mut self) {
        self.watches.retain(|_, watches| {
            watches.retain(|watch| !watch.changes.is_closed());
            !watches.is_empty()
        });
    }

    /// Tells those it may concern; who does not listen any more, or is too slow, is forgotten.
    fn tell(&mut self, change: &Arc<Change>) {
        let Key { namespace, name } = &change.key;
        let told = Arc::new(Told::of(change.clone()));
        for place in [Some(name.clone()), None] {
            let place = (change.kind.0.message, place);
            let Some(watches) = self.watches.get_mut(&place) else { continue };
            watches.retain(|watch| {
                let about = watch.namespace.as_ref().is_none_or(|wanted| wanted == namespace);
                if about {
                    watch.changes.try_send(told.clone()).is_ok()
                } else {
                    !watch.changes.is_closed()
                }
            });
            if watches.is_empty() {
                self.watches.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_gateway_domain::find;
    use serde_json::json;

    fn kind() -> Kind {
        find("cluster.open-cluster-management.io", "v1", "managedclusters").unwrap()
    }

    fn seen(name: &str, at: u64) -> Seen {
        let version = Position(at).resource_version(0);
        let object = json!({"metadata": {"name": name, "uid": name, "resourceVersion": version}});
        let key = Key { namespace: String::new(), name: name.to_owned() };
        Seen { kind: kind(), key, object: Some(object), at: Position(at) }
    }

    fn of(name: Option<&str>) -> Interest {
        Interest { kind: kind(), namespace: None, name: name.map(str::to_owned) }
    }

    #[test]
    fn a_binding_that_went_between_two_loads_allows_nothing() {
        let board = Board::default();
        let of = |plural| find("rbac.authorization.k8s.io", "v1", plural).unwrap();
        let role = json!({
            "metadata": {"name": "r"},
            "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        });
        let binding = json!({
            "metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "User", "name": "u"}],
        });
        board.load(of("clusterroles"), vec![role], Position(1));
        let bindings = |all| board.load(of("clusterrolebindings"), all, Position(1));
        let caller = fleetlog_gateway_domain::Caller { user: "u".into(), ..Default::default() };
        let ask = fleetlog_gateway_domain::Ask::on("get", ("", "secrets"), "x");
        let may = || board.access(|access| access.allows(&caller, &ask).is_some());
        bindings(vec![binding]);
        assert!(may());
        bindings(vec![]);
        assert!(!may());
    }

    #[test]
    fn gw039_a_change_reaches_the_watches_of_its_name_and_of_all() {
        let board = Board::default();
        let (_, mut one) = board.watch(&of(Some("c1")), |_| ());
        let (_, mut other) = board.watch(&of(Some("c2")), |_| ());
        let (_, mut all) = board.watch(&of(None), |_| ());
        board.apply(vec![seen("c1", 1)], Position(1));
        assert_eq!(one.try_recv().unwrap().change.key.name, "c1");
        assert_eq!(all.try_recv().unwrap().change.key.name, "c1");
        assert!(other.try_recv().is_err());
    }

    #[test]
    fn watches_that_ended_are_forgotten() {
        let board = Board::default();
        for number in 0..SWEEP * 3 {
            let (_, changes) = board.watch(&of(Some(&format!("c{number}"))), |_| ());
            drop(changes);
        }
        assert!(board.state().watches.len() < usize::try_from(SWEEP).unwrap());
    }

    #[test]
    fn gw037_a_reader_that_is_too_slow_is_cut_off_and_others_are_not() {
        let board = Board::default();
        let (_, mut slow) = board.watch(&of(None), |_| ());
        let (_, mut quick) = board.watch(&of(None), |_| ());
        let (mut got, all) = (0, BEHIND as u64 + 10);
        for at in 1..=all {
            board.apply(vec![seen("c1", at)], Position(at));
            got += u64::from(quick.try_recv().is_ok());
        }
        assert_eq!(got, all);
        let mut late = 0;
        while slow.try_recv().is_ok() {
            late += 1;
        }
        assert_eq!(late, BEHIND);
        assert!(slow.is_closed());
    }
}
