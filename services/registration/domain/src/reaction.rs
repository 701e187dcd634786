//! What follows from a change: where a condition no longer tells the truth, or a built-in set is
//! not what it should be, registration tells itself. From state alone, so a repeat is harmless.

use crate::fleet::{Change, Fleet};
use crate::names;
use crate::rights::Standing;
use crate::set::built_in;
use fleetlog_kernel::Reaction;
use fleetlog_messages::registration::ManagedClusterSet;
use std::time::Duration;

/// What registration has to do about a commit of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Follow {
    /// Count a set's members; soon, and once for many changes.
    Count {
        /// The set.
        set: String,
    },
    /// Write a cluster's lease anew, and have its agent beat: it may not know the rhythm yet.
    Lease {
        /// The cluster.
        cluster: String,
        /// How long it holds without a beat.
        lasts: Duration,
    },
    /// Look whether a binding's set exists.
    NoteBound {
        /// Namespace and name of the binding.
        binding: (String, String),
        /// Whether it exists.
        exists: bool,
    },
    /// Give a cluster its rights, or take them.
    Rights {
        /// The cluster.
        cluster: String,
        /// How it stands.
        standing: Standing,
    },
    /// See that the roles which all agents share are there, or not.
    Shared {
        /// Whether they are needed.
        needed: bool,
    },
    /// Put a built-in set right.
    Restore {
        /// The set's name.
        name: String,
        /// What it should be.
        set: Box<ManagedClusterSet>,
    },
}

/// The reactions to a fleet that a commit just changed.
pub struct Follows<'a>(pub &'a Fleet);

impl Reaction for Follows<'_> {
    /// All changes of one commit.
    type Event = Vec<Change>;
    type Command = Follow;

    fn react(&mut self, changes: &Vec<Change>) -> Vec<Follow> {
        let due = self.0.due();
        let counts = due.counts.iter().map(|set| Follow::Count { set: set.clone() });
        let leases = due
            .leases
            .iter()
            .map(|(cluster, lasts)| Follow::Lease { cluster: cluster.clone(), lasts: *lasts });
        let rights = due.rights.iter().map(|(cluster, standing)| Follow::Rights {
            cluster: cluster.clone(),
            standing: *standing,
        });
        let shared = due.shared.map(|needed| Follow::Shared { needed });
        let mut follows: Vec<Follow> = counts.chain(leases).chain(shared).chain(rights).collect();
        for change in changes {
            let about = match change {
                Change::Cluster(..) | Change::Kubernetes(_) | Change::NamespaceGone(_) => continue,
                Change::Set(name, _) => {
                    repair(self.0, name).into_iter().chain(bounds_of(self.0, name)).collect()
                }
                Change::Binding(key, _) => bound(self.0, key).into_iter().collect::<Vec<_>>(),
            };
            about.into_iter().for_each(|f| {
                if !follows.contains(&f) {
                    follows.push(f)
                }
            });
        }
        follows
    }
}

/// Every binding of a set whose condition is wrong.
fn bounds_of(fleet: &Fleet, set: &str) -> impl Iterator<Item = Follow> {
    let of_set = fleet.bindings().keys().filter(move |(_, name)| name == set);
    of_set.filter_map(|key| bound(fleet, key))
}

fn bound(fleet: &Fleet, key: &(String, String)) -> Option<Follow> {
    let exists = fleet.sets().contains_key(&key.1);
    let binding = fleet.bindings().get(key)?;
    (!binding.says(exists)).then(|| Follow::NoteBound { binding: key.clone(), exists })
}

/// What a built-in set needs: to exist, and to select as it should unless a user said otherwise.
fn repair(fleet: &Fleet, name: &str) -> Option<Follow> {
    let mut should = built_in(name)?;
    if let Some(is) = fleet.set(name).object() {
        let meta = is.metadata.clone().unwrap_or_default();
        if meta.annotations.get(names::AUTO_UPDATE).is_some_and(|v| v == "false") {
            return None;
        }
        let selector =
            |set: &ManagedClusterSet| set.spec.as_ref().and_then(|s| s.cluster_selector.clone());
        if selector(is) == selector(&should) {
            return None;
        }
        let (wanted, spec) = (selector(&should), is.spec.clone());
        should.spec = spec;
        should.spec.get_or_insert_default().cluster_selector = wanted;
    }
    Some(Follow::Restore { name: name.to_owned(), set: Box::new(should) })
}

/// What the built-in sets need, at the start of the service.
#[must_use]
pub fn repairs(fleet: &Fleet) -> Vec<Follow> {
    [names::DEFAULT_SET, names::GLOBAL_SET].iter().filter_map(|n| repair(fleet, n)).collect()
}
