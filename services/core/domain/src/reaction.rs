//! What follows from a commit: a namespace that goes takes along what lies in it, and goes itself
//! once it is empty; the keys of a secret that is gone are destroyed.

use crate::projection::{World, namespace_id};
use fleetlog_kernel::Reaction;
use fleetlog_messages::subject::AggregateId;

/// How many keys one command names: it has to fit a message.
const KEYS: usize = 1_000;

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// An object is to be deleted, by whoever decides on it.
    Delete(AggregateId),
    /// A namespace may be empty.
    Empty(AggregateId),
    /// The keys of a secret that is gone are not needed any more.
    Destroy(AggregateId, Vec<String>),
}

impl Reaction for &World {
    /// The commit is applied already: what it brought to light is with the world.
    type Event = ();
    type Command = Follow;

    fn react(&mut self, (): &()) -> Vec<Follow> {
        let noticed = self.noticed();
        let doomed = noticed.doomed.iter().cloned().map(Follow::Delete);
        let emptier = noticed.emptier.iter().map(|name| Follow::Empty(namespace_id(name)));
        let keys = noticed.keys.iter().flat_map(|(id, keys)| {
            keys.chunks(KEYS).map(|keys| Follow::Destroy(id.clone(), keys.to_vec()))
        });
        doomed.chain(emptier).chain(keys).collect()
    }
}
