//! The scheduler against the reference, over any history: whenever a placement is looked at, both
//! choose the same; and what was not looked at needed no look.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking, and the reference counts small numbers"
)]

mod reference;
mod story;

use fleetlog_messages::common::{IntOrString, LabelSelector, Time, int_or_string::Value};
use fleetlog_messages::placement::{
    AddOnPlacementScore, AddOnPlacementScoreItem, AddOnPlacementScoreStatus, AddOnScore,
    ClusterCelSelector, DecisionGroup, DecisionStrategy, GroupClusterSelector, GroupStrategy,
    PlacementSpec, PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate, ScoreSpecified,
    SpreadConstraint, SpreadPolicy, Toleration, score_event,
};
use fleetlog_messages::registration::{
    ClusterDeleted, ClusterFacts, ClusterSpecified, ClusterStatusReported, ManagedClusterClaim,
    ManagedClusterSet, TaintAdded, TaintRemoved, cluster_event,
};
use fleetlog_placement_domain::held_scores::ScoreKey;
use fleetlog_placement_domain::schedule::{Schedule, Steadiness};
use fleetlog_placement_domain::{Change, PlacementCommand, PlacementKey};
use fleetlog_rules::membership::SET_LABEL;
use proptest::prelude::*;
use proptest::sample::select;
use reference::{Answer, Asked, Facts};
use std::collections::{BTreeMap, BTreeSet};
use story::{Story, apply, key, misconfigured, pairs, predicate, set_by, taint, text};

