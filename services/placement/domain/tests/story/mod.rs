//! A world told in one line per fact, with the loop that the service runs around the domain: every
//! commit is folded, and the placements it touches are scheduled.
#![allow(dead_code, reason = "each test file tells its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use fleetlog_kernel::{Decider, Position, Projection, Reaction, Timestamp, Uid};
use fleetlog_messages::common::{Condition, LabelSelector, LabelSelectorRequirement, ObjectMeta};
use fleetlog_messages::placement::{
    self as message, AddOnPlacementScore, AddOnPlacementScoreItem, AddOnPlacementScoreStatus,
    ClusterClaimSelector, ClusterPredicate, ClusterSelector, PlacementSpec, ScoreSpecified,
    placement_event, score_event,
};
use fleetlog_messages::registration::{
    BindingDeleted, BindingSpecified, ClusterAccepted, ClusterDeleted, ClusterFacts,
    ClusterSetDeleted, ClusterSetSpecified, ClusterSpecified, ClusterStatusReported,
    ManagedCluster, ManagedClusterClaim, ManagedClusterSelector, ManagedClusterSet,
    ManagedClusterSetBinding, ManagedClusterSetSpec, Taint, TaintAdded, TaintRemoved,
    cluster_event, cluster_set_event,
};
use fleetlog_messages::registration_v2::binding_event;
use fleetlog_placement_domain::command::Apply;
use fleetlog_placement_domain::held_scores::ScoreKey;
use fleetlog_placement_domain::reaction::Follows;
use fleetlog_placement_domain::schedule::Steadiness;
use fleetlog_placement_domain::{
    Change, Placement, PlacementCommand, PlacementKey, Refusal, World, pages,
};
use fleetlog_rules::condition;
use fleetlog_rules::membership::SET_LABEL;
use fleetlog_rules::metadata::Change as Metadata;
use std::collections::BTreeMap;

pub const AT: Timestamp = Timestamp::of_seconds(1_700_000_000);

pub fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub fn key(name: &str) -> PlacementKey {
    PlacementKey::new("ns", name)
}

/// The command that applies a placement of namespace `ns`.
pub fn apply(name: &str, spec: PlacementSpec) -> Apply {
    Apply {
        object: message::Placement { spec: Some(spec), ..message::Placement::default() },
        target: key(name),
        expected: None,
        change: Metadata::Merge,
        uid: Uid::new("u"),
        by: "ann".into(),
    }
}

pub fn number(number: i32) -> PlacementSpec {
    PlacementSpec { number_of_clusters: Some(number), ..PlacementSpec::default() }
}

pub fn requirement(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
    let values = values.iter().map(|v| (*v).to_owned()).collect();
    LabelSelectorRequirement { key: text(key), operator: text(operator), values }
}

pub fn predicate(labels: &[(&str, &str)], claims: &[(&str, &str)]) -> ClusterPredicate {
    let expressions = claims.iter().map(|(k, v)| requirement(k, "In", &[v])).collect();
    ClusterPredicate {
        required_cluster_selector: Some(ClusterSelector {
            label_selector: (!labels.is_empty())
                .then(|| LabelSelector { match_labels: pairs(labels), ..LabelSelector::default() }),
            claim_selector: (!claims.is_empty())
                .then_some(ClusterClaimSelector { match_expressions: expressions }),
            cel_selector: None,
        }),
    }
}

pub fn taint(key: &str, value: &str, effect: &str) -> Taint {
    Taint { key: text(key), value: text(value), effect: text(effect), ..Taint::default() }
}

/// A spec whose predicate means nothing.
pub fn misconfigured() -> PlacementSpec {
    let selector = LabelSelector {
        match_expressions: vec![requirement("a", "In", &[])],
        ..LabelSelector::default()
    };
    let selector = ClusterSelector { label_selector: Some(selector), ..Default::default() };
    let predicate = ClusterPredicate { required_cluster_selector: Some(selector) };
    PlacementSpec { predicates: vec![predicate], ..PlacementSpec::default() }
}

