//! The scheduler against the reference, over any history: whenever a placement is looked at, both
//! choose the same; and what was not looked at needed no look.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking, and the reference counts small numbers"
)]

mod history;
mod reference;
mod story;

use fleetlog_messages::common::{LabelSelector, Time};
use fleetlog_messages::placement::{
    AddOnPlacementScore, AddOnPlacementScoreItem, AddOnPlacementScoreStatus, PlacementSpec,
    PrioritizerConfig, ScoreSpecified, score_event,
};
use fleetlog_messages::registration::{
    ClusterBecameAvailable, ClusterDeleted, ClusterFacts, ClusterSpecified, ClusterStatusReported,
    LeaseExpired, ManagedClusterClaim, ManagedClusterSet, TaintAdded, TaintRemoved, cluster_event,
};
use fleetlog_placement_domain::held_scores::ScoreKey;
use fleetlog_placement_domain::schedule::{Schedule, Steadiness};
use fleetlog_placement_domain::{Change, PlacementCommand, PlacementKey};
use fleetlog_rules::membership::SET_LABEL;
use history::{KINDS, Occurred, SETS, Step, UNREACHABLE, history};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use reference::{Answer, Asked, Facts};
use std::collections::{BTreeMap, BTreeSet};
use story::{Story, apply, key, set_by, taint, text};

/// Both worlds, told the same.
struct Both {
    story: Story,
    facts: Facts,
}

impl Both {
    fn of(steps: Vec<Step>) -> Self {
        let mut both = Self::empty();
        steps.into_iter().for_each(|step| both.take(step));
        both
    }

    /// Three sets, bound to the namespace `ns`, and no cluster.
    fn empty() -> Self {
        let mut both = Self { story: Story::default(), facts: Facts::default() };
        for set in SETS {
            both.take(Step::Set(set, true));
            both.take(Step::Bind(set, true));
        }
        both
    }

    /// Where the two differ, if they do; what they say otherwise.
    fn compare(&self, how: Steadiness) -> Result<Vec<Answer>, String> {
        let placements = self.story.world.placements();
        let both = placements.map(|(at, _)| {
            let ours = self.story.world.schedule(at, self.story.now(), how).unwrap();
            let (ours, reference) = (answered(ours), self.reference(at, how));
            let differ = format!("{at} {how:?}: {ours:?} is not {reference:?}");
            if ours == reference { Ok(ours) } else { Err(differ) }
        });
        both.collect()
    }

    fn cluster(&mut self, name: &str, event: cluster_event::Event) {
        self.facts.cluster(name, &event);
        self.story.cluster(name, event);
    }

    /// A cluster is not heard any more, or heard again: one commit, as registration makes it.
    fn silent(&mut self, name: &str, silent: bool) {
        let time_added = Some(fleetlog_rules::time(self.story.now()));
        let taint = taint(UNREACHABLE, "", "NoSelect");
        let taint = Some(fleetlog_messages::registration::Taint { time_added, ..taint });
        let events = match silent {
            true => [
                cluster_event::Event::LeaseExpired(LeaseExpired::default()),
                cluster_event::Event::TaintAdded(TaintAdded { taint }),
            ],
            false => [
                cluster_event::Event::BecameAvailable(ClusterBecameAvailable::default()),
                cluster_event::Event::TaintRemoved(TaintRemoved { taint }),
            ],
        };
        events.iter().for_each(|event| self.facts.cluster(name, event));
        let changes = events.map(|event| Change::Cluster(name.to_owned(), event));
        self.story.commit(changes.into());
    }

