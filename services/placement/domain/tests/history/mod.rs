//! What can happen to a fleet and its placements, and strategies that draw it.

mod kinds;

pub use kinds::{KINDS, Occurred};

use crate::story::{misconfigured, pairs, predicate, text};
use fleetlog_messages::common::{IntOrString, LabelSelector, int_or_string::Value};
use fleetlog_messages::placement::{
    AddOnScore, ClusterCelSelector, DecisionGroup, DecisionStrategy, GroupClusterSelector,
    GroupStrategy, PlacementSpec, PrioritizerConfig, PrioritizerPolicy, ScoreCoordinate,
    SpreadConstraint, SpreadPolicy, Toleration,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::Range;

const CLUSTERS: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];
pub const SETS: [&str; 3] = ["s", "t", "global"];
const PLACEMENTS: [&str; 3] = ["p", "q", "r"];
const SCORES: [&str; 2] = ["demo", "other"];
/// The taint of a cluster that is not heard any more.
pub const UNREACHABLE: &str = "cluster.open-cluster-management.io/unreachable";

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    Specify {
        cluster: &'static str,
        set: &'static str,
        app: &'static str,
        zone: u8,
        ends: bool,
    },
    Accept(&'static str, bool),
    Facts {
        cluster: &'static str,
        claim: &'static str,
        cpu: Option<u8>,
        memory: Option<u8>,
    },
    Taint {
        cluster: &'static str,
        key: &'static str,
        effect: &'static str,
        ago: u8,
    },
    Untaint {
        cluster: &'static str,
        key: &'static str,
        effect: &'static str,
    },
    /// Its lease runs out.
    Silence(&'static str),
    /// It is heard again.
    Return(&'static str),
    Leave(&'static str),
    Score {
        cluster: &'static str,
        name: &'static str,
        value: i32,
        lasts: Option<u8>,
    },
    Unscore {
        cluster: &'static str,
        name: &'static str,
    },
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
        select(vec!["", "k", "l", UNREACHABLE]),
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

/// A history: most clusters and placements are there soon, then anything happens.
pub fn history(steps: Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let all = CLUSTERS.map(|name| (specify(Just(name)), facts(Just(name))));
    let fleet = all.prop_map(|pairs| pairs.into_iter().flat_map(|(a, b)| [a, b]));
    let placements = PLACEMENTS.map(|name| place(Just(name)));
    (fleet, placements, prop::collection::vec(step(), steps))
        .prop_map(|(fleet, placed, then)| fleet.chain(placed).chain(then).collect())
}

fn app() -> impl Strategy<Value = &'static str> {
    select(vec!["web", "db", "x"])
}

fn specify(cluster: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Step> {
    let parts = (cluster, select(SETS.to_vec()), app(), 0_u8..4, prop::bool::weighted(0.1));
    parts.prop_map(|(cluster, set, app, zone, ends)| Step::Specify {
        cluster,
        set,
        app,
        zone,
        ends,
    })
}

fn facts(cluster: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Step> {
    let parts = (cluster, app(), prop::option::of(0_u8..5), prop::option::of(0_u8..5));
    parts.prop_map(|(cluster, claim, cpu, memory)| Step::Facts { cluster, claim, cpu, memory })
}

fn place(name: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Step> {
    (name, spec()).prop_map(|(name, spec)| Step::Place(name, Box::new(spec)))
}

fn step() -> impl Strategy<Value = Step> {
    let cluster = || select(CLUSTERS.to_vec());
    let set = || select(SETS.to_vec());
    let placement = || select(PLACEMENTS.to_vec());
    let score = || select(SCORES.to_vec());
    let taint = || (cluster(), select(vec!["k", "l"]), effect());
    let lasts = prop::option::of(0_u8..20);
    prop_oneof![
        6 => specify(cluster()),
        2 => (cluster(), any::<bool>()).prop_map(|(cluster, yes)| Step::Accept(cluster, yes)),
        3 => facts(cluster()),
        3 => (taint(), 0_u8..20)
            .prop_map(|((cluster, key, effect), ago)| Step::Taint { cluster, key, effect, ago }),
        4 => taint().prop_map(|(cluster, key, effect)| Step::Untaint { cluster, key, effect }),
        3 => cluster().prop_map(Step::Silence),
        3 => cluster().prop_map(Step::Return),
        1 => cluster().prop_map(Step::Leave),
        3 => (cluster(), score(), -100_i32..101, lasts)
            .prop_map(|(cluster, name, value, lasts)| Step::Score { cluster, name, value, lasts }),
        1 => (cluster(), score()).prop_map(|(cluster, name)| Step::Unscore { cluster, name }),
        2 => (set(), prop::bool::weighted(0.9)).prop_map(|(set, sound)| Step::Set(set, sound)),
        2 => set().prop_map(Step::DropSet),
        2 => (set(), prop::bool::weighted(0.7)).prop_map(|(set, on)| Step::Bind(set, on)),
        5 => place(placement()),
        1 => placement().prop_map(Step::Delete),
        1 => placement().prop_map(Step::Rebalance),
        3 => (1_u8..15).prop_map(Step::Pass),
    ]
}

fn effect() -> impl Strategy<Value = &'static str> {
    select(vec!["NoSelect", "NoSelect", "PreferNoSelect", "NoSelectIfNew"])
}