/// The specification of a cluster: accepted, in a set, with labels.
pub fn specified(set: &str, labels: &[(&str, &str)]) -> cluster_event::Event {
    let mut labels = pairs(labels);
    labels.insert(SET_LABEL.to_owned(), set.to_owned());
    let metadata = ObjectMeta { labels, ..ObjectMeta::default() };
    let mut cluster = ManagedCluster { metadata: Some(metadata), ..ManagedCluster::default() };
    cluster.spec.get_or_insert_default().hub_accepts_client = Some(true);
    cluster_event::Event::Specified(ClusterSpecified { cluster: Some(cluster) })
}

pub fn set_by(selector: Option<LabelSelector>) -> ManagedClusterSetSpec {
    let kind = if selector.is_some() { "LabelSelector" } else { "ExclusiveClusterSetLabel" };
    let cluster_selector =
        Some(ManagedClusterSelector { selector_type: text(kind), label_selector: selector });
    ManagedClusterSetSpec { cluster_selector, ..ManagedClusterSetSpec::default() }
}

/// The world and what is still to be scheduled.
#[derive(Default)]
pub struct Story {
    pub world: World,
    position: u64,
    waiting: Vec<PlacementKey>,
    /// How many schedules were computed.
    pub looks: usize,
    /// Every event of placements.
    pub events: Vec<placement_event::Event>,
    /// What was added to the clock by hand, in seconds.
    pub passed: u64,
    /// When placements are woken.
    pub timers: BTreeMap<PlacementKey, Timestamp>,
}

impl Story {
    /// Clusters of set `s`, which is bound to `ns`.
    pub fn of(clusters: &[&str]) -> Self {
        let mut story = Self::default();
        story.set("s", set_by(None));
        story.bind("ns", "s");
        for cluster in clusters {
            story.cluster(cluster, specified("s", &[]));
        }
        story
    }

    /// Folds one commit and notes what it touches.
    pub fn commit(&mut self, changes: Vec<Change>) -> Vec<PlacementKey> {
        self.position += 1;
        let position = Position(self.position);
        for change in changes {
            self.world.apply(&change, position);
        }
        let touched = Follows(&self.world).react(&position);
        self.waiting.extend(touched.clone());
        for key in self.world.timed(position) {
            if let Some(at) = self.world.deadline(&key, self.now()) {
                self.timers.insert(key, at);
            }
        }
        touched
    }

    pub fn cluster(&mut self, name: &str, event: cluster_event::Event) -> Vec<PlacementKey> {
        self.commit(vec![Change::Cluster(name.to_owned(), event)])
    }

    pub fn accept(&mut self, name: &str) -> Vec<PlacementKey> {
        self.cluster(name, cluster_event::Event::Accepted(ClusterAccepted::default()))
    }

    pub fn taint(&mut self, name: &str, taint: Taint) -> Vec<PlacementKey> {
        self.cluster(name, cluster_event::Event::TaintAdded(TaintAdded { taint: Some(taint) }))
    }

    pub fn untaint(&mut self, name: &str, taint: Taint) -> Vec<PlacementKey> {
        self.cluster(name, cluster_event::Event::TaintRemoved(TaintRemoved { taint: Some(taint) }))
    }

    pub fn claims(&mut self, name: &str, claims: &[(&str, &str)]) -> Vec<PlacementKey> {
        let claim = |(k, v): &(&str, &str)| ManagedClusterClaim { name: text(k), value: text(v) };
        let facts = ClusterFacts {
            cluster_claims: claims.iter().map(claim).collect(),
            ..Default::default()
        };
        let reported = ClusterStatusReported { facts: Some(facts) };
        self.cluster(name, cluster_event::Event::StatusReported(reported))
    }

    /// Claims, and what of 100 cpu and 100 memory is to be had.
    pub fn allocatable(&mut self, name: &str, cpu: &str, memory: &str) -> Vec<PlacementKey> {
        self.facts(name, &[("cpu", "100"), ("memory", "100")], &[("cpu", cpu), ("memory", memory)])
    }

