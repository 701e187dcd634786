//! What the machine is told and what it answers: events and actions as plain data.

use crate::kind::{Kinds, Resource, WatchKey};
use crate::observed::Observed;
use crate::pace::Pace;
use crate::step::{Done, Step};
use fleetlog_messages::common::SyncEnd;
use fleetlog_messages::subject::Report;
use fleetlog_messages::work::Delivery;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who the agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its cluster.
    pub cluster: String,
    /// SHA-256 of the hub's id: what its records name.
    pub hub_hash: String,
    /// Which agent of that hub made them.
    pub agent_id: String,
    /// Waits and bounds.
    pub pace: Pace,
}

/// A group and a version.
pub type GroupVersion = (String, String);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The deliveries of the hub are heard from now on, and it can be asked.
    Connected,
    /// It cannot be reached.
    Disconnected,
    /// A delivery was heard; its signature holds.
    Delivered(Box<Delivery>),
    /// The hub answered a sync; every signature holds. Without its end it does not count.
    Synced {
        /// One for each work.
        deliveries: Vec<Delivery>,
        /// The end of the answer.
        end: Option<SyncEnd>,
    },
    /// Manifests came, or not.
    Fetched {
        /// For which work.
        work: String,
        /// Their hash.
        hash: String,
        /// The manifests; `None` when the hub has none of this hash or could not be asked.
        bundle: Option<Vec<u8>>,
    },
    /// The hub took a report, or not.
    Reported {
        /// What it was about.
        about: Report,
        /// Whether it is durable.
        taken: bool,
    },
    /// The records in the member, complete.
    Records(Vec<Value>),
    /// The kinds of some group versions; of those that the cluster lacks there are none.
    Discovered {
        /// What was asked for.
        asked: BTreeSet<GroupVersion>,
        /// What was read of it.
        known: BTreeSet<GroupVersion>,
        /// The kinds.
        kinds: Kinds,
    },
    /// The objects of a work were read.
    Observed {
        /// Which work.
        work: String,
        /// Each object that was asked for.
        observed: Observed,
    },
    /// The steps of a work were done, one after another.
    Executed {
        /// Which work.
        work: String,
        /// What became of each.
        done: Vec<Done>,
    },
    /// A watch saw an object.
    Seen(WatchKey, Box<Value>),
    /// A watch saw an object go.
    Gone(WatchKey, Box<Value>),
    /// A watch listed everything there is; what it did not name is not there.
    Listed(WatchKey, BTreeSet<(String, String)>),
    /// A watch cannot list: what there is stays unknown.
    Unlisted(WatchKey),
    /// What the cluster says of itself: the API server's version and the cluster's id.
    Described {
        /// `gitVersion`.
        version: String,
        /// The uid of `kube-system`.
        id: String,
    },
    /// Time passed.
    Tick,
}

/// What is to be done, without choices.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask the hub for everything; the digest of what is held.
    Sync(BTreeMap<String, i64>),
    /// Fetch manifests.
    Fetch {
        /// For which work.
        work: String,
        /// By their hash.
        hash: String,
    },
    /// Report to the hub, durably.
    Report(Report, Vec<u8>),
    /// Ask the cluster for the kinds of group versions.
    Discover(BTreeSet<GroupVersion>),
    /// Read objects.
    Observe {
        /// For which work.
        work: String,
        /// Which.
        resources: Vec<Resource>,
    },
    /// Do steps, one after another, whatever becomes of each.
    Execute {
        /// For which work.
        work: String,
        /// The steps.
        steps: Arc<[Step]>,
    },
    /// Keep exactly these watches.
    Watch(BTreeSet<WatchKey>),
    /// Ask the cluster for its version and its id.
    Describe,
}
