//! A hub's state without a hub: clusters and placements as events, told to the scheduler and to the
//! reference alike.

use crate::reference::{Asked, Facts};
use fleetlog_kernel::{Decider, Position, Projection, Timestamp, Uid};
use fleetlog_messages::common::{LabelSelector, ObjectMeta};
use fleetlog_messages::placement::{
    self as message, ClusterCelSelector, ClusterPredicate, ClusterSelector, PlacementSpec,
    PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate, SpreadConstraint, SpreadPolicy,
};
use fleetlog_messages::registration::{
    BindingSpecified, ClusterFacts, ClusterSetSpecified, ClusterSpecified, ClusterStatusReported,
    ManagedCluster, ManagedClusterSet, ManagedClusterSetBinding, ManagedClusterSpec, cluster_event,
    cluster_set_event,
};
use fleetlog_messages::registration_v2::binding_event;
use fleetlog_placement_domain::command::Apply;
use fleetlog_placement_domain::schedule::Steadiness;
use fleetlog_placement_domain::{Change, Placement, PlacementCommand, PlacementKey, World};
use fleetlog_rules::membership::SET_LABEL;
use std::collections::{BTreeMap, BTreeSet};

/// When everything happens.
pub const NOW: Timestamp = Timestamp::of_seconds(1_800_000_000);

/// The state.
#[derive(Default)]
pub struct Hub {
    pub world: World,
    /// The same for the reference; none where only the scheduler is measured.
    facts: Option<Facts>,
    position: u64,
}

impl Hub {
    /// So many clusters of one set, bound to the namespace `ns`; the reference is told too.
    pub fn of(clusters: usize) -> Self {
        let mut facts = Facts::default();
        facts.sets.insert("s".to_owned(), ManagedClusterSet::default());
        facts.bindings.insert(("ns".to_owned(), "s".to_owned()));
        Self { facts: Some(facts), ..Self::default() }.filled(clusters)
    }

    /// As [`Self::of`], without the reference.
    pub fn alone(clusters: usize) -> Self {
        Self::default().filled(clusters)
    }

    fn filled(self, clusters: usize) -> Self {
        let mut hub = self;
        let set = ManagedClusterSet::default();
        let event = cluster_set_event::Event::Specified(ClusterSetSpecified { set: Some(set) });
        hub.commit(Change::Set("s".to_owned(), event));
        let binding = Some(ManagedClusterSetBinding::default());
        let event = binding_event::Event::Specified(BindingSpecified { binding });
        hub.commit(Change::Binding(("ns".to_owned(), "s".to_owned()), event));
        (0..clusters).for_each(|number| drop(hub.join(number)));
        hub
    }

    fn commit(&mut self, change: Change) -> Vec<PlacementKey> {
        self.position += 1;
        let position = Position(self.position);
        self.world.apply(&change, position);
        self.world.touched(position)
    }

    fn tell(&mut self, name: &str, event: cluster_event::Event) -> Vec<PlacementKey> {
        if let Some(facts) = &mut self.facts {
            facts.cluster(name, &event);
        }
        self.commit(Change::Cluster(name.to_owned(), event))
    }

    /// A cluster joins; who is touched.
    pub fn join(&mut self, number: usize) -> Vec<PlacementKey> {
        let name = format!("c{number:06}");
        let labels = [
            (SET_LABEL, "s".to_owned()),
            ("tier", if number % 10 == 3 { "gold" } else { "silver" }.to_owned()),
            ("part", format!("{}", number % 16)),
            ("app", format!("app{}", number % 1_000)),
        ];
        let facts = ClusterFacts {
            capacity: amounts(128),
            allocatable: amounts(number * 7_919 % 128),
            ..ClusterFacts::default()
        };
        let reported = ClusterStatusReported { facts: Some(facts) };
        self.tell(&name, specified(&name, &labels));
        self.tell(&name, cluster_event::Event::StatusReported(reported))
    }

    /// A cluster gets another label; who is touched.
    pub fn relabel(&mut self, name: &str, (key, value): (&str, &str)) -> Vec<PlacementKey> {
        let known = self.world.fleet().clusters().get(name);
        let mut labels = known.map(|cluster| cluster.labels.clone()).unwrap_or_default();
        labels.insert(key.to_owned(), value.to_owned());
        let labels: Vec<(&str, String)> =
            labels.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        self.tell(name, specified(name, &labels))
    }

    /// A placement, applied and decided.
    pub fn place(&mut self, name: &str, spec: PlacementSpec) -> PlacementKey {
        let target = PlacementKey::new("ns", name);
        let apply = Apply {
            object: message::Placement { spec: Some(spec), ..message::Placement::default() },
            target: target.clone(),
            expected: None,
            change: fleetlog_rules::metadata::Change::Merge,
            uid: Uid::new(name),
            by: "bench".to_owned(),
        };
        self.decide(&target, &PlacementCommand::Apply(Box::new(apply)));
        self.look(std::slice::from_ref(&target));
        target
    }