    /// The specs of the placements that are there.
    fn placed(&self) -> BTreeMap<String, PlacementSpec> {
        let specs = self.story.world.placements().filter_map(|(at, placement)| {
            Some((at.name.clone(), placement.object()?.spec.clone()?))
        });
        specs.collect()
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
            Step::Silence(cluster) => self.silent(cluster, true),
            Step::Return(cluster) => self.silent(cluster, false),
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

    /// A placement that nothing woke needed no look, if it would choose the same again.
    fn settled(&self) -> Result<(), String> {
        for (at, placement) in self.story.world.placements() {
            let spec = placement.object().unwrap().spec.as_ref().unwrap();
            if !is_settled_alone(spec) {
                continue;
            }
            let decided: BTreeSet<String> = placement.0.decided.keys().cloned().collect();
            let wanted = match self.reference(at, Steadiness::Kept) {
                Answer::Misconfigured(kept) | Answer::Broken(kept) => kept,
                Answer::Chosen { decision, .. } => decision.into_keys().collect(),
            };
            if decided != wanted {
                return Err(format!("{at} has {decided:?} and should have {wanted:?}"));
            }
        }
        Ok(())
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
        steps in history(0..30),
    ) {
        let both = Both::of(steps);
        for how in [Steadiness::Kept, Steadiness::Waived] {
            let compared = both.compare(how);
            prop_assert!(compared.is_ok(), "{}", compared.unwrap_err());
        }
    }

    #[test]
    fn a_placement_that_nothing_woke_is_as_the_reference_would_have_it(
        steps in history(0..30),
    ) {
        let settled = Both::of(steps).settled();
        prop_assert!(settled.is_ok(), "{}", settled.unwrap_err());
    }
}

/// The histories of so many seeds are compared after each step; `FLEETLOG_SEEDS` asks for more.
const SEEDS: u64 = 200;

/// What has to be answered for the comparison to mean something.
const ANSWERS: [&str; 13] = [
    "Misconfigured",
    "Broken",
    "NoManagedClusterSetBindings",
    "NoIntersection",
    "AllManagedClusterSetsEmpty",
    "NoManagedClusterMatched",
    "NotAllDecisionsScheduled",
    "AllDecisionsScheduled",
    "by Predicate",
    "by TaintToleration",
    "by Spread",
    "by NumberOfClusters",
    "woken",
];

fn of_seed(seed: u64) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    history(15..35).new_tree(&mut runner).unwrap().current()
}

fn words(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Misconfigured(_) => vec!["Misconfigured".to_owned()],
        Answer::Broken(_) => vec!["Broken".to_owned()],
        Answer::Chosen { reason, dropped, .. } => {
            let rules = dropped.keys().map(|rule| format!("by {rule}"));
            rules.chain([reason.clone()]).collect()
        }
    }
}

#[test]
fn many_histories_agree_after_each_step_and_leave_nothing_out() {
    let seeds = std::env::var("FLEETLOG_SEEDS").ok().and_then(|text| text.parse().ok());
    let (mut occurred, mut answered) = (Occurred::default(), BTreeSet::new());
    for seed in 0..seeds.unwrap_or(SEEDS) {
        let mut both = Both::empty();
        occurred.begin();
        for (number, step) in of_seed(seed).into_iter().enumerate() {
            occurred.note(&step, &both.facts, &both.placed());
            let said = format!("{step:?}");
            let before = both.story.events.len();
            let passes = matches!(step, Step::Pass(_));
            both.take(step);
            if passes && both.story.events.len() > before {
                answered.insert("woken".to_owned());
            }
            match both.compare(Steadiness::Kept) {
                Ok(answers) => answered.extend(answers.iter().flat_map(words)),
                Err(differ) => panic!("seed {seed}, step {number} ({said}): {differ}"),
            }
            if let Err(forgotten) = both.settled() {
                panic!("seed {seed}, step {number} ({said}): {forgotten}");
            }
        }
    }
    let kinds = KINDS.iter().filter(|kind| !occurred.seen.contains(**kind));
    let answers = ANSWERS.iter().filter(|answer| !answered.contains(**answer));
    let missing: Vec<&&str> = kinds.chain(answers).collect();
    assert!(missing.is_empty(), "these never occurred: {missing:?}");
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