    pub fn facts(
        &mut self,
        name: &str,
        capacity: &[(&str, &str)],
        allocatable: &[(&str, &str)],
    ) -> Vec<PlacementKey> {
        let facts = ClusterFacts {
            capacity: pairs(capacity),
            allocatable: pairs(allocatable),
            ..Default::default()
        };
        let reported = ClusterStatusReported { facts: Some(facts) };
        self.cluster(name, cluster_event::Event::StatusReported(reported))
    }

    /// An add-on gives a cluster scores, which count until `until`.
    pub fn score(
        &mut self,
        cluster: &str,
        name: &str,
        scores: &[(&str, i32)],
        until: Option<Timestamp>,
    ) -> Vec<PlacementKey> {
        let item = |(name, value): &(&str, i32)| AddOnPlacementScoreItem {
            name: text(name),
            value: Some(*value),
        };
        let status = AddOnPlacementScoreStatus {
            scores: scores.iter().map(item).collect(),
            valid_until: until.map(fleetlog_rules::time),
            ..AddOnPlacementScoreStatus::default()
        };
        let object = AddOnPlacementScore { status: Some(status), ..AddOnPlacementScore::default() };
        let event = score_event::Event::Specified(ScoreSpecified { score: Some(object) });
        let key = ScoreKey { cluster: cluster.to_owned(), name: name.to_owned() };
        self.commit(vec![Change::Score(key, event)])
    }

    pub fn leave(&mut self, name: &str) -> Vec<PlacementKey> {
        self.cluster(name, cluster_event::Event::Deleted(ClusterDeleted::default()))
    }

    pub fn set(&mut self, name: &str, spec: ManagedClusterSetSpec) -> Vec<PlacementKey> {
        let set = ManagedClusterSet { spec: Some(spec), ..ManagedClusterSet::default() };
        let event = cluster_set_event::Event::Specified(ClusterSetSpecified { set: Some(set) });
        self.commit(vec![Change::Set(name.to_owned(), event)])
    }

    pub fn drop_set(&mut self, name: &str) -> Vec<PlacementKey> {
        let event = cluster_set_event::Event::Deleted(ClusterSetDeleted::default());
        self.commit(vec![Change::Set(name.to_owned(), event)])
    }

    pub fn bind(&mut self, namespace: &str, set: &str) -> Vec<PlacementKey> {
        let binding = Some(ManagedClusterSetBinding::default());
        let event = binding_event::Event::Specified(BindingSpecified { binding });
        self.commit(vec![Change::Binding((namespace.to_owned(), set.to_owned()), event)])
    }

    pub fn unbind(&mut self, namespace: &str, set: &str) -> Vec<PlacementKey> {
        let event = binding_event::Event::Deleted(BindingDeleted::default());
        self.commit(vec![Change::Binding((namespace.to_owned(), set.to_owned()), event)])
    }

    /// Gives a command to a placement; its events are committed.
    pub fn command(
        &mut self,
        key: &PlacementKey,
        command: &PlacementCommand,
    ) -> Result<Vec<placement_event::Event>, Refusal> {
        let at = self.now();
        let unborn = Placement::default();
        let placement = self.world.placement(key).unwrap_or(&unborn);
        let events = placement.decide(command, at)?;
        if !events.is_empty() {
            let change = |event| Change::Placement(key.clone(), event);
            self.commit(events.iter().cloned().map(change).collect());
            self.events.extend(events.clone());
        }
        Ok(events)
    }

    /// Applies a placement of namespace `ns`, and schedules.
    pub fn place(&mut self, name: &str, spec: PlacementSpec) -> Vec<String> {
        self.command(&key(name), &PlacementCommand::Apply(Box::new(apply(name, spec)))).unwrap();
        self.settle();
        self.decided(name)
    }

    pub fn delete(&mut self, name: &str) {
        let command = PlacementCommand::Delete { target: key(name), by: "ann".to_owned() };
        self.command(&key(name), &command).unwrap();
    }