    /// Placements are looked at, and what they decide is folded.
    pub fn look(&mut self, keys: &[PlacementKey]) {
        for key in keys {
            let Some(schedule) = self.world.schedule(key, NOW, Steadiness::Kept) else { continue };
            let inputs = self.world.position();
            let command = PlacementCommand::Schedule { schedule: Box::new(schedule), inputs };
            self.decide(key, &command);
        }
    }

    fn decide(&mut self, key: &PlacementKey, command: &PlacementCommand) {
        let unborn = Placement::default();
        let placement = self.world.placement(key).unwrap_or(&unborn);
        for event in placement.decide(command, NOW).unwrap_or_default() {
            self.commit(Change::Placement(key.clone(), event));
        }
    }

    /// How many clusters a placement has.
    pub fn decided(&self, key: &PlacementKey) -> usize {
        self.world.placement(key).map_or(0, |placement| placement.0.decided.len())
    }

    /// The same question for the reference.
    pub fn reference<'a>(&'a self, key: &'a PlacementKey) -> Option<(&'a Facts, Asked<'a>)> {
        let chosen = |p: &Placement| -> BTreeSet<String> { p.0.decided.keys().cloned().collect() };
        let placement = self.world.placement(key)?;
        let others = self.world.placements().filter(|(other, _)| *other != key);
        let asked = Asked {
            namespace: &key.namespace,
            spec: placement.object()?.spec.as_ref()?,
            chosen: chosen(placement),
            others: others.map(|(_, other)| chosen(other)).collect(),
            now: NOW.seconds(),
            afresh: false,
        };
        Some((self.facts.as_ref()?, asked))
    }
}

fn amounts(cpu: usize) -> BTreeMap<String, String> {
    [("cpu".to_owned(), cpu.to_string()), ("memory".to_owned(), format!("{cpu}Gi"))].into()
}

fn specified(name: &str, labels: &[(&str, String)]) -> cluster_event::Event {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        ..ObjectMeta::default()
    };
    let spec = ManagedClusterSpec { hub_accepts_client: Some(true), ..Default::default() };
    let cluster =
        ManagedCluster { metadata: Some(metadata), spec: Some(spec), ..ManagedCluster::default() };
    cluster_event::Event::Specified(ClusterSpecified { cluster: Some(cluster) })
}

fn by_label(key: &str, value: &str, number: i32) -> PlacementSpec {
    let match_labels = [(key.to_owned(), value.to_owned())].into();
    let selector = LabelSelector { match_labels, ..LabelSelector::default() };
    let selector = ClusterSelector { label_selector: Some(selector), ..ClusterSelector::default() };
    PlacementSpec {
        predicates: vec![ClusterPredicate { required_cluster_selector: Some(selector) }],
        number_of_clusters: Some(number),
        ..PlacementSpec::default()
    }
}

/// The best of a tier by CPU and Balance.
pub fn best_of(tier: &str, number: i32) -> PlacementSpec {
    let config = |name: &str| PrioritizerConfig {
        score_coordinate: Some(ScoreCoordinate {
            r#type: Some("BuiltIn".to_owned()),
            built_in: Some(name.to_owned()),
            add_on: None,
        }),
        weight: Some(1),
    };
    let policy = PrioritizerPolicy {
        mode: Some("Exact".to_owned()),
        configurations: vec![config("ResourceAllocatableCPU"), config("Balance")],
    };
    PlacementSpec { prioritizer_policy: Some(policy), ..by_label("tier", tier, number) }
}

/// Those of a tier that an expression takes: all of them.
pub fn by_expression(tier: &str, number: i32) -> PlacementSpec {
    let mut spec = by_label("tier", tier, number);
    let text = "managedCluster.metadata.labels['part'].size() < 3".to_owned();
    if let Some(selector) = spec.predicates[0].required_cluster_selector.as_mut() {
        selector.cel_selector = Some(ClusterCelSelector { cel_expressions: vec![text] });
    }
    spec
}

/// Everybody, spread evenly over the applications.
pub fn spread_over_apps() -> PlacementSpec {
    let constraint = SpreadConstraint {
        max_skew: Some(1),
        topology_key: Some("app".to_owned()),
        topology_key_type: Some("Label".to_owned()),
        when_unsatisfiable: Some("DoNotSchedule".to_owned()),
    };
    let policy = SpreadPolicy { spread_constraints: vec![constraint] };
    PlacementSpec { spread_policy: Some(policy), ..PlacementSpec::default() }
}

/// Those of an application.
pub fn by_app(app: &str, number: i32) -> PlacementSpec {
    by_label("app", app, number)
}

/// Some of a sixteenth of the fleet.
pub fn of_sixteenth(part: usize, number: i32) -> PlacementSpec {
    by_label("part", &part.to_string(), number)
}