const CLUSTERS: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];
const SETS: [&str; 3] = ["s", "t", "global"];
const PLACEMENTS: [&str; 3] = ["p", "q", "r"];
const SCORES: [&str; 2] = ["demo", "other"];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Specify { cluster: &'static str, set: &'static str, app: &'static str, zone: u8, ends: bool },
    Accept(&'static str, bool),
    Facts { cluster: &'static str, claim: &'static str, cpu: Option<u8>, memory: Option<u8> },
    Taint { cluster: &'static str, key: &'static str, effect: &'static str, ago: u8 },
    Untaint { cluster: &'static str, key: &'static str, effect: &'static str },
    Leave(&'static str),
    Score { cluster: &'static str, name: &'static str, value: i32, lasts: Option<u8> },
    Unscore { cluster: &'static str, name: &'static str },
    Set(&'static str, bool),
    DropSet(&'static str),
    Bind(&'static str, bool),
    Place(&'static str, Box<PlacementSpec>),
    Delete(&'static str),
    Rebalance(&'static str),
    Pass(u8),
}

fn config() -> impl Strategy<Value = PrioritizerConfig> {
    let built_in = select(vec![
        "Balance",
        "Steady",
        "ResourceAllocatableCPU",
        "ResourceAllocatableMemory",
        "Spread",
    ]);
    let built_in = built_in.prop_map(|name| ScoreCoordinate {
        r#type: text("BuiltIn"),
        built_in: text(name),
        ..ScoreCoordinate::default()
    });
    let add_on = (select(SCORES.to_vec()), select(vec!["cpu", "gpu"])).prop_map(|(of, score)| {
        let add_on = AddOnScore { resource_name: text(of), score_name: text(score) };
        ScoreCoordinate { r#type: text("AddOn"), add_on: Some(add_on), ..Default::default() }
    });
    (prop_oneof![2 => built_in, 1 => add_on], -3_i32..4).prop_map(|(coordinate, weight)| {
        PrioritizerConfig { score_coordinate: Some(coordinate), weight: Some(weight) }
    })
}

/// Each score of an add-on once.
fn policy() -> impl Strategy<Value = Option<PrioritizerPolicy>> {
    let configurations = prop::collection::vec(config(), 0..4);
    let policy = (select(vec!["Additive", "Exact"]), configurations).prop_map(|(mode, given)| {
        let mut configurations: Vec<PrioritizerConfig> = vec![];
        for config in given {
            let coordinate = |c: &PrioritizerConfig| c.score_coordinate.clone();
            if !configurations.iter().any(|known| coordinate(known) == coordinate(&config)) {
                configurations.push(config);
            }
        }
        PrioritizerPolicy { mode: text(mode), configurations }
    });
    prop::option::weighted(0.6, policy)
}

fn tolerations() -> impl Strategy<Value = Vec<Toleration>> {
    let one = (
        select(vec!["", "k", "l"]),
        select(vec!["", "NoSelect", "NoSelectIfNew"]),
        prop::option::weighted(0.7, 0_i64..30),
    );
    let one = one.prop_map(|(key, effect, toleration_seconds)| Toleration {
        key: text(key),
        operator: text("Exists"),
        effect: (!effect.is_empty()).then(|| effect.to_owned()),
        toleration_seconds,
        ..Toleration::default()
    });
    prop::collection::vec(one, 0..3)
}

fn spread() -> impl Strategy<Value = Option<SpreadPolicy>> {
    let one = (
        select(vec![("zone", "Label"), ("app", "Label"), ("app", "Claim")]),
        1_i32..3,
        select(vec!["DoNotSchedule", "ScheduleAnyway"]),
    );
    let one = one.prop_map(|((key, kind), skew, otherwise)| SpreadConstraint {
        topology_key: text(key),
        topology_key_type: text(kind),
        max_skew: Some(skew),
        when_unsatisfiable: text(otherwise),
    });
    let all = prop::collection::vec(one, 1..3)
        .prop_map(|spread_constraints| SpreadPolicy { spread_constraints });
    prop::option::weighted(0.3, all)
}

fn strategy() -> impl Strategy<Value = Option<DecisionStrategy>> {
    let size = prop_oneof![
        (0_i64..4).prop_map(Value::Int),
        (1_u8..101).prop_map(|percent| Value::Str(format!("{percent}%"))),
    ];
    let named = prop::collection::vec(select(vec!["web", "db"]), 0..3);
    let strategy = (prop::option::of(size), named).prop_map(|(size, named)| {
        let group = |app: &str| DecisionGroup {
            group_name: text(app),
            group_cluster_selector: Some(GroupClusterSelector {
                label_selector: Some(LabelSelector {
                    match_labels: pairs(&[("app", app)]),
                    ..LabelSelector::default()
                }),
                claim_selector: None,
            }),
        };
        let groups = GroupStrategy {
            decision_groups: named.into_iter().map(group).collect(),
            clusters_per_decision_group: size.map(|value| IntOrString { value: Some(value) }),
        };
        DecisionStrategy { group_strategy: Some(groups) }
    });
    prop::option::weighted(0.3, strategy)
}

fn spec() -> impl Strategy<Value = PlacementSpec> {
    let plain = (select(vec!["web", "db"]), 0_u8..3).prop_map(|(app, how)| match how {
        0 => predicate(&[("app", app)], &[]),
        1 => predicate(&[], &[("app", app)]),
        _ => predicate(&[("app", app)], &[("app", "web")]),
    });
    let expression = select(vec![
        "managedCluster.metadata.labels.app == 'web'",
        "managedCluster.metadata.labels['zone'] != 'z1'",
        "managedCluster.status.clusterClaims.exists(c, c.name == 'app' && c.value == 'db')",
        "managedCluster.scores('demo').exists(s, s.value > 0)",
        "managedCluster.spec.hubAcceptsClient && !has(managedCluster.spec.taints)",
        "managedCluster.status.allocatable.cpu == '2'",
        "1 + 1",
        "no sense",
    ]);
    let predicate =
        (plain, prop::option::weighted(0.3, expression)).prop_map(|(mut plain, cel)| {
            let cel = cel.map(|text| ClusterCelSelector { cel_expressions: vec![text.to_owned()] });
            plain.required_cluster_selector.get_or_insert_default().cel_selector = cel;
            plain
        });
    let predicates = prop_oneof![
        2 => Just(vec![]),
        3 => prop::collection::vec(predicate, 1..3),
    ];
    let sets = prop::collection::vec(select(SETS.to_vec()), 0..2);
    let number = prop::option::of(0_i32..5);
    let parts = (predicates, sets, number, policy(), tolerations(), spread(), strategy());
    let good =
        parts.prop_map(|(predicates, sets, number_of_clusters, policy, tolerations, s, d)| {
            PlacementSpec {
                cluster_sets: sets.into_iter().map(str::to_owned).collect(),
                number_of_clusters,
                predicates,
                prioritizer_policy: policy,
                spread_policy: s,
                tolerations,
                decision_strategy: d,
                ..PlacementSpec::default()
            }
        });
    prop_oneof![9 => good, 1 => Just(misconfigured())]
}

fn step() -> impl Strategy<Value = Step> {
    let cluster = || select(CLUSTERS.to_vec());
    let set = || select(SETS.to_vec());
    let app = || select(vec!["web", "db", "x"]);
    let placement = || select(PLACEMENTS.to_vec());
    let score = || select(SCORES.to_vec());
    let taint = || (cluster(), select(vec!["k", "l"]), effect());
    let facts = (cluster(), app(), prop::option::of(0_u8..5), prop::option::of(0_u8..5));
    let lasts = prop::option::of(0_u8..20);
    prop_oneof![
        6 => (cluster(), set(), app(), 0_u8..4, prop::bool::weighted(0.1))
            .prop_map(|(cluster, set, app, zone, ends)| {
                Step::Specify { cluster, set, app, zone, ends }
            }),
        2 => (cluster(), any::<bool>()).prop_map(|(cluster, yes)| Step::Accept(cluster, yes)),
        3 => facts.prop_map(|(cluster, claim, cpu, memory)| {
            Step::Facts { cluster, claim, cpu, memory }
        }),
        3 => (taint(), 0_u8..20)
            .prop_map(|((cluster, key, effect), ago)| Step::Taint { cluster, key, effect, ago }),
        1 => taint().prop_map(|(cluster, key, effect)| Step::Untaint { cluster, key, effect }),
        1 => cluster().prop_map(Step::Leave),
        3 => (cluster(), score(), -100_i32..101, lasts)
            .prop_map(|(cluster, name, value, lasts)| Step::Score { cluster, name, value, lasts }),
        1 => (cluster(), score()).prop_map(|(cluster, name)| Step::Unscore { cluster, name }),
        2 => (set(), prop::bool::weighted(0.9)).prop_map(|(set, sound)| Step::Set(set, sound)),
        1 => set().prop_map(Step::DropSet),
        2 => (set(), prop::bool::weighted(0.8)).prop_map(|(set, on)| Step::Bind(set, on)),
        5 => (placement(), spec()).prop_map(|(name, spec)| Step::Place(name, Box::new(spec))),
        1 => placement().prop_map(Step::Delete),
        1 => placement().prop_map(Step::Rebalance),
        3 => (1_u8..15).prop_map(Step::Pass),
    ]
}

fn effect() -> impl Strategy<Value = &'static str> {
    select(vec!["NoSelect", "NoSelect", "PreferNoSelect", "NoSelectIfNew"])
}

/// Both worlds, told the same.
struct Both {
    story: Story,
    facts: Facts,
}

impl Both {
    fn of(steps: Vec<Step>) -> Self {
        let mut both = Self { story: Story::default(), facts: Facts::default() };
        for set in SETS {
            both.take(Step::Set(set, true));
            both.take(Step::Bind(set, true));
        }
        steps.into_iter().for_each(|step| both.take(step));
        both
    }

    fn cluster(&mut self, name: &str, event: cluster_event::Event) {
        self.facts.cluster(name, &event);
        self.story.cluster(name, event);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Specify { cluster, set, app, zone, ends } => {
                self.cluster(cluster, specified(set, app, zone, ends));
            }
            Step::Accept(cluster, true) => {
                self.cluster(cluster, cluster_event::Event::Accepted(Default::default()));
            }
            Step::Accept(cluster, false) => {
                self.cluster(cluster, cluster_event::Event::Denied(Default::default()));
            }
            Step::Facts { cluster, claim, cpu, memory } => {
                self.cluster(cluster, reported(claim, cpu, memory));
            }
            Step::Taint { cluster, key, effect, ago } => {
                let time_added = Some(fleetlog_rules::time(self.story.ago(ago.into())));
                let taint = taint(key, "", effect);
                let taint = Some(fleetlog_messages::registration::Taint { time_added, ..taint });
                self.cluster(cluster, cluster_event::Event::TaintAdded(TaintAdded { taint }));
            }
            Step::Untaint { cluster, key, effect } => {
                let taint = Some(taint(key, "", effect));
                self.cluster(cluster, cluster_event::Event::TaintRemoved(TaintRemoved { taint }));
            }
            Step::Leave(cluster) => {
                self.cluster(cluster, cluster_event::Event::Deleted(ClusterDeleted::default()));
            }
            other => self.take_more(other),
        }
        self.story.settle();
    }

    fn take_more(&mut self, step: Step) {
        match step {
            Step::Score { cluster, name, value, lasts } => self.score(cluster, name, value, lasts),
            Step::Unscore { cluster, name } => {
                self.facts.scores.remove(&(cluster.to_owned(), name.to_owned()));
                let at = ScoreKey { cluster: cluster.to_owned(), name: name.to_owned() };
                let event = score_event::Event::Deleted(Default::default());
                self.story.commit(vec![Change::Score(at, event)]);
            }
            Step::Set(name, sound) => {
                let mut spec = set_by((name == "global").then(LabelSelector::default));
                if !sound {
                    let selector = spec.cluster_selector.get_or_insert_default();
                    selector.selector_type = text("Legacy");
                }
                let set = ManagedClusterSet { spec: Some(spec.clone()), ..Default::default() };
                self.facts.sets.insert(name.to_owned(), set);
                self.story.set(name, spec);
            }
            Step::DropSet(name) => {
                self.facts.sets.remove(name);
                self.story.drop_set(name);
            }
            Step::Bind(set, true) => {
                self.facts.bindings.insert(("ns".to_owned(), set.to_owned()));
                self.story.bind("ns", set);
            }
            Step::Bind(set, false) => {
                self.facts.bindings.remove(&("ns".to_owned(), set.to_owned()));
                self.story.unbind("ns", set);
            }
            Step::Place(name, spec) => {
                let command = PlacementCommand::Apply(Box::new(apply(name, *spec)));
                self.story.command(&key(name), &command).unwrap();
            }
            Step::Delete(name) if self.story.placement(name).object().is_some() => {
                self.story.delete(name);
            }
            Step::Rebalance(name) => drop(self.story.rebalance(name)),
            Step::Pass(seconds) => self.story.pass(seconds.into()),
            _ => {}
        }
    }

    fn score(&mut self, cluster: &str, name: &str, value: i32, lasts: Option<u8>) {
        let item = AddOnPlacementScoreItem { name: text("cpu"), value: Some(value) };
        let until = lasts.map(|seconds| self.story.ago(-i64::from(seconds)));
        let status = AddOnPlacementScoreStatus {
            scores: vec![item],
            valid_until: until.map(fleetlog_rules::time),
            ..AddOnPlacementScoreStatus::default()
        };
        let score = AddOnPlacementScore { status: Some(status), ..Default::default() };
        self.facts.scores.insert((cluster.to_owned(), name.to_owned()), score.clone());
        let at = ScoreKey { cluster: cluster.to_owned(), name: name.to_owned() };
        let event = score_event::Event::Specified(ScoreSpecified { score: Some(score) });
        self.story.commit(vec![Change::Score(at, event)]);
    }

    /// What the reference says of a placement now.
    fn reference(&self, at: &PlacementKey, how: Steadiness) -> Answer {
        let chosen = |p: &fleetlog_placement_domain::Placement| -> BTreeSet<String> {
            p.0.decided.keys().cloned().collect()
        };
        let placement = self.story.world.placement(at).unwrap();
        let others = self.story.world.placements().filter(|(other, _)| *other != at);
        reference::answer_of(
            &self.facts,
            &Asked {
                namespace: &at.namespace,
                spec: placement.object().unwrap().spec.as_ref().unwrap(),
                chosen: chosen(placement),
                others: others.map(|(_, other)| chosen(other)).collect(),
                now: self.story.now().seconds(),
                afresh: how == Steadiness::Waived,
            },
        )
    }
}

fn specified(set: &str, app: &str, zone: u8, ends: bool) -> cluster_event::Event {
    let mut event = story::specified(set, &[("app", app)]);
    if let cluster_event::Event::Specified(ClusterSpecified { cluster: Some(cluster) }) = &mut event
    {
        let meta = cluster.metadata.get_or_insert_default();
        assert_eq!(meta.labels[SET_LABEL], set);
        if zone > 0 {
            meta.labels.insert("zone".to_owned(), format!("z{zone}"));
        }
        meta.deletion_timestamp = ends.then(|| Time { seconds: 1, ..Time::default() });
    }
    event
}

fn reported(claim: &str, cpu: Option<u8>, memory: Option<u8>) -> cluster_event::Event {
    let amounts = [("cpu", cpu), ("memory", memory)];
    let amounts =
        amounts.into_iter().filter_map(|(name, n)| Some((name.to_owned(), n?.to_string())));
    let allocatable: BTreeMap<String, String> = amounts.collect();
    let claim = ManagedClusterClaim { name: text("app"), value: text(claim) };
    let facts = ClusterFacts {
        capacity: allocatable.clone(),
        allocatable,
        cluster_claims: vec![claim],
        ..ClusterFacts::default()
    };
    cluster_event::Event::StatusReported(ClusterStatusReported { facts: Some(facts) })
}

/// A schedule in the reference's words.
fn answered(schedule: Schedule) -> Answer {
    match schedule {
        Schedule::Flawed { kept, .. } => Answer::Misconfigured(kept.into_iter().collect()),
        Schedule::Broken { kept, .. } => Answer::Broken(kept.into_iter().collect()),
        Schedule::Chosen(choice) => Answer::Chosen {
            decision: choice
                .decision
                .into_iter()
                .map(|(name, d)| (name, (d.score, d.group, d.group_index)))
                .collect(),
            reason: choice.satisfied.reason.to_owned(),
            unmet: choice.unmet,
            dropped: choice.dropped,
        },
    }
}

/// Whether a second look chooses the same: what a placement chooses does not depend on other
/// placements, whose choices wake nobody, and being chosen does not speak against a cluster.
fn is_settled_alone(spec: &PlacementSpec) -> bool {
    let policy = spec.prioritizer_policy.clone().unwrap_or_default();
    let moves = |config: &PrioritizerConfig| {
        let coordinate = config.score_coordinate.clone().unwrap_or_default();
        match coordinate.built_in() {
            "Balance" => true,
            "Steady" => config.weight() < 0,
            _ => false,
        }
    };
    policy.mode() == "Exact" && !policy.configurations.iter().any(moves)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scheduler_chooses_what_the_reference_chooses(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let both = Both::of(steps);
        let now = both.story.now();
        for (at, _) in both.story.world.placements() {
            for how in [Steadiness::Kept, Steadiness::Waived] {
                let ours = answered(both.story.world.schedule(at, now, how).unwrap());
                prop_assert_eq!(ours, both.reference(at, how), "{} {:?}", at, how);
            }
        }
    }

    #[test]
    fn a_placement_that_nothing_woke_is_as_the_reference_would_have_it(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let both = Both::of(steps);
        for (at, placement) in both.story.world.placements() {
            let spec = placement.object().unwrap().spec.as_ref().unwrap();
            if !is_settled_alone(spec) {
                continue;
            }
            let decided: BTreeSet<String> = placement.0.decided.keys().cloned().collect();
            let wanted = match both.reference(at, Steadiness::Kept) {
                Answer::Misconfigured(kept) | Answer::Broken(kept) => kept,
                Answer::Chosen { decision, .. } => decision.into_keys().collect(),
            };
            prop_assert_eq!(decided, wanted, "{}", at);
        }
    }
}

#[test]
fn the_reference_names_no_part_of_the_scheduler() {
    let texts = [
        include_str!("reference/mod.rs"),
        include_str!("reference/choice.rs"),
        include_str!("reference/score.rs"),
        include_str!("reference/spread.rs"),
    ];
    for text in texts {
        let named: Vec<&str> =
            text.split("fleetlog_").skip(1).map(|rest| rest.split(':').next().unwrap()).collect();
        assert!(named.iter().all(|name| ["messages", "rules"].contains(name)), "{named:?}");
    }
}