    /// Computes a placement's schedule and takes it over.
    pub fn look(&mut self, key: &PlacementKey) -> Vec<placement_event::Event> {
        self.look_as(key, Steadiness::Kept)
    }

    /// The time; only [`Self::pass`] moves it.
    pub fn now(&self) -> Timestamp {
        AT.plus(std::time::Duration::from_secs(self.passed))
    }

    /// A moment some seconds ago.
    pub fn ago(&self, seconds: i64) -> Timestamp {
        Timestamp::of_seconds(self.now().seconds() - seconds)
    }

    /// Taints a cluster as of some seconds ago.
    pub fn taint_ago(&mut self, name: &str, taint: Taint, seconds: i64) -> Vec<PlacementKey> {
        let time_added = Some(fleetlog_rules::time(self.ago(seconds)));
        self.taint(name, Taint { time_added, ..taint })
    }

    /// Lets time pass; placements are woken as they asked for, and at no other moment.
    pub fn pass(&mut self, seconds: u64) {
        let end = self.now().plus(std::time::Duration::from_secs(seconds));
        loop {
            let due = self.timers.iter().min_by_key(|(_, at)| **at);
            let Some((key, at)) = due.map(|(k, at)| (k.clone(), *at)).filter(|(_, at)| *at <= end)
            else {
                break;
            };
            self.timers.remove(&key);
            self.passed += at.since(self.now()).as_secs();
            let next = self.world.deadline(&key, self.now());
            self.timers.extend(next.map(|next| (key.clone(), next)));
            self.look(&key);
            self.settle();
        }
        self.passed += end.since(self.now()).as_secs();
    }

    /// Chooses afresh.
    pub fn rebalance(&mut self, name: &str) -> Vec<placement_event::Event> {
        self.look_as(&key(name), Steadiness::Waived)
    }

    fn look_as(&mut self, key: &PlacementKey, how: Steadiness) -> Vec<placement_event::Event> {
        let Some(schedule) = self.world.schedule(key, self.now(), how) else { return vec![] };
        self.looks += 1;
        let inputs = self.world.position();
        let command = PlacementCommand::Schedule { schedule: Box::new(schedule), inputs };
        self.command(key, &command).unwrap()
    }

    /// Schedules whatever waits, as often as something does.
    pub fn settle(&mut self) {
        while !self.waiting.is_empty() {
            let key = self.waiting.remove(0);
            if self.world.pending(&key).is_some() {
                self.look(&key);
            }
        }
    }

    pub fn placement(&self, name: &str) -> Placement {
        self.world.placement(&key(name)).cloned().unwrap_or_default()
    }

    /// The clusters that a placement of `ns` has now.
    pub fn decided(&self, name: &str) -> Vec<String> {
        self.placement(name).0.decided.into_keys().collect()
    }

    pub fn condition(&self, name: &str, kind: &str) -> Condition {
        let placement = self.placement(name);
        condition::find(placement.conditions(), kind).cloned().unwrap_or_default()
    }

    /// Status, reason and message of PlacementSatisfied.
    pub fn satisfied(&self, name: &str) -> (String, String, String) {
        let said = self.condition(name, "PlacementSatisfied");
        (said.status().to_owned(), said.reason().to_owned(), said.message().to_owned())
    }

    /// Each page: its name, group index, group and clusters.
    pub fn pages(&self, name: &str) -> Vec<(String, String, String, Vec<String>)> {
        let page = |page: message::PlacementDecision| {
            let meta = page.metadata.unwrap();
            let label = |end: &str| {
                meta.labels[&format!("cluster.open-cluster-management.io/decision-group-{end}")]
                    .clone()
            };
            let decisions = page.status.unwrap().decisions;
            let names = decisions.iter().map(|d| d.cluster_name().to_owned()).collect();
            (meta.name().to_owned(), label("index"), label("name"), names)
        };
        pages::objects(&self.placement(name)).into_iter().map(page).collect()
    }
}
